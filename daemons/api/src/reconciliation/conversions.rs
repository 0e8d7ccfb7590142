//! Conversions: their store has each of them in its state, and nothing that is to be proved writes to it.

use crate::failure::Failure;
use std::collections::{BTreeMap, HashSet};
use tfx_api::reconciliation::{
    ConversionState, DifferingStates, Reconciled, ReconciledCounts, ReconciledHour, ReconciledKind,
};
use tfx_domain::{
    Timestamp,
    event::{PostbackDirection, PostbackResult, TestTraffic},
    id::ConversionId,
    ledger::Hour,
    postback::Conversion,
    report::Conditions,
};
use tfx_ports::{
    analytics::{PostbackQuery, StoredConversion},
    conversions::ConversionQuery,
    page::PageRequest,
};
use tfx_wiring::Stores;

/// The most of a page.
const PAGE: usize = 1_000;

/// Holds the conversions that were first reported in a time against those that reports count, state by state. What changed
/// since `as_of` may be on its way.
pub(super) async fn reconciled(
    stores: &Stores,
    (since, until): (Timestamp, Timestamp),
    as_of: Timestamp,
    most: usize,
    notes: &mut Vec<String>,
) -> Result<ReconciledKind, Failure> {
    // These first: what reports have by now, the store has had before.
    let mut counted = BTreeMap::<ConversionId, Vec<StoredConversion>>::new();
    for stored in stores.analytics.stored_conversions(since, until).await? {
        counted.entry(stored.id.clone()).or_default().push(stored);
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
    let (mut all, mut listed) = (Compared::default(), HashSet::new());
    loop {
        let page = stores.conversions.list(&query).await?;
        notes.extend(
            page.left_out.iter().map(|why| format!("a conversion cannot be read and is not compared: {why}")),
        );
        for conversion in page.items {
            let stored = counted.remove(&conversion.id).unwrap_or_default();
            all.take(&conversion, &stored, as_of);
            listed.insert(conversion.id);
        }
        query.page.cursor = page.next;
        if query.page.cursor.is_none() {
            break;
        }
    }
    counted.into_values().flatten().for_each(|stored| {
        all.too_many(&stored);
        listed.insert(stored.id);
    });
    let lost = lost(stores, (since, until), &listed).await?;
    if !lost.is_empty() {
        notes.push(format!(
            "{} conversions that the postback log says were recorded are not in the configuration store: was it restored from an older \
             backup? What networks report again gets the same ids; tfx network reconcile holds their own export against what is here",
            lost.len()
        ));
    }
    lost.into_iter().for_each(|(id, hour)| all.missing(&id, hour));
    Ok(all.told(most))
}

/// What the log says was recorded in that time, and is not there; `known`: what is, or is told of already.
async fn lost(
    stores: &Stores,
    (since, until): (Timestamp, Timestamp),
    known: &HashSet<ConversionId>,
) -> Result<BTreeMap<ConversionId, Hour>, Failure> {
    let mut query = PostbackQuery {
        since: Some(since),
        until: Some(until),
        network: None,
        result: Some(PostbackResult::Recorded),
        direction: Some(PostbackDirection::In),
        test: TestTraffic::Include,
        filters: Vec::new(),
        page: PageRequest::first(PAGE),
    };
    let mut recorded = BTreeMap::new();
    loop {
        let page = stores.analytics.postbacks(&query).await?;
        for line in page.items {
            let id = line.conversion_id.filter(|id| !known.contains(id));
            recorded.extend(id.map(|id| (id, Hour::of(line.id))));
        }
        query.page.cursor = page.next;
        if query.page.cursor.is_none() {
            break;
        }
    }
    // What a file said counts from a time of its own, and so does what waited.
    let ids: Vec<ConversionId> = recorded.keys().cloned().collect();
    let absent: HashSet<ConversionId> = stores.conversions.absent(&ids).await?.into_iter().collect();
    recorded.retain(|id, _| absent.contains(id));
    Ok(recorded)
}

/// What is found, hour by hour.
#[derive(Default)]
struct Compared {
    hours: BTreeMap<Hour, ReconciledCounts>,
    missing: Vec<String>,
    surplus: Vec<String>,
    differing: Vec<DifferingStates>,
}

impl Compared {
    fn take(&mut self, conversion: &Conversion, stored: &[StoredConversion], as_of: Timestamp) {
        let Some((first, others)) = stored.split_first() else {
            // It came since.
            if conversion.created_at < as_of {
                self.missing(&conversion.id, Hour::at(conversion.created_at));
            }
            return;
        };
        let hour = self.hours.entry(Hour::at(conversion.created_at)).or_default();
        (hour.accepted, hour.stored) = (hour.accepted + 1, hour.stored + 1);
        let (is, counted) = (state(conversion), stored_state(first));
        let on_its_way = counted.version < is.version && conversion.updated_at >= as_of;
        if is != counted && !on_its_way {
            hour.differing += 1;
            self.differing.push(DifferingStates { id: conversion.id.to_string(), stored: counted, is });
        }
        others.iter().for_each(|stored| self.too_many(stored));
    }

    fn missing(&mut self, id: &ConversionId, hour: Hour) {
        let hour = self.hours.entry(hour).or_default();
        (hour.accepted, hour.missing) = (hour.accepted + 1, hour.missing + 1);
        self.missing.push(id.to_string());
    }

    fn too_many(&mut self, stored: &StoredConversion) {
        let hour = self.hours.entry(Hour::at(stored.created_at)).or_default();
        (hour.stored, hour.surplus) = (hour.stored + 1, hour.surplus + 1);
        self.surplus.push(stored.id.to_string());
    }

    fn told(mut self, most: usize) -> ReconciledKind {
        let mut sum = ReconciledCounts::default();
        self.hours.values().for_each(|hour| sum.add(hour));
        self.missing.truncate(most);
        self.surplus.truncate(most);
        self.differing.truncate(most);
        ReconciledKind {
            kind: Reconciled::Conversions,
            sum,
            missing_ids: self.missing,
            surplus_ids: self.surplus,
            doubled_ids: Vec::new(),
            differing_ids: self.differing.iter().map(|states| states.id.clone()).collect(),
            differing_states: self.differing,
            hours: self
                .hours
                .into_iter()
                .map(|(hour, counts)| ReconciledHour { hour: hour.start(), counts })
                .collect(),
        }
    }
}

fn state(of: &Conversion) -> ConversionState {
    ConversionState { version: of.version, status: of.status.clone(), revenue: of.revenue, cost: of.cost }
}

fn stored_state(of: &StoredConversion) -> ConversionState {
    ConversionState { version: of.version, status: of.status.clone(), revenue: of.revenue, cost: of.cost }
}
