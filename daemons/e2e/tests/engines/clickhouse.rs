//! ClickHouse goes away under load and comes back, alone or with the broker, which then has forgotten everything:
//! redirects and postbacks go on, caps hold, everything counts once.

use crate::{
    journal::{deep, drained, until_deep, until_empty},
    ledger::reconcile,
    load::{Load, p99},
    testbed::{Testbed, long, until},
};
use reqwest::{StatusCode, header, redirect};
use serde_json::json;
use std::time::{Duration, Instant};
use tfx_domain::id::ClickId;
use tfx_e2e::{Engine, Service};
use tokio::task::block_in_place;

/// Clicks that the capped destination takes.
const CAP: usize = 6;

/// Sends clicks to a campaign: how many of them its destination got, the rest went to trafficback.
async fn routed(testbed: &Testbed, campaign: &str, clicks: usize) -> usize {
    let http =
        reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().build().expect("a client");
    let url = format!("{}/c/{campaign}", testbed.url(Service::Traffic));
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

/// Has the network report a lead of these: they are remembered then.
async fn report_leads(testbed: &Testbed, clicks: &[ClickId]) {
    for id in clicks {
        let url = testbed.postback_url(&format!("status=lead&clickid={id}&txid={id}"));
        let answer = reqwest::get(url).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        let body: serde_json::Value = answer.json().await.expect("JSON");
        assert_eq!(body["result"], "recorded");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clickhouse_away_stops_neither_redirects_nor_postbacks_and_caps_hold() {
    // Alone it takes its time: half a minute to stop, as long again until it reads the topics.
    let alone = if long() { &[false, true][..] } else { &[false] };
    for alone in alone {
        away(*alone).await;
    }
}

async fn away(alone: bool) {
    let testbed =
        Testbed::new(&[("DESTINATION_CAP_CACHE_TTL_MS", "200"), ("EVENT_WRITE_TIMEOUT_MS", "1000")]).await;
    let capped = format!("{}-capped", testbed.campaign);
    testbed.add_campaign(&capped, json!({ "caps": { "clicks_total": CAP } })).await;
    assert_eq!(routed(&testbed, &capped, CAP / 2).await, CAP / 2);
    let mut load = Load::start(&testbed, 50, false);
    load.more(200).await;
    // Nobody's fifth click: no sale of these is reported yet.
    let known: Vec<ClickId> = load.ledger().clicks[..4].iter().map(|c| c.id).collect();
    let first = load.end().await;
    reconcile(&testbed, &first, true).await;
    report_leads(&testbed, &known).await;
    // The broker keeps topics in memory. What it has acknowledged must be in ClickHouse before it is killed.
    until_empty(&testbed).await;
    testbed.until_ingested().await;

    let (mut load, stopped);
    if alone {
        load = Load::start(&testbed, 50, false);
        load.more(100).await;
        stopped = Instant::now();
        testbed.stop(Engine::ClickHouse, false);
    } else {
        testbed.stop(Engine::ClickHouse, true);
        testbed.stop(Engine::Broker, true);
        stopped = Instant::now();
        load = Load::start(&testbed, 50, false);
    }
    testbed.until_ready(Service::Traffic, |status, r| status == 200 && r["status"] == "degraded").await;
    let failures = testbed.metric(Service::Traffic, "tfx_cap_refresh_failures_total").await;
    until("the use of caps cannot be read", async || {
        let seen = testbed.metric(Service::Traffic, "tfx_cap_refresh_failures_total").await;
        (seen > failures).then_some(()).ok_or_else(|| format!("{seen} failures"))
    })
    .await;
    // The last values and own clicks since.
    assert_eq!(routed(&testbed, &capped, CAP).await, CAP - CAP / 2);
    load.report(known.clone());
    load.more(300).await;
    let mut anew = None;
    if !alone {
        until_deep(&testbed, 300).await;
        let deep = deep(&testbed).await;
        testbed.restart(Engine::Broker);
        block_in_place(|| testbed.said(&["migrate", "up", "topics"]));
        anew = Some((Instant::now(), deep));
    }
    let back = Instant::now();
    let last = load.ledger().clicks.last().expect("some").id;
    testbed.restart(Engine::ClickHouse);
    if let Some((anew, deep)) = anew {
        let drained = drained(&testbed, anew, deep).await;
        println!("broker killed and started anew without its topics: {drained}");
    }
    // It answers long before it knows what waits for it in the topics.
    until("ClickHouse has taken what waited", async || {
        assert_eq!(
            routed(&testbed, &capped, 1).await,
            0,
            "the cap is forgotten while clicks wait in the topics"
        );
        testbed.api().click(last).await.map(|_| ()).map_err(|e| e.to_string())
    })
    .await;
    let read = back.elapsed();
    let mut ledger = load.end().await;
    let meanwhile: Vec<_> =
        ledger.postbacks.iter().filter(|a| (stopped..back).contains(&a.begun)).cloned().collect();
    let during = ledger.between(stopped, back);
    ledger.clicks.extend(first.clicks.iter().copied());
    ledger.postbacks.extend(first.postbacks);
    let stored = reconcile(&testbed, &ledger, true).await;
    assert_eq!(routed(&testbed, &capped, 1).await, 0, "the cap is reached");

    let of = |result: &str| meanwhile.iter().filter(|a| a.result == result).count();
    let slowest = meanwhile.iter().map(|a| a.took).max().unwrap_or(Duration::ZERO);
    let (parked, updated) = (of("parked"), of("updated"));
    assert!(parked > 0 && updated == known.len(), "{parked} parked, {updated} enriched from memory");
    println!(
        "ClickHouse {}: away for {:.1} s; {} redirects meanwhile, p99 {:.1} ms ({:.1} ms before, {:.2}x); {parked} postbacks \
         parked, {updated} enriched from memory, the slowest answered in {} ms; a cap of {CAP} held; topics read {:.1} s \
         after the start, every parked postback recorded after {:.1} s; answered {} redirects and {} sales, {stored}; 0 \
         missing, 0 double",
        if alone { "stopped" } else { "killed with the broker" },
        (back - stopped).as_secs_f64(),
        during.len(),
        p99(&during),
        p99(&first.clicks),
        p99(&during) / p99(&first.clicks),
        slowest.as_millis(),
        read.as_secs_f64(),
        back.elapsed().as_secs_f64(),
        ledger.clicks.len(),
        ledger.sales().len(),
    );
}
