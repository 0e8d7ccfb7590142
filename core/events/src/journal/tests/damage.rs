//! Full disks, failed syncs, damaged files: one by one.

use super::*;
use crate::{
    OpenError,
    journal::{AppendError, files},
};
use std::{fs, os::unix::fs::MetadataExt, sync::atomic::Ordering::SeqCst};

#[test]
fn delivered_segments_go_and_the_cursor_survives() {
    let dir = folder();
    let (mut journal, _) = open(dir.path());
    for n in 1..=20 {
        journal.appender.append(&mut records([n], 100), 5).expect("room");
    }
    assert!(segments(dir.path()).len() > 5);
    let (numbers, batch) = read(&mut journal, 13);
    assert_eq!(numbers, (1..=13).collect::<Vec<_>>());
    journal.reader.commit(&batch, &[]).expect("commits");
    assert!(segments(dir.path())[0].0 <= 14 && segments(dir.path())[0].0 > 10, "{:?}", segments(dir.path()));
    drop(journal);
    let (mut journal, _) = open(dir.path());
    assert_eq!(journal.shared.layout().depth(), 7);
    journal.appender.append(&mut records([21], 100), 5).expect("room");
    assert_eq!(drain(&mut journal, 4), (14..=21).collect::<Vec<_>>());
    assert_eq!(segments(dir.path()).len(), 1);
    assert_eq!(journal.shared.layout().depth_bytes(), 0);
    drop(journal);
    let (journal, counters) = open(dir.path());
    assert_eq!(
        (segments(dir.path()).len(), journal.shared.layout().depth(), counters.damaged.get()),
        (0, 0, 0)
    );
}

#[test]
fn damage_costs_what_it_hit_and_is_kept() {
    let dir = folder();
    let (mut journal, _) = open(dir.path());
    for n in 1..=9 {
        journal.appender.append(&mut records([n], 60), 5).expect("room");
    }
    let hit = segments(dir.path())[1].0;
    drop(journal);
    let path = files::segment_path(dir.path(), hit);
    let mut bytes = fs::read(&path).expect("reads");
    let whole = bytes.clone();
    let size = records([hit], 60).len();
    bytes[16 + 40] ^= 1;
    fs::write(&path, &bytes).expect("writes");
    for start in 0..2 {
        let (mut journal, counters) = open(dir.path());
        let (numbers, _) = read(&mut journal, 100);
        let expected: Vec<u64> = (1..=9).filter(|n| *n != hit).collect();
        assert_eq!((numbers, counters.damaged.get()), (expected, 1), "start {start}");
        let kept = fs::read(files::damaged_path(dir.path(), hit, 16)).expect("kept");
        assert_eq!(kept, bytes[16..16 + size], "exactly the damaged record");
        assert_ne!(kept, whole[16..16 + size]);
    }
}

#[test]
fn a_torn_tail_is_passed_over_and_not_counted() {
    let dir = folder();
    let (mut journal, _) = open(dir.path());
    journal.appender.append(&mut records([1, 2], 10), 5).expect("room");
    drop(journal);
    let (first, length) = segments(dir.path())[0];
    let path = files::segment_path(dir.path(), first);
    let whole = fs::read(&path).expect("reads");
    let one = 16 + records([1], 10).len();
    for torn in one..usize::try_from(length).expect("small") {
        let copy = folder();
        fs::write(files::segment_path(copy.path(), first), &whole[..torn]).expect("writes");
        let (mut journal, counters) = open(copy.path());
        journal.appender.append(&mut records([3], 10), 5).expect("room");
        assert_eq!(drain(&mut journal, 10), [1, 3], "cut at {torn}");
        assert_eq!(counters.damaged.get(), 0);
    }
}

#[test]
fn a_full_disk_leaves_nothing_before_later_records() {
    for cut_fails in [false, true] {
        for room in [0, 1, 7, 8, 20, 60, 100, 150, 200] {
            let dir = folder();
            let disk = Arc::new(TestDisk::default());
            let (mut journal, _) = open_with(dir.path(), &disk, 1 << 30);
            journal.appender.append(&mut records([1], 10), 5).expect("room");
            disk.room.store(room, SeqCst);
            disk.cut_fails.store(cut_fails, SeqCst);
            let full = journal.appender.append(&mut records([2, 3, 4], 40), 5).expect_err("full");
            assert!(full.to_string().contains("no storage space"), "{full}");
            assert_eq!(journal.shared.layout().depth(), 1);
            disk.room.store(u64::MAX, SeqCst);
            journal.appender.append(&mut records([5], 10), 5).expect("room again");
            journal.appender.append(&mut records([6], 10), 5).expect("room again");
            drop(journal);
            let (mut journal, counters) = open(dir.path());
            assert_eq!(drain(&mut journal, 10), [1, 5, 6], "room {room}, cut fails {cut_fails}");
            assert_eq!(counters.damaged.get(), 0);
        }
    }
}

#[test]
fn a_disk_full_from_the_first_byte_recovers() {
    let dir = folder();
    let disk = Arc::new(TestDisk::default());
    let (mut journal, _) = open_with(dir.path(), &disk, 1 << 30);
    for room in 0..40 {
        disk.room.store(room, SeqCst);
        disk.cut_fails.store(room % 2 == 0, SeqCst);
        journal.appender.append(&mut records([99], 10), 5).expect_err("full");
    }
    disk.room.store(u64::MAX, SeqCst);
    journal.appender.append(&mut records([1], 10), 5).expect("room again");
    assert_eq!(drain(&mut journal, 10), [1]);
}

#[test]
fn a_failed_sync_is_never_asked_again_of_the_same_file() {
    let dir = folder();
    let disk = Arc::new(TestDisk::default());
    let (mut journal, _) = open_with(dir.path(), &disk, 1 << 30);
    journal.appender.append(&mut records([1], 10), 5).expect("room");
    disk.sync_fails.store(true, SeqCst);
    assert!(matches!(journal.appender.sync(), Err(AppendError::Io(_))));
    disk.sync_fails.store(false, SeqCst);
    journal.appender.append(&mut records([2], 10), 5).expect("room");
    journal.appender.sync().expect("another file");
    assert_eq!(segments(dir.path()).len(), 2);
    assert_eq!(disk.syncs.load(SeqCst), 2);
    assert_eq!(drain(&mut journal, 10), [1, 2]);
}

#[test]
fn a_sync_covers_the_segments_left_before_it() {
    let dir = folder();
    let disk = Arc::new(TestDisk::default());
    let (mut journal, _) = open_with(dir.path(), &disk, 1 << 30);
    for n in 1..=6 {
        journal.appender.append(&mut records([n], 100), 5).expect("room");
    }
    let files = segments(dir.path()).len() as u64;
    journal.appender.sync().expect("syncs");
    assert_eq!(disk.syncs.load(SeqCst), files);
    journal.appender.sync().expect("nothing to do");
    assert_eq!(disk.syncs.load(SeqCst), files);
}

#[test]
fn the_limit_counts_what_is_not_delivered() {
    let dir = folder();
    let (mut journal, _) = open_with(dir.path(), &Arc::default(), 1000);
    let mut taken = 100;
    let full = loop {
        match journal.appender.append(&mut records([taken + 1], 100), 5) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!((103..=109).contains(&taken), "{taken}");
    assert!(matches!(full, AppendError::Full { max: 1000, .. }), "{full}");
    for round in 101..150 {
        let (numbers, batch) = read(&mut journal, 1);
        journal.reader.commit(&batch, &[]).expect("commits");
        assert_eq!(numbers, [round]);
        taken += 1;
        journal.appender.append(&mut records([taken], 100), 5).expect("room for one");
    }
    assert!(segments(dir.path()).iter().map(|s| s.1).sum::<u64>() <= 1000 + SEGMENT);
}

#[test]
fn a_newer_format_is_not_touched_and_a_damaged_header_does_not_matter() {
    let dir = folder();
    let (mut journal, _) = open(dir.path());
    journal.appender.append(&mut records([1, 2], 10), 5).expect("room");
    drop(journal);
    let path = files::segment_path(dir.path(), 1);
    let whole = fs::read(&path).expect("reads");
    let newer = [&files::header(2)[..], &whole[16..]].concat();
    fs::write(&path, &newer).expect("writes");
    let limits = Limits { max_bytes: 1 << 20, segment_bytes: SEGMENT };
    let refused =
        Journal::open(dir.path(), limits, Arc::<TestDisk>::default(), Arc::default()).err().expect("refused");
    assert!(matches!(refused, OpenError::NewerFormat { version: 2, .. }), "{refused}");
    assert_eq!(fs::read(&path).expect("reads"), newer);
    for at in 0..16 {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        fs::write(&path, bytes).expect("writes");
        let (mut journal, _) = open(dir.path());
        assert_eq!(read(&mut journal, 10).0, [1, 2], "byte {at}");
    }
}

#[test]
fn files_cut_or_deleted_by_somebody_do_not_stop_delivery() {
    let dir = folder();
    let (mut journal, counters) = open(dir.path());
    for n in 1..=9 {
        journal.appender.append(&mut records([n], 60), 5).expect("room");
    }
    let found = segments(dir.path());
    fs::remove_file(files::segment_path(dir.path(), found[0].0)).expect("deleted");
    let cut =
        fs::File::options().write(true).open(files::segment_path(dir.path(), found[1].0)).expect("opens");
    cut.set_len(found[1].1 - 5).expect("cut");
    let got = drain(&mut journal, 100);
    assert_eq!(got.last(), Some(&9));
    assert!(got.is_sorted() && !got.contains(&1) && !got.contains(&(found[2].0 - 1)), "{got:?}");
    assert!(got.contains(&found[1].0));
    assert_eq!(counters.damaged.get(), 2);
}

#[test]
fn a_segment_of_rubbish_is_put_aside() {
    let dir = folder();
    fs::write(files::segment_path(dir.path(), 7), [b'x'; 100]).expect("writes");
    fs::write(files::segment_path(dir.path(), 9), [0; 100]).expect("writes");
    let (mut journal, counters) = open(dir.path());
    assert_eq!(counters.damaged.get(), 1);
    assert_eq!(fs::read(files::damaged_path(dir.path(), 7, 0)).expect("kept"), [b'x'; 100]);
    journal.appender.append(&mut records([1], 10), 5).expect("room");
    assert_eq!(segments(dir.path())[0].0, 9, "sequences are not used twice");
    assert_eq!(drain(&mut journal, 10), [1]);
}

#[test]
fn events_larger_than_a_read_come_through() {
    let dir = folder();
    let (mut journal, _) = open(dir.path());
    for n in 1..=3 {
        journal.appender.append(&mut records([n], 700_000), 5).expect("room");
        journal.appender.append(&mut records([n + 10], 100_000), 5).expect("room");
    }
    assert_eq!(drain(&mut journal, 100), [1, 11, 2, 12, 3, 13]);
}

#[test]
fn an_unreadable_sector_costs_the_events_in_it_and_no_others() {
    // In the middle, at the beginning, at the end of the last segment; in one before it.
    for (place, segment) in
        [(8192..8704, 1), (0..512, 1), (20_480..20_481, 1), (24_600..24_601, 1), (8192..8193, 0)]
    {
        let (dir, disk) = (folder(), Arc::<TestDisk>::default());
        let (mut journal, _) = open_with(dir.path(), &disk, 1 << 30);
        let size = records([11], 600).len() as u64;
        let firsts = [1, 41];
        for first in firsts {
            journal.appender.append(&mut records(first..first + 40, 600), 5).expect("room");
        }
        drop(journal);
        let path = files::segment_path(dir.path(), firsts[segment]);
        let inode = fs::metadata(&path).expect("there").ino();
        disk.unreadable.lock().expect("lock").push((inode, place.clone()));
        let sector = place.start / 4096 * 4096..(place.start / 4096 + 1) * 4096;
        // Records of one or two digits differ in size: those whose bytes are in the sector.
        let bytes = fs::read(&path).expect("the file itself is well");
        let text = |n: u64| format!("event-{n}");
        let hit = |n: u64| {
            let id = text(n);
            let found = bytes.windows(2 * id.len() + 1).position(|w| {
                w.starts_with(id.as_bytes())
                    && w[id.len()..].starts_with(id.as_bytes())
                    && w[2 * id.len()] == b'{'
            });
            found.is_some_and(|at| {
                let from = at as u64 - 27;
                from < sector.end && sector.start < from + size
            })
        };
        let expected: Vec<u64> = (1..=80).filter(|n| !hit(*n)).collect();
        assert!(expected.len() < 78 && expected.len() > 70, "{expected:?}");

        let (mut journal, counters) = open_with(dir.path(), &disk, 1 << 30);
        journal.appender.append(&mut records([100], 600), 5).expect("room");
        let mut got = drain(&mut journal, 7);
        assert_eq!((got.pop(), &got, counters.damaged.get()), (Some(100), &expected, 1), "{place:?}");
        assert_eq!(fs::read(files::unreadable_path(dir.path(), firsts[segment])).expect("kept"), bytes);
    }
}
