//! The topics as a migration target.

use super::bare;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
};
use std::{sync::Mutex, time::Duration};
use tfx_domain::event::Topic;
use tfx_kafka::KafkaConfig;
use tfx_ports::migrate::{Migrations, Remedy, Step, StepState};

fn states(steps: &[Step]) -> Vec<StepState> {
    steps.iter().map(|s| s.state).collect()
}

fn partitions(config: &KafkaConfig, topic: Topic) -> usize {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().expect("a consumer");
    let name = config.topics.name(topic);
    let metadata = consumer.fetch_metadata(Some(name), Duration::from_secs(10)).expect("metadata");
    metadata.topics()[0].partitions().len()
}

#[tokio::test]
async fn topics_are_made_once() {
    let (kafka, config) = bare();
    let admin = kafka.topic_admin();
    assert_eq!(admin.target(), "topics");
    let before = admin.status().await.expect("a status");
    assert_eq!(states(&before), [StepState::Pending; 5]);
    assert_eq!(
        states(&admin.status().await.expect("a status")),
        [StepState::Pending; 5],
        "asking makes nothing"
    );
    let told = Mutex::new(Vec::new());
    let steps = admin.up(&|s: &Step| told.lock().expect("lock").push(s.id.clone())).await.expect("made");
    assert_eq!(states(&steps), [StepState::Applied; 5], "{steps:?}");
    let ids: Vec<_> = steps.iter().map(|s| s.id.clone()).collect();
    assert_eq!(*told.lock().expect("lock"), ids);
    assert!(ids.is_sorted(), "{ids:?}");
    for topic in Topic::ALL {
        assert_eq!(partitions(&config, topic), 12);
    }
    let again = admin.up(&|s: &Step| panic!("{s:?} was there")).await.expect("nothing to do");
    assert_eq!(again, steps);
}

#[tokio::test]
async fn two_at_once_do_no_harm() {
    let (kafka, _) = bare();
    let (a, b) = (kafka.topic_admin(), kafka.topic_admin());
    let (a, b) = tokio::join!(a.up(&|_| {}), b.up(&|_| {}));
    assert_eq!(states(&a.expect("made")), [StepState::Applied; 5]);
    assert_eq!(states(&b.expect("made")), [StepState::Applied; 5]);
}

#[tokio::test]
async fn a_topic_that_differs_is_told_of_and_left_alone() {
    let (kafka, config) = bare();
    let name = config.topics.name(Topic::TrafficbackEvents);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().expect("an admin");
    let topic = NewTopic::new(name, 3, TopicReplication::Fixed(1)).set("retention.ms", "3600000");
    for made in admin.create_topics([&topic], &AdminOptions::new()).await.expect("asked") {
        made.expect("made");
    }
    let steps =
        kafka.topic_admin().up(&|s| assert!(!s.what.contains(name), "{s:?}")).await.expect("the others");
    let differs: Vec<_> = steps.iter().filter(|s| s.state != StepState::Applied).collect();
    let [step] = differs.as_slice() else { panic!("{steps:?}") };
    assert_eq!(step.state, StepState::Differs);
    let says: Vec<_> = step.differs.iter().map(|d| d.what.clone()).collect();
    assert_eq!(
        says,
        [
            format!("topic {name} has 3 partitions instead of 12"),
            format!("topic {name} has 3600 s of retention instead of 7 days of retention"),
        ]
    );
    assert!(step.differs.iter().all(|d| d.remedy == Remedy::ByHand && d.todo.contains("the brokers' tools")));
    assert_eq!(partitions(&config, Topic::TrafficbackEvents), 3);
}
