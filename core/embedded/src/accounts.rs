//! [`Accounts`] on `config.db`. A line of the audit log is in the transaction of what it tells of.

use crate::{
    config::Config,
    db::Database,
    error::OrStoreError,
    paging::{cursor, limit, page, sql_limit},
    time::ceil_ms,
};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    accounts::{Account, AccountKind, Accounts},
    audit::AuditEntry,
    page::{Page, PageRequest},
};

const READ: &str = "read an account";
const LIST: &str = "list accounts";
const SAVE: &str = "save an account";
const FORGET: &str = "forget old accounts";

/// Accounts on SQLite, beside the configuration, which has the audit log.
pub(crate) struct AccountTable(pub(crate) Arc<Database<()>>);

fn of(kind: AccountKind, row: &Row<'_>) -> rusqlite::Result<Account> {
    let until: Option<i64> = row.get(3)?;
    Ok(Account {
        kind,
        id: row.get(0)?,
        name: row.get(1)?,
        version: row.get::<_, i64>(2)?.unsigned_abs(),
        until: until.and_then(|ms| Timestamp::from_millisecond(ms).ok()),
        body: row.get(4)?,
    })
}

fn one(conn: &Connection, kind: AccountKind, sql: &str, key: &str) -> Result<Option<Account>, StoreError> {
    conn.prepare_cached(sql)
        .and_then(|mut s| s.query_row([kind.as_str(), key], |row| of(kind, row)).optional())
        .or_store_error(READ)
}

const BY_ID: &str = "SELECT id, name, version, until_ms, body FROM accounts WHERE kind = ?1 AND id = ?2";
const BY_NAME: &str = "SELECT id, name, version, until_ms, body FROM accounts WHERE kind = ?1 AND name = ?2";

/// In the transaction that holds the write lock: what is compared here stays so until it ends.
pub(crate) fn put(conn: &Connection, account: &Account) -> Result<(), StoreError> {
    let Account { kind, id, name, version, until, body } = account;
    let now = one(conn, *kind, BY_ID, id)?.map(|a| a.version);
    match (now, version.checked_sub(1)) {
        (None, Some(0)) => {}
        (Some(current), before) if Some(current) != before => {
            return Err(StoreError::VersionMismatch { current });
        }
        (None, _) => return Err(StoreError::NotFound),
        (Some(_), _) => {}
    }
    if let Some(other) = one(conn, *kind, BY_NAME, name)?.filter(|other| other.id != *id) {
        return Err(StoreError::SlugTaken { existing: other.id });
    }
    let put = "INSERT INTO accounts (kind, id, name, version, until_ms, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (kind, id) DO UPDATE SET name = ?3, version = ?4, until_ms = ?5, body = ?6";
    let version = i64::try_from(*version).unwrap_or(i64::MAX);
    conn.prepare_cached(put)
        .and_then(|mut s| s.execute(params![kind.as_str(), id, name, version, until.map(ceil_ms), body]))
        .or_store_error(SAVE)
        .map(|_| ())
}

#[async_trait]
impl Accounts for AccountTable {
    async fn get(&self, kind: AccountKind, id: &str) -> Result<Option<Account>, StoreError> {
        let id = id.to_owned();
        self.0.read(READ, move |conn| one(conn, kind, BY_ID, &id)).await
    }

    async fn find(&self, kind: AccountKind, name: &str) -> Result<Option<Account>, StoreError> {
        let name = name.to_owned();
        self.0.read(READ, move |conn| one(conn, kind, BY_NAME, &name)).await
    }

    async fn list(&self, kind: AccountKind, request: &PageRequest) -> Result<Page<Account>, StoreError> {
        let after = cursor(request, |text| kind.place(text))?.unwrap_or_default();
        let limit = limit(request);
        let read = move |conn: &Connection| {
            let select = "SELECT id, name, version, until_ms, body FROM accounts WHERE kind = ?1 AND id > ?2
                ORDER BY id LIMIT ?3";
            let mut select = conn.prepare_cached(select).or_store_error(LIST)?;
            let rows =
                select.query_map(params![kind.as_str(), after, sql_limit(limit + 1)], |row| of(kind, row));
            let found = rows.and_then(Iterator::collect::<Result<Vec<_>, _>>).or_store_error(LIST)?;
            let items = found.into_iter().map(|account| (account.id.clone(), account)).collect();
            Ok(page(items, limit, String::clone))
        };
        self.0.scan(LIST, read).await
    }

    async fn save(&self, accounts: Vec<Account>, line: Option<AuditEntry>) -> Result<(), StoreError> {
        let save = move |conn: &Connection, (): &mut ()| {
            for account in &accounts {
                put(conn, account)?;
            }
            line.iter().try_for_each(|line| Config::tell(conn, line))
        };
        self.0.write(SAVE, save).await
    }

    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        let forget = move |conn: &Connection, (): &mut ()| {
            let gone = conn.execute("DELETE FROM accounts WHERE until_ms <= ?1", [now.as_millisecond()]);
            gone.or_store_error(FORGET).map(|n| u64::try_from(n).unwrap_or(u64::MAX))
        };
        self.0.write(FORGET, forget).await
    }
}
