//! Looks at what waits in a journal, for a program that starts; changes nothing.

use super::{
    cursor::Cursor,
    files::{self, HEADER},
    record::parse,
};
use bytes::Bytes;
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};
use tfx_domain::Timestamp;
use tfx_ports::sink::Envelope;

/// As much of a segment as holds its first record, unless that is uncommonly large.
const BEGINNING: u64 = 64 << 10;

/// Gives every event in the journal at `dir` that is not delivered and was written at or after `since`, in order; what
/// cannot be read is left out. To be called before the producer is opened, which would deliver them meanwhile. Looks
/// into the last segments only, as far back as the time reaches.
///
/// # Errors
/// A file cannot be read. A journal that is not there has no events.
pub fn waiting(dir: &Path, since: Timestamp, each: &mut dyn FnMut(&Envelope)) -> io::Result<()> {
    let cursor = dir.join("cursor");
    if !fs::exists(&cursor)? {
        return Ok(());
    }
    let from = Cursor::open(&cursor)?.next();
    let segments: Vec<u64> = files::list(dir)?.into_iter().map(|(first, _)| first).collect();
    // The newest first, until one began before the time.
    let mut start = segments.len();
    while start > 0 {
        start -= 1;
        let first = segments[start];
        if first <= from || began_at(dir, first)?.is_some_and(|at| at < since.as_millisecond()) {
            break;
        }
    }
    let mut next = from;
    for (place, first) in segments.iter().enumerate().skip(start) {
        let bytes = Bytes::from(fs::read(files::segment_path(dir, *first))?);
        // Records at or after the next segment's first sequence are not part of a segment.
        let end = segments.get(place + 1).copied().unwrap_or(u64::MAX);
        let mut at = usize::try_from(HEADER).unwrap_or(0);
        while at < bytes.len() {
            let Ok(view) = parse(&bytes[at..], &(next.max(*first).min(end)..end)) else {
                at += 1;
                continue;
            };
            next = view.sequence + 1;
            if view.at >= since.as_millisecond() {
                each(&super::read::envelope(&view, &bytes, at));
            }
            at += view.size;
        }
    }
    Ok(())
}

/// When the first record of a segment was written, milliseconds since 1970; none if that cannot be read.
fn began_at(dir: &Path, first: u64) -> io::Result<Option<i64>> {
    let mut bytes = Vec::new();
    File::open(files::segment_path(dir, first))?.take(BEGINNING).read_to_end(&mut bytes)?;
    let record = bytes.get(usize::try_from(HEADER).unwrap_or(0)..).unwrap_or_default();
    Ok(parse(record, &(first..first + 1)).ok().map(|view| view.at))
}
