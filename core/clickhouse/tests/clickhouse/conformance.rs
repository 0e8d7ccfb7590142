//! The suite that every store of events must pass. Messages are put where the queues put them, so what reads them is
//! the real one.

use crate::{cluster, kit::Database};
use async_trait::async_trait;
use std::sync::Arc;
use tfx_domain::id::ClickId;
use tfx_ports::{
    StoreError,
    conformance::{erasure::ErasingStore, events::EventStore, retention::RetainedStore},
    sink::{Envelope, EventSink, Refused},
};

struct Messages(Arc<Database>);

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

/// A store of events of this database.
pub(crate) fn events_of(database: &Arc<Database>) -> EventStore {
    let analytics = database.store().analytics();
    EventStore { sink: Arc::new(Messages(Arc::clone(database))), analytics, keep: Box::new(()) }
}

async fn fresh_database() -> Arc<Database> {
    if std::env::var_os("TFX_TEST_CLUSTER").is_some() {
        return cluster::made().await;
    }
    Arc::new(Database::without_queues().await)
}

async fn fresh_events() -> EventStore {
    events_of(&fresh_database().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_cannot_be_read_are_left_out() {
    let database = Arc::new(Database::without_queues().await);
    let analytics = database.store().analytics();
    let sink = Arc::new(Messages(Arc::clone(&database)));
    let store = EventStore { sink, analytics, keep: Box::new(()) };
    let spoil = async |kind: &'static str, id: ClickId| {
        let (table, column, event) = match kind {
            "clicks" => ("click_events", "click_id", "concat(substring(event, 1, 40), unhex('ff'))"),
            "trafficback" => ("trafficback_events", "click_id", r#"'{"schema":2}'"#),
            _ => ("postback_log_events", "id", "'{'"),
        };
        let change = format!(
            "ALTER TABLE {table} UPDATE event = {event} WHERE {column} = '{id}' SETTINGS mutations_sync = 2"
        );
        database.execute(&change).await;
    };
    tfx_ports::conformance::events::events_that_cannot_be_read_are_left_out(store, spoil).await;
}

async fn fresh_retained() -> RetainedStore {
    let database = fresh_database().await;
    let (events, retention) = (events_of(&database), database.store().retention());
    let close_days = Box::new(move || {
        let database = Arc::clone(&database);
        Box::pin(async move {
            database.execute("SYSTEM REFRESH VIEW closed_days_mv").await;
            database.execute("SYSTEM WAIT VIEW closed_days_mv").await;
        }) as _
    });
    RetainedStore { events, retention, close_days }
}

async fn fresh_erasing() -> ErasingStore {
    let database = Arc::new(Database::without_queues().await);
    let (analytics, erasure) = (database.store().analytics(), database.store().erasure());
    let events = EventStore { sink: Arc::new(Messages(database)), analytics, keep: Box::new(()) };
    ErasingStore { events, erasure }
}

tfx_ports::conformance!(erasure: fresh_erasing);
tfx_ports::conformance!(retention: fresh_retained);
tfx_ports::conformance!(event_store: fresh_events);
