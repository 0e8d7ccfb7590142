//! What became of each postback: its event, and the counters.

use crate::{masks::Masks, params::Params};
use smol_str::SmolStr;
use std::{
    borrow::Cow,
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
};
use tfx_domain::{
    Timestamp,
    entity::{NetworkSpec, TemplateSpec},
    event::{PostbackDirection, PostbackLogEvent, PostbackResult, SCHEMA},
    id::{ClickId, ConversionId, NetworkId},
    money::Money,
    postback::{
        ConversionStatus, FileRow, Interpreted, Refusal, Signed, Unsigned, interpret, interpret_ours,
    },
};
use tfx_ports::queue::Counts;
use tfx_service::metrics::Text;

const MAX_VALUE: usize = 1024;
const MAX_PARAMS: usize = 64;
const MAX_PATH: usize = 128;
/// In place of a value that is no text, in the log of what was refused. It says nothing ([`tfx_domain::said`]).
const NOT_KEPT: &str = "(not kept)";
/// The parameter that carries the secret; never stored.
pub(crate) const SECRET: &str = "secret";
/// How a row of a file came.
pub(crate) const IMPORT: &str = "IMPORT";

/// What became of a postback.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PostbackOutcome {
    /// The HTTP status; 0 for what happened later to a parked one.
    pub(crate) status: u16,
    pub(crate) result: PostbackResult,
    /// Why, when that is not plain. For the log; what the network may know is in `told`.
    pub(crate) reason: String,
    /// What the network is told beside the status, when it is refused.
    pub(crate) told: String,
    /// The parameter that is wrong.
    pub(crate) parameter: Option<String>,
    pub(crate) network: Option<NetworkId>,
    pub(crate) click: Option<ClickId>,
    pub(crate) conversion: Option<ConversionId>,
    /// What that became by it; none where nothing changed.
    pub(crate) became: Option<(ConversionStatus, Money)>,
    /// Whether its click is a test.
    pub(crate) test: bool,
}

impl PostbackOutcome {
    /// Answered 200 (or later).
    pub(crate) fn accepted(status: u16, result: PostbackResult) -> Self {
        Self {
            status,
            result,
            reason: String::new(),
            told: String::new(),
            parameter: None,
            network: None,
            click: None,
            conversion: None,
            became: None,
            test: false,
        }
    }

    /// Refused because of one parameter, or `body`, or `path`.
    pub(crate) fn invalid(status: u16, refusal: Refusal) -> Self {
        let reason = refusal.to_string();
        Self {
            told: refusal.message,
            parameter: Some(refusal.parameter),
            reason,
            ..Self::rejected(status, "")
        }
    }

    /// Refused; the network is told the reason as it is logged.
    pub(crate) fn rejected(status: u16, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { told: reason.clone(), reason, ..Self::accepted(status, PostbackResult::Rejected) }
    }
}

/// Where a postback came from and what it said, as the log keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) id: ClickId,
    pub(crate) at: Timestamp,
    pub(crate) network: String,
    pub(crate) template: String,
    pub(crate) ip: Option<IpAddr>,
    /// GET or POST, or [`IMPORT`]; empty for what came before: it was parked, or is taken again.
    pub(crate) method: SmolStr,
    pub(crate) params: Params,
    /// What is to be known of how it was let in, whatever became of it.
    pub(crate) note: String,
    /// It is a row of a file.
    pub(crate) row: Option<FileRow>,
    /// Its network's signature.
    pub(crate) signed: Option<Signed>,
    /// It is taken again from the log, or was given up and its click came, which happens once.
    pub(crate) again: Option<Again>,
}

/// What is taken again.
#[derive(Debug, Clone)]
pub(crate) struct Again {
    /// The key of the conversion that it was recorded as.
    pub(crate) was: Option<String>,
}

impl Origin {
    /// Whether it came before: it was parked, or is taken again.
    pub(crate) fn is_of_before(&self) -> bool {
        self.method.is_empty()
    }

    /// From when it counts.
    pub(crate) fn reported_at(&self) -> Timestamp {
        self.row.map_or(self.at, |row| row.at)
    }

    /// Whether the source of its click is told of it.
    pub(crate) fn tells(&self) -> bool {
        self.row.is_none_or(|row| row.tell)
    }

    /// Has this known too.
    pub(crate) fn also_note(&mut self, more: &[String]) {
        let before = (!self.note.is_empty()).then(|| self.note.clone());
        self.note = before.iter().chain(more).map(String::as_str).collect::<Vec<_>>().join("; ");
    }

    /// What its parameters say.
    pub(crate) fn read(
        &self,
        network: &NetworkSpec,
        template: Option<&TemplateSpec>,
    ) -> Result<Interpreted, Refusal> {
        match self.row {
            Some(FileRow { ours: true, .. }) => interpret_ours(network, &self.params),
            _ => interpret(network, template, &self.params, &[]),
        }
    }

    /// As the log keeps what is not taken: with the names of what it said that is no text, so that it is never read without.
    pub(crate) fn lacking<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut kept = self.clone();
        // The log keeps the first ones.
        kept.params.splice(0..0, names.into_iter().map(|name| (name.to_owned(), NOT_KEPT.to_owned())));
        kept
    }
}

/// The event of a postback, without the secrets in it.
pub(crate) fn event(origin: &Origin, outcome: &PostbackOutcome, masks: &Masks) -> PostbackLogEvent {
    let masked = |(name, value): &(String, String)| {
        let hide = name.eq_ignore_ascii_case(SECRET) || masks.hides(value);
        let value = if hide { "***".to_owned() } else { cut(value, MAX_VALUE).to_owned() };
        (cut(&masks.masked(name), MAX_PATH).to_owned(), value)
    };
    let reason = match (outcome.reason.as_str(), origin.note.as_str()) {
        (reason, "") => Cow::Borrowed(reason),
        ("", note) => Cow::Borrowed(note),
        (reason, note) => Cow::Owned(format!("{reason}; {note}")),
    };
    PostbackLogEvent {
        schema: SCHEMA,
        id: origin.id,
        at: origin.at,
        network: cut(&masks.masked(&origin.network), MAX_PATH).into(),
        network_id: outcome.network.clone(),
        template: cut(&masks.masked(&origin.template), MAX_PATH).into(),
        remote_ip: origin.ip.map(|ip| SmolStr::from(ip.to_string())).unwrap_or_default(),
        method: origin.method.clone(),
        params: origin.params.iter().take(MAX_PARAMS).map(masked).collect(),
        result: outcome.result,
        reason: cut(&masks.masked(&reason), MAX_VALUE).to_owned(),
        status: outcome.status,
        click_id: outcome.click,
        conversion_id: outcome.conversion.clone(),
        conversion_status: outcome.became.as_ref().map(|(status, _)| status.clone()),
        revenue: outcome.became.as_ref().map(|(_, revenue)| *revenue),
        test: outcome.test,
        direction: PostbackDirection::In,
        source: "".into(),
        source_id: None,
        job: String::new(),
        attempt: 0,
        latency_ms: None,
        url: String::new(),
        answer: String::new(),
        body: String::new(),
    }
}

/// Whether the log may not have kept all that the postback said.
pub(crate) fn is_cut(line: &PostbackLogEvent) -> bool {
    // A character that does not fit whole leaves up to three bytes free; a secret in a value was masked.
    let lacks = |(name, value): &(String, String)| {
        value.len() + 3 >= MAX_VALUE
            || value == NOT_KEPT
            || (value.contains("***") && !name.eq_ignore_ascii_case(SECRET))
    };
    // What is refused by versions before has no names of what was no text.
    let of_before = line.result == PostbackResult::Rejected
        && (line.reason.starts_with("body") || line.reason.contains("allowed is a text or a number"));
    line.params.len() >= MAX_PARAMS || line.params.iter().any(lacks) || of_before
}

/// At most `max` bytes, whole characters.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// How many postbacks had which result.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    by_result: [AtomicU64; PostbackResult::IN.len()],
    forbidden: AtomicU64,
    former_secret: AtomicU64,
    unsigned: [AtomicU64; Unsigned::WORDS.len()],
    not_taken: AtomicU64,
    republished: AtomicU64,
    unmapped: AtomicU64,
    parked: AtomicU64,
    unmatched_kept: AtomicU64,
}

impl Counters {
    pub(crate) fn count(&self, outcome: &PostbackOutcome) {
        if let Some(i) = PostbackResult::IN.iter().position(|r| *r == outcome.result) {
            self.by_result[i].fetch_add(1, Ordering::Relaxed);
        }
        match outcome.status {
            403 => &self.forbidden,
            503 => &self.not_taken,
            _ => return,
        }
        .fetch_add(1, Ordering::Relaxed);
    }

    /// As [`Self::count`], of one whose line is not in the log.
    pub(crate) fn not_taken(&self) {
        self.not_taken.fetch_add(1, Ordering::Relaxed);
    }

    /// One came with a former secret that still works.
    pub(crate) fn former_secret(&self) {
        self.former_secret.fetch_add(1, Ordering::Relaxed);
    }

    /// One was not signed by its network.
    pub(crate) fn unsigned(&self, why: &Unsigned) {
        if let Some(i) = Unsigned::WORDS.iter().position(|word| *word == why.as_str()) {
            self.unsigned[i].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn unmapped(&self) {
        self.unmapped.fetch_add(1, Ordering::Relaxed);
    }

    /// How many wait for their click, and how many were given up and are kept.
    pub(crate) fn parked(&self, counts: Counts) {
        self.parked.store(counts.waiting, Ordering::Relaxed);
        self.unmatched_kept.store(counts.dead, Ordering::Relaxed);
    }

    pub(crate) fn republished(&self, n: usize) {
        self.republished.fetch_add(n as u64, Ordering::Relaxed);
    }

    pub(crate) fn write(&self, out: &mut Text) {
        for (result, count) in PostbackResult::IN.iter().zip(&self.by_result) {
            let labels = [("result", result.as_str())];
            out.counter("tfx_postbacks_total", "Postbacks by result", &labels, count.load(Ordering::Relaxed));
        }
        for (word, count) in Unsigned::WORDS.iter().zip(&self.unsigned) {
            let help = "Postbacks that their network should have signed, and had not";
            out.counter(
                "tfx_postbacks_unsigned_total",
                help,
                &[("why", word)],
                count.load(Ordering::Relaxed),
            );
        }
        let help = "Postbacks that wait for their click";
        out.gauge("tfx_postbacks_parked", help, &[], self.parked.load(Ordering::Relaxed));
        let help = "Postbacks that were given up and are kept in case their click comes";
        out.gauge("tfx_postbacks_unmatched_kept", help, &[], self.unmatched_kept.load(Ordering::Relaxed));
        let single: [(&str, &str, &AtomicU64); 5] = [
            (
                "tfx_postbacks_unmapped_total",
                "Postbacks of known clicks with a status word that nobody knows",
                &self.unmapped,
            ),
            ("tfx_postbacks_forbidden_total", "Postbacks with a wrong secret or address", &self.forbidden),
            (
                "tfx_postbacks_former_secret_total",
                "Postbacks with a former secret that still works",
                &self.former_secret,
            ),
            ("tfx_postbacks_not_durable_total", "Postbacks answered 503", &self.not_taken),
            (
                "tfx_conversions_republished_total",
                "Conversion events published by the sweep",
                &self.republished,
            ),
        ];
        for (name, help, value) in single {
            out.counter(name, help, &[], value.load(Ordering::Relaxed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_bounded_and_holds_no_secret() {
        let mut params = vec![
            ("secret".to_owned(), "s3cret-x".to_owned()),
            ("SECRET".to_owned(), "other".to_owned()),
            ("note".to_owned(), "x s3cret-x y".to_owned()),
            ("s3cret-x".to_owned(), String::new()),
            ("long".to_owned(), "é".repeat(1000)),
        ];
        params.extend((0..100).map(|i| (format!("p{i}"), "v".to_owned())));
        let at = Timestamp::UNIX_EPOCH;
        let origin = Origin {
            id: ClickId::generate(at, 1),
            at,
            network: "é".repeat(500),
            template: "s3cret-x".to_owned(),
            ip: None,
            method: "GET".into(),
            params,
            note: String::new(),
            row: None,
            signed: None,
            again: None,
        };
        let reason = format!("click_id is 's3cret-x' {}", "r".repeat(5000));
        let event = event(&origin, &PostbackOutcome::rejected(403, reason), &Masks::of(["s3cret-x"]));
        let json = serde_json::to_string(&event).expect("json");
        assert!(!json.contains("s3cret-x") && !json.contains("other"), "{json}");
        assert_eq!(event.params.len(), MAX_PARAMS);
        assert_eq!(event.params[4].1.len(), MAX_VALUE);
        assert!((MAX_VALUE - 3..=MAX_VALUE).contains(&event.reason.len()) && event.network.len() <= MAX_PATH);
    }
}
