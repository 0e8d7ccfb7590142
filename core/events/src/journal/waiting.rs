//! Looks at what waits in a journal, for a program that starts; changes nothing.

use super::{
    cursor::Cursor,
    disk::{Disk, RealDisk},
    files::{self, HEADER},
    record::{View, parse},
    sectors,
};
use bytes::Bytes;
use std::{fs, io, path::Path};
use tfx_ports::sink::Envelope;

/// The place of the first event of a journal.
const FIRST: u64 = 1;

/// Places in a journal: how many events came before each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undelivered {
    /// Everything before this place is delivered.
    pub from: u64,
    /// Where the next event goes.
    pub end: u64,
}

/// Gives every event in the journal at `dir` that is not delivered and stands at the place `after` or behind it, with its
/// place, in order; what cannot be read is left out. To be called before the producer is opened, which would deliver them
/// meanwhile. Reads no segments that end before.
///
/// # Errors
/// A file cannot be read. A journal that is not there has no events.
pub fn waiting(dir: &Path, after: u64, each: &mut dyn FnMut(u64, &Envelope)) -> io::Result<Undelivered> {
    let cursor = dir.join("cursor");
    if !fs::exists(&cursor)? {
        return Ok(Undelivered { from: FIRST, end: FIRST });
    }
    let from = Cursor::open(&cursor)?.next();
    let segments: Vec<u64> = files::list(dir)?.into_iter().map(|(first, _)| first).collect();
    let next = each_record(&RealDisk, dir, &segments, from.max(after), &mut |view, bytes, at| {
        each(view.sequence, &super::read::envelope(view, bytes, at));
    })?;
    Ok(Undelivered { from, end: next.max(from) })
}

/// Gives every record of these segments from the place `wanted` on, with the bytes that it is in and where it begins in them.
/// Returns the place after the last one. Reads no segments that end before.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn each_record(
    disk: &dyn Disk,
    dir: &Path,
    segments: &[u64],
    wanted: u64,
    each: &mut dyn FnMut(&View<'_>, &Bytes, usize),
) -> io::Result<u64> {
    let start = segments.partition_point(|first| *first <= wanted).saturating_sub(1);
    // Those that are delivered or not asked for are stepped over whole: looked for byte by byte, they would take minutes.
    let mut next = FIRST;
    for (place, first) in segments.iter().enumerate().skip(start) {
        let (bytes, _) = sectors::read(disk, &files::segment_path(dir, *first))?;
        let bytes = Bytes::from(bytes);
        // Records at or after the next segment's first sequence are not part of a segment.
        let end = segments.get(place + 1).copied().unwrap_or(u64::MAX);
        let mut at = usize::try_from(HEADER).unwrap_or(0);
        while at < bytes.len() {
            let Ok(view) = parse(&bytes[at..], &(next.max(*first).min(end)..end)) else {
                at += 1;
                continue;
            };
            next = view.sequence + 1;
            if view.sequence >= wanted {
                each(&view, &bytes, at);
            }
            at += view.size;
        }
    }
    Ok(next)
}
