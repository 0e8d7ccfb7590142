//! A set of ids in a few kilobytes, however many they are: two of them tell by which ids they differ, as long as those are
//! not too many. It is an invertible Bloom lookup table
//! (Eppstein, Goodrich, Uyeda, Varghese: "What's the Difference?", SIGCOMM 2011), with sums in place of exclusive ors, so that
//! an id that came three times is told as well as one that came twice.

use crate::id::ClickId;
use std::{collections::BTreeMap, fmt};

/// Every id is in so many cells.
const WAYS: usize = 4;
/// Cells of each way.
const ROWS: usize = 40;
const CELLS: usize = WAYS * ROWS;
/// So many cells are looked at until a difference counts as too large. One that can be told takes far fewer.
const MOST_LOOKS: usize = 64 * CELLS;

/// What of the ids falls into one cell.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Cell {
    count: i64,
    /// Their sum, modulo 2^128.
    ids: u128,
    /// The sum of their checks, modulo 2^64.
    checks: u64,
}

impl Cell {
    /// The one id that makes up the cell, and how often; none if there are several, or none.
    fn only(&self) -> Option<(u128, i64)> {
        let (count, sum) = (i128::from(self.count), self.ids.cast_signed());
        if count == 0 || sum % count != 0 {
            return None;
        }
        let id = u128::try_from(sum / count).ok()?;
        let checks = check(hash(id)).wrapping_mul(self.count.cast_unsigned());
        (checks == self.checks).then_some((id, self.count))
    }
}

/// A set of ids. Adding is quick, sets of several places add up, and nothing of it says which ids it holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest {
    events: i64,
    total: u64,
    cells: Vec<Cell>,
}

impl Default for Digest {
    fn default() -> Self {
        Self { events: 0, total: 0, cells: vec![Cell::default(); CELLS] }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digest")
            .field("events", &self.events)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

/// By which ids two sets differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Those that the first has more often, in their order.
    pub more: Vec<ClickId>,
    /// Those that the second has more often, in their order.
    pub less: Vec<ClickId>,
    /// How many more events the first has; negative: the second.
    pub events: i64,
    /// Whether they are all named. If not, there were too many.
    pub whole: bool,
}

impl Digest {
    /// How many ids were added, each as often as it was.
    pub fn events(&self) -> u64 {
        u64::try_from(self.events).unwrap_or(0)
    }

    /// The sum over all ids of `tail`, modulo 2^64: equal sets have the same, others hardly.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// One id more.
    pub fn add(&mut self, id: ClickId) {
        self.change(id.to_bits(), 1);
    }

    /// One id less.
    pub fn remove(&mut self, id: ClickId) {
        self.change(id.to_bits(), -1);
    }

    /// All ids of another.
    pub fn merge(&mut self, other: &Self) {
        self.events = self.events.wrapping_add(other.events);
        self.total = self.total.wrapping_add(other.total);
        for (own, others) in self.cells.iter_mut().zip(&other.cells) {
            own.count = own.count.wrapping_add(others.count);
            own.ids = own.ids.wrapping_add(others.ids);
            own.checks = own.checks.wrapping_add(others.checks);
        }
    }

    /// By which ids it differs from another. Some 90 can be named of two sets of any size.
    pub fn difference(&self, other: &Self) -> Difference {
        let mut rest = self.clone();
        rest.subtract(other);
        let events = rest.events;
        let mut named = BTreeMap::<u128, i64>::new();
        let mut waiting: Vec<usize> = (0..CELLS).collect();
        let mut looks = 0;
        while let Some(at) = waiting.pop().filter(|_| looks < MOST_LOOKS) {
            looks += 1;
            if let Some((id, times)) = rest.cells.get(at).and_then(Cell::only) {
                rest.change(id, -times);
                *named.entry(id).or_default() += times;
                waiting.extend(places(hash(id)));
            }
        }
        let whole = rest.cells.iter().all(|cell| *cell == Cell::default());
        let of = |is: fn(i64) -> bool| {
            let ids = named.iter().filter(|(_, times)| is(**times)).map(|(id, _)| ClickId::from_bits(*id));
            ids.collect()
        };
        Difference { more: of(|n| n > 0), less: of(|n| n < 0), events, whole }
    }

    fn subtract(&mut self, other: &Self) {
        self.events = self.events.wrapping_sub(other.events);
        self.total = self.total.wrapping_sub(other.total);
        for (own, others) in self.cells.iter_mut().zip(&other.cells) {
            own.count = own.count.wrapping_sub(others.count);
            own.ids = own.ids.wrapping_sub(others.ids);
            own.checks = own.checks.wrapping_sub(others.checks);
        }
    }

    fn change(&mut self, id: u128, times: i64) {
        let hash = hash(id);
        let (many, check) = (times.cast_unsigned(), check(hash));
        self.events = self.events.wrapping_add(times);
        self.total = self.total.wrapping_add(tail(id).wrapping_mul(many));
        for place in places(hash) {
            if let Some(cell) = self.cells.get_mut(place) {
                cell.count = cell.count.wrapping_add(times);
                cell.ids = cell.ids.wrapping_add(id.wrapping_mul(i128::from(times).cast_unsigned()));
                cell.checks = cell.checks.wrapping_add(check.wrapping_mul(many));
            }
        }
    }

    /// Appends it to bytes: what is not empty of it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.events.to_le_bytes());
        out.extend(self.total.to_le_bytes());
        let used = self.cells.iter().enumerate().filter(|(_, cell)| **cell != Cell::default());
        for (place, cell) in used {
            out.push(u8::try_from(place).unwrap_or(u8::MAX));
            out.extend(cell.count.to_le_bytes());
            out.extend(cell.ids.to_le_bytes());
            out.extend(cell.checks.to_le_bytes());
        }
    }

    /// Out of all of these bytes; none if they are no digest.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (events, rest) = bytes.split_first_chunk()?;
        let (total, mut rest) = rest.split_first_chunk()?;
        let mut digest = Self {
            events: i64::from_le_bytes(*events),
            total: u64::from_le_bytes(*total),
            ..Self::default()
        };
        while let Some((place, cell)) = rest.split_first() {
            let (count, cell) = cell.split_first_chunk()?;
            let (ids, cell) = cell.split_first_chunk()?;
            let (checks, after) = cell.split_first_chunk()?;
            *digest.cells.get_mut(usize::from(*place))? = Cell {
                count: i64::from_le_bytes(*count),
                ids: u128::from_le_bytes(*ids),
                checks: u64::from_le_bytes(*checks),
            };
            rest = after;
        }
        Some(digest)
    }
}

/// The last eight letters of an id as a number, the first of them the lowest byte. A store that has ids as text sums it up as
/// quickly as it reads them: in ClickHouse `reinterpretAsUInt64(right(id, 8))`.
pub(super) fn tail(id: u128) -> u64 {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let letter = |place: usize| LETTERS.get((id >> (5 * place)) as usize & 31).copied().unwrap_or(0);
    (0..8).fold(0, |number, place| number << 8 | u64::from(letter(place)))
}

/// In which cells an id is.
fn places(hash: u64) -> [usize; WAYS] {
    let row = |way: usize| (hash >> (16 * way)) as usize % (1 << 16) % ROWS;
    std::array::from_fn(|way| way * ROWS + row(way))
}

/// Files and stores keep what follows from it: it never changes.
fn hash(id: u128) -> u64 {
    mix(mix((id >> 64) as u64) ^ id as u64)
}

/// Tells an id from a sum of several.
fn check(hash: u64) -> u64 {
    mix(hash ^ 0x7466_785f_6c65_6467)
}

/// The finalizer of `SplitMix64`.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}
