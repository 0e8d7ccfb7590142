//! Who was seen where, and to what he is bound: a bounded map in many small parts.
//!
//! An entry is 16 bytes: a keyed hash of visitor and scope, the time, and a number for what he is bound to there. Each
//! part keeps two generations: writes go to the young one; when it is half the part's share, it becomes the old one and
//! the former old one is forgotten. So what goes first is what was not seen for longest, and nothing is ever searched
//! (`docs/decisions/0005-visitors-in-memory.md`).

use rustc_hash::FxHashMap;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::{
    hash::Hasher,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tfx_domain::{Timestamp, id::VisitorId, routing::Scope};

/// Parts, each with a lock of its own that is held for a few look-ups only.
const PARTS: usize = 256;
/// Entries a visitor needs: campaign, stream, destination.
const ENTRIES: usize = 3;
/// Bits of an entry that hold what the visitor is bound to; the others hold milliseconds since 1970, till 2109.
const BOUND_BITS: u32 = 22;
/// The largest number of something to be bound to; 0 is nothing.
pub(super) const MAX_BOUND: u32 = (1 << BOUND_BITS) - 1;

/// Where a visitor was: nobody can guess or provoke two that are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct VisitKey(u64);

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// When the visitor was last there.
    pub(super) at: Timestamp,
    /// The number of what he is bound to; 0: nothing.
    pub(super) bound: u32,
}

impl Entry {
    fn pack(self) -> u64 {
        let ms = u64::try_from(self.at.as_millisecond()).unwrap_or(0).min((1 << (64 - BOUND_BITS)) - 1);
        ms << BOUND_BITS | u64::from(self.bound.min(MAX_BOUND))
    }

    fn unpack(packed: u64) -> Self {
        let ms = i64::try_from(packed >> BOUND_BITS).unwrap_or(0);
        let bound = u32::try_from(packed & u64::from(MAX_BOUND)).unwrap_or(0);
        Self { at: Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH), bound }
    }
}

/// A visit that was remembered, with what was known before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Visit {
    key: VisitKey,
    before: Option<Entry>,
    now: Entry,
}

impl Visit {
    /// What was known before.
    pub(super) fn before(&self) -> Option<Entry> {
        self.before
    }
}

#[derive(Default)]
struct Shard {
    young: FxHashMap<VisitKey, u64>,
    old: FxHashMap<VisitKey, u64>,
}

/// Who was seen where.
pub(super) struct Seen {
    parts: Box<[Mutex<Shard>]>,
    /// Entries of a generation of a part.
    share: usize,
    key: SipHasher13,
}

impl Seen {
    /// Remembers at least half as many visitors, and at most so many. The key is the installation's own: with it spots are
    /// the same over a restart.
    pub(super) fn new(visitors: usize, key: &[u8; 16]) -> Self {
        let share = (visitors.saturating_mul(ENTRIES) / PARTS / 2).max(4);
        let parts = (0..PARTS).map(|_| Mutex::default()).collect();
        Self { parts, share, key: SipHasher13::new_with_key(key) }
    }

    /// The key of a visitor in a scope.
    pub(super) fn key(&self, visitor: VisitorId, scope: Scope<'_>) -> VisitKey {
        let mut hasher = self.key;
        hasher.write(&visitor.0.to_le_bytes());
        // Ids begin with their kind, so no campaign is ever taken for a stream.
        hasher.write(match scope {
            Scope::Campaign(id) => id.as_str().as_bytes(),
            Scope::Stream(id) => id.as_str().as_bytes(),
            Scope::Destination(id) => id.as_str().as_bytes(),
        });
        VisitKey(hasher.finish128().h1)
    }

    fn part(&self, key: VisitKey) -> MutexGuard<'_, Shard> {
        // Bits that the map inside does not use first.
        let index = (key.0 >> 40) as usize % PARTS;
        self.parts[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known.
    pub(super) fn get(&self, key: VisitKey) -> Option<Entry> {
        self.part(key).get(key)
    }

    /// The visitor is there now; bound to `bound`, or, if that is 0, to what he was.
    pub(super) fn visit(&self, key: VisitKey, at: Timestamp, bound: u32) -> Visit {
        let mut part = self.part(key);
        let before = part.get(key);
        let bound = if bound == 0 { before.map_or(0, |b| b.bound) } else { bound };
        let now = Entry { at, bound };
        part.put(key, now, self.share);
        Visit { key, before, now }
    }

    /// The visitor was there once; what is known of later wins.
    pub(super) fn recall(&self, key: VisitKey, at: Timestamp, bound: u32) {
        let mut part = self.part(key);
        let told = Entry { at, bound };
        let known = part.get(key).unwrap_or(told);
        let (late, early) = if told.at > known.at { (told, known) } else { (known, told) };
        let bound = if late.bound == 0 { early.bound } else { late.bound };
        part.put(key, Entry { at: late.at, bound }, self.share);
    }

    /// The visit did not happen: what was known before is known again, unless he was there once more since.
    pub(super) fn take_back(&self, visit: &Visit) {
        let mut part = self.part(visit.key);
        if part.get(visit.key) != Some(visit.now) {
            return;
        }
        match visit.before {
            Some(before) => part.put(visit.key, before, self.share),
            None => part.forget(visit.key),
        }
    }

    /// He was never there; whether he was.
    pub(super) fn forget(&self, key: VisitKey) -> bool {
        let mut part = self.part(key);
        let known = part.get(key).is_some();
        part.forget(key);
        known
    }

    /// What hashes with the key of the spots.
    pub(super) fn hasher(&self) -> SipHasher13 {
        self.key
    }

    /// Every key with its entry, the latest last within a part.
    pub(super) fn all(&self) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        for part in &self.parts {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(part.old.iter().chain(&part.young).map(|(key, entry)| (key.0, *entry)));
        }
        all
    }

    /// A key of an earlier run, unless more is known of it.
    pub(super) fn put_back(&self, key: u64, entry: u64) {
        let key = VisitKey(key);
        let mut part = self.part(key);
        if part.get(key).is_none() {
            part.put(key, Entry::unpack(entry), self.share);
        }
    }

    /// Entries remembered.
    pub(super) fn len(&self) -> usize {
        let count = |p: &Mutex<Shard>| {
            let part = p.lock().unwrap_or_else(PoisonError::into_inner);
            part.young.len() + part.old.len()
        };
        self.parts.iter().map(count).sum()
    }
}

impl Shard {
    fn get(&self, key: VisitKey) -> Option<Entry> {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied().map(Entry::unpack)
    }

    fn put(&mut self, key: VisitKey, entry: Entry, share: usize) {
        if self.young.len() >= share && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, entry.pack());
    }

    fn forget(&mut self, key: VisitKey) {
        self.young.remove(&key);
        self.old.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tfx_domain::id::{CampaignId, StreamId};

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).expect("time")
    }

    fn campaign() -> CampaignId {
        "cmp_0000000000000000000".parse().expect("id")
    }

    #[test]
    fn a_visit_is_remembered_with_its_binding_which_only_another_binding_changes() {
        let seen = Seen::new(1000, &[1; 16]);
        let campaign = campaign();
        let stream: StreamId = "str_0000000000000000000".parse().expect("id");
        let key = seen.key(VisitorId(1), Scope::Campaign(&campaign));
        assert_eq!(seen.get(key), None);
        assert_eq!(seen.visit(key, at(1_000), 7).before(), None);
        assert_eq!(seen.visit(key, at(2_000), 0).before(), Some(Entry { at: at(1_000), bound: 7 }));
        assert_eq!(seen.visit(key, at(3_000), 9).before(), Some(Entry { at: at(2_000), bound: 7 }));
        assert_eq!(seen.get(key), Some(Entry { at: at(3_000), bound: 9 }));
        for other in [
            seen.key(VisitorId(2), Scope::Campaign(&campaign)),
            seen.key(VisitorId(1), Scope::Stream(&stream)),
        ] {
            assert_eq!(seen.get(other), None);
        }
    }

    #[test]
    fn a_visit_that_is_taken_back_leaves_what_was_before_or_came_after() {
        let seen = Seen::new(1000, &[1; 16]);
        let campaign = campaign();
        let key = seen.key(VisitorId(1), Scope::Campaign(&campaign));
        seen.take_back(&seen.visit(key, at(1_000), 7));
        assert_eq!(seen.get(key), None);
        seen.visit(key, at(1_000), 7);
        seen.take_back(&seen.visit(key, at(2_000), 9));
        assert_eq!(seen.get(key), Some(Entry { at: at(1_000), bound: 7 }));
        let failed = seen.visit(key, at(3_000), 9);
        seen.visit(key, at(4_000), 0);
        seen.take_back(&failed);
        assert_eq!(seen.get(key), Some(Entry { at: at(4_000), bound: 9 }));
    }

    #[test]
    fn what_is_recalled_from_the_past_does_not_hide_what_came_later() {
        let seen = Seen::new(1000, &[1; 16]);
        let campaign = campaign();
        let key = |n| seen.key(VisitorId(n), Scope::Campaign(&campaign));
        seen.visit(key(1), at(5_000), 0);
        seen.recall(key(1), at(2_000), 3);
        assert_eq!(seen.get(key(1)), Some(Entry { at: at(5_000), bound: 3 }));
        seen.visit(key(2), at(5_000), 4);
        seen.recall(key(2), at(2_000), 3);
        assert_eq!(seen.get(key(2)), Some(Entry { at: at(5_000), bound: 4 }));
        // In whatever order it comes back.
        let visits = [(at(1_000), 2), (at(2_000), 3), (at(3_000), 0)];
        visits.iter().for_each(|(at, bound)| seen.recall(key(3), *at, *bound));
        visits.iter().rev().for_each(|(at, bound)| seen.recall(key(4), *at, *bound));
        for n in [3, 4] {
            assert_eq!(seen.get(key(n)), Some(Entry { at: at(3_000), bound: 3 }));
        }
    }

    #[test]
    fn memory_is_bounded_and_the_latest_half_is_kept() {
        let visitors = 100_000;
        let seen = Seen::new(visitors, &[1; 16]);
        let campaign = campaign();
        let key = |n| seen.key(VisitorId(n), Scope::Campaign(&campaign));
        // Somebody who comes all the time is never forgotten, however many others pass by.
        for n in 1..=600_000u32 {
            seen.visit(key(u128::from(n)), at(i64::from(n)), 0);
            if n % 1000 == 0 {
                seen.visit(key(0), at(i64::from(n)), 5);
            }
        }
        assert!(seen.len() <= visitors * ENTRIES + PARTS, "{}", seen.len());
        assert_eq!(seen.get(key(0)).map(|e| e.bound), Some(5));
        assert_eq!(seen.get(key(1)), None);
        let latest = 600_000 - u128::try_from(visitors).expect("few");
        let missing = (latest..600_000).filter(|n| seen.get(key(*n)).is_none()).count();
        assert_eq!(missing, 0, "the latest are all there");
    }

    proptest! {
        #[test]
        fn an_entry_survives_packing(ms in 0i64..4_000_000_000_000, bound in 0u32..=MAX_BOUND) {
            let entry = Entry { at: at(ms), bound };
            prop_assert_eq!(Entry::unpack(entry.pack()), entry);
        }
    }
}
