//! Numbers that grow with every change and order what waits to be published: microseconds since 1970, never the same
//! twice in this process. Between processes they are as good as their clocks, which is enough for an order in which
//! nothing depends on its neighbour.

use std::sync::atomic::{AtomicI64, Ordering};
use tfx_ports::clock;

static LAST: AtomicI64 = AtomicI64::new(0);

/// The next number.
pub(crate) fn next() -> i64 {
    block(1)
}

/// The last of the next `count` numbers, which are this caller's.
pub(crate) fn block(count: i64) -> i64 {
    let now = clock::now().as_microsecond();
    let end = |last: i64| now.max(last + 1) + count.max(1) - 1;
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(end(last)));
    end(last.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_also_within_a_millisecond() {
        let numbers: Vec<i64> = (0..10_000).map(|_| next()).collect();
        assert!(numbers.windows(2).all(|w| w[0] < w[1]));
        let (before, last) = (next(), block(1_000));
        assert!(last - 999 > before && next() > last, "a block is nobody else's");
    }
}
