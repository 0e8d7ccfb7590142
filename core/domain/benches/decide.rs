//! What deciding and recording one click costs. Run with `cargo bench -p tfx-domain --bench decide`.
//!
//! - `streams_20x5/last`: 20 streams of 5 filters, all but the last reject on their last filter
//! - `streams_20x5/mixed`: the same number, texts, versions, networks and hours among them, half reject early
//! - `weight_20`: a draw among 20 streams
//! - `campaigns/N`: the same click with 1 and with 10,000 campaigns configured
//! - `campaigns_in_turn/N`: a click on each of them in turn, so that none is in the processor's cache
//! - `record`: making the event of a decided click
//! - `url`: filling in a destination's URL of eight macros

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand::{SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};
use smol_str::ToSmolStr as _;
use std::{hint::black_box, net::IpAddr, sync::Arc};
use tfx_domain::{
    Timestamp,
    id::{ClickId, VisitorId},
    macros::{Scope, UrlTemplate},
    routing::{
        Answered, Click, Config, Device, DeviceType, Geo, Globals, NoCounters, RequestKind, Snapshot, Unique,
        Visitor, decide,
    },
};

fn visitor() -> Visitor {
    Visitor {
        id: VisitorId(7),
        ip: IpAddr::from([203, 0, 113, 9]),
        user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 14_2_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                     Version/14.0 Mobile/15E148 Safari/604.1"
            .to_owned(),
        device: Arc::new(Device {
            device_type: DeviceType::Mobile,
            model: "iPhone".into(),
            os: "iOS".into(),
            os_version: "14.2.1".into(),
            browser: "Safari".into(),
            browser_version: "14.0".into(),
        }),
        geo: Arc::new(Geo {
            country: "US".into(),
            region: "CA".into(),
            city: "Los Angeles".into(),
            continent: "NA".into(),
            isp: "Example Wireless".into(),
            asn: Some(64500),
            connection_type: "cellular".into(),
        }),
        language: Some("en-us".into()),
        referrer: "https://www.news.example/story?id=1".to_owned(),
        params: [("sub1", "zone7"), ("sub2", "creative-12"), ("keyword", "running shoes"), ("external_id", "a1b2c3")]
            .map(|(n, v)| (n.into(), v.to_owned()))
            .into(),
        headers: Vec::new(),
        bot: None,
        kind: RequestKind::Visit,
        hops: 0,
    }
}

fn entity(prefix: &str, n: usize, more: &Value) -> Value {
    let mut entity = json!({
        "id": format!("{prefix}_{n:019}"), "slug": format!("{prefix}-{n}"), "name": "x", "version": 1,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    });
    for (k, v) in more.as_object().into_iter().flatten() {
        entity[k] = v.clone();
    }
    entity
}

/// `campaigns` campaigns with these streams each.
fn snapshot(campaigns: usize, rotation: &str, streams: &[Value]) -> Snapshot {
    let destination = entity("dst", 1, &json!({ "url": "https://offer.example/?c={click_id}" }));
    let list: Vec<Value> =
        (0..campaigns).map(|n| entity("cmp", n, &json!({ "rotation": rotation }))).collect();
    let mut all = Vec::new();
    for c in 0..campaigns {
        for (i, spec) in streams.iter().enumerate() {
            let mut stream = entity("str", c * streams.len() + i, spec);
            stream["campaign"] = json!(format!("cmp_{c:019}"));
            stream["position"] = json!(i);
            stream["destinations"] = json!([{ "destination": "dst_0000000000000000001" }]);
            all.push(stream);
        }
    }
    let config = json!({
        "revision": 1, "sources": [], "networks": [], "templates": [],
        "destinations": [destination], "campaigns": list, "streams": all,
    });
    let config: Config = serde_json::from_value(config).expect("a configuration");
    let (snapshot, problems) =
        Snapshot::compile(config, Globals { trafficback_max_hops: 3, ..Globals::default() });
    assert!(problems.is_empty(), "{problems}");
    snapshot
}

/// 19 streams that reject on the last of five filters, and one that takes the click.
fn last() -> Vec<Value> {
    let with = |os: &str| {
        json!({ "filters": [
            { "field": "country", "is": ["DE", "FR", "US"] },
            { "field": "device_type", "is": ["mobile", "tablet"] },
            { "field": "language", "is": ["en"] },
            { "field": "sub1", "is_not": ["zone1", "zone2"] },
            { "field": "os", "is": [os] },
        ]})
    };
    (0..20).map(|i| with(if i == 19 { "iOS" } else { "Android" })).collect()
}

/// What people write: some reject on the first filter, some on the last, with the dearer comparisons among them.
fn mixed() -> Vec<Value> {
    let kinds = [
        json!([{ "field": "country", "is": ["DE"] }, { "field": "os", "is": ["Android"] }, { "field": "browser", "is": ["Chrome"] }, { "field": "language", "is": ["de"] }, { "field": "bot", "is": ["false"] }]),
        json!([{ "field": "country", "is": ["US"] }, { "field": "ip", "is_not": ["10.0.0.0/8", "192.0.2.0/24"] }, { "field": "os_version", "is": [">= 13"] }, { "field": "schedule", "is": ["mon-sun 00:00-24:00 America/Los_Angeles"] }, { "field": "keyword", "is": ["contains:car"] }]),
        json!([{ "field": "user_agent", "is_not": ["WebView", "FBAN"] }, { "field": "referrer", "is": ["news.example"] }, { "field": "sub2", "is": ["glob:creative-*"] }, { "field": "isp", "is": ["regex:^(verizon|at&t)"] }, { "field": "unique", "is": ["campaign"] }]),
        json!([{ "field": "device_type", "is": ["desktop"] }, { "field": "bot", "is": ["false"] }, { "field": "country", "is": ["US"] }, { "field": "city", "is": ["Berlin"] }, { "field": "os", "is": ["Windows"] }]),
    ];
    let mut streams: Vec<Value> = (0..19).map(|i| json!({ "filters": kinds[i % 4] })).collect();
    streams.push(json!({ "filters": [{ "field": "country", "is": ["US"] }] }));
    streams
}

fn benches(c: &mut Criterion) {
    let now: Timestamp = "2026-03-02T12:00:00Z".parse().expect("a time");
    let visitor = visitor();
    let mut rng = SmallRng::seed_from_u64(1);
    let cases = [
        ("streams_20x5/last", snapshot(1, "position", &last())),
        ("streams_20x5/mixed", snapshot(1, "position", &mixed())),
        ("weight_20", snapshot(1, "weight", &vec![json!({ "weight": 5 }); 20])),
    ];
    for (name, snapshot) in &cases {
        c.bench_function(name, |b| {
            b.iter(|| decide(black_box(snapshot), "cmp-0", black_box(&visitor), now, &NoCounters, &mut rng));
        });
    }
    let simple = [
        json!({ "filters": [{ "field": "country", "is": ["DE"] }] }),
        json!({ "filters": [{ "field": "os", "is": ["iOS"] }] }),
    ];
    for n in [1, 10_000] {
        let snapshot = snapshot(n, "position", &simple);
        c.bench_with_input(BenchmarkId::new("campaigns", n), &snapshot, |b, snapshot| {
            b.iter(|| decide(black_box(snapshot), "cmp-0", black_box(&visitor), now, &NoCounters, &mut rng));
        });
        if n == 1 {
            continue;
        }
        let slugs: Vec<String> = (0..n).map(|i| format!("cmp-{}", i * 7919 % n)).collect();
        let mut at = 0;
        c.bench_with_input(BenchmarkId::new("campaigns_in_turn", n), &snapshot, |b, snapshot| {
            b.iter(|| {
                at = (at + 1) % slugs.len();
                decide(black_box(snapshot), &slugs[at], black_box(&visitor), now, &NoCounters, &mut rng)
            });
        });
    }
    let snapshot = &cases[0].1;
    let decision = decide(snapshot, "cmp-0", &visitor, now, &NoCounters, &mut rng);
    c.bench_function("record", |b| {
        b.iter(|| {
            let (id, ip) = (ClickId::generate(now, 1), visitor.ip.to_canonical().to_smolstr());
            let click = Click::new(snapshot, "cmp-0", black_box(&visitor), &decision, id, now, ip);
            click.event(Unique::default(), Answered { final_url: String::new(), status: 302 })
        });
    });
    let url = "https://offer.example/?c={click_id}&s={sub1}&cr={sub2}&kw={keyword}&co={country}&d={device_type}\
        &r={referrer}&n={random:1000,9999}";
    let template = UrlTemplate::parse(url, Scope::Redirect).expect("a URL");
    let (id, ip) = (ClickId::generate(now, 1), visitor.ip.to_canonical().to_smolstr());
    let click = Click::new(snapshot, "cmp-0", &visitor, &decision, id, now, ip);
    c.bench_function("url", |b| b.iter(|| black_box(&click).url(&template, &mut rng)));
}

criterion_group!(decide_click, benches);
criterion_main!(decide_click);
