//! Alerts: one of all api-services looks at the rules now and then ([`look`]); any of them does what comes of that ([`follow_up`]), jobs that
//! the store put into the queue with the states ([`deliver`]): telling channels ([`send`]), also again on request ([`again`]),
//! pausing and taking that back ([`act`]). What is asked of alerts is in [`routes`]; rules are entities like others (`docs/decisions/0045-alerts.md`).

mod act;
mod again;
pub(crate) mod deliver;
mod facts;
mod follow_up;
pub(crate) mod look;
mod routes;
mod send;
mod summary;

pub(crate) use follow_up::{forgotten, renamed};
pub(crate) use routes::routes;
pub(crate) use summary::Summaries;

use crate::{
    access::{Identity, forbidden},
    failure::Failure,
};
use facts::without_traffic;
use send::Sender;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};
use tfx_domain::{
    Timestamp,
    access::{Scope, beyond},
    alert::{Channel, Verdict},
    entity::{AlertSpec, Kind},
    report::ReportFilter,
};
use tfx_outbound::Apart;
use tfx_ports::{
    clock,
    config::Record,
    queue::{Counts, JobKind, Queue},
};
use tfx_service::{health::Detail, metrics::Text};
use tfx_settings::Settings;
use tokio::sync::Notify;

/// What the queue's kind is.
const KIND: JobKind = JobKind::Alert;

/// Looks at rules, tells channels, and counts that.
pub(crate) struct Alerts {
    sender: Sender,
    /// Something may be due.
    due: Notify,
    counted: Counted,
    /// Whether this is the one that looks.
    looks: AtomicBool,
    /// Held as long as a look at a rule goes on here.
    looking: tokio::sync::Mutex<()>,
    /// Why rules cannot be looked at, by their slugs, as of the last round here.
    failing: Mutex<BTreeMap<String, String>>,
}

/// Counters of this process.
#[derive(Default)]
struct Counted {
    looks: [AtomicU64; LOOKS.len()],
    sent: AtomicU64,
    again: AtomicU64,
    undelivered: AtomicU64,
    actions: AtomicU64,
    firing: AtomicU64,
    waiting: AtomicU64,
    dead: AtomicU64,
    last_round_s: AtomicU64,
}

/// What a look at one group came to.
const LOOKS: [&str; 4] = ["holds", "not", "no_data", "failed"];

impl Counted {
    fn look(&self, came_to: &str) {
        if let Some(place) = LOOKS.iter().position(|l| *l == came_to) {
            self.looks[place].fetch_add(1, Relaxed);
        }
    }

    fn queue(&self, counts: Counts) {
        self.waiting.store(counts.waiting, Relaxed);
        self.dead.store(counts.dead, Relaxed);
    }
}

impl Alerts {
    pub(crate) fn new(settings: &Settings, apart: &Arc<Apart>) -> Self {
        Self {
            sender: Sender::new(settings, apart),
            due: Notify::new(),
            counted: Counted::default(),
            looks: AtomicBool::new(false),
            looking: tokio::sync::Mutex::default(),
            failing: Mutex::default(),
        }
    }

    fn failing(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When this returns, looks that had begun before have come to their end, whichever api-service looks.
    pub(crate) async fn looks_ended(&self) {
        if self.looks.load(Relaxed) {
            drop(self.looking.lock().await);
        } else {
            tokio::time::sleep(look::LONGEST_LOOK + look::SAVED_WITHIN).await;
        }
    }

    /// What will not work of a rule as it is.
    pub(crate) fn warnings(&self, record: &Record) -> Vec<String> {
        let texts = record.spec.get("channels").and_then(Value::as_array).into_iter().flatten();
        let channels = texts.filter_map(|text| Channel::parse(text.as_str()?).ok());
        let mut warnings: Vec<String> =
            channels.filter_map(|channel| self.sender.lacks(&channel)).map(str::to_owned).collect();
        warnings.dedup();
        if record.spec.get("action").is_some_and(|a| !a.is_null()) && record.spec.get("armed").is_none() {
            warnings.push(format!(
                "it is a dry run: what it would pause is only said; tfx alert arm {} lets it pause",
                record.slug
            ));
        }
        warnings.extend(record.typed::<AlertSpec>().ok().and_then(|rule| stays_paused(&rule.spec)));
        warnings
    }

    /// What `/readyz` says of them.
    pub(crate) async fn detail(&self, queue: &dyn Queue) -> Result<Detail, String> {
        let counts = queue.counts(KIND).await.map_err(|e| e.to_string())?;
        self.counted.queue(counts);
        let failing: Vec<String> =
            self.failing().iter().take(3).map(|(slug, why)| format!("{slug}: {why}")).collect();
        let mut wrong = Vec::new();
        if counts.dead > 0 {
            let what = if counts.dead == 1 { "notice or action was" } else { "notices or actions were" };
            wrong.push(format!(
                "{} {what} given up; tfx alert log tells why, tfx alert retry --dead sends notices again",
                counts.dead
            ));
        }
        if !failing.is_empty() {
            wrong.push(format!("rules cannot be looked at: {}", failing.join("; ")));
        }
        if wrong.is_empty() { Ok(Detail::ok()) } else { Ok(Detail::degraded(wrong.join("; "))) }
    }

    /// What `/metrics` says of them.
    pub(crate) fn write(&self, out: &mut Text) {
        let counted = &self.counted;
        let of = |n: &AtomicU64| n.load(Relaxed);
        for (name, count) in LOOKS.iter().zip(&counted.looks) {
            let help = "Looks at groups of alert rules, by what they came to; failed: at rules";
            out.counter("tfx_alert_looks_total", help, &[("result", name)], of(count));
        }
        for (name, count) in
            [("sent", &counted.sent), ("again", &counted.again), ("undelivered", &counted.undelivered)]
        {
            let help = "Attempts to tell a channel of an alert, by what became of them";
            out.counter("tfx_alert_notices_total", help, &[("result", name)], of(count));
        }
        let help = "Pauses and returns done by alerts";
        out.counter("tfx_alert_actions_total", help, &[], of(&counted.actions));
        let help = "Groups in which an alert fires, as of the last round of this instance";
        out.gauge("tfx_alerts_firing", help, &[], of(&counted.firing));
        for (name, count) in [("waiting", &counted.waiting), ("dead", &counted.dead)] {
            let help = "Notices and actions of alerts in the queue of all instances";
            out.gauge("tfx_alert_jobs", help, &[("state", name)], of(count));
        }
        let help = "When this instance last looked at the rules, seconds since 1970; 0: another does";
        out.gauge("tfx_alert_last_round_timestamp_seconds", help, &[], of(&counted.last_round_s));
    }

    fn round_is_over(&self, firing: u64) {
        self.counted.firing.store(firing, Relaxed);
        self.counted.last_round_s.store(clock::now().as_second().unsigned_abs(), Relaxed);
    }
}

/// That what a rule pauses does not go on by itself: without traffic its condition is never known to be over.
fn stays_paused(rule: &AlertSpec) -> Option<String> {
    let why = match (without_traffic(rule)?, rule.return_after_s) {
        (Verdict::NoData(_), None) => {
            "nothing is known of its figures any more; --return-after (return_after_s) ends that"
        }
        (Verdict::Holds, _) => "the condition goes on to hold",
        (Verdict::NoData(_), Some(_)) | (Verdict::Not | Verdict::Over(_), _) => return None,
    };
    Some(format!("what it pauses stays paused until somebody resumes it: without traffic {why}"))
}

/// Whether somebody may write such a rule: one that pauses takes the scopes for that, too.
///
/// # Errors
/// 403, naming what is missing.
pub(crate) fn granted(identity: &Identity, kind: Kind, fields: &Value) -> Result<(), Failure> {
    let acts =
        ["action", "stream", "destination"].iter().any(|f| fields.get(*f).is_some_and(|v| !v.is_null()));
    if kind != Kind::Alert || !(acts || fields.get("armed") == Some(&Value::Bool(true))) {
        return Ok(());
    }
    let missing = beyond(&[Scope::WriteStreams, Scope::WriteDestinations], &identity.scopes);
    if missing.is_empty() { Ok(()) } else { Err(forbidden(&missing)) }
}

/// The filters of a rule as they stand in what somebody wrote; none: they are not of their form.
pub(crate) fn filters(spec: &Value) -> Option<Vec<ReportFilter>> {
    serde_json::from_value(spec.get("filters")?.clone()).ok()
}

/// A line's own id.
fn new_id(now: Timestamp) -> tfx_domain::id::ClickId {
    tfx_domain::id::ClickId::generate(now, tfx_ports::entropy::random_u128())
}
