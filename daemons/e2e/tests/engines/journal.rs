//! The journals of the services: how deep they are, and how they drain.

use crate::testbed::{Testbed, until};
use serde_json::Value;
use std::time::{Duration, Instant};
use tfx_e2e::Service;
use tokio::time::sleep;

/// Events in the journal.
fn depth(stats: &Value) -> u64 {
    stats["outbox_depth_events"].as_u64().expect("a depth")
}

/// Waits until the journal of traffic-service has grown to this.
pub(crate) async fn until_deep(testbed: &Testbed, events: u64) {
    until("the journal grows", async || {
        let seen = deep(testbed).await;
        (seen >= events).then_some(()).ok_or_else(|| format!("{seen} events"))
    })
    .await;
}

/// Waits until nothing is left in the journals.
pub(crate) async fn until_empty(testbed: &Testbed) {
    until("the journals are empty", async || {
        for service in [Service::Traffic, Service::Postback] {
            let stats = testbed.counters(service).await;
            if depth(&stats) > 0 {
                return Err(format!("{service:?}: {stats}"));
            }
        }
        Ok(())
    })
    .await;
}

/// How a journal drained.
pub(crate) struct Drained {
    /// Events in it at the most.
    pub(crate) most: u64,
    pub(crate) took: Duration,
}

impl std::fmt::Display for Drained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rate = self.most as f64 / self.took.as_secs_f64();
        write!(
            f,
            "journal {} events deep, drained in {} ms ({rate:.0} events/s)",
            self.most,
            self.took.as_millis()
        )
    }
}

/// Events in the journal of traffic-service.
pub(crate) async fn deep(testbed: &Testbed) -> u64 {
    depth(&testbed.counters(Service::Traffic).await)
}

/// Waits, while clicks go on, until the journal of traffic-service holds no more than what is under way. It has been
/// draining since `begun`, when it was so deep.
pub(crate) async fn drained(testbed: &Testbed, begun: Instant, deep: u64) -> Drained {
    let mut most = deep;
    loop {
        let stats = testbed.counters(Service::Traffic).await;
        most = most.max(depth(&stats));
        if depth(&stats) <= most / 20 {
            return Drained { most, took: begun.elapsed() };
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the journal does not drain: {stats}");
        sleep(Duration::from_millis(5)).await;
    }
}
