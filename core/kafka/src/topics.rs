//! The topics as a migration target: makes those that are missing, tells of those that differ, deletes and changes
//! none. More partitions would move keys and undo their order; setting one value of a topic would reset those that
//! somebody else has set (`AlterConfigs` takes all or none). More than what is asked for may be somebody's wish and
//! counts as applied.

use crate::{
    complaints::Complaints,
    config::{KafkaConfig, PARTITIONS},
    connect::{self, Context, MESSAGE_BYTES},
    error,
    probe::{self, REQUEST},
};
use async_trait::async_trait;
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    error::RDKafkaErrorCode,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_domain::event::Topic;
use tfx_ports::{
    StoreError,
    event_log::Holds,
    migrate::{Difference, Migrations, Remedy, Step, StepState},
};

/// How long a new topic may take to be seen by all brokers, and how often they are asked.
const SEEN: (Duration, Duration) = (Duration::from_secs(15), Duration::from_millis(100));

const DAY_MS: i64 = 24 * 3600 * 1000;

/// The topics as a migration target.
pub struct TopicAdmin {
    config: Arc<KafkaConfig>,
}

/// What a topic is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    partitions: i32,
    /// Of the partition that has the fewest.
    replicas: i32,
    /// None: the brokers do not say.
    retention_ms: Option<i64>,
}

impl TopicAdmin {
    pub(crate) const fn new(config: Arc<KafkaConfig>) -> Self {
        Self { config }
    }

    fn wanted(&self) -> Shape {
        let retention = i64::try_from(self.config.retention.as_millis()).unwrap_or(i64::MAX);
        Shape { partitions: PARTITIONS, replicas: self.config.replication, retention_ms: Some(retention) }
    }

    fn names(&self) -> Vec<String> {
        Topic::ALL.iter().map(|t| self.config.topics.name(*t).to_owned()).collect()
    }

    fn admin(&self) -> Result<AdminClient<Context>, StoreError> {
        let options = connect::consumer(&self.config, None);
        connect::connect(&options, &Arc::<Complaints>::default())
    }

    /// Partitions and replicas of each topic; none: it is missing.
    async fn shapes(&self) -> Result<Vec<(String, Option<Shape>)>, StoreError> {
        let names = self.names();
        let found = probe::ask(Arc::clone(&self.config), None, move |probe| {
            let shape = |name: String| {
                let shape = probe.topic(&name, |t| Shape {
                    partitions: number(t.partitions().len()),
                    replicas: t.partitions().iter().map(|p| number(p.replicas().len())).min().unwrap_or(0),
                    retention_ms: None,
                })?;
                Ok::<_, StoreError>((name, shape))
            };
            names.into_iter().map(shape).collect::<Result<Vec<_>, _>>()
        })
        .await?;
        self.with_retention(found).await
    }

    async fn with_retention(
        &self,
        mut found: Vec<(String, Option<Shape>)>,
    ) -> Result<Vec<(String, Option<Shape>)>, StoreError> {
        let there: Vec<_> =
            found.iter().filter(|(_, s)| s.is_some()).map(|(n, _)| ResourceSpecifier::Topic(n)).collect();
        if there.is_empty() {
            return Ok(found);
        }
        let admin = self.admin()?;
        let options = AdminOptions::new().request_timeout(Some(REQUEST));
        let described = admin.describe_configs(&there, &options).await;
        let what = "ask for the retention of the topics";
        let described = described
            .map_err(|e| error::of_request(&self.config, &admin.inner().context().complaints, what, e))?;
        let retention: Vec<Option<i64>> = described
            .into_iter()
            .map(|topic| topic.map_err(|code| error::of_code(what, code)))
            .map(|topic| {
                Ok::<_, StoreError>(topic?.get("retention.ms").and_then(|e| e.value.as_ref()?.parse().ok()))
            })
            .collect::<Result<_, _>>()?;
        for (shape, ms) in found.iter_mut().filter_map(|(_, s)| s.as_mut()).zip(retention) {
            shape.retention_ms = ms;
        }
        tokio::task::spawn_blocking(move || drop(admin));
        Ok(found)
    }

    /// How long each topic holds its messages.
    pub(crate) async fn holds(&self) -> Result<Vec<(String, Holds)>, StoreError> {
        let of = |shape: Option<Shape>| match shape.and_then(|s| s.retention_ms) {
            None => Holds::Unknown,
            Some(ms) => u64::try_from(ms).map_or(Holds::ForEver, |ms| Holds::For(Duration::from_millis(ms))),
        };
        Ok(self.shapes().await?.into_iter().map(|(name, shape)| (name, of(shape))).collect())
    }

    fn steps(&self, shapes: Vec<(String, Option<Shape>)>) -> Vec<Step> {
        let wanted = self.wanted();
        let step = |(n, (name, shape)): (usize, (String, Option<Shape>))| {
            let id = format!("{:03}_{name}", n + 1);
            let what = format!("topic {name}: {}", in_words(wanted));
            let step = Step { id, what, state: StepState::Pending, applied_at: None, differs: Vec::new() };
            match shape {
                None => step,
                Some(is) => {
                    Step { state: StepState::Applied, ..step }.compared(differences(&name, is, wanted))
                }
            }
        };
        shapes.into_iter().enumerate().map(step).collect()
    }

    /// Makes a topic; somebody else having made it in the meantime is as good.
    async fn make(&self, name: &str) -> Result<(), StoreError> {
        let (retention, bytes) = (self.config.retention.as_millis().to_string(), MESSAGE_BYTES.to_string());
        let topic = NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(self.config.replication))
            .set("retention.ms", &retention)
            .set("max.message.bytes", &bytes);
        let admin = self.admin()?;
        let options = AdminOptions::new().request_timeout(Some(REQUEST)).operation_timeout(Some(REQUEST));
        let made = admin.create_topics([&topic], &options).await;
        let what = format!("make the topic {name} with {}", in_words(self.wanted()));
        let complaints = Arc::clone(&admin.inner().context().complaints);
        tokio::task::spawn_blocking(move || drop(admin));
        for result in made.map_err(|e| error::of_request(&self.config, &complaints, &what, e))? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code @ RDKafkaErrorCode::InvalidReplicationFactor)) => {
                    let what = format!("{what} (there are fewer brokers than copies asked for)");
                    return Err(StoreError::broken(what, code));
                }
                Err((_, code)) => return Err(error::of_code(&what, code)),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Migrations for TopicAdmin {
    fn target(&self) -> &'static str {
        "topics"
    }

    async fn status(&self) -> Result<Vec<Step>, StoreError> {
        Ok(self.steps(self.shapes().await?))
    }

    /// A topic that differs stays [`StepState::Differs`]: the product works with it.
    async fn up(&self, done: &(dyn for<'s> Fn(&'s Step) + Send + Sync)) -> Result<Vec<Step>, StoreError> {
        let before = self.status().await?;
        let names = self.names();
        for (_, name) in before.iter().zip(&names).filter(|(s, _)| s.state == StepState::Pending) {
            self.make(name).await?;
        }
        // A topic is made by one broker and then told to the others.
        let until = Instant::now() + SEEN.0;
        let after = loop {
            let after = self.status().await?;
            if after.iter().all(|s| s.state != StepState::Pending) || Instant::now() > until {
                break after;
            }
            tokio::time::sleep(SEEN.1).await;
        };
        for (before, after) in before.iter().zip(&after) {
            if after.state == StepState::Pending {
                let what = format!("{} was made, but the brokers do not show it", after.what);
                return Err(StoreError::Unavailable { what, source: None });
            }
            if before.state == StepState::Pending {
                done(after);
            }
        }
        Ok(after)
    }
}

fn number(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn in_words(shape: Shape) -> String {
    let Shape { partitions, replicas, retention_ms } = shape;
    format!("{}, {}, {}", count_of_partitions(partitions), copies(replicas), keeps(retention_ms))
}

fn copies(replicas: i32) -> String {
    format!("{replicas} {}", if replicas == 1 { "copy" } else { "copies" })
}

fn keeps(retention_ms: Option<i64>) -> String {
    match retention_ms {
        None => "an unknown retention".to_owned(),
        Some(ms) if ms < 0 => "no end of retention".to_owned(),
        Some(ms) if ms % DAY_MS == 0 => format!("{} days of retention", ms / DAY_MS),
        Some(ms) => format!("{} s of retention", ms / 1000),
    }
}

/// How a topic differs from what is wanted.
fn differences(name: &str, is: Shape, wanted: Shape) -> Vec<Difference> {
    let mut differs = Vec::new();
    let mut tell = |has: String, should: &str, less: bool, todo: String| {
        let (remedy, todo) = match less {
            true => (Remedy::ByHand, todo),
            false => (Remedy::Kept, "more than asked for is left as it is".to_owned()),
        };
        differs.push(Difference::new(format!("topic {name} has {has} instead of {should}"), remedy, todo));
    };
    if is.partitions != wanted.partitions {
        let todo = "tfx migrate up leaves them alone, since more would move keys; add them with the brokers' tools \
                    when no events wait";
        let should = wanted.partitions.to_string();
        tell(count_of_partitions(is.partitions), &should, is.partitions < wanted.partitions, todo.to_owned());
    }
    if is.replicas != wanted.replicas {
        let todo =
            "add copies with the brokers' tools, or say with EVENT_TOPIC_REPLICATION how many there are";
        let should = wanted.replicas.to_string();
        tell(copies(is.replicas), &should, is.replicas < wanted.replicas, todo.to_owned());
    }
    if let (Some(ms), Some(should)) = (is.retention_ms, wanted.retention_ms)
        && ms != should
    {
        let todo = format!(
            "events that ClickHouse has not read by then are lost; set retention.ms={should} with the brokers' tools"
        );
        tell(keeps(Some(ms)), &keeps(Some(should)), ms >= 0 && ms < should, todo);
    }
    differs
}

fn count_of_partitions(n: i32) -> String {
    format!("{n} {}", if n == 1 { "partition" } else { "partitions" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_differs_is_told_of() {
        let admin = TopicAdmin::new(Arc::new(KafkaConfig::new("b:1")));
        let right = admin.wanted();
        let less = [
            (Shape { partitions: 6, ..right }, "6 partitions instead of 12"),
            (Shape { replicas: 1, ..right }, "1 copy instead of 3"),
            (
                Shape { retention_ms: Some(90_500), ..right },
                "90 s of retention instead of 7 days of retention",
            ),
        ];
        let more = [
            (Shape { partitions: 24, ..right }, "24 partitions"),
            (Shape { replicas: 5, ..right }, "5 copies"),
            (Shape { retention_ms: Some(DAY_MS * 30), ..right }, "30 days of retention"),
            (Shape { retention_ms: Some(-1), ..right }, "no end of retention"),
        ];
        let step = |shape| {
            let step = admin.steps(vec![("t".into(), Some(shape))]).remove(0);
            assert_eq!(step.what, "topic t: 12 partitions, 3 copies, 7 days of retention");
            step
        };
        for same in [right, Shape { retention_ms: None, ..right }] {
            assert_eq!((step(same).state, step(same).differs), (StepState::Applied, vec![]));
        }
        for (table, state, remedy) in
            [(&less[..], StepState::Differs, Remedy::ByHand), (&more[..], StepState::Applied, Remedy::Kept)]
        {
            for (shape, says) in table {
                let step = step(*shape);
                let [differs] = step.differs.as_slice() else { panic!("{step:?}") };
                assert_eq!((step.state, differs.remedy), (state, remedy), "{differs:?}");
                assert!(differs.what.starts_with(&format!("topic t has {says}")), "{differs:?}");
                assert!(!step.is_due(), "nothing that migrating could do");
            }
        }
        let both = Shape { partitions: 1, replicas: 1, ..right };
        assert_eq!(step(both).differs.len(), 2);
        let steps = admin.steps(vec![("t".into(), None)]);
        assert_eq!((steps[0].state, steps[0].id.as_str()), (StepState::Pending, "001_t"));
    }
}
