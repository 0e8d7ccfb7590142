//! Numbers for ids, so that a binding takes some bits rather than a text.

use super::seen::MAX_BOUND;
use rustc_hash::FxHashMap;
use std::{
    hash::Hash,
    sync::{PoisonError, RwLock},
};

/// Ids in the order in which they came; grows with the configuration only.
pub(super) struct Names<I>(RwLock<(Vec<I>, FxHashMap<I, u32>)>);

impl<I> Default for Names<I> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<I: Clone + Eq + Hash> Names<I> {
    /// The number of an id, from 1; 0 when there is no number left.
    pub(super) fn number(&self, id: &I) -> u32 {
        if let Some(n) = self.0.read().unwrap_or_else(PoisonError::into_inner).1.get(id) {
            return *n;
        }
        let mut guard = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (ids, numbers) = &mut *guard;
        if let Some(n) = numbers.get(id) {
            return *n;
        }
        let Some(next) = u32::try_from(ids.len() + 1).ok().filter(|n| *n <= MAX_BOUND) else { return 0 };
        ids.push(id.clone());
        numbers.insert(id.clone(), next);
        next
    }

    /// Every id, in the order of its number.
    pub(super) fn all(&self) -> Vec<I> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// The id of a number; none for 0.
    pub(super) fn id(&self, number: u32) -> Option<I> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.get(place).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_number() {
        let names = Names::default();
        assert_eq!((names.number(&"a"), names.number(&"b"), names.number(&"a")), (1, 2, 1));
        assert_eq!((names.id(0), names.id(2), names.id(3)), (None, Some("b"), None));
    }
}
