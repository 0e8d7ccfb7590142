//! Events that the sink refused, given to the journal again: when what was wrong has been mended.

use crate::{Producer, PublishError, refused};
use serde::Serialize;
use std::{io, sync::Arc, sync::PoisonError, sync::atomic::Ordering::Relaxed};
use tokio::task::spawn_blocking;

/// Bytes of `refused.jsonl` that are given to the journal at once, about.
const PART: u64 = 1 << 20;

/// What became of the events in `refused.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Events that are in the journal again, or would be.
    pub events: u64,
    /// Lines that hold no event; they stay in the file.
    pub unreadable: u64,
    /// The name of the file in which those events stand now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_as: Option<String>,
}

/// Why refused events are not in the journal again. They stay in the file; doing it again does not count them twice.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Somebody else is at it.
    #[error("refused events are being replayed already")]
    Busy,
    /// The file.
    #[error("refused.jsonl cannot be read or put away: {0}")]
    File(#[from] io::Error),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] PublishError),
}

impl Producer {
    /// Gives what stands in `refused.jsonl` to the journal again and puts the file away; `dry_run`: only counts.
    /// Events have their ids: those that are known already count once all the same. What is still refused will stand in
    /// the file anew.
    ///
    /// # Errors
    /// [`ReplayError`]: the file stays as it is.
    pub async fn replay_refused(&self, dry_run: bool) -> Result<Replayed, ReplayError> {
        let _alone = self.replaying.try_lock().map_err(|_| ReplayError::Busy)?;
        let until = self.with_refused(refused::length).await?;
        let (mut replayed, mut from, mut unreadable) = (Replayed::default(), 0, Vec::new());
        while from < until {
            let part = self.with_refused(move |dir| refused::read(dir, from, until, PART)).await?;
            from = part.next;
            if !dry_run && !part.events.is_empty() {
                self.append_again(&part.events).await?;
            }
            replayed.events += part.events.len() as u64;
            unreadable.extend(part.unreadable);
        }
        replayed.unreadable = unreadable.len() as u64;
        if dry_run || replayed.events == 0 {
            return Ok(replayed);
        }
        let (away, waiting) = self
            .with_refused(move |dir| {
                let away = refused::put_away(dir, until, &unreadable)?;
                Ok((away, refused::count(dir)?))
            })
            .await?;
        self.counters.refused_waiting.store(waiting, Relaxed);
        tracing::info!(
            events = replayed.events,
            unreadable = replayed.unreadable,
            kept_as = %away.display(),
            "refused events were given to the journal again"
        );
        replayed.kept_as = away.file_name().map(|n| n.to_string_lossy().into_owned());
        Ok(replayed)
    }

    /// Runs a file operation where it may block, while the deliverer does not append.
    async fn with_refused<T: Send + 'static>(
        &self,
        run: impl FnOnce(&std::path::Path) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (reader, shared) = (Arc::clone(&self.reader), Arc::clone(&self.shared));
        let task = spawn_blocking(move || {
            let _held = reader.lock().unwrap_or_else(PoisonError::into_inner);
            run(&shared.dir)
        });
        task.await.map_err(io::Error::other)?
    }
}
