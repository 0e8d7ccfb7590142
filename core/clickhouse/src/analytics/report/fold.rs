//! Groups of one key, whatever table and currency they are of, become one row.

use super::{Group, column::DimensionColumn};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tfx_domain::{
    Date,
    money::{Currency, Total},
    report::{Dated, RawRow, ReportQuery, key_order},
};
use tfx_ports::StoreError;

/// The rows of a report while groups come in.
pub(super) struct Rows<'q> {
    query: &'q ReportQuery,
    columns: Vec<DimensionColumn>,
    rows: BTreeMap<Vec<SmolStr>, RawRow>,
    /// How many sums apart there may be still.
    room: usize,
}

impl<'q> Rows<'q> {
    /// None; without dimensions there is one, whatever counts.
    pub(super) fn new(query: &'q ReportQuery) -> Self {
        let columns: Vec<DimensionColumn> =
            query.dimensions.iter().map(|d| DimensionColumn::of(*d)).collect();
        let mut rows = BTreeMap::new();
        if columns.is_empty() {
            rows.insert(Vec::new(), RawRow::default());
        }
        Self { query, columns, rows, room: query.max_dated() }
    }

    /// # Errors
    /// [`StoreError::TooMuch`]: it is of one key more than may be, or has one sum apart more.
    pub(super) fn add(&mut self, group: &Group) -> Result<(), StoreError> {
        let columns = self.columns.iter().zip(&group.key);
        let key: Vec<SmolStr> = columns.map(|(c, value)| c.text(value)).collect();
        if self.rows.len() >= self.query.max_groups && !self.rows.contains_key(&key) {
            return Err(StoreError::too_many_groups(self.query.max_groups));
        }
        if add(self.rows.entry(key).or_default(), group, self.query)? {
            self.room = self.room.checked_sub(1).ok_or_else(StoreError::too_many_amounts)?;
        }
        Ok(())
    }

    /// The rows in the order of their keys.
    pub(super) fn finish(self) -> Vec<RawRow> {
        let mut rows: Vec<_> = self.rows.into_iter().map(|(key, row)| RawRow { key, ..row }).collect();
        rows.sort_by(|a, b| key_order(&self.query.dimensions, &a.key, &b.key));
        rows
    }
}

/// The first of the days that there are.
const FIRST: Date = Date::constant(1970, 1, 1);

/// A day's number since 1970.
pub(super) fn number(day: Date) -> u64 {
    u64::try_from(day.duration_since(FIRST).as_hours() / 24).unwrap_or(0)
}

/// The day of a number.
fn date(number: u64) -> Date {
    let days = i64::try_from(number).ok().and_then(|days| jiff::Span::new().try_days(days).ok());
    days.and_then(|days| FIRST.checked_add(days).ok()).unwrap_or(Date::MAX)
}

/// Whether it begins a sum apart.
fn add(row: &mut RawRow, group: &Group, query: &ReportQuery) -> Result<bool, StoreError> {
    row.hits += group.clicks + group.bots + group.prefetches + group.trafficbacks;
    row.clicks += group.clicks;
    row.bots += group.bots;
    row.prefetches += group.prefetches;
    row.trafficbacks += group.trafficbacks;
    row.unique_campaign += group.unique_campaign;
    row.unique_stream += group.unique_stream;
    row.unique_destination += group.unique_destination;
    row.costs_refused += group.costs_refused;
    row.leads += group.leads;
    row.sales += group.sales;
    row.rejected += group.rejected;
    row.rebills += group.rebills;
    // The empty currency is that of clicks without a cost.
    if group.currency.is_empty() {
        return Ok(false);
    }
    let currency = Currency::stored(&group.currency).map_err(|e| StoreError::broken("stored currency", e))?;
    let counts = [
        group.of_costs || group.clicks + group.trafficbacks > 0,
        group.bots > 0,
        group.leads > 0,
        group.sales + group.rebills > 0,
    ];
    let amounts = [group.cost, group.bot_cost, group.hold, group.confirmed].map(Total::from_micros);
    if let Some(since) = query.since(currency, date(group.day)) {
        return Ok(counts.contains(&true) && add_apart(row, Dated::new(currency, since), amounts));
    }
    let sums = [&mut row.cost, &mut row.bot_cost, &mut row.revenue_hold, &mut row.revenue_confirmed];
    for ((sum, amount), _) in sums.into_iter().zip(amounts).zip(counts).filter(|(_, counts)| *counts) {
        *sum.entry(currency).or_default() += amount;
    }
    Ok(false)
}

/// Adds to the sums of a currency and a day, which stand in order. Whether they are new.
fn add_apart(row: &mut RawRow, of: Dated, [cost, bot_cost, hold, confirmed]: [Total; 4]) -> bool {
    let place = row.dated.binary_search_by_key(&(of.currency, of.since), |d| (d.currency, d.since));
    let at = place.unwrap_or_else(|at| {
        row.dated.insert(at, of);
        at
    });
    let sums = &mut row.dated[at];
    sums.cost += cost;
    sums.bot_cost += bot_cost;
    sums.revenue_hold += hold;
    sums.revenue_confirmed += confirmed;
    place.is_err()
}
