//! Postbacks that wait for their click.

use super::{
    Stores,
    kit::{at, click, network},
};
use crate::conversions::{ConversionStore, LONGEST_PAUSE, Parked};
use std::sync::Arc;
use tokio::task::JoinSet;

fn params(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Postback number `n`, received at `n` milliseconds and due 100 later.
pub(super) fn parked(n: i64) -> Parked {
    Parked {
        id: click(1_000 + n.unsigned_abs() as u128),
        network: network(1),
        template: String::new(),
        click_id: click(n.unsigned_abs().into()),
        params: params(&[("clickid", "x"), ("payout", "5")]),
        received_at: at(n),
        next_try_at: at(n + 100),
        tries: 0,
    }
}

async fn due(store: &Arc<dyn ConversionStore>, ms: i64) -> Vec<Parked> {
    store.parked_due(at(ms), 100).await.expect("due")
}

/// Kept whole, seen through every handle, until it is taken off; then it may come again.
pub async fn a_parked_postback_is_kept_until_taken_off(s: Stores) {
    assert_eq!(s.one.parked_count().await.expect("count"), 0);
    let first = Parked { template: "shop".to_owned(), tries: 3, ..parked(1) };
    s.one.park(first.clone()).await.expect("park");
    s.one.park(parked(2)).await.expect("park");
    for store in [&s.one, &s.two] {
        assert_eq!(due(store, 500).await, [first.clone(), parked(2)]);
        assert_eq!(store.parked_count().await.expect("count"), 2);
    }
    s.two.unpark(first.id).await.expect("unpark");
    s.one.unpark(first.id).await.expect("gone already, as when another instance took it off");
    assert_eq!(due(&s.one, 500).await, [parked(2)]);
    s.two.park(first.clone()).await.expect("park again");
    assert_eq!(due(&s.one, 500).await, [first, parked(2)]);
    assert_eq!(s.one.parked_count().await.expect("count"), 2);
}

/// The same of the same network and template for the same click changes nothing; anything else is another postback.
pub async fn a_postback_is_parked_once(s: Stores) {
    let first = parked(1);
    s.one.park(first.clone()).await.expect("park");
    s.two.park(first.clone()).await.expect("the same call again");
    let again =
        Parked { id: click(5_000), received_at: at(50), next_try_at: at(51), tries: 9, ..first.clone() };
    s.two.park(again.clone()).await.expect("the network sends it again");
    assert_eq!(due(&s.one, 500).await, std::slice::from_ref(&first));
    s.two.unpark(again.id).await.expect("it was never kept");
    assert_eq!(s.one.parked_count().await.expect("count"), 1);

    let others = [
        Parked { id: click(5_001), received_at: at(2), network: network(2), ..first.clone() },
        Parked { id: click(5_002), received_at: at(3), click_id: click(77), ..first.clone() },
        Parked { id: click(5_003), received_at: at(4), params: params(&[("payout", "5")]), ..first.clone() },
        Parked { id: click(5_004), received_at: at(5), params: Vec::new(), ..first.clone() },
        Parked { id: click(5_005), received_at: at(6), template: "other".to_owned(), ..first.clone() },
    ];
    for other in &others {
        s.two.park(other.clone()).await.expect("park");
    }
    assert_eq!(due(&s.one, 500).await, [&[first.clone()][..], &others].concat());

    let mut racing = JoinSet::new();
    for n in 0..40 {
        let store = Arc::clone(if n % 2 == 0 { &s.one } else { &s.two });
        let same = Parked { id: click(6_000 + n), click_id: click(88), ..first.clone() };
        racing.spawn(async move { store.park(same).await });
    }
    for result in racing.join_all().await {
        result.expect("park");
    }
    assert_eq!(s.one.parked_count().await.expect("count"), 7, "one of the forty");
}

/// Due at its time and not before; the first received comes first; a limit takes the first.
pub async fn parked_postbacks_come_due_in_order(s: Stores) {
    // Due in the opposite order of having been received, parked in neither.
    let three = [parked(1), parked(2), parked(3)].map(|p| Parked {
        next_try_at: at(100 - p.received_at.duration_since(at(0)).as_millis() as i64),
        ..p
    });
    for n in [1, 0, 2] {
        s.one.park(three[n].clone()).await.expect("park");
    }
    assert_eq!(due(&s.two, 96).await, []);
    assert_eq!(due(&s.two, 97).await, three[2..]);
    assert_eq!(due(&s.two, 98).await, three[1..]);
    assert_eq!(due(&s.two, 99).await, three);
    assert_eq!(s.two.parked_due(at(99), 2).await.expect("due"), three[..2]);
}

/// Those of one network about one click, due or not, the first received first; of one moment by id.
pub async fn parked_postbacks_of_a_click_come_in_the_order_received(s: Stores) {
    let of = |n: i64, received: i64, click_n, network_n| Parked {
        received_at: at(received),
        next_try_at: at(10_000 - received),
        click_id: click(click_n),
        network: network(network_n),
        params: params(&[("payout", &n.to_string())]),
        ..parked(n)
    };
    let mine = [of(4, 1, 1, 1), of(3, 5, 1, 1), of(5, 5, 1, 1), of(1, 9, 1, 1)];
    for p in [&mine[3], &of(7, 2, 2, 1), &mine[1], &of(8, 3, 1, 2), &mine[0], &mine[2]] {
        s.one.park(p.clone()).await.expect("park");
    }
    for limit in [0, 1, 3, 4, 9] {
        let found = s.two.parked_of(&network(1), click(1), limit).await.expect("of the click");
        assert_eq!(found, mine[..limit.min(4)], "at most {limit}");
    }
    s.two.postpone(mine[0].id, at(90_000)).await.expect("postpone");
    let first = s.one.parked_of(&network(1), click(1), 1).await.expect("of the click");
    assert_eq!(first[0].id, mine[0].id, "whenever it is tried next");
    s.two.unpark(mine[0].id).await.expect("unpark");
    assert_eq!(s.one.parked_of(&network(1), click(1), 9).await.expect("of the click"), mine[1..]);
    assert_eq!(s.one.parked_of(&network(2), click(2), 9).await.expect("of the click"), []);
}

/// One that was put off to a time beyond the longest pause was so before the clock was set back: it is due.
pub async fn a_clock_that_was_ahead_puts_nothing_off_for_long(s: Stores) {
    let longest = i64::try_from(LONGEST_PAUSE.as_millis()).expect("in range");
    let day = 86_400_000;
    for (n, next) in [(1, 500 + longest), (2, 500 + longest + 1), (3, day)] {
        s.one
            .park(Parked { received_at: at(n + day), next_try_at: at(next), ..parked(n) })
            .await
            .expect("park");
    }
    let ids = |due: Vec<Parked>| due.into_iter().map(|p| p.id).collect::<Vec<_>>();
    assert_eq!(ids(due(&s.two, 500).await), [parked(2).id, parked(3).id]);
    assert_eq!(ids(due(&s.two, 500 + longest).await), [parked(1).id, parked(3).id]);
}

/// One try more, at the time said.
pub async fn postponing_tries_again_later(s: Stores) {
    s.one.park(parked(1)).await.expect("park");
    s.one.park(parked(2)).await.expect("park");
    for tries in 1..=3 {
        let next = 1_000 * i64::from(tries);
        s.two.postpone(parked(1).id, at(next)).await.expect("postpone");
        assert_eq!(due(&s.one, next - 1).await, [parked(2)]);
        let later = Parked { next_try_at: at(next), tries, ..parked(1) };
        assert_eq!(due(&s.one, next).await, [later, parked(2)]);
    }
    s.two.postpone(parked(9).id, at(1)).await.expect("not there, as when another instance took it off");
    assert_eq!(s.one.parked_count().await.expect("count"), 2);
}

/// Names and values are stored as they are: no operators, no paths, no ends of text.
pub async fn texts_of_strangers_are_only_texts(s: Stores) {
    let odd = params(&[
        ("$set", "{\"$gt\": 0}"),
        ("a.b.c", "x"),
        ("", ""),
        ("same", "1"),
        ("same", "2"),
        ("nul\u{0}name", "nul\u{0}value"),
        ("'; DROP TABLE parked; --", "\u{202e}\u{feff}\r\n\t"),
        ("größe", "日本 \u{1F600}"),
        ("long", &"x".repeat(1024)),
        ("99999999999999999999999999", "NaN"),
    ]);
    let first = Parked { params: odd, ..parked(1) };
    s.one.park(first.clone()).await.expect("park");
    s.two.park(Parked { id: click(5_000), ..first.clone() }).await.expect("again");
    assert_eq!(due(&s.two, 500).await, [first]);
}
