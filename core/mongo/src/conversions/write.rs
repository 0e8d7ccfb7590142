//! Writing what was decided, all or nothing: one document by itself, several in a transaction.

use super::{
    conversions,
    plan::{Plan, State},
    record::{Recording, WHAT},
    source_postback,
    stored::{ConversionDocument, changed_fields},
};
use crate::error::Failed;
use mongodb::{
    ClientSession,
    bson::{Bson, Document, doc},
};
use tfx_ports::StoreError;

/// Statements in one update command, which is one document of at most 16 MB.
pub(super) const STATEMENTS: usize = 500;

impl Recording {
    pub(super) async fn write(&self, plan: &Plan) -> Result<(), Failed> {
        match plan.writes() {
            0 => Ok(()),
            1 => self.write_one(plan).await,
            _ => self.write_all(plan).await,
        }
    }

    async fn write_one(&self, plan: &Plan) -> Result<(), Failed> {
        if let Some(new) = plan.inserts.first() {
            self.0
                .write(WHAT, conversions(&self.0).insert_one(ConversionDocument::unpublished(new)?))
                .await?;
        }
        if let Some((stored, next)) = plan.updates.first() {
            let all = conversions(&self.0);
            let update = all.update_one(condition(stored, next), changed_fields(next)?);
            let done = self.0.write(WHAT, update).await?;
            met(done.matched_count, 1)?;
        }
        Ok(())
    }

    async fn write_all(&self, plan: &Plan) -> Result<(), Failed> {
        let mut session = self.0.begin(WHAT).await?;
        let steps = self.steps(plan, &mut session).await;
        self.0.end(WHAT, session, steps).await
    }

    async fn steps(&self, plan: &Plan, session: &mut ClientSession) -> Result<(), Failed> {
        // Each has two bodies: what is stored, and what is to be.
        for some in plan.updates.chunks(STATEMENTS / 2) {
            self.update(some, session).await?;
        }
        if !plan.inserts.is_empty() {
            let new: Vec<ConversionDocument> =
                plan.inserts.iter().map(ConversionDocument::unpublished).collect::<Result<_, _>>()?;
            self.0.step(WHAT, conversions(&self.0).insert_many(new).session(&mut *session)).await?;
        }
        source_postback::put(&self.0, session, &plan.tells).await
    }

    async fn update(&self, some: &[(String, State)], session: &mut ClientSession) -> Result<(), Failed> {
        let statement = |(stored, next): &(String, State)| {
            Ok(doc! {"q": condition(stored, next), "u": changed_fields(next)?})
        };
        let statements: Vec<Document> = some.iter().map(statement).collect::<Result<_, StoreError>>()?;
        let command = doc! {"update": conversions(&self.0).name(), "updates": statements};
        let done = self.0.step(WHAT, self.0.database().run_command(command).session(session)).await?;
        refused(WHAT, &done)?;
        met(done.get("n").and_then(number).unwrap_or(0), some.len() as u64)
    }
}

/// What was read, if it is still as it was: signatures are noted, and persons erased, without a new version.
fn condition(stored: &str, next: &State) -> Document {
    doc! {"_id": next.conversion.id.as_str(), "body": stored}
}

/// Whether every update met the state it was decided from.
fn met(matched: u64, wanted: u64) -> Result<(), Failed> {
    if matched == wanted {
        return Ok(());
    }
    let what = format!("{WHAT}: a conversion kept changing in the meantime");
    Err(Failed::Conflict(StoreError::Unavailable { what, source: None }))
}

/// What a command that the driver does not look into reports: errors of single writes, or of their concern.
pub(crate) fn refused(what: &str, done: &Document) -> Result<(), Failed> {
    let write = done.get_array("writeErrors").ok().and_then(|all| all.first()).and_then(Bson::as_document);
    let concern = done.get_document("writeConcernError").ok();
    let Some(error) = write.or(concern) else { return Ok(()) };
    let code = error.get("code").and_then(number).unwrap_or(0);
    let what = format!("{what}: {} ({code})", error.get_str("errmsg").unwrap_or("refused"));
    Err(match code {
        11_000 => Failed::Taken(StoreError::Unavailable { what, source: None }),
        _ if write.is_none() => Failed::Unknown(StoreError::Unavailable { what, source: None }),
        _ => Failed::Refused(StoreError::Broken { what, source: None }),
    })
}

fn number(value: &Bson) -> Option<u64> {
    let number = value.as_i64().or_else(|| value.as_i32().map(i64::from))?;
    u64::try_from(number).ok()
}
