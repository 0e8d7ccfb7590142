//! Writes documents in several batches at once, as many as fit into memory.

use super::{PATIENCE, feed::Batch};
use crate::error::{describe, store_error, timed_out};
use mongodb::{Collection, bson::RawDocumentBuf, error::ErrorKind};
use tfx_ports::StoreError;
use tokio::{task::JoinSet, time::timeout};

/// Batches under way at once, and their bytes; the driver has each three times while it is written.
const AT_ONCE: (usize, usize) = (4, 4 << 20);

/// What became of a batch.
pub(super) struct Inserted {
    /// Of which part.
    pub(super) part: usize,
    pub(super) taken: u64,
    pub(super) refused: u64,
    pub(super) bytes: u64,
    /// What the store said of the first that it did not take.
    pub(super) problem: Option<String>,
    /// Nobody knows which were taken.
    pub(super) error: Option<StoreError>,
}

/// Batches under way.
#[derive(Default)]
pub(super) struct Inserts {
    tasks: JoinSet<Inserted>,
    bytes: usize,
}

impl Inserts {
    /// Begins one; gives what has come to its end meanwhile.
    pub(super) async fn begin(
        &mut self,
        part: usize,
        into: Collection<RawDocumentBuf>,
        batch: Batch,
        stop_on_error: bool,
    ) -> Vec<Inserted> {
        let mut ended = Vec::new();
        while self.tasks.len() >= AT_ONCE.0
            || (self.bytes + batch.bytes > AT_ONCE.1 && !self.tasks.is_empty())
        {
            ended.extend(self.next().await);
        }
        self.bytes += batch.bytes;
        self.tasks.spawn(insert(part, into, batch, stop_on_error));
        ended
    }

    /// Waits for one.
    pub(super) async fn next(&mut self) -> Option<Inserted> {
        let done = self.tasks.join_next().await?.ok();
        if let Some(done) = &done {
            self.bytes = self.bytes.saturating_sub(usize::try_from(done.bytes).unwrap_or(0));
        }
        done
    }
}

async fn insert(
    part: usize,
    into: Collection<RawDocumentBuf>,
    batch: Batch,
    stop_on_error: bool,
) -> Inserted {
    let all = batch.documents.len() as u64;
    let what = format!("write into {}", into.name());
    let mut done =
        Inserted { part, taken: all, refused: 0, bytes: batch.bytes as u64, problem: None, error: None };
    // What was there is to be there again, also what a validator of later days would refuse.
    let insert = into.insert_many(batch.documents).ordered(stop_on_error).bypass_document_validation(true);
    let answer = match timeout(PATIENCE, insert.into_future()).await {
        Ok(Ok(_)) => return done,
        Ok(Err(e)) => e,
        Err(_) => {
            done.taken = 0;
            done.error = Some(timed_out(&what, PATIENCE));
            return done;
        }
    };
    let refused = match &*answer.kind {
        ErrorKind::InsertMany(many) if many.write_concern_error.is_none() => many.write_errors.as_deref(),
        _ => None,
    };
    match refused.filter(|refused| !refused.is_empty()) {
        Some(refused) => {
            done.refused = refused.len() as u64;
            // An ordered one ends with the first that is refused.
            let tried = if stop_on_error { refused[0].index as u64 + 1 } else { all };
            done.taken = tried.saturating_sub(done.refused);
            done.problem = Some(describe(&answer));
        }
        None => {
            done.taken = 0;
            done.error = Some(store_error(&what, answer));
        }
    }
    done
}
