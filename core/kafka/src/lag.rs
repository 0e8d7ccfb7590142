//! How far a consumer group is behind. Asks about the group, does not join it.

use crate::{
    config::KafkaConfig,
    probe::{self, Probe, REQUEST},
};
use rdkafka::{Offset, consumer::Consumer, error::RDKafkaErrorCode};
use std::{collections::HashMap, sync::Arc};
use tfx_domain::event::Topic;
use tfx_ports::{StoreError, ingestion::Lag};

/// How far a consumer group is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLag {
    /// Whether the brokers know it: somebody reads under that name, or has.
    pub is_known: bool,
    /// Each partition of the topics, in order.
    pub partitions: Vec<Lag>,
}

pub(crate) async fn lag(
    config: Arc<KafkaConfig>,
    group: String,
    topics: &[Topic],
) -> Result<GroupLag, StoreError> {
    let names: Vec<String> = topics.iter().map(|t| config.topics.name(*t).to_owned()).collect();
    probe::ask(config, Some(group.clone()), move |probe| {
        let partitions = probe.partitions(&names)?;
        let what = format!("ask for the offsets of the consumer group {group}");
        let committed = probe
            .consumer
            .committed_offsets(partitions.clone(), REQUEST)
            .map_err(|e| probe.failed(&what, e))?;
        let mut taken = HashMap::new();
        for e in committed.elements() {
            e.error().map_err(|error| probe.failed(&what, error))?;
            if let Offset::Offset(offset) = e.offset() {
                taken.insert((e.topic().to_owned(), e.partition()), offset);
            }
        }
        let is_known = !taken.is_empty() || is_known(probe, &group)?;
        // Asked last, so that the end is never before what was taken.
        let ends = probe.ends(&partitions)?;
        let lag = |((topic, partition), end): ((String, i32), Option<i64>)| {
            let taken = taken.get(&(topic.clone(), partition)).copied();
            Lag { topic, partition, end: end.unwrap_or(0), taken }
        };
        Ok(GroupLag { is_known, partitions: ends.into_iter().map(lag).collect() })
    })
    .await
}

fn is_known(probe: &Probe, group: &str) -> Result<bool, StoreError> {
    match probe.consumer.fetch_group_list(Some(group), REQUEST) {
        // A group that is not there is described as dead.
        Ok(list) => Ok(list
            .groups()
            .iter()
            .any(|g| g.name() == group && !g.state().is_empty() && g.state() != "Dead")),
        Err(e) if matches!(e.rdkafka_error_code(), Some(RDKafkaErrorCode::GroupIdNotFound)) => Ok(false),
        Err(e) => Err(probe.failed(&format!("ask for the consumer group {group}"), e)),
    }
}
