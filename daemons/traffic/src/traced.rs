//! The beginning of a click's trace: the request, and the wait for the journal.

use std::time::SystemTime;
use tfx_domain::{event::ClickEvent, id::ClickId};
use tfx_ports::clock;
use tfx_traces::{Step, StepKind, Traces};

/// A click that is traced, while it waits for its record.
pub(crate) struct TracedClick<'t> {
    traces: &'t Traces,
    id: ClickId,
    began: SystemTime,
    decided: SystemTime,
    failed: String,
    facts: Vec<(&'static str, String)>,
}

impl<'t> TracedClick<'t> {
    /// None of most clicks. `began`: when the request had come, where any are traced.
    pub(crate) fn of(traces: &'t Traces, event: &ClickEvent, began: Option<SystemTime>) -> Option<Self> {
        let began = began.filter(|_| traces.takes(event.click_id))?;
        let mut facts = vec![("tfx.outcome", event.outcome.as_str().to_owned())];
        let ids = [
            ("tfx.campaign_id", event.dims.campaign_id.as_ref().map(ToString::to_string)),
            ("tfx.stream_id", event.dims.stream_id.as_ref().map(ToString::to_string)),
            ("tfx.destination_id", event.dims.destination_id.as_ref().map(ToString::to_string)),
        ];
        facts.extend(ids.into_iter().filter_map(|(name, id)| Some((name, id?))));
        Some(Self {
            traces,
            id: event.click_id,
            began,
            decided: clock::precise(),
            failed: String::new(),
            facts,
        })
    }

    /// Why it is not recorded; none: it is.
    pub(crate) fn recorded(mut self, failed: Option<String>) {
        self.failed = failed.unwrap_or_default();
    }
}

impl Drop for TracedClick<'_> {
    /// Also of a visitor who goes away while he waits: his click is recorded all the same.
    fn drop(&mut self) {
        let ended = clock::precise();
        let (failed, facts) = (std::mem::take(&mut self.failed), std::mem::take(&mut self.facts));
        let step = |name: &'static str, kind, began, facts| Step {
            name: name.into(),
            kind,
            began,
            ended,
            failed: failed.clone(),
            facts,
        };
        let journal = step("wait for the journal", StepKind::Internal, self.decided, Vec::new());
        self.traces.step(self.id, journal);
        self.traces.click(self.id, step("click", StepKind::Server, self.began, facts));
    }
}
