//! Conversions: their store has each of them, and nothing that is to be proved writes to it.

use crate::failure::Failure;
use std::collections::BTreeMap;
use tfx_api::reconciliation::{Reconciled, ReconciledCounts, ReconciledHour, ReconciledKind};
use tfx_domain::{Timestamp, event::TestTraffic, id::ConversionId, ledger::Hour, report::Conditions};
use tfx_ports::{conversions::ConversionQuery, page::PageRequest};
use tfx_wiring::Stores;

/// The most of a page.
const PAGE: usize = 1_000;

/// Holds the conversions that were first reported in a time against those that reports count.
pub(super) async fn reconciled(
    stores: &Stores,
    (since, until): (Timestamp, Timestamp),
    most: usize,
    notes: &mut Vec<String>,
) -> Result<ReconciledKind, Failure> {
    // These first: what reports have by now, the store has had before.
    let mut counted = BTreeMap::<ConversionId, u64>::new();
    for id in stores.analytics.conversion_ids(since, until).await? {
        *counted.entry(id).or_default() += 1;
    }
    let mut query = ConversionQuery {
        since: Some(since),
        until: Some(until),
        campaign: None,
        network: None,
        status: None,
        click: None,
        test: TestTraffic::Include,
        conditions: Conditions::default(),
        page: PageRequest::first(PAGE),
    };
    let mut hours = BTreeMap::<Hour, ReconciledCounts>::new();
    let (mut missing, mut surplus) = (Vec::new(), Vec::new());
    let mut too_many = 0;
    loop {
        let page = stores.conversions.list(&query).await?;
        notes.extend(
            page.left_out.iter().map(|why| format!("a conversion cannot be read and is not compared: {why}")),
        );
        for conversion in page.items {
            let hour = hours.entry(Hour::at(conversion.created_at)).or_default();
            let stored = counted.remove(&conversion.id).unwrap_or(0);
            hour.accepted += 1;
            hour.stored += stored;
            hour.missing += u64::from(stored == 0);
            hour.surplus += stored.saturating_sub(1);
            if stored == 0 {
                missing.push(conversion.id.to_string());
            } else if stored > 1 {
                surplus.push(conversion.id.to_string());
            }
        }
        query.page.cursor = page.next;
        if query.page.cursor.is_none() {
            break;
        }
    }
    let mut sum = ReconciledCounts::default();
    hours.values().for_each(|hour| sum.add(hour));
    for (id, n) in counted {
        surplus.push(id.to_string());
        too_many += n;
    }
    (sum.stored, sum.surplus) = (sum.stored + too_many, sum.surplus + too_many);
    missing.truncate(most);
    surplus.truncate(most);
    Ok(ReconciledKind {
        kind: Reconciled::Conversions,
        sum,
        missing_ids: missing,
        surplus_ids: surplus,
        doubled_ids: Vec::new(),
        hours: hours
            .into_iter()
            .map(|(hour, counts)| ReconciledHour { hour: hour.start(), counts })
            .collect(),
    })
}
