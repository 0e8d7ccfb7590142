//! How often an address may be wrong, so that a scanner fills neither the log nor the processor. Memory is bounded.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};
use tfx_domain::Timestamp;

/// Addresses remembered; when they would be more, all are forgotten.
const ADDRESSES: usize = 10_000;

/// Failures by address; of IPv6, by network of 64 bits.
pub(crate) struct Guesses {
    most: u32,
    window_s: i64,
    seen: Mutex<HashMap<u128, (Timestamp, u32)>>,
}

impl Guesses {
    /// So many within so long.
    pub(crate) fn new(most: u32, window_s: i64) -> Self {
        Self { most, window_s, seen: Mutex::default() }
    }

    /// How long the window is.
    pub(crate) const fn window_s(&self) -> i64 {
        self.window_s
    }

    /// Notes a failure; true while the address is within its limit.
    pub(crate) fn failed(&self, from: IpAddr, now: Timestamp) -> bool {
        let from = whose(from);
        let mut failures = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |since: &Timestamp| now.duration_since(*since).as_secs() < self.window_s;
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
        *count <= self.most
    }
}

fn whose(ip: IpAddr) -> u128 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => (ip.to_bits() >> 64) << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_limited_for_its_window_and_the_memory_is_bounded() {
        let guesses = Guesses::new(20, 60);
        let at = |s: i64| Timestamp::from_second(s).expect("in range");
        let ip = |n: u32| IpAddr::from(n.to_be_bytes());
        assert!((0..20).all(|_| guesses.failed(ip(1), at(0))));
        assert!(!guesses.failed(ip(1), at(1)));
        assert!(guesses.failed(ip(2), at(1)), "another address");
        assert!(guesses.failed(ip(1), at(60)), "the next window");
        let v6 = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
        assert_eq!((0..100).filter(|n| guesses.failed(v6(*n), at(2))).count(), 20, "one network of IPv6");
        for n in 0..30_000 {
            guesses.failed(ip(n), at(100));
        }
        assert!(guesses.seen.lock().expect("lock").len() <= ADDRESSES);
    }
}
