//! Opens a journal: takes its lock, finds how far writing and delivery got.

use super::{
    append::Appender,
    cursor::Cursor,
    disk::Disk,
    files::{self, HEADER, VERSION},
    layout::{Layout, Segment, Shared},
    read::Reader,
    record::{SMALLEST, parse},
    sectors,
};
use crate::{
    OpenError,
    ledger::{Ledger, Places},
    stats::{Counters, log},
};
use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

/// How large a journal gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// All segments together, bytes.
    pub(crate) max_bytes: u64,
    /// One segment, bytes.
    pub(crate) segment_bytes: u64,
}

/// An open journal.
pub(crate) struct Journal {
    pub(crate) shared: Arc<Shared>,
    pub(crate) appender: Appender,
    pub(crate) reader: Reader,
}

impl Journal {
    /// Opens the journal in `dir`, creating it if need be.
    pub(crate) fn open(
        dir: &Path,
        limits: Limits,
        disk: Arc<dyn Disk>,
        counters: Arc<Counters>,
    ) -> Result<Self, OpenError> {
        let failed =
            |what| move |source| OpenError::Unusable { dir: dir.display().to_string(), what, source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("create"))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(dir.join("lock")).map_err(failed("open the lock file"))?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => OpenError::InUse { dir: dir.display().to_string() },
            TryLockError::Error(source) => failed("lock")(source),
        })?;
        let fresh = !dir.join("cursor").exists();
        let cursor = Cursor::open(&dir.join("cursor")).map_err(failed("open the cursor"))?;
        files::sync_dir(dir).map_err(failed("sync"))?;

        let mut segments = files::list(dir).map_err(failed("list"))?;
        for (first, _) in &segments {
            let path = files::segment_path(dir, *first);
            if let Some(version) = files::version_of(&path).map_err(failed("read a segment"))?
                && version > VERSION
            {
                return Err(OpenError::NewerFormat {
                    file: path.display().to_string(),
                    version,
                    known: VERSION,
                });
            }
        }
        let (mut written, mut unreadable) = (1, BTreeSet::new());
        while let Some((first, length)) = segments.pop() {
            match next_after(&*disk, dir, first).map_err(failed("read the last segment"))? {
                Some(End { next, unreadable: None }) => {
                    written = written.max(next);
                    segments.push((first, length));
                    break;
                }
                // What stood there, nobody can say; the reader ends before it.
                Some(End { next, unreadable: Some(offset) }) => {
                    counters.damaged.add(1);
                    tracing::error!(
                        segment = first,
                        offset,
                        "the end of the event journal cannot be read; the events in it are lost, the segment is kept as .unreadable"
                    );
                    unreadable.insert(first);
                    written = written.max(next);
                    segments.push((first, offset));
                    break;
                }
                // No record in it: its name is needed again.
                None => {
                    put_aside(&*disk, dir, first, length, &counters)
                        .map_err(failed("put a damaged segment aside"))?;
                }
            }
            written = written.max(first);
        }
        let next = written.max(cursor.next());
        // Before a segment is deleted that it is to be counted from.
        let firsts: Vec<u64> = segments.iter().map(|s| s.0).collect();
        let delivered = cursor.next().max(firsts.first().copied().unwrap_or(next));
        let places = Places { segments: &firsts, cursor: delivered, next };
        let ledger = Ledger::open(dir, &*disk, fresh, &places).map_err(failed("count what is in it"))?;
        let mut layout = Layout {
            segments: segments.iter().map(|&(first, length)| Segment { first, length }).collect(),
            bytes: segments.iter().map(|s| s.1).sum(),
            next,
            cursor: delivered,
            delivered_bytes: 0,
            oldest_at: None,
            wake_at: u64::MAX,
        };
        while let Some(segment) = layout.segments.front().copied()
            && layout.segments.get(1).map_or(next, |s| s.first) <= layout.cursor
        {
            fs::remove_file(files::segment_path(dir, segment.first))
                .map_err(failed("delete a delivered segment"))?;
            layout.segments.pop_front();
            layout.bytes -= segment.length;
        }
        if cursor.next() > 0 && cursor.next() < layout.cursor {
            let missing = layout.cursor - cursor.next();
            log!(error, counters, { dir = %dir.display(), missing, }, "segments of the event journal are missing; undelivered events are lost");
            counters.damaged.add(1);
        }
        let shared = Arc::new(Shared::new(dir.to_owned(), layout, lock, Arc::clone(&counters), ledger));
        let reader = Reader::new(Arc::clone(&shared), Arc::clone(&disk), cursor, counters, unreadable);
        let appender = Appender::new(Arc::clone(&shared), disk, limits.max_bytes, limits.segment_bytes);
        Ok(Self { shared, appender, reader })
    }
}

/// The end of a segment.
struct End {
    /// The sequence after its last record.
    next: u64,
    /// Where its last record ends, if something behind it cannot be read.
    unreadable: Option<u64>,
}

/// The end of a segment; none if it has no record.
fn next_after(disk: &dyn Disk, dir: &Path, first: u64) -> io::Result<Option<End>> {
    let (bytes, read) = sectors::read(disk, &files::segment_path(dir, first))?;
    let mut expected = first..first.saturating_add((bytes.len() / SMALLEST) as u64 + 1);
    let mut last = None;
    let mut at = usize::try_from(HEADER).unwrap_or(0).min(bytes.len());
    while at < bytes.len() {
        match parse(&bytes[at..], &expected) {
            Ok(view) => {
                at += view.size;
                expected.start = view.sequence + 1;
                last = Some((expected.start, at));
            }
            Err(_) => at += 1,
        }
    }
    Ok(last.map(|(next, end)| End { next, unreadable: (read.unreadable_until > end).then_some(end as u64) }))
}

/// Removes a segment without records; what is in it is kept if it is more than a torn beginning.
fn put_aside(disk: &dyn Disk, dir: &Path, first: u64, length: u64, counters: &Counters) -> io::Result<()> {
    let path = files::segment_path(dir, first);
    if length < HEADER + SMALLEST as u64 {
        return fs::remove_file(path);
    }
    let (bytes, read) = sectors::read(disk, &path)?;
    if read.unreadable == 0 && bytes.iter().skip(HEADER as usize).all(|b| *b == 0) {
        return fs::remove_file(path);
    }
    counters.damaged.add(1);
    log!(warn, counters, { segment = %path.display(), length, }, "a segment of the event journal has no readable record; kept as .damaged");
    fs::rename(path, files::damaged_path(dir, first, 0))
}
