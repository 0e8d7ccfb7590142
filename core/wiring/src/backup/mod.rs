//! Backups of the data folder: the embedded stores with what belongs to them, as one archive. What an archive is, is in
//! `tape` and `manifest`; which files belong to it, in `folder`. Where archives lie and how they are compressed is the
//! caller's.

mod folder;
mod manifest;
mod restore;
mod sealed;
mod swap;
mod take;
mod tape;
#[cfg(test)]
mod tests;

pub(crate) use swap::half_restored;

use async_trait::async_trait;
use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};
use tfx_ports::{
    StoreError,
    backup::{
        ArchiveSink, Archived, Backup, BackupError, Contents, OnProgress, Progress, RestoreFailed, Restored,
        Restoring, Standing,
    },
};
use tokio::{sync::mpsc::unbounded_channel, task::spawn_blocking};

/// How much is read or written between two words about how far it is.
const TOLD_EVERY: u64 = 1 << 20;

/// Told how far it is; false if nobody waits for it any more.
type ProgressGate<'t> = &'t dyn Fn(Progress) -> bool;

/// Backups of a data folder.
pub struct FolderBackup {
    folder: PathBuf,
    scratch: PathBuf,
}

/// Backups of the data folder `folder`, and restores into it. What is copied while it is written to lies in `scratch` until it
/// is in the archive: as much room as the databases take.
pub fn folder_backup(folder: &Path, scratch: &Path) -> Arc<dyn Backup> {
    Arc::new(FolderBackup { folder: folder.to_owned(), scratch: scratch.to_owned() })
}

#[async_trait]
impl Archived for FolderBackup {
    async fn write(&self, to: Box<dyn ArchiveSink>, told: OnProgress<'_>) -> Result<Contents, BackupError> {
        let (folder, scratch) = (self.folder.clone(), self.scratch.clone());
        beside(told, move |tell| take::write(&folder, &scratch, to, tell))
            .await
            .unwrap_or_else(|e| Err(BackupError::Write(e)))
    }

    fn check(&self, from: &mut dyn Read, told: OnProgress<'_>) -> Result<Contents, BackupError> {
        let tell = |progress| {
            told(progress);
            true
        };
        sealed::check(from, &tell).map(|manifest| manifest.contents())
    }
}

#[async_trait]
impl Backup for FolderBackup {
    async fn standing(&self, _: &[String]) -> Result<Standing, StoreError> {
        let said = |e: io::Error| StoreError::broken(format!("look into {}", self.folder.display()), e);
        swap::standing(&self.folder).map_err(said)
    }

    async fn restore(
        &self,
        from: Box<dyn Read + Send>,
        how: &Restoring,
        told: OnProgress<'_>,
    ) -> Result<Vec<Restored>, RestoreFailed> {
        let (folder, drop) = (self.folder.clone(), how.drop);
        let failed = |error| RestoreFailed { error, parts: Vec::new() };
        let done = beside(told, move |tell| restore::restore(&folder, from, drop, tell)).await;
        done.unwrap_or_else(|e| Err(BackupError::Write(e))).map_err(failed)
    }
}

/// Does `work` where it may block. When nobody waits for this any more, it is told so with its next word.
async fn beside<T: Send + 'static>(
    told: OnProgress<'_>,
    work: impl FnOnce(ProgressGate<'_>) -> T + Send + 'static,
) -> io::Result<T> {
    let (tell, mut progress) = unbounded_channel();
    let working = spawn_blocking(move || work(&move |progress| tell.send(progress).is_ok()));
    while let Some(progress) = progress.recv().await {
        told(progress);
    }
    working.await.map_err(io::Error::other)
}

fn given_up() -> BackupError {
    BackupError::Read(io::Error::new(io::ErrorKind::Interrupted, "it was given up"))
}
