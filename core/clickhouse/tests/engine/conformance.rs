//! The suite that every store of events must pass. Messages are put where the queues put them, so what reads them is
//! the real one.

use crate::kit::Database;
use async_trait::async_trait;
use std::sync::Arc;
use tfx_ports::{
    StoreError,
    conformance::events::EventStore,
    sink::{Envelope, EventSink, Refused},
};

struct Messages(Database);

#[async_trait]
impl EventSink for Messages {
    async fn deliver(&self, batch: &[Envelope]) -> Result<Vec<Refused>, StoreError> {
        if !batch.is_empty() {
            let messages: Vec<_> = batch.iter().map(|e| (e.topic, e.payload.as_ref())).collect();
            self.0.insert(&messages).await?;
        }
        Ok(Vec::new())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.0.store().analytics().ping().await
    }
}

async fn fresh_events() -> EventStore {
    let database = Database::without_queues().await;
    let analytics = database.store().analytics();
    EventStore { sink: Arc::new(Messages(database)), analytics, keep: Box::new(()) }
}

tfx_ports::conformance!(event_store: fresh_events);
