//! The use of caps and limits hangs on no event being there still.

use rusqlite::Connection;
use serde_json::{Value, json};
use tfx_domain::{Timestamp, event::Topic, routing::CapUse};
use tfx_embedded::Embedded;
use tfx_ports::sink::Envelope;

const DAY: &str = "2026-11-20T00:00:00Z";

fn click(n: u32) -> Envelope {
    let event = json!({
        "schema": 1, "click_id": format!("01M60A7Q80{n:016}"), "at": "2026-11-20T10:00:00Z", "outcome": "routed",
        "request": "visit", "stream_id": "str_0000000000000000001", "destination_id": "dst_0000000000000000001",
        "device_type": "mobile", "is_bot": false, "visitor_id": format!("{n:032x}"), "status": 302, "config_revision": 7
    });
    envelope(Topic::ClickEvents, &event, "click_id")
}

fn conversion(n: u32, version: u64, status: &str) -> Envelope {
    let event = json!({
        "schema": 1, "conversion_id": format!("cnv_{n:019}"), "version": version,
        "reporter_id": "net_0000000000000000001", "click_id": format!("01M60A7Q80{n:016}"),
        "click_at": "2026-11-20T10:00:00Z", "created_at": "2026-11-20T11:00:00Z", "updated_at": "2026-11-20T11:00:00Z",
        "conversion_status": status, "revenue": {"amount": "5", "currency": "USD"},
        "destination_id": "dst_0000000000000000001", "device_type": "mobile", "is_bot": false
    });
    envelope(Topic::ConversionEvents, &event, "conversion_id")
}

fn envelope(topic: Topic, event: &Value, id: &str) -> Envelope {
    let id = smol_str::SmolStr::from(event[id].as_str().expect("an id"));
    Envelope { topic, key: id.clone(), id, payload: event.to_string().into() }
}

async fn used(store: &Embedded) -> (CapUse, u64) {
    let analytics = store.analytics();
    let day: Timestamp = DAY.parse().expect("a time");
    let caps =
        analytics.cap_use(&["dst_0000000000000000001".parse().expect("id")], day).await.expect("use")[0];
    let stream = ["str_0000000000000000001".parse().expect("id")];
    (caps, analytics.stream_clicks(&stream, None).await.expect("clicks")[0])
}

#[tokio::test]
async fn what_is_used_stays_used_when_the_events_have_left() {
    let dir = tempfile::tempdir().expect("dir");
    let store = Embedded::open(dir.path()).expect("store");
    let deliver = async |events: Vec<Envelope>| {
        assert_eq!(store.sink().deliver(&events).await.expect("delivered"), []);
    };
    deliver((1..=4).map(click).collect()).await;
    deliver((1..=3).map(|n| conversion(n, 1, "sale")).collect()).await;
    deliver(vec![conversion(3, 2, "rejected"), conversion(4, 1, "rejected"), conversion(2, 1, "sale")]).await;
    let total = |(caps, stream): (CapUse, u64)| (caps.clicks_total, stream, caps.conversions_total);
    assert_eq!(total(used(&store).await), (4, 4, 2));
    let file = Connection::open(dir.path().join("events.db")).expect("file");
    file.execute_batch("DELETE FROM clicks; DELETE FROM conversions WHERE id LIKE '%1'").expect("deleted");
    assert_eq!(total(used(&store).await), (4, 4, 2));
    deliver(vec![conversion(4, 2, "sale"), conversion(2, 2, "rejected"), click(5)]).await;
    assert_eq!(total(used(&store).await), (5, 5, 2), "one more and one less");
}

#[tokio::test]
async fn what_was_stored_before_is_counted_on() {
    let dir = tempfile::tempdir().expect("dir");
    // As the first release left it: both files, of which one is made anew here.
    drop(Embedded::open(dir.path()).expect("made"));
    for file in ["events.db", "events.db-wal", "events.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(file));
    }
    let conn = Connection::open(dir.path().join("events.db")).expect("file");
    conn.execute_batch(include_str!("../../src/schema/events/0001.sql")).expect("schema");
    conn.execute_batch(
        "PRAGMA application_id = 0x54464658; PRAGMA user_version = 1;
         INSERT INTO texts VALUES (1, 'dst_0000000000000000001'), (2, 'sale'), (3, 'rejected');
         INSERT INTO conversions (id, version, click_ms, created_ms, status, facts, revenue, currency, destination)
         VALUES ('cnv_1', 1, 0, 0, 2, 0, 0, 0, 1), ('cnv_2', 1, 0, 0, 3, 0, 0, 0, 1), ('cnv_3', 1, 0, 0, 2, 0, 0, 0, 1),
                ('cnv_4', 1, 0, 0, 2, 0, 0, 0, NULL);",
    )
    .expect("rows");
    drop(conn);
    let store = Embedded::open(dir.path()).expect("brought along");
    assert_eq!(used(&store).await.0.conversions_total, 2);
    assert_eq!(store.sink().deliver(&[conversion(9, 1, "sale")]).await.expect("delivered"), []);
    assert_eq!(used(&store).await.0.conversions_total, 3);
}
