//! What is here of a source: jobs from their claim to their end, and those among them that wait for a turn.

use super::{Pair, Targets};
use std::sync::Arc;
use tfx_domain::id::SourceId;
use tokio::sync::Notify;

/// A job that is here.
#[derive(Debug)]
pub(crate) struct Here {
    pub(super) targets: Arc<Targets>,
    pub(super) source: SourceId,
}

impl Drop for Here {
    fn drop(&mut self) {
        self.targets.lock().let_go(&self.source, |held| held.here -= 1);
    }
}

/// One that waits here for a turn.
pub(super) struct Place {
    pub(super) targets: Arc<Targets>,
    pub(super) pair: Pair,
    pub(super) look: Arc<Notify>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let (source, host) = &self.pair;
        let mut all = self.targets.lock();
        if let Some(room) = all.rooms.get_mut(host)
            && let Some(waiting) = room.waiting.get_mut(source)
        {
            *waiting -= 1;
            if *waiting == 0 {
                room.waiting.remove(source);
            }
        }
        all.let_go(source, |held| held.waiting -= 1);
        // Whatever it was told of goes on to the next.
        all.look(host, self.targets.per_target);
    }
}
