//! The broker goes away under load and comes back: redirects go on, the journal grows and drains, everything counts
//! once.

use crate::{
    ground::{Ground, until},
    ledger::reconcile,
    load::{Load, p99},
};
use std::time::{Duration, Instant};
use tfx_e2e::{Engine, Service};
use tokio::{task::block_in_place, time::sleep};

const CLICKS_PER_SECOND: u32 = 250;

/// Events in traffic-service's journal.
async fn depth(ground: &Ground) -> u64 {
    ground.counters(Service::Traffic).await["outbox_depth_events"].as_u64().expect("a depth")
}

/// Waits until the journal has grown to this.
async fn until_deep(ground: &Ground, events: u64) {
    until("the journal grows", async || {
        let seen = depth(ground).await;
        (seen >= events).then_some(()).ok_or_else(|| format!("{seen} events"))
    })
    .await;
}

/// Waits until the journal holds no more than what is under way, while clicks go on: what it held at the most, and how
/// long it took.
async fn drained(ground: &Ground) -> (u64, Duration) {
    let (begun, mut most) = (Instant::now(), 0);
    loop {
        let stats = ground.counters(Service::Traffic).await;
        let seen = stats["outbox_depth_events"].as_u64().expect("a depth");
        most = most.max(seen);
        if seen <= most / 20 {
            return (most, begun.elapsed());
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the journal does not drain: {stats}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stands_still_for_a_while_loses_nothing_under_either_policy() {
    for policy in ["fail_open", "fail_closed"] {
        // Short, so that writes fail for good while the broker is away.
        let settings = [
            ("EVENT_WRITE_FAILURE_POLICY", policy),
            ("EVENT_WRITE_TIMEOUT_MS", "1000"),
            ("EVENT_WRITE_MAX_ATTEMPTS", "2"),
        ];
        let ground = Ground::new(&settings).await;
        let mut load = Load::start(&ground, CLICKS_PER_SECOND, false);
        load.more(500).await;
        let paused = Instant::now();
        ground.pause(Engine::Broker);
        until_deep(&ground, 1000).await;
        until("the journal says that it cannot deliver", async || {
            let stats = ground.counters(Service::Traffic).await;
            (stats["write_failure_total"].as_u64() > Some(0)).then_some(()).ok_or_else(|| stats.to_string())
        })
        .await;
        let report = ground
            .until_ready(Service::Traffic, |status, r| status == 200 && r["status"] == "degraded")
            .await;
        assert!(report.to_string().contains("events"), "{report}");
        let resumed = Instant::now();
        ground.resume(Engine::Broker);
        let (most, took) = drained(&ground).await;
        load.more(250).await;
        let ledger = load.end().await;
        let (before, during) =
            (ledger.between(ledger.clicks[0].begun, paused), ledger.between(paused, resumed));
        let stats = ground.counters(Service::Traffic).await;
        let stored = reconcile(&ground, &ledger, true).await;
        assert_eq!((stats["dropped_total"].as_u64(), stats["refused_total"].as_u64()), (Some(0), Some(0)));
        println!(
            "broker paused, {policy}: {:.1} s; {} redirects meanwhile, p99 {:.1} ms ({:.1} ms before, {:.2}x); journal {most} \
             events deep, drained in {} ms ({:.0} events/s), {} final failures, {} retries; answered {} redirects and {} \
             sales, {stored}; 0 missing, 0 double",
            (resumed - paused).as_secs_f64(),
            during.len(),
            p99(&during),
            p99(&before),
            p99(&during) / p99(&before),
            took.as_millis(),
            most as f64 / took.as_secs_f64(),
            stats["write_failure_total"],
            stats["write_retry_total"],
            ledger.clicks.len(),
            ledger.sales().len(),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_back_empty_gets_what_it_had_not_acknowledged() {
    let ground = Ground::new(&[("EVENT_WRITE_TIMEOUT_MS", "1000")]).await;
    let mut load = Load::start(&ground, CLICKS_PER_SECOND, false);
    load.more(250).await;
    let first = load.end().await;
    // What it acknowledges from here on, it forgets when it dies: it keeps topics in memory.
    reconcile(&ground, &first, true).await;
    ground.stop(Engine::Broker, true);
    let mut load = Load::start(&ground, CLICKS_PER_SECOND, false);
    until_deep(&ground, 500).await;
    let begun = Instant::now();
    ground.restart(Engine::Broker);
    block_in_place(|| ground.said(&["migrate", "up", "topics"]));
    let (most, took) = drained(&ground).await;
    load.more(250).await;
    let mut ledger = load.end().await;
    ledger.clicks.extend(first.clicks);
    ledger.postbacks.extend(first.postbacks);
    let stored = reconcile(&ground, &ledger, true).await;
    println!(
        "broker killed and started anew without its topics: journal {most} events deep, drained {} ms after the topics were \
         made, everything in the report {:.1} s after the start; answered {} redirects and {} sales, {stored}; 0 missing, 0 \
         double",
        took.as_millis(),
        begun.elapsed().as_secs_f64(),
        ledger.clicks.len(),
        ledger.sales().len(),
    );
}
