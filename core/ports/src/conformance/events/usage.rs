//! Caps, click limits, and where visitors were.

use super::{
    EventStore,
    generator::{DESTINATIONS, STREAMS},
    kit::{destination, stream},
    periods::{around, boundaries, whole},
    reports::loaded,
};
use std::time::Duration;
use tfx_domain::Timestamp;

/// What has been used of a destination, how many clicks a stream took and where people were, since any time.
pub async fn the_past_that_routing_needs(s: EventStore) {
    let plain = loaded(&s).await;
    let mut times: Vec<Timestamp> = boundaries().into_iter().step_by(9).flat_map(around).step_by(3).collect();
    times.extend([Timestamp::UNIX_EPOCH, whole().0, whole().1, boundaries()[3] + Duration::from_nanos(1)]);
    for (n, since) in times.iter().enumerate() {
        // One number more than there are: what was never used.
        let id = destination(1 + n % (DESTINATIONS + 1));
        let used = s.analytics.cap_use(&id, *since).await.expect("use");
        assert_eq!(used, plain.cap_use(&id, *since), "{id} since {since}");

        let id = stream(1 + n % (STREAMS + 1));
        for since in [Some(*since), None] {
            let clicks = s.analytics.stream_clicks(&id, since).await.expect("clicks");
            assert_eq!(clicks, plain.stream_clicks(&id, since), "{id} since {since:?}");
        }

        let want = plain.seen_since(*since);
        let seen = s.analytics.seen_since(*since, 100_000).await.expect("seen");
        // Places last seen in the same millisecond stand in any order.
        let sorted = |mut seen: Vec<_>| {
            seen.sort_by_cached_key(|s: &crate::analytics::Seen| format!("{s:?}"));
            seen
        };
        assert!(seen.windows(2).all(|w| w[0].at >= w[1].at), "the latest first, since {since}");
        assert_eq!(sorted(seen.clone()), sorted(want.clone()), "since {since}");
        for limit in [1, 7] {
            let first = s.analytics.seen_since(*since, limit).await.expect("seen");
            assert_eq!(first.len(), want.len().min(limit));
            assert!(first.iter().zip(&want).all(|(f, w)| f.at == w.at && want.contains(f)), "since {since}");
        }
    }
}
