//! The embedded stores pass the suite that every adapter must pass.

use tfx_domain::id::ClickId;
use tfx_embedded::Embedded;
use tfx_ports::{
    config::ConfigStore,
    conformance::{
        Pair, accounts::Accounting, alerts::AlertStores, conversions::SourcePostbackStores,
        erasure::ErasingStore, events::EventStore, histories::HistoryStore, rates::RateStores,
        retention::RetainedStore,
    },
    conversions::ConversionStore,
    erasure::ErasedList,
    health::HealthStore,
    keys::Keys,
    leases::Leases,
    ledgers::Ledgers,
    queue::Queue,
};

/// A new data folder, opened twice.
fn two() -> (tempfile::TempDir, Embedded, Embedded) {
    let folder = tempfile::tempdir().expect("a folder");
    let one = Embedded::open(folder.path()).expect("open");
    let two = Embedded::open(folder.path()).expect("open again");
    (folder, one, two)
}

async fn fresh_config() -> Pair<dyn ConfigStore> {
    let (folder, one, two) = two();
    Pair { one: one.config(), two: two.config(), keep: Box::new(folder) }
}

async fn fresh_conversions() -> Pair<dyn ConversionStore> {
    let (folder, one, two) = two();
    Pair { one: one.conversions(), two: two.conversions(), keep: Box::new(folder) }
}

async fn fresh_health() -> Pair<dyn HealthStore> {
    let (folder, one, two) = two();
    Pair { one: one.health(), two: two.health(), keep: Box::new(folder) }
}

async fn fresh_events() -> EventStore {
    let (folder, one, two) = two();
    EventStore { sink: one.sink(), analytics: two.analytics(), keep: Box::new(folder) }
}

async fn fresh_retained() -> RetainedStore {
    let (folder, one, two) = two();
    let events = EventStore { sink: one.sink(), analytics: two.analytics(), keep: Box::new(folder) };
    RetainedStore { events, retention: two.retention(), close_days: Box::new(|| Box::pin(async {})) }
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_left_out() {
    let (folder, one, two) = two();
    let file = folder.path().join("config.db");
    let stores = Pair { one: one.conversions(), two: two.conversions(), keep: Box::new(folder) };
    let spoil = async |id: String| {
        let conn = rusqlite::Connection::open(&file).expect("open");
        let spoiled = conn.execute("UPDATE conversions SET body = '{' WHERE id = ?1", [id]);
        assert_eq!(spoiled.expect("spoiled"), 1);
    };
    tfx_ports::conformance::conversions::rows_that_cannot_be_read_are_left_out(stores, spoil).await;
}

async fn fresh_erasing() -> ErasingStore {
    let (folder, one, two) = two();
    let events = EventStore { sink: one.sink(), analytics: two.analytics(), keep: Box::new(folder) };
    ErasingStore { events, erasure: two.erasure() }
}

async fn fresh_histories() -> HistoryStore {
    let (folder, one, two) = two();
    let (config, health, queue, histories) = (one.config(), one.health(), one.queue(), two.histories());
    HistoryStore { config, health, queue, histories, keep: Box::new((folder, one)) }
}

async fn fresh_erased() -> Pair<dyn ErasedList> {
    let (folder, one, two) = two();
    Pair { one: one.erased(), two: two.erased(), keep: Box::new(folder) }
}

async fn fresh_queue() -> Pair<dyn Queue> {
    let (folder, one, two) = two();
    Pair { one: one.queue(), two: two.queue(), keep: Box::new(folder) }
}

async fn fresh_tells() -> SourcePostbackStores {
    let (folder, one, two) = two();
    SourcePostbackStores {
        one: one.conversions(),
        two: two.conversions(),
        queue: two.queue(),
        keep: Box::new(folder),
    }
}

async fn fresh_accounts() -> Accounting {
    let (folder, one, two) = two();
    Accounting { one: one.accounts(), two: two.accounts(), log: two.config(), keep: Box::new(folder) }
}

async fn fresh_leases() -> Pair<dyn Leases> {
    let (folder, one, two) = two();
    Pair { one: one.leases(), two: two.leases(), keep: Box::new(folder) }
}

async fn fresh_ledgers() -> Pair<dyn Ledgers> {
    let (folder, one, two) = two();
    Pair { one: one.ledgers(), two: two.ledgers(), keep: Box::new(folder) }
}

async fn fresh_alerts() -> AlertStores {
    let (folder, one, two) = two();
    let stores = Pair { one: one.alerts(), two: two.alerts(), keep: Box::new(folder) };
    AlertStores::new(stores, two.queue())
}

async fn fresh_keys() -> Pair<dyn Keys> {
    let (folder, one, two) = two();
    Pair { one: one.keys(), two: two.keys(), keep: Box::new(folder) }
}

async fn fresh_rates() -> RateStores {
    let (folder, one, two) = two();
    RateStores { one: one.rates(), two: two.rates(), log: two.config(), keep: Box::new(folder) }
}

/// A queue, and its file.
fn queue_and_file() -> (Pair<dyn Queue>, rusqlite::Connection) {
    let (folder, one, two) = two();
    let file = rusqlite::Connection::open(folder.path().join("config.db")).expect("open");
    (Pair { one: one.queue(), two: two.queue(), keep: Box::new(folder) }, file)
}

#[tokio::test]
async fn jobs_that_cannot_be_read_are_left_out() {
    let (stores, file) = queue_and_file();
    let spoil = async |key: String| {
        // A time that is none.
        let spoiled =
            file.execute("UPDATE jobs SET came_ms = ?2 WHERE key = ?1", rusqlite::params![key, i64::MIN]);
        assert_eq!(spoiled.expect("spoiled"), 1);
    };
    tfx_ports::conformance::queue::jobs_that_cannot_be_read_are_left_out(stores, spoil).await;
}

#[tokio::test]
async fn a_clock_that_was_ahead_puts_nothing_off_for_long() {
    let (stores, file) = queue_and_file();
    let put_off = async |time: std::time::Duration| {
        let put_off = "UPDATE job_lanes SET due_ms = CAST(unixepoch('subsec') * 1000 AS INTEGER) + ?1";
        let ms = i64::try_from(time.as_millis()).expect("in range");
        assert_eq!(file.execute(put_off, [ms]).expect("put off"), 1);
    };
    tfx_ports::conformance::queue::a_clock_that_was_ahead_puts_nothing_off_for_long(stores, put_off).await;
}

#[tokio::test]
async fn what_was_put_off_by_a_clock_that_is_set_back_waits_no_longer() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = async || Embedded::open(folder.path()).expect("open").queue();
    drop(open().await);
    let file = rusqlite::Connection::open(folder.path().join("config.db")).expect("open");
    let set_back = async |time: std::time::Duration| {
        let ms = i64::try_from(time.as_millis()).expect("in range");
        let later = "UPDATE job_lanes SET due_ms = due_ms + ?1, since_ms = since_ms + ?1";
        assert!(file.execute(later, [ms]).expect("set back") > 0);
    };
    tfx_ports::conformance::queue::what_was_put_off_by_a_clock_that_is_set_back_waits_no_longer(
        open, set_back,
    )
    .await;
}

#[tokio::test]
async fn a_lease_ends_in_its_time_though_the_clock_is_set_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Embedded::open(folder.path()).expect("open").leases();
    let file = rusqlite::Connection::open(folder.path().join("config.db")).expect("open");
    let set_back = async |time: std::time::Duration| {
        let ms = i64::try_from(time.as_millis()).expect("in range");
        let later = "UPDATE leases SET until_ms = until_ms + ?1, since_ms = since_ms + ?1";
        assert_eq!(file.execute(later, [ms]).expect("set back"), 2);
    };
    let both = Pair { one: std::sync::Arc::clone(&store), two: store, keep: Box::new(folder) };
    tfx_ports::conformance::leases::a_lease_ends_in_its_time_though_the_clock_is_set_back(both, set_back)
        .await;
}

/// What the version before parked is found as jobs: its own file of schema 3, with postbacks of one click, of another, and
/// one whose parameters are damaged.
#[tokio::test]
async fn what_the_version_before_parked_becomes_jobs() {
    use tfx_ports::queue::JobKind::ParkedPostback;
    let folder = tempfile::tempdir().expect("a folder");
    drop(Embedded::open(folder.path()).expect("open"));
    let file = rusqlite::Connection::open(folder.path().join("config.db")).expect("open");
    let (schema, index) =
        (include_str!("../../src/schema/config/0001.sql"), include_str!("../../src/schema/config/0002.sql"));
    let parked = &schema[schema.find("CREATE TABLE parked").expect("there")..];
    let index = &index[index.find("CREATE INDEX parked_of_click").expect("there")..];
    file.execute_batch(&format!(
        "DROP TABLE alert_states; DROP TABLE alert_log; DROP TABLE erased; DROP TABLE rates; DROP TABLE jobs; DROP TABLE job_lanes; DROP TABLE leases; DROP TABLE ledger_instances; DROP TABLE ledger_pages; DROP TABLE kept_revisions; DROP TABLE kept_versions; DROP TABLE keys; DROP TABLE told; DROP TABLE destination_health;
         DROP TABLE destination_health_history; DROP INDEX audit_revision; ALTER TABLE audit DROP COLUMN revision;
         ALTER TABLE audit DROP COLUMN asked_from;
         ALTER TABLE audit DROP COLUMN request_id; ALTER TABLE audit DROP COLUMN token; DROP TABLE accounts; {parked} {index} PRAGMA user_version = 3;"
    ))
    .expect("as it was");
    let insert = "INSERT INTO parked VALUES (?1, 'net_1', ?2, ?3, 'web', '2026-03-01T10:00:00Z', ?4, '2026-03-01T10:01:00Z',
        1772359260000, ?5)";
    for (id, click, params, received, tries) in [
        ("P2", "C1", r#"[["tid","é\u0000$set"],["payout","2"]]"#, 2_000, 1),
        ("P1", "C1", r#"[["tid","1"]]"#, 1_000, 4),
        ("P3", "C2", "{", 3_000, 0),
    ] {
        file.execute(insert, rusqlite::params![id, click, params, received, tries]).expect("parked");
    }
    let queue = Embedded::open(folder.path()).expect("brought up to date").queue();
    assert_eq!(queue.counts(ParkedPostback).await.expect("count").waiting, 3);
    assert_eq!(queue.group(ParkedPostback, "net_1:C1").await.expect("group").waiting, 2);
    let minute = std::time::Duration::from_secs(60);
    let mut first = queue.claim(ParkedPostback, 9, minute).await.expect("claim");
    first.sort_by(|a, b| a.key.cmp(&b.key));
    let told: Vec<_> = first.iter().map(|j| (j.key.as_str(), j.tries)).collect();
    assert_eq!(told, [("P1", 4), ("P3", 0)], "the first of each click");
    assert!(queue.done(&first[0]).await.expect("done"));
    let second = queue.claim(ParkedPostback, 9, minute).await.expect("claim");
    let want = r#"{"id":"P2","network":"net_1","template":"web","click_id":"C1","params":[["tid","é\u0000$set"],["payout","2"]],"received_at":"2026-03-01T10:00:00Z"}"#;
    assert_eq!(second[0].payload, want);
    assert!(first[1].payload.contains(r#""params":"{""#), "damaged as it was: {}", first[1].payload);
}

#[tokio::test]
async fn events_that_cannot_be_read_are_left_out() {
    let (folder, one, two) = two();
    let file = folder.path().join("events.db");
    let store = EventStore { sink: one.sink(), analytics: two.analytics(), keep: Box::new(folder) };
    let spoil = async |kind: &'static str, id: ClickId| {
        let table = if kind == "postbacks" { kind } else { "clicks" };
        // Cut off, of a newer program, and gone.
        let change = match kind {
            "clicks" => "UPDATE bodies SET json = substr(json, 1, 40) WHERE id",
            "trafficback" => "UPDATE bodies SET json = CAST('{\"schema\":2}' AS BLOB) WHERE id",
            _ => "DELETE FROM bodies WHERE id",
        };
        let conn = rusqlite::Connection::open(&file).expect("open");
        let of = format!("{change} = (SELECT body FROM {table} WHERE id = ?1)");
        let spoiled = conn.execute(&of, [id.to_bits().to_be_bytes()]);
        assert_eq!(spoiled.expect("spoiled"), 1);
    };
    tfx_ports::conformance::events::events_that_cannot_be_read_are_left_out(store, spoil).await;
}

#[tokio::test]
async fn what_cannot_be_read_is_probed_anew() {
    let (folder, one, two) = two();
    let file = folder.path().join("config.db");
    let stores = Pair { one: one.health(), two: two.health(), keep: Box::new(folder) };
    let spoil = async |table: &'static str, id: String| {
        let column = if table == "destination_health" { "destination" } else { "id" };
        let conn = rusqlite::Connection::open(&file).expect("open");
        let spoiled = conn.execute(&format!("UPDATE {table} SET body = '{{' WHERE {column} = ?1"), [id]);
        assert_eq!(spoiled.expect("spoiled"), 1);
    };
    tfx_ports::conformance::health::what_cannot_be_read_is_probed_anew(stores, spoil).await;
}

tfx_ports::conformance!(config_store: fresh_config);
tfx_ports::conformance!(revisions: fresh_config);
tfx_ports::conformance!(conversion_store: fresh_conversions);
tfx_ports::conformance!(health_store: fresh_health);
tfx_ports::conformance!(event_store: fresh_events);
tfx_ports::conformance!(retention: fresh_retained);
tfx_ports::conformance!(erasure: fresh_erasing);
tfx_ports::conformance!(erased: fresh_erased);
tfx_ports::conformance!(histories: fresh_histories);
tfx_ports::conformance!(queue: fresh_queue);
tfx_ports::conformance!(tells: fresh_tells);
tfx_ports::conformance!(leases: fresh_leases);
tfx_ports::conformance!(ledgers: fresh_ledgers);
tfx_ports::conformance!(keys: fresh_keys);
tfx_ports::conformance!(alerts: fresh_alerts);
tfx_ports::conformance!(accounts: fresh_accounts);
tfx_ports::conformance!(rates: fresh_rates);
