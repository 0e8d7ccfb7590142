//! What of an event counts.

use serde::Deserialize;
use tfx_domain::{
    event::{Event, PostbackDirection, PostbackResult, Topic},
    id::ClickId,
    ledger::{Hour, HourLedger, LedgerKind},
};

/// What of an event counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: LedgerKind,
    pub(super) id: ClickId,
    /// Of a postback.
    pub(super) result: Option<PostbackResult>,
    /// What became of a postback that was answered before.
    later: bool,
    /// A postback that is answered 503: its sender has it still.
    pub(super) sent_again: bool,
}

impl Entry {
    /// Of a record; none if its kind is counted elsewhere.
    pub(super) fn of(topic: Topic, id: &str, payload: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Line {
            result: PostbackResult,
            #[serde(default)]
            direction: PostbackDirection,
            status: u16,
        }
        let (kind, id) = (LedgerKind::of(topic)?, id.parse().ok()?);
        let line = (kind == LedgerKind::Postbacks).then(|| serde_json::from_slice::<Line>(payload).ok());
        let line = line.flatten();
        let is = |status: u16| {
            line.as_ref().is_some_and(|l| l.direction == PostbackDirection::In && l.status == status)
        };
        let (sent_again, later) = (is(503), is(0));
        Some(Self { kind, id, result: line.map(|l| l.result), later, sent_again })
    }

    /// Of an event that never was a record.
    pub(super) fn of_event(event: &Event) -> Option<Self> {
        let (kind, id) = (LedgerKind::of(event.topic())?, event.id().parse().ok()?);
        let Event::PostbackLog(line) = event else {
            return Some(Self { kind, id, result: None, later: false, sent_again: false });
        };
        let is = |status: u16| line.direction == PostbackDirection::In && line.status == status;
        Some(Self { kind, id, result: Some(line.result), later: is(0), sent_again: is(503) })
    }

    pub(super) fn count(&self, ledger: &mut HourLedger) {
        match self.result {
            Some(result) if self.later => ledger.accept_later(self.id, result),
            result => ledger.accept(self.id, result),
        }
    }

    pub(super) fn hour(&self) -> Hour {
        Hour::of(self.id)
    }
}
