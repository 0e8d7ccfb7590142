//! Short ways to write configurations, visitors and a past.

use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::{collections::HashMap, net::IpAddr, sync::Arc};
use tfx_domain::{
    Timestamp,
    event::ClickEvent,
    id::{CampaignId, ClickId, DestinationId, StreamId, VisitorId},
    macros::{Scope as UrlScope, UrlTemplate},
    routing::{
        Answered, CapUse, Click, Config, Counters, Decision, Device, DeviceType, Geo, Globals, Health,
        RequestKind, Resolution, Roi, Scope, Snapshot, Unique, Visitor, decide,
    },
};

/// A Monday.
pub(crate) const NOW: &str = "2026-03-02T12:00:00Z";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// `cmp_000…name`.
pub(crate) fn id(prefix: &str, name: &str) -> String {
    format!("{prefix}_{name:0>19}")
}

/// A configuration written as JSON: ids are short names, `version` and times are filled in, and so are slug and
/// name where they are left out.
pub(crate) fn config(value: &Value) -> Config {
    let mut out = json!({ "revision": 7, "templates": [] });
    let kinds = [
        ("sources", "src", &[][..]),
        ("networks", "net", &[]),
        ("destinations", "dst", &[("network", "net")]),
        ("campaigns", "cmp", &[("source", "src")]),
        ("streams", "str", &[("campaign", "cmp")]),
    ];
    for (kind, prefix, refs) in kinds {
        let mut list = value.get(kind).cloned().unwrap_or_else(|| json!([]));
        for entity in list.as_array_mut().expect("a list") {
            let name = entity["id"].as_str().expect("an id").to_owned();
            for (field, of) in refs.iter().chain(&[("id", prefix)]) {
                if let Some(short) = entity.get(*field).and_then(Value::as_str) {
                    entity[*field] = json!(id(of, short));
                }
            }
            let fields = entity.as_object_mut().expect("an object");
            for (field, default) in [
                ("slug", json!(name)),
                ("name", json!(name)),
                ("version", json!(1)),
                ("created_at", json!(NOW)),
                ("updated_at", json!(NOW)),
            ] {
                fields.entry(field).or_insert(default);
            }
            if kind == "destinations" {
                fields.entry("url").or_insert(json!(format!("https://{name}.example/")));
            }
            if let Some(list) = fields.get_mut("destinations") {
                for d in list.as_array_mut().expect("a list") {
                    if let Some(short) = d.as_str() {
                        *d = json!({ "destination": short });
                    }
                    d["destination"] = json!(id("dst", d["destination"].as_str().expect("a destination")));
                }
            }
            if let Some(target) = fields.get_mut("action").and_then(|a| a.get_mut("campaign")) {
                *target = json!(id("cmp", target.as_str().expect("a campaign")));
            }
        }
        out[kind] = list;
    }
    serde_json::from_value(out).expect("a configuration")
}

pub(crate) fn globals(trafficback: Option<&str>) -> Globals {
    Globals {
        trafficback_url: trafficback.map(|t| UrlTemplate::parse(t, UrlScope::Redirect).expect("a URL")),
        trafficback_max_hops: 3,
        public_hosts: vec!["t.own.example".to_owned()],
    }
}

/// Compiles what must be without problems.
pub(crate) fn snapshot(value: &Value) -> Snapshot {
    let (snapshot, problems) = Snapshot::compile(config(value), globals(None));
    assert!(problems.is_empty(), "{problems}");
    snapshot
}

/// A person in Los Angeles with an iPhone.
pub(crate) fn person() -> Visitor {
    Visitor {
        id: VisitorId(1),
        ip: IpAddr::from([203, 0, 113, 9]),
        user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 14_2_1 like Mac OS X)".to_owned(),
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
        referrer: "https://www.news.example/story".to_owned(),
        params: vec![("sub1".into(), "zone7".into()), ("keyword".into(), "Running Shoes".into())],
        headers: Vec::new(),
        bot: None,
        kind: RequestKind::Visit,
        hops: 0,
    }
}

/// A past as a test wants it. Ids are short names.
#[derive(Default)]
pub(crate) struct Past {
    pub(crate) bound_stream: HashMap<String, String>,
    pub(crate) bound_destination: HashMap<String, String>,
    /// `cmp_…`, `str_…` or `dst_…` to when the visitor was last seen there.
    pub(crate) seen: HashMap<String, Timestamp>,
    pub(crate) down: Vec<String>,
    pub(crate) caps: HashMap<String, CapUse>,
    pub(crate) clicks: u64,
    pub(crate) roi: HashMap<String, Roi>,
}

impl Counters for Past {
    fn bound_stream(&self, _: VisitorId, campaign: &CampaignId) -> Option<StreamId> {
        self.bound_stream.get(campaign.as_str()).and_then(|s| s.parse().ok())
    }

    fn bound_destination(&self, _: VisitorId, stream: &StreamId) -> Option<DestinationId> {
        self.bound_destination.get(stream.as_str()).and_then(|s| s.parse().ok())
    }

    fn last_seen(&self, _: VisitorId, scope: Scope<'_>) -> Option<Timestamp> {
        let key = match scope {
            Scope::Campaign(id) => id.as_str(),
            Scope::Stream(id) => id.as_str(),
            Scope::Destination(id) => id.as_str(),
        };
        self.seen.get(key).copied()
    }

    fn health(&self, destination: &DestinationId) -> Health {
        if self.down.iter().any(|d| d == destination.as_str()) { Health::Down } else { Health::Unknown }
    }

    fn cap_use(&self, destination: &DestinationId, _: &jiff::tz::TimeZone, _: Timestamp) -> CapUse {
        self.caps.get(destination.as_str()).copied().unwrap_or_default()
    }

    fn stream_clicks(&self, _: &StreamId, _: Option<Timestamp>) -> u64 {
        self.clicks
    }

    fn roi(&self, destination: &DestinationId) -> Option<Roi> {
        self.roi.get(destination.as_str()).copied()
    }
}

/// The short name of an id.
pub(crate) fn short(id: &str) -> &str {
    id[4..].trim_start_matches('0')
}

/// A decision in a line: `s1 d1`, `s1 d1 bound`, `s1`, `-> URL`, `404`, `508`.
pub(crate) fn line(decision: &Decision<'_>) -> String {
    match decision.taken {
        Resolution::Stream { stream, destination, bound } => {
            let mut line = short(stream.stream.id.as_str()).to_owned();
            if let Some(d) = destination {
                line = format!("{line} {}", short(d.destination.id.as_str()));
            }
            if bound {
                line.push_str(" bound");
            }
            line
        }
        Resolution::Trafficback { url } => format!("-> {}", url.as_str()),
        Resolution::NotFound => "404".to_owned(),
        Resolution::Loop => "508".to_owned(),
    }
}

/// Why streams were passed over, in a line: `s1: filter[0] country; s2: inactive`.
pub(crate) fn trace(decision: &Decision<'_>) -> String {
    let one =
        |p: &tfx_domain::routing::Passed<'_>| format!("{}: {}", short(p.stream.stream.id.as_str()), p.reason);
    decision.passed.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Decides a click on `main` with a fixed seed.
pub(crate) fn ask<'s>(snapshot: &'s Snapshot, visitor: &Visitor, past: &Past) -> Decision<'s> {
    ask_seeded(snapshot, visitor, past, 1)
}

pub(crate) fn ask_seeded<'s>(
    snapshot: &'s Snapshot,
    visitor: &Visitor,
    past: &Past,
    seed: u64,
) -> Decision<'s> {
    decide(snapshot, "main", visitor, at(NOW), past, &mut StdRng::seed_from_u64(seed))
}

/// Where the visitor is new with a click on `main`.
pub(crate) fn unique(snapshot: &Snapshot, visitor: &Visitor, past: &Past) -> Unique {
    ask(snapshot, visitor, past).unique(visitor, at(NOW), |scope| past.last_seen(visitor.id, scope))
}

/// A decided click.
pub(crate) fn click<'a>(
    snapshot: &Snapshot,
    slug: &'a str,
    visitor: &'a Visitor,
    decision: &'a Decision<'a>,
) -> Click<'a> {
    let ip = visitor.ip.to_string().into();
    Click::new(snapshot, slug, visitor, decision, ClickId::generate(at(NOW), 5), at(NOW), ip)
}

/// Its event.
pub(crate) fn event(
    snapshot: &Snapshot,
    slug: &str,
    visitor: &Visitor,
    decision: &Decision<'_>,
) -> ClickEvent {
    let unique = decision.unique(visitor, at(NOW), |_| None);
    let answered = Answered { final_url: String::new(), status: 0 };
    click(snapshot, slug, visitor, decision).event(unique, answered)
}
