//! What a rule does: a pause is a change like others, by the actor `alert:SLUG`; it is taken back only if nobody has touched
//! the entity since.

use super::new_id;
use crate::{
    app::App,
    entities::write::{self, WriteConditions},
    in_use,
    services::told,
};
use tfx_api::entities::Verb;
use tfx_domain::{
    alert::{AlertEvent, Happened, Target, TargetKind},
    entity::{Kind, Status},
    id::{AlertId, ClickId},
};
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, Caller},
    clock,
    page::PageRequest,
};

/// For which rule and group something is done, and by whom.
pub(super) struct Deed<'d> {
    pub(super) id: ClickId,
    pub(super) alert: &'d AlertId,
    pub(super) group: &'d [String],
    pub(super) actor: &'d str,
    pub(super) target: &'d Target,
}

impl Deed<'_> {
    fn kind(&self) -> Kind {
        match self.target.kind {
            TargetKind::Stream => Kind::Stream,
            TargetKind::Destination => Kind::Destination,
        }
    }

    fn line(&self, happened: Happened, text: String) -> AlertEvent {
        let (alert, group) = (self.alert.clone(), self.group.to_vec());
        AlertEvent { id: self.id, at: clock::now(), alert, group, happened, text }
    }

    /// A line that the deed was given up.
    pub(super) fn given_up(&self, why: &str) -> AlertEvent {
        AlertEvent { id: new_id(clock::now()), ..self.line(Happened::LeftAlone, format!("given up: {why}")) }
    }

    /// Who changed the entity last, and how.
    async fn last_change(&self, app: &App) -> Result<Option<AuditEntry>, StoreError> {
        let page = PageRequest::first(1);
        Ok(app.stores.config.audit(Some(&self.target.id), &page).await?.items.into_iter().next())
    }

    /// Pauses; what became of it.
    ///
    /// # Errors
    /// Why it has to be tried again.
    pub(super) async fn pause(&self, app: &App) -> Result<AlertEvent, String> {
        let kind = self.kind();
        let record = app.stores.config.get(kind, &self.target.id).await.map_err(|e| e.to_string())?;
        let Some(record) = record else {
            return Ok(self.line(Happened::LeftAlone, format!("the {kind} is not there any more")));
        };
        let last = self.last_change(app).await.map_err(|e| e.to_string())?;
        let ours = last.is_some_and(|last| last.caller.name == self.actor && last.action == "pause");
        let name = format!("the {kind} {}", record.slug);
        match record.status {
            Status::Active => {}
            // It was done before this process or another was ended.
            Status::Paused if ours => return Ok(self.line(Happened::Paused, format!("{name} is paused"))),
            status => {
                let text = format!("{name} is {} already", status.as_str());
                return Ok(self.line(Happened::LeftAlone, text));
            }
        }
        self.change(app, Verb::Pause).await?;
        Ok(self.line(Happened::Paused, format!("{name} is paused")))
    }

    /// Takes it back, if it is as this rule left it; what became of it.
    ///
    /// # Errors
    /// Why it has to be tried again.
    pub(super) async fn take_back(&self, app: &App) -> Result<AlertEvent, String> {
        let kind = self.kind();
        let record = app.stores.config.get(kind, &self.target.id).await.map_err(|e| e.to_string())?;
        let Some(record) = record else {
            return Ok(self.line(Happened::LeftAlone, format!("the {kind} is not there any more")));
        };
        let last = self.last_change(app).await.map_err(|e| e.to_string())?;
        let name = format!("the {kind} {}", record.slug);
        let last = match last {
            Some(last) if last.caller.name == self.actor => last,
            last => {
                let by = last.map_or_else(|| "somebody".to_owned(), |last| last.caller.name);
                let text = format!("{name} stays {}: {by} has changed it since", record.status.as_str());
                return Ok(self.line(Happened::LeftAlone, text));
            }
        };
        match (last.action.as_str(), record.status) {
            ("pause", Status::Paused) => {}
            ("resume", _) => return Ok(self.line(Happened::Returned, format!("{name} goes on"))),
            (_, status) => {
                return Ok(self.line(Happened::LeftAlone, format!("{name} stays {}", status.as_str())));
            }
        }
        self.change(app, Verb::Resume).await?;
        Ok(self.line(Happened::Returned, format!("{name} goes on")))
    }

    async fn change(&self, app: &App, verb: Verb) -> Result<(), String> {
        let caller = Caller::named(self.actor);
        let how = WriteConditions::default();
        match write::lifecycle(app, &caller, self.kind(), &self.target.id, verb, how).await {
            Ok(_) => {
                in_use::reached_soon(app).await;
                Ok(())
            }
            Err(failure) => Err(told(failure).await),
        }
    }
}
