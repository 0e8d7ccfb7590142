//! MongoDB goes away: clicks are routed, also by a traffic-service that starts without it, and no postback is answered
//! 200 until it can be recorded.

use crate::{
    ledger::reconcile,
    load::{Load, p99},
    testbed::Testbed,
};
use reqwest::StatusCode;
use serde_json::Value;
use std::time::{Duration, Instant};
use tfx_e2e::{Engine, Service};
use tokio::task::block_in_place;

/// Whether `/readyz` says from where the configuration is, and why not from MongoDB.
fn degraded(from: &'static str) -> impl Fn(u16, &Value) -> bool {
    move |status, report| {
        let mut all = report["dependencies"].as_array().into_iter().flatten();
        let detail = all.find(|d| d["name"] == "config").and_then(|d| d["detail"].as_str()).unwrap_or("");
        status == 200
            && report["status"] == "degraded"
            && detail.contains(from)
            && detail.contains("of MONGO_URI can be reached")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_mongodb_clicks_are_routed_even_after_a_restart_and_no_postback_is_lost() {
    let mut testbed = Testbed::new(&[]).await;
    let mut load = Load::start(&testbed, 100, true);
    load.more(200).await;
    let stopped = Instant::now();
    testbed.stop(Engine::Mongo, true);
    load.until(|l| l.postbacks.iter().any(|a| a.status == Some(StatusCode::SERVICE_UNAVAILABLE))).await;
    let refused = Instant::now();
    testbed.until_ready(Service::Traffic, degraded("from memory")).await;

    let killed = Instant::now();
    testbed.kill(Service::Traffic);
    testbed.start(Service::Traffic);
    testbed.until_ready(Service::Traffic, |status, r| status == 200 && r["status"] == "degraded").await;
    let started = killed.elapsed();
    testbed.until_ready(Service::Traffic, degraded("from disk")).await;
    load.more(200).await;

    testbed.until_ready(Service::Postback, |status, r| status == 503 && r["status"] == "failed").await;
    let report = testbed.until_ready(Service::Api, |status, _| status == 503).await;
    assert!(report.to_string().contains("MONGO_URI"), "{report}");
    let (code, told) = block_in_place(|| testbed.complaint(&["campaign", "list"]));
    assert!(code == Some(6) && told.contains("MONGO_URI"), "{code:?} {told}");
    println!("MongoDB killed: tfx campaign list says: {}", told.trim());

    let back = Instant::now();
    testbed.restart(Engine::Mongo);
    let ok = |status: u16, r: &Value| status == 200 && r["status"] == "ok";
    testbed.until_ready(Service::Traffic, ok).await;
    let again = back.elapsed();
    let ledger = load.end().await;
    // Everything that was answered while it was away: refused, or recorded just before.
    let meanwhile: Vec<_> = ledger.postbacks.iter().filter(|a| (refused..back).contains(&a.begun)).collect();
    let wrong: Vec<_> =
        meanwhile.iter().filter(|a| a.begun + a.took < back && a.status == Some(StatusCode::OK)).collect();
    assert!(wrong.is_empty() && !meanwhile.is_empty(), "answered 200 while it could not record: {wrong:?}");
    let slowest = meanwhile.iter().filter(|a| a.begun + a.took < back).map(|a| a.took).max();
    // What the killed traffic-service recorded and did not answer is in the report, too.
    let stored = reconcile(&testbed, &ledger, false).await;
    let (before, during) = (ledger.between(ledger.clicks[0].begun, stopped), ledger.between(stopped, back));
    println!(
        "MongoDB killed: away for {:.1} s; traffic-service killed and serving from its snapshot after {} ms; {} redirects \
         meanwhile, p99 {:.1} ms ({:.1} ms before, {:.2}x); {} postbacks refused with 503 (the slowest after {} ms), each \
         answered 200 later; all is well {} ms after the start; answered {} redirects and {} sales, {stored}; 0 missing, 0 \
         double",
        (back - stopped).as_secs_f64(),
        started.as_millis(),
        during.len(),
        p99(&during),
        p99(&before),
        p99(&during) / p99(&before),
        meanwhile.len(),
        slowest.unwrap_or(Duration::ZERO).as_millis(),
        again.as_millis(),
        ledger.clicks.len(),
        ledger.sales().len(),
    );
}
