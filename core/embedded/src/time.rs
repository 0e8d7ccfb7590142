//! Times as stored: whole milliseconds since 1970.

use tfx_domain::Timestamp;

/// The first millisecond not before `at`: a stored millisecond is at or after `at` exactly if it is at or after
/// this.
pub(crate) fn ceil_ms(at: Timestamp) -> i64 {
    let ms = at.as_millisecond();
    // as_millisecond cuts towards zero.
    if at.subsec_nanosecond() % 1_000_000 > 0 { ms + 1 } else { ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_between_milliseconds_is_the_next_one() {
        for (ns, want) in
            [(0, 0), (1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2), (-1, 0), (-1_000_001, -1)]
        {
            let at = Timestamp::from_nanosecond(ns).expect("in range");
            assert_eq!(ceil_ms(at), want, "{ns}");
        }
    }
}
