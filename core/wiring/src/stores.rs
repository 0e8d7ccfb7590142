//! The ports a process works with.

use crate::{
    DataDir, DataDirError,
    engines::{self, EventPorts},
    sealing::{SealedConfig, SealingError},
};
use std::sync::Arc;
use tfx_domain::event::Topic;
use tfx_embedded::Embedded;
use tfx_events::{Producer, ProducerConfig};
use tfx_mongo::Mongo;
use tfx_ports::{
    StoreError,
    accounts::Accounts,
    alerts::AlertStore,
    analytics::Analytics,
    backup::Backup,
    config::ConfigStore,
    conversions::ConversionStore,
    erasure::{ErasedList, EventErasure},
    event_log::EventLog,
    health::HealthStore,
    histories::Histories,
    ingestion::{IngestionErrors, Lag},
    keys::Keys,
    leases::Leases,
    ledgers::Ledgers,
    migrate::Migrations,
    queue::Queue,
    rates::RateStore,
    retention::Retention,
    sealing::Sealing,
    sink::EventSink,
    table_backup::TableBackup,
};
use tfx_settings::{FailurePolicy, Settings};
use tfx_traces::{TracedSink, Traces};

/// The ports a process works with.
#[derive(Clone)]
pub struct Stores {
    /// Entities, their secrets sealed where they lie.
    pub config: Arc<dyn ConfigStore>,
    /// How those lie there.
    pub sealing: Arc<dyn Sealing>,
    /// Users, API tokens, login codes, sessions.
    pub accounts: Arc<dyn Accounts>,
    /// Conversions.
    pub conversions: Arc<dyn ConversionStore>,
    /// What is to be done later.
    pub queue: Arc<dyn Queue>,
    /// Who does what only one does at a time.
    pub leases: Arc<dyn Leases>,
    /// What all instances accepted.
    pub ledgers: Arc<dyn Ledgers>,
    /// Secrets that all instances share.
    pub keys: Arc<dyn Keys>,
    /// Rates of currencies.
    pub rates: Arc<dyn RateStore>,
    /// The health of destinations.
    pub health: Arc<dyn HealthStore>,
    /// How alerts stand.
    pub alerts: Arc<dyn AlertStore>,
    /// Reads over events.
    pub analytics: Arc<dyn Analytics>,
    /// Deletes events by age.
    pub retention: Arc<dyn Retention>,
    /// Erases a person from events.
    pub erasure: Arc<dyn EventErasure>,
    /// What grows beside the configuration.
    pub histories: Arc<dyn Histories>,
    /// What was erased.
    pub erased: Arc<dyn ErasedList>,
    /// Where events go.
    pub sink: Arc<dyn EventSink>,
    /// The way from the event log to the analytics; none where the sink itself is the store.
    pub pipeline: Option<Pipeline>,
}

/// The way from the event log to the analytics, as operators look after it.
#[derive(Clone)]
pub struct Pipeline {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// What the analytics store could not take from it.
    pub errors: Arc<dyn IngestionErrors>,
    /// What the names of the consumer groups with which the analytics store reads begin with.
    pub groups: String,
}

impl Pipeline {
    /// How far the analytics store is behind, in each partition of these topics.
    ///
    /// # Errors
    /// As [`EventLog::lag`].
    pub async fn lag(&self, topics: &[Topic]) -> Result<Vec<Lag>, StoreError> {
        self.log.lag(&self.groups, topics).await
    }
}

/// Why the ports cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The data folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The embedded store.
    #[error(transparent)]
    Embedded(#[from] tfx_embedded::OpenError),
    /// MongoDB.
    #[error(transparent)]
    Mongo(#[from] tfx_mongo::OpenError),
    /// The brokers or ClickHouse are told something that cannot be used.
    #[error(transparent)]
    Engine(#[from] StoreError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] tfx_events::OpenError),
    /// What seals secrets.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// Traces.
    #[error("traces cannot be sent (OTEL_EXPORTER_OTLP_ENDPOINT): {0}")]
    Traces(String),
}

/// Opens the embedded stores, whatever the settings say; secrets of the configuration lie there as they are given.
///
/// # Errors
/// Their files cannot be opened.
pub fn embedded(data_dir: &DataDir) -> Result<Stores, WiringError> {
    Ok(of_files(data_dir)?.0)
}

/// Opens the stores that the settings name. Engines need not answer yet: whoever asks them something waits or is told.
///
/// # Errors
/// The embedded files cannot be opened, a setting of an engine cannot be used, or the keys that seal secrets are not there, or
/// not the installation's.
pub async fn open(settings: &Settings, data_dir: &DataDir) -> Result<Stores, WiringError> {
    let (stores, config) = opened(settings, data_dir).await?;
    let embedded = settings.engines.mongo.is_none();
    let keys = Arc::clone(&stores.keys);
    let sealed = SealedConfig::around(config, keys, &settings.sealing, data_dir, embedded).await?;
    Ok(Stores { config: sealed.clone(), sealing: sealed, ..stores })
}

/// The same for who needs none of the secrets of the configuration, and is given none.
///
/// # Errors
/// As [`open`], but for keys.
pub async fn open_without_secrets(settings: &Settings, data_dir: &DataDir) -> Result<Stores, WiringError> {
    Ok(opened(settings, data_dir).await?.0)
}

/// The stores, without secrets, and the configuration as it lies there.
async fn opened(
    settings: &Settings,
    data_dir: &DataDir,
) -> Result<(Stores, Arc<dyn ConfigStore>), WiringError> {
    let (mongo, events) = (engines::mongo(settings).await?, engines::events(settings)?);
    let (mut stores, mut config) = match (&mongo, &events) {
        // Nothing is kept in files: none is opened.
        (Some(mongo), Some(events)) => return Ok((of_engines(mongo, events.ports()?), mongo.config())),
        _ => of_files(data_dir)?,
    };
    if let Some(mongo) = mongo {
        config = mongo.config();
        let unsealed = SealedConfig::without_secrets(mongo.config(), mongo.keys());
        (stores.config, stores.sealing, stores.conversions) =
            (unsealed.clone(), unsealed, mongo.conversions());
        (stores.queue, stores.leases, stores.health) = (mongo.queue(), mongo.leases(), mongo.health());
        (stores.keys, stores.accounts, stores.alerts) = (mongo.keys(), mongo.accounts(), mongo.alerts());
        (stores.erased, stores.histories, stores.rates) = (mongo.erased(), mongo.histories(), mongo.rates());
    }
    if let Some(events) = events {
        let EventPorts { analytics, retention, erasure, sink, pipeline } = events.ports()?;
        stores = Stores { analytics, retention, erasure, sink, pipeline: Some(pipeline), ..stores };
    }
    Ok((stores, config))
}

fn of_files(data_dir: &DataDir) -> Result<(Stores, Arc<dyn ConfigStore>), WiringError> {
    let embedded = Embedded::open(data_dir.path())?;
    let config = SealedConfig::without_secrets(embedded.config(), embedded.keys());
    let stores = Stores {
        sealing: config.clone(),
        config,
        accounts: embedded.accounts(),
        conversions: embedded.conversions(),
        queue: embedded.queue(),
        leases: embedded.leases(),
        ledgers: embedded.ledgers(),
        keys: embedded.keys(),
        rates: embedded.rates(),
        health: embedded.health(),
        alerts: embedded.alerts(),
        analytics: embedded.analytics(),
        retention: embedded.retention(),
        erasure: embedded.erasure(),
        erased: embedded.erased(),
        histories: embedded.histories(),
        sink: embedded.sink(),
        pipeline: None,
    };
    Ok((stores, embedded.config()))
}

fn of_engines(mongo: &Mongo, events: EventPorts) -> Stores {
    let EventPorts { analytics, retention, erasure, sink, pipeline } = events;
    let config = SealedConfig::without_secrets(mongo.config(), mongo.keys());
    Stores {
        sealing: config.clone(),
        config,
        accounts: mongo.accounts(),
        conversions: mongo.conversions(),
        queue: mongo.queue(),
        leases: mongo.leases(),
        ledgers: mongo.ledgers(),
        keys: mongo.keys(),
        rates: mongo.rates(),
        health: mongo.health(),
        alerts: mongo.alerts(),
        erased: mongo.erased(),
        histories: mongo.histories(),
        analytics,
        retention,
        erasure,
        sink,
        pipeline: Some(pipeline),
    }
}

/// The engines that have migrations, in the order in which they are to be applied. The embedded stores bring themselves
/// up to date when they are opened.
///
/// # Errors
/// A setting of an engine cannot be used.
pub async fn migrations(settings: &Settings) -> Result<Vec<Arc<dyn Migrations>>, WiringError> {
    let mut all: Vec<Arc<dyn Migrations>> = Vec::new();
    all.extend(engines::mongo(settings).await?.map(|mongo| mongo.migrations()));
    if let Some(events) = engines::events(settings)? {
        // Topics first: ClickHouse begins to read them as soon as its queues are there.
        all.push(Arc::new(events.kafka.topic_admin()));
        all.push(events.clickhouse.migrations(&events.pipeline)?);
    }
    Ok(all)
}

/// Backups of MongoDB; none where it is not used.
///
/// # Errors
/// A setting cannot be used, or there is no server that can be worked with.
pub async fn mongo_backup(settings: &Settings) -> Result<Option<Arc<dyn Backup>>, WiringError> {
    let Some(mongo) = engines::mongo(settings).await? else { return Ok(None) };
    mongo.check().await.map_err(StoreError::from)?;
    Ok(Some(mongo.backup()))
}

/// Backups of ClickHouse; none where it is not used.
///
/// # Errors
/// A setting of an engine cannot be used.
pub fn clickhouse_backup(settings: &Settings) -> Result<Option<Arc<dyn TableBackup>>, WiringError> {
    Ok(engines::events(settings)?.map(|events| events.clickhouse.backup()))
}

/// The event log alone, for operators; none where events go straight into the store.
///
/// # Errors
/// A setting of an engine cannot be used.
pub fn event_log(settings: &Settings) -> Result<Option<Arc<dyn EventLog>>, WiringError> {
    Ok(engines::events(settings)?.map(|events| events.kafka.event_log()).transpose()?)
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
    traces: &Traces,
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
    Ok(Producer::open(config, TracedSink::around(traces, sink))?)
}
