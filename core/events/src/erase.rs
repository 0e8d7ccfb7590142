//! What a journal's folder still holds of a person when his events are delivered: segments that are not deleted yet, and
//! events that the sink refused.

use crate::{Producer, PublishError, refused};
use serde::{Deserialize, Serialize};
use std::{io, sync::Arc, sync::PoisonError, sync::atomic::Ordering::Relaxed};
use tokio::task::spawn_blocking;

/// What was removed of a journal's folder, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalErased {
    /// Refused events that named him, put away ones among them.
    pub refused: u64,
    /// Files that name him and are a person's to look at: damaged and unreadable parts of the journal.
    pub left: Vec<String>,
}

/// Why not all was removed.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// A file.
    #[error("the files of the journal cannot be written: {0}")]
    File(#[from] io::Error),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] PublishError),
}

impl Producer {
    /// Removes refused events in which one of these texts stands, and deletes what is delivered from the disk: what is on its
    /// way goes when it is. `dry_run`: only counts.
    ///
    /// # Errors
    /// [`EraseError`]: what was removed stays so.
    pub async fn erase(&self, texts: Vec<String>, dry_run: bool) -> Result<JournalErased, EraseError> {
        if !dry_run {
            let turned = self.queue.turn().map_err(PublishError::from)?;
            self.wait(turned).await?;
        }
        let (reader, shared) = (Arc::clone(&self.reader), Arc::clone(&self.shared));
        let work = move || {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            if !dry_run {
                reader.drop_delivered()?;
            }
            let erased = refused::erase(&shared.dir, &texts, dry_run)?;
            Ok::<_, io::Error>((erased, refused::count(&shared.dir)?))
        };
        let _alone = self.replaying.lock().await;
        let (erased, waiting) = spawn_blocking(work).await.map_err(io::Error::other)??;
        self.counters.refused_waiting.store(waiting, Relaxed);
        Ok(erased)
    }
}
