//! One click: what went in comes out.

use super::{
    EventStore,
    kit::{at, campaign, click, deliver, destination, eventually, money, network, of_click, source, stream},
};
use crate::sink::Envelope;
use serde_json::{Value, json};
use std::time::Duration;
use tfx_domain::{
    event::{ClickDims, ClickEvent, Outcome, PassedStream},
    id::ClickId,
    routing::{DeviceType, RequestKind},
};

/// Every character that somebody may trip over.
fn odd() -> String {
    let controls: String = ('\u{0}'..='\u{1f}').chain(['\u{7f}', '\u{85}', '\u{2028}', '\u{feff}']).collect();
    format!(
        "{controls} \"quoted\" 'single' \\back\\ {{brace}} %s ? $1 :a Größe 日本語 \u{1F600} \u{10ffff} \u{202e}"
    )
}

/// Every field filled, texts as long and as odd as they come.
fn largest() -> ClickEvent {
    let plain = "Größe \"日本\" \\ 'x' \u{1F600}";
    let sub = |n: usize| if n % 4 == 1 { "".into() } else { format!("{plain} {n}").into() };
    ClickEvent {
        at: at(7) + Duration::from_nanos(123_456),
        outcome: Outcome::Routed,
        request: RequestKind::Prefetch,
        dims: ClickDims {
            campaign_id: Some(campaign(1)),
            deciding_campaign_id: Some(campaign(3)),
            stream_id: Some(stream(1)),
            destination_id: Some(destination(1)),
            source_id: Some(source(1)),
            network_id: Some(network(1)),
            country: "DE".into(),
            region: "BY".into(),
            city: plain.into(),
            isp: plain.repeat(9).into(),
            connection_type: "cable/dsl".into(),
            device_type: DeviceType::Console,
            os: "Mac OS X".into(),
            browser: "Chrome".into(),
            language: "pt-br".into(),
            referrer_host: "пример.example".into(),
            keyword: "é".repeat(256).into(),
            subs: (1..=20).map(sub).collect(),
            is_bot: true,
            test: true,
        },
        campaign_name: plain.to_owned(),
        deciding_campaign_slug: "größe".into(),
        deciding_campaign_name: plain.to_owned(),
        ip: "2001:db8::1".into(),
        continent: "EU".into(),
        asn: Some(u32::MAX),
        user_agent: odd().repeat(8),
        device_model: "SM-G991B".into(),
        os_version: "14.2".into(),
        browser_version: "120.0".into(),
        referrer: odd().repeat(16),
        params: (0..64).map(|n| (format!("p{} {}", n % 60, odd()).into(), "x".repeat(1024))).collect(),
        external_id: odd(),
        bot_reason: "crawler".into(),
        unique_campaign: true,
        unique_stream: true,
        unique_destination: true,
        cost: Some(money(999_999_999_999_999, "XAU")),
        bot_cost: Some(money(1, "XTS")),
        final_url: format!("https://example.com/?q={}", odd()),
        status: 599,
        bound: true,
        health_ignored: true,
        cost_refused: "bid=0,5".into(),
        sale_cost: Some(money(1_500_000, "EUR")),
        revenue_share: "33.3".into(),
        config_revision: u64::MAX,
        handed_over: vec![campaign(2), campaign(3)],
        passed: (1..9).map(|n| PassedStream { stream_id: stream(n), reason: odd().into() }).collect(),
        ..click(at(7), u128::MAX)
    }
}

/// A click of either topic is found by its id, each field as it was; ids beside it are not.
pub async fn clicks_are_found_field_by_field(s: EventStore) {
    let least = ClickEvent {
        outcome: Outcome::NotFound,
        dims: ClickDims::default(),
        campaign_slug: "".into(),
        status: 404,
        ..click(at(1), 0)
    };
    let at_its_own_time = ClickEvent { at: at(90_000_000), ..click(at(3), 3) };
    let clicks = [
        least,
        largest(),
        ClickEvent { outcome: Outcome::Trafficback, ..click(at(1), 1) },
        ClickEvent { outcome: Outcome::Loop, request: RequestKind::Head, status: 508, ..click(at(1), 2) },
        at_its_own_time,
    ];
    deliver(&s, &clicks.each_ref().map(of_click)).await;
    for click in &clicks {
        eventually("a click", &Some(click.clone()), async || {
            s.analytics.click(click.click_id).await.expect("click")
        })
        .await;
    }
    let beside = |click: &ClickEvent| ClickId::from_bits(click.click_id.to_bits() ^ 0b1000);
    for id in clicks.iter().map(beside).chain([ClickId::from_bits(0), ClickId::from_bits(u128::MAX)]) {
        assert_eq!(s.analytics.click(id).await.expect("click"), None, "{id}");
    }
    // The same with one question.
    let none = clicks.iter().map(beside).chain([ClickId::from_bits(0), ClickId::from_bits(u128::MAX)]);
    let (mut want, none): (Vec<_>, Vec<_>) = (clicks.iter().map(|c| c.click_id).collect(), none.collect());
    let mut found = s.analytics.clicks_there(&[want.as_slice(), &none].concat()).await.expect("clicks");
    found.sort();
    want.sort();
    assert_eq!(found, want);
    assert_eq!(s.analytics.clicks_there(&[]).await.expect("clicks"), []);
    let mut found = s.analytics.clicks_by_id(&[want.as_slice(), &none].concat()).await.expect("clicks");
    found.sort_by_key(|click| click.click_id);
    let mut whole = clicks.to_vec();
    whole.sort_by_key(|click| click.click_id);
    assert_eq!(found, whole);
    assert_eq!(s.analytics.clicks_by_id(&[]).await.expect("clicks"), []);
}

/// Fields in any order, with space and line breaks between them, with fields of a later build, and with null for
/// what is absent: the same event.
pub async fn events_are_read_however_they_are_written(s: EventStore) {
    let clicks: Vec<_> = (0..4).map(|n| click(at(n), 1)).collect();
    let value = |n: usize| serde_json::to_value(&clicks[n]).expect("JSON");
    let mut later = value(1);
    later["of_a_later_build"] = json!({"nested": [1, {"id": "x"}], "text": "y"});
    let mut nulls = value(2);
    for field in ["source_id", "network_id", "cost", "asn"] {
        nulls[field] = Value::Null;
    }
    let Value::Object(fields) = value(3) else { panic!("an object") };
    let backwards: Vec<_> = fields.iter().rev().map(|(name, value)| format!("{name:?}:{value}")).collect();
    let payloads = [
        serde_json::to_vec_pretty(&value(0)).expect("JSON"),
        serde_json::to_vec(&later).expect("JSON"),
        serde_json::to_vec(&nulls).expect("JSON"),
        format!(" \t{{\r\n{}\n}}\n", backwards.join(" ,\n")).into_bytes(),
    ];
    let batch: Vec<_> = clicks
        .iter()
        .zip(payloads)
        .map(|(click, payload)| Envelope { payload: payload.into(), ..of_click(click) })
        .collect();
    deliver(&s, &batch).await;
    for click in &clicks {
        eventually("a click", &Some(click.clone()), async || {
            s.analytics.click(click.click_id).await.expect("click")
        })
        .await;
    }
}
