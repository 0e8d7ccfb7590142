//! Reports to record.

use crate::{
    conversions::{ConversionQuery, ConversionStore, Recorded},
    page::PageRequest,
};
use std::sync::Arc;
use tfx_domain::{
    Timestamp,
    event::{ClickDims, PostbackResult, TestTraffic},
    id::{CampaignId, ClickId, ConversionId, NetworkId},
    money::Money,
    postback::{Conversion, Incoming, TransactionScope},
};

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_000 + ms).expect("in range")
}

pub(super) fn usd(amount: &str) -> Money {
    Money { amount: amount.parse().expect("an amount"), currency: "USD".parse().expect("a currency") }
}

pub(super) fn network(n: u128) -> NetworkId {
    NetworkId::generate(at(0), n << 30)
}

pub(super) fn campaign(n: u128) -> CampaignId {
    CampaignId::generate(at(0), n << 30)
}

pub(super) fn click(n: u128) -> ClickId {
    ClickId::generate(at(0), n)
}

/// An id that no other number has. A conversion's id keeps the upper 50 of the 80 random bits.
pub(super) fn conversion(n: u128) -> ConversionId {
    ConversionId::generate(at(0), n << 30)
}

/// Report number `n` (its id and time) of transaction `tx`, a USD 5 sale of click 1.
pub(super) fn report(n: i64, tx: &str) -> Incoming {
    Incoming {
        new_id: conversion(n.unsigned_abs().into()),
        network: network(1),
        scope: TransactionScope::Network,
        key: format!("tx:{tx}"),
        transaction_id: Some(tx.to_owned()),
        click_id: click(1),
        status: "sale".parse().expect("a status"),
        raw_status: Some("Approved".to_owned()),
        unmapped: false,
        revenue: usd("5"),
        revenue_given: true,
        allow_upsell: false,
        at: at(n),
        click: ClickDims { campaign_id: Some(campaign(1)), country: "DE".into(), ..ClickDims::default() },
        cost_terms: tfx_domain::entity::Due::default(),
        tell: None,
        signed: None,
        waited: false,
        replaces: None,
    }
}

/// The same with another status.
pub(super) fn reported(n: i64, tx: &str, status: &str) -> Incoming {
    Incoming { status: status.parse().expect("a status"), ..report(n, tx) }
}

/// Records one report.
pub(super) async fn record(store: &Arc<dyn ConversionStore>, report: &Incoming) -> Recorded {
    let mut answers = store.record(std::slice::from_ref(report)).await.expect("record");
    assert_eq!(answers.len(), 1, "one answer for each report");
    answers.pop().expect("one")
}

/// Records one report that must come to `want`.
pub(super) async fn expect(
    store: &Arc<dyn ConversionStore>,
    report: &Incoming,
    want: PostbackResult,
) -> Conversion {
    let done = record(store, report).await;
    assert_eq!(done.result, want, "{} of {}: {done:?}", report.status, report.key);
    done.conversion
}

/// How many of the answers are of each kind: recorded, updated, duplicate, stale.
pub(super) fn tally(answers: &[Recorded]) -> [usize; 4] {
    use PostbackResult::{Duplicate, Recorded, Stale, Updated};
    [Recorded, Updated, Duplicate, Stale].map(|kind| answers.iter().filter(|a| a.result == kind).count())
}

pub(super) fn first(limit: usize) -> ConversionQuery {
    let page = PageRequest::first(limit);
    ConversionQuery {
        since: None,
        until: None,
        campaign: None,
        network: None,
        status: None,
        click: None,
        test: TestTraffic::Include,
        conditions: tfx_domain::report::Conditions::default(),
        page,
    }
}

/// The first that wait to be published.
pub(super) async fn unpublished(store: &Arc<dyn ConversionStore>, limit: usize) -> Vec<Conversion> {
    store.unpublished(&PageRequest::first(limit)).await.expect("unpublished").items
}

/// Everything there is, newest first, page by page.
pub(super) async fn all(store: &Arc<dyn ConversionStore>) -> Vec<Conversion> {
    let mut query = first(700);
    let mut seen = Vec::new();
    loop {
        let page = store.list(&query).await.expect("list");
        seen.extend(page.items);
        let Some(next) = page.next else { return seen };
        query.page.cursor = Some(next);
    }
}
