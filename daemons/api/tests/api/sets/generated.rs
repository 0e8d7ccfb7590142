//! Configurations: one with every field of every kind set, and any that are made of parts of it.

use serde_json::{Map, Value, json};

/// Every field of every kind, at another value than its default.
pub(super) fn everything() -> Value {
    json!({
        "networks": [{
            "slug": "adnet", "name": "Ad network", "aliases": ["old-net"], "status": "paused",
            "postback_secret": "canary-secret-1", "signing_key": "canary-signing-1", "allowed_ips": ["192.0.2.0/24"],
            "allowed_ips_file": "/etc/tfx/adnet.txt", "currency": "EUR", "transaction_scope": "click",
            "foreign_clicks": true,
            "templates": [
                {
                    "slug": "app", "name": "App", "aliases": ["app-old"], "status": "paused",
                    "params": { "click_id": "aff_sub", "transaction_id": "tx", "payout": "sum", "currency": "cur", "status": "st" },
                    "statuses": { "sale": ["approved"], "lead": ["hold"], "deposit": ["dep"] }, "ignore": ["ping"],
                    "defaults": { "status": "lead", "currency": "GBP", "payout": "1.5" }, "decimal": "comma", "scale": "0.01",
                    "macros": { "click_id": "{sub1}", "transaction_id": "{tx}", "payout": "{sum}", "currency": "{cur}",
                        "status": "{st}" },
                    "signature": { "in": "header:X-Signature", "signed": "{time}.{body}", "algorithm": "sha512",
                        "encoding": "base64", "prefix": "v1,",
                        "time": { "in": "header:X-Time", "unit": "ms", "within_s": 60 } },
                },
                { "slug": "default" },
            ],
        }, { "slug": "plain" }],
        "sources": [{
            "slug": "push", "name": "Push ads", "status": "paused",
            "params": { "external_id": "clickid={clickid}", "cost": "bid={bid}", "keyword": "kw", "subs": { "sub1": "zone={zone}" },
                "others": ["site={site}"] },
            "currency": "EUR", "cost": { "model": "cpm", "amount": "1.5", "currency": "GBP" },
            "postback_url": "https://user:canary-pw@push.example/pb?id={external_id}", "postback_on": ["sale", "lead"],
            "postback_urls": { "lead": "https://push.example/lead?token=canary-token&id={external_id}" },
            "postback_method": "post_json", "postback_body": { "id": "{external_id}", "key": "canary-key", "n": [1, true] },
            "postback_payout": { "percent": "80" }, "postback_delay_s": 60, "postback_first_only": true,
            "postback_signing_key": "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5",
        }, { "slug": "plain" }],
        "destinations": [{
            "slug": "offer", "name": "Offer", "status": "paused", "url": "https://offer.example/?c={click_id}&token=canary",
            "network": "adnet", "payout": { "amount": "2.5", "currency": "EUR" },
            "caps": { "clicks_daily": 1, "clicks_total": 2, "conversions_daily": 3, "conversions_total": 4,
                "timezone": "Europe/Berlin" },
            "schedule": { "timezone": "Europe/Paris", "windows": ["mon-fri 09:00-18:00"] }, "anti_repeat_s": 3600,
            "health_check": { "url": "https://u:canary@offer.example/health", "method": "GET", "expected_statuses": [200],
                "failures": 5, "successes": 6 },
            "allow_upsell": true,
        }, { "slug": "plain", "url": "https://plain.example/" }],
        "campaigns": [{
            "slug": "summer", "name": "Summer", "aliases": ["spring"], "status": "paused", "rotation": "weight", "source": "push",
            "trafficback_url": "https://back.example/", "all_down": "ignore_health",
            "cost": { "model": "cpa", "amount": "3", "currency": "GBP" }, "unique_window_s": 600, "test": true,
            "streams": [
                { "slug": "bots", "kind": "forced", "filters": [{ "field": "bot", "is": ["true"] }],
                  "action": { "type": "status", "code": 404 } },
                { "slug": "de", "name": "Germany", "status": "paused", "weight": 30, "match": "any",
                  "filters": [{ "field": "country", "is": ["DE", "AT"] }, { "field": "os", "is_not": ["iOS"] }],
                  "action": { "type": "redirect", "code": 307 },
                  "destinations": [{ "destination": "offer", "weight": 70 }, { "destination": "plain" }],
                  "select": "roi", "bind": "destination" },
                { "slug": "hand-over", "action": { "type": "campaign", "campaign": "winter" } },
                { "slug": "text", "kind": "default", "action": { "type": "text", "body": "nothing here" } },
            ],
        }, { "slug": "winter", "streams": [{ "slug": "main", "destinations": [{ "destination": "plain" }] }] }],
        "alerts": [{
            "slug": "cr", "name": "Conversion rate", "status": "paused", "when": "cr < 0.5 * avg(7d)", "by": ["campaign"],
            "filters": [{ "dimension": "stream", "values": ["summer/de"], "negate": true },
                { "dimension": "country", "values": ["DE"] }],
            "window_s": 7200, "min_clicks": 100, "for_s": 600, "clear_s": 900, "no_data_after_s": 3600,
            "quiet": ["22:00-08:00"], "timezone": "Europe/Berlin", "currency": "EUR",
            "channels": ["webhook:https://u:canary@hook.example/canary-path", "mail:anna@example.com"],
            "action": "pause_stream", "stream": "summer/de", "return_after_s": 7200, "armed": true,
        }, { "slug": "spent", "when": "spend_today > 200", "action": "pause_destination", "destination": "offer" }],
    })
}

/// Some of its entities with some of their fields, by choices; what others need is there, and every secret.
pub(super) fn some_of(choices: &[u8]) -> Value {
    const NEEDED: [&str; 19] = [
        "slug",
        "url",
        "when",
        "channels",
        "action",
        "destinations",
        "filters",
        "postback_url",
        "postback_on",
        "postback_urls",
        "postback_method",
        "postback_body",
        "stream",
        "destination",
        "streams",
        "templates",
        "signature",
        "by",
        "postback_payout",
    ];
    let mut choices = choices.iter().copied().cycle();
    let mut set = everything();
    let mut choose = |of: u8| choices.next().is_some_and(|choice| choice % of != 0);
    let mut thin = |item: &mut Map<String, Value>| {
        let names: Vec<String> = item.keys().cloned().collect();
        for name in names {
            if !NEEDED.contains(&name.as_str()) && !choose(2) {
                item.remove(&name);
            }
        }
    };
    for section in set.as_object_mut().expect("a set").values_mut() {
        for item in section.as_array_mut().expect("items").iter_mut().filter_map(Value::as_object_mut) {
            thin(item);
            for list in ["streams", "templates"] {
                for child in item.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                    thin(child.as_object_mut().expect("an item"));
                }
            }
        }
    }
    let mut choose = |of: u8| choices.next().is_some_and(|choice| choice % of != 0);
    // Nobody else needs these.
    for (list, slug) in [
        ("/alerts", "spent"),
        ("/networks", "plain"),
        ("/sources", "plain"),
        ("/networks/0/templates", "default"),
    ] {
        if !choose(3) {
            set.pointer_mut(list)
                .and_then(Value::as_array_mut)
                .expect("a list")
                .retain(|item| item["slug"] != slug);
        }
    }
    let streams = set.pointer_mut("/campaigns/0/streams").and_then(Value::as_array_mut).expect("streams");
    if choose(2) {
        streams.rotate_left(1);
    }
    if choose(2) {
        streams.swap(0, 2);
    }
    set
}
