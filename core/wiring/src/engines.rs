//! From settings to what each adapter is told.

use crate::{Pipeline, WiringError};
use std::{sync::Arc, time::Duration};
use tfx_clickhouse::{ClickHouse, ClickHouseConfig, PipelineConfig};
use tfx_domain::event::Topic;
use tfx_kafka::{Kafka, KafkaConfig, TopicNames};
use tfx_mongo::{Mongo, MongoConfig};
use tfx_ports::{
    StoreError, analytics::Analytics, erasure::EventErasure, retention::Retention, sink::EventSink,
};
use tfx_settings::Settings;

/// Longest time of one query.
const QUERY_WITHIN: Duration = Duration::from_secs(30);

/// The ports of events.
pub(crate) struct EventPorts {
    pub(crate) analytics: Arc<dyn Analytics>,
    pub(crate) retention: Arc<dyn Retention>,
    pub(crate) erasure: Arc<dyn EventErasure>,
    pub(crate) sink: Arc<dyn EventSink>,
    pub(crate) pipeline: Pipeline,
}

/// The event log and the analytics that read it.
pub(crate) struct Events {
    pub(crate) kafka: Kafka,
    pub(crate) clickhouse: ClickHouse,
    pub(crate) pipeline: PipelineConfig,
}

impl Events {
    /// Analytics, sink and what operators see of the way between them.
    pub(crate) fn ports(&self) -> Result<EventPorts, StoreError> {
        let log = self.kafka.event_log()?;
        let pipeline = Pipeline {
            log: Arc::clone(&log),
            errors: self.clickhouse.ingestion_errors(),
            groups: self.pipeline.groups.clone(),
        };
        Ok(EventPorts {
            analytics: self.clickhouse.analytics_of(&self.pipeline, Some(log)),
            retention: self.clickhouse.retention(),
            erasure: self.clickhouse.erasure(),
            sink: self.kafka.sink()?,
            pipeline,
        })
    }
}

/// MongoDB, if it is used.
pub(crate) async fn mongo(settings: &Settings) -> Result<Option<Mongo>, WiringError> {
    match &settings.engines.mongo {
        Some(mongo) => Ok(Some(Mongo::new(&MongoConfig::new(mongo.uri.expose(), &mongo.database)).await?)),
        None => Ok(None),
    }
}

/// Kafka and ClickHouse, if they are used.
pub(crate) fn events(settings: &Settings) -> Result<Option<Events>, WiringError> {
    let Some((log, analytics)) = &settings.engines.events else { return Ok(None) };
    let kafka = Kafka::new(KafkaConfig {
        topics: TopicNames::new(|topic| log.topic(topic).to_owned()),
        replication: i32::from(log.replication),
        retention: log.retention,
        // Its own reason comes before the caller's bare time-out.
        answer_within: settings.events.write_timeout.mul_f64(0.9),
        options: log.options.clone(),
        ..KafkaConfig::new(log.brokers.join(","))
    })?;
    let clickhouse = ClickHouse::new(&ClickHouseConfig {
        url: analytics.url.clone(),
        user: analytics.user.clone(),
        password: analytics.password.as_ref().map(|p| p.expose().to_owned()),
        database: analytics.database.clone(),
        cluster: analytics.cluster.clone(),
        timeout: QUERY_WITHIN,
        lease: tfx_clickhouse::LEASE,
    })?;
    let pipeline = PipelineConfig {
        brokers: analytics.brokers.join(","),
        topics: Topic::ALL.map(|topic| log.topic(topic).to_owned()),
        groups: analytics.groups.clone(),
        ttl_days: settings.analytics_ttl_days,
    };
    Ok(Some(Events { kafka, clickhouse, pipeline }))
}
