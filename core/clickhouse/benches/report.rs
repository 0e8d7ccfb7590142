//! How long reports over many clicks take on a real engine, the server's work and the way there and back together.
//!
//! `cargo bench -p tfx-clickhouse --bench report -- [CLICKS]` (default 10,000,000), with `TFX_ENGINES` as in the tests.
//! It makes a database of generated clicks over a month in time order, as they come from a topic, and drops it again.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure ends the measurement; figures are what it is for"
)]

use clickhouse::Client;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use tfx_clickhouse::{ClickHouse, ClickHouseConfig};
use tfx_domain::{
    Timestamp,
    report::{Attribution, Dimension, ReportFilter, ReportQuery},
};
use tfx_ports::{analytics::Analytics, entropy::random_u128};

const TABLES: &str = include_str!("../../../deploy/clickhouse/init/003_mvp_event_tables.sql");
/// 2026-10-03T01:20:00Z, and 31 days.
const BEGIN_MS: i64 = 1_790_990_400_000;
const SPAN_MS: i64 = 31 * 86_400_000;
const AT_ONCE: u64 = 500_000;

#[tokio::main]
async fn main() {
    let clicks = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(10_000_000);
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/engines/env"));
    let file = std::env::var_os("TFX_ENGINES").map_or_else(default, PathBuf::from);
    let engines = std::fs::read_to_string(file).expect("run `make engines` first");
    let url = engines.lines().find_map(|l| l.strip_prefix("CLICKHOUSE_HTTP_URL=")).expect("a URL");
    let mut config = ClickHouseConfig::from_url(url).unwrap();
    config.database = format!("tfx_bench_{:08x}", random_u128() as u32);
    config.timeout = Duration::from_secs(300);
    let raw = Client::default()
        .with_url(&config.url)
        .with_user(config.user.clone().unwrap_or_default())
        .with_password(config.password.clone().unwrap_or_default());
    raw.query(&format!("CREATE DATABASE {}", config.database)).execute().await.unwrap();
    let inside = raw.clone().with_database(&config.database);
    fill(&inside, clicks).await;
    let store = ClickHouse::new(&config).unwrap();
    measure(&*store.analytics()).await;
    println!(
        "\nthe topics read again: every click of the first three days twice, before the server has merged them"
    );
    inside.query("INSERT INTO click_events SELECT * FROM click_events WHERE at < fromUnixTimestamp64Milli(toInt64(?))")
        .bind(BEGIN_MS + 3 * 86_400_000).execute().await.unwrap();
    measure(&*store.analytics()).await;
    raw.query(&format!("DROP DATABASE {}", config.database)).execute().await.unwrap();
}

async fn fill(client: &Client, clicks: u64) {
    for statement in TABLES.split(";\n").map(without_comments).filter(|s| s.starts_with("CREATE")) {
        client.query(&statement).execute().await.unwrap();
    }
    let begun = Instant::now();
    for first in (0..clicks).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let rows = AT_ONCE.min(clicks - first);
        client.query(&generated(first, rows, clicks)).execute().await.unwrap();
    }
    println!("{clicks} clicks made in {:.1?}", begun.elapsed());
}

fn without_comments(statement: &str) -> String {
    let lines = statement.lines().filter(|l| !l.starts_with("--"));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// 50 campaigns, 200 streams, 300 destinations, 26 × 8 countries, 100,000 keywords, 4,000,000 visitors, two currencies.
fn generated(first: u64, rows: u64, of: u64) -> String {
    let id = |prefix: &str, many: u32| format!("concat('{prefix}_', leftPad(toString(h % {many}), 19, '0'))");
    format!(
        "INSERT INTO click_events
           (click_id, at, kind, outcome, request, campaign_id, stream_id, destination_id, source_id, network_id, country,
            region, city, isp, device_type, os, browser, language, referrer_host, keyword, subs, is_bot, visitor_id,
            unique_campaign, unique_stream, unique_destination, cost, cost_currency, status, event, _topic, _partition, _offset)
         WITH number + {first} AS n, cityHash64(n) AS h, toInt64({BEGIN_MS}) + intDiv(n * {SPAN_MS}, {of}) AS ms
         SELECT
           concat(arrayStringConcat(arrayMap(i -> substring('0123456789ABCDEFGHJKMNPQRSTVWXYZ', 1 + bitAnd(bitShiftRight(ms, 45 - 5 * i), 31), 1), range(10))),
                  substring(hex(sipHash128(n)), 1, 16)),
           fromUnixTimestamp64Milli(ms, 'UTC'), multiIf(h % 20 = 0, 'bot', h % 33 = 0, 'prefetch', 'click'), 'routed', 'visit',
           {}, {}, {}, {}, {}, concat(char(65 + h % 26), char(65 + intDiv(h, 26) % 8)), toString(h % 500),
           concat('City ', toString(h % 20000)), concat('Provider ', toString(h % 3000)), ['mobile', 'desktop', 'tablet'][1 + h % 3],
           ['Android', 'iOS', 'Windows'][1 + h % 3], ['Chrome', 'Safari', 'Firefox'][1 + intDiv(h, 7) % 3], ['en', 'de', 'fr', 'es'][1 + h % 4],
           concat('host', toString(h % 5000), '.example'), concat('keyword ', toString(h % 100000)),
           [concat('zone ', toString(h % 20000)), toString(h % 100)], h % 20 = 0, lower(hex(sipHash128(h % 4000000))),
           h % 3 != 0, h % 3 != 0, h % 4 != 0, toDecimal64((h % 1000) / 100000, 6), ['USD', 'EUR'][1 + (h % 10 = 0)], 302, '{{}}',
           'traffoflex.click_events', h % 12, n
         FROM numbers({rows})",
        id("cmp", 50),
        id("str", 200),
        id("dst", 300),
        id("src", 10),
        id("net", 7)
    )
}

/// Dimensions, and a value to filter by.
type Breakdown = (&'static [&'static str], Option<(Dimension, &'static str)>);

async fn measure(analytics: &dyn Analytics) {
    let everything = |dimensions: &[&str], filter: Option<(Dimension, &str)>| ReportQuery {
        since: Timestamp::from_millisecond(BEGIN_MS).unwrap(),
        until: Timestamp::from_millisecond(BEGIN_MS + SPAN_MS).unwrap(),
        timezone: "Europe/Berlin".to_owned(),
        dimensions: dimensions.iter().map(|d| d.parse().unwrap()).collect(),
        filters: filter
            .iter()
            .map(|(dimension, value)| ReportFilter {
                dimension: *dimension,
                values: vec![(*value).to_owned()],
                negate: false,
            })
            .collect(),
        attribution: Attribution::Click,
        test: tfx_domain::event::TestTraffic::Include,
        max_groups: tfx_domain::report::MAX_GROUPS,
        apart: std::collections::BTreeMap::new(),
    };
    let asked: [Breakdown; 9] = [
        (&[], None),
        (&["campaign"], None),
        (&["country"], None),
        (&["campaign", "country"], None),
        (&["campaign", "stream", "destination"], None),
        (&["day"], None),
        (&["hour", "campaign"], None),
        (&["keyword"], None),
        (&["campaign"], Some((Dimension::Country, "aa"))),
    ];
    for (dimensions, filter) in asked {
        let query = everything(dimensions, filter);
        let mut best = Duration::MAX;
        let mut rows = Vec::new();
        for _ in 0..3 {
            let begun = Instant::now();
            rows = analytics.report(&query).await.unwrap();
            best = best.min(begun.elapsed());
        }
        let clicks: u64 = rows.iter().map(|r| r.clicks).sum();
        let filtered = filter.map_or(String::new(), |(d, v)| format!(" where {d} is {v}"));
        println!(
            "{:>6} ms  by {dimensions:?}{filtered}: {} rows, {clicks} clicks",
            best.as_millis(),
            rows.len()
        );
    }
    let destinations: Vec<_> = (1..=20).map(|n| format!("dst_{n:019}").parse().unwrap()).collect();
    let begun = Instant::now();
    let used = analytics
        .cap_use(&destinations, Timestamp::from_millisecond(BEGIN_MS + SPAN_MS - 86_400_000).unwrap())
        .await
        .unwrap();
    println!("{:>6} ms  use of the caps of {} destinations", begun.elapsed().as_millis(), used.len());
    let begun = Instant::now();
    let seen = analytics
        .seen_since(Timestamp::from_millisecond(BEGIN_MS + SPAN_MS - 3_600_000).unwrap(), 100_000)
        .await
        .unwrap();
    println!("{:>6} ms  where {} visitors were in the last hour", begun.elapsed().as_millis(), seen.len());
}
