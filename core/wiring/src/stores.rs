//! The ports a process works with.

use crate::{DataDir, DataDirError};
use std::sync::Arc;
use tfx_embedded::Embedded;
use tfx_events::{Producer, ProducerConfig};
use tfx_ports::{analytics::Analytics, config::ConfigStore, conversions::ConversionStore, sink::EventSink};
use tfx_settings::{FailurePolicy, Settings};

/// The ports a process works with.
#[derive(Clone)]
pub struct Stores {
    /// Entities.
    pub config: Arc<dyn ConfigStore>,
    /// Conversions.
    pub conversions: Arc<dyn ConversionStore>,
    /// Reads over events.
    pub analytics: Arc<dyn Analytics>,
    /// Where events go.
    pub sink: Arc<dyn EventSink>,
}

/// Why the ports cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The data folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// An engine that this build cannot use.
    #[error(
        "{setting} is set, but this build has the embedded engine only; unset it to use the embedded store"
    )]
    NoEngine {
        /// Which setting asked for it.
        setting: &'static str,
    },
    /// The embedded store.
    #[error(transparent)]
    Embedded(#[from] tfx_embedded::OpenError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] tfx_events::OpenError),
}

/// Opens the stores that the settings name.
///
/// # Errors
/// An engine that cannot be used, or the embedded files cannot be opened.
pub fn open(settings: &Settings, data_dir: &DataDir) -> Result<Stores, WiringError> {
    let engines = &settings.engines;
    let asked = [
        (engines.mongo.is_some(), "MONGO_URI"),
        (!engines.brokers.is_empty(), "EVENT_BROKERS"),
        (engines.clickhouse.is_some(), "CLICKHOUSE_HTTP_URL"),
    ];
    if let Some((_, setting)) = asked.into_iter().find(|(set, _)| *set) {
        return Err(WiringError::NoEngine { setting });
    }
    let embedded = Embedded::open(data_dir.path())?;
    Ok(Stores {
        config: embedded.config(),
        conversions: embedded.conversions(),
        analytics: embedded.analytics(),
        sink: embedded.sink(),
    })
}

/// The event producer of a service. Must be called inside a tokio runtime.
///
/// # Errors
/// The journal is held by another process or cannot be opened.
pub fn producer(
    settings: &Settings,
    data_dir: &DataDir,
    service: &'static str,
    policy: FailurePolicy,
    sink: Arc<dyn EventSink>,
) -> Result<Arc<Producer>, WiringError> {
    let events = &settings.events;
    let config = ProducerConfig {
        dir: data_dir.journal(service),
        policy: match policy {
            FailurePolicy::FailOpen => tfx_events::FailurePolicy::FailOpen,
            FailurePolicy::FailClosed => tfx_events::FailurePolicy::FailClosed,
        },
        batch_size: events.batch_size,
        batch_timeout: events.batch_timeout,
        write_timeout: events.write_timeout,
        max_attempts: events.max_attempts,
        retry_backoff: events.retry_backoff,
        max_bytes: events.journal_max_bytes,
        segment_bytes: (events.journal_max_bytes / 8).clamp(1 << 16, 64 << 20),
    };
    Ok(Producer::open(config, sink)?)
}
