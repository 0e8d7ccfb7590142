//! What programs of before wrote is read: their file is brought up to date, their events are taken.

use serde_json::Value;
use std::{collections::BTreeMap, path::Path};
use tfx_domain::{
    Timestamp,
    event::{Event, PostbackLogEvent, TestTraffic, Topic},
    id::ClickId,
    report::{Attribution, MAX_GROUPS, RawRow, ReportQuery},
};
use tfx_embedded::Embedded;
use tfx_ports::{analytics::PostbackQuery, page::PageRequest, sink::Envelope};

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
        apart: std::collections::BTreeMap::new(),
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
async fn the_lines_of_a_click_are_found_those_of_before_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = brought_along(folder.path());
    let line = events().find_map(|(topic, _, json)| {
        let event: PostbackLogEvent = serde_json::from_str(json).ok()?;
        (topic == Topic::PostbackLogEvents && event.click_id.is_some()).then_some(event)
    });
    let mut line = line.expect("a line that names a click");
    let click = line.click_id.expect("a click").to_string();
    let found = async |condition: &str| {
        let query = PostbackQuery {
            since: None,
            until: None,
            network: None,
            result: None,
            direction: None,
            test: TestTraffic::Include,
            filters: vec![condition.parse().expect("a condition")],
            page: PageRequest::first(1_000),
        };
        let page = store.analytics().postbacks(&query).await.expect("read");
        page.items.into_iter().map(|l| (l.click_id.map(|c| c.to_string()), l.id)).collect::<Vec<_>>()
    };
    let of_before = found(&format!("click={click}")).await;
    assert!(!of_before.is_empty() && of_before.iter().all(|(c, _)| *c == Some(click.clone())));
    let nobody = found("click=").await.len();
    // One more of the click, and one of none.
    for (n, of) in [(1, line.click_id), (2, None)] {
        line.id = ClickId::from_bits(line.id.to_bits() + n);
        line.click_id = of;
        let event = Event::PostbackLog(Box::new(line.clone()));
        let payload = event.to_json().expect("JSON").into();
        let envelope = Envelope { topic: event.topic(), id: event.id(), key: event.key(), payload };
        assert!(store.sink().deliver(&[envelope]).await.expect("delivered").is_empty());
    }
    let now = found(&format!("click={}", click.to_lowercase())).await;
    assert_eq!((now.len(), now.is_sorted_by(|a, b| a.1 > b.1)), (of_before.len() + 1, true), "{now:?}");
    assert_eq!(found("click=").await.len(), nobody + 1);
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
