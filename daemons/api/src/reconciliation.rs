//! `GET /reconciliation`: what all instances of the services accepted, held against what is stored, hour by hour, with the
//! ids of what is missing or too many (`docs/decisions/0058-a-ledger-beside-the-journal.md`). Conversions, which
//! their store has each, are in [`mod@conversions`].

mod conversions;
mod hour;

use crate::{app::App, failure::Failure, input::Query, reply::json};
use axum::{Router, extract::State, response::Response, routing::get};
use hour::{Facts, reconciled};
use http::StatusCode;
use jiff::SignedDuration;
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tfx_api::reconciliation::{
    Reconciled, ReconciledCounts, ReconciledHour, ReconciledInstance, ReconciledKind, Reconciliation,
};
use tfx_domain::{
    Timestamp,
    ledger::{Hour, HourLedger, LedgerKind},
};
use tfx_ports::{
    analytics::StoredHour,
    clock,
    ledgers::{LedgerInstance, LedgerPage},
};
use tokio::time::{Instant, sleep};

/// How far back it goes unless something else is said.
const BACK: SignedDuration = SignedDuration::from_hours(24);
/// Ledgers are kept that long.
const KEPT_HOURS: i64 = 31 * 24;
/// Who has told nothing for so long is away.
const SILENT_AFTER: SignedDuration = SignedDuration::from_secs(30);
/// The most ids that are named.
const MOST_IDS: usize = 1_000;
const DEFAULT_IDS: usize = 10;
/// So long what was stored is waited for to be told as accepted, and how often it is looked.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Who accepts events.
const SERVICES: [&str; 2] = [TRAFFIC, POSTBACKS];
const TRAFFIC: &str = "traffic-service";
const POSTBACKS: &str = "postback-service";

/// Who accepts events of a kind.
const fn service_of(kind: LedgerKind) -> &'static str {
    match kind {
        LedgerKind::Clicks | LedgerKind::HealthChanges => TRAFFIC,
        LedgerKind::Postbacks => POSTBACKS,
    }
}

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/reconciliation", get(reconcile))
}

async fn reconcile(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let (since, until) = query.window();
    let ids = query.parsed("ids", |text| match text.parse() {
        Ok(n) if n <= MOST_IDS => Ok(n),
        _ => Err(format!("must be 0 to {MOST_IDS}")),
    });
    let as_of = query.time("as_of");
    query.finish()?;
    let at = clock::now();
    let until = until.unwrap_or(at).min(at);
    let since = since.unwrap_or_else(|| until.checked_sub(BACK).unwrap_or(until)).min(until);
    let answer = Look { app: &app, at, as_of: as_of.unwrap_or(at).min(at), most: ids.unwrap_or(DEFAULT_IDS) }
        .answer(since, until)
        .await?;
    Ok(json(StatusCode::OK, &answer))
}

/// One question.
struct Look<'a> {
    app: &'a App,
    at: Timestamp,
    /// What was accepted or changed since then may be on its way.
    as_of: Timestamp,
    /// So many ids are named.
    most: usize,
}

impl Look<'_> {
    async fn answer(&self, since: Timestamp, until: Timestamp) -> Result<Reconciliation, Failure> {
        let stores = &self.app.stores;
        let (mut from, to) = (Hour::at(since), Hour::from(until));
        let (mut notes, mut uncompared) = (Vec::new(), Vec::new());
        if let Some(days) = self.app.settings.analytics_ttl_days {
            let kept = SignedDuration::from_hours(24 * i64::from(days));
            let begin = self.at.checked_sub(kept).map_or(Hour(0), Hour::from).min(to);
            if begin > from {
                let begins = shown(begin.start());
                notes.push(format!("events are kept {days} days (ANALYTICS_TTL_DAYS): what came before {begins} is not compared"));
                from = begin;
            }
        }
        let (since, until) = (from.start(), to.start().max(from.start()));
        let conversions =
            conversions::reconciled(stores, (since, until), self.as_of, self.most, &mut notes).await?;
        // What follows is of accepted events.
        let begin = Hour(Hour::at(self.at).0 - KEPT_HOURS).min(to);
        if begin > from {
            let begins = shown(begin.start());
            uncompared.push(format!("what was accepted is kept 31 days: of what came before {begins} only conversions are compared"));
            from = begin;
        }
        // In this order: what an instance says that it counts is in its pages by then, and what is counted is stored.
        let instances = stores.ledgers.instances().await?;
        let pages = stores.ledgers.pages(from, to).await?;
        let stored = stores.analytics.stored(from, to).await?;
        let ledgers = merged(&pages);
        let told = Told::of(&instances, self.at, since);
        notes.extend(told.notes.iter().cloned());
        for (service, begin) in told.from.iter().filter(|(_, begin)| **begin > from) {
            let begin = shown(begin.start());
            uncompared.push(format!("{service} counts what it accepts in full since {begin}: of what it accepted before, what is missing is told as far as it was counted, and what is too many is not"));
        }
        let erased = stores.erased.entries().await?;
        let erased: HashSet<_> = erased.into_iter().flat_map(|entry| entry.clicks).collect();
        let mut all = Vec::new();
        for kind in LedgerKind::ALL {
            let mut hours: BTreeMap<Hour, (HourLedger, Option<StoredHour>)> = BTreeMap::new();
            for ((_, hour), ledger) in ledgers.iter().filter(|((of, _), _)| *of == kind) {
                hours.entry(*hour).or_default().0 = ledger.clone();
            }
            for row in stored.iter().filter(|row| row.kind == kind) {
                hours.entry(row.hour).or_default().1 = Some(*row);
            }
            let begin = told.from.get(service_of(kind));
            for (hour, (ledger, stored)) in hours {
                let (word, at) = (kind.as_str(), shown(hour.start()));
                let partial = ledger.torn || begin.is_some_and(|begin| hour < *begin);
                if ledger.torn {
                    uncompared.push(format!("{word}: a part of what was accepted in the hour from {at} cannot be read (see the services' logs): of the rest it is told what is missing"));
                } else if partial && ledger.accepted.events() == 0 {
                    continue;
                }
                let (told, erased, most, as_of) = (&told, &erased, self.most, self.as_of);
                let facts = Facts { kind, hour, ledger, stored, told, partial, as_of, erased, most };
                let found = reconciled(stores, facts).await?;
                if found.by_counts && !partial {
                    notes.push(format!("{word}: the hour from {at} is not over, and differs by more than can be named; what was accepted and what is stored are compared by how many they are until it is"));
                }
                if found.written_twice > 0 {
                    let lines = found.written_twice;
                    notes.push(format!("{word}: of the hour from {at}, {lines} were written into the journal a second time, by a service that had died before it could end them, and count once"));
                }
                all.push((kind, hour, found));
            }
        }
        if all.iter().any(|(_, _, found)| found.is_unsure())
            && let Some(mut ledgers) = self.counted_by_now(from, to).await?
        {
            for (kind, hour, found) in &mut all {
                found.judge_again(ledgers.remove(&(*kind, *hour)).unwrap_or_default(), &told);
            }
        }
        let mut kinds = LedgerKind::ALL.map(|kind| (kind, Kind::new(kind)));
        for (kind, hour, found) in all {
            let of_kind = kinds.iter_mut().find(|(of, _)| *of == kind);
            of_kind.into_iter().for_each(|(_, all)| all.take(hour, &found, self.most));
        }
        let mut kinds: Vec<_> = kinds.into_iter().map(|(_, kind)| kind.told()).collect();
        kinds.insert(1, conversions);
        let (counted_until, until) = (told.until, until.min(self.at).max(since));
        let (at, silent, instances) = (self.at, told.silent, told.instances);
        Ok(Reconciliation { at, counted_until, since, until, kinds, silent, instances, uncompared, notes })
    }

    /// What was accepted up to now at least: each instance that runs tells it every two seconds. None where one does not.
    async fn counted_by_now(&self, from: Hour, to: Hour) -> Result<Option<Ledgers>, Failure> {
        let ledgers = &self.app.stores.ledgers;
        let (now, over) = (clock::now(), Instant::now() + CAUGHT_UP_WITHIN);
        loop {
            let instances = ledgers.instances().await?;
            if Told::of(&instances, now, now).until.is_none_or(|until| until >= now) {
                return Ok(Some(merged(&ledgers.pages(from, to).await?)));
            }
            if Instant::now() >= over {
                return Ok(None);
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// What all instances count.
type Ledgers = BTreeMap<(LedgerKind, Hour), HourLedger>;

fn merged(pages: &[LedgerPage]) -> Ledgers {
    let mut ledgers = Ledgers::new();
    pages.iter().for_each(|page| ledgers.entry((page.kind, page.hour)).or_default().merge(&page.ledger));
    ledgers
}

/// What the instances say of themselves.
struct Told {
    /// From which hour on a service counts all that it accepts; none: it always did.
    from: BTreeMap<&'static str, Hour>,
    /// Up to then all is counted that those accepted which run. None: none of them runs.
    until: Option<Timestamp>,
    /// When instances told last that died, or are cut off: what they accepted since is not known.
    died: Vec<Timestamp>,
    silent: Vec<String>,
    instances: Vec<ReconciledInstance>,
    notes: Vec<String>,
}

impl Told {
    fn of(instances: &[LedgerInstance], at: Timestamp, since: Timestamp) -> Self {
        let is_silent = |i: &&LedgerInstance| !i.ended && at.duration_since(i.at) > SILENT_AFTER;
        let runs = |i: &&LedgerInstance| !i.ended && !is_silent(i);
        let mut told = Self {
            from: BTreeMap::new(),
            until: instances.iter().filter(runs).map(|i| i.at).min(),
            died: instances.iter().filter(is_silent).map(|i| i.at).collect(),
            silent: Vec::new(),
            instances: Vec::new(),
            notes: Vec::new(),
        };
        let holds = |i: &&LedgerInstance| i.outbox.as_ref().is_some_and(|o| o.waiting + o.refused > 0);
        for i in instances.iter().filter(|i| runs(i) || holds(i) || is_silent(i) && i.at >= since) {
            told.instances.push(ReconciledInstance {
                service: i.service.clone(),
                id: i.id.clone(),
                at: i.at,
                ended: i.ended,
                silent: is_silent(&i),
                outbox: i.outbox.clone(),
            });
        }
        for service in SERVICES {
            let own: Vec<&LedgerInstance> = instances.iter().filter(|i| i.service == service).collect();
            let last = own.iter().map(|i| i.at).max();
            let from = own.iter().filter_map(|i| i.from).max().map(Hour::from);
            told.from.extend(from.map(|from| (service, from)));
            match last {
                None => told.silent.push(format!("{service} has never told what it has accepted")),
                Some(last) if own.iter().all(&is_silent) => {
                    told.silent
                        .push(format!("{service} has not told since {} what it has accepted", shown(last)));
                }
                Some(_) => {
                    for one in own.iter().filter(|i| is_silent(i) && i.at >= since) {
                        told.notes.push(format!(
                            "an instance of {service} ({}) has not told since {} what it has accepted: it is away, or cut off from the configuration store",
                            one.id,
                            shown(one.at)
                        ));
                    }
                }
            }
        }
        told
    }
}

/// A time in a text for people, to the second.
fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// All hours of a kind.
struct Kind(ReconciledKind);

impl Kind {
    fn new(kind: LedgerKind) -> Self {
        let kind = match kind {
            LedgerKind::Clicks => Reconciled::Clicks,
            LedgerKind::Postbacks => Reconciled::Postbacks,
            LedgerKind::HealthChanges => Reconciled::HealthChanges,
        };
        Self(ReconciledKind {
            kind,
            sum: ReconciledCounts { published: Some(0), ..ReconciledCounts::default() },
            missing_ids: Vec::new(),
            surplus_ids: Vec::new(),
            doubled_ids: Vec::new(),
            differing_ids: Vec::new(),
            differing_states: Vec::new(),
            hours: Vec::new(),
        })
    }

    fn take(&mut self, hour: Hour, found: &hour::Found, most: usize) {
        let all = &mut self.0;
        all.sum.add(&found.counts);
        for (ids, more) in [
            (&mut all.missing_ids, &found.missing),
            (&mut all.surplus_ids, &found.surplus),
            (&mut all.doubled_ids, &found.doubled),
            (&mut all.differing_ids, &found.differing),
        ] {
            let left = most.saturating_sub(ids.len());
            ids.extend(more.iter().take(left).map(ToString::to_string));
        }
        all.hours.push(ReconciledHour { hour: hour.start(), counts: found.counts.clone() });
    }

    fn told(self) -> ReconciledKind {
        self.0
    }
}
