//! Reads the journal in order for delivery, passes over what is damaged, deletes what is delivered.

use super::{
    cursor::Cursor,
    disk::Disk,
    files::{self, HEADER, damaged_path, segment_path, unreadable_path},
    layout::{Shared, Span},
    record::{Bad, View, parse},
    sectors,
};
use crate::stats::{Counters, log};
use bytes::Bytes;
use smol_str::SmolStr;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, ErrorKind},
    sync::Arc,
};
use tfx_ports::sink::Envelope;

/// Bytes read at once.
const CHUNK: u64 = 256 << 10;

/// Events to deliver.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// In their order.
    pub(crate) events: Vec<Envelope>,
    /// The sequence of each.
    sequences: Vec<u64>,
    /// When the last was written, milliseconds since 1970.
    newest_at: Option<i64>,
    /// Where the reader was after it.
    place: Place,
}

/// A place between two records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    /// First sequence of the segment.
    segment: u64,
    /// Bytes before it in the segment.
    offset: u64,
    /// The sequence of the record after it.
    next: u64,
}

/// Reads the journal for delivery; there is one.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    counters: Arc<Counters>,
    cursor: Cursor,
    place: Place,
    file: Option<(u64, File)>,
    /// Segments in which something could not be read.
    unreadable: BTreeSet<u64>,
    /// Records before it were delivered by an earlier process.
    from: u64,
}

impl Reader {
    pub(crate) fn new(
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        cursor: Cursor,
        counters: Arc<Counters>,
        unreadable: BTreeSet<u64>,
    ) -> Self {
        let from = shared.layout().cursor;
        Self { shared, disk, counters, cursor, place: Place::default(), file: None, unreadable, from }
    }

    /// The next events, at most `max_events` and about `max_bytes`. Empty if there are none; [`Self::commit`] is due all
    /// the same, since damaged bytes may have been passed over.
    ///
    /// # Errors
    /// A segment cannot be read. Nothing was taken.
    pub(crate) fn read(&mut self, max_events: usize, max_bytes: usize) -> io::Result<Batch> {
        let start = self.place;
        let batch = self.collect(max_events, max_bytes);
        if batch.is_err() {
            self.place = start;
        }
        batch
    }

    fn collect(&mut self, max_events: usize, max_bytes: usize) -> io::Result<Batch> {
        let mut batch = Batch::default();
        let mut size = 0;
        let mut chunk_bytes = CHUNK;
        while batch.events.len() < max_events && size < max_bytes {
            let Some(span) = self.enter() else { break };
            let mut left = span.segment.length - self.place.offset;
            let wanted = left.min(chunk_bytes);
            chunk_bytes = CHUNK;
            let (chunk, _) = self.chunk(wanted)?;
            if (chunk.len() as u64) < wanted {
                left = chunk.len() as u64; // somebody cut the file
            }
            if chunk.is_empty() {
                self.lose_rest(span);
                continue;
            }
            let mut at = 0;
            while batch.events.len() < max_events && size < max_bytes && at < chunk.len() {
                match parse(&chunk[at..], &(self.place.next..span.end)) {
                    Ok(view) => {
                        if view.sequence >= self.from {
                            size += view.size;
                            if batch.events.is_empty() {
                                self.oldest_is(view.at);
                            }
                            batch.newest_at = Some(view.at);
                            batch.events.push(envelope(&view, &chunk, at));
                            batch.sequences.push(view.sequence);
                        }
                        self.place.next = view.sequence + 1;
                        at += view.size;
                    }
                    Err(Bad::Short(needed)) if (at + needed) as u64 <= left && at + needed > chunk.len() => {
                        chunk_bytes = CHUNK.max(needed as u64); // it goes on in the next chunk
                        break;
                    }
                    Err(_) => {
                        self.place.offset += at as u64;
                        at = 0;
                        self.pass_over(span)?;
                        break;
                    }
                }
            }
            self.place.offset += at as u64;
        }
        batch.place = self.place;
        Ok(batch)
    }

    /// The segment to read from, at a place before its end; none if everything was read.
    fn enter(&mut self) -> Option<Span> {
        loop {
            let span = self.shared.layout().span(self.place.segment)?;
            if span.segment.first != self.place.segment || self.place.offset == 0 {
                self.place = Place { segment: span.segment.first, offset: HEADER, next: span.segment.first };
            }
            if self.place.offset < span.segment.length {
                return Some(span);
            }
            self.place.next = self.place.next.max(span.end);
            let following = span.following?;
            self.place = Place { segment: following, offset: HEADER, next: following };
        }
    }

    /// Up to `size` bytes from the present place; fewer if the file is cut or gone. How many could not be read.
    fn chunk(&mut self, size: u64) -> io::Result<(Bytes, usize)> {
        let first = self.place.segment;
        if self.file.as_ref().is_none_or(|(open, _)| *open != first) {
            match File::open(segment_path(&self.shared.dir, first)) {
                Ok(file) => self.file = Some((first, file)),
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok((Bytes::new(), 0)),
                Err(e) => return Err(e),
            }
        }
        let Some((_, file)) = &self.file else { return Ok((Bytes::new(), 0)) };
        let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        let read = sectors::read_at(&*self.disk, file, &mut bytes, self.place.offset)?;
        if read.unreadable > 0 {
            self.unreadable.insert(first);
        }
        bytes.truncate(read.got);
        Ok((Bytes::from(bytes), read.unreadable))
    }

    /// Goes on to the next record after bytes that are none, or to the end of the segment.
    fn pass_over(&mut self, span: Span) -> io::Result<()> {
        let Place { segment, offset, next } = self.place;
        let (rest, unreadable) = self.chunk(span.segment.length - offset)?;
        let found =
            (1..rest.len()).find_map(|at| Some((at, parse(&rest[at..], &(next..span.end)).ok()?.sequence)));
        let (size, resumes) = found.unwrap_or((rest.len(), span.end));
        self.place.offset += size as u64;
        let damaged = &rest[..size];
        let hole = found.is_none() && unreadable == 0 && damaged.iter().all(|b| *b == 0);
        if resumes < self.from || hole {
            return Ok(()); // delivered already, or zeros where a crash left a hole
        }
        let kept = self.keep(segment, offset, damaged);
        // At the end: a record that is not whole, or one that a failed append left behind.
        if found.is_none() && unreadable == 0 && !matches!(parse(&rest, &(0..u64::MAX)), Err(Bad::Broken)) {
            log!(info, self.counters, { segment, offset, size, %kept, }, "the event journal ends in a write cut short by a crash");
        } else {
            let lost = resumes.saturating_sub(next);
            self.counters.damaged.add(1);
            log!(error, self.counters, { segment, offset, size, lost, unreadable, %kept, }, "the event journal is damaged; going on after it");
        }
        Ok(())
    }

    /// Goes on after a segment whose file ends too early.
    fn lose_rest(&mut self, span: Span) {
        let Place { segment, offset, next } = self.place;
        self.place.offset = span.segment.length;
        let lost = span.end.saturating_sub(next.max(self.from));
        if lost > 0 {
            self.counters.damaged.add(1);
            log!(error, self.counters, { segment, offset, lost, }, "a segment of the event journal was cut or deleted by somebody else");
        }
    }

    /// Keeps damaged bytes for a person. Says where, or why not: delivery goes on, since a full disk empties only by it.
    fn keep(&self, segment: u64, offset: u64, bytes: &[u8]) -> String {
        let path = damaged_path(&self.shared.dir, segment, offset);
        let kept = tfx_ports::files::replace(&path, bytes);
        match kept {
            Ok(()) => path.display().to_string(),
            Err(error) => format!("not kept: {error}"),
        }
    }

    /// The sink has these events, but for those that it `refused`: they are not given again, and their segments go.
    ///
    /// # Errors
    /// The cursor cannot be written or segments cannot be deleted: after a restart they may be delivered again.
    pub(crate) fn commit(&mut self, batch: &Batch, refused: &[SmolStr]) -> io::Result<()> {
        let next = batch.place.next.max(self.from);
        let moved = {
            let mut layout = self.shared.layout();
            let moved = next > layout.cursor;
            layout.cursor = layout.cursor.max(next);
            layout.oldest_at = if layout.depth() == 0 { None } else { batch.newest_at.or(layout.oldest_at) };
            let before = layout.segments.iter().take_while(|s| s.first < batch.place.segment);
            layout.delivered_bytes = before.map(|s| s.length).sum::<u64>() + batch.place.offset;
            moved
        };
        if !moved {
            return Ok(());
        }
        let written = self.cursor.write(next);
        let taken = batch.sequences.iter().copied().zip(&batch.events);
        self.shared.ledger.delivered(taken.filter(|(_, event)| !refused.contains(&event.id)), next);
        written?;
        self.drop_delivered()
    }

    /// Deletes the segments of which everything is delivered.
    ///
    /// # Errors
    /// They cannot be deleted, or the cursor cannot be synced before.
    pub(crate) fn drop_delivered(&mut self) -> io::Result<()> {
        let delivered: Vec<u64> = {
            let layout = self.shared.layout();
            // The last segment stays: it may be written to.
            let firsts: Vec<u64> = layout.segments.iter().map(|s| s.first).collect();
            let done = firsts.windows(2).take_while(|pair| pair[1] <= layout.cursor).count();
            firsts.into_iter().take(done).collect()
        };
        if !delivered.is_empty() {
            self.cursor.sync()?;
            // Whatever comes of it: a full disk empties only by deletions.
            self.shared.ledger.save_places();
            for first in &delivered {
                self.delete(*first)?;
            }
            files::sync_dir(&self.shared.dir)?;
        }
        Ok(())
    }

    fn delete(&mut self, first: u64) -> io::Result<()> {
        self.file.take_if(|(open, _)| *open == first);
        let path = segment_path(&self.shared.dir, first);
        let gone = if self.unreadable.remove(&first) {
            fs::rename(path, unreadable_path(&self.shared.dir, first))
        } else {
            fs::remove_file(path)
        };
        match gone {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut layout = self.shared.layout();
        if let Some(gone) = layout.segments.pop_front_if(|s| s.first == first) {
            layout.bytes -= gone.length;
            layout.delivered_bytes = layout.delivered_bytes.saturating_sub(gone.length);
        }
        Ok(())
    }

    /// What was delivered stays so after the loss of power.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.cursor.sync()
    }

    fn oldest_is(&self, at: i64) {
        let mut layout = self.shared.layout();
        layout.oldest_at = Some(at);
    }
}

pub(super) fn envelope(view: &View<'_>, chunk: &Bytes, at: usize) -> Envelope {
    let id = SmolStr::from(view.id);
    Envelope {
        topic: view.topic,
        key: if view.key == view.id { id.clone() } else { SmolStr::from(view.key) },
        id,
        payload: chunk.slice(at + view.payload.start..at + view.payload.end),
    }
}
