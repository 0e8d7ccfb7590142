//! Lanes of probes: many destinations of one server, which is silent or slow, and those of others beside them.

use crate::{
    health::{FAST, check, known},
    world::Testbed,
};
use axum::{Router, extract::Path, routing::any};
use http::StatusCode;
use serde_json::json;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tfx_domain::routing::Health;
use tfx_service::testing::until;
use tokio::{net::TcpListener, task::JoinSet, time::sleep};

/// A server that takes connections and never answers.
async fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let addr = listener.local_addr().expect("address");
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
            // Who asked has given up long ago.
            if held.len() > 1_000 {
                held.drain(..500);
            }
        }
    });
    addr
}

/// A server that takes its time for every answer.
async fn slow(time: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let addr = listener.local_addr().expect("address");
    let answer = move || async move {
        sleep(time).await;
        StatusCode::OK
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/{name}", any(answer))).await });
    addr
}

/// When each path was last asked for, and its longest pause.
type Asked = Arc<Mutex<HashMap<String, (Instant, Duration)>>>;

/// A server that answers at once.
async fn good(asked: &Asked) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let addr = listener.local_addr().expect("address");
    let asked = Arc::clone(asked);
    let answer = move |Path(name): Path<String>| {
        let (mut asked, now) = (asked.lock().expect("no panic"), Instant::now());
        let last = asked.entry(name).or_insert((now, Duration::ZERO));
        *last = (now, last.1.max(now - last.0));
        async { StatusCode::OK }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/{name}", any(answer))).await });
    addr
}

const INTERVAL: Duration = Duration::from_secs(3);

/// A sixth of the interval is the time-out, as it is by default: with eight at a time, all of them would be known to be down
/// after 75 seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn destinations_of_a_silent_server_are_down_in_time_and_those_of_others_are_probed_in_theirs() {
    let asked = Asked::default();
    let (silent, good) = (silent().await, good(&asked).await);
    let testbed = Testbed::new(&[
        ("OUTBOUND_ALLOW_PRIVATE", "true"),
        ("DESTINATION_HEALTHCHECK_INTERVAL_MS", "3000"),
        ("DESTINATION_HEALTHCHECK_TIMEOUT_MS", "500"),
    ]);
    for n in 0..400 {
        let spec = json!({ "health_check": { "url": format!("http://{silent}/{n}"), "failures": 3 } });
        testbed.destination(&format!("silent-{n}"), spec).await;
        if n % 8 == 0 {
            let name = format!("good-{n}");
            testbed.destination(&name, check(good, &name)).await;
        }
    }
    let world = testbed.start().await;
    let began = Instant::now();
    let mut down = 0;
    while down < 400 && began.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(100)).await;
        down = known(&world).await.iter().filter(|h| h.state == Health::Down).count();
    }
    let took = began.elapsed();
    // Three intervals, and as much again for the first that were put in, for the time-out, and for a machine with neighbours.
    assert!(down == 400 && took < INTERVAL * 8, "{down} of 400 are down after {took:?}");
    let asked = asked.lock().expect("no panic").clone();
    assert_eq!(asked.len(), 50);
    let late: Vec<_> =
        asked.iter().filter(|(_, (last, pause))| *pause.max(&last.elapsed()) > INTERVAL * 2).collect();
    assert!(late.is_empty(), "{late:?}");
    let put_off = world.metric("tfx_probes_total{result=\"put_off\"}").await;
    eprintln!("all are down after {took:?}, {put_off} were put off");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_destinations_of_one_slow_server_stay_up() {
    let at = slow(Duration::from_millis(700)).await;
    let testbed = Testbed::new(FAST);
    for n in 0..40 {
        let name = format!("offer-{n}");
        testbed.destination(&name, check(at, &name)).await;
    }
    let world = testbed.start().await;
    until("all are probed", async || known(&world).await.len() == 40).await;
    let all = known(&world).await;
    assert!(all.iter().all(|h| h.state == Health::Up && h.probe.healthy), "{all:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_finds_no_lane_is_told_and_turns_nothing_down() {
    let at = silent().await;
    let testbed = Testbed::new(&[
        ("OUTBOUND_ALLOW_PRIVATE", "true"),
        ("DESTINATION_HEALTHCHECK_INTERVAL_MS", "3600000"),
        ("DESTINATION_HEALTHCHECK_TIMEOUT_MS", "60000"),
    ]);
    let mut offers = Vec::new();
    for n in 0..3 {
        let name = format!("offer-{n}");
        offers.push(testbed.destination(&name, check(at, &name)).await.id);
    }
    let world = Arc::new(testbed.start().await);
    // Eight lanes, and twelve that want one for longer than anybody waits.
    let mut asked = JoinSet::new();
    for offer in offers.iter().flat_map(|offer| std::iter::repeat_n(offer, 4)) {
        let (world, path) = (Arc::clone(&world), format!("/internal/probe/{offer}"));
        asked.spawn(async move { world.ask("POST", &path).await });
    }
    let refused = asked.join_next().await.expect("an answer").expect("no panic");
    assert_eq!((refused.status, &refused.json()["code"]), (429, &json!("too_many_probes")));
    assert!(refused.json()["detail"].to_string().contains("too many requests to"), "{}", refused.json());
    let ready = world.ready("destinations").await.1;
    assert!(ready["detail"].to_string().contains("are put off: too many requests to"), "{ready}");
    let told = world.ask("GET", "/internal/probes").await.json();
    assert_eq!(told["items"][0]["failure"], "busy", "{told}");
    assert!(known(&world).await.is_empty(), "nothing is known of who was not asked");
    asked.shutdown().await;
    Arc::into_inner(world).expect("nobody asks").stop().await;
}
