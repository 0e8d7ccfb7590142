//! Lists of clicks and of the postback log.

use super::{
    EventStore,
    delivery::{every_click, every_postback},
    generator::{CAMPAIGNS, NETWORK_SLUGS, VISITORS},
    kit::{at, campaign, click, deliver, eventually, of_click},
    periods::{ZONES, boundaries, whole},
    plain_report::value_of,
    reports::{every_dimension, loaded},
};
use crate::{
    analytics::{ClickQuery, PostbackQuery, time_zone},
    conformance::random::Random,
    error::StoreError,
    page::PageRequest,
};
use jiff::tz::TimeZone;
use std::time::Duration;
use tfx_domain::{
    Timestamp,
    event::{
        ClickEvent, PostbackDirection, PostbackField, PostbackFilter, PostbackLogEvent, PostbackResult,
        TestTraffic,
    },
    id::VisitorId,
    report::{Conditions, Dimension, ReportFilter},
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
            let direction =
                [None, Some(PostbackDirection::In), Some(PostbackDirection::Out)][(n + 2 * i) % 3];
            let query = PostbackQuery { since, until, network, result, direction, test, ..every_postback() };
            let seen = postbacks(&s, &query, [1_000, 7][n % 2]).await;
            assert_eq!(seen.iter().collect::<Vec<_>>(), plain.postbacks(&query), "{query:?}");
        }
    }
    let (since, until) = whole();
    let all = PostbackQuery { since: Some(since), until: Some(until), ..every_postback() };
    assert_eq!(postbacks(&s, &all, 13).await.len(), want);
}

/// On every dimension, in every zone, alone and together: clicks as the conditions say, the pages as full as they can be;
/// of postbacks on every field.
pub async fn lists_take_conditions(s: EventStore) {
    let plain = loaded(&s).await;
    let random = &mut Random::new(17);
    let all: Vec<ClickEvent> = plain.clicks(&every_click()).into_iter().cloned().collect();
    let condition = |random: &mut Random, dimension: Dimension, zone: &TimeZone| {
        let many = 1 + random.below(3);
        let mut values: Vec<String> = Vec::new();
        for _ in 0..many {
            values.push(value_of(random.pick(&all), dimension, zone).to_string());
        }
        if random.one_in(4) {
            values.push(String::new());
        }
        if !dimension.is_id() && !dimension.is_time() && random.one_in(3) {
            values = values.iter().map(|v| v.to_uppercase()).collect();
        }
        ReportFilter { dimension, values, negate: random.one_in(3) }
    };
    for (n, dimension) in every_dimension().into_iter().enumerate() {
        let timezone = ZONES[n % ZONES.len()].to_owned();
        let zone = time_zone(&timezone).expect("a zone");
        let mut filters = vec![condition(random, dimension, &zone)];
        if n % 2 == 0 {
            let other = *random.pick(&every_dimension());
            filters.push(condition(random, other, &zone));
        }
        let (since, until) = bounds(n);
        let conditions = Conditions { filters, timezone };
        let query = ClickQuery { since, until, conditions: conditions.clone(), ..every_click() };
        let takes = |c: &&ClickEvent| conditions.filters.iter().all(|f| f.takes_click(c, &zone));
        let mut want = plain.clicks(&query);
        want.retain(takes);
        let first = s.analytics.clicks(&query).await.expect("clicks");
        assert_eq!(first.items.len(), want.len().min(1_000), "one answer has them: {query:?}");
        let seen = clicks(&s, &query, [1_000, 173][n % 2]).await;
        assert_eq!(seen.iter().collect::<Vec<_>>(), want, "{query:?}");
    }
    let nowhere = Conditions { timezone: "Nowhere/At_All".to_owned(), ..Conditions::default() };
    let refused = s.analytics.clicks(&ClickQuery { conditions: nowhere, ..every_click() }).await;
    assert!(matches!(refused, Err(StoreError::Broken { .. })), "{refused:?}");

    let want = plain.postbacks(&every_postback()).len();
    eventually("the postback log", &want, async || postbacks(&s, &every_postback(), 1_000).await.len()).await;
    let logged: Vec<PostbackLogEvent> = postbacks(&s, &every_postback(), 1_000).await;
    let fields = "network template result status click conversion ip test direction source job";
    let mut names: Vec<String> = fields.split(' ').map(str::to_owned).collect();
    let said = logged.iter().flat_map(|p| p.params.iter().map(|(name, _)| format!("param:{name}")));
    names.extend(said.take(12).chain(["param:nobody says".to_owned(), "param:'\\?".to_owned()]));
    for (n, name) in names.iter().enumerate() {
        for negate in [false, true] {
            let field: PostbackField = name.parse().expect("a field");
            let other = if n % 3 == 0 { String::new() } else { "nobody".to_owned() };
            let values = vec![said_of(random.pick(&logged), &field), other];
            let filter = PostbackFilter { field, values, negate };
            let query = PostbackQuery { filters: vec![filter.clone()], ..every_postback() };
            let want: Vec<_> = logged.iter().filter(|p| filter.takes(p)).collect();
            assert_eq!(
                postbacks(&s, &query, [1_000, 31][n % 2]).await.iter().collect::<Vec<_>>(),
                want,
                "{query:?}"
            );
        }
    }
}

/// What a postback has of a field: one of what it has.
fn said_of(p: &PostbackLogEvent, field: &PostbackField) -> String {
    match field {
        PostbackField::Network => p.network.to_string(),
        PostbackField::Template => p.template.to_string(),
        PostbackField::Result => p.result.as_str().to_uppercase(),
        PostbackField::Status => p.status.to_string(),
        PostbackField::Click => p.click_id.map(|c| c.to_string()).unwrap_or_default(),
        PostbackField::Conversion => p.conversion_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        PostbackField::Ip => p.remote_ip.to_string(),
        PostbackField::Test => p.test.to_string(),
        PostbackField::Direction => p.direction.as_str().to_uppercase(),
        PostbackField::Source => p.source.to_string(),
        PostbackField::Job => p.job.clone(),
        PostbackField::Param(name) => {
            p.params.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.clone()).unwrap_or_default()
        }
    }
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
