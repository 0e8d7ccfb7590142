//! Sums by group.

use super::calendar::date;
use crate::events::{currency_code, money};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use tfx_domain::{
    Date,
    money::{Currency, Total},
    report::{Dated, RawRow, ReportQuery},
};
use tfx_ports::StoreError;

const DAY_MS: i64 = 86_400_000;

/// Sums by currency: a few, in a list.
#[derive(Default)]
pub(super) struct Amounts(Vec<(i64, i128)>);

impl Amounts {
    pub(super) fn add(&mut self, currency: i64, micros: i64) {
        match self.0.iter_mut().find(|(c, _)| *c == currency) {
            Some((_, sum)) => *sum = sum.saturating_add(micros.into()),
            None => self.0.push((currency, micros.into())),
        }
    }

    fn by_currency(self) -> Result<BTreeMap<Currency, Total>, StoreError> {
        let of = |(code, micros)| Ok((money(0, code)?.currency, Total::from_micros(micros)));
        self.0.into_iter().map(of).collect()
    }
}

/// Which sum of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sum {
    Cost,
    BotCost,
    Hold,
    Confirmed,
}

/// An amount as it stands in a row: a currency's number, and millionths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) currency: i64,
    pub(super) micros: i64,
    /// From when it is summed apart; none: it is not.
    pub(super) since: Option<Since>,
}

/// From which day since 1970 on; none: before the first.
type Since = Option<i64>;

/// [`ReportQuery::apart`] by the numbers of currencies.
pub(super) struct Apart(Vec<(i64, Vec<i64>)>);

impl Apart {
    pub(super) fn new(query: &ReportQuery) -> Self {
        let number = |day: &Date| day.duration_since(date(0)).as_hours() / 24;
        let days = query.apart.iter();
        Self(days.map(|(of, days)| (currency_code(*of), days.iter().map(number).collect())).collect())
    }

    /// An amount of a time, in milliseconds.
    pub(super) fn found(&self, currency: i64, micros: i64, at_ms: i64) -> Found {
        let days = self.0.iter().find(|(apart, _)| *apart == currency).map(|(_, days)| days);
        let since = days.map(|days| {
            let day = at_ms.div_euclid(DAY_MS);
            days.partition_point(|from| *from <= day).checked_sub(1).map(|place| days[place])
        });
        Found { currency, micros, since }
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
    /// By [`Sum`].
    money: [Amounts; 4],
    /// What is summed apart: the newest last, where the next one mostly belongs too.
    dated: Vec<(i64, Since, [i128; 4])>,
}

impl Sums {
    /// Adds an amount. Whether it is the first of those that are summed apart together.
    pub(super) fn add(&mut self, sum: Sum, found: Found) -> bool {
        let Found { currency, micros, since } = found;
        let Some(since) = since else {
            self.money[sum as usize].add(currency, micros);
            return false;
        };
        let of_it = |(of, from, _): &&mut (i64, Since, [i128; 4])| *of == currency && *from == since;
        if let Some((_, _, sums)) = self.dated.iter_mut().rev().find(of_it) {
            sums[sum as usize] = sums[sum as usize].saturating_add(micros.into());
            return false;
        }
        let mut sums = [0; 4];
        sums[sum as usize] = micros.into();
        self.dated.push((currency, since, sums));
        true
    }

    fn dated(of: Vec<(i64, Since, [i128; 4])>) -> Result<Vec<Dated>, StoreError> {
        let read = |(code, since, sums): (i64, Since, [i128; 4])| {
            let [cost, bot_cost, revenue_hold, revenue_confirmed] = sums.map(Total::from_micros);
            let (currency, since) = (money(0, code)?.currency, since.map(date));
            Ok(Dated { currency, since, cost, bot_cost, revenue_hold, revenue_confirmed })
        };
        let mut dated = of.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        dated.sort_by_key(|dated| (dated.currency, dated.since));
        Ok(dated)
    }

    /// The row, its key still to be filled in.
    pub(super) fn row(self) -> Result<RawRow, StoreError> {
        let [cost, bot_cost, hold, confirmed] = self.money.map(Amounts::by_currency);
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
            cost: cost?,
            bot_cost: bot_cost?,
            costs_refused: self.costs_refused,
            leads: self.leads,
            sales: self.sales,
            rejected: self.rejected,
            rebills: self.rebills,
            revenue_hold: hold?,
            revenue_confirmed: confirmed?,
            dated: Self::dated(self.dated)?,
        })
    }
}

/// Sums by key, up to so many keys.
pub(super) struct Groups {
    most: usize,
    /// How many sums apart there may be still.
    room: usize,
    by_key: FxHashMap<Box<[i64]>, usize>,
    sums: Vec<Sums>,
}

impl Groups {
    pub(super) fn new(query: &ReportQuery) -> Self {
        let (most, room) = (query.max_groups, query.max_dated());
        Self { most, room, by_key: FxHashMap::default(), sums: Vec::new() }
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

    /// Counts sums apart that were begun.
    ///
    /// # Errors
    /// [`StoreError::TooMuch`]: they are more than may be.
    pub(super) fn begun(&mut self, many: usize) -> Result<(), StoreError> {
        match self.room.checked_sub(many) {
            Some(room) => self.room = room,
            None => return Err(StoreError::too_many_amounts()),
        }
        Ok(())
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
