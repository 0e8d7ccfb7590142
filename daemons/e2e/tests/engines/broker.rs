//! The broker stands still under load and goes on: redirects go on, the journal grows and drains, everything counts
//! once.

use crate::{
    journal::{deep, drained, until_deep},
    ledger::reconcile,
    load::{Load, p99},
    testbed::{Testbed, until},
};
use std::time::Instant;
use tfx_e2e::{Engine, Service};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stands_still_for_a_while_loses_nothing_under_either_policy() {
    for policy in ["fail_open", "fail_closed"] {
        // Short, so that writes fail for good while the broker is away.
        let settings = [
            ("EVENT_WRITE_FAILURE_POLICY", policy),
            ("EVENT_WRITE_TIMEOUT_MS", "1000"),
            ("EVENT_WRITE_MAX_ATTEMPTS", "2"),
        ];
        let testbed = Testbed::new(&settings).await;
        let mut load = Load::start(&testbed, 250, false);
        load.more(500).await;
        let paused = Instant::now();
        testbed.pause(Engine::Broker);
        until_deep(&testbed, 1000).await;
        until("the journal says that it cannot deliver", async || {
            let stats = testbed.counters(Service::Traffic).await;
            (stats["write_failure_total"].as_u64() > Some(0)).then_some(()).ok_or_else(|| stats.to_string())
        })
        .await;
        let report = testbed
            .until_ready(Service::Traffic, |status, r| status == 200 && r["status"] == "degraded")
            .await;
        let told = report.to_string();
        assert!(told.contains("EVENT_BROKERS"), "{told}");
        let (deep, resumed) = (deep(&testbed).await, Instant::now());
        testbed.resume(Engine::Broker);
        let drained = drained(&testbed, resumed, deep).await;
        load.more(250).await;
        let ledger = load.end().await;
        let (before, during) =
            (ledger.between(ledger.clicks[0].begun, paused), ledger.between(paused, resumed));
        let stored = reconcile(&testbed, &ledger, true).await;
        let stats = testbed.counters(Service::Traffic).await;
        assert_eq!((stats["dropped_total"].as_u64(), stats["refused_total"].as_u64()), (Some(0), Some(0)));
        println!(
            "broker paused, {policy}: {:.1} s; {} redirects meanwhile, p99 {:.1} ms ({:.1} ms before, {:.2}x); {drained}; {} \
             final failures, {} retries; answered {} redirects and {} sales, {stored}; 0 missing, 0 double",
            (resumed - paused).as_secs_f64(),
            during.len(),
            p99(&during),
            p99(&before),
            p99(&during) / p99(&before),
            stats["write_failure_total"],
            stats["write_retry_total"],
            ledger.clicks.len(),
            ledger.sales().len(),
        );
    }
}
