//! What a person writes is accepted as shown, or refused with every problem at its own path.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const NET: &str = "net_0000000000000000001";

/// A full instance of each kind.
fn full(kind: Kind) -> Value {
    match kind {
        Kind::Campaign => json!({
            "slug": "summer", "name": "Summer", "status": "paused", "rotation": "weight",
            "source": "src_0000000000000000001", "trafficback_url": "https://tb.example/?c={country}",
            "cost": { "per_click": "0.02", "currency": "EUR" }, "unique_window_s": 3600,
            "all_down": "ignore_health",
        }),
        Kind::Stream => json!({
            "campaign": "cmp_0000000000000000001", "slug": "main", "name": "Main", "status": "active",
            "kind": "forced", "position": 3, "weight": 70, "match": "any",
            "filters": [{ "field": "country", "is": ["DE"] }, { "field": "os_version", "is_not": ["< 14.2"] }],
            "action": { "type": "redirect", "code": 307 },
            "destinations": [{ "destination": "dst_0000000000000000001", "weight": 5 }],
            "select": "roi", "bind": "destination",
        }),
        Kind::Destination => json!({
            "slug": "offer", "name": "Offer", "status": "active", "url": "https://o.example/?c={click_id}",
            "network": NET, "payout": { "amount": "12.5", "currency": "USD" },
            "caps": {
                "clicks_daily": 1, "clicks_total": 2, "conversions_daily": 3, "conversions_total": 4,
                "timezone": "Europe/Berlin",
            },
            "schedule": { "timezone": "Europe/Berlin", "windows": ["mon-fri 09:00-18:00"] },
            "anti_repeat_s": 86400,
            "health_check": {
                "url": "https://o.example/health", "method": "GET", "expected_statuses": [200, 204],
                "failures": 5, "successes": 1,
            },
            "allow_upsell": true,
        }),
        Kind::Source => json!({
            "slug": "push", "name": "Push ads", "status": "active",
            "params": { "external_id": "cid", "cost": "price", "keyword": "kw", "subs": { "sub1": "zone" } },
            "currency": "EUR", "postback_url": "https://src.example/pb?c={external_id}&p={payout}",
            "postback_on": ["lead", "sale", "rejected", "installed"],
            "postback_urls": { "lead": "https://src.example/lead?c={external_id}" },
            "postback_method": "post_json", "postback_payout": { "percent": "80" },
            "postback_body": { "id": "{external_id}", "value": "{payout}", "of": [{ "deep": [1, true, null] }] },
            "postback_delay_s": 60, "postback_first_only": true,
            "postback_signing_key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        }),
        Kind::Network => json!({
            "slug": "adnet", "name": "Ad network", "status": "active", "postback_secret": "s3cret-s3cret",
            "allowed_ips": ["192.0.2.0/24", "2001:db8::/32"], "currency": "GBP",
        }),
        Kind::Template => json!({
            "network": NET, "slug": "default", "name": "Default", "status": "active",
            "params": {
                "click_id": "sub1", "transaction_id": "oid", "payout": "sum", "currency": "cur", "status": "state",
            },
            "statuses": { "sale": ["approved"], "install": ["inst"] }, "ignore": ["ping"],
            "defaults": { "status": "lead", "currency": "EUR", "payout": "1.5" },
        }),
        Kind::Alert => json!({
            "slug": "stop", "name": "Stop", "status": "active", "when": "roi < -50 and clicks > 300",
            "by": ["stream", "sub3"], "filters": [{ "dimension": "country", "values": ["DE"], "negate": true }],
            "window_s": 7200, "min_clicks": 20, "for_s": 60, "clear_s": 120, "no_data_after_s": 3600,
            "quiet": ["22:00-08:00"], "timezone": "Europe/Berlin", "currency": "EUR",
            "channels": ["mail:anna@example.com"], "action": "pause_stream",
            "stream": "str_0000000000000000001", "return_after_s": 7200, "armed": true,
        }),
    }
}

/// The problems of an input of that kind, as `path: message`.
fn problems(kind: Kind, input: Value) -> Vec<String> {
    let result = match kind {
        Kind::Campaign => parse::<CampaignSpec>(input).map(drop),
        Kind::Stream => parse::<StreamSpec>(input).map(drop),
        Kind::Destination => parse::<DestinationSpec>(input).map(drop),
        Kind::Source => parse::<SourceSpec>(input).map(drop),
        Kind::Network => parse::<NetworkSpec>(input).map(drop),
        Kind::Template => parse::<TemplateSpec>(input).map(drop),
        Kind::Alert => parse::<AlertSpec>(input).map(drop),
    };
    result.err().unwrap_or_default().0.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
}

/// What was shown can be sent back: parses, and gives the same again.
fn round_trip<S: Spec>() {
    let input = full(S::KIND);
    let spec: S = parse(input.clone()).unwrap_or_else(|e| panic!("{}: {e}", S::KIND));
    let at = Timestamp::UNIX_EPOCH;
    let entity =
        Entity { id: S::new_id(at, 1), version: 3, created_at: at, updated_at: at, spec: spec.clone() };
    let shown = serde_json::to_value(&entity).expect("JSON");
    for (field, value) in input.as_object().expect("an object") {
        assert_eq!(&shown[field], value, "{} {field}", S::KIND);
    }
    assert_eq!(parse::<S>(shown.clone()), Ok(spec.clone()), "{}", S::KIND);
    assert_eq!(serde_json::from_value::<Entity<S>>(shown).expect("reads back"), entity);
    // The smallest instance survives the same way, defaults and all.
    let least: S = parse(S::example()).unwrap_or_else(|e| panic!("{}: {e}", S::KIND));
    assert_eq!(parse::<S>(serde_json::to_value(&least).expect("JSON")), Ok(least));
}

#[test]
fn every_entity_can_be_sent_back_as_it_is_shown() {
    round_trip::<CampaignSpec>();
    round_trip::<StreamSpec>();
    round_trip::<DestinationSpec>();
    round_trip::<SourceSpec>();
    round_trip::<NetworkSpec>();
    round_trip::<TemplateSpec>();
    round_trip::<AlertSpec>();
}

#[test]
fn every_action_is_written_as_it_is_read() {
    let destination = json!([{ "destination": "dst_0000000000000000001" }]);
    let table = [
        (json!({ "type": "redirect", "code": 302 }), &destination),
        (json!({ "type": "meta_refresh" }), &destination),
        (json!({ "type": "double_meta" }), &destination),
        (json!({ "type": "js" }), &destination),
        (json!({ "type": "text", "body": "hello" }), &json!([])),
        (json!({ "type": "html", "body": "<p>hello" }), &json!([])),
        (json!({ "type": "status", "code": 204 }), &json!([])),
        (json!({ "type": "campaign", "campaign": "cmp_0000000000000000002" }), &json!([])),
    ];
    for (action, destinations) in table {
        let mut input = StreamSpec::example();
        input["action"] = action.clone();
        input["destinations"] = destinations.clone();
        let spec: StreamSpec = parse(input).unwrap_or_else(|e| panic!("{action}: {e}"));
        assert_eq!(serde_json::to_value(&spec.action).expect("JSON"), action);
    }
    // A redirect needs no code.
    let bare: Action = serde_json::from_value(json!({ "type": "redirect" })).expect("valid");
    assert_eq!(bare, Action::default());
}

#[test]
fn every_problem_is_reported_at_once_with_its_path() {
    let campaign = json!({
        "slug": "-x", "name": 5, "status": "off", "colour": "red", "source": "src_1",
        "trafficback_url": "https://{sub1}.example/", "cost": { "per_click": 0.5, "currency": "dollar" },
        "unique_window_s": -1,
    });
    let want = [
        "colour: is not a known field; known are slug, aliases, name, status, rotation, source, trafficback_url, all_down, cost, unique_window_s, test",
        "cost.currency: must be a currency code of three letters, such as USD",
        "cost.per_click: must be a text: write \"0.5\" in quotes",
        "name: must be a text: write \"5\" in quotes",
        "slug: must be 1 to 64 characters of a-z, 0-9, '-' and '_', beginning with a letter or digit",
        "source: is not a source id (src_ and 19 characters)",
        "status: must be one of active, paused, archived, not 'off'",
        "trafficback_url: {sub1} stands in the host; macros are allowed only after it, in path, query and fragment, so that no visitor can choose where he is sent",
        "unique_window_s: must be a whole number from 0, not -1",
    ];
    let mut got = problems(Kind::Campaign, campaign);
    got.sort();
    assert_eq!(got, want);
}

#[test]
fn problems_inside_lists_keep_the_places_the_person_sees() {
    let stream = json!({
        "campaign": "cmp_0000000000000000001", "slug": "main", "name": "Main", "weight": 1_000_001,
        "filters": [
            { "is": ["US"] },
            { "field": "country", "is": ["US"] },
            { "field": "country", "is": "US" },
            "country",
            { "field": "moon_phase", "is": ["full"] },
            { "field": "country", "is": ["US"], "not": [] },
        ],
        "destinations": [
            { "destination": "offer" },
            { "destination": "dst_0000000000000000001", "weight": "much" },
            { "destination": "dst_0000000000000000001" },
        ],
    });
    let mut got = problems(Kind::Stream, stream);
    got.sort();
    let want = [
        "destinations[0].destination: is not a destination id (dst_ and 19 characters)",
        "destinations[1].weight: must be a whole number from 0 to 4294967295, not \"much\"",
        "destinations[2].destination: is named twice",
        "filters[0].field: is required",
        "filters[2].is: must be a list, not \"US\"",
        "filters[3]: must be an object, not \"country\"",
        "filters[4].field: ",
        "filters[5].not: is not a known field; known are field, is, is_not",
        "weight: must be 0 to 1000000",
    ];
    assert_eq!(got.len(), want.len(), "{got:#?}");
    for (got, want) in got.iter().zip(want) {
        assert!(got.starts_with(want), "{got} is not {want}");
    }
}

#[test]
fn what_a_person_gets_wrong_and_what_he_reads() {
    use Kind::{Alert, Campaign, Destination, Network, Source, Stream, Template};
    let action = |a: Value| json!({ "action": a });
    let table = [
        (Campaign, json!({ "name": null }), "name: must be a text, not null"),
        (Campaign, json!({ "name": " " }), "name: must be 1 to 200 characters without control characters"),
        (Campaign, json!({ "slug": "postback" }), "slug: is reserved: c, postback, api, auth"),
        (Campaign, json!({ "slug": ["a"] }), "slug: must be a text, not a list"),
        (Campaign, json!({ "cost": 1 }), "cost: must be an object, not 1"),
        (Campaign, json!({ "cost": {} }), "cost.per_click: is required"),
        (Campaign, json!({ "cost": { "per_click": "-1" } }), "cost.per_click: must not be negative"),
        (
            Campaign,
            json!({ "cost": { "per_click": "1,5" } }),
            "cost.per_click: must be a decimal number, such as 12.50",
        ),
        (
            Campaign,
            json!({ "unique_window_s": 1.5 }),
            "unique_window_s: must be a whole number from 0, not 1.5",
        ),
        (
            Campaign,
            json!({ "unique_window_s": 0 }),
            "unique_window_s: must be 1 to 31622400 seconds (a year)",
        ),
        (
            Campaign,
            json!({ "all_down": "ignore-health" }),
            "all_down: must be one of trafficback, ignore_health, not 'ignore-health'",
        ),
        (Campaign, json!({ "all_down": true }), "all_down: must be a text, not true"),
        (Campaign, json!({ "rotation": 3 }), "rotation: must be a text: write \"3\" in quotes"),
        (Stream, json!({ "campaign": "summer" }), "campaign: is not a campaign id"),
        (Stream, json!({ "destinations": [] }), "destinations: must name at least one destination"),
        (Stream, json!({ "destinations": { "a": 1 } }), "destinations: must be a list, not an object"),
        (Stream, action(json!("js")), "action: must be an object, not \"js\""),
        (Stream, action(json!({})), "action.type: is required"),
        (
            Stream,
            action(json!({ "type": "teleport" })),
            "action.type: must be one of redirect, meta_refresh,",
        ),
        (
            Stream,
            action(json!({ "type": "redirect", "code": "302" })),
            "action.code: must be a whole number from 0 to 65535, not \"302\"",
        ),
        (
            Stream,
            action(json!({ "type": "redirect", "code": 308 })),
            "action.code: must be 301, 302, 303 or 307",
        ),
        (
            Stream,
            action(json!({ "type": "js", "code": 302 })),
            "action.code: is not a known field; known are type",
        ),
        (Stream, action(json!({ "type": "text" })), "action.body: is required"),
        (
            Stream,
            action(json!({ "type": "text", "body": "x" })),
            "destinations: must be empty for this action",
        ),
        (
            Stream,
            json!({ "action": { "type": "status", "code": 302 }, "destinations": [] }),
            "action.code: must be 200 to 599 and not a redirect (3xx)",
        ),
        (
            Stream,
            action(json!({ "type": "campaign", "campaign": "x" })),
            "action.campaign: is not a campaign id",
        ),
        (Stream, json!({ "filters": [{ "field": "ip", "is": ["10.0.0.0/99"] }] }), "filters[0].is[0]: "),
        (
            Destination,
            json!({ "url": "offer.example" }),
            "url: must begin with http:// or https:// and a host",
        ),
        (Destination, json!({ "url": "https://o.example/{nope}" }), "url: {nope} is not a macro; known are"),
        (Destination, json!({ "payout": { "amount": "1" } }), "payout.currency: is required"),
        (
            Destination,
            json!({ "payout": { "amount": "x", "currency": "USD" } }),
            "payout.amount: must be a decimal number",
        ),
        (
            Destination,
            json!({ "caps": { "timezone": "Berlin" } }),
            "caps.timezone: 'Berlin' is not a time zone",
        ),
        (Destination, json!({ "schedule": {} }), "schedule.windows: is required"),
        (
            Destination,
            json!({ "schedule": { "windows": ["never"] } }),
            "schedule.windows[0]: 'never' is not a window",
        ),
        (
            Destination,
            json!({ "anti_repeat_s": 99_999_999 }),
            "anti_repeat_s: must be at most 31622400 seconds",
        ),
        (
            Destination,
            json!({ "health_check": { "failures": 0 } }),
            "health_check.failures: must be 1 to 100",
        ),
        (
            Destination,
            json!({ "health_check": { "method": "POST" } }),
            "health_check.method: must be one of HEAD, GET, not 'POST'",
        ),
        (
            Destination,
            json!({ "health_check": { "expected_statuses": [200, 99] } }),
            "health_check.expected_statuses[1]: must be 100 to 599",
        ),
        (Destination, json!({ "allow_upsell": "yes" }), "allow_upsell: must be true or false, not \"yes\""),
        (
            Source,
            json!({ "params": { "subs": { "sub21": "x" } } }),
            "params.subs.sub21: must be one of sub1 to sub20",
        ),
        (Source, json!({ "params": { "cost": "" } }), "params.cost: must be the name of a parameter"),
        (
            Source,
            json!({ "params": { "cost": "zone", "subs": { "sub1": "zone={z}" } } }),
            "params.subs.sub1: 'zone' is read at params.cost already",
        ),
        (Source, json!({ "postback_url": "https://s.example/{x}" }), "postback_url: {x} is not a macro"),
        (
            Network,
            json!({ "postback_secret": "short" }),
            "postback_secret: must be 8 to 200 visible ASCII characters",
        ),
        (
            Network,
            json!({ "former_secret": { "secret": "short", "until": "2026-01-01T00:00:00Z" } }),
            "former_secret.secret: must be 8 to 200 visible ASCII characters",
        ),
        (
            Network,
            json!({ "postback_secret": "s3cret-s3cret",
                "former_secret": { "secret": "s3cret-s3cret", "until": "2026-01-01T00:00:00Z" } }),
            "former_secret.secret: is the present one, which works beyond 2026-01-01T00:00:00Z",
        ),
        (
            Network,
            json!({ "allowed_ips_file": "adnet.txt" }),
            "allowed_ips_file: must be a whole path on postback-service's machine: /etc/tfx/adnet.txt",
        ),
        (Network, json!({ "postback_secret": 1_234_567_890 }), "postback_secret: must be a text"),
        (
            Network,
            json!({ "allowed_ips": ["10.0.0.1", "10.0.0"] }),
            "allowed_ips[1]: '10.0.0' is not an address or a range; write one such as 192.0.2.7",
        ),
        (
            Template,
            json!({ "statuses": { "sale": ["Paid"], "lead": ["paid"] } }),
            "statuses.sale[0]: 'Paid' stands under lead already",
        ),
        (
            Template,
            json!({ "statuses": { "sale": ["paid"] }, "ignore": ["PAID"] }),
            "ignore[0]: 'PAID' stands under sale already",
        ),
        (
            Template,
            json!({ "params": { "payout": "data..price" } }),
            "params.payout: 'data..price' has a step without a name",
        ),
        (
            Template,
            json!({ "params": { "click_id": ".id" } }),
            "params.click_id: '.id' has a step without a name",
        ),
        (
            Template,
            json!({ "params": { "status": "data." } }),
            "params.status: 'data.' has a step without a name",
        ),
        (
            Template,
            json!({ "params": { "currency": "$.data.c" } }),
            "params.currency: '$.data.c' begins with '$.'",
        ),
        (
            Template,
            json!({ "params": { "transaction_id": "a.b.c.d.e.f.g.h.i" } }),
            "params.transaction_id: 'a.b.c.d.e.f.g.h.i' has 9 steps",
        ),
        (
            Template,
            json!({ "params": { "click_id": "a[b][c][d][e][f][g][h][i]" } }),
            "params.click_id: 'a[b][c][d][e][f][g][h][i]' has 9 steps",
        ),
        (
            Template,
            json!({ "params": { "payout": "items[][price]" } }),
            "params.payout: 'items[][price]' has a step",
        ),
        (
            Template,
            json!({ "params": { "status": "items[].price" } }),
            "params.status: 'items[].price' has a step",
        ),
        (
            Template,
            json!({ "params": { "currency": "[0].price" } }),
            "params.currency: '[0].price' has a step",
        ),
        (
            Template,
            json!({ "params": { "click_id": "$[0].id" } }),
            "params.click_id: '$[0].id' begins with '$['",
        ),
        (
            Template,
            json!({ "params": { "payout": "items[0][price]", "transaction_id": "ITEMS.0.price" } }),
            "params.payout: 'items[0][price]' is the name of transaction_id already",
        ),
        (
            Template,
            json!({ "defaults": { "currency": "ZZZ" } }),
            "defaults.currency: 'ZZZ' is no currency of ISO 4217",
        ),
        (Template, json!({ "statuses": { "sale": [""] } }), "statuses.sale[0]: must not be empty"),
        (
            Template,
            json!({ "statuses": { "STATUS": ["x"] } }),
            "statuses.STATUS: put lead, sale, rejected, rebill",
        ),
        (Template, json!({ "statuses": { "": ["x"] } }), "statuses.: must be 1 to 64 characters: lead, sale"),
        (
            Template,
            json!({ "params": { "click_id": "a", "payout": "A" } }),
            "params.payout: 'A' is the name of click_id already",
        ),
        (Template, json!({ "defaults": { "payout": "-1" } }), "defaults.payout: must not be negative"),
        (
            Alert,
            json!({ "when": "clics > 1" }),
            "when: 'clics' is not a figure of reports (did you mean 'clicks'?)",
        ),
        (Alert, json!({ "channels": [] }), "channels: is required where nothing is done"),
        (Alert, json!({ "channels": ["sms:1"] }), "channels[0]: must be webhook:URL, slack:URL"),
        (Alert, json!({ "action": "pause_stream" }), "action: pauses which stream?"),
        (Alert, json!({ "action": "stop" }), "action: must be one of pause_stream, pause_destination"),
        (Alert, json!({ "armed": true }), "action: is required with armed:"),
        (
            Alert,
            json!({ "stream": "str_0000000000000000001", "return_after_s": 60 }),
            "action: is required with stream, return_after_s:",
        ),
        (Alert, json!({ "by": ["day"] }), "by[0]: must not be a time"),
        (Alert, json!({ "clear_s": 90_000 }), "clear_s: must be 0 to 86400 seconds, not 90000"),
        (Alert, json!({ "quiet": ["never"] }), "quiet[0]: 'never' is not a window"),
        (Alert, json!({ "when": "postbacks silent for 2h", "by": ["campaign"] }), "by: must be network"),
    ];
    for (kind, change, want) in table {
        let mut input = match kind {
            Campaign => CampaignSpec::example(),
            Stream => StreamSpec::example(),
            Destination => DestinationSpec::example(),
            Source => SourceSpec::example(),
            Network => NetworkSpec::example(),
            Template => TemplateSpec::example(),
            Alert => AlertSpec::example(),
        };
        for (field, value) in change.as_object().expect("an object") {
            input[field] = value.clone();
        }
        let got = problems(kind, input);
        assert!(got.len() == 1 && got[0].starts_with(want), "{kind} {change}\n got {got:?}\nwant {want}");
        assert!(!got[0].contains('`') && !got[0].contains("1234567890"), "{got:?}");
    }
}

#[test]
fn nothing_at_all_is_said_once() {
    for kind in Kind::ALL {
        for input in [json!(null), json!([]), json!("x")] {
            assert_eq!(problems(kind, input), [": must be an object"]);
        }
        let got = problems(kind, json!({}));
        assert!(got.len() >= 2 && got.iter().all(|p| p.ends_with(": is required")), "{kind}: {got:?}");
    }
}

#[test]
fn an_address_alone_is_a_range_of_one() {
    let mut input = NetworkSpec::example();
    input["allowed_ips"] = json!(["192.0.2.7", "2001:db8::1"]);
    let spec: NetworkSpec = parse(input).expect("valid");
    let shown: Vec<String> = spec.allowed_ips.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["192.0.2.7/32", "2001:db8::1/128"]);
}

#[test]
fn an_object_is_not_a_list_of_its_values() {
    let cost = json!({ "slug": "a", "name": "A", "cost": ["1.50", "USD"] });
    assert_eq!(problems(Kind::Campaign, cost), ["cost: must be an object, not a list"]);
    let inner = json!({
        "slug": "main", "name": "Main", "campaign": "cmp_0000000000000000000",
        "destinations": [["dst_0000000000000000000", 5]], "action": ["js"],
    });
    let found = problems(Kind::Stream, inner);
    assert!(found.contains(&"destinations[0]: must be an object, not a list".to_owned()), "{found:?}");
    assert!(found.iter().any(|p| p.starts_with("action: must be an object")), "{found:?}");
    let filter = read::<crate::report::ReportFilter>(json!(["os", ["iOS"]]));
    assert_eq!(filter.map_err(|p| p.to_string()), Err("must be an object, not a list".to_owned()));
}

#[test]
fn a_hundred_problems_are_enough() {
    let unknown: serde_json::Map<String, Value> = (0..500).map(|n| (format!("x{n}"), json!(1))).collect();
    assert_eq!(problems(Kind::Network, Value::Object(unknown)).len(), 100);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("https://o.example/{click_id}")),
        Just(json!("dst_0000000000000000001")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let keys =
            prop::sample::select(&["field", "is", "type", "code", "destination", "amount", "a[b]", ""][..]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys, inner), 0..4).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}

proptest! {
    /// One field of a valid input replaced by anything: accepted, or refused for problems of that field alone.
    #[test]
    fn any_value_in_any_field_is_taken_or_refused_at_its_path(
        kind in prop::sample::select(&Kind::ALL[..]),
        which: prop::sample::Index,
        value in json_value(),
    ) {
        let mut input = full(kind);
        let fields = input.as_object_mut().expect("an object");
        let field = fields.keys().nth(which.index(fields.len())).expect("in range").clone();
        fields.insert(field.clone(), value);
        let got = problems(kind, input);
        // An action decides whether there are destinations, and what is said of postbacks fits together.
        let together = [("action", "destinations"), ("postback_", "postback_")];
        let related = |p: &String| {
            p.starts_with(&field) || together.iter().any(|(of, too)| field.starts_with(of) && p.starts_with(too))
        };
        prop_assert!(got.iter().all(related), "{}: {:?}", field, got);
    }
}

#[test]
fn a_source_is_asked_for_nothing_that_cannot_work() {
    let of = |fields: Value| {
        let mut source = json!({ "slug": "push", "name": "Push" });
        source.as_object_mut().expect("object").extend(fields.as_object().expect("object").clone());
        problems(Kind::Source, source)
    };
    let url = "https://s.example/?c={external_id}";
    assert_eq!(of(json!({ "postback_url": url, "postback_urls": { "lead": url } })), [""; 0]);
    let table = [
        (json!({ "postback_on": ["sale"] }), "postback_on[0]: sale has no URL: give a postback_url"),
        (
            json!({ "postback_on": ["lead", "sale"], "postback_urls": { "sale": url } }),
            "postback_on[0]: lead has no URL",
        ),
        (json!({ "postback_url": url, "postback_on": [] }), "postback_on: must name 1 to 32 states"),
        (json!({ "postback_url": url, "postback_on": ["sale", "SALE"] }), "postback_on[1]: is named twice"),
        (
            json!({ "postback_url": url, "postback_on": ["sale", ""] }),
            "postback_on[1]: must be 1 to 64 characters",
        ),
        (
            json!({ "postback_url": url, "postback_on": ["sale"], "postback_urls": { "lead": url } }),
            "postback_urls.lead: is not asked for",
        ),
        (
            json!({ "postback_urls": { "lead": "https://s.example/{nope}" } }),
            "postback_urls.lead: {nope} is not a macro",
        ),
        (
            json!({ "postback_method": "put", "postback_url": url }),
            "postback_method: must be one of get, post_form, post_json",
        ),
        (json!({ "postback_method": "post_form" }), "postback_method: needs a postback_url"),
        (json!({ "postback_delay_s": 5 }), "postback_delay_s: needs a postback_url"),
        (
            json!({ "postback_url": url, "postback_delay_s": 2_592_001 }),
            "postback_delay_s: must be at most 2592000",
        ),
        (
            json!({ "postback_url": url, "postback_payout": { "percent": "100.1" } }),
            "postback_payout.percent: must be from 0 to 100",
        ),
        (
            json!({ "postback_url": url, "postback_payout": { "percent": "-1" } }),
            "postback_payout.percent: must be from 0 to 100",
        ),
        (
            json!({ "postback_url": url, "postback_payout": { "fixed": "-1" } }),
            "postback_payout.fixed: must not be below 0",
        ),
        (json!({ "postback_url": url, "postback_body": { "a": "b" } }), "postback_body: a GET has none"),
        (
            json!({ "postback_url": url, "postback_method": "post_form", "postback_body": { "a": { "b": "c" } } }),
            "postback_body.a: must be a text: a form",
        ),
        (
            json!({ "postback_url": url, "postback_method": "post_json", "postback_body": { "a": [{ "b": "{nope}" }] } }),
            "postback_body.a[0].b: {nope} is not a macro",
        ),
        (
            json!({ "postback_url": url, "postback_method": "post_json", "postback_body": "text" }),
            "postback_body: must be an object",
        ),
        (
            json!({ "postback_url": url, "postback_signing_key": "whsec_c2hvcnQ=" }),
            "postback_signing_key: must be whsec_ and 24 to 64 bytes in base64",
        ),
        (
            json!({ "postback_url": url, "postback_signing_key": "canary-canary-canary" }),
            "postback_signing_key: must be whsec_ and 24 to 64 bytes in base64",
        ),
    ];
    for (fields, want) in table {
        let told = of(fields.clone());
        assert!(told.len() == 1 && told[0].starts_with(want), "{fields}: {told:?}");
        assert!(!told[0].contains("canary"));
    }
}

#[test]
fn what_a_source_asks_for() {
    let asked = |fields: Value| {
        let mut source = json!({ "slug": "push", "name": "Push" });
        source.as_object_mut().expect("object").extend(fields.as_object().expect("object").clone());
        let spec: SourceSpec = parse(source).expect("valid");
        spec.tells_of().into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let url = "https://s.example/";
    assert_eq!(asked(json!({})), "");
    assert_eq!(asked(json!({ "postback_url": url })), "sale");
    assert_eq!(asked(json!({ "postback_urls": { "lead": url } })), "lead");
    assert_eq!(
        asked(json!({ "postback_url": url, "postback_urls": { "installed": url } })),
        "sale installed"
    );
    assert_eq!(asked(json!({ "postback_url": url, "postback_on": ["rejected", "LEAD"] })), "lead rejected");
}
