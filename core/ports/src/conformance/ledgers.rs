//! What every [`Ledgers`] must do.

use super::Pair;
use crate::ledgers::{LedgerInstance, LedgerPage, Ledgers};
use tfx_domain::{
    Timestamp,
    event::PostbackResult,
    id::ClickId,
    ledger::{Hour, HourLedger, LedgerKind, Outbox},
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + second).expect("in range")
}

fn instance(id: &str, second: i64) -> LedgerInstance {
    LedgerInstance {
        id: id.to_owned(),
        process: String::new(),
        service: "traffic-service".to_owned(),
        at: at(second),
        from: None,
        ended: false,
        outbox: None,
    }
}

fn page(kind: LedgerKind, hour: i64, ids: std::ops::Range<u128>) -> LedgerPage {
    page_by("a", kind, hour, ids)
}

fn page_by(by: &str, kind: LedgerKind, hour: i64, ids: std::ops::Range<u128>) -> LedgerPage {
    let hour = Hour(Hour::at(at(0)).0 + hour);
    let mut ledger = HourLedger { published: 1, ..HourLedger::default() };
    let result = (kind == LedgerKind::Postbacks).then_some(PostbackResult::Stale);
    ids.for_each(|n| ledger.accept(ClickId::generate(hour.start(), n), result));
    LedgerPage { by: by.to_owned(), kind, hour, ledger }
}

async fn pages(of: &dyn Ledgers, from: i64, to: i64) -> Vec<LedgerPage> {
    let hour = |n: i64| Hour(Hour::at(at(0)).0 + n);
    let mut pages = of.pages(hour(from), hour(to)).await.expect("pages");
    pages.sort_by_key(|p| (p.hour, p.kind, p.by.clone()));
    pages
}

/// A page takes the place of the one before of its name, kind and hour, and of no other, unless it counts less.
pub async fn a_page_takes_the_place_of_the_one_before(s: Pair<dyn Ledgers>) {
    assert_eq!(s.one.instances().await.expect("instances"), []);
    let (clicks, postbacks) = (LedgerKind::Clicks, LedgerKind::Postbacks);
    let first = [page(clicks, 0, 0..3), page(clicks, 1, 3..9), page(postbacks, 0, 0..2)];
    s.one.publish(&instance("a", 0), &first).await.expect("publish");
    s.two.publish(&instance("b", 1), &[page_by("b", clicks, 0, 9..10)]).await.expect("publish");
    let outbox =
        Outbox { waiting: 3, error: Some("no broker".to_owned()), refused: 1, dropped: 2, damaged: 4 };
    let told = LedgerInstance {
        from: Some(at(-9)),
        ended: true,
        process: "p".to_owned(),
        outbox: Some(outbox),
        ..instance("a", 5)
    };
    s.one.publish(&told, &[page(clicks, 0, 0..5)]).await.expect("publish");
    s.one.publish(&told, &[]).await.expect("publish nothing");
    assert_eq!(s.two.instances().await.expect("instances"), [told.clone(), instance("b", 1)]);
    // Of as many events what is told later holds; what counts fewer is of a disk that was set back.
    let mut published = page(clicks, 0, 0..5);
    published.ledger.published = 5;
    s.one.publish(&told, &[published.clone(), page(postbacks, 0, 0..1)]).await.expect("publish");
    let all = [published, page_by("b", clicks, 0, 9..10), page(postbacks, 0, 0..2), page(clicks, 1, 3..9)];
    assert_eq!(pages(&*s.two, 0, 2).await, all);
    assert_eq!(pages(&*s.two, 0, 1).await, all[..3], "the end is not in it");
    assert_eq!(pages(&*s.one, 1, 9).await, all[3..]);
    assert_eq!(pages(&*s.one, -9, 0).await, []);
}

/// Old hours leave, and instances that told nothing since.
pub async fn old_hours_are_forgotten(s: Pair<dyn Ledgers>) {
    let pages_of = |by: &str, n: u128| {
        [(LedgerKind::HealthChanges, -40), (LedgerKind::Clicks, 0)]
            .map(|(kind, hour)| page_by(by, kind, hour, n..n + 1))
    };
    s.one.publish(&instance("a", -40 * 3_600), &pages_of("a", 0)).await.expect("publish");
    s.one.publish(&instance("b", 0), &pages_of("b", 1)).await.expect("publish");
    let before = Hour(Hour::at(at(0)).0 - 39);
    s.two.forget(before).await.expect("forget");
    s.two.forget(before).await.expect("forget nothing");
    assert_eq!(s.one.instances().await.expect("instances"), [instance("b", 0)]);
    assert_eq!(
        pages(&*s.one, -99, 99).await,
        [page(LedgerKind::Clicks, 0, 0..1), page_by("b", LedgerKind::Clicks, 0, 1..2)]
    );
}
