//! Rates of currencies, kept beside the configuration. Routing knows nothing of them: a change makes no revision.

use crate::{
    audit::{AuditEntry, Caller},
    error::StoreError,
    page::{Page, PageRequest},
};
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tfx_domain::{
    Date, Timestamp,
    money::Currency,
    rate::{Rate, RateKey, RateValue},
    report::Rates,
};

/// What becomes of one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateChange {
    /// Which.
    pub key: RateKey,
    /// What it is from now on; none: there is none any more.
    pub value: Option<RateValue>,
}

/// What changes came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateTally {
    /// Rates that there were none of.
    pub new: usize,
    /// Rates that were others.
    pub changed: usize,
    /// What was so already: nothing is done about it.
    pub same: usize,
    /// Rates that are there no more.
    pub removed: usize,
}

/// Which rates to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateQuery {
    /// Only from this currency.
    pub from: Option<Currency>,
    /// Only to this one.
    pub to: Option<Currency>,
    /// Which part.
    pub page: PageRequest,
}

/// Keeps rates, and tells the audit log of their changes in the same transaction.
#[async_trait]
pub trait RateStore: Send + Sync {
    /// Makes changes, all of them or none; `dry_run`: only says what they would come to. No key stands twice.
    async fn change(
        &self,
        changes: &[RateChange],
        by: &Caller,
        at: Timestamp,
        dry_run: bool,
    ) -> Result<RateTally, StoreError>;

    /// A page of rates, by pair and day.
    async fn list(&self, query: &RateQuery) -> Result<Page<Rate>, StoreError>;

    /// From and to a currency, all rates that hold on a day or begin later; in any order.
    async fn holding(&self, currency: Currency, day: Date) -> Result<Vec<Rate>, StoreError>;
}

/// The rates to a currency, for amounts of a time and later.
///
/// # Errors
/// The store's.
pub async fn rates_to(
    store: &dyn RateStore,
    currency: Currency,
    since: Timestamp,
) -> Result<Rates, StoreError> {
    let day = jiff::tz::TimeZone::UTC.to_datetime(since).date();
    Ok(Rates::new(currency, &store.holding(currency, day).await?))
}

/// What is to be done about changes, for stores.
#[derive(Debug, Default)]
pub struct RatePlan {
    /// What they come to.
    pub tally: RateTally,
    /// Those that change something.
    pub changes: Vec<RateChange>,
    /// A line of the audit log for each pair: which days had which rate, and have which.
    pub lines: Vec<AuditEntry>,
}

impl RatePlan {
    /// Of the changes, and of what there is of their keys.
    pub fn of(
        changes: &[RateChange],
        there: &BTreeMap<RateKey, RateValue>,
        by: &Caller,
        at: Timestamp,
    ) -> Self {
        let mut plan = Self::default();
        let mut days = BTreeMap::<String, Map<String, Value>>::new();
        for change in changes {
            let before = there.get(&change.key).copied();
            if before == change.value {
                plan.tally.same += 1;
                continue;
            }
            match (before, change.value) {
                (_, None) => plan.tally.removed += 1,
                (None, _) => plan.tally.new += 1,
                (Some(_), _) => plan.tally.changed += 1,
            }
            plan.changes.push(*change);
            let told = json!([before, change.value]);
            days.entry(change.key.pair()).or_default().insert(change.key.day.to_string(), told);
        }
        let removes = |days: &Map<String, Value>| days.values().all(|told| told[1].is_null());
        let line = |(pair, days): (String, Map<String, Value>)| AuditEntry {
            at,
            caller: by.clone(),
            action: if removes(&days) { "remove" } else { "set" }.to_owned(),
            kind: "rate".to_owned(),
            id: pair,
            version: 0,
            changes: Value::Object(days),
        };
        plan.lines = days.into_iter().map(line).collect();
        plan
    }
}
