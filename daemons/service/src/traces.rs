//! Traces as a service tells of them, and ends them.

use crate::metrics::Text;
use std::time::Duration;
use tfx_traces::Traces;

/// What became of spans, among the metrics.
pub fn write(traces: &Traces, out: &mut Text) {
    let counts = traces.counts();
    let help = "Spans of traced clicks and requests: taken by the collector, not taken by it, left out since too many waited";
    for (result, spans) in [("sent", counts.sent), ("failed", counts.failed), ("dropped", counts.dropped)] {
        out.counter("tfx_trace_spans_total", help, &[("result", result)], spans);
    }
}

/// Sends what waits to the collector, for so long at most.
pub async fn end(traces: Traces, within: Duration) {
    if traces.is_on() {
        // It ended or its time did: either way nobody waits for it any more.
        let _ = tokio::task::spawn_blocking(move || traces.stop(within)).await;
    }
}
