//! One postback from its parameters to what became of it. Nothing here knows HTTP.

use crate::{
    addresses::Listed,
    auth::{self, Admission},
    clicks::{Clicks, KnownClick, Missing},
    config::{CannotRead, Configuration, Index},
    exposed::without_secret,
    log::{self, Counters, Origin, PostbackOutcome},
    masks::Masks,
    params::Params,
    published::RefusedStates,
    signature::{self, RawRequest},
    turns::Turns,
    why,
};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};
use tfx_domain::{
    Timestamp,
    entity::{Network, Status, Template},
    event::{Event, PostbackResult},
    id::NetworkId,
    postback::{
        Conversion, Interpreted, LeftMacro, Postback, Unreadable, Unsigned, advice, interpret, left_macros,
        with_numbers,
    },
};
use tfx_events::Producer;
use tfx_ports::{
    clock,
    conversions::{self, ConversionStore},
    queue::Queue,
};
use tfx_service::Strangers;
use tfx_settings::PostbackSettings;
use tfx_traces::{Step, StepKind, Traces};
use tokio::sync::Notify;

/// Takes postbacks.
pub(crate) struct Postbacks {
    pub(crate) config: Arc<Configuration>,
    pub(crate) conversions: Arc<dyn ConversionStore>,
    /// Where postbacks wait for their click.
    pub(crate) queue: Arc<dyn Queue>,
    /// Whose turn it is among those of a click.
    pub(crate) turns: Turns,
    pub(crate) clicks: Clicks,
    pub(crate) producer: Arc<Producer>,
    /// The conversions that the event sink refuses.
    pub(crate) refused: Arc<RefusedStates>,
    pub(crate) settings: PostbackSettings,
    /// What stands before the path in the URLs that networks were given.
    pub(crate) public_url: String,
    pub(crate) counters: Counters,
    /// How long an event may wait for others before it is delivered.
    pub(crate) batch_timeout: Duration,
    /// Somebody is to be told of a conversion.
    pub(crate) to_tell: Arc<Notify>,
    /// How many postbacks that may not speak for a network are recorded.
    pub(crate) strangers: Strangers,
    pub(crate) traces: Traces,
}

/// A postback as it came in.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) origin: Origin,
    /// Every secret it carries: parameter or headers.
    pub(crate) secrets: Vec<String>,
    /// Parameters whose values are no texts.
    pub(crate) unreadable: Vec<Unreadable>,
    /// Parameters that are numbers, with a point.
    pub(crate) numbers: Params,
    /// What its network may have signed.
    pub(crate) raw: RawRequest,
    /// What is wrong with it as a request, whatever it says.
    pub(crate) problem: Result<(), PostbackOutcome>,
}

impl Postbacks {
    /// Takes a postback. What is answered 200 is durable and in the log; what is refused is logged if possible.
    pub(crate) async fn take(&self, received: Received) -> PostbackOutcome {
        let began = self.traces.is_on().then(clock::precise);
        let network = began.map(|_| received.origin.network.clone());
        let outcome = self.taken(received).await;
        if let Some((began, network)) = began.zip(network)
            && let Some(click) = outcome.click.filter(|click| self.traces.takes(*click))
        {
            let failed = if outcome.status < 400 { String::new() } else { outcome.reason.clone() };
            let facts = vec![
                ("tfx.network", network),
                ("tfx.result", outcome.result.as_str().to_owned()),
                ("http.response.status_code", outcome.status.to_string()),
            ];
            let (name, kind, ended) = ("postback".into(), StepKind::Server, clock::precise());
            self.traces.step(click, Step { name, kind, began, ended, failed, facts });
        }
        outcome
    }

    async fn taken(&self, received: Received) -> PostbackOutcome {
        let Received { mut origin, secrets, mut unreadable, numbers, raw, problem } = received;
        let Some(index) = self.config.owned() else {
            return self
                .refuse(&origin, PostbackOutcome::rejected(503, "the configuration is not loaded yet"), None)
                .await;
        };
        // Before anything is logged: what is taken later is read from there.
        let named = index.network(&origin.network);
        let named = named.and_then(|network| index.named_template(&network.id, &origin.template));
        let as_sent = (!numbers.is_empty()).then(|| origin.params.clone());
        with_numbers(named.map(|t| &t.spec), &mut origin.params, &numbers);
        let (network, template) = match admit(&index, &origin, &secrets) {
            Ok((network, template, Admission::Usual)) => (network, template),
            Ok((network, template, Admission::Former(until))) => {
                origin.note = advice::former_secret(&network.spec, until);
                self.counters.former_secret();
                (network, template)
            }
            Err((outcome, Some(network))) => {
                if network.spec.signing_key.is_some() {
                    // It is kept whole only if its network signed it, by the template that it asks for, active or not.
                    let template = index.named_template(&network.id, &origin.template);
                    let params = as_sent.as_ref().unwrap_or(&origin.params);
                    match signature::check(network, template, &self.public_url, &raw, params) {
                        Ok(signed) => signed.into_iter().for_each(|it| it.keep(&mut origin, &mut unreadable)),
                        Err(_) => return self.turn_away(&origin, outcome, None).await,
                    }
                }
                let lacking = problem.err().map(|_| "body");
                let lacking = lacking.into_iter().chain(unreadable.iter().map(|u| u.name.as_str()));
                return self.refuse(&origin.lacking(lacking), outcome, Some(network)).await;
            }
            Err((outcome, None)) => {
                let known = index.network(&origin.network);
                // The secret may stand in what was too long to be read.
                let outcome = match problem {
                    Err(too_long) if too_long.status == 413 && outcome.status == 403 => too_long,
                    _ => outcome,
                };
                return self.turn_away(&origin, outcome, known).await;
            }
        };
        let params = as_sent.as_ref().unwrap_or(&origin.params);
        match signature::check(network, template, &self.public_url, &raw, params) {
            Ok(None) => {}
            Ok(Some(verified)) => verified.keep(&mut origin, &mut unreadable),
            Err(unsigned) => {
                self.counters.unsigned(&unsigned);
                let outcome = match (problem, unsigned) {
                    // What could not be read cannot be looked at.
                    (Err(too_long), Unsigned::NoBody) => too_long,
                    (_, unsigned) => signature::refused(&unsigned),
                };
                // Without its network in the log nobody takes it again.
                let known = (outcome.status == 403).then_some(network);
                return self.turn_away(&origin, outcome, known).await;
            }
        }
        if let Err(outcome) = problem {
            return self.refuse(&origin.lacking(["body"]), outcome, Some(network)).await;
        }
        let read_by = template.map(|t| &t.spec);
        let read = interpret(&network.spec, read_by, &origin.params, &unreadable)
            .and_then(|read| without_secret(&index.masks, &network.spec, &origin, read));
        match read {
            Ok(Interpreted::Report(postback)) => {
                let left = left_macros(read_by, &origin.params);
                let left = left.iter().map(LeftMacro::said).collect::<Vec<_>>();
                origin.also_note(&left);
                let place = self.place(network, &postback, origin.at);
                match self.click(&network.id, &postback).await {
                    Err(missing) => self.not_found(&origin, network, &postback, missing, &place).await,
                    Ok(click) => match self.behind(&origin, network, &postback, &place).await {
                        Some(outcome) => outcome,
                        None => self.record(&index, &origin, network, &postback, &click, 200).await,
                    },
                }
            }
            Ok(Interpreted::Ignored { raw_status }) => {
                let mut outcome = PostbackOutcome::accepted(200, PostbackResult::Ignored);
                outcome.reason = format!("the template ignores status {raw_status}");
                let origin = origin.lacking(unreadable.iter().map(|u| u.name.as_str()));
                self.conclude(&origin, outcome, Some(network), None).await
            }
            Err(refusal) => {
                let mut outcome = PostbackOutcome::invalid(400, refusal);
                let named = index.named_template(&network.id, &origin.template).map(|t| &t.spec);
                outcome.reason = why::refused(&network.spec, read_by, named, &origin.params, outcome.reason);
                let origin = origin.lacking(unreadable.iter().map(|u| u.name.as_str()));
                self.refuse(&origin, outcome, Some(network)).await
            }
        }
    }

    /// The click of a report. One that is not there any more, old or erased, is known by the conversion that is reported
    /// again: money is rejected long after clicks have left.
    ///
    /// # Errors
    /// Why it is not known (yet).
    pub(crate) async fn click(
        &self,
        network: &NetworkId,
        postback: &Postback,
    ) -> Result<Arc<KnownClick>, Missing> {
        let missing = match self.clicks.find(postback.click_id).await {
            // What its source calls it is not in the conversion: it waits until the store answers.
            Err(Missing::NotThere) => Missing::NotThere,
            found => return found,
        };
        match conversions::reported(&*self.conversions, network, postback).await {
            Ok(Some(Conversion { click: dims, cost_terms: due, .. })) => {
                Ok(Arc::new(KnownClick { dims, external_id: String::new(), cost: None, due }))
            }
            Ok(None) => Err(missing),
            Err(e) => Err(Missing::NotAnswered(e.to_string())),
        }
    }

    /// What must not be shown.
    pub(crate) fn masks(&self) -> Arc<Masks> {
        self.config.owned().map(|index| Arc::clone(&index.masks)).unwrap_or_default()
    }

    /// Makes events durable.
    pub(crate) async fn publish(&self, events: &[Event]) -> Result<(), String> {
        self.producer.publish_durable(events).await.map_err(|e| e.to_string())
    }

    /// As [`Self::refuse`], for whoever may not speak for a network: a stranger does not decide how much is kept.
    async fn turn_away(
        &self,
        origin: &Origin,
        mut outcome: PostbackOutcome,
        known: Option<&Network>,
    ) -> PostbackOutcome {
        outcome.network = known.map(|n| n.id.clone());
        if self.strangers.take(origin.ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))) {
            let mut event = log::event(origin, &outcome, &self.masks());
            event.shorten();
            // A drop is counted by the producer.
            let _ = self.producer.publish(&Event::PostbackLog(Box::new(event))).await;
        }
        self.counters.count(&outcome);
        outcome
    }

    /// Logs what is refused as it comes in, as far as that is possible: no failure of the log turns a 4xx into a 5xx.
    pub(crate) async fn refuse(
        &self,
        origin: &Origin,
        mut outcome: PostbackOutcome,
        network: Option<&Network>,
    ) -> PostbackOutcome {
        outcome.network = network.map(|n| n.id.clone());
        if origin.is_of_before() {
            // It is tried again; the line that says what becomes of it has this one's id.
            return outcome;
        }
        let event = log::event(origin, &outcome, &self.masks());
        // A drop is counted by the producer.
        let _ = self.producer.publish(&Event::PostbackLog(Box::new(event))).await;
        self.counters.count(&outcome);
        outcome
    }

    pub(crate) async fn not_durable(
        &self,
        origin: &Origin,
        network: &Network,
        postback: &Postback,
        why: String,
    ) -> PostbackOutcome {
        tracing::error!(error = why, network = origin.network, "cannot store a postback");
        let mut outcome = PostbackOutcome::rejected(503, why);
        outcome.told = NOT_DURABLE.to_owned();
        outcome.click = Some(postback.click_id);
        self.refuse(origin, outcome, Some(network)).await
    }
}

pub(crate) const NOT_DURABLE: &str = "the postback could not be stored; send it again";

/// The network, if the postback may speak for it, and its template.
///
/// # Errors
/// Why it is refused. With a network, whoever sent it may speak for that, so what was said can be taken later
/// ([`crate::retry`]); without one it came from a stranger.
fn admit<'i>(
    index: &'i Index,
    origin: &Origin,
    secrets: &[String],
) -> Result<(&'i Network, Option<&'i Template>, Admission), (PostbackOutcome, Option<&'i Network>)> {
    let stranger = |outcome| (outcome, None);
    let network = known(index, origin).map_err(stranger)?;
    let Some(ip) = origin.ip else {
        return Err(stranger(PostbackOutcome::rejected(403, "the address is not known")));
    };
    if auth::listed(&network.spec, &index.addresses, ip) == Listed::Unknown {
        let why = "the network's list of addresses was never read (see /readyz); send it again";
        return Err(stranger(PostbackOutcome::rejected(503, why)));
    }
    let admission =
        auth::check(&network.spec, ip, secrets, &index.addresses, clock::now()).map_err(|why| {
            let told = "the secret or the address is not accepted".to_owned();
            stranger(PostbackOutcome { told, ..PostbackOutcome::rejected(403, why) })
        })?;
    let template = with_template(index, network, origin).map_err(|outcome| (outcome, Some(network)))?;
    Ok((network, template, admission))
}

fn cannot_read(it: CannotRead) -> PostbackOutcome {
    PostbackOutcome::rejected(503, it.reason())
}

/// The network, active or not.
fn known<'i>(index: &'i Index, origin: &Origin) -> Result<&'i Network, PostbackOutcome> {
    index.network(&origin.network).ok_or_else(|| match index.unread_network(&origin.network) {
        Some(it) => cannot_read(it),
        None => PostbackOutcome::rejected(404, "there is no such network"),
    })
}

/// The network of a row of a file, if it may be reported for, and its template.
pub(crate) fn readable<'i>(
    index: &'i Index,
    origin: &Origin,
) -> Result<(&'i Network, Option<&'i Template>), PostbackOutcome> {
    let network = known(index, origin)?;
    Ok((network, with_template(index, network, origin)?))
}

/// The template of a postback, if it and its network are active.
fn with_template<'i>(
    index: &'i Index,
    network: &'i Network,
    origin: &Origin,
) -> Result<Option<&'i Template>, PostbackOutcome> {
    let not_active = |what: &str, status: Status| {
        PostbackOutcome::rejected(404, format!("the {what} is {}", status.as_str()))
    };
    if network.spec.status != Status::Active {
        return Err(not_active("network", network.spec.status));
    }
    if let Some(it) = index.unread_template(&network.id, &origin.template) {
        return Err(cannot_read(it));
    }
    if origin.template.is_empty() {
        return Ok(index.default_template(&network.id));
    }
    match index.template(&network.id, &origin.template) {
        Some(t) if t.spec.status == Status::Active => Ok(Some(t)),
        Some(t) => Err(not_active("template", t.spec.status)),
        None => Err(PostbackOutcome::rejected(404, "the network has no such template")),
    }
}

/// `at` plus a pause, bounded by the end of time.
pub(crate) fn after(at: Timestamp, pause: Duration) -> Timestamp {
    let ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(at.as_millisecond().saturating_add(ms)).unwrap_or(Timestamp::MAX)
}
