//! [`Leases`] on `config.db`, by SQLite's clock.

use crate::{
    db::Database,
    error::OrStoreError,
    queue::{millis, never, now},
};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use std::{sync::Arc, time::Duration};
use tfx_ports::{
    StoreError,
    leases::{Lease, Leases},
};

/// Leases on SQLite.
pub(crate) struct LeaseTable(pub(crate) Arc<Database<()>>);

impl LeaseTable {
    /// Sets until when a lease is held that is held now.
    async fn set(&self, what: &'static str, lease: &Lease, time: Duration) -> Result<bool, StoreError> {
        let lease = lease.clone();
        let set = move |conn: &Connection, (): &mut ()| {
            let now = now(conn, what)?;
            let set = "UPDATE leases SET until_ms = ?5, since_ms = ?3
                WHERE name = ?1 AND fence = ?2 AND until_ms BETWEEN ?3 + 1 AND ?4";
            let values = params![lease.name, lease.fence.cast_signed(), now, never(now), now + millis(time)];
            conn.prepare_cached(set).and_then(|mut s| s.execute(values)).or_store_error(what)
        };
        self.0.write(what, set).await.map(|n| n > 0)
    }
}

#[async_trait]
impl Leases for LeaseTable {
    async fn take(&self, name: &str, time: Duration) -> Result<Option<Lease>, StoreError> {
        let (what, name) = ("take a lease", name.to_owned());
        let take = move |conn: &Connection, (): &mut ()| {
            let now = now(conn, what)?;
            let take = "INSERT INTO leases (name, fence, until_ms, since_ms) VALUES (?1, 1, ?4, ?2)
                ON CONFLICT DO UPDATE SET fence = fence + 1, until_ms = excluded.until_ms, since_ms = excluded.since_ms
                WHERE until_ms <= ?2 OR until_ms > ?3 RETURNING fence";
            let fence: Option<i64> = conn
                .prepare_cached(take)
                .and_then(|mut s| {
                    s.query_row(params![name, now, never(now), now + millis(time)], |r| r.get(0)).optional()
                })
                .or_store_error(what)?;
            if fence.is_none() {
                hold_anew(conn, &name, now).or_store_error(what)?;
            }
            Ok(fence.map(|fence| Lease { name, fence: fence.cast_unsigned() }))
        };
        self.0.write(what, take).await
    }

    async fn renew(&self, lease: &Lease, time: Duration) -> Result<bool, StoreError> {
        self.set("hold a lease", lease, time).await
    }

    async fn release(&self, lease: &Lease) -> Result<bool, StoreError> {
        self.set("give back a lease", lease, Duration::ZERO).await
    }
}

/// What is held since a moment that is yet to come is held by as much from now on: the clock was set back.
fn hold_anew(conn: &Connection, name: &str, now: i64) -> rusqlite::Result<usize> {
    let anew = "UPDATE leases SET until_ms = ?2 + until_ms - since_ms, since_ms = ?2 WHERE name = ?1 AND since_ms > ?2";
    conn.prepare_cached(anew)?.execute(params![name, now])
}
