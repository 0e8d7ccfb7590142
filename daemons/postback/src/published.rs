//! A conversion is published when the event sink has its state, not when this machine's journal has it: a machine that
//! never comes back takes its journal with it. The producer's sink is wrapped; what it took is marked in the store by a
//! worker, so that delivery does not wait for the store.

use async_trait::async_trait;
use std::{sync::Arc, time::Duration};
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
}

impl Confirming {
    /// Around the sink; the states that it takes come out at the other end. There are no more than the store recorded
    /// while it marks none.
    pub(crate) fn around(sink: Arc<dyn EventSink>) -> (Arc<Self>, mpsc::UnboundedReceiver<State>) {
        let (taken, states) = mpsc::unbounded_channel();
        (Arc::new(Self { sink, taken }), states)
    }
}

#[async_trait]
impl EventSink for Confirming {
    async fn deliver(&self, batch: &[Envelope]) -> Result<Vec<Refused>, StoreError> {
        let refused = self.sink.deliver(batch).await?;
        for (i, event) in batch.iter().enumerate() {
            // What was refused for good is not there: the store still knows it when that is mended.
            if event.topic == Topic::ConversionEvents
                && !refused.iter().any(|r| r.index == i)
                && let Some(state) = state_of(&event.id)
            {
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
