//! The algorithm.

use super::{Counters, Decision, Snapshot, Taken, Unique, Visitor};
use crate::Timestamp;
use rand::Rng;

/// Decides what happens to a click on `slug`.
pub fn decide<'s>(
    snapshot: &'s Snapshot,
    slug: &str,
    visitor: &Visitor,
    now: Timestamp,
    counters: &impl Counters,
    rng: &mut impl Rng,
) -> Decision<'s> {
    let _ = (snapshot, slug, visitor, now, counters, rng);
    Decision {
        campaign: None,
        handed_over: Vec::new(),
        taken: Taken::NotFound,
        unique: Unique::default(),
        passed: Vec::new(),
    }
}
