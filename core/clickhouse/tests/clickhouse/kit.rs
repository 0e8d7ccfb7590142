//! A database of its own for each test, and what tests do to a server behind the adapter's back.

use clickhouse::Client;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    time::Duration,
};
use tfx_clickhouse::{ClickHouse, ClickHouseConfig};
use tfx_domain::{
    Timestamp,
    event::Topic,
    report::{Attribution, RawRow, ReportQuery},
};
use tfx_ports::{StoreError, entropy::random_u128};
use tokio::time::Instant;

const FILES: [&str; 4] = [
    include_str!("../../../../deploy/clickhouse/init/002_early_tables.sql"),
    include_str!("../../../../deploy/clickhouse/init/003_mvp_event_tables.sql"),
    include_str!("../../../../deploy/clickhouse/init/004_kafka_ingestion.sql"),
    include_str!("../../../../deploy/clickhouse/init/007_use_of_caps.sql"),
];

/// A setting of the engines.
pub(crate) fn engine(name: &str) -> String {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/engines/env"));
    let file = std::env::var_os("TFX_ENGINES").map_or_else(default, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(&file) else {
        panic!(
            "run `make engines` first: it brings up the real engines that this test needs (no {})",
            file.display()
        );
    };
    let all: HashMap<_, _> = text.lines().filter_map(|line| line.split_once('=')).collect();
    all.get(name).unwrap_or_else(|| panic!("no {name} in {}", file.display())).to_string()
}

/// Waits until `look` finds something; far longer than a consumer group needs to begin.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(240), "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A click of a person, taken by a stream; the rest as a test wants it.
pub(crate) fn click(n: u32) -> Value {
    json!({
        "schema": 1, "click_id": format!("01M60A7Q80{n:016}"), "at": "2026-11-20T10:00:00Z", "outcome": "routed",
        "request": "visit", "campaign_id": "cmp_0000000000000000001", "stream_id": "str_0000000000000000001",
        "destination_id": "dst_0000000000000000001", "country": "DE", "device_type": "mobile", "is_bot": false,
        "visitor_id": format!("{n:032x}"), "unique_campaign": true, "cost": {"amount": "0.05", "currency": "EUR"},
        "status": 302, "config_revision": 7
    })
}

/// A sale of USD 5 of that click.
pub(crate) fn sale(n: u32) -> Value {
    json!({
        "schema": 1, "conversion_id": format!("cnv_{n:019}"), "version": 1, "reporter_id": "net_0000000000000000001",
        "click_id": format!("01M60A7Q80{n:016}"), "click_at": "2026-11-20T10:00:00Z",
        "created_at": "2026-11-20T11:00:00Z", "updated_at": "2026-11-20T11:00:00Z", "conversion_status": "sale",
        "revenue": {"amount": "5", "currency": "USD"}, "destination_id": "dst_0000000000000000001",
        "source_id": "src_0000000000000000001", "device_type": "mobile", "is_bot": false
    })
}

/// A postback that was recorded.
pub(crate) fn postback(n: u32) -> Value {
    json!({
        "schema": 1, "id": format!("01M60A7Q80{n:016}"), "at": "2026-11-20T11:00:00Z", "network": "acme",
        "remote_ip": "192.0.2.1", "method": "GET", "params": [["sum", "5"]], "result": "recorded", "status": 200
    })
}

/// Everything, in one row or by dimensions.
pub(crate) async fn report(store: &ClickHouse, dimensions: &[&str]) -> Vec<RawRow> {
    let query = ReportQuery {
        since: Timestamp::UNIX_EPOCH,
        until: Timestamp::MAX,
        timezone: "UTC".to_owned(),
        dimensions: dimensions.iter().map(|d| d.parse().expect("a dimension")).collect(),
        filters: Vec::new(),
        attribution: Attribution::Click,
        test: tfx_domain::event::TestTraffic::Include,
        max_groups: tfx_domain::report::MAX_GROUPS,
        apart: std::collections::BTreeMap::new(),
    };
    store.analytics().report(&query).await.expect("report")
}

/// A database, gone with this.
pub(crate) struct Database {
    pub(crate) config: ClickHouseConfig,
    pub(crate) raw: Client,
}

impl Database {
    /// A name that nothing has; nothing is made yet.
    pub(crate) fn unmade() -> Self {
        let mut config = ClickHouseConfig::from_url(&engine("CLICKHOUSE_HTTP_URL")).expect("a URL");
        config.database = format!("tfx_test_{:016x}", random_u128() as u64);
        let raw = Client::default()
            .with_url(&config.url)
            .with_user(config.user.clone().unwrap_or_default())
            .with_password(config.password.clone().unwrap_or_default());
        Self { config, raw }
    }

    /// With every table and view but the queues: what is read comes from [`Database::insert`].
    pub(crate) async fn without_queues() -> Self {
        let database = Self::unmade();
        database.outside(&format!("CREATE DATABASE {}", database.config.database)).await;
        for file in FILES {
            for statement in statements(file).iter().filter(|s| !s.contains("_queue")) {
                // A batch of the suite is of three years; a month each would be hundreds of small parts, which no
                // topic makes.
                database.execute(&statement.replace("toYYYYMM(", "toYear(")).await;
            }
        }
        database
    }

    pub(crate) fn store(&self) -> ClickHouse {
        ClickHouse::new(&self.config).expect("a client")
    }

    fn inside(&self) -> Client {
        self.raw.clone().with_database(&self.config.database)
    }

    pub(crate) async fn outside(&self, statement: &str) {
        self.raw
            .query(&statement.replace('?', "??"))
            .execute()
            .await
            .unwrap_or_else(|e| panic!("{statement}: {e}"));
    }

    pub(crate) async fn execute(&self, statement: &str) {
        let query = self.inside().query(&statement.replace('?', "??"));
        query.execute().await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }

    /// The first column of all rows.
    pub(crate) async fn column<T: clickhouse::RowOwned + clickhouse::RowRead>(
        &self,
        statement: &str,
    ) -> Vec<T> {
        let query = self.inside().query(&statement.replace('?', "??"));
        query.fetch_all().await.unwrap_or_else(|e| panic!("{statement}: {e}"))
    }

    /// Puts messages where the queues' views put them.
    pub(crate) async fn insert(&self, messages: &[(Topic, &[u8])]) -> Result<(), StoreError> {
        let mut body = Vec::new();
        for (offset, (topic, payload)) in messages.iter().enumerate() {
            body.push(kind(*topic));
            text(&mut body, format!("test.{}", topic.as_str()).as_bytes());
            body.extend(0_i32.to_le_bytes());
            body.extend(i64::try_from(offset).expect("small").to_le_bytes());
            text(&mut body, payload);
            text(&mut body, b"");
        }
        let failed = |e| StoreError::unavailable("insert", e);
        // Where others keep it, they have it when this ends.
        let there = self.inside().with_setting("distributed_foreground_insert", "1");
        let mut insert = there.insert_formatted_with("INSERT INTO event_messages FORMAT RowBinary");
        insert.send(body.into()).await.map_err(failed)?;
        insert.end().await.map_err(failed)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = drop_database(&self.config);
    }
}

/// Without a runtime: a test that panics has none to wait with.
fn drop_database(config: &ClickHouseConfig) -> std::io::Result<()> {
    let host = config.url.trim_start_matches("http://").trim_end_matches('/');
    let sql = format!("DROP DATABASE IF EXISTS {}", config.database);
    let (user, password) = (config.user.as_deref().unwrap_or(""), config.password.as_deref().unwrap_or(""));
    let mut stream = TcpStream::connect(host)?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {host}\r\nX-ClickHouse-User: {user}\r\nX-ClickHouse-Key: {password}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{sql}",
        sql.len()
    )?;
    stream.read_to_end(&mut Vec::new()).map(|_| ())
}

/// The statements of a file, as they are.
pub(crate) fn statements(file: &str) -> Vec<String> {
    let lines: Vec<_> = file.lines().filter(|line| !line.starts_with("--")).collect();
    let text = lines.join("\n");
    let all = text.split(";\n").map(|s| s.trim().trim_end_matches(';').to_owned());
    all.filter(|s| !s.is_empty() && !s.starts_with("USE ")).collect()
}

/// The number of the topic's kind in `event_messages`.
const fn kind(topic: Topic) -> u8 {
    match topic {
        Topic::ClickEvents | Topic::TrafficbackEvents => 1,
        Topic::ConversionEvents => 2,
        Topic::PostbackLogEvents => 3,
        Topic::DestinationHealthEvents => 4,
    }
}

/// A text in RowBinary.
fn text(body: &mut Vec<u8>, text: &[u8]) {
    let mut left = text.len();
    while left >= 0x80 {
        body.push(u8::try_from(left & 0x7f).expect("seven bits") | 0x80);
        left >>= 7;
    }
    body.push(u8::try_from(left).expect("seven bits"));
    body.extend(text);
}
