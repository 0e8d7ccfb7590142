//! Delivering: twice, out of order, and what is no event at all.

use super::{
    EventStore,
    kit::{
        at, campaign, click, conversion, deliver, envelope, eventually, everything, money, of_click,
        of_conversion, settle, total,
    },
};
use crate::{
    analytics::{ClickQuery, PostbackQuery},
    conformance::sample::Sample,
    page::PageRequest,
    sink::Envelope,
};
use serde_json::{Value, json};
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, ConversionEvent, Event, Outcome, PostbackLogEvent, SCHEMA, TestTraffic, Topic},
    id::ClickId,
    report::{Conditions, RawRow, ReportQuery},
    routing::CapUse,
};

pub(super) fn every_click() -> ClickQuery {
    let page = PageRequest::first(1_000);
    ClickQuery {
        since: None,
        until: None,
        campaign: None,
        visitor: None,
        unrouted: None,
        test: TestTraffic::Include,
        conditions: Conditions::default(),
        page,
    }
}

pub(super) fn every_postback() -> PostbackQuery {
    PostbackQuery {
        since: None,
        until: None,
        network: None,
        result: None,
        direction: None,
        test: TestTraffic::Include,
        filters: Vec::new(),
        page: PageRequest::first(1_000),
    }
}

pub(super) fn postback(n: u128) -> PostbackLogEvent {
    PostbackLogEvent { id: ClickId::generate(at(5), n), ..Sample::new(1).postback(at(5)) }
}

/// All time before the events that [`settle`] makes.
fn before_the_end() -> ReportQuery {
    ReportQuery { until: at(1_000_000), ..everything() }
}

/// What there is to see of a store, at most.
async fn view(s: &EventStore) -> (RawRow, Vec<ClickEvent>, Vec<PostbackLogEvent>) {
    let clicks = ClickQuery { until: Some(at(1_000_000)), ..every_click() };
    let clicks = s.analytics.clicks(&clicks).await.expect("clicks");
    let postbacks = s.analytics.postbacks(&every_postback()).await.expect("postbacks");
    (total(s, &before_the_end()).await, clicks.items, postbacks.items)
}

/// An event again, in the same batch, in the next, or the whole batch again: counted, listed and used once.
pub async fn what_is_delivered_twice_counts_once(s: EventStore) {
    let taken = ClickEvent { unique_stream: true, cost: Some(money(2_500_000, "EUR")), ..click(at(1), 1) };
    let lost = ClickEvent { outcome: Outcome::Trafficback, ..click(at(2), 2) };
    let sale = conversion(1, &taken);
    let logged = envelope(&Event::PostbackLog(Box::new(postback(1))));
    let batch = [of_click(&taken), of_click(&lost), of_conversion(&sale), logged];
    deliver(&s, &batch).await;
    let row = RawRow {
        hits: 2,
        clicks: 1,
        trafficbacks: 1,
        unique_stream: 1,
        cost: [(taken.cost.expect("a cost").currency, taken.cost.expect("a cost").amount.into())].into(),
        sales: 1,
        revenue_confirmed: [(sale.revenue.currency, sale.revenue.amount.into())].into(),
        ..RawRow::default()
    };
    let want = (row, vec![lost, taken.clone()], vec![postback(1)]);
    eventually("the batch", &want, async || view(&s).await).await;

    let doubled: Vec<_> = batch.iter().chain(&batch).cloned().collect();
    for again in [&batch[..], &doubled, &batch[2..], &batch[..1]] {
        deliver(&s, again).await;
    }
    settle(&s, 1).await;
    assert_eq!(view(&s).await, want);
    let destination = [taken.dims.destination_id.clone().expect("a destination")];
    let used = s.analytics.cap_use(&destination, at(0)).await.expect("use");
    let want = CapUse { clicks_daily: 1, clicks_total: 1, conversions_daily: 1, conversions_total: 1 };
    assert_eq!(used, [want]);
    let stream = [taken.dims.stream_id.clone().expect("a stream")];
    assert_eq!(s.analytics.stream_clicks(&stream, None).await.expect("clicks"), [1]);
    assert_eq!(s.sink.deliver(&[]).await.expect("nothing"), []);
}

/// A conversion counts once, in its highest version, in whatever order and batches its versions come.
pub async fn the_highest_version_of_a_conversion_counts(s: EventStore) {
    let click = click(at(1), 1);
    let version = |n: usize, version: u64, status: &str, micros: i64| ConversionEvent {
        version,
        conversion_status: status.parse().expect("a status"),
        revenue: money(micros, "USD"),
        ..conversion(n, &click)
    };
    let history = |n| {
        [
            version(n, 1, "lead", 1),
            version(n, 2, "lead", 2),
            version(n, 3, "sale", 4),
            version(n, 10, "rejected", 8),
        ]
    };
    let orders: [&[usize]; 7] =
        [&[0, 1, 2], &[2, 1, 0], &[1, 2, 0], &[2], &[1, 0, 1, 0], &[2, 3, 0], &[3, 2, 1, 0]];
    for (n, order) in orders.iter().enumerate() {
        let history = history(n);
        let (together, alone) = order.split_at(order.len() / 2);
        deliver(&s, &together.iter().map(|i| of_conversion(&history[*i])).collect::<Vec<_>>()).await;
        for i in alone {
            deliver(&s, &[of_conversion(&history[*i])]).await;
        }
    }
    let usd = |micros| [(money(micros, "USD").currency, money(micros, "USD").amount.into())].into();
    let want = RawRow {
        leads: 1,
        revenue_hold: usd(2),
        sales: 4,
        revenue_confirmed: usd(16),
        rejected: 2,
        ..RawRow::default()
    };
    eventually("the versions", &want, async || total(&s, &before_the_end()).await).await;
    settle(&s, 1).await;
    assert_eq!(total(&s, &before_the_end()).await, want);
    let destination = [click.dims.destination_id.clone().expect("a destination")];
    let used = s.analytics.cap_use(&destination, at(0)).await.expect("use")[0];
    assert_eq!((used.conversions_daily, used.conversions_total), (5, 5));
}

/// The JSON of an event with one field changed, or taken away by null.
fn with(event: &Value, field: &str, value: Value) -> Vec<u8> {
    let mut event = event.clone();
    match value {
        Value::Null => drop(event.as_object_mut().expect("an object").remove(field)),
        value => event[field] = value,
    }
    serde_json::to_vec(&event).expect("JSON")
}

/// Payloads that are no event of their topic: not JSON, not whole, without what makes it one, or of other types.
fn broken() -> Vec<(Topic, Vec<u8>)> {
    let mut all = Vec::new();
    let click = serde_json::to_value(click(at(3), 3)).expect("JSON");
    let sale = serde_json::to_value(conversion(3, &super::kit::click(at(3), 3))).expect("JSON");
    let logged = serde_json::to_value(postback(3)).expect("JSON");
    let events = [
        (Topic::ClickEvents, &click),
        (Topic::TrafficbackEvents, &click),
        (Topic::ConversionEvents, &sale),
        (Topic::PostbackLogEvents, &logged),
    ];
    for (topic, event) in events {
        let whole = serde_json::to_vec(event).expect("JSON");
        let mut bad_utf8 = whole.clone();
        bad_utf8.extend([0xff, 0xc3, 0x28]);
        let texts: [&[u8]; 12] = [
            b"",
            b" ",
            b"\0",
            b"{",
            b"[]",
            b"null",
            b"17",
            b"\"text\"",
            b"{}",
            b"not JSON",
            b"\xff\xfe\x00",
            b"[{}]",
        ];
        all.extend(texts.map(|text| (topic, text.to_vec())));
        all.push((topic, whole[..whole.len() - 1].to_vec()));
        all.push((topic, [&whole[..], &whole[..]].concat()));
        all.push((topic, bad_utf8));
        all.push((topic, format!("[{}]", String::from_utf8_lossy(&whole)).into_bytes()));
        all.push((topic, "x".repeat(1_000_000).into_bytes()));
        all.push((topic, "[".repeat(100_000).into_bytes()));
        all.push((topic, with(event, "schema", Value::Null)));
        all.push((topic, with(event, "schema", json!(SCHEMA + 1))));
        all.push((topic, with(event, "schema", json!({}))));
    }
    for field in ["click_id", "visitor_id", "at", "status", "config_revision"] {
        all.extend(
            [Value::Null, json!({}), json!([1])].map(|v| (Topic::ClickEvents, with(&click, field, v))),
        );
    }
    let words = [
        ("click_id", json!("")),
        ("click_id", json!("01ARZ3NDEKTSV4RRFFQ69G5FA")),
        ("click_id", json!("81ARZ3NDEKTSV4RRFFQ69G5FAV")),
        ("visitor_id", json!("00")),
        ("at", json!("yesterday")),
        ("outcome", json!("vanished")),
        ("request", json!("guess")),
        ("device_type", json!("phone")),
        ("campaign_id", json!("cmp_short")),
        ("stream_id", json!(campaign(1).as_str())),
        ("country", json!(49)),
        ("keyword", json!(["a"])),
        ("subs", json!("a")),
        ("subs", json!([1])),
        ("is_bot", json!("yes")),
        ("unique_campaign", json!(1)),
        ("cost", json!(5)),
        ("cost", json!({"amount": "5,00", "currency": "USD"})),
        ("cost", json!({"amount": "5", "currency": "US"})),
        ("cost", json!({"amount": "1000000000.1", "currency": "USD"})),
        ("cost", json!({"amount": "5"})),
        ("bot_cost", json!("5 USD")),
        ("deciding_campaign_id", json!("cmp_short")),
        ("test", json!("yes")),
    ];
    all.extend(words.into_iter().map(|(field, value)| (Topic::ClickEvents, with(&click, field, value))));
    let required = [
        "conversion_id",
        "version",
        "reporter_id",
        "click_id",
        "click_at",
        "created_at",
        "updated_at",
        "conversion_status",
        "revenue",
    ];
    for field in required {
        all.extend([Value::Null, json!([1])].map(|v| (Topic::ConversionEvents, with(&sale, field, v))));
    }
    let words = [
        ("version", json!(-1)),
        ("conversion_id", json!("cnv_1")),
        ("created_at", json!("soon")),
        ("conversion_status", json!("")),
        ("revenue", json!({"amount": "NaN", "currency": "USD"})),
    ];
    all.extend(words.into_iter().map(|(field, value)| (Topic::ConversionEvents, with(&sale, field, value))));
    for (topic, event) in [(Topic::ConversionEvents, &sale), (Topic::PostbackLogEvents, &logged)] {
        all.push((topic, with(event, "test", json!(1))));
    }
    for field in ["id", "at", "network", "result", "status"] {
        all.extend([Value::Null, json!([1])].map(|v| (Topic::PostbackLogEvents, with(&logged, field, v))));
    }
    all.push((Topic::PostbackLogEvents, with(&logged, "result", json!("lost"))));
    all
}

/// What is no event is refused or kept apart: it counts nowhere, and everything before and after it is taken.
pub async fn what_is_no_event_blocks_nothing(s: EventStore) {
    let broken = broken();
    let mut batch = Vec::new();
    let mut want_clicks = Vec::new();
    let mut want_postbacks = Vec::new();
    let mut good = Vec::new();
    for (n, (topic, payload)) in broken.iter().enumerate() {
        let number = 10 + n as u128;
        let click = click(at(10 + i64::try_from(n).expect("small")), number);
        let logged = postback(number);
        let next = match n % 3 {
            0 => envelope(&Event::PostbackLog(Box::new(logged.clone()))),
            1 => of_conversion(&conversion(10 + n, &click)),
            _ => of_click(&click),
        };
        match n % 3 {
            0 => want_postbacks.insert(0, logged),
            1 => {}
            _ => want_clicks.insert(0, click),
        }
        good.push(batch.len());
        batch.push(next);
        let name: smol_str::SmolStr = format!("broken-{n}").into();
        batch.push(Envelope { topic: *topic, id: name.clone(), key: name, payload: payload.clone().into() });
    }
    let sales = u64::try_from((broken.len() + 1) / 3).expect("small");
    for part in batch.chunks(64) {
        let refused = s.sink.deliver(part).await.expect("deliver");
        for r in refused {
            assert!(part[r.index].id.starts_with("broken-"), "{}: {}", part[r.index].id, r.reason);
            assert!(!r.reason.is_empty());
        }
    }
    let see = async || {
        let (row, clicks, postbacks) = view(&s).await;
        (row.hits, row.clicks, row.sales, clicks, postbacks)
    };
    let clicks = u64::try_from(want_clicks.len()).expect("small");
    let want = (clicks, clicks, sales, want_clicks, want_postbacks);
    eventually("the good ones", &want, see).await;
    settle(&s, 1).await;
    assert_eq!(see().await, want);
    assert_eq!(s.analytics.click(click(at(3), 3).click_id).await.expect("click"), None, "of the broken");
}

/// Nothing is none, nought and empty, not an error.
pub async fn an_empty_store_answers(s: EventStore) {
    s.sink.ping().await.expect("ping");
    s.analytics.ping().await.expect("ping");
    let taken = click(at(1), 1);
    assert_eq!(view(&s).await, (RawRow::default(), vec![], vec![]));
    assert_eq!(s.analytics.click(taken.click_id).await.expect("click"), None);
    let by_day = ReportQuery { dimensions: vec!["day".parse().expect("a dimension")], ..everything() };
    assert_eq!(s.analytics.report(&by_day).await.expect("report"), []);
    let destination = [taken.dims.destination_id.clone().expect("a destination")];
    assert_eq!(s.analytics.cap_use(&destination, at(0)).await.expect("use"), [CapUse::default()]);
    let stream = [taken.dims.stream_id.clone().expect("a stream")];
    assert_eq!(s.analytics.stream_clicks(&stream, Some(at(0))).await.expect("clicks"), [0]);
    assert_eq!(s.analytics.cap_use(&[], at(0)).await.expect("use"), []);
    assert_eq!(s.analytics.stream_clicks(&[], None).await.expect("clicks"), Vec::<u64>::new());
    assert_eq!(s.analytics.seen_since(Timestamp::UNIX_EPOCH, 10).await.expect("seen"), []);
}

/// Who has waited until the store has caught up sees what was delivered before.
pub async fn what_was_delivered_is_seen_by_who_has_waited(s: EventStore) {
    assert!(s.analytics.caught_up().await.expect("caught up"), "nothing is missing of nothing");
    for n in 0..20_u32 {
        let click = click(at(i64::from(n)), u128::from(n));
        let sale = conversion(usize::try_from(n).expect("small"), &click);
        deliver(&s, &[of_click(&click), of_conversion(&sale)]).await;
        let whole = s.analytics.caught_up().await.expect("caught up");
        assert!(s.analytics.click(click.click_id).await.expect("click").is_some(), "click {n}");
        if whole {
            assert_eq!(total(&s, &everything()).await.sales, u64::from(n) + 1);
        }
    }
}
