//! The event producer as operators see it: its counters, its part of `/readyz`, its metrics.

use crate::{ProblemResponse, health::Detail, metrics::Text};
use axum::{
    Json, Router,
    extract::Query,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use std::{fmt::Write as _, sync::Arc, time::Duration};
use tfx_events::{Producer, ProducerStats};

/// `GET /internal/event-producer/stats`, and `POST /internal/event-producer/replay-refused` and `…/erase`; to be
/// put behind the internal token.
pub fn routes(producer: Arc<Producer>) -> Router {
    let asked = Arc::clone(&producer);
    let stats = move || {
        let stats = asked.stats();
        async move { Json(stats) }
    };
    let erasing = Arc::clone(&producer);
    let erase = move |Json(asked): Json<Erase>| async move { erase(&erasing, asked).await };
    let replay = move |Query(how): Query<Replay>| async move { replay(&producer, how.dry_run).await };
    Router::new()
        .route("/internal/event-producer/stats", get(stats))
        .route("/internal/event-producer/replay-refused", post(replay))
        .route("/internal/event-producer/erase", post(erase))
}

#[derive(Deserialize)]
struct Erase {
    /// Ids and addresses of a person.
    texts: Vec<String>,
    /// Only count them.
    #[serde(default)]
    dry_run: bool,
}

async fn erase(producer: &Producer, Erase { texts, dry_run }: Erase) -> Response {
    match producer.erase(texts, dry_run).await {
        Ok(erased) => Json(erased).into_response(),
        Err(e) => ProblemResponse::unavailable(e.to_string()).into_response(),
    }
}

#[derive(Deserialize)]
struct Replay {
    /// Only count them.
    #[serde(default)]
    dry_run: bool,
}

async fn replay(producer: &Producer, dry_run: bool) -> Response {
    match producer.replay_refused(dry_run).await {
        Ok(replayed) => Json(replayed).into_response(),
        Err(e) => {
            let detail = format!("{e}; the refused events stay where they are, try again later");
            ProblemResponse::new(http::StatusCode::CONFLICT, "not_replayed", detail).into_response()
        }
    }
}

/// Longest time to see whether the journal takes events: shorter than that of a check, so that the reason is told.
const PROBE_WITHIN: Duration = Duration::from_secs(3);

/// For `/readyz`: whether the journal takes events, how much waits for delivery, and why. With `must_be_durable` nobody is
/// served while it takes none.
///
/// # Errors
/// It takes none, and must.
pub async fn check(producer: Arc<Producer>, must_be_durable: bool) -> Result<Detail, String> {
    let probed = tokio::time::timeout(PROBE_WITHIN, producer.probe()).await;
    let broken = match probed {
        Ok(Ok(())) => return Ok(detail(producer.stats())),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("the event journal does not answer within {PROBE_WITHIN:?}"),
    };
    if must_be_durable {
        return Err(format!("{broken}; what cannot be recorded is answered 503"));
    }
    let stats = producer.stats();
    let dropped = stats.dropped_total;
    let Detail { text, age, .. } = detail(stats);
    let text =
        format!("{broken}; redirects go on, {dropped} events were dropped; {}", text.unwrap_or_default());
    Ok(Detail { age, ..Detail::degraded(text) })
}

fn detail(stats: ProducerStats) -> Detail {
    let mut text = format!("{} events wait for delivery", stats.outbox_depth_events);
    if stats.degraded && stats.unwritten_events > 0 {
        let _ = write!(text, ", {} for the disk: they are lost if the process dies", stats.unwritten_events);
    }
    if stats.late_total > 0 {
        let _ = write!(text, "; {} were written only after their answer", stats.late_total);
    }
    let _ = write!(text, "; refused_total {}", stats.refused_total);
    if stats.refused_waiting > 0 {
        let _ = write!(
            text,
            "; {} refused events are in no report: look into refused.jsonl, then `tfx events replay-refused`",
            stats.refused_waiting
        );
    }
    let age = Duration::from_millis(stats.oldest_undelivered_age_ms);
    let detail = match stats.last_error.filter(|_| stats.degraded) {
        Some(error) => Detail::degraded(format!("{text}: {error}")),
        None => Detail { degraded: stats.degraded || stats.refused_waiting > 0, ..Detail::ok().text(text) },
    };
    detail.age(age)
}

/// The numbers that monitoring watches.
pub fn write(service: &str, stats: &ProducerStats, out: &mut Text) {
    let labels = [("service", service)];
    let counters = [
        ("tfx_events_delivered_total", "Events the sink took", stats.delivered_total),
        ("tfx_events_write_retry_total", "Deliveries that were repetitions", stats.write_retry_total),
        ("tfx_events_write_failure_total", "Final failures of a batch", stats.write_failure_total),
        ("tfx_events_dropped_total", "Events lost", stats.dropped_total),
        ("tfx_events_late_total", "Events that went on before the disk had them", stats.late_total),
        ("tfx_events_refused_total", "Events refused for good", stats.refused_total),
    ];
    for (name, help, value) in counters {
        out.counter(name, help, &labels, value);
    }
    out.gauge(
        "tfx_events_unwritten",
        "Events in memory, not in the journal yet",
        &labels,
        stats.unwritten_events,
    );
    out.gauge(
        "tfx_events_refused_waiting",
        "Refused events that are in no report",
        &labels,
        stats.refused_waiting,
    );
    out.gauge("tfx_events_outbox_depth", "Events not delivered yet", &labels, stats.outbox_depth_events);
    let age = stats.oldest_undelivered_age_ms as f64 / 1e3;
    out.gauge("tfx_events_oldest_undelivered_seconds", "Age of the oldest of them", &labels, age);
}
