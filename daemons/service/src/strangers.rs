//! How many requests of strangers are recorded though they were refused: so many a minute of one address, and so many in
//! all. Those beyond are answered the same and counted, and told once a minute.

use crate::metrics::Text;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Recorded within [`WINDOW`], of one address (of IPv6, of one network of 64 bits).
const OF_ONE: u32 = 60;
/// Recorded within [`WINDOW`] in all; also what bounds how many addresses are remembered.
const IN_ALL: u32 = 6_000;
const WINDOW: Duration = Duration::from_secs(60);

/// The budget of a service.
pub struct Strangers {
    service: &'static str,
    window: Mutex<Window>,
    unrecorded: AtomicU64,
}

struct Window {
    began: Instant,
    of_one: HashMap<u128, u32>,
    in_all: u32,
    unrecorded: u64,
}

impl Window {
    fn new(began: Instant) -> Self {
        Self { began, of_one: HashMap::new(), in_all: 0, unrecorded: 0 }
    }

    fn take(&mut self, of: u128) -> bool {
        let full = self.in_all >= IN_ALL;
        let taken = match self.of_one.get_mut(&of) {
            Some(taken) => taken,
            None if full => return false,
            None => self.of_one.entry(of).or_default(),
        };
        let room = !full && *taken < OF_ONE;
        if room {
            *taken += 1;
            self.in_all += 1;
        }
        room
    }
}

impl Strangers {
    /// A whole one.
    pub fn new(service: &'static str) -> Self {
        Self { service, window: Mutex::new(Window::new(Instant::now())), unrecorded: AtomicU64::new(0) }
    }

    /// Whether a refused request of that address is recorded.
    pub fn take(&self, ip: IpAddr) -> bool {
        self.take_at(ip, Instant::now())
    }

    fn take_at(&self, ip: IpAddr, now: Instant) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.began) >= WINDOW {
            if window.unrecorded > 0 {
                let (service, unrecorded) = (self.service, window.unrecorded);
                tracing::warn!(
                    service,
                    unrecorded,
                    "refused requests beyond the budget were counted, not recorded"
                );
            }
            *window = Window::new(now);
        }
        let recorded = window.take(whose(ip));
        if !recorded {
            window.unrecorded += 1;
            self.unrecorded.fetch_add(1, Relaxed);
            if window.unrecorded == 1 {
                let service = self.service;
                tracing::warn!(service, %ip, of_one = OF_ONE, in_all = IN_ALL, "more requests are refused than are recorded in a minute");
            }
        }
        recorded
    }

    /// Its part of the metrics.
    pub fn write(&self, out: &mut Text) {
        let labels = [("service", self.service)];
        let help = "Refused requests of strangers that were counted, not recorded";
        out.counter("tfx_refused_unrecorded_total", help, &labels, self.unrecorded.load(Relaxed));
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
    fn a_stranger_leaves_a_bounded_number_of_records() {
        let budget = Strangers::new("test");
        let now = Instant::now();
        let recorded = |ip: &str, asked: u32, at| {
            let ip: IpAddr = ip.parse().expect("an address");
            (0..asked).filter(|_| budget.take_at(ip, at)).count()
        };
        assert_eq!(recorded("192.0.2.1", 10_000, now), 60);
        assert_eq!(recorded("::ffff:192.0.2.1", 10, now), 0, "the same");
        assert_eq!(recorded("192.0.2.2", 10, now), 10);
        // One network of IPv6 has more addresses than there is memory.
        let many = (0..10_000).filter(|n| recorded(&format!("2001:db8:1:1::{n:x}"), 1, now) == 1).count();
        assert_eq!(many, 60);
        let all: usize = (0..1000).map(|n| recorded(&format!("2001:db8:2:{n:x}::1"), 100, now)).sum();
        assert_eq!(all, 6_000 - 60 - 10 - 60);
        assert!(budget.window.lock().expect("lock").of_one.len() <= 6_000);
        assert_eq!(recorded("192.0.2.1", 100, now + WINDOW), 60, "another minute");
    }
}
