//! A change stream on the revision. It only wakes who waits; what there is to see is read by them, so a stream that
//! is late, silent or not allowed costs time, never a change.

use super::Revision;
use crate::error::describe;
use futures_util::StreamExt;
use mongodb::Collection;
use std::{sync::OnceLock, time::Duration};
use tokio::{sync::watch, task::AbortHandle, time::sleep};

/// Before a stream that failed is opened again.
const PAUSE: Duration = Duration::from_secs(5);

/// Wakes waiters. The stream is opened when the first of them comes, and closed with this.
pub(super) struct Watch {
    changed: watch::Sender<()>,
    /// None: not wanted.
    revisions: Option<Collection<Revision>>,
    task: OnceLock<AbortHandle>,
}

impl Watch {
    pub(super) fn new(revisions: Collection<Revision>, wanted: bool) -> Self {
        Self {
            changed: watch::Sender::new(()),
            revisions: wanted.then_some(revisions),
            task: OnceLock::new(),
        }
    }

    /// Wakes the waiters of this process at once.
    pub(super) fn wake(&self) {
        self.changed.send_replace(());
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        if let Some(revisions) = &self.revisions {
            let follow = || tokio::spawn(follow(revisions.clone(), self.changed.clone())).abort_handle();
            self.task.get_or_init(follow);
        }
        self.changed.subscribe()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

async fn follow(revisions: Collection<Revision>, changed: watch::Sender<()>) {
    let mut told = false;
    loop {
        match listen(&revisions, &changed).await {
            Ok(()) => told = false,
            Err(e) if told => tracing::debug!(error = %describe(&e), "no change stream yet"),
            Err(e) => {
                told = true;
                tracing::warn!(
                    error = %describe(&e),
                    "no change stream of the configuration; looking every second until there is one"
                );
            }
        }
        sleep(PAUSE).await;
    }
}

/// Returns when a stream that worked has ended.
async fn listen(revisions: &Collection<Revision>, changed: &watch::Sender<()>) -> mongodb::error::Result<()> {
    let mut stream = revisions.watch().await?;
    // What changed before the stream began.
    changed.send_replace(());
    while let Some(change) = stream.next().await {
        change?;
        changed.send_replace(());
    }
    Ok(())
}
