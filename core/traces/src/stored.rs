//! The last step of an event: the sink has it.

use crate::{Step, StepKind, Traces};
use async_trait::async_trait;
use std::sync::Arc;
use tfx_domain::{event::Topic, id::ClickId};
use tfx_ports::{
    StoreError, clock,
    sink::{Envelope, EventSink, Refused},
};

/// A sink whose events of traced clicks are steps of their traces.
pub struct TracedSink {
    traces: Traces,
    sink: Arc<dyn EventSink>,
}

impl TracedSink {
    /// The sink itself where traces are off.
    pub fn around(traces: &Traces, sink: Arc<dyn EventSink>) -> Arc<dyn EventSink> {
        if traces.is_on() { Arc::new(Self { traces: traces.clone(), sink }) } else { sink }
    }
}

/// The click that an event is of; none for what belongs to none.
fn click_of(event: &Envelope) -> Option<ClickId> {
    // A postback of no known click has its own id for a key.
    if event.topic == Topic::DestinationHealthEvents
        || event.key == event.id && event.topic == Topic::PostbackLogEvents
    {
        return None;
    }
    event.key.parse().ok()
}

#[async_trait]
impl EventSink for TracedSink {
    async fn deliver(&self, batch: &[Envelope]) -> Result<Vec<Refused>, StoreError> {
        let began = clock::precise();
        let taken = self.sink.deliver(batch).await;
        let ended = clock::precise();
        for (place, event) in batch.iter().enumerate() {
            let Some(click) = click_of(event).filter(|click| self.traces.takes(*click)) else { continue };
            let failed = match &taken {
                Ok(refused) => {
                    let refused = refused.iter().find(|r| r.index == place);
                    refused.map_or_else(String::new, |r| format!("refused: {}", r.reason))
                }
                Err(error) => error.to_string(),
            };
            let facts =
                vec![("tfx.topic", event.topic.as_str().to_owned()), ("tfx.batch", batch.len().to_string())];
            let (name, kind) = ("store the event".into(), StepKind::Producer);
            self.traces.step(click, Step { name, kind, began, ended, failed, facts });
        }
        taken
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.sink.ping().await
    }
}
