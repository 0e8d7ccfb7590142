//! How long a parked postback waits between two tries, and when it is given up.

use crate::take::after;
use std::time::Duration;
use tfx_domain::Timestamp;
use tfx_settings::PostbackSettings;

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// When it is given up. One that came before the clock was set back is given up when it was tried for as long.
pub(super) fn give_up_at(
    received_at: Timestamp,
    tries: u32,
    settings: &PostbackSettings,
    now: Timestamp,
) -> Timestamp {
    if received_at <= now {
        return after(received_at, settings.park_max_age);
    }
    // Pauses are the longest from the 20th on; before, they come to little.
    let waited: Duration = (0..tries.min(20)).map(|n| pause(settings.park_retry, n)).sum();
    let waited = waited + LONGEST_PAUSE * tries.saturating_sub(20);
    after(now, settings.park_max_age.saturating_sub(waited))
}

/// The pause until the next try, `give_up_at` at the latest unless that is over.
pub(super) fn put_off(
    settings: &PostbackSettings,
    tries: u32,
    now: Timestamp,
    give_up_at: Timestamp,
) -> Duration {
    let next = pause(settings.park_retry, tries);
    let left = give_up_at.as_millisecond().saturating_sub(now.as_millisecond());
    match u64::try_from(left) {
        Ok(left) if left > 0 => next.min(Duration::from_millis(left)),
        _ => next,
    }
}

/// The first pause, of a postback that was just parked.
pub(crate) fn first_pause(settings: &PostbackSettings) -> Duration {
    settings.park_retry.min(LONGEST_PAUSE)
}

/// The pause after a number of tries.
pub(super) fn pause(first: Duration, tries: u32) -> Duration {
    first.saturating_mul(1 << tries.saturating_add(1).min(20)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_ten_minutes() {
        let seconds: Vec<u64> = (0..12).map(|n| pause(Duration::from_secs(2), n).as_secs()).collect();
        assert_eq!(seconds, [4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600, 600]);
        assert_eq!(pause(Duration::from_secs(3600), u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_clock_that_was_ahead_gives_no_more_time() {
        let (now, age) = (Timestamp::from_second(1_790_000_000).expect("time"), Duration::from_secs(86_400));
        let settings = PostbackSettings {
            lookup_timeout: Duration::from_secs(1),
            lookup_failure: tfx_settings::LookupFailure::Park,
            park_max_age: age,
            park_retry: Duration::from_secs(2),
        };
        let ahead = after(now, age * 2);
        let give_up_at = |received_at, tries| give_up_at(received_at, tries, &settings, now);
        assert_eq!(give_up_at(now, 3), after(now, age));
        assert_eq!(give_up_at(ahead, 0), after(now, age));
        assert!(give_up_at(ahead, 100) < after(now, age / 2));
        assert!(give_up_at(ahead, 200) <= now);
        let second = Duration::from_secs(1);
        assert_eq!(put_off(&settings, 9, now, after(now, second)), second, "not past its end");
        assert_eq!(put_off(&settings, 9, now, now), LONGEST_PAUSE, "which is over");
    }
}
