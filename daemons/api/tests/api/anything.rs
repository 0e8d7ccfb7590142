//! Whatever is sent to whichever endpoint, the answer is one of ours: never a 5xx, never a panic.

use crate::server::Server;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use reqwest::Method;
use serde_json::{Value, json};

/// Every endpoint, `*` standing for a reference.
const ENDPOINTS: [(&str, &str); 30] = [
    ("GET", "/campaigns"),
    ("POST", "/campaigns"),
    ("POST", "/streams"),
    ("POST", "/destinations"),
    ("POST", "/sources"),
    ("POST", "/networks"),
    ("POST", "/templates"),
    ("POST", "/alerts"),
    ("PATCH", "/alerts/*"),
    ("POST", "/alerts/*/test"),
    ("GET", "/alert-log"),
    ("GET", "/streams/*"),
    ("PATCH", "/campaigns/*"),
    ("PATCH", "/streams/*"),
    ("PATCH", "/networks/*"),
    ("POST", "/sources/*/pause"),
    ("POST", "/streams/*/archive"),
    ("GET", "/campaigns/*/link"),
    ("GET", "/networks/*/postback-url"),
    ("POST", "/report"),
    ("GET", "/clicks"),
    ("GET", "/clicks/*"),
    ("GET", "/conversions/*"),
    ("GET", "/postbacks"),
    ("GET", "/audit"),
    ("GET", "/explain/*"),
    ("POST", "/postbacks/test"),
    ("GET", "/whoami"),
    ("GET", "/config/set"),
    ("PUT", "/config/set"),
];

/// JSON made of the words this API knows, so that it gets past the first checks.
fn likely() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "summer",
        "main",
        "offer",
        "adnet",
        "push",
        "active",
        "weight",
        "country",
        "redirect",
        "campaign",
        "US",
        "2026-01-01T00:00:00Z",
        "summer/main",
        "cmp_0000000000000000000",
        "https://x.example/{click_id}",
        "click_id",
        "day",
        "12.5",
        "UTC",
        "",
        "\u{0}",
        "ß/..%2f",
    ]);
    let leaf = prop_oneof![
        word.prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        ".{0,20}".prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "slug",
        "name",
        "status",
        "campaign",
        "network",
        "destinations",
        "destination",
        "action",
        "type",
        "code",
        "filters",
        "field",
        "is",
        "is_not",
        "url",
        "cost",
        "per_click",
        "currency",
        "caps",
        "timezone",
        "schedule",
        "windows",
        "params",
        "subs",
        "statuses",
        "since",
        "until",
        "dimensions",
        "dimension",
        "values",
        "metrics",
        "sort",
        "by",
        "limit",
        "weight",
        "position",
        "payout",
        "amount",
        "id",
        "version",
        "trafficback_url",
        "source",
        "rotation",
        "template",
        "postback_secret",
        "allowed_ips",
        "health_check",
        "unique_window_s",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => "[\\[\\]{}\",:0-9a-z]{0,60}".prop_map(String::into_bytes),
        4 => likely().prop_map(|v| v.to_string().into_bytes()),
        1 => (1usize..20_000).prop_map(|n| "[".repeat(n).into_bytes()),
    ]
}

#[tokio::test]
async fn any_bytes_anywhere_get_an_answer_below_500() {
    let s = Server::start().await;
    s.summer().await;
    // A fixed seed: a failure is the same failure again.
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let reference = prop_oneof![
        "summer(%2[Ff]main)?",
        "[ -~]{1,30}",
        "(%[0-9a-fA-F]{2}){1,20}",
        "cmp_[0-9a-z]{19}",
        "[0-7][0-9A-Z]{25}"
    ];
    let query = prop_oneof![
        Just(String::new()),
        "[?](limit|cursor|since|status|id|template|force)=[0-9a-zA-Z%&=.:-]{0,30}",
        "[?].{0,30}"
    ];
    let mut next = |strategy: &dyn Fn(&mut TestRunner) -> Vec<u8>| strategy(&mut runner);
    let mut sent = 0;
    for round in 0..40 {
        for (method, path) in ENDPOINTS {
            let text = |r: &mut TestRunner, s: &dyn Fn(&mut TestRunner) -> String| s(r).into_bytes();
            let reference = next(&|r| text(r, &|r| reference.new_tree(r).expect("tree").current()));
            let query = next(&|r| text(r, &|r| query.new_tree(r).expect("tree").current()));
            let body = next(&|r| body().new_tree(r).expect("tree").current());
            let escaped = String::from_utf8_lossy(&reference)
                .replace(['?', '#', ' ', '"', '<', '>', '\\', '^', '`', '{', '|', '}'], "-");
            let path = format!(
                "{}{}",
                path.replace('*', &escaped),
                String::from_utf8_lossy(&query).replace(['#', ' '], "")
            );
            let method: Method = method.parse().expect("a method");
            let mut request = s.request(method.clone(), &path);
            if method != Method::GET {
                request = request.header("content-type", "application/json").body(body.clone());
            }
            let shown = || format!("round {round}: {method} {path} {}", String::from_utf8_lossy(&body));
            let response = match request.send().await {
                // The client itself refuses to send some paths.
                Err(e) if e.is_builder() => continue,
                sent => sent.unwrap_or_else(|e| panic!("{}: {e}", shown())),
            };
            sent += 1;
            let status = response.status().as_u16();
            assert!(status < 500, "{status} to {}", shown());
            let text = response.text().await.expect("a body");
            let value: Value =
                serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text} to {}", shown()));
            assert_eq!(
                value["status"].as_u64() == Some(status.into()),
                status >= 400,
                "{value} to {}",
                shown()
            );
        }
    }
    assert!(sent > 20 * ENDPOINTS.len(), "only {sent} requests could be sent");
    // It still works, and nothing broken was saved.
    let (_, records) = s.stores.config.load().await.expect("loaded");
    let (_, problems) = tfx_ports::config::config_of(1, &records);
    assert!(problems.is_empty(), "{problems}");
    assert_eq!(s.get("/whoami").await.1["name"], json!("admin"));
}
