//! What no service writes stands in every topic between what they do write, and in front of it: it holds nothing up,
//! it is told with its place and the reason, whoever follows sees each once, and it can be put back.
//!
//! An empty message becomes no row at all: ClickHouse's Kafka engine passes over it.
//!
//! The engines have packages for Linux alone.

#![cfg(target_os = "linux")]

mod topics;

use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tfx_domain::event::Topic;
use tfx_e2e::{Follower, Namespace, Service, Services};
use tfx_ports::clock;
use tokio::{task::block_in_place, time::sleep};
use topics::{Place, Topics, broken, bytes, event};

const FOLLOW: [&str; 5] = ["ingest", "errors", "--follow", "--output", "jsonl"];

/// What was written where, and a word of what is to be said about it.
type Written = BTreeMap<Place, (Vec<u8>, &'static str)>;

/// Waits until `look` says yes; longer than the broker takes to give a new group of readers its partitions.
async fn until(what: &str, mut look: impl AsyncFnMut() -> Result<(), String>) {
    let begun = Instant::now();
    while let Err(seen) = look().await {
        assert!(begun.elapsed() < Duration::from_secs(150), "{what}: not in time: {seen}");
        sleep(Duration::from_millis(100)).await;
    }
}

async fn until_followed(follower: &Follower, count: usize) {
    until("what is broken is followed", async || {
        let seen = follower.rows().len();
        (seen >= count).then_some(()).ok_or_else(|| format!("{seen} of {count}"))
    })
    .await;
}

/// ClickHouse has taken everything, and `tfx ingest lag` says so.
async fn until_taken(services: &Services) {
    until("nothing waits", async || {
        let lag = block_in_place(|| services.said(&["ingest", "lag", "--output", "json"]));
        let lag: Value = serde_json::from_str(&lag).expect("JSON");
        (lag["messages"] == 0).then_some(()).ok_or_else(|| lag.to_string())
    })
    .await;
}

/// What `tfx` lists.
fn list(services: &Services, args: &[&str]) -> Vec<Value> {
    let said = block_in_place(|| services.said(&[args, &["--output", "jsonl"]].concat()));
    said.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// Everything there is to see of events, as text.
async fn view(services: &Services, namespace: &Namespace) -> String {
    let commands = [
        &["report", "--by", "campaign,status", "--since", "2d", "--until", "2100-01-01", "--tz", "UTC"][..],
        &["click", "list", "--since", "2d", "--all"],
        &["postback", "log", "--since", "2d", "--all"],
    ];
    let seen = commands.map(|command| format!("{:?}", list(services, command)));
    let health =
        "SELECT groupArray(event) FROM (SELECT event FROM destination_health_events FINAL ORDER BY id)";
    format!("{}\n{}", seen.join("\n"), namespace.sql(health).await)
}

/// For every topic: good events, an empty message and broken ones, by turns. How many are good, of each topic.
async fn write(topics: &Topics, written: &mut Written) -> u32 {
    let (now, mut good) = (clock::now(), 0);
    for topic in Topic::ALL {
        let mut n = 0;
        for (payload, says) in broken(topic, now) {
            topics.write(topic, &bytes(&event(topic, now, n))).await;
            topics.write(topic, b"").await;
            written.insert(topics.write(topic, &payload).await, (payload, says));
            n += 1;
        }
        topics.write(topic, &bytes(&event(topic, now, n))).await;
        good = n + 1;
    }
    good
}

/// Each that was written is there once, with its reason and its length; nothing else is.
fn told(rows: &[Value], written: &Written) {
    let places: BTreeMap<Place, &Value> = rows.iter().map(|row| (Place::of(row), row)).collect();
    assert_eq!(places.len(), rows.len(), "each once");
    assert_eq!(places.keys().collect::<Vec<_>>(), written.keys().collect::<Vec<_>>());
    for (place, (payload, says)) in written {
        let row = places[place];
        assert_eq!(row["bytes"], payload.len(), "{place:?}");
        assert!(row["error"].as_str().is_some_and(|e| e.contains(says)), "{place:?}: {}", row["error"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_holds_nothing_up_and_is_told_once_with_its_place() {
    let namespace = Namespace::new();
    let mut services = Services::embedded(&namespace.settings());
    block_in_place(|| services.said(&["migrate", "up", "topics", "clickhouse"]));
    services.start(Service::Api);
    services.until_ready(Service::Api, |status, _| status == 200).await;
    let topics = Topics::of(&services);
    let of_sales = topics.name(Topic::ConversionEvents);
    let all = Follower::start(services.tfx(&FOLLOW), usize::MAX);
    let sales = Follower::start(services.tfx(&[&FOLLOW[..], &["--topic", of_sales]].concat()), usize::MAX);
    let hasty = Follower::start(services.tfx(&FOLLOW), 1);

    let begun = Instant::now();
    let mut written = Written::new();
    let good = write(&topics, &mut written).await;
    until_followed(&all, written.len()).await;
    until_taken(&services).await;
    let first = begun.elapsed();

    // One more, while api-service is away.
    services.kill(Service::Api);
    let since = clock::now().to_string();
    let place = topics.write(Topic::ClickEvents, b"one more").await;
    written.insert(place.clone(), (b"one more".to_vec(), "not JSON"));
    services.start(Service::Api);
    until_followed(&all, written.len()).await;
    let (code, said) = hasty.ended().await;
    assert!(code == Some(0) && !said.contains("error"), "nobody reads on: {code:?} {said}");
    told(&all.rows(), &written);
    let listed = list(&services, &["ingest", "errors", "--all"]);
    told(&listed, &written);
    let late = list(&services, &["ingest", "errors", "--since", &since]);
    assert_eq!(late.iter().map(Place::of).collect::<Vec<_>>(), [place]);
    let wanted = listed.iter().filter(|row| row["topic"] == of_sales).count();
    assert_eq!(list(&services, &["ingest", "errors", "--topic", of_sales]).len(), wanted);
    until_followed(&sales, wanted).await;
    assert!(sales.rows().iter().all(|row| row["topic"] == of_sales), "{:?}", sales.rows());

    // What is good is all there, though it stands behind what is broken.
    until_taken(&services).await;
    let clicks = list(&services, &["click", "list", "--since", "2d", "--all"]);
    assert_eq!(clicks.len(), 2 * good as usize, "routed and trafficback: {clicks:?}");
    let postbacks = list(&services, &["postback", "log", "--since", "2d", "--all"]);
    assert_eq!(postbacks.len(), good as usize, "{postbacks:?}");
    for (table, id) in [("conversion_events", "conversion_id"), ("destination_health_events", "id")] {
        assert_eq!(namespace.sql(&format!("SELECT uniqExact({id}) FROM {table}")).await, good.to_string());
    }
    put_back(&services, &namespace, &topics, &all, written.len()).await;

    for follower in [all, sales] {
        follower.interrupt();
        let (code, said) = follower.ended().await;
        assert!(code == Some(0) && !said.contains("error"), "{code:?} {said}");
    }
    println!("{} broken messages and {} events: taken after {first:.1?}", written.len(), 5 * good);
}

/// What was told is put back: what is still broken is told anew, what is known counts once, what is mended arrives.
async fn put_back(
    services: &Services,
    namespace: &Namespace,
    topics: &Topics,
    all: &Follower,
    broken: usize,
) {
    let before = view(services, namespace).await;
    let replay = |more: &[&str]| list(services, &[&["ingest", "replay"], more].concat()).remove(0);
    let answer = replay(&["--dry-run"]);
    assert_eq!((&answer["found"], &answer["replayed"]), (&json!(broken), &json!(0)), "{answer}");
    let (code, said) = block_in_place(|| services.complaint(&["ingest", "replay"]));
    assert!(code == Some(2) && said.contains("--yes") && said.contains("--dry-run"), "{code:?} {said}");
    let answer = replay(&["--yes"]);
    assert_eq!((&answer["found"], &answer["replayed"]), (&json!(broken), &json!(broken)), "{answer}");
    until_followed(all, 2 * broken).await;
    until_taken(services).await;
    assert_eq!(view(services, namespace).await, before, "what is broken stays it");

    // Messages that an earlier build did not understand: one has arrived otherwise since, one has not.
    let (topic, now) = (Topic::ClickEvents, clock::now());
    let known = event(topic, now, 500);
    topics.write(topic, &bytes(&known)).await;
    let at = namespace.sql("SELECT now64(3) - INTERVAL 1 MINUTE").await;
    for (offset, event) in [(1_000_000, &known), (1_000_001, &event(topic, now, 501))] {
        let row = json!({ "observed_at": at, "topic": topics.name(topic), "partition": 5, "offset": offset,
            "raw_message": event.to_string(), "error": "of schema 1, which is not known here" });
        namespace.sql(&format!("INSERT INTO kafka_ingestion_errors FORMAT JSONEachRow {row}")).await;
        let at = format!("5@{offset}");
        let answer = replay(&["--topic", topics.name(topic), "--at", &at, "--yes"]);
        assert_eq!(answer["replayed"], 1, "{answer}");
    }
    until_taken(services).await;
    let mut ids: Vec<_> = list(services, &["click", "list", "--since", "2d", "--all"])
        .iter()
        .map(|click| click["click_id"].as_str().expect("an id").to_owned())
        .collect();
    let listed = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), listed, "each once");
    for n in [500, 501] {
        let id = event(topic, now, n)["click_id"].as_str().expect("an id").to_owned();
        assert!(ids.contains(&id), "{id} is not in {ids:?}");
    }
    let report = list(services, &["report", "--by", "none", "--since", "2d", "--metrics", "hits"]);
    assert_eq!(report[0]["hits"], listed, "{report:?}");
}
