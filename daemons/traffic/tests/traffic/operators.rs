//! What operators see, and that nobody else does.

use crate::world::{DESKTOP, TOKEN, Testbed};
use serde_json::json;

#[tokio::test]
async fn operators_need_the_token() {
    let testbed = Testbed::new(&[]);
    testbed.summer().await;
    let world = testbed.start().await;
    for (method, path) in
        [("GET", "/metrics"), ("GET", "/internal/event-producer/stats"), ("POST", "/internal/explain")]
    {
        let tokens = [
            (None, 401),
            (Some("Bearer "), 401),
            (Some("Basic eDp5"), 401),
            (Some("Bearer internal-token-of-the-testS"), 403),
            (Some("Bearer internal-token"), 403),
        ];
        for (token, want) in tokens {
            let headers: Vec<_> = token.map(|t| ("authorization", t)).into_iter().collect();
            assert_eq!(world.send(method, path, &headers).await.status, want, "{method} {path} {token:?}");
        }
    }
    assert_eq!(world.operator("/metrics").await.status, 200);
    assert_eq!(world.operator("/internal/event-producer/stats").await.status, 200);
    assert_eq!(world.explain(&json!({ "slug": "summer" })).await.status, 200);
    for path in ["/internal/", "/internal/unknown", "/internal", "/metrics/x"] {
        assert_eq!(world.operator(path).await.status, 404, "{path}");
    }
    world.left_nothing().await;
    world.stop().await;
}

#[tokio::test]
async fn readiness_names_every_dependency_and_metrics_every_number() {
    let testbed = Testbed::new(&[]);
    testbed.summer().await;
    let world = testbed.start().await;
    world.click("/c/summer", &[]).await;
    world.click("/c/unknown", &[]).await;
    assert_eq!(world.get("/healthz").await.json(), json!({ "status": "ok" }));
    world.restored(0).await;
    let ready = world.get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["status"]), (200, &json!("ok")), "{}", ready.body);
    let ready = ready.json();
    let names: Vec<_> = ready["dependencies"].as_array().expect("list").iter().map(|d| &d["name"]).collect();
    assert_eq!(names, ["config", "events", "analytics", "geo", "destinations", "agents", "visitors"]);
    let metrics = world.operator("/metrics").await.body;
    tfx_service::testing::exposition::check(&metrics).expect("an exposition");
    for line in [
        "tfx_clicks_total{outcome=\"routed\"} 1",
        "tfx_clicks_total{outcome=\"not_found\"} 1",
        "tfx_clicks_total{outcome=\"trafficback\"} 0",
        "tfx_clicks_total{outcome=\"loop\"} 0",
        "tfx_clicks_refused_total 0",
        "tfx_visitor_memory_entries 3",
        "tfx_cap_refresh_failures_total 0",
        "tfx_probes_total{result=\"bad\"} 0",
        "tfx_destinations_watched 0",
        "tfx_destinations_down 0",
        "tfx_events_delivered_total{service=\"traffic\"} 2",
        "tfx_events_dropped_total{service=\"traffic\"} 0",
        "tfx_events_outbox_depth{service=\"traffic\"} 0",
        "tfx_panics_total{service=\"traffic\"} 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "no {line} in {metrics}");
    }
    for secret in [TOKEN, "summer", "offer", DESKTOP] {
        assert!(!metrics.contains(secret), "{secret} is in the metrics");
    }
    let stats = world.stats().await;
    for name in [
        "write_calls_total",
        "write_attempts_total",
        "write_success_total",
        "write_failure_total",
        "write_retry_total",
        "marshal_failure_total",
        "context_cancel_total",
        "bytes_written_total",
        "outbox_depth_events",
    ] {
        assert!(stats[name].is_u64(), "{name} in {stats}");
    }
    assert!(stats["last_success_at"].is_string() && stats["last_failure_at"].is_null(), "{stats}");
    world.stop().await;
}
