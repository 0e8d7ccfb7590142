//! What of an event counts.

use serde::Deserialize;
use tfx_domain::{
    event::{Event, PostbackDirection, PostbackResult, Topic},
    id::ClickId,
    ledger::{Hour, LedgerKind},
};

/// What of an event counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: LedgerKind,
    pub(super) id: ClickId,
    /// Of a postback.
    pub(super) result: Option<PostbackResult>,
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
        let sent_again =
            line.as_ref().is_some_and(|l| l.direction == PostbackDirection::In && l.status == 503);
        Some(Self { kind, id, result: line.map(|l| l.result), sent_again })
    }

    /// Of an event that never was a record.
    pub(super) fn of_event(event: &Event) -> Option<Self> {
        let (kind, id) = (LedgerKind::of(event.topic())?, event.id().parse().ok()?);
        let Event::PostbackLog(line) = event else {
            return Some(Self { kind, id, result: None, sent_again: false });
        };
        let sent_again = line.direction == PostbackDirection::In && line.status == 503;
        Some(Self { kind, id, result: Some(line.result), sent_again })
    }

    pub(super) fn hour(&self) -> Hour {
        Hour::of(self.id)
    }
}
