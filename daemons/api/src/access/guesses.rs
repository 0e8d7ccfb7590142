//! How often an address may be wrong, so that a scanner fills neither the log nor the processor. Memory is bounded, and
//! whoever has many addresses does not make room by them for those that he has used up.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};
use tfx_domain::Timestamp;

/// Addresses remembered; when they would be more, those whose window began first are forgotten.
const ADDRESSES: usize = 10_000;
/// So many of them at once.
const FORGOTTEN: usize = ADDRESSES / 10;
/// A network of IPv6 of 48 bits, as one customer has it, may be wrong as often as so many of its networks of 64 bits.
const NETWORKS: u32 = 8;

/// Network failures are counted together: the bits of a network, and how many of them count.
type Network = (u128, u8);

/// Failures by address; of IPv6, by network of 64 bits and by that of 48 bits around it.
pub(crate) struct Guesses {
    most: u32,
    window_s: i64,
    seen: Mutex<HashMap<Network, (Timestamp, u32)>>,
}

impl Guesses {
    /// So many within so long.
    pub(crate) fn new(most: u32, window_s: i64) -> Self {
        Self { most, window_s, seen: Mutex::default() }
    }

    /// Notes a failure.
    ///
    /// # Errors
    /// The address is beyond its limit, for so many seconds more.
    pub(crate) fn failed(&self, from: IpAddr, now: Timestamp) -> Result<(), i64> {
        let mut failures = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match from.to_canonical() {
            IpAddr::V4(ip) => self.count(&mut failures, (u128::from(ip.to_bits()), 32), self.most, now),
            IpAddr::V6(ip) => {
                let network = |bits: u8| ((ip.to_bits() >> (128 - bits)) << (128 - bits), bits);
                self.count(&mut failures, network(48), self.most.saturating_mul(NETWORKS), now)?;
                self.count(&mut failures, network(64), self.most, now)
            }
        }
    }

    fn count(
        &self,
        failures: &mut HashMap<Network, (Timestamp, u32)>,
        whose: Network,
        most: u32,
        now: Timestamp,
    ) -> Result<(), i64> {
        let passed = |since: Timestamp| now.duration_since(since).as_secs();
        let fresh = |since: Timestamp| (0..self.window_s).contains(&passed(since));
        if failures.len() >= ADDRESSES && !failures.contains_key(&whose) {
            failures.retain(|_, (since, _)| fresh(*since));
            if failures.len() >= ADDRESSES {
                let mut begun: Vec<Timestamp> = failures.values().map(|(since, _)| *since).collect();
                let (_, last, _) = begun.select_nth_unstable(FORGOTTEN);
                let mut left = FORGOTTEN + 1;
                failures.retain(|_, (since, _)| {
                    let stays = *since > *last || left == 0;
                    left -= usize::from(!stays);
                    stays
                });
            }
        }
        let (since, count) = failures.entry(whose).or_insert((now, 0));
        if !fresh(*since) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        if *count <= most { Ok(()) } else { Err((self.window_s - passed(*since)).max(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(s).expect("in range")
    }

    fn v6(third: u16, subnet: u16, host: u16) -> IpAddr {
        IpAddr::from([0x2001, 0xdb8, third, subnet, 0, 0, 0, host])
    }

    #[test]
    fn an_address_is_limited_for_its_window_and_told_what_is_left_of_it() {
        let guesses = Guesses::new(20, 60);
        let ip = |n: u32| IpAddr::from(n.to_be_bytes());
        assert!((0..20).all(|_| guesses.failed(ip(1), at(0)).is_ok()));
        assert_eq!(guesses.failed(ip(1), at(1)), Err(59));
        assert_eq!(guesses.failed(ip(1), at(59)), Err(1));
        assert!(guesses.failed(ip(2), at(1)).is_ok(), "another address");
        assert!(guesses.failed(ip(1), at(60)).is_ok(), "the next window");
        assert!(guesses.failed(ip(1), at(-86_400)).is_ok(), "a clock that was set back");
        let ok = (0..100).filter(|n| guesses.failed(v6(0, 0, *n), at(2)).is_ok()).count();
        assert_eq!(ok, 20, "one network of IPv6");
    }

    #[test]
    fn many_addresses_fill_no_memory_and_free_none_that_is_limited() {
        let guesses = Guesses::new(20, 60);
        let limited = IpAddr::from([192, 0, 2, 1]);
        while guesses.failed(limited, at(0)).is_ok() {}
        // Who has a network of 48 bits has 65,536 of 64 bits.
        let ok = (0..=u16::MAX).filter(|n| guesses.failed(v6(1, *n, 0), at(1)).is_ok()).count();
        assert_eq!(ok, 20 * 8);
        assert!(guesses.failed(limited, at(2)).is_err(), "it is remembered");
        let others = |from: u32, s: i64| {
            for n in from..from + 9_000 {
                let _ = guesses.failed(IpAddr::from((0x0b00_0000 + n).to_be_bytes()), at(s));
            }
        };
        others(0, 10);
        let late = IpAddr::from([192, 0, 2, 2]);
        while guesses.failed(late, at(11)).is_ok() {}
        others(10_000, 12);
        assert!(guesses.failed(late, at(13)).is_err(), "those go first whose window began first");
        others(20_000, 14);
        others(30_000, 15);
        assert!(guesses.seen.lock().expect("lock").len() <= ADDRESSES);
    }
}
