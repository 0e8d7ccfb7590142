//! Conversions that were recorded but not published: the process died in between, or marking failed. At the start
//! and then every few seconds their present state is published (again); the event's id makes it count once.

use crate::take::Postbacks;
use std::{fmt::Display, sync::Arc, time::Duration};
use tfx_domain::{
    Timestamp,
    event::{ConversionEvent, Event},
    postback::Conversion,
};
use tfx_ports::clock;
use tfx_service::{Seldom, Shutdown};

const PERIOD: Duration = Duration::from_secs(5);
/// A state younger than this is most likely being published right now by the request that recorded it.
const IN_FLIGHT: Duration = Duration::from_secs(10);
const BATCH: usize = 500;

/// Sweeps until the shutdown.
pub(crate) async fn work(postbacks: Arc<Postbacks>, shutdown: Shutdown) {
    let sweeping = async {
        // Whatever is there at the start was left by a process that is gone.
        let mut before = Timestamp::MAX;
        let mut complaint = Seldom::default();
        loop {
            match sweep(&postbacks, before).await {
                Ok(()) => complaint.over(),
                Err(error) if complaint.due() => {
                    tracing::warn!(error, "recorded conversions are not published; trying on");
                }
                Err(_) => {}
            }
            tokio::time::sleep(PERIOD).await;
            before =
                Timestamp::from_millisecond(clock::now().as_millisecond() - IN_FLIGHT.as_millis() as i64)
                    .unwrap_or(Timestamp::MIN);
        }
    };
    tokio::select! {
        () = sweeping => {}
        () = shutdown.wait() => {}
    }
}

/// Publishes what is unpublished and was last changed before `before`; or why not.
pub(crate) async fn sweep(postbacks: &Postbacks, before: Timestamp) -> Result<(), String> {
    let failed = |what: &str, e: &dyn Display| format!("cannot {what}: {e}");
    loop {
        let found = postbacks.conversions.unpublished(BATCH).await;
        let found = found.map_err(|e| failed("look for unpublished conversions", &e))?;
        let full = found.len() == BATCH;
        let due: Vec<Conversion> = found.into_iter().filter(|c| c.updated_at < before).collect();
        if due.is_empty() {
            return Ok(());
        }
        let events: Vec<Event> =
            due.iter().map(|c| Event::Conversion(Box::new(ConversionEvent::from(c)))).collect();
        let published = postbacks.publish(&events).await;
        published.map_err(|e| failed(&format!("publish {} of them", events.len()), &e))?;
        let states: Vec<_> = due.iter().map(|c| (c.id.clone(), c.version)).collect();
        let marked = postbacks.conversions.mark_published(&states).await;
        marked.map_err(|e| failed("mark them as published", &e))?;
        postbacks.counters.republished(due.len());
        tracing::info!(conversions = due.len(), "published conversions that were recorded but not published");
        if !full {
            return Ok(());
        }
    }
}
