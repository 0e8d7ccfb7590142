//! Lists of clicks and of the postback log.

use super::{
    EventStore,
    delivery::{every_click, every_postback},
    generator::{CAMPAIGNS, NETWORK_SLUGS, VISITORS},
    kit::{at, campaign, click, deliver, eventually, of_click},
    periods::{boundaries, whole},
    reports::loaded,
};
use crate::{
    analytics::{ClickQuery, PostbackQuery},
    error::StoreError,
    page::PageRequest,
};
use std::time::Duration;
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, PostbackLogEvent, PostbackResult, TestTraffic},
    id::VisitorId,
};

async fn clicks(s: &EventStore, query: &ClickQuery, limit: usize) -> Vec<ClickEvent> {
    let mut query = ClickQuery { page: PageRequest::first(limit), ..query.clone() };
    let mut seen = Vec::new();
    loop {
        let page = s.analytics.clicks(&query).await.expect("clicks");
        assert!(page.items.len() <= limit);
        seen.extend(page.items);
        let Some(next) = page.next else { return seen };
        query.page.cursor = Some(next);
    }
}

async fn postbacks(s: &EventStore, query: &PostbackQuery, limit: usize) -> Vec<PostbackLogEvent> {
    let mut query = PostbackQuery { page: PageRequest::first(limit), ..query.clone() };
    let mut seen = Vec::new();
    loop {
        let page = s.analytics.postbacks(&query).await.expect("postbacks");
        assert!(page.items.len() <= limit);
        seen.extend(page.items);
        let Some(next) = page.next else { return seen };
        query.page.cursor = Some(next);
    }
}

/// Bounds of which one or both are boundaries: from there, to there, from one to another, none.
fn bounds(n: usize) -> (Option<Timestamp>, Option<Timestamp>) {
    let all = boundaries();
    let one = all[n * 7 % all.len()];
    let later = one + Duration::from_hours(20 * 24);
    match n % 6 {
        0 => (Some(one), None),
        1 => (None, Some(one)),
        2 => (Some(one), Some(later)),
        3 => (Some(one + Duration::from_nanos(1)), Some(later + Duration::from_nanos(1))),
        4 => (Some(later), Some(one)),
        _ => (None, None),
    }
}

/// Of a campaign, of a visitor, taken by a stream or not, within a time: newest first, each event as it was.
pub async fn lists_of_clicks_are_what_was_delivered(s: EventStore) {
    let plain = loaded(&s).await;
    let compare = async |query: ClickQuery, limit: usize| {
        let want = plain.clicks(&query);
        let seen = clicks(&s, &query, limit).await;
        assert_eq!(seen.len(), want.len(), "{query:?}");
        for (seen, want) in seen.iter().zip(want) {
            assert_eq!(seen, want, "{query:?}");
        }
    };
    compare(every_click(), 1_000).await;
    for n in 0..48 {
        let (since, until) = bounds(n);
        let campaign = [None, Some(campaign(1 + n % (CAMPAIGNS + 1)))][n / 2 % 2].clone();
        let visitor = (n % 5 == 0).then_some(VisitorId((n % (VISITORS + 1)) as u128));
        let unrouted = [None, Some(true), Some(false)][n % 3];
        let test = TestTraffic::ALL[n / 3 % 3];
        let query = ClickQuery { since, until, campaign, visitor, unrouted, test, ..every_click() };
        compare(query, [211, 1_000, 67][n % 3]).await;
    }
    let few = ClickQuery { visitor: Some(VisitorId(3)), ..every_click() };
    for limit in [1, 2, plain.clicks(&few).len()] {
        compare(few.clone(), limit).await;
    }
}

/// Of a network as it was asked for, of a result, within a time.
pub async fn lists_of_postbacks_are_what_was_delivered(s: EventStore) {
    let plain = loaded(&s).await;
    let want = plain.postbacks(&every_postback()).len();
    eventually("the postback log", &want, async || postbacks(&s, &every_postback(), 1_000).await.len()).await;
    let slugs = NETWORK_SLUGS.into_iter().chain(["SHOP", "nobody", "%"]).map(|s| Some(s.to_owned()));
    for (n, network) in [None].into_iter().chain(slugs).enumerate() {
        for (i, result) in [None].into_iter().chain(PostbackResult::ALL.map(Some)).enumerate() {
            let (since, until) = if i % 2 == 0 { (None, None) } else { bounds(n + i) };
            let test = TestTraffic::ALL[(n + i) % 3];
            let network = network.clone();
            let query = PostbackQuery { since, until, network, result, test, ..every_postback() };
            let seen = postbacks(&s, &query, [1_000, 7][n % 2]).await;
            assert_eq!(seen.iter().collect::<Vec<_>>(), plain.postbacks(&query), "{query:?}");
        }
    }
    let (since, until) = whole();
    let all = PostbackQuery { since: Some(since), until: Some(until), ..every_postback() };
    assert_eq!(postbacks(&s, &all, 13).await.len(), want);
}

/// Pages show everything that was there from the beginning exactly once, newest first, while more comes in.
pub async fn lists_are_complete_while_they_grow(s: EventStore) {
    let there: Vec<_> = (0..25).rev().map(|n| click(at(n * 10), 7)).collect();
    deliver(&s, &there.iter().map(of_click).collect::<Vec<_>>()).await;
    eventually("the clicks", &there, async || clicks(&s, &every_click(), 1_000).await).await;
    let mut query = ClickQuery { page: PageRequest::first(4), ..every_click() };
    let mut seen = Vec::new();
    for n in 0.. {
        let page = s.analytics.clicks(&query).await.expect("clicks");
        seen.extend(page.items);
        let Some(next) = page.next else { break };
        query.page.cursor = Some(next);
        if n < 5 {
            deliver(&s, &[of_click(&click(at(5 + n * 60), 9)), of_click(&click(at(1_000 + n), 9))]).await;
        }
    }
    assert!(seen.windows(2).all(|w| w[0].click_id > w[1].click_id), "newest first, none twice");
    let from_the_beginning: Vec<_> = seen.into_iter().filter(|c| there.contains(c)).collect();
    assert_eq!(from_the_beginning, there);
}

/// A cursor that cannot be one is an error of its own, not an empty list.
pub async fn a_cursor_of_another_list_is_refused(s: EventStore) {
    for cursor in ["", "no cursor", "💥", "'; DROP TABLE click_events; --", "17"] {
        let page = PageRequest { cursor: Some(cursor.to_owned()), limit: 10 };
        let e = s.analytics.clicks(&ClickQuery { page: page.clone(), ..every_click() }).await;
        assert!(matches!(e, Err(StoreError::BadCursor)), "{cursor}: {e:?}");
        let e = s.analytics.postbacks(&PostbackQuery { page, ..every_postback() }).await;
        assert!(matches!(e, Err(StoreError::BadCursor)), "{cursor}: {e:?}");
    }
}
