//! [`Backup`]: the whole database into an archive of mongodump's format, and archives of that format, ours or mongodump's,
//! back into databases of the server.

mod check;
mod feed;
mod insert;
mod list;
mod mark;
mod pump;
mod restore;
mod standing;
mod structure;
mod write;

pub(crate) use mark::half_restored;
pub(crate) use write::version;

use crate::{
    archive::{Namespace, ReadError, Tally},
    db::Db,
};
use async_trait::async_trait;
use std::{io::Read, sync::Arc, time::Duration};
use tfx_ports::{
    StoreError,
    backup::{
        ArchivePart, ArchiveSink, Archived, Backup, BackupError, Contents, OnProgress, RestoreFailed,
        Restored, Restoring, Standing,
    },
};

/// For one command: it may read or write 16 MiB on a busy server.
const PATIENCE: Duration = Duration::from_secs(120);
/// How much is read or written between two words about how far it is.
const TOLD_EVERY: u64 = 1 << 20;

/// Backups of a database.
pub(crate) struct MongoBackup(pub(crate) Arc<Db>);

#[async_trait]
impl Archived for MongoBackup {
    async fn write(&self, to: Box<dyn ArchiveSink>, told: OnProgress<'_>) -> Result<Contents, BackupError> {
        write::write(&self.0, to, told).await
    }

    fn check(&self, from: &mut dyn Read, told: OnProgress<'_>) -> Result<Contents, BackupError> {
        check::check(from, told)
    }
}

#[async_trait]
impl Backup for MongoBackup {
    async fn standing(&self, places: &[String]) -> Result<Standing, StoreError> {
        standing::standing(&self.0, places).await
    }

    async fn restore(
        &self,
        from: Box<dyn Read + Send>,
        how: &Restoring,
        told: OnProgress<'_>,
    ) -> Result<Vec<Restored>, RestoreFailed> {
        restore::restore(&self.0, from, how, told).await
    }
}

fn parts(namespaces: &[Namespace], tallies: &[Tally]) -> Vec<ArchivePart> {
    let part = |(namespace, tally): (&Namespace, &Tally)| ArchivePart {
        name: namespace.name(),
        kind: namespace.metadata.kind.word(),
        documents: tally.documents,
        bytes: tally.bytes,
        indexes: namespace.metadata.indexes.iter().filter(|i| !structure::comes_by_itself(i)).count(),
        checksum: format!("{:016x}", tally.checksum()),
    };
    namespaces.iter().zip(tallies).map(part).collect()
}

fn unreadable(e: ReadError) -> BackupError {
    match e {
        ReadError::Damaged { at, damage } => BackupError::Damaged { at, why: damage.to_string() },
        ReadError::Io(e) => BackupError::Read(e),
    }
}

/// `DATABASE.COLLECTION` in its parts.
fn split(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((name, ""))
}
