//! What every [`Histories`] must do.

use super::health::probed;
use crate::{
    audit::{AuditEntry, Caller},
    clock,
    config::ConfigStore,
    health::{HealthQuery, HealthStore},
    histories::{Grows, Histories, History},
    page::PageRequest,
    queue::{JobKind, NewJob, Queue},
};
use std::{any::Any, sync::Arc, time::Duration};
use tfx_domain::Timestamp;

/// A new, empty store with what grows in it.
pub struct HistoryStore {
    /// Keeps the audit log.
    pub config: Arc<dyn ConfigStore>,
    /// Keeps changes of health.
    pub health: Arc<dyn HealthStore>,
    /// Keeps jobs.
    pub queue: Arc<dyn Queue>,
    /// What counts and forgets.
    pub histories: Arc<dyn Histories>,
    /// What has to live as long as they do.
    pub keep: Box<dyn Any + Send>,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + second).expect("in range")
}

fn line(at: Timestamp) -> AuditEntry {
    AuditEntry {
        at,
        caller: Caller::named("somebody"),
        action: "prune".to_owned(),
        kind: "events".to_owned(),
        id: String::new(),
        version: 0,
        changes: serde_json::json!({}),
    }
}

async fn kept(s: &HistoryStore, of: Grows) -> (u64, Option<i64>) {
    let all = s.histories.kept().await.expect("kept");
    assert_eq!(all.iter().map(|k| k.of).collect::<Vec<_>>(), Grows::ALL);
    let one = all.iter().find(|k| k.of == of).expect("there");
    (one.rows, one.oldest.map(Timestamp::as_second))
}

/// What is older leaves the audit log, and nothing else does.
pub async fn old_lines_of_the_audit_log_are_forgotten(s: HistoryStore) {
    for of in Grows::ALL {
        assert_eq!(kept(&s, of).await, (0, None), "{of:?} of an empty store");
    }
    for second in [0, 10, 20, 30] {
        s.config.append(line(at(second))).await.expect("append");
    }
    assert_eq!(kept(&s, Grows::Audit).await, (4, Some(at(0).as_second())));
    for (before, older) in [(0, 0), (1, 1), (20, 2), (99, 4)] {
        assert_eq!(s.histories.older(History::Audit, at(before)).await.expect("older"), older, "{before}");
    }
    assert_eq!(s.histories.forget(History::Audit, at(20)).await.expect("forget"), 2);
    assert_eq!(s.histories.forget(History::Audit, at(20)).await.expect("forget"), 0, "once");
    let left = s.config.audit(None, &PageRequest::first(10)).await.expect("audit").items;
    assert_eq!(left, [line(at(30)), line(at(20))]);
    assert_eq!(kept(&s, Grows::Audit).await, (2, Some(at(20).as_second())));
    assert_eq!(s.histories.older(History::Health, clock::now()).await.expect("older"), 0);
}

/// Old changes of health leave when they are published, and no sooner.
pub async fn old_changes_of_health_are_forgotten_when_they_are_published(s: HistoryStore) {
    let changes: Vec<_> = [(1, 0), (2, 10), (3, 20)].map(|(n, second)| probed(None, n, second, false)).into();
    s.health.save(&changes).await.expect("save");
    assert_eq!(kept(&s, Grows::HealthHistory).await, (3, Some(at(0).as_second())));
    assert_eq!(
        s.histories.forget(History::Health, at(15)).await.expect("forget"),
        0,
        "they wait to be published"
    );
    let waiting = s.health.unpublished(10).await.expect("unpublished");
    let ids: Vec<_> = waiting.iter().map(|change| change.id).collect();
    s.health.mark_published(&ids[1..]).await.expect("mark");
    assert_eq!(s.histories.older(History::Health, at(15)).await.expect("older"), 1);
    assert_eq!(s.histories.forget(History::Health, at(15)).await.expect("forget"), 1);
    let page = PageRequest::first(10);
    let query = HealthQuery { destination: None, since: None, until: None, page };
    let left: Vec<_> = s.health.history(&query).await.expect("history").items.iter().map(|c| c.id).collect();
    assert_eq!(left, [ids[2], ids[0]]);
}

/// Jobs are counted by kind, those that wait apart from those that were given up.
pub async fn jobs_are_counted_as_what_they_are(s: HistoryStore) {
    let job = |kind, n: i64| NewJob {
        kind,
        key: format!("owner/{n}"),
        group: None,
        came: at(n),
        payload: "{}".to_owned(),
    };
    for kind in [JobKind::ParkedPostback, JobKind::SourcePostback, JobKind::Alert] {
        s.queue.enqueue(&job(kind, 0), Duration::ZERO).await.expect("enqueue");
        let claimed = s.queue.claim(kind, 1, Duration::from_secs(60)).await.expect("claim");
        assert!(s.queue.dead(&claimed[0], "why").await.expect("dead"), "{kind:?}");
        for n in [1, 2] {
            s.queue.enqueue(&job(kind, n), Duration::ZERO).await.expect("enqueue");
        }
    }
    for of in [Grows::Parked, Grows::SourcePostbacks] {
        assert_eq!(kept(&s, of).await, (2, Some(at(1).as_second())), "{of:?}");
    }
    for of in [Grows::Unmatched, Grows::SourcePostbacksDead, Grows::AlertsDead] {
        let (rows, oldest) = kept(&s, of).await;
        assert!(rows == 1 && oldest.is_some(), "{of:?}: {rows} {oldest:?}");
    }
}
