//! What programs of before wrote is read: their file is brought up to date, their events are taken.

use serde_json::Value;
use std::{collections::BTreeMap, path::Path};
use tfx_domain::{
    Timestamp,
    event::{Event, TestTraffic, Topic},
    report::{Attribution, MAX_GROUPS, RawRow, ReportQuery},
};
use tfx_embedded::Embedded;
use tfx_ports::sink::Envelope;

/// A file of before, as SQL.
const FILE: &str = include_str!("samples/events.sql");
/// Its events: topic, id, and the JSON that stood in the journal.
const EVENTS: &str = include_str!("samples/events.txt");

fn events() -> impl Iterator<Item = (Topic, &'static str, &'static str)> {
    EVENTS.lines().map(|line| {
        let mut parts = line.splitn(3, ' ');
        let mut part = || parts.next().expect("three parts");
        let topic = part();
        (Topic::ALL.into_iter().find(|t| t.as_str() == topic).expect("a topic"), part(), part())
    })
}

/// The file of before in a data folder, opened.
fn brought_along(folder: &Path) -> Embedded {
    // The file beside it is there, as with every program.
    drop(Embedded::open(folder).expect("a data folder"));
    for file in ["events.db", "events.db-wal", "events.db-shm"] {
        let _ = std::fs::remove_file(folder.join(file));
    }
    let conn = rusqlite::Connection::open(folder.join("events.db")).expect("a file");
    conn.execute_batch(FILE).expect("as it was");
    drop(conn);
    Embedded::open(folder).expect("brought up to date")
}

async fn report(store: &Embedded, dimensions: &[&str]) -> Vec<RawRow> {
    let query = ReportQuery {
        since: Timestamp::UNIX_EPOCH,
        until: Timestamp::MAX,
        timezone: "UTC".to_owned(),
        dimensions: dimensions.iter().map(|d| d.parse().expect("a dimension")).collect(),
        filters: Vec::new(),
        attribution: Attribution::Click,
        test: TestTraffic::Include,
        max_groups: MAX_GROUPS,
    };
    store.analytics().report(&query).await.expect("a report")
}

#[tokio::test]
async fn a_file_of_before_is_brought_up_to_date_and_its_clicks_say_what_their_bodies_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = brought_along(folder.path());
    let mut hits: BTreeMap<String, u64> = BTreeMap::new();
    for (topic, _, json) in events() {
        let event: Value = serde_json::from_str(json).expect("JSON");
        if matches!(topic, Topic::ClickEvents | Topic::TrafficbackEvents) {
            let connection = event["connection_type"].as_str().unwrap_or_default().to_owned();
            *hits.entry(connection).or_default() += 1;
            let id = event["click_id"].as_str().expect("an id").parse().expect("an id");
            let click = store.analytics().click(id).await.expect("read").expect("it is there");
            assert_eq!(serde_json::to_value(click).expect("JSON"), event, "as it was");
        }
    }
    assert!(hits.len() > 2, "{hits:?}");
    let rows = report(&store, &["connection_type"]).await;
    let by_connection: BTreeMap<_, _> = rows.iter().map(|r| (r.key[0].to_string(), r.hits)).collect();
    assert_eq!(by_connection, hits);
}

#[tokio::test]
async fn events_of_before_count_as_they_did() {
    let (old, new) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (old, new) = (brought_along(old.path()), Embedded::open(new.path()).expect("open"));
    let batch: Vec<Envelope> = events()
        .map(|(topic, id, json)| Envelope {
            topic,
            id: id.into(),
            key: id.into(),
            payload: json.as_bytes().to_vec().into(),
        })
        .collect();
    assert!(new.sink().deliver(&batch).await.expect("delivered").is_empty(), "all can be read");
    // Once more into the file that has them.
    assert!(old.sink().deliver(&batch).await.expect("delivered").is_empty(), "all are known");
    for by in [
        "campaign",
        "country",
        "device_type",
        "referrer",
        "keyword",
        "sub1",
        "status",
        "bot",
        "connection_type",
    ] {
        assert_eq!(report(&old, &[by]).await, report(&new, &[by]).await, "{by}");
    }
    for (topic, _, json) in events() {
        let read = match topic {
            Topic::ConversionEvents => serde_json::from_str(json).map(|e| Event::Conversion(Box::new(e))),
            Topic::PostbackLogEvents => serde_json::from_str(json).map(|e| Event::PostbackLog(Box::new(e))),
            _ => serde_json::from_str(json).map(|e| Event::Click(Box::new(e))),
        };
        let written = read.expect(json).to_json().expect("JSON");
        let (is, was): (Value, Value) =
            (serde_json::from_slice(&written).expect("JSON"), serde_json::from_str(json).expect("JSON"));
        assert_eq!(is, was);
    }
}
