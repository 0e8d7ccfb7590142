//! From a decision to the event that records it.

use super::{Decision, Snapshot, Visitor};
use crate::{Timestamp, event::ClickEvent, id::ClickId};

/// The event of a decided click: all facts, `final_url` and `status` still to be set by who renders the answer.
pub fn click_event(
    snapshot: &Snapshot,
    slug: &str,
    visitor: &Visitor,
    decision: &Decision<'_>,
    click_id: ClickId,
    now: Timestamp,
) -> ClickEvent {
    let _ = (snapshot, slug, visitor, decision, click_id, now);
    todo_placeholder()
}

#[allow(clippy::missing_panics_doc)]
fn todo_placeholder() -> ClickEvent {
    unreachable!("replaced by the routing work")
}
