//! Times in documents: BSON dates, whole milliseconds, for order and conditions. What was given is kept to the
//! nanosecond beside them.

use mongodb::bson::DateTime;
use tfx_domain::Timestamp;

/// The millisecond that `at` is in.
pub(crate) fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.as_millisecond())
}

/// The first millisecond that is not before `at`: a stored date is at or after `at` exactly if it is at or after
/// this one.
pub(crate) fn date_from(at: Timestamp) -> DateTime {
    let whole = at.as_millisecond();
    // The whole is cut towards zero: below 1970 that is already the later one.
    let rest = at.subsec_nanosecond() % 1_000_000;
    DateTime::from_millis(if rest > 0 { whole + 1 } else { whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_between_milliseconds_is_the_next_one() {
        for (ns, want) in [(0, 0), (1, 1), (1_000_000, 1), (1_500_000, 2), (-1, 0), (-2_000_001, -2)] {
            let at = Timestamp::from_nanosecond(ns).expect("in range");
            assert_eq!(date_from(at).timestamp_millis(), want, "{ns}");
        }
    }
}
