//! Memory for what is still being received, over all connections of a service: what one of them may take for itself,
//! and what it has to share with the others.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// What every head, and every body, may take without asking: ordinary requests never wait for large ones.
pub(crate) const FREE: usize = 8 << 10;
/// What a piece of a body costs beside its bytes.
pub(crate) const PIECE: usize = 64;

/// What all connections of a service may take together.
#[derive(Debug)]
pub(crate) struct Budget(AtomicUsize);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(bytes)))
    }

    fn take(&self, bytes: usize) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// What one head or body has taken; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    received: AtomicUsize,
}

impl Share {
    pub(crate) fn of(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), received: AtomicUsize::new(0) }
    }

    /// Takes this much more; false if nothing is left.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let before = self.received.load(Relaxed);
        let after = before.saturating_add(bytes);
        let taken = self.budget.take(charged(after) - charged(before));
        if taken {
            self.received.store(after, Relaxed);
        }
        taken
    }

    /// Gives all of it back.
    pub(crate) fn clear(&self) {
        let back = charged(self.received.swap(0, Relaxed));
        if back > 0 {
            self.budget.0.fetch_add(back, Relaxed);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.clear();
    }
}

fn charged(received: usize) -> usize {
    received.saturating_sub(FREE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_ones_are_free_and_large_ones_share() {
        let budget = Budget::new(1000);
        let large = Share::of(&budget);
        assert!(large.take(FREE) && large.take(600) && large.take(400));
        let another = Share::of(&budget);
        assert!(another.take(FREE), "what is small needs nothing of it");
        assert!(!another.take(1) && !large.take(1));
        large.clear();
        assert!(another.take(1000) && !another.take(1));
        assert!(large.take(FREE) && !large.take(1), "it begins anew");
        drop(another);
        assert!(large.take(1000));
        drop(large);
        assert_eq!(budget.0.load(Relaxed), 1000);
    }
}
