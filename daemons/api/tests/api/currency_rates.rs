//! Rates of currencies: how they are set, and what reports make of them.

use crate::{
    events::{at, past},
    server::{Server, message, paths},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

fn rate(from: &str, to: &str, day: &str, rate: &str) -> Value {
    json!({ "from": from, "to": to, "day": day, "rate": rate })
}

async fn report(s: &Server, currency: &str) -> Value {
    let (since, until) = (at("2026-01-01T00:00:00Z"), at("2026-03-01T00:00:00Z"));
    let asked = json!({ "since": since, "until": until, "currency": currency, "metrics": ["revenue", "cost", "roi"] });
    let (status, answer) = s.post("/report", asked).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_convert_by_the_rates_that_were_set() {
    let s = Server::start().await;
    past(&s).await;
    let without = report(&s, "EUR").await;
    assert_eq!((&without["totals"]["revenue"]["amount"], &without["converted"]), (&json!("0"), &Value::Null));
    let (cost, revenue) = (&without["unconverted"]["USD"]["cost"], &without["unconverted"]["USD"]["revenue"]);
    let (status, set) =
        s.post("/rates", json!({ "rates": [rate("usd", "EUR", "2026-01-01", "0.90")] })).await;
    assert_eq!((status, &set["new"]), (StatusCode::OK, &json!(1)), "{set}");
    let with = report(&s, "EUR").await;
    assert_eq!((&with["unconverted"], &with["note"]), (&Value::Null, &Value::Null));
    let used = &with["converted"][0];
    let want = json!({ "currency": "USD", "from": "2026-01-01", "rate": "0.9", "inverse": false,
        "revenue": revenue, "cost": cost, "bot_cost": used["bot_cost"] });
    assert_eq!(*used, want);
    assert_eq!(with["totals"]["revenue"], json!({ "amount": "2.25", "currency": "EUR" }), "2.5 × 0.9");
    assert_eq!(with["totals"]["roi"], report(&s, "USD").await["totals"]["roi"], "one rate changes no ratio");
    // The other way round it is the inverse; whoever may not see money is told of none.
    let (_, removed) =
        s.post("/rates/remove", json!({ "from": "USD", "to": "EUR", "day": "2026-01-01" })).await;
    assert_eq!(removed["removed"], 1);
    s.post("/rates", json!({ "rates": [rate("EUR", "USD", "2026-02-02", "1.25")] })).await;
    let before = report(&s, "EUR").await;
    let after = before["unconverted"]["USD"]["revenue"].clone();
    s.post("/rates", json!({ "rates": [rate("EUR", "USD", "2026-01-31", "1.25")] })).await;
    let inverse = report(&s, "EUR").await;
    assert_eq!(
        (&inverse["converted"][0]["inverse"], &inverse["converted"][0]["rate"]),
        (&json!(true), &json!("0.8"))
    );
    assert_eq!(inverse["totals"]["revenue"]["amount"], "2", "2.5 / 1.25");
    assert_eq!(after, "2.5", "it was first reported before there was a rate");
}

#[tokio::test]
async fn rates_are_set_all_or_none_listed_removed_and_audited() {
    let s = Server::start().await;
    let rates =
        json!([rate("EUR", "USD", "2026-01-01", "1.0842"), rate("JPY", "USD", "2026-01-01", "0.0064")]);
    let (_, dry) = s.post("/rates", json!({ "rates": rates, "dry_run": true })).await;
    assert_eq!((&dry["dry_run"], &dry["new"]), (&json!(true), &json!(2)));
    assert_eq!(s.get("/rates").await.1["items"], json!([]));
    s.post("/rates", json!({ "rates": rates })).await;
    let (_, again) = s.post("/rates", json!({ "rates": rates })).await;
    assert_eq!((&again["same"], &again["new"], &again["changed"]), (&json!(2), &json!(0), &json!(0)));
    assert_eq!(s.get("/rates?from=JPY").await.1["items"], json!([rates[1]]));
    assert_eq!(s.get("/rates?to=usd&limit=1").await.1["items"], json!([rates[0]]));
    let none = json!({ "from": "EUR", "to": "USD", "day": "2026-01-02" });
    let (status, problem) = s.post("/rates/remove", none).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{problem}");
    let (_, log) = s.get("/audit?id=EUR/USD").await;
    assert_eq!((&log["items"][0]["action"], &log["items"][0]["kind"]), (&json!("set"), &json!("rate")));
    assert_eq!(log["items"][0]["changes"], json!({ "2026-01-01": [null, "1.0842"] }));
    assert_eq!(log["items"].as_array().map(Vec::len), Some(1));

    let bad = json!({ "rates": [
        rate("EUR", "USD", "2026-01-03", "1.1"), rate("EUX", "USD", "2026-1-1", "-1"),
        rate("USD", "USD", "2026-01-01", "1"), rate("EUR", "USD", "2026-01-03", "1.2"),
    ] });
    let (status, problem) = s.post("/rates", bad).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        paths(&problem),
        ["rates[1].from", "rates[1].day", "rates[1].rate", "rates[2].to", "rates[3]"]
    );
    assert!(message(&problem, "rates[1].rate").contains("above 0"), "{problem}");
    assert_eq!(s.get("/rates").await.1["items"], rates, "nothing of it was set");
    for (path, body) in [
        ("/rates", json!({ "rates": [] })),
        ("/rates", json!({ "rates": [{ "from": "EUR", "to": "USD", "rate": 1.1 }] })),
        ("/rates/remove", json!({ "from": "EUR", "to": "EUR", "day": "2026-01-01" })),
    ] {
        let (status, problem) = s.post(path, body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {problem}");
    }
    assert_eq!(s.ask(Method::GET, "/rates?from=EUX", None).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}
