//! A conversion is published when the event sink has its state, not when this machine's journal has it: a machine that
//! never comes back takes its journal with it. The producer's sink is wrapped; what it took is marked in the store by a
//! worker, so that delivery does not wait for the store.

use async_trait::async_trait;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tfx_domain::{event::Topic, id::ConversionId};
use tfx_ports::{
    StoreError,
    conversions::ConversionStore,
    sink::{Envelope, EventSink, Refused},
};
use tfx_service::LogThrottle;
use tokio::sync::mpsc;

/// States marked in one command.
const TOGETHER: usize = 500;
/// The pause after the store did not take marks.
const PAUSE: Duration = Duration::from_millis(500);

/// A state of a conversion.
pub(crate) type State = (ConversionId, u64);

/// The sink, telling which states it has.
pub(crate) struct Confirming {
    sink: Arc<dyn EventSink>,
    taken: mpsc::UnboundedSender<State>,
    refused: Arc<RefusedStates>,
}

/// The conversions whose present state the sink refuses for good. The producer names each in the log; they are published
/// again now and then, in case that is mended.
#[derive(Debug, Default)]
pub(crate) struct RefusedStates(Mutex<HashSet<ConversionId>>);

/// How many refused states are known; more are not counted.
const MOST_REFUSED: usize = 100_000;

impl RefusedStates {
    fn note(&self, id: ConversionId) {
        let mut all = self.lock();
        if all.len() < MOST_REFUSED {
            all.insert(id);
        }
    }

    fn forget(&self, id: &ConversionId) {
        self.lock().remove(id);
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<ConversionId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Confirming {
    /// Around the sink; the states that it takes come out at the other end. There are no more than the store recorded
    /// while it marks none.
    pub(crate) fn around(
        sink: Arc<dyn EventSink>,
        refused: Arc<RefusedStates>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<State>) {
        let (taken, states) = mpsc::unbounded_channel();
        (Arc::new(Self { sink, taken, refused }), states)
    }
}

#[async_trait]
impl EventSink for Confirming {
    async fn deliver(&self, batch: &[Envelope]) -> Result<Vec<Refused>, StoreError> {
        let refused = self.sink.deliver(batch).await?;
        let not_there: HashSet<usize> = refused.iter().map(|r| r.index).collect();
        for (i, event) in batch.iter().enumerate() {
            if event.topic == Topic::ConversionEvents
                && let Some(state) = state_of(&event.id)
            {
                // What was refused for good is not there: the store still knows it when that is mended.
                if not_there.contains(&i) {
                    self.refused.note(state.0);
                    continue;
                }
                self.refused.forget(&state.0);
                // Nobody marks any more when the service ends; the state is published again then, and counts once.
                let _ = self.taken.send(state);
            }
        }
        Ok(refused)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.sink.ping().await
    }
}

/// The state that an event's id names: `cnv_….3`.
fn state_of(event: &str) -> Option<State> {
    let (id, version) = event.rsplit_once('.')?;
    Some((id.parse().ok()?, version.parse().ok()?))
}

/// Marks what the sink has, until that sink is gone.
pub(crate) async fn mark(conversions: Arc<dyn ConversionStore>, mut taken: mpsc::UnboundedReceiver<State>) {
    let mut states = Vec::with_capacity(TOGETHER);
    let mut complaint = LogThrottle::default();
    while taken.recv_many(&mut states, TOGETHER).await > 0 {
        while let Err(e) = conversions.mark_published(&states).await {
            if complaint.due() {
                tracing::warn!(error = %e, "cannot mark conversions as published; trying on");
            }
            if taken.is_closed() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        complaint.over();
        states.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfx_domain::Timestamp;

    #[test]
    fn an_event_names_its_state() {
        let id = ConversionId::generate(Timestamp::UNIX_EPOCH, 7);
        assert_eq!(state_of(&format!("{id}.3")), Some((id, 3)));
        for none in ["", "cnv_1", "x.3", "cnv_0000000000000000001.x"] {
            assert_eq!(state_of(none), None, "{none}");
        }
    }
}
