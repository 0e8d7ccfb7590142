//! Repeating what others were faster than: pauses that grow, with jitter, until the time is up.

use crate::{StoreError, entropy};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const FIRST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(100);

/// The pauses of one call.
#[derive(Debug)]
pub struct Retry {
    end: Instant,
    next: Duration,
}

impl Retry {
    /// Pauses for so long from now.
    pub fn for_at_most(time: Duration) -> Self {
        Self { end: Instant::now() + time, next: FIRST }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// `why`, if the time is up.
    pub async fn pause(&mut self, why: StoreError) -> Result<(), StoreError> {
        if self.again().await { Ok(()) } else { Err(why) }
    }

    /// Waits before the next attempt; false, at once, if the time is up.
    pub async fn again(&mut self) -> bool {
        if Instant::now() >= self.end {
            return false;
        }
        // Between half and all of it, so that those who met do not meet again.
        let half = u64::try_from(self.next.as_micros() / 2).unwrap_or(0);
        let more = u64::try_from(entropy::random_u128() % u128::from(half + 1)).unwrap_or(0);
        sleep(Duration::from_micros(half + more)).await;
        self.next = (self.next * 2).min(LONGEST);
        true
    }
}
