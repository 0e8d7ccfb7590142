//! A model of the journal against the journal: appends, syncs, deliveries, crashes that lose or spoil what was not
//! synced, flipped bits, an old cursor. After each recovery everything synced and undelivered is there, in order, and
//! nothing that was never written.

use super::*;
use crate::journal::{files, record};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

#[derive(Debug, Clone)]
enum Op {
    Append { count: u64, pad: usize },
    Sync,
    Deliver { max: usize, commit: bool },
    Reopen,
    Crash(Crash),
}

#[derive(Debug, Clone)]
struct Crash {
    /// Where each segment's unsynced bytes end, and what follows.
    ends: Vec<(Index, Spoil)>,
    /// Which segment and bit is hit, synced or not.
    flips: Vec<(Index, Index)>,
    /// An older state of the cursor, as the loss of power may leave.
    old_cursor: Option<Index>,
    /// Whether what is found is delivered at once, or stays.
    deliver: bool,
}

#[derive(Debug, Clone, Copy)]
enum Spoil {
    Nothing,
    Cut,
    Zeros,
    Rubbish(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let spoil = prop_oneof![
        2 => Just(Spoil::Nothing), 3 => Just(Spoil::Cut), 1 => Just(Spoil::Zeros), 1 => any::<u64>().prop_map(Spoil::Rubbish)
    ];
    let crash = (
        vec((any::<Index>(), spoil), 1..4),
        prop_oneof![2 => Just(vec![]), 1 => vec((any::<Index>(), any::<Index>()), 1..3)],
        proptest::option::weighted(0.3, any::<Index>()),
        any::<bool>(),
    );
    prop_oneof![
        8 => (1u64..5, 0usize..150).prop_map(|(count, pad)| Op::Append { count, pad }),
        3 => Just(Op::Sync),
        4 => (1usize..8, prop::bool::weighted(0.8)).prop_map(|(max, commit)| Op::Deliver { max, commit }),
        1 => Just(Op::Reopen),
        2 => crash.prop_map(|(ends, flips, old_cursor, deliver)| {
            Op::Crash(Crash { ends, flips, old_cursor, deliver })
        }),
    ]
}

struct Model {
    dir: TempDir,
    journal: Option<Journal>,
    last: u64,
    /// Undelivered events in the journal, in order.
    waiting: Vec<u64>,
    /// Everything that was ever delivered and committed.
    delivered: BTreeSet<u64>,
    /// Of `waiting`, those that must survive anything but a hit of their own bytes.
    synced: BTreeSet<u64>,
    /// Length of each segment that must survive.
    synced_lengths: BTreeMap<u64, u64>,
    /// States of the cursor that a loss of power may bring back.
    cursors: Vec<Vec<u8>>,
    /// Read, but not committed.
    unread: usize,
}

impl Model {
    fn new() -> Self {
        let dir = folder();
        let (journal, _) = open(dir.path());
        Self {
            dir,
            journal: Some(journal),
            last: 0,
            waiting: vec![],
            delivered: BTreeSet::new(),
            synced: BTreeSet::new(),
            synced_lengths: BTreeMap::new(),
            cursors: vec![vec![]],
            unread: 0,
        }
    }

    fn journal(&mut self) -> &mut Journal {
        self.journal.as_mut().expect("open")
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Append { count, pad } => {
                let numbers = self.last + 1..=self.last + count;
                self.last += count;
                self.waiting.extend(numbers.clone());
                self.journal().appender.append(&mut records(numbers, pad), 5).expect("room");
            }
            Op::Sync => {
                self.journal().appender.sync().expect("syncs");
                self.synced.extend(self.waiting.iter().copied());
                self.synced_lengths = segments(self.dir.path()).into_iter().collect();
            }
            Op::Deliver { max, commit } => {
                let expected: Vec<u64> = self.waiting.iter().skip(self.unread).copied().take(max).collect();
                let (got, batch) = read(self.journal(), max);
                assert_eq!(got, expected, "delivered in order, none left out");
                self.unread += got.len();
                if commit {
                    let before = segments(self.dir.path()).len();
                    self.journal().reader.commit(&batch, &[]).expect("commits");
                    self.delivered.extend(self.waiting.drain(..self.unread));
                    self.unread = 0;
                    let cursor = fs::read(self.dir.path().join("cursor")).expect("reads");
                    if segments(self.dir.path()).len() < before {
                        self.cursors.clear(); // it was synced first
                    }
                    self.cursors.push(cursor);
                }
            }
            Op::Reopen => {
                self.journal = None;
                self.open();
            }
            Op::Crash(crash) => self.crash(&crash),
        }
        if self.unread == 0 {
            let depth = self.journal().shared.layout().depth();
            assert!(depth >= self.waiting.len() as u64, "{depth} of {}", self.waiting.len());
        }
    }

    fn open(&mut self) {
        self.journal = Some(open(self.dir.path()).0);
        self.unread = 0;
        self.cursors = vec![fs::read(self.dir.path().join("cursor")).expect("reads")];
    }

    fn crash(&mut self, crash: &Crash) {
        self.journal = None;
        let dir = self.dir.path().to_owned();
        let found = segments(&dir);
        for ((first, length), (end, spoil)) in found.iter().zip(crash.ends.iter().cycle()) {
            let floor = self.synced_lengths.get(first).copied().unwrap_or(0).min(*length);
            let end = (floor as usize) + end.index((length - floor) as usize + 1);
            let path = files::segment_path(&dir, *first);
            let mut bytes = fs::read(&path).expect("reads");
            match spoil {
                Spoil::Nothing => {}
                Spoil::Cut => bytes.truncate(end),
                Spoil::Zeros => bytes[end..].fill(0),
                Spoil::Rubbish(seed) => {
                    let mut state = seed | 1;
                    for byte in &mut bytes[end..] {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        *byte = state as u8;
                    }
                }
            }
            fs::write(&path, bytes).expect("writes");
        }
        let mut hit = BTreeSet::new();
        for (segment, bit) in &crash.flips {
            if found.is_empty() {
                continue;
            }
            let path = files::segment_path(&dir, found[segment.index(found.len())].0);
            let mut bytes = fs::read(&path).expect("reads");
            if bytes.is_empty() {
                continue;
            }
            let bit = bit.index(bytes.len() * 8);
            hit.extend(event_at(&bytes, bit / 8));
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, bytes).expect("writes");
        }
        if let Some(old) = crash.old_cursor {
            fs::write(dir.join("cursor"), &self.cursors[old.index(self.cursors.len())]).expect("writes");
        }

        let (mut journal, _) = open(&dir);
        let mut got = Vec::new();
        let end = journal.shared.layout().next;
        loop {
            let (numbers, batch) = read(&mut journal, 3);
            if crash.deliver {
                journal.reader.commit(&batch, &[]).expect("commits");
            }
            if numbers.is_empty() {
                break;
            }
            got.extend(numbers);
        }
        if crash.deliver {
            assert_eq!(journal.shared.layout().cursor, end, "nothing more to come");
        }
        drop(journal);
        if crash.old_cursor.is_none() {
            assert!(got.iter().all(|n| !self.delivered.contains(n)), "delivered twice without need: {got:?}");
        }
        assert!(got.windows(2).all(|w| w[0] < w[1]), "out of order: {got:?}");
        assert!(got.iter().all(|n| *n <= self.last), "invented: {got:?}");
        let missing: Vec<u64> = self
            .waiting
            .iter()
            .filter(|n| self.synced.contains(n) && !hit.contains(n) && !got.contains(n))
            .copied()
            .collect();
        assert!(missing.is_empty(), "synced and lost: {missing:?} of {:?}, got {got:?}", self.waiting);
        self.synced.retain(|n| got.contains(n));
        self.delivered.retain(|n| !got.contains(n));
        if crash.deliver {
            self.delivered.extend(std::mem::take(&mut got));
        }
        self.waiting = got;
        self.open();
    }
}

/// The event whose record has this byte.
fn event_at(bytes: &[u8], at: usize) -> Option<u64> {
    let mut start = 16;
    while start < bytes.len() {
        let Ok(view) = record::parse(&bytes[start..], &(0..u64::MAX)) else {
            start += 1;
            continue;
        };
        if (start..start + view.size).contains(&at) {
            return view.id.strip_prefix("event-")?.parse().ok();
        }
        start += view.size;
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_synced_is_delivered_once_and_in_order(ops in vec(op(), 1..40)) {
        let mut model = Model::new();
        for op in ops {
            model.apply(op);
        }
    }
}
