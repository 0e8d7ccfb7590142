//! A report about a known click: recorded, its events made durable, counted. Many at once: `import`.

use crate::{
    clicks::KnownClick,
    config::Index,
    log::{self, Origin, PostbackOutcome},
    signature,
    take::{NOT_DURABLE, Postbacks},
    why,
};
use tfx_domain::{
    Timestamp,
    entity::{Network, TemplateSpec},
    event::{ConversionEvent, Event, PostbackResult},
    postback::{Conversion, Incoming, Postback, report},
};
use tfx_ports::conversions::Recorded;

/// The status of what is taken again and was already: nothing is answered with it.
pub(crate) const TAKEN_BEFORE: u16 = 208;

impl Postbacks {
    /// Records a report about a known click, publishes, answers with `status`.
    pub(crate) async fn record(
        &self,
        index: &Index,
        origin: &Origin,
        network: &Network,
        postback: &Postback,
        click: &KnownClick,
        status: u16,
    ) -> PostbackOutcome {
        let template = index.named_template(&network.id, &origin.template).map(|t| &t.spec);
        let incoming = match incoming(index, origin, network, postback, click, status) {
            Ok(incoming) => incoming,
            Err(outcome) if outcome.status == 503 => {
                return self.refuse(origin, outcome, Some(network)).await;
            }
            Err(conflict) => {
                self.count_word(postback);
                return self.conclude(origin, conflict, Some(network), None).await;
            }
        };
        self.count_word(postback);
        let at = incoming.at;
        let is_told = incoming.tell.is_some();
        let mut recorded = match self.store(&incoming).await {
            Ok(recorded) => recorded,
            Err(why) => return self.not_durable(origin, network, postback, why).await,
        };
        // What comes now is the newest there is, also where the clock of another instance is ahead, or this one was.
        let present = recorded.conversion.updated_at;
        if status != 0 && recorded.result == PostbackResult::Stale && present > at {
            recorded = match self.store(&Incoming { at: present, ..incoming }).await {
                Ok(recorded) => recorded,
                Err(why) => return self.not_durable(origin, network, postback, why).await,
            };
        }
        if status == 0 && recorded.result == PostbackResult::Duplicate {
            recorded.result = of_an_earlier_try(&recorded.conversion, at);
        }
        if is_told {
            self.to_tell.notify_one();
        }
        let mut outcome = became(network, template, postback, click, &recorded, status);
        let came_before = origin.signed.as_ref().is_some_and(|s| recorded.conversion.signatures.has(s));
        if recorded.result == PostbackResult::Duplicate && came_before {
            outcome.reason = signature::CAME_BEFORE.to_owned();
        }
        self.conclude(origin, outcome, Some(network), changed(&recorded)).await
    }

    pub(crate) fn count_word(&self, postback: &Postback) {
        if postback.unmapped {
            self.counters.unmapped();
        }
    }

    async fn store(&self, report: &Incoming) -> Result<Recorded, String> {
        let mut all =
            self.conversions.record(std::slice::from_ref(report)).await.map_err(|e| e.to_string())?;
        match all.len() {
            1 => Ok(all.remove(0)),
            n => Err(format!("the conversion store gave {n} answers to one report")),
        }
    }

    /// Makes an accepted postback's events durable, counts it. The conversions that it changed are marked as published when
    /// the sink has their states (`published`).
    pub(crate) async fn conclude<'c>(
        &self,
        origin: &Origin,
        mut outcome: PostbackOutcome,
        network: Option<&Network>,
        changed: impl IntoIterator<Item = &'c Conversion>,
    ) -> PostbackOutcome {
        outcome.network = network.map(|n| n.id.clone());
        if origin.again.is_some() {
            match self.conversions.is_first_taken(origin.id).await {
                Ok(true) => {}
                Ok(false) => return PostbackOutcome { status: TAKEN_BEFORE, ..outcome },
                Err(e) => {
                    self.not_taken(origin).await;
                    return PostbackOutcome { status: 503, reason: e.to_string(), ..outcome };
                }
            }
        }
        let mut events: Vec<Event> = changed.into_iter().map(state).collect();
        events.push(Event::PostbackLog(Box::new(log::event(origin, &outcome, &self.masks()))));
        if let Err(e) = self.publish(&events).await {
            tracing::error!(
                error = e,
                network = origin.network,
                "cannot make the events of a postback durable"
            );
            outcome = PostbackOutcome { status: 503, told: NOT_DURABLE.to_owned(), reason: e, ..outcome };
            if origin.again.is_some() {
                self.not_taken(origin).await;
            }
            self.counters.not_taken();
            return outcome;
        }
        self.counters.count(&outcome);
        outcome
    }

    /// What is taken again has no line that says what became of it, so it can be taken again.
    async fn not_taken(&self, origin: &Origin) {
        if let Err(e) = self.conversions.not_taken(origin.id).await {
            tracing::warn!(error = %e, line = %origin.id, "a postback that was not taken again stays noted as taken");
        }
    }
}

/// What the store is to record of a report about a known click.
///
/// # Errors
/// What becomes of one that is not for the store: 503 where its terms are not known, or a conflict.
pub(crate) fn incoming(
    index: &Index,
    origin: &Origin,
    network: &Network,
    postback: &Postback,
    click: &KnownClick,
    status: u16,
) -> Result<Incoming, PostbackOutcome> {
    let destination = click.dims.destination_id.as_ref();
    if let Some(it) = index.unread_destination(destination) {
        // Without it the payout and whose click it is would be guessed, for good.
        let click = Some(postback.click_id);
        return Err(PostbackOutcome { click, ..PostbackOutcome::rejected(503, it.reason()) });
    }
    match report(network, index.terms(destination), postback, &click.dims, origin.reported_at()) {
        Ok(incoming) => {
            let tell = if origin.tells() { index.asks(click) } else { None };
            let replaces = origin.again.as_ref().and_then(|again| again.was.clone());
            let signed = origin.signed.clone();
            Ok(Incoming { tell, cost_terms: click.due, signed, waited: status == 0, replaces, ..incoming })
        }
        Err(other) => {
            let template = index.named_template(&network.id, &origin.template).map(|t| &t.spec);
            let mut outcome = PostbackOutcome::accepted(status, PostbackResult::Conflict);
            outcome.click = Some(postback.click_id);
            outcome.reason = why::foreign(index, network, template, postback, &other);
            Err(outcome)
        }
    }
}

/// What became of a report that the store has recorded.
pub(crate) fn became(
    network: &Network,
    template: Option<&TemplateSpec>,
    postback: &Postback,
    click: &KnownClick,
    recorded: &Recorded,
    status: u16,
) -> PostbackOutcome {
    let mut outcome = PostbackOutcome::accepted(status, recorded.result);
    let now = &recorded.conversion;
    outcome.click = Some(postback.click_id);
    outcome.conversion = Some(now.id.clone());
    outcome.test = click.dims.test;
    outcome.reason = why::recorded(&network.spec, template, postback, recorded);
    outcome.became = is_change(recorded).then(|| (now.status.clone(), now.revenue));
    outcome
}

/// The conversions that a report brought into a new state, in the order in which they came into it.
pub(crate) fn changed(recorded: &Recorded) -> impl Iterator<Item = &Conversion> {
    recorded.displaced.iter().chain(is_change(recorded).then_some(&recorded.conversion))
}

/// The event of a conversion's state.
pub(crate) fn state(conversion: &Conversion) -> Event {
    Event::Conversion(Box::new(ConversionEvent::from(conversion)))
}

fn is_change(recorded: &Recorded) -> bool {
    matches!(recorded.result, PostbackResult::Recorded | PostbackResult::Updated)
}

/// What a parked postback did that is a duplicate now: if it is what brought the conversion into its state, an
/// earlier try recorded it and died before its outcome was in the log.
fn of_an_earlier_try(conversion: &Conversion, at: Timestamp) -> PostbackResult {
    match conversion.version {
        _ if conversion.updated_at != at => PostbackResult::Duplicate,
        1 => PostbackResult::Recorded,
        _ => PostbackResult::Updated,
    }
}
