//! Looks at the rules: one of all api-services, each `ALERT_INTERVAL_MS`. A rule that takes too long or cannot be looked at
//! holds up no other, and is said.

use super::{
    KIND,
    facts::{Group, NotLooked, facts},
    follow_up::{Named, over},
};
use crate::{app::App, entities::kinds::kind_of};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tfx_domain::{
    Timestamp,
    alert::{AlertState, Observation, Paused, Phase, Step, Verdict, holds::Look, step},
    entity::{Alert, AlertSpec, Kind, Status},
    id::AlertId,
};
use tfx_ports::{
    StoreError,
    alerts::{Looked, StoredAlert},
    clock,
    config::RecordQuery,
    leases::Lease,
    page::PageRequest,
};
use tfx_service::{LogThrottle, Shutdown};
use tokio::time::{Instant, sleep, timeout};

/// What only one api-service does at a time.
const LEASE: &str = "alerts";
/// A lease is held for an interval and this: for the longest look at a rule, and a little.
const LEASE_BEYOND: Duration = Duration::from_secs(30);
/// The longest look at one rule.
pub(super) const LONGEST_LOOK: Duration = Duration::from_secs(20);
/// How long it takes at most, as a rule, until what it led to is saved.
pub(super) const SAVED_WITHIN: Duration = Duration::from_secs(2);
/// States saved together.
const TOGETHER: usize = 100;
/// How long the log of alerts is kept.
pub(crate) const LOG_DAYS: i64 = 90;
/// How often what is older is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
/// How long giving the lease back may take when the service ends.
const LET_GO: Duration = Duration::from_millis(500);
/// How long what was given up is kept.
pub(crate) const DEAD: Duration = Duration::from_secs(7 * 86_400);

/// Looks at the rules until the shutdown.
pub(crate) async fn follow(app: Arc<App>, shutdown: Shutdown) {
    let interval = app.settings.alerts.interval;
    let mut lease: Option<Lease> = None;
    let mut complaint = LogThrottle::default();
    let mut forget_at = Instant::now();
    loop {
        let began = Instant::now();
        // A store that does not answer holds up no stop.
        let looked = tokio::select! {
            looked = round(&app, &mut lease, interval + LEASE_BEYOND, &shutdown) => looked,
            () = shutdown.wait() => break,
        };
        match looked {
            Ok(()) => complaint.over(),
            Err(error) => {
                if complaint.due() {
                    tracing::warn!(%error, "the alert rules cannot be looked at; it is tried again");
                }
            }
        }
        if lease.is_some() && Instant::now() >= forget_at {
            forget_at = Instant::now() + FORGET_EVERY;
            tokio::select! {
                () = forget(&app) => {}
                () = shutdown.wait() => break,
            }
        }
        tokio::select! {
            () = sleep(interval.saturating_sub(began.elapsed())) => {}
            () = shutdown.wait() => break,
        }
    }
    if let Some(lease) = lease {
        // Another need not wait for its end.
        let _ = timeout(LET_GO, app.stores.leases.release(&lease)).await;
    }
}

async fn forget(app: &App) {
    let before = clock::now().saturating_sub(jiff::SignedDuration::from_hours(24 * LOG_DAYS));
    let log = app.stores.alerts.forget_log(before.unwrap_or(Timestamp::MIN)).await;
    let dead = app.stores.queue.forget(KIND, DEAD).await;
    if let Err(error) = log.and(dead) {
        tracing::warn!(%error, "old lines and notices of alerts were not forgotten; it is tried again");
    }
}

/// One look at each rule, if this process is who looks.
async fn round(
    app: &Arc<App>,
    lease: &mut Option<Lease>,
    time: Duration,
    shutdown: &Shutdown,
) -> Result<(), StoreError> {
    let leases = &app.stores.leases;
    let held = match lease.as_ref() {
        Some(held) => leases.renew(held, time).await?,
        None => false,
    };
    if !held {
        *lease = leases.take(LEASE, time).await?;
    }
    app.alerts.looks.store(lease.is_some(), Relaxed);
    let Some(held) = lease.clone() else {
        app.alerts.failing().clear();
        return Ok(());
    };
    let rules = rules(app).await?;
    let mut states: BTreeMap<AlertId, Vec<StoredAlert>> = BTreeMap::new();
    for stored in app.stores.alerts.states(None).await? {
        states.entry(stored.state.alert.clone()).or_default().push(stored);
    }
    let (mut failing, mut firing) = (BTreeMap::new(), 0);
    for rule in &rules {
        if shutdown.is_fired() {
            return Ok(());
        }
        if !leases.renew(&held, time).await? {
            *lease = None;
            return Ok(());
        }
        let _looking = app.alerts.looking.lock().await;
        let before: Vec<AlertState> =
            states.remove(&rule.id).into_iter().flatten().map(|stored| stored.state).collect();
        let looked = tokio::select! {
            looked = timeout(LONGEST_LOOK, look(app, rule, &before)) => looked,
            () = shutdown.wait() => return Ok(()),
        };
        let looked = match looked {
            Ok(looked) => looked,
            Err(_) => {
                let took = LONGEST_LOOK.as_secs();
                Err(format!("a look took longer than {took} s; filter, or take shorter times (window, avg)"))
            }
        };
        let looked = match looked {
            Ok(looked) => looked,
            Err(why) => {
                app.alerts.counted.look("failed");
                failing.insert(rule.spec.slug.to_string(), why.clone());
                without_data(app, rule, &before, &why).await
            }
        };
        firing += looked.iter().filter(|l| !l.over && l.state.phase == Phase::Firing).count() as u64;
        for some in looked.chunks(TOGETHER) {
            app.stores.alerts.save(some).await?;
        }
        if looked.iter().any(|l| !l.jobs.is_empty()) {
            app.alerts.due.notify_one();
        }
    }
    // Of rules that are paused, archived or cannot be read.
    for stored in states.into_values().flatten() {
        app.stores.alerts.save(&[over(stored.state)]).await?;
        app.alerts.due.notify_one();
    }
    for (slug, why) in failing.iter().filter(|(slug, _)| !app.alerts.failing().contains_key(*slug)) {
        tracing::warn!(alert = slug, why, "an alert rule cannot be looked at; it is tried again");
    }
    *app.alerts.failing() = failing;
    app.alerts.round_is_over(firing);
    Ok(())
}

/// The active rules.
async fn rules(app: &App) -> Result<Vec<Alert>, StoreError> {
    let mut rules = Vec::new();
    let page = PageRequest::first(1_000);
    let mut query = RecordQuery { kind: Kind::Alert, parent: None, statuses: vec![Status::Active], page };
    loop {
        let found = app.stores.config.list(&query).await?;
        for record in &found.items {
            match record.typed::<AlertSpec>() {
                Ok(rule) => rules.push(rule),
                Err(e) => tracing::warn!(alert = record.slug, error = %e, "an alert rule cannot be read"),
            }
        }
        query.page.cursor = found.next;
        if query.page.cursor.is_none() {
            return Ok(rules);
        }
    }
}

/// What a look at each group of a rule finds now.
pub(super) async fn observe(
    app: &App,
    rule: &AlertSpec,
    open: &[Group],
    now: Timestamp,
) -> Result<BTreeMap<Group, Observation>, NotLooked> {
    let condition = rule.condition().ok_or_else(|| StoreError::Broken {
        what: "its condition cannot be read by this version".to_owned(),
        source: None,
    })?;
    let look = Look { window_s: rule.window_s, min_clicks: rule.min_clicks, now };
    let facts = facts(&app.stores, rule, &condition, open, now).await?;
    let seen = facts.into_iter().map(|(group, facts)| (group, condition.observe(&facts, &look)));
    let mut seen: BTreeMap<Group, Observation> = seen.collect();
    for group in open {
        if let Some(found) = seen.get_mut(group)
            && matches!(found.verdict, Verdict::NoData(_))
            && let Some(why) = archived(app, rule, group).await?
        {
            *found = Observation::over(why);
        }
    }
    Ok(seen)
}

/// Why nothing will ever be known of a group any more: an entity by which it goes, or all that a filter lets through, is archived.
async fn archived(app: &App, rule: &AlertSpec, group: &Group) -> Result<Option<String>, StoreError> {
    let parts = group.iter().filter_map(|part| Some(vec![part.split_once('=')?.1.to_owned()]));
    let filters = rule.filters.iter().filter(|filter| filter.dimension.is_id() && !filter.negate);
    for ids in parts.chain(filters.map(|filter| filter.values.clone())) {
        let mut gone = Vec::with_capacity(ids.len());
        for id in &ids {
            let Some(kind) = kind_of(id) else { break };
            match app.stores.config.get(kind, id).await? {
                Some(record) if record.status != Status::Archived => break,
                Some(record) => gone.push(format!("the {kind} {} is archived", record.slug)),
                None => gone.push(format!("the {kind} {id} is not there any more")),
            }
        }
        if !ids.is_empty() && gone.len() == ids.len() {
            return Ok(Some(gone.join(", ")));
        }
    }
    Ok(None)
}

async fn look(app: &App, rule: &Alert, before: &[AlertState]) -> Result<Vec<Looked>, String> {
    let now = clock::now();
    let open: Vec<Group> = before.iter().filter(|s| s.is_open()).map(|s| s.group.clone()).collect();
    let observed = observe(app, &rule.spec, &open, now).await.map_err(|e| e.to_string())?;
    for observation in observed.values() {
        app.alerts.counted.look(match observation.verdict {
            Verdict::Holds => "holds",
            Verdict::Not => "not",
            Verdict::NoData(_) | Verdict::Over(_) => "no_data",
        });
    }
    Ok(stepped(app, rule, before, observed, now).await)
}

/// A rule that cannot be looked at has no data: in the groups that are known, and where it has none of them, in all together.
async fn without_data(app: &App, rule: &Alert, before: &[AlertState], why: &str) -> Vec<Looked> {
    let none = || Observation { verdict: Verdict::NoData(why.to_owned()), values: String::new() };
    let mut observed: BTreeMap<Group, Observation> =
        before.iter().map(|state| (state.group.clone(), none())).collect();
    if rule.spec.groups().is_empty() {
        observed.entry(Vec::new()).or_insert_with(none);
    }
    stepped(app, rule, before, observed, clock::now()).await
}

/// From what was seen to the states after it, and what comes of them.
async fn stepped(
    app: &App,
    rule: &Alert,
    before: &[AlertState],
    observed: BTreeMap<Group, Observation>,
    now: Timestamp,
) -> Vec<Looked> {
    let policy = rule.spec.policy();
    let mut out = Vec::with_capacity(observed.len());
    let seen: BTreeSet<&Group> = observed.keys().collect();
    let gone: Vec<AlertState> = before.iter().filter(|s| !seen.contains(&s.group)).cloned().collect();
    for (group, observation) in observed {
        let old = before.iter().find(|state| state.group == group);
        let (mut state, steps) = step(&policy, old, (&rule.id, &group), observation, now);
        if steps.contains(&Step::Act(false))
            && let Some(acted) = &mut state.acted
        {
            let actor = format!("alert:{}", rule.spec.slug);
            acted.paused = rule.spec.target(&group).map(|target| Paused { actor, target });
        }
        let (mut log, mut jobs) = (Vec::new(), Vec::new());
        if !steps.is_empty() {
            let named = Named::of(app, rule, &state).await;
            for step in &steps {
                named.follow(step, now, &mut log, &mut jobs);
            }
        }
        out.push(Looked { state, over: false, log, jobs });
    }
    for state in gone {
        out.push(over(state));
    }
    out
}
