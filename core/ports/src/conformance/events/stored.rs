//! What is held against what was accepted: how much there is, and by which ids it is known.

use super::{
    EventStore,
    delivery::postback,
    kit::{at, click, conversion, deliver, envelope, eventually, money, of_click, of_conversion},
};
use crate::analytics::{StoredConversion, StoredHour};
use std::time::Duration;
use tfx_domain::{
    event::{ConversionEvent, Event, HealthEvent, Outcome, SCHEMA},
    id::{ClickId, DestinationId},
    ledger::{Digest, Hour, LedgerKind},
    routing::Health,
};

/// What is stored is told by hour and kind, each event once however often it came, and by its ids.
pub async fn what_is_stored_is_told_by_hour_and_id(s: EventStore) {
    let hour = Hour::at(at(0));
    let time = |hours: u64| hour.start() + Duration::from_secs(hours * 3_600);
    let end = Duration::from_millis(3_599_999);
    let mut clicks = [click(time(0), 1), click(time(0) + end, 2), click(time(1), 3), click(time(2), 4)];
    clicks[1].outcome = Outcome::NotFound;
    let line = postback(5);
    let health = HealthEvent {
        schema: SCHEMA,
        id: ClickId::generate(time(0), 6),
        at: time(0),
        destination_id: DestinationId::generate(time(0), 7 << 48),
        from: Health::Up,
        to: Health::Down,
        in_a_row: 3,
        status: Some(500),
        failure: String::new(),
        reason: String::new(),
        latency_ms: 7,
    };
    let mut all: Vec<_> = clicks.iter().map(of_click).collect();
    all.push(envelope(&Event::PostbackLog(Box::new(line.clone()))));
    all.push(envelope(&Event::Health(Box::new(health.clone()))));
    deliver(&s, &all).await;
    deliver(&s, &all[..1]).await;
    let digest = |ids: &[ClickId]| {
        let mut digest = Digest::default();
        ids.iter().for_each(|id| digest.add(*id));
        digest
    };
    let counted = |kind, hours: i64, ids: &[ClickId]| {
        (kind, Hour(hour.0 + hours), ids.len() as u64, digest(ids).total())
    };
    let ids: Vec<_> = clicks.iter().map(|c| c.click_id).collect();
    let want = vec![
        counted(LedgerKind::Clicks, 0, &ids[..2]),
        counted(LedgerKind::Clicks, 1, &ids[2..3]),
        counted(LedgerKind::Postbacks, 0, &[line.id]),
        counted(LedgerKind::HealthChanges, 0, &[health.id]),
    ];
    let told = async |from: i64, to: i64| {
        let hours = s.analytics.stored(Hour(hour.0 + from), Hour(hour.0 + to)).await.expect("stored");
        assert!(hours.iter().all(|h| h.rows >= h.events && h.rows <= h.events + 1), "{hours:?}");
        let mut hours: Vec<_> = hours
            .into_iter()
            .map(|StoredHour { kind, hour, events, total, .. }| (kind, hour, events, total))
            .collect();
        hours.sort();
        hours
    };
    eventually("stored", &want, async || told(0, 2).await).await;
    assert_eq!(told(1, 2).await, want[1..2]);
    assert_eq!(told(3, 9).await, []);
    let stored = s.analytics.stored_ids(LedgerKind::Clicks, hour, 5).await.expect("ids");
    assert_eq!(stored.ids, digest(&ids[..2]));
    // A store may have thrown the second row away by now, or never have taken it.
    assert!(stored.doubled.is_empty() || stored.doubled == ids[..1], "{stored:?}");
    assert_eq!(
        s.analytics.stored_ids(LedgerKind::Postbacks, hour, 5).await.expect("ids").ids,
        digest(&[line.id])
    );
    let none = s.analytics.stored_ids(LedgerKind::HealthChanges, Hour(hour.0 + 1), 5).await.expect("ids");
    assert_eq!(none.ids, Digest::default());
}

/// Conversions are told by the time at which they were first reported, each once, in the state with the highest version;
/// and delivered again, a state puts right a row that says something else.
pub async fn conversions_are_told_in_their_latest_state(s: EventStore) {
    let click = click(at(0), 1);
    let mut all: Vec<_> = (0..4_u64).map(|n| conversion(n as usize, &click)).collect();
    all.iter_mut().zip(0..).for_each(|(c, n)| c.created_at = at(n * 10));
    let mut later = all[1].clone();
    (later.version, later.revenue) = (2, money(-999_999_999_999_999, "EUR"));
    (later.cost, later.conversion_status) =
        (Some(money(2_000_001, "USD")), "chargeback".parse().expect("a status"));
    let batch: Vec<_> = all.iter().chain([&later]).map(of_conversion).collect();
    deliver(&s, &batch).await;
    // Of one version what came last holds.
    all[2].revenue = money(7_000_000, "USD");
    deliver(&s, &[of_conversion(&all[2])]).await;
    let state = |c: &ConversionEvent| StoredConversion {
        id: c.conversion_id.clone(),
        version: c.version,
        created_at: c.created_at,
        status: c.conversion_status.clone(),
        revenue: c.revenue,
        cost: c.cost,
    };
    let want = vec![state(&later), state(&all[2])];
    eventually("conversions", &want, async || {
        let mut found = s.analytics.stored_conversions(at(10), at(30)).await.expect("conversions");
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found
    })
    .await;
    assert_eq!(s.analytics.stored_conversions(at(31), at(99)).await.expect("conversions"), []);
}
