//! Sums by group.

use crate::events::money;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use tfx_domain::{
    money::{Amount, Currency},
    report::RawRow,
};
use tfx_ports::StoreError;

/// Amounts by currency: a few, in a list.
#[derive(Default)]
pub(super) struct Amounts(Vec<(i64, i64)>);

impl Amounts {
    pub(super) fn add(&mut self, currency: i64, micros: i64) {
        match self.0.iter_mut().find(|(c, _)| *c == currency) {
            Some((_, sum)) => *sum = sum.saturating_add(micros),
            None => self.0.push((currency, micros)),
        }
    }

    fn by_currency(self) -> Result<BTreeMap<Currency, Amount>, StoreError> {
        self.0.into_iter().map(|(code, micros)| money(micros, code).map(|m| (m.currency, m.amount))).collect()
    }
}

/// What is counted of a group; see [`RawRow`].
#[derive(Default)]
pub(super) struct Sums {
    pub(super) clicks: u64,
    pub(super) bots: u64,
    pub(super) prefetches: u64,
    pub(super) trafficbacks: u64,
    pub(super) unique_campaign: u64,
    pub(super) unique_stream: u64,
    pub(super) unique_destination: u64,
    pub(super) costs_refused: u64,
    pub(super) leads: u64,
    pub(super) sales: u64,
    pub(super) rejected: u64,
    pub(super) rebills: u64,
    pub(super) cost: Amounts,
    pub(super) bot_cost: Amounts,
    pub(super) hold: Amounts,
    pub(super) confirmed: Amounts,
}

impl Sums {
    /// The row, its key still to be filled in.
    pub(super) fn row(self) -> Result<RawRow, StoreError> {
        Ok(RawRow {
            key: Vec::new(),
            hits: self.clicks + self.bots + self.prefetches + self.trafficbacks,
            clicks: self.clicks,
            bots: self.bots,
            prefetches: self.prefetches,
            trafficbacks: self.trafficbacks,
            unique_campaign: self.unique_campaign,
            unique_stream: self.unique_stream,
            unique_destination: self.unique_destination,
            cost: self.cost.by_currency()?,
            bot_cost: self.bot_cost.by_currency()?,
            costs_refused: self.costs_refused,
            leads: self.leads,
            sales: self.sales,
            rejected: self.rejected,
            rebills: self.rebills,
            revenue_hold: self.hold.by_currency()?,
            revenue_confirmed: self.confirmed.by_currency()?,
        })
    }
}

/// Sums by key, up to so many keys.
pub(super) struct Groups {
    most: usize,
    by_key: FxHashMap<Box<[i64]>, usize>,
    sums: Vec<Sums>,
}

impl Groups {
    pub(super) fn new(most: usize) -> Self {
        Self { most, by_key: FxHashMap::default(), sums: Vec::new() }
    }

    /// The sums of a key.
    ///
    /// # Errors
    /// [`StoreError::TooMuch`]: it would be one more than may be.
    pub(super) fn at(&mut self, key: &[i64]) -> Result<&mut Sums, StoreError> {
        let place = match self.by_key.get(key) {
            Some(place) => *place,
            None if self.sums.len() >= self.most => return Err(StoreError::too_many_groups(self.most)),
            None => {
                self.by_key.insert(key.into(), self.sums.len());
                self.sums.push(Sums::default());
                self.sums.len() - 1
            }
        };
        Ok(&mut self.sums[place])
    }

    pub(super) fn len(&self) -> usize {
        self.sums.len()
    }
}

impl IntoIterator for Groups {
    type Item = (Box<[i64]>, Sums);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        let mut sums: Vec<Option<Sums>> = self.sums.into_iter().map(Some).collect();
        let of = |(key, place): (Box<[i64]>, usize)| sums[place].take().map(|s| (key, s));
        self.by_key.into_iter().filter_map(of).collect::<Vec<_>>().into_iter()
    }
}
