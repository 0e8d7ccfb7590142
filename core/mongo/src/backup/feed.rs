//! Reads an archive on a thread of its own and hands over what is wanted of it, in batches that fit into memory.

use super::{PATIENCE, unreadable};
use crate::archive::{ArchiveStep, Namespace, Reader};
use mongodb::bson::RawDocumentBuf;
use std::{collections::HashSet, io::Read};
use tfx_ports::{StoreError, backup::BackupError};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::spawn_blocking,
};

/// Documents of a batch at most, and their bytes, after which it is full.
const BATCH: (usize, usize) = (5_000, 1 << 20);

/// A step through an archive.
pub(super) enum Step {
    /// What is listed in it.
    Listed(Vec<Namespace>),
    /// Documents of a namespace, by its place in the list.
    Documents(usize, Batch),
    /// All of a namespace were there.
    End(usize),
    /// The archive is whole.
    Whole,
}

/// Documents and their bytes.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) documents: Vec<RawDocumentBuf>,
    pub(super) bytes: usize,
}

/// Where the steps come from.
pub(super) struct Feed(Receiver<Result<Step, BackupError>>);

impl Feed {
    /// Of all of it the documents of those names alone.
    pub(super) fn of(from: Box<dyn Read + Send>, wanted: HashSet<String>) -> Self {
        let (steps, next) = channel(2);
        spawn_blocking(move || {
            if let Err(e) = read(from, &wanted, &steps) {
                // Nobody may be there to hear it any more.
                let _ = steps.blocking_send(Err(e));
            }
        });
        Self(next)
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Result<Step, BackupError> {
        let ended = || StoreError::Broken {
            what: format!("the archive was not read within {PATIENCE:?}"),
            source: None,
        };
        self.0.recv().await.unwrap_or_else(|| Err(ended().into()))
    }
}

fn read(
    from: Box<dyn Read + Send>,
    wanted: &HashSet<String>,
    steps: &Sender<Result<Step, BackupError>>,
) -> Result<(), BackupError> {
    let mut reader = Reader::open(from).map_err(unreadable)?;
    let wanted: Vec<bool> = reader.namespaces().iter().map(|n| wanted.contains(&n.name())).collect();
    // False: who waited for it has gone.
    let send = |step| steps.blocking_send(Ok(step)).is_ok();
    if !send(Step::Listed(reader.namespaces().to_vec())) {
        return Ok(());
    }
    let (mut of, mut batch) = (0, Batch::default());
    while let Some(part) = reader.next().map_err(unreadable)? {
        let (place, document) = match part {
            ArchiveStep::Document(place, document) => (place, Some(document)),
            ArchiveStep::End(place) => (place, None),
        };
        let full = batch.documents.len() >= BATCH.0 || batch.bytes >= BATCH.1;
        let over = (place != of || document.is_none() || full) && !batch.documents.is_empty();
        if over && !send(Step::Documents(of, std::mem::take(&mut batch))) {
            return Ok(());
        }
        of = place;
        match document {
            Some(document) if wanted[place] => {
                let owned = RawDocumentBuf::from_bytes(document.to_vec());
                let owned = owned.map_err(|e| StoreError::broken("read a document of the archive", e))?;
                batch.bytes += document.len();
                batch.documents.push(owned);
            }
            None if !send(Step::End(place)) => return Ok(()),
            _ => {}
        }
    }
    send(Step::Whole);
    Ok(())
}
