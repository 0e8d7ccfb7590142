//! Groups of one key, whatever table and currency they are of, become one row.

use super::{Group, column::DimensionColumn};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tfx_domain::{
    money::{Amount, Currency},
    report::{RawRow, ReportQuery, key_order},
};
use tfx_ports::StoreError;

/// The rows of a report while groups come in.
pub(super) struct Rows<'q> {
    query: &'q ReportQuery,
    columns: Vec<DimensionColumn>,
    rows: BTreeMap<Vec<SmolStr>, RawRow>,
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
        Self { query, columns, rows }
    }

    /// # Errors
    /// [`StoreError::TooMuch`]: it is of one key more than may be.
    pub(super) fn add(&mut self, group: &Group) -> Result<(), StoreError> {
        let columns = self.columns.iter().zip(&group.key);
        let key: Vec<SmolStr> = columns.map(|(c, value)| c.text(value)).collect();
        if self.rows.len() >= self.query.max_groups && !self.rows.contains_key(&key) {
            return Err(StoreError::too_many_groups(self.query.max_groups));
        }
        add(self.rows.entry(key).or_default(), group)
    }

    /// The rows in the order of their keys.
    pub(super) fn finish(self) -> Vec<RawRow> {
        let mut rows: Vec<_> = self.rows.into_iter().map(|(key, row)| RawRow { key, ..row }).collect();
        rows.sort_by(|a, b| key_order(&self.query.dimensions, &a.key, &b.key));
        rows
    }
}

fn add(row: &mut RawRow, group: &Group) -> Result<(), StoreError> {
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
        return Ok(());
    }
    let currency = Currency::stored(&group.currency).map_err(|e| StoreError::broken("stored currency", e))?;
    let mut sum = |counts: bool, sums: fn(&mut RawRow) -> &mut BTreeMap<Currency, Amount>, micros: i128| {
        if counts {
            *sums(row).entry(currency).or_default() += amount(micros);
        }
    };
    sum(group.clicks + group.trafficbacks > 0, |r| &mut r.cost, group.cost);
    sum(group.bots > 0, |r| &mut r.bot_cost, group.bot_cost);
    sum(group.leads > 0, |r| &mut r.revenue_hold, group.hold);
    sum(group.sales + group.rebills > 0, |r| &mut r.revenue_confirmed, group.confirmed);
    Ok(())
}

/// The nearest that fits.
fn amount(micros: i128) -> Amount {
    let nearest = if micros < 0 { i64::MIN } else { i64::MAX };
    Amount::from_micros(i64::try_from(micros).unwrap_or(nearest))
}
