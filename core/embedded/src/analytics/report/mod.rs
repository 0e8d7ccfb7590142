//! Reports: one pass over the clicks of the time asked for and one over the conversions, counted in memory by
//! group. Only groups are kept, never rows.

pub(super) mod calendar;
pub(super) mod column;
pub(super) mod filter;
mod group;

use super::caller::CallerWatch;
use crate::{
    error::OrStoreError,
    events::{
        facts::{Class, Facts},
        id_bytes, id_of,
        texts::Names,
    },
    time::ceil_ms,
};
use calendar::Calendar;
use column::{Cells, DimensionColumn, Interned};
use filter::Filter;
use group::{Apart, Found, Groups, Sum, Sums};
use rusqlite::{Connection, Row, params};
use tfx_domain::{
    Timestamp,
    event::TestTraffic,
    id::ClickId,
    postback::ConversionStatus,
    report::{Attribution, Dimension, RawRow, ReportQuery, key_order},
};
use tfx_ports::{StoreError, analytics::time_zone};

const WHAT: &str = "make a report";

/// Ends early if nobody waits for it any more.
pub(super) fn report(
    conn: &Connection,
    query: &ReportQuery,
    caller: CallerWatch,
) -> Result<Vec<RawRow>, StoreError> {
    let zone = time_zone(&query.timezone)?;
    let mut scan = Scan {
        dimensions: query.dimensions.clone(),
        columns: query.dimensions.iter().map(|d| DimensionColumn::of(*d)).collect(),
        filters: query.filters.iter().map(Filter::new).collect(),
        names: Names::new(conn)?,
        texts: Interned::default(),
        calendar: Calendar::new(zone),
        groups: Groups::new(query),
        apart: Apart::new(query),
        caller,
    };
    if query.dimensions.is_empty() {
        scan.groups.at(&[])?;
    }
    if query.since < query.until {
        scan.clicks(conn, query)?;
        scan.conversions(conn, query)?;
    }
    scan.rows()
}

struct Scan<'c> {
    dimensions: Vec<Dimension>,
    columns: Vec<DimensionColumn>,
    filters: Vec<Filter>,
    names: Names<'c>,
    texts: Interned,
    calendar: Calendar,
    groups: Groups,
    apart: Apart,
    caller: CallerWatch,
}

impl Scan<'_> {
    fn clicks(&mut self, conn: &Connection, query: &ReportQuery) -> Result<(), StoreError> {
        let (list, places) = self.select(4);
        let sql = format!(
            "SELECT id, facts, cost, currency{list} FROM clicks WHERE id >= ?1 AND id < ?2{} ORDER BY id",
            tests(query.test)
        );
        let floor = |at| {
            let at = Timestamp::from_millisecond(ceil_ms(at)).unwrap_or(Timestamp::MAX);
            id_bytes(ClickId::floor(at))
        };
        let mut statement = conn.prepare_cached(&sql).or_store_error(WHAT)?;
        let bounds = params![floor(query.since), floor(query.until)];
        let mut rows = statement.query(bounds).or_store_error(WHAT)?;
        let mut key = Vec::new();
        while let Some(row) = rows.next().or_store_error(WHAT)? {
            self.caller.still_there()?;
            let id = row.get_ref(0).or_store_error(WHAT)?.as_blob().unwrap_or_default();
            let at_ms = crate::events::id_ms(id_of(id)?);
            let facts = Facts(integer(row, 1)?);
            let cells = Cells { row, places: &places, at_ms, facts, status: 0 };
            if !self.key(&cells, &mut key)? {
                continue;
            }
            let cost = self.apart.found(integer(row, 3)?, integer(row, 2)?, at_ms);
            let begun = count_click(self.groups.at(&key)?, facts, cost);
            self.groups.begun(usize::from(begun))?;
        }
        Ok(())
    }

    fn conversions(&mut self, conn: &Connection, query: &ReportQuery) -> Result<(), StoreError> {
        let (list, places) = self.select(8);
        let at = match query.attribution {
            Attribution::Click => "click_ms",
            Attribution::Conversion => "created_ms",
        };
        let sql = format!(
            "SELECT {at}, facts, revenue, currency, status, created_ms, cost, cost_currency{list} FROM conversions
             WHERE {at} >= ?1 AND {at} < ?2{} ORDER BY {at}",
            tests(query.test)
        );
        let mut statement = conn.prepare_cached(&sql).or_store_error(WHAT)?;
        let bounds = params![ceil_ms(query.since), ceil_ms(query.until)];
        let mut rows = statement.query(bounds).or_store_error(WHAT)?;
        let mut key = Vec::new();
        while let Some(row) = rows.next().or_store_error(WHAT)? {
            self.caller.still_there()?;
            let status = integer(row, 4)?;
            let facts = Facts(integer(row, 1)?);
            let cells = Cells { row, places: &places, at_ms: integer(row, 0)?, facts, status };
            if !self.key(&cells, &mut key)? {
                continue;
            }
            let status =
                self.names.name(status)?.parse().map_err(|e| StoreError::broken("stored status", e))?;
            let revenue = self.apart.found(integer(row, 3)?, integer(row, 2)?, integer(row, 5)?);
            let cost = self.apart.found(integer(row, 7)?, integer(row, 6)?, integer(row, 5)?);
            let sums = self.groups.at(&key)?;
            let begun = count_conversion(sums, &status, revenue);
            let begun_too = cost.currency != 0 && sums.add(Sum::Cost, cost);
            self.groups.begun(usize::from(begun) + usize::from(begun_too))?;
        }
        Ok(())
    }

    fn select(&self, fixed: usize) -> (String, Vec<(&'static str, usize)>) {
        column::stored(self.columns.iter().chain(self.filters.iter().map(|f| &f.column)), fixed)
    }

    /// The key of a row's group; false if the row does not count.
    fn key(&mut self, cells: &Cells<'_>, key: &mut Vec<i64>) -> Result<bool, StoreError> {
        for filter in &mut self.filters {
            if !filter.passes(cells, &mut self.names, &mut self.calendar)? {
                return Ok(false);
            }
        }
        key.clear();
        for column in &self.columns {
            key.push(column.cell(cells, &mut self.texts, &mut self.calendar)?);
        }
        Ok(true)
    }

    fn rows(mut self) -> Result<Vec<RawRow>, StoreError> {
        let mut rows = Vec::with_capacity(self.groups.len());
        for (cells, sums) in self.groups {
            let mut row = sums.row()?;
            for (column, cell) in self.columns.iter().zip(cells.iter()) {
                row.key.push(column.text(*cell, &self.texts, &mut self.names)?);
            }
            rows.push(row);
        }
        rows.sort_by(|a, b| key_order(&self.dimensions, &a.key, &b.key));
        Ok(rows)
    }
}

/// The condition on tests, word for word as that of the index of test clicks.
const fn tests(test: TestTraffic) -> &'static str {
    match test {
        TestTraffic::Exclude => " AND facts & 2048 = 0",
        TestTraffic::Include => "",
        TestTraffic::Only => " AND facts & 2048 <> 0",
    }
}

/// An integer; 0 for null.
fn integer(row: &Row<'_>, place: usize) -> Result<i64, StoreError> {
    let value = row.get_ref(place).or_store_error(WHAT)?;
    Ok(value.as_i64_or_null().unwrap_or(None).unwrap_or(0))
}

/// Currency 0: it carries no cost. Whether the cost is the first that is summed apart with others.
fn count_click(sums: &mut Sums, facts: Facts, cost: Found) -> bool {
    let class = facts.class();
    match class {
        Class::Click => {
            sums.clicks += 1;
            sums.unique_campaign += u64::from(facts.new_to_campaign());
            sums.unique_stream += u64::from(facts.new_to_stream());
            sums.unique_destination += u64::from(facts.new_to_destination());
        }
        Class::Bot => sums.bots += 1,
        Class::Prefetch => sums.prefetches += 1,
        Class::Trafficback => sums.trafficbacks += 1,
    }
    if matches!(class, Class::Click | Class::Trafficback) {
        sums.costs_refused += u64::from(facts.cost_refused());
    }
    match class {
        _ if cost.currency == 0 => false,
        // Only people cost, whatever became of them.
        Class::Click | Class::Trafficback => sums.add(Sum::Cost, cost),
        Class::Bot => sums.add(Sum::BotCost, cost),
        Class::Prefetch => false,
    }
}

/// Whether the revenue is the first that is summed apart with others.
fn count_conversion(sums: &mut Sums, status: &ConversionStatus, revenue: Found) -> bool {
    match status {
        ConversionStatus::Lead | ConversionStatus::Custom(_) => {
            sums.leads += 1;
            sums.add(Sum::Hold, revenue)
        }
        ConversionStatus::Sale => {
            sums.sales += 1;
            sums.add(Sum::Confirmed, revenue)
        }
        ConversionStatus::Rebill => {
            sums.rebills += 1;
            sums.add(Sum::Confirmed, revenue)
        }
        ConversionStatus::Rejected => {
            sums.rejected += 1;
            false
        }
    }
}
