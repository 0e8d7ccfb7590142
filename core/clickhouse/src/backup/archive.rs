//! The archive of a partition: what `SELECT … FORMAT Native` answers, as it is. One query reads the parts that are there at one
//! moment.

use super::{names, native, quoted_name};
use crate::{client::Client, sql::Sql};
use async_trait::async_trait;
use std::{
    io::{self, ErrorKind, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tfx_ports::{
    StoreError,
    backup::{ArchivePart, ArchiveSink, Archived, BackupError, Contents, OnProgress, Progress},
    table_backup::StoredColumn,
};
use tokio::{
    sync::mpsc::{Receiver, channel},
    task::spawn_blocking,
};

/// Parts of an answer that wait for the device.
const WAITING: usize = 2;

/// A partition of a table.
pub(super) struct Partition {
    pub(super) client: Client,
    pub(super) table: String,
    pub(super) columns: Vec<StoredColumn>,
    pub(super) id: String,
}

#[async_trait]
impl Archived for Partition {
    async fn write(&self, sink: Box<dyn ArchiveSink>, told: OnProgress<'_>) -> Result<Contents, BackupError> {
        let what = format!("read {} of {}", self.id, self.table);
        let mut sql = Sql::verbatim(&format!(
            "SELECT {} FROM {} WHERE _partition_id = ",
            names(&self.columns),
            quoted_name(&self.table)
        ));
        sql.push("?").text(&self.id);
        let mut answer = self.client.bytes(&what, sql, "Native")?;
        let (parts, next) = channel(WAITING);
        let (bytes, rows) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let writer = {
            let (columns, bytes, rows) = (self.columns.clone(), Arc::clone(&bytes), Arc::clone(&rows));
            spawn_blocking(move || {
                let mut tee = Tee {
                    from: Answer { next, part: Vec::new(), at: 0, ended: false },
                    to: sink,
                    failed: None,
                };
                let read = native::read(&mut tee, &columns, &mut |tally| {
                    bytes.store(tally.bytes, Ordering::Relaxed);
                    rows.store(tally.rows, Ordering::Relaxed);
                });
                // What the device says explains what the reading of it says.
                match (tee.failed, read) {
                    (Some(e), _) => Err(BackupError::Write(e)),
                    (None, Err(e)) => Err(e),
                    (None, Ok(tally)) => tee.to.end().map(|()| tally).map_err(BackupError::Write),
                }
            })
        };
        let mut failed = None;
        loop {
            let part = match answer.next().await {
                Ok(Some(part)) => Step::Bytes(part.to_vec()),
                Ok(None) => Step::End,
                Err(e) => {
                    failed = Some(self.client.failed(&what, e));
                    break;
                }
            };
            let ends = matches!(part, Step::End);
            // Whoever does not take it any more says why below.
            if parts.send(part).await.is_err() || ends {
                break;
            }
            let (bytes, documents) = (bytes.load(Ordering::Relaxed), rows.load(Ordering::Relaxed));
            told(Progress { bytes, documents, of: None });
        }
        drop(parts);
        let written = writer.await.unwrap_or_else(|e| Err(BackupError::Write(io::Error::other(e))));
        if let Some(e) = failed {
            return Err(e.into());
        }
        let tally = written.map_err(|e| match e {
            BackupError::Damaged { at, why } => {
                let why = format!("{what}: what ClickHouse answered is not whole: at byte {at}, {why}");
                StoreError::Unavailable { what: why, source: None }.into()
            }
            e => e,
        })?;
        Ok(self.contents(tally))
    }

    fn check(&self, from: &mut dyn Read, told: OnProgress<'_>) -> Result<Contents, BackupError> {
        let tally = native::read(from, &self.columns, &mut |tally| {
            told(Progress { bytes: tally.bytes, documents: tally.rows, of: None });
        })?;
        Ok(self.contents(tally))
    }
}

impl Partition {
    fn contents(&self, tally: native::Tally) -> Contents {
        let part = ArchivePart {
            name: format!("{}/{}", self.table, self.id),
            kind: "partition",
            documents: tally.rows,
            bytes: tally.bytes,
            indexes: 0,
            checksum: format!("{:016x}", tally.checksum),
        };
        Contents {
            made_by: super::made_by(),
            server: String::new(),
            parts: vec![part],
            apart: Vec::new(),
            moment: None,
            left_out: Vec::new(),
        }
    }
}

enum Step {
    Bytes(Vec<u8>),
    End,
}

/// What comes in parts, as one stream. It ends only where that was said.
struct Answer {
    next: Receiver<Step>,
    part: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Read for Answer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !self.ended && self.at == self.part.len() {
            match self.next.blocking_recv() {
                Some(Step::Bytes(part)) => (self.part, self.at) = (part, 0),
                Some(Step::End) => self.ended = true,
                None => return Err(io::Error::new(ErrorKind::BrokenPipe, "it was given up")),
            }
        }
        let n = (&self.part[self.at..]).read(into)?;
        self.at += n;
        Ok(n)
    }
}

/// Writes what is read through it.
struct Tee {
    from: Answer,
    to: Box<dyn ArchiveSink>,
    failed: Option<io::Error>,
}

impl Read for Tee {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(into)?;
        if let Err(e) = self.to.write_all(&into[..n]) {
            self.failed = Some(e);
            return Err(io::Error::new(ErrorKind::BrokenPipe, "it cannot be written"));
        }
        Ok(n)
    }
}
