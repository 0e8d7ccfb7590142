//! Making, delivering and waiting for events.

use super::EventStore;
use crate::sink::Envelope;
use std::{fmt::Debug, time::Duration};
use tfx_domain::{
    Timestamp,
    event::{ClickDims, ClickEvent, ConversionEvent, Event, Outcome, SCHEMA, TestTraffic},
    id::{CampaignId, ClickId, ConversionId, DestinationId, NetworkId, SourceId, StreamId, VisitorId},
    money::{Amount, Money},
    report::{Attribution, MAX_GROUPS, RawRow, ReportFilter, ReportQuery},
    routing::RequestKind,
};
use tokio::time::Instant;

/// How long a store may take to see what was delivered; far more than any needs.
const LIMIT: Duration = Duration::from_secs(90);

/// Waits until `look` sees `want`.
pub(super) async fn eventually<T: PartialEq + Debug>(what: &str, want: &T, mut look: impl AsyncFnMut() -> T) {
    let began = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        let seen = look().await;
        if seen == *want {
            return;
        }
        assert!(began.elapsed() < LIMIT, "{what}: not within {LIMIT:?};\nwant {want:?}\nlast {seen:?}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}

/// `ms` milliseconds after 2026-09-21T14:13:20Z.
pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_000 + ms).expect("in range")
}

/// Ids of entities, by number.
pub(super) fn campaign(n: usize) -> CampaignId {
    CampaignId::generate(at(0), bits(n))
}

pub(super) fn stream(n: usize) -> StreamId {
    StreamId::generate(at(0), bits(n))
}

pub(super) fn destination(n: usize) -> DestinationId {
    DestinationId::generate(at(0), bits(n))
}

pub(super) fn source(n: usize) -> SourceId {
    SourceId::generate(at(0), bits(n))
}

pub(super) fn network(n: usize) -> NetworkId {
    NetworkId::generate(at(0), bits(n))
}

pub(super) fn conversion_id(n: usize) -> ConversionId {
    ConversionId::generate(at(0), bits(n))
}

/// An entity's id keeps the upper 50 of the 80 random bits.
fn bits(n: usize) -> u128 {
    (n as u128) << 30
}

pub(super) fn money(micros: i64, currency: &str) -> Money {
    Money { amount: Amount::from_micros(micros), currency: currency.parse().expect("a currency") }
}

/// A click of a person, taken by stream 1 of campaign 1.
pub(super) fn click(at: Timestamp, random: u128) -> ClickEvent {
    ClickEvent {
        schema: SCHEMA,
        click_id: ClickId::generate(at, random),
        at,
        outcome: Outcome::Routed,
        request: RequestKind::Visit,
        dims: ClickDims {
            campaign_id: Some(campaign(1)),
            stream_id: Some(stream(1)),
            destination_id: Some(destination(1)),
            ..ClickDims::default()
        },
        campaign_slug: "shoes".into(),
        campaign_name: String::new(),
        deciding_campaign_slug: "".into(),
        deciding_campaign_name: String::new(),
        visitor_id: VisitorId(random),
        ip: "".into(),
        continent: "".into(),
        asn: None,
        user_agent: String::new(),
        device_model: "".into(),
        os_version: "".into(),
        browser_version: "".into(),
        referrer: String::new(),
        params: Vec::new(),
        external_id: String::new(),
        bot_reason: "".into(),
        unique_campaign: false,
        unique_stream: false,
        unique_destination: false,
        cost: None,
        bot_cost: None,
        final_url: String::new(),
        status: 302,
        bound: false,
        health_ignored: false,
        cost_refused: String::new().into(),
        sale_cost: None,
        revenue_share: "".into(),
        config_revision: 1,
        handed_over: Vec::new(),
        passed: Vec::new(),
    }
}

/// A sale of USD 5 of a click, a minute later.
pub(super) fn conversion(n: usize, click: &ClickEvent) -> ConversionEvent {
    let created_at = click.click_id.timestamp() + Duration::from_secs(60);
    ConversionEvent {
        schema: SCHEMA,
        conversion_id: conversion_id(n),
        version: 1,
        reporter_id: network(1),
        transaction_id: Some(format!("T{n}")),
        click_id: click.click_id,
        click_at: click.click_id.timestamp(),
        created_at,
        updated_at: created_at,
        conversion_status: "sale".parse().expect("a status"),
        raw_status: None,
        revenue: money(5_000_000, "USD"),
        cost: None,
        dims: click.dims.clone(),
    }
}

pub(super) fn of_click(click: &ClickEvent) -> Envelope {
    envelope(&Event::Click(Box::new(click.clone())))
}

pub(super) fn of_conversion(conversion: &ConversionEvent) -> Envelope {
    envelope(&Event::Conversion(Box::new(conversion.clone())))
}

pub(super) fn envelope(event: &Event) -> Envelope {
    let payload = event.to_json().expect("JSON").into();
    Envelope { topic: event.topic(), id: event.id(), key: event.key(), payload }
}

/// Delivers events that must all be taken.
pub(super) async fn deliver(s: &EventStore, batch: &[Envelope]) {
    assert_eq!(s.sink.deliver(batch).await.expect("deliver"), [], "nothing to refuse");
}

/// All time there is, tests too.
pub(super) fn everything() -> ReportQuery {
    ReportQuery {
        since: Timestamp::MIN,
        until: Timestamp::MAX,
        timezone: "UTC".to_owned(),
        dimensions: Vec::new(),
        filters: Vec::new(),
        attribution: Attribution::Click,
        test: TestTraffic::Include,
        max_groups: MAX_GROUPS,
        apart: std::collections::BTreeMap::new(),
    }
}

pub(super) fn is(dimension: &str, values: &[&str]) -> ReportFilter {
    ReportFilter {
        dimension: dimension.parse().expect("a dimension"),
        values: values.iter().map(|v| (*v).to_owned()).collect(),
        negate: false,
    }
}

/// The one row of a report without dimensions.
pub(super) async fn total(s: &EventStore, query: &ReportQuery) -> RawRow {
    let mut rows = s.analytics.report(query).await.expect("report");
    assert_eq!(rows.len(), 1, "one row without dimensions: {rows:?}");
    rows.pop().expect("one")
}

/// Waits until the store has seen everything delivered so far: new events of every topic that reports read come
/// after it, and are there.
pub(super) async fn settle(s: &EventStore, n: usize) {
    let far = Timestamp::from_second(1_860_000_000).expect("in range");
    let mut routed = click(far, n as u128);
    routed.dims = ClickDims { campaign_id: Some(campaign(90_000 + n)), ..ClickDims::default() };
    let mut unrouted = ClickEvent { outcome: Outcome::NotFound, ..click(far, 1_000 + n as u128) };
    unrouted.dims = routed.dims.clone();
    let sale = conversion(90_000 + n, &routed);
    deliver(s, &[of_conversion(&sale), of_click(&unrouted), of_click(&routed)]).await;
    let query = ReportQuery {
        since: far,
        filters: vec![is("campaign", &[campaign(90_000 + n).as_str()])],
        ..everything()
    };
    eventually("the last events delivered", &(1, 1, 1), async || {
        let row = total(s, &query).await;
        (row.clicks, row.trafficbacks, row.sales)
    })
    .await;
}
