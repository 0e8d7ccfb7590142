//! What every [`Retention`] must do: what is older leaves, and nothing that is counted from it changes.

use super::{
    EventStore,
    kit::{
        click, conversion, deliver, destination, envelope, eventually, everything, of_click, of_conversion,
        settle, stream, total,
    },
};
use crate::{analytics::PostbackQuery, clock, page::PageRequest, retention::Retention};
use std::{pin::Pin, sync::Arc, time::Duration};
use tfx_domain::{
    Timestamp,
    event::{ClickEvent, ConversionEvent, Event, EventCounts, Outcome, PostbackLogEvent, TestTraffic},
    id::ClickId,
    routing::CapUse,
};

/// A new, empty store of events that deletes by age.
pub struct RetainedStore {
    /// The store.
    pub events: EventStore,
    /// What deletes.
    pub retention: Arc<dyn Retention>,
    /// Has the store count for caps whatever days are over, as it does by itself once a day.
    pub close_days: Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>,
}

/// So many days ago.
fn ago(days: u64) -> Timestamp {
    clock::now() - Duration::from_secs(days * 86_400)
}

fn number(days: u64) -> usize {
    usize::try_from(days).expect("small")
}

/// The click of that day.
fn click_of(days: u64) -> ClickEvent {
    click(ago(days), 7_000 + u128::from(days))
}

/// Its sale.
fn sale_of(days: u64, click: &ClickEvent) -> ConversionEvent {
    conversion(number(days) + 1, click)
}

/// A click that a stream took, its sale, one that no stream took, and a postback: all of one day.
fn events_of(days: u64) -> Vec<Event> {
    let routed = click_of(days);
    let sale = sale_of(days, &routed);
    let unrouted = ClickEvent { outcome: Outcome::NotFound, ..click(ago(days), 8_000 + u128::from(days)) };
    let id = ClickId::generate(ago(days), 9_000 + u128::from(days));
    let postback: PostbackLogEvent = serde_json::from_value(serde_json::json!({
        "schema": 1, "id": id, "at": ago(days), "network": "acme", "remote_ip": "192.0.2.1", "method": "GET",
        "params": [["sum", "5"]], "result": "recorded", "status": 200,
    }))
    .expect("a postback");
    vec![
        Event::Click(Box::new(routed)),
        Event::Conversion(Box::new(sale)),
        Event::Click(Box::new(unrouted)),
        Event::PostbackLog(Box::new(postback)),
    ]
}

/// Delivers what happened on some days; the ids of the clicks that streams took.
async fn filled(s: &RetainedStore, days: &[u64]) -> Vec<ClickId> {
    let mut clicks = Vec::new();
    for day in days {
        let events = events_of(*day);
        if let Some(Event::Click(click)) = events.first() {
            clicks.push(click.click_id);
        }
        deliver(&s.events, &events.iter().map(envelope).collect::<Vec<_>>()).await;
    }
    settle(&s.events, 1).await;
    (s.close_days)().await;
    clicks
}

/// Deletes until there is nothing more to do; what was deleted.
async fn pruned(s: &RetainedStore, before: Timestamp) -> EventCounts {
    let mut rows = EventCounts::default();
    loop {
        let step = s.retention.prune(before).await.expect("prune");
        rows += step.deleted;
        if !step.more {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn used(s: &RetainedStore) -> (CapUse, u64) {
    let today = Timestamp::from_second(clock::now().as_second().div_euclid(86_400) * 86_400).expect("a time");
    let caps = s.events.analytics.cap_use(&[destination(1)], today).await.expect("use");
    let clicks = s.events.analytics.stream_clicks(&[stream(1)], None).await.expect("clicks");
    (caps[0], clicks[0])
}

/// Exactly what is older than the time leaves, from every list and report.
pub async fn what_is_older_leaves_and_the_rest_stays(s: RetainedStore) {
    let days = [400, 40, 20, 10, 4, 3];
    let clicks = filled(&s, &days).await;
    let before = ago(15);
    let want = EventCounts { clicks: 3, trafficback: 3, conversions: 3, postbacks: 3, other: 0 };
    assert_eq!(s.retention.count(before).await.expect("count"), want);
    assert_eq!(s.retention.count(Timestamp::UNIX_EPOCH).await.expect("count").total(), 0);
    assert_eq!(pruned(&s, Timestamp::UNIX_EPOCH).await.total(), 0, "nothing is older");
    assert_eq!(pruned(&s, before).await, want);
    assert_eq!(pruned(&s, before).await.total(), 0, "once");
    assert_eq!(s.retention.count(before).await.expect("count").total(), 0);

    for (click, day) in clicks.iter().zip(days) {
        let found = s.events.analytics.click(*click).await.expect("click");
        assert_eq!(found.is_some(), day < 15, "the click of {day} days ago");
    }
    // One more of each click and conversion: those that showed that all had come.
    let row = total(&s.events, &everything()).await;
    assert_eq!((row.clicks, row.trafficbacks, row.sales), (4, 4, 4));
    let query = PostbackQuery {
        since: None,
        until: None,
        network: None,
        result: None,
        direction: None,
        test: TestTraffic::Include,
        filters: Vec::new(),
        page: PageRequest::first(100),
    };
    let postbacks = s.events.analytics.postbacks(&query).await.expect("postbacks").items;
    assert_eq!(postbacks.len(), 3);
    assert!(postbacks.iter().all(|p| p.id.timestamp() >= before));
    assert!(s.retention.size().await.expect("size").bytes > 0);
}

/// What is used of caps and limits, in all and today, is the same after events have left.
pub async fn what_leaves_opens_no_cap(s: RetainedStore) {
    filled(&s, &[400, 40, 20, 10, 0]).await;
    let before = used(&s).await;
    assert_eq!((before.0.clicks_total, before.1, before.0.conversions_total), (5, 5, 5));
    for days in [30, 15, 5] {
        pruned(&s, ago(days)).await;
        assert_eq!(used(&s).await, before, "what is older than {days} days has left");
    }
    let more = click(ago(0), 99);
    deliver(&s.events, &[of_conversion(&conversion(99, &more)), of_click(&more)]).await;
    let want = (before.0.clicks_total + 1, before.1 + 1, before.0.conversions_total + 1);
    eventually("one more of each", &want, async || {
        let (caps, clicks) = used(&s).await;
        (caps.clicks_total, clicks, caps.conversions_total)
    })
    .await;
}

/// A conversion that left is counted once when more is heard of it, be it the same again or something new.
pub async fn a_conversion_that_left_counts_once_when_it_is_reported_again(s: RetainedStore) {
    filled(&s, &[40, 20]).await;
    pruned(&s, ago(15)).await;
    let conversions = async || used(&s).await.0.conversions_total;
    let click = click_of(40);
    let first = sale_of(40, &click);
    let state = |version, status: &str| {
        let conversion_status = status.parse().expect("a status");
        of_conversion(&ConversionEvent { version, conversion_status, ..first.clone() })
    };
    let steps = [
        ("the same again", state(1, "sale"), 2),
        ("rejected", state(2, "rejected"), 1),
        ("the first again, late", state(1, "sale"), 1),
        ("a sale after all", state(3, "sale"), 2),
        ("that again", state(3, "sale"), 2),
    ];
    for (n, (what, event, want)) in (2..).zip(steps) {
        for _ in 0..2 {
            deliver(&s.events, std::slice::from_ref(&event)).await;
        }
        settle(&s.events, n).await;
        eventually(what, &want, conversions).await;
        pruned(&s, ago(15)).await;
        assert_eq!(conversions().await, want, "{what}, and it has left again");
    }
}
