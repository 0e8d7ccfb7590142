//! Writes records to the end of the journal.

use super::{
    disk::Disk,
    files::{self, HEADER, VERSION, header, segment_path},
    layout::{Segment, Shared},
    record,
};
use crate::stats::log;
use std::{
    fs::File,
    io::{self, ErrorKind},
    sync::Arc,
};

/// What is written to see whether the disk takes anything, at least and at most.
const PAGE: usize = 4096;
const MOST: usize = 1 << 20;

/// Why records are not in the journal.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum AppendError {
    /// The journal has its largest size.
    #[error(
        "the event journal is full: undelivered events take {used} of {max} bytes (EVENT_JOURNAL_MAX_BYTES)"
    )]
    Full {
        /// Bytes in use.
        used: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// The disk does not take them.
    #[error("the event journal cannot be written: {0}")]
    Io(Arc<io::Error>),
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// Writes records to the end of the journal; there is one.
pub(crate) struct Appender {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    max_bytes: u64,
    segment_bytes: u64,
    active: Option<Active>,
    /// Left segments with records that no sync covered yet.
    unsynced: Vec<u64>,
    dir_unsynced: bool,
}

struct Active {
    file: File,
    first: u64,
    /// Good length.
    length: u64,
    unsynced: bool,
}

impl Appender {
    pub(crate) fn new(shared: Arc<Shared>, disk: Arc<dyn Disk>, max_bytes: u64, segment_bytes: u64) -> Self {
        Self {
            shared,
            disk,
            max_bytes,
            segment_bytes,
            active: None,
            unsynced: Vec::new(),
            dir_unsynced: false,
        }
    }

    /// Appends framed records, all or none; `at` is the time in milliseconds. They survive a crash of the process when
    /// this returns.
    pub(crate) fn append(&mut self, records: &mut [u8], at: i64) -> Result<(), AppendError> {
        let size = records.len() as u64;
        let (next, used) = {
            let layout = self.shared.layout();
            (layout.next, layout.depth_bytes())
        };
        if used + size > self.max_bytes {
            return Err(AppendError::Full { used, max: self.max_bytes });
        }
        if self.active.as_ref().is_some_and(|a| a.length > HEADER && a.length + size > self.segment_bytes) {
            self.leave();
        }
        let mut active = match self.active.take() {
            Some(active) => active,
            None => self.create(next)?,
        };
        let count = record::stamp(records, next, at);
        if let Err(error) = write_all(&*self.disk, &mut active.file, records) {
            // Nothing may stand in front of later records.
            match self.disk.cut(&active.file, active.length) {
                Ok(()) => self.active = Some(active),
                Err(cut) => {
                    log!(warn, self.shared.counters, { segment = active.first, error = %cut, }, "a torn append cannot be cut off; going on in a new segment");
                    self.active = Some(active);
                    self.leave();
                }
            }
            return Err(error.into());
        }
        active.length += size;
        active.unsynced = true;
        // Before the reader sees them, so that nothing is delivered and deleted that is not counted.
        self.shared.ledger.count(records, next);
        self.publish(&active, next, count, at);
        self.active = Some(active);
        Ok(())
    }

    /// Appends framed records that were counted when they came first, and that the sink had refused.
    pub(crate) fn append_again(&mut self, records: &mut [u8], at: i64) -> Result<(), AppendError> {
        let (next, count) = (self.shared.layout().next, record::framed(records).count() as u64);
        self.shared.ledger.expect_again(next..next + count)?;
        let appended = self.append(records, at);
        if appended.is_err() {
            self.shared.ledger.expect_no_more();
        }
        appended
    }

    /// The journal did not take these framed records, and those who gave them were answered all the same.
    pub(crate) fn dropped(&self, records: &[u8]) {
        self.shared.ledger.dropped(records);
    }

    /// What was appended survives the loss of power when this returns.
    pub(crate) fn sync(&mut self) -> Result<(), AppendError> {
        // Whatever fails here is not tried again: a later sync would answer well without having written it.
        let left = std::mem::take(&mut self.unsynced);
        for first in left {
            let gone = |e: &io::Error| e.kind() == ErrorKind::NotFound; // delivered in the meantime
            match File::open(segment_path(&self.shared.dir, first)).and_then(|f| self.disk.sync(&f)) {
                Err(error) if !gone(&error) => return Err(error.into()),
                _ => {}
            }
        }
        if let Some(active) = &mut self.active
            && active.unsynced
        {
            active.unsynced = false;
            if let Err(error) = self.disk.sync(&active.file) {
                self.active = None;
                return Err(error.into());
            }
        }
        if self.dir_unsynced {
            files::sync_dir(&self.shared.dir)?;
            self.dir_unsynced = false;
        }
        Ok(())
    }

    /// Whether records of `size` bytes would be taken; with `write`, also whether the disk takes and syncs as many zeros,
    /// which are cut off again. Readers pass over zeros that a crash leaves.
    pub(crate) fn probe(&mut self, size: u64, write: bool) -> Result<(), AppendError> {
        let (next, used) = {
            let layout = self.shared.layout();
            (layout.next, layout.depth_bytes())
        };
        if used + size > self.max_bytes {
            return Err(AppendError::Full { used, max: self.max_bytes });
        }
        if !write {
            return Ok(());
        }
        let zeros = vec![0; usize::try_from(size).unwrap_or(PAGE).clamp(PAGE, MOST)];
        let mut active = match self.active.take() {
            Some(active) => active,
            None => self.create(next)?,
        };
        let written = write_all(&*self.disk, &mut active.file, &zeros);
        let synced = written.is_ok().then(|| self.disk.sync(&active.file));
        let cut = self.disk.cut(&active.file, active.length);
        match (&synced, &cut) {
            // As in `sync`: this file is not believed any more.
            (Some(Err(_)), _) => {}
            (_, Ok(())) => self.active = Some(active),
            (_, Err(_)) => {
                self.active = Some(active);
                self.leave();
            }
        }
        written.and(synced.unwrap_or(Ok(())))?;
        Ok(())
    }

    /// Begins a new segment, so that the one before goes when what is in it is delivered.
    pub(crate) fn turn(&mut self) -> Result<(), AppendError> {
        let next = {
            let layout = self.shared.layout();
            if layout.segments.back().is_none_or(|last| last.first >= layout.next) {
                return Ok(());
            }
            layout.next
        };
        self.leave();
        let active = self.create(next)?;
        let mut layout = self.shared.layout();
        layout.segments.push_back(Segment { first: active.first, length: active.length });
        layout.bytes += active.length;
        drop(layout);
        self.active = Some(active);
        Ok(())
    }

    fn create(&mut self, first: u64) -> io::Result<Active> {
        let path = segment_path(&self.shared.dir, first);
        let mut file = self.disk.create(&path)?;
        self.dir_unsynced = true;
        if let Err(error) = write_all(&*self.disk, &mut file, &header(VERSION)) {
            let _ = std::fs::remove_file(&path); // if that fails, the next one of this name empties it
            return Err(error);
        }
        Ok(Active { file, first, length: HEADER, unsynced: false })
    }

    /// Writes no more into the active segment.
    fn leave(&mut self) {
        if let Some(active) = self.active.take()
            && active.unsynced
        {
            self.unsynced.push(active.first);
            // Without syncs only the segments still to be delivered can matter.
            let oldest = self.shared.layout().segments.front().map_or(0, |s| s.first);
            self.unsynced.retain(|first| *first >= oldest);
        }
    }

    /// Shows the reader what was written.
    fn publish(&self, active: &Active, next: u64, count: u64, at: i64) {
        let mut layout = self.shared.layout();
        let layout = &mut *layout;
        match layout.segments.back_mut() {
            Some(last) if last.first == active.first => {
                layout.bytes += active.length - last.length;
                last.length = active.length;
            }
            _ => {
                layout.bytes += active.length;
                layout.segments.push_back(Segment { first: active.first, length: active.length });
            }
        }
        if layout.cursor >= layout.next {
            layout.oldest_at = Some(at);
        }
        layout.next = next + count;
        if layout.next >= layout.wake_at {
            layout.wake_at = u64::MAX;
            self.shared.arrived.notify_one();
        }
    }
}

fn write_all(disk: &dyn Disk, file: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match disk.write(file, bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
