//! How often an address may be wrong, so that a scanner fills neither the log nor the processor. Memory is bounded.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};
use tfx_domain::Timestamp;

/// Failures that an address may have in a window before it is answered 429.
const FAILURES: u32 = 20;
/// The window.
pub(super) const WINDOW_S: i64 = 60;
/// Addresses remembered; when they would be more, all are forgotten.
const ADDRESSES: usize = 10_000;

/// Failures by address.
#[derive(Default)]
pub(super) struct Guesses(Mutex<HashMap<IpAddr, (Timestamp, u32)>>);

impl Guesses {
    /// Notes a failure; true while the address is within its limit.
    pub(super) fn failed(&self, from: IpAddr, now: Timestamp) -> bool {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |since: &Timestamp| now.duration_since(*since).as_secs() < WINDOW_S;
        if failures.len() >= ADDRESSES && !failures.contains_key(&from) {
            failures.retain(|_, (since, _)| fresh(since));
            if failures.len() >= ADDRESSES {
                failures.clear();
            }
        }
        let (since, count) = failures.entry(from).or_insert((now, 0));
        if !fresh(since) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= FAILURES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_limited_for_its_window_and_the_memory_is_bounded() {
        let guesses = Guesses::default();
        let at = |s: i64| Timestamp::from_second(s).expect("in range");
        let ip = |n: u32| IpAddr::from(n.to_be_bytes());
        assert!((0..FAILURES).all(|_| guesses.failed(ip(1), at(0))));
        assert!(!guesses.failed(ip(1), at(1)));
        assert!(guesses.failed(ip(2), at(1)), "another address");
        assert!(guesses.failed(ip(1), at(WINDOW_S)), "the next window");
        for n in 0..30_000 {
            guesses.failed(ip(n), at(100));
        }
        assert!(guesses.0.lock().expect("lock").len() <= ADDRESSES);
    }
}
