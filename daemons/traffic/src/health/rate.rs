//! How often probes may be asked for: so many at once, then one every so often (the generic cell rate algorithm).

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Keys that are remembered before those that may do all again are forgotten.
const MOST: usize = 4_096;

/// A limit for each key.
#[derive(Debug)]
pub(crate) struct Rate<K> {
    /// How many may come at once.
    burst: u32,
    /// How often one may come after that.
    every: Duration,
    /// When the last that was let in would have come at a steady pace.
    paced: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash> Rate<K> {
    pub(crate) fn new(burst: u32, every: Duration) -> Self {
        Self { burst: burst.max(1), every, paced: Mutex::default() }
    }

    /// Lets one in.
    ///
    /// # Errors
    /// How long it is until one may come.
    pub(crate) fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut paced = self.paced.lock().unwrap_or_else(PoisonError::into_inner);
        if paced.len() >= MOST {
            paced.retain(|_, at| *at > now);
        }
        let at = paced.get(&key).map_or(now, |at| (*at).max(now));
        let wait = at.saturating_duration_since(now).saturating_sub(self.every * (self.burst - 1));
        if !wait.is_zero() {
            return Err(wait);
        }
        paced.insert(key, at + self.every);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_come_at_once_and_then_one_every_so_often() {
        let (rate, start) = (Rate::new(3, Duration::from_secs(2)), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        for _ in 0..3 {
            assert_eq!(rate.take("a", start), Ok(()));
        }
        assert_eq!(rate.take("a", start), Err(Duration::from_secs(2)));
        assert_eq!(
            rate.take("a", at(1_500)),
            Err(Duration::from_millis(500)),
            "who was refused uses up nothing"
        );
        assert_eq!(rate.take("b", at(1_500)), Ok(()), "each key has its own");
        assert_eq!(rate.take("a", at(2_000)), Ok(()));
        assert_eq!(rate.take("a", at(2_000)), Err(Duration::from_secs(2)));
        for _ in 0..3 {
            assert_eq!(rate.take("a", at(60_000)), Ok(()), "who waits has all again");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (rate, start) = (Rate::new(1, Duration::from_millis(1)), Instant::now());
        for n in 0..3 * MOST as u64 {
            assert_eq!(rate.take(n, start + Duration::from_millis(n)), Ok(()));
        }
        assert!(rate.paced.lock().expect("no panic").len() <= MOST);
    }
}
