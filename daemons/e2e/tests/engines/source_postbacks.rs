//! Two postback-services on one MongoDB tell sources of conversions; the time of one of them stops past its claims. The
//! other sends what it held; when it goes on, it ends nothing that is not its own any more.
//!
//! MongoDB is of its own, and so are the events of each service: what is told needs no click.

use crate::testbed::until;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tfx_api::source_postbacks::SourcePostbackQuery;
use tfx_domain::entity::Kind;
use tfx_e2e::{Engine, Engines, Receiver, Service, Services};
use tokio::{task::block_in_place, time::sleep};

/// How long it is stopped.
const STOPPED: Duration = Duration::from_secs(28);

#[tokio::test(flavor = "multi_thread")]
async fn who_is_stopped_past_its_claims_loses_no_postback_to_a_source() {
    let engines = Arc::new(block_in_place(|| Engines::start_only(&[Engine::Mongo])));
    let settings = [
        ("OUTBOUND_ALLOW_PRIVATE", "true"),
        ("OUTBOUND_TIMEOUT_MS", "1000"),
        ("LOG_LEVEL", "warn"),
        ("EVENT_BROKERS", ""),
        ("CLICKHOUSE_HTTP_URL", ""),
    ];
    let mut one = Services::new(Arc::clone(&engines), &settings);
    for service in Service::ALL {
        one.start(service);
        one.until_ready(service, |status, _| status == 200).await;
    }
    let mut other = Services::new(Arc::clone(&engines), &settings);
    other.start(Service::Postback);
    other.until_ready(Service::Postback, |status, _| status == 200).await;
    let receiver = Receiver::slow(Duration::from_millis(300));
    let port = receiver.start().await.expect("a port");
    let api = one.api();
    let network =
        api.create(Kind::Network, &json!({ "slug": "adnet", "name": "N" })).await.expect("a network");
    let secret = network["postback_secret"].as_str().expect("a secret").to_owned();
    let offer = json!({ "slug": "offer", "name": "O", "url": "https://offer.example/?click_id={click_id}", "network": "adnet" });
    api.create(Kind::Destination, &offer).await.expect("a destination");
    let url = format!("http://127.0.0.1:{port}/?t={{tid}}");
    api.create(Kind::Source, &json!({ "slug": "push", "name": "S", "postback_url": url }))
        .await
        .expect("a source");
    let campaign = json!({ "slug": "camp", "name": "C", "source": "push" });
    api.create(Kind::Campaign, &campaign).await.expect("a campaign");
    let stream = json!({ "campaign": "camp", "slug": "main", "name": "M", "destinations": [{ "destination": "offer" }] });
    api.create(Kind::Stream, &stream).await.expect("a stream");
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .expect("a client");
    let link = format!("{}/c/camp", one.url(Service::Traffic));
    let click = async || {
        let answer = http
            .get(&link)
            .header("user-agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.0")
            .send()
            .await;
        let answer = answer.map_err(|e| e.to_string())?;
        let to =
            answer.headers().get("location").and_then(|l| l.to_str().ok()).unwrap_or_default().to_owned();
        let id = to.split(['?', '&']).find_map(|p| p.strip_prefix("click_id=")).map(str::to_owned);
        id.ok_or_else(|| answer.status().to_string())
    };
    until("a click is routed", click).await;
    let sell = async |n: usize| {
        let mut clicks = Vec::new();
        for _ in 0..n {
            clicks.push(click().await.expect("a click"));
        }
        // The other service has no clicks: none may be parked.
        sleep(Duration::from_secs(1)).await;
        for id in clicks {
            let base = one.url(Service::Postback);
            let url = format!("{base}/postback/adnet?secret={secret}&subid={id}&tid={id}&payout=1");
            let answer = http.get(url).send().await.expect("an answer").text().await.expect("text");
            assert!(answer.contains("recorded"), "{answer}");
        }
    };
    sell(150).await;
    let mut stops = 0;
    for _ in 0..2 {
        sell(45).await;
        // In the middle of what it sends.
        one.pause(Service::Postback);
        stops += 1;
        // Past its claims: they are held for the time-outs of what an attempt waits for, and some 15 seconds.
        sleep(STOPPED).await;
        one.resume(Service::Postback);
    }
    until("all are told", async || {
        let queue = api.tell_queue(&SourcePostbackQuery::default()).await.map_err(|e| e.to_string())?;
        let told = receiver.got().len();
        (queue.waiting == 0 && told == 240)
            .then_some(())
            .ok_or_else(|| format!("{} wait, {told} are told", queue.waiting))
    })
    .await;
    assert_eq!(api.tell_queue(&SourcePostbackQuery::default()).await.expect("the queue").dead, 0);
    let got = receiver.got();
    let repeats: u64 = got.values().map(|n| n - 1).sum();
    let late = one.metric(Service::Postback, "tfx_source_postbacks_late_total").await;
    let attempts = "tfx_source_postbacks_total";
    let here = one.metric_sum(Service::Postback, attempts).await;
    let there = other.metric_sum(Service::Postback, attempts).await;
    println!(
        "two postback-services on MongoDB, one of them stopped {stops} times for {} s: {} conversions, all told; {repeats} told \
         twice; the one made {here} attempts, {late} of which were over after its claim, the other {there}; 0 missing",
        STOPPED.as_secs(),
        got.len()
    );
    assert!(there > 0.0 && here > 0.0);
}
