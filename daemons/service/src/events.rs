//! The event producer as operators see it: its counters, its part of `/readyz`, its metrics.

use crate::{health::Detail, metrics::Text};
use axum::{Json, Router, routing::get};
use std::{fmt::Write as _, sync::Arc, time::Duration};
use tfx_events::{Producer, ProducerStats};

/// `GET /internal/event-producer/stats`; to be put behind the internal token.
pub fn routes(producer: Arc<Producer>) -> Router {
    let stats = move || {
        let stats = producer.stats();
        async move { Json(stats) }
    };
    Router::new().route("/internal/event-producer/stats", get(stats))
}

/// For `/readyz`: how much waits for delivery, and why.
pub fn detail(stats: ProducerStats) -> Detail {
    let mut text = format!("{} events wait for delivery", stats.outbox_depth_events);
    if stats.degraded && stats.unwritten_events > 0 {
        let _ = write!(text, ", {} for the disk: they are lost if the process dies", stats.unwritten_events);
    }
    if stats.late_total > 0 {
        let _ = write!(text, "; {} were written only after their answer", stats.late_total);
    }
    let age = Duration::from_millis(stats.oldest_undelivered_age_ms);
    let detail = match stats.last_error.filter(|_| stats.degraded) {
        Some(error) => Detail::degraded(format!("{text}: {error}")),
        None => Detail { degraded: stats.degraded, ..Detail::ok().text(text) },
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
    out.gauge("tfx_events_outbox_depth", "Events not delivered yet", &labels, stats.outbox_depth_events);
    let age = stats.oldest_undelivered_age_ms as f64 / 1e3;
    out.gauge("tfx_events_oldest_undelivered_seconds", "Age of the oldest of them", &labels, age);
}
