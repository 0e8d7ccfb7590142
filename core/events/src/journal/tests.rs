//! The journal's promises: what is synced is delivered once and in order, damage costs only what it hit, a full disk
//! leaves no mark.

mod damage;
mod disks;
mod model;

pub(crate) use disks::TestDisk;

use super::{Journal, Limits, record::Encoded};
use crate::stats::Counters;
use std::{path::Path, sync::Arc};
use tempfile::TempDir;
use tfx_domain::event::Topic;

pub(crate) const SEGMENT: u64 = 400;

/// A folder in memory where there is one: what survives is modelled here, not left to a disk.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

fn open_with(dir: &Path, disk: &Arc<TestDisk>, max_bytes: u64) -> (Journal, Arc<Counters>) {
    let counters = Arc::new(Counters::default());
    let limits = Limits { max_bytes, segment_bytes: SEGMENT };
    let disk: Arc<TestDisk> = Arc::clone(disk);
    (Journal::open(dir, limits, disk, Arc::clone(&counters)).expect("opens"), counters)
}

fn open(dir: &Path) -> (Journal, Arc<Counters>) {
    open_with(dir, &Arc::default(), 1 << 30)
}

/// The records of events with these numbers, `pad` bytes larger than they need to be.
fn records(numbers: impl IntoIterator<Item = u64>, pad: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for n in numbers {
        let payload = format!(r#"{{"n":{n},"pad":"{}"}}"#, "p".repeat(pad)).into_bytes();
        let id = format!("event-{n}");
        Encoded::new(Topic::ClickEvents, id.as_str().into(), id.as_str().into(), payload)
            .expect("fits")
            .push(&mut out);
    }
    out
}

/// Reads at most `max` events and gives their numbers, each checked to be whole.
fn read(journal: &mut Journal, max: usize) -> (Vec<u64>, super::Batch) {
    let batch = journal.reader.read(max, 1 << 20).expect("reads");
    let number = |e: &tfx_ports::sink::Envelope| {
        let n: u64 = e.id.strip_prefix("event-").expect("an id of ours").parse().expect("a number");
        assert_eq!(e.key, e.id);
        assert!(
            e.payload.starts_with(format!(r#"{{"n":{n},"pad":"p"#).as_bytes())
                || e.payload.ends_with(b"\"\"}")
        );
        assert!(e.payload.ends_with(b"\"}"));
        n
    };
    (batch.events.iter().map(number).collect(), batch)
}

/// Everything there is, in batches of `max`, committed.
fn drain(journal: &mut Journal, max: usize) -> Vec<u64> {
    let mut all = Vec::new();
    while journal.shared.layout().depth() > 0 {
        let (numbers, batch) = read(journal, max);
        journal.reader.commit(&batch, &[]).expect("commits");
        all.extend(numbers);
    }
    all
}

fn segments(dir: &Path) -> Vec<(u64, u64)> {
    super::files::list(dir).expect("lists")
}
