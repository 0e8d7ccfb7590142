//! What storing a click costs, and how long reports over a million of them take:
//! `cargo bench -p tfx-embedded` (a number as argument: so many clicks).
//!
//! Storing is told in processor time, since the disk's share of waiting says nothing about the code; the time on
//! the clock stands beside it.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use bytes::Bytes;
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, ConversionEvent, Event},
    id::ClickId,
    money::Currency,
    rate::{Rate, RateKey},
    report::{Attribution, Dimension, Rates, ReportFilter, ReportQuery, compute},
};
use tfx_embedded::Embedded;
use tfx_ports::{conformance::sample::Sample, sink::Envelope};

const BATCH: usize = 500;
/// Thirty days of clicks.
const SPAN_MS: i64 = 30 * 86_400_000;
const BEGIN_MS: i64 = 1_789_000_000_000;

fn main() {
    let clicks: usize = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(1_000_000);
    let folder = tempfile::tempdir().expect("a folder");
    let embedded = Embedded::open(folder.path()).expect("open");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(ingest(&embedded, clicks, folder.path()));
    runtime.block_on(reports(&embedded));
}

async fn ingest(embedded: &Embedded, clicks: usize, folder: &Path) {
    let sink = embedded.sink();
    let mut sample = Sample::new(7);
    let step = (SPAN_MS / i64::try_from(clicks).expect("small")).max(1);
    let (mut cpu, mut wall, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    let mut at = BEGIN_MS;
    let mut stored = 0;
    while stored < clicks {
        let mut batch = Vec::with_capacity(BATCH + BATCH / 20);
        let mut conversions = Vec::new();
        for _ in 0..BATCH {
            at += step;
            let click = sample.click(Timestamp::from_millisecond(at).expect("in range"));
            if stored % 50 == 0 {
                conversions.push(sample.conversion(&click));
            }
            stored += 1;
            batch.push(envelope(&Event::Click(Box::new(click))));
        }
        bytes += batch.iter().map(|e| e.payload.len()).sum::<usize>();
        let (began, before) = (Instant::now(), processor_time());
        let refused = sink.deliver(&batch).await.expect("deliver");
        cpu += processor_time().saturating_sub(before);
        wall += began.elapsed();
        assert!(refused.is_empty(), "{refused:?}");
        let conversions: Vec<_> = conversions
            .iter()
            .map(|c: &ConversionEvent| envelope(&Event::Conversion(Box::new(c.clone()))))
            .collect();
        sink.deliver(&conversions).await.expect("deliver");
    }
    let each = |d: Duration| d.as_secs_f64() * 1e6 / stored as f64;
    println!("{stored} clicks of {} bytes in batches of {BATCH}", bytes / stored);
    println!("  storing a click: {:.2} µs of processor time, {:.2} µs on the clock", each(cpu), each(wall));
    let size: u64 = fs::read_dir(folder)
        .expect("folder")
        .map(|f| f.and_then(|f| f.metadata()).map_or(0, |m| m.len()))
        .sum();
    println!("  {} bytes on disk for a click", size / stored as u64);
}

fn envelope(event: &Event) -> Envelope {
    Envelope {
        topic: event.topic(),
        id: event.id(),
        key: event.key(),
        payload: Bytes::from(event.to_json().expect("json")),
    }
}

async fn reports(embedded: &Embedded) {
    let analytics = embedded.analytics();
    let at = |ms| Timestamp::from_millisecond(ms).expect("in range");
    let query = |dimensions: &[Dimension], filters: Vec<ReportFilter>| ReportQuery {
        since: at(BEGIN_MS),
        until: at(BEGIN_MS + 2 * SPAN_MS),
        timezone: "Europe/Berlin".to_owned(),
        dimensions: dimensions.to_vec(),
        filters,
        attribution: Attribution::Click,
        test: tfx_domain::event::TestTraffic::Include,
        max_groups: tfx_domain::report::MAX_GROUPS,
        apart: std::collections::BTreeMap::new(),
    };
    let only = |dimension, values: &[&str]| ReportFilter {
        dimension,
        values: values.iter().map(|v| (*v).to_owned()).collect(),
        negate: false,
    };
    let cases = [
        ("total", query(&[], vec![])),
        ("by campaign", query(&[Dimension::Campaign], vec![])),
        ("by day", query(&[Dimension::Day], vec![])),
        ("by day, country, os", query(&[Dimension::Day, Dimension::Country, Dimension::Os], vec![])),
        (
            "by hour, campaign, stream, destination",
            query(&[Dimension::Hour, Dimension::Campaign, Dimension::Stream, Dimension::Destination], vec![]),
        ),
        ("by keyword", query(&[Dimension::Keyword], vec![])),
        ("by sub1, sub2", query(&[Dimension::Sub(1), Dimension::Sub(2)], vec![])),
        (
            "by campaign of two countries on mobile",
            query(
                &[Dimension::Campaign],
                vec![only(Dimension::Country, &["de", "fr"]), only(Dimension::DeviceType, &["mobile"])],
            ),
        ),
    ];
    for (name, query) in cases {
        let took = async |query: &ReportQuery, rates: &Rates| {
            let began = Instant::now();
            let rows = analytics.report(query).await.expect("report");
            let report = compute(query.clone(), &rows, rates);
            (began.elapsed().as_secs_f64() * 1e3, rows.iter().map(|r| r.hits).sum::<u64>(), report.rows.len())
        };
        let (ms, hits, rows) = took(&query, &Rates::none(Currency::USD)).await;
        // The same amounts, which are all in one currency, converted by a rate a day.
        let rates = a_rate_a_day();
        let apart = ReportQuery { apart: rates.days(), ..query.clone() };
        let (converted, ..) = took(&apart, &rates).await;
        println!(
            "  report {name}: {ms:.0} ms ({hits} hits, {rows} rows), converted {converted:.0} ms, {:.2} times as long",
            converted / ms
        );
    }
    let began = Instant::now();
    let missing = analytics.click(ClickId::floor(at(BEGIN_MS))).await.expect("click");
    println!("  click by id: {:.0} µs ({})", began.elapsed().as_secs_f64() * 1e6, missing.is_some());
    let _: Option<ClickEvent> = missing;
}

/// Rates of the dollar to the euro, another one each day.
fn a_rate_a_day() -> Rates {
    let to: Currency = "EUR".parse().expect("a code");
    let first = Timestamp::from_millisecond(BEGIN_MS)
        .expect("in range")
        .to_zoned_datetime(jiff::tz::TimeZone::UTC)
        .date();
    let days = first.series(jiff::Span::new().days(1)).take(31);
    let rate = |(n, day): (usize, _)| Rate {
        key: RateKey { from: Currency::USD, to, day },
        value: format!("0.9{n}1").parse().expect("a rate"),
    };
    Rates::new(to, &days.enumerate().map(rate).collect::<Vec<_>>())
}

/// User and system time of this process; 10 ms steps. Zero where it is not known.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
