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
    // One number more than there are: what was never used. In any order, and one of them twice.
    let destinations: Vec<_> = (1..=DESTINATIONS + 1).rev().chain([1]).map(destination).collect();
    let streams: Vec<_> = (1..=STREAMS + 1).rev().chain([1]).map(stream).collect();
    for since in &times {
        let used = s.analytics.cap_use(&destinations, *since).await.expect("use");
        let want: Vec<_> = destinations.iter().map(|d| plain.cap_use(d, *since)).collect();
        assert_eq!(used, want, "since {since}");

        for since in [Some(*since), None] {
            let clicks = s.analytics.stream_clicks(&streams, since).await.expect("clicks");
            let want: Vec<_> = streams.iter().map(|s| plain.stream_clicks(s, since)).collect();
            assert_eq!(clicks, want, "since {since:?}");
        }

        let want = plain.seen_since(*since);
        let seen = s.analytics.seen_since(*since, 100_000).await.expect("seen");
        // Places last seen in the same millisecond stand in any order.
        let sorted = |mut seen: Vec<_>| {
            seen.sort_by_cached_key(|s: &crate::analytics::LastVisit| format!("{s:?}"));
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
