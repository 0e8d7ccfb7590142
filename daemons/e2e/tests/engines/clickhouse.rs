//! ClickHouse goes away under load and comes back: redirects and postbacks go on, caps hold, everything counts once.

use crate::{
    ground::{Ground, until},
    ledger::reconcile,
    load::{Load, p99},
};
use reqwest::{StatusCode, header, redirect};
use serde_json::json;
use std::time::{Duration, Instant};
use tfx_domain::id::ClickId;
use tfx_e2e::{Engine, Service};

/// Clicks that the capped destination takes.
const CAP: usize = 6;

/// Sends clicks to a campaign: how many of them its destination got, the rest went to trafficback.
async fn routed(ground: &Ground, campaign: &str, clicks: usize) -> usize {
    let http =
        reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().build().expect("a client");
    let url = format!("{}/c/{campaign}", ground.url(Service::Traffic));
    let mut routed = 0;
    for _ in 0..clicks {
        let browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.0 Safari/537.36";
        let answer = http.get(&url).header(header::USER_AGENT, browser).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::FOUND);
        let location = answer.headers()[header::LOCATION].to_str().expect("text");
        routed += usize::from(!location.contains("nobody"));
    }
    routed
}

/// Has the network report a lead of these; what it was answered.
async fn leads(ground: &Ground, clicks: &[ClickId]) -> Vec<String> {
    let mut results = Vec::new();
    for id in clicks {
        let url = ground.postback_url(&format!("status=lead&clickid={id}&txid={id}"));
        let answer = reqwest::get(url).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        let body: serde_json::Value = answer.json().await.expect("JSON");
        results.push(body["result"].as_str().expect("a result").to_owned());
    }
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn clickhouse_away_stops_neither_redirects_nor_postbacks_and_caps_hold() {
    let ground = Ground::new(&[("DESTINATION_CAP_CACHE_TTL_MS", "200")]).await;
    let capped = format!("{}-capped", ground.campaign);
    let capped_id = ground.add_campaign(&capped, json!({ "caps": { "clicks_total": CAP } })).await;
    assert_eq!(routed(&ground, &capped, CAP / 2).await, CAP / 2);

    let mut load = Load::start(&ground, 100, false);
    load.more(200).await;
    // Nobody's fifth click: no sale of these is reported yet.
    let known: Vec<ClickId> = load.ledger().clicks[..4].iter().map(|c| c.id).collect();
    until("the first clicks are stored", async || {
        ground.api().click(known[3]).await.map(|_| ()).map_err(|e| e.to_string())
    })
    .await;
    let count = format!("SELECT count() FROM click_events WHERE campaign_id = '{capped_id}'");
    until("the first clicks of the capped one are stored", async || {
        let seen = ground.sql(&count).await;
        (seen == (CAP / 2).to_string()).then_some(()).ok_or(seen)
    })
    .await;
    assert!(leads(&ground, &known).await.iter().all(|r| r == "recorded"));

    let stopped = Instant::now();
    ground.stop(Engine::ClickHouse, false);
    ground.until_ready(Service::Traffic, |status, r| status == 200 && r["status"] == "degraded").await;
    let failures = ground.metric(Service::Traffic, "tfx_cap_refresh_failures_total").await;
    until("the use of caps cannot be read", async || {
        let seen = ground.metric(Service::Traffic, "tfx_cap_refresh_failures_total").await;
        (seen > failures).then_some(()).ok_or_else(|| format!("{seen} failures"))
    })
    .await;
    // The last values and own clicks since.
    assert_eq!(routed(&ground, &capped, CAP).await, CAP - CAP / 2);
    load.report(known.clone());
    load.more(500).await;
    let back = Instant::now();
    ground.restart(Engine::ClickHouse);
    // It answers, and does not know yet what waits for it in the topics.
    let overshoot = until("ClickHouse has taken what waited", async || {
        let overshoot = routed(&ground, &capped, 1).await;
        assert_eq!(overshoot, 0, "the cap is forgotten while clicks wait in the topics");
        let lag = ground.api().ingestion_lag().await.map_err(|e| e.to_string())?;
        (lag.messages < 200).then_some(overshoot).ok_or_else(|| format!("{} messages wait", lag.messages))
    })
    .await;
    let ledger = load.end().await;
    let stored = reconcile(&ground, &ledger, true).await;
    assert_eq!(routed(&ground, &capped, 1).await, 0, "the cap is reached");

    let (before, during) = (ledger.between(ledger.clicks[0].begun, stopped), ledger.between(stopped, back));
    let meanwhile = ledger.postbacks.iter().filter(|a| (stopped..back).contains(&a.begun));
    let of = |result: &str| meanwhile.clone().filter(|a| a.result == result).count();
    let slowest = meanwhile.clone().map(|a| a.took).max().unwrap_or(Duration::ZERO);
    let (parked, updated) = (of("parked"), of("updated"));
    assert!(parked > 0 && updated == known.len(), "{parked} parked, {updated} enriched from memory");
    assert_eq!(parked + updated, meanwhile.count(), "every postback is answered 200");
    println!(
        "ClickHouse stopped: {:.1} s; {} redirects meanwhile, p99 {:.1} ms ({:.1} ms before, {:.2}x); {parked} postbacks \
         parked, {updated} enriched from memory, the slowest answered in {} ms; cap of {CAP}: {overshoot} too many; caught \
         up {:.1} s after the start; answered {} redirects and {} sales, {stored}; 0 missing, 0 double",
        (back - stopped).as_secs_f64(),
        during.len(),
        p99(&during),
        p99(&before),
        p99(&during) / p99(&before),
        slowest.as_millis(),
        back.elapsed().as_secs_f64(),
        ledger.clicks.len(),
        ledger.sales().len(),
    );
}
