//! What became of spans: counted, and told now and then where the collector does not take them.

use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tfx_ports::LogThrottle;

/// Spans since the start, and those that wait.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    waiting: AtomicUsize,
    pub(crate) sent: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

impl Counted {
    /// One more waits, unless there are as many as may be.
    pub(crate) fn begin(&self, most: usize) -> bool {
        let room = self.waiting.fetch_add(1, Relaxed) < most;
        if !room {
            self.waiting.fetch_sub(1, Relaxed);
            self.dropped.fetch_add(1, Relaxed);
        }
        room
    }

    /// So many were taken out, if they were not given up before: how many.
    fn end(&self, spans: usize) -> usize {
        let took = |waiting: usize| Some(waiting.saturating_sub(spans));
        self.waiting.fetch_update(Relaxed, Relaxed, took).unwrap_or_default().min(spans)
    }

    /// What waits will not be sent.
    pub(crate) fn give_up(&self) {
        self.failed.fetch_add(self.waiting.swap(0, Relaxed) as u64, Relaxed);
    }
}

/// An exporter that says what became of its spans.
#[derive(Debug)]
pub(crate) struct Told<E> {
    exporter: E,
    url: String,
    counted: Arc<Counted>,
    complaint: Mutex<LogThrottle>,
}

impl<E> Told<E> {
    pub(crate) fn new(exporter: E, url: &str, counted: &Arc<Counted>) -> Self {
        Self { exporter, url: url.to_owned(), counted: Arc::clone(counted), complaint: Mutex::default() }
    }
}

impl<E: SpanExporter> SpanExporter for Told<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let sent = self.exporter.export(batch).await;
        let spans = self.counted.end(spans);
        let counter = if sent.is_ok() { &self.counted.sent } else { &self.counted.failed };
        counter.fetch_add(spans as u64, Relaxed);
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        match &sent {
            Ok(()) => complaint.over(),
            Err(error) if complaint.due() => {
                let url = &self.url;
                tracing::warn!(url, %error, "the collector does not take traces (OTEL_EXPORTER_OTLP_ENDPOINT); they are left out");
            }
            Err(_) => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
