//! [`RateStore`] on `config.db`.

use crate::{
    config::Config,
    db::Database,
    error::OrStoreError,
    paging::{cursor, limit, page, sql_limit},
};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::{collections::BTreeMap, sync::Arc};
use tfx_domain::{
    Date, Timestamp,
    money::Currency,
    rate::{Rate, RateKey, RateValue},
};
use tfx_ports::{
    StoreError,
    audit::Caller,
    page::Page,
    rates::{RateChange, RatePlan, RateQuery, RateStore, RateTally},
};

const CHANGE: &str = "change rates";
const READ: &str = "read rates";

/// Rates on SQLite.
pub(crate) struct RateTable(pub(crate) Arc<Database<()>>);

#[async_trait]
impl RateStore for RateTable {
    async fn change(
        &self,
        changes: &[RateChange],
        by: &Caller,
        at: Timestamp,
        dry_run: bool,
    ) -> Result<RateTally, StoreError> {
        let (changes, by) = (changes.to_vec(), by.clone());
        self.0.write(CHANGE, move |conn, ()| change(conn, &changes, &by, at, dry_run)).await
    }

    async fn list(&self, query: &RateQuery) -> Result<Page<Rate>, StoreError> {
        let query = query.clone();
        self.0.scan(READ, move |conn| list(conn, &query)).await
    }

    async fn holding(&self, currency: Currency, day: Date) -> Result<Vec<Rate>, StoreError> {
        self.0.read(READ, move |conn| holding(conn, currency, day)).await
    }
}

fn change(
    conn: &Connection,
    changes: &[RateChange],
    by: &Caller,
    at: Timestamp,
    dry_run: bool,
) -> Result<RateTally, StoreError> {
    let select = "SELECT from_currency, to_currency, day, value FROM rates
         WHERE from_currency = ?1 AND to_currency = ?2 AND day = ?3";
    let mut select = conn.prepare_cached(select).or_store_error(CHANGE)?;
    let mut there = BTreeMap::new();
    for RateChange { key, .. } in changes {
        let found = select.query_row(columns(key), |row| Ok(rate(row))).optional().or_store_error(CHANGE)?;
        if let Some(Rate { key, value }) = found.transpose()? {
            there.insert(key, value);
        }
    }
    let plan = RatePlan::of(changes, &there, by, at);
    if dry_run {
        return Ok(plan.tally);
    }
    let put = "INSERT OR REPLACE INTO rates (from_currency, to_currency, day, value) VALUES (?1, ?2, ?3, ?4)";
    let mut put = conn.prepare_cached(put).or_store_error(CHANGE)?;
    let take = "DELETE FROM rates WHERE from_currency = ?1 AND to_currency = ?2 AND day = ?3";
    let mut take = conn.prepare_cached(take).or_store_error(CHANGE)?;
    for RateChange { key, value } in &plan.changes {
        let [from, to, day] = columns(key);
        match value {
            Some(value) => put.execute(params![from, to, day, value.to_string()]),
            None => take.execute([from, to, day]),
        }
        .or_store_error(CHANGE)?;
    }
    for line in &plan.lines {
        Config::tell(conn, line)?;
    }
    Ok(plan.tally)
}

fn list(conn: &Connection, query: &RateQuery) -> Result<Page<Rate>, StoreError> {
    let after = cursor(&query.page, RateKey::stored)?;
    let [from, to, day] = after.as_ref().map(columns).unwrap_or_default();
    let limit = limit(&query.page);
    let sql = "SELECT from_currency, to_currency, day, value FROM rates
         WHERE (from_currency, to_currency, day) > (?1, ?2, ?3)
             AND (?4 IS NULL OR from_currency = ?4) AND (?5 IS NULL OR to_currency = ?5)
         ORDER BY from_currency, to_currency, day LIMIT ?6";
    let only = [query.from, query.to].map(|currency| currency.map(|c| c.to_string()));
    let [only_from, only_to] = only;
    let found = rates(conn, sql, params![from, to, day, only_from, only_to, sql_limit(limit + 1)])?;
    let items = found.into_iter().map(|rate| (rate.key, rate)).collect();
    Ok(page(items, limit, RateKey::to_string))
}

/// Of each pair the last rate of the day or before it, and all later ones.
fn holding(conn: &Connection, currency: Currency, day: Date) -> Result<Vec<Rate>, StoreError> {
    let sql = "SELECT r.from_currency, r.to_currency, r.day, r.value FROM rates r
         WHERE (r.from_currency = ?1 OR r.to_currency = ?1) AND r.day >= coalesce((
             SELECT max(day) FROM rates l
             WHERE l.from_currency = r.from_currency AND l.to_currency = r.to_currency AND l.day <= ?2), '')";
    rates(conn, sql, params![currency.as_str(), day.to_string()])
}

fn rates(conn: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Rate>, StoreError> {
    let mut select = conn.prepare_cached(sql).or_store_error(READ)?;
    let rows = select.query_map(params, |row| Ok(rate(row))).or_store_error(READ)?;
    rows.map(|row| row.or_store_error(READ)?).collect()
}

/// The columns of the key.
fn columns(key: &RateKey) -> [String; 3] {
    [key.from.to_string(), key.to.to_string(), key.day.to_string()]
}

fn rate(row: &Row<'_>) -> Result<Rate, StoreError> {
    let text = |place: usize| row.get::<_, String>(place).or_store_error(READ);
    let currency = |place| Currency::stored(&text(place)?).map_err(|e| StoreError::broken("stored rate", e));
    let day = text(2)?.parse::<Date>().map_err(|e| StoreError::broken("stored rate", e))?;
    let value = text(3)?.parse::<RateValue>().map_err(|e| StoreError::broken("stored rate", e))?;
    Ok(Rate { key: RateKey { from: currency(0)?, to: currency(1)?, day }, value })
}
