//! One migration at a time: two that make and drop the same views at once could let a queue run into nothing.
//!
//! ClickHouse has no locks, but making a table is atomic. Whoever makes the table `tfx_migration_lock_N`, N one more
//! than that of the last, has the lock until he drops it, or gives no sign of life for as long as the lease.
//!
//! A sign of life is an alteration of the table, which the server dates. The holder gives one every sixth of the lease,
//! however long his statements take. If none has got through for half the lease, or the table is gone, he leaves his
//! work: before anybody else may begin it. So nobody believes in an old number when numbers begin again.

use crate::{client::Client, sql::Sql};
use clickhouse::error::Error;
use std::{error::Error as _, time::Duration};
use tfx_ports::StoreError;
use tokio::time::{Instant, sleep, timeout};

const PREFIX: &str = "tfx_migration_lock_";
const PAUSE: Duration = Duration::from_millis(500);

/// The lock, held.
pub(super) struct Lock<'c> {
    client: &'c Client,
    number: u64,
    /// When the last sign of life was sent.
    since: Instant,
}

impl<'c> Lock<'c> {
    /// Waits for it.
    pub(super) async fn take(client: &'c Client) -> Result<Self, StoreError> {
        let lease = client.lease.as_secs();
        let dead = |age: i64| u64::try_from(age).is_ok_and(|age| age > lease);
        let mut told = false;
        loop {
            let held = held(client).await?;
            if held.iter().all(|(_, age)| dead(*age)) {
                let number = held.iter().map(|(n, _)| n + 1).max().unwrap_or(1);
                let since = Instant::now();
                if make(client, number).await? {
                    let lock = Self { client, number, since };
                    let after = self::held(client).await?;
                    if after.iter().all(|(n, age)| *n == number || dead(*age)) {
                        lock.drop_dead(&after).await?;
                        return Ok(lock);
                    }
                    // Somebody who saw the table of a dead one go made the same at the same time: both step back.
                    lock.release().await;
                }
            }
            if !told {
                tracing::info!("another migration is at work, or died less than {lease} s ago: waiting");
                told = true;
            }
            // Apart from each other, so that one comes first.
            let apart = Duration::from_millis(u64::from(tfx_ports::entropy::random_u128() as u8));
            sleep(PAUSE + apart).await;
        }
    }

    async fn drop_dead(&self, held: &[(u64, i64)]) -> Result<(), StoreError> {
        for (number, _) in held.iter().filter(|(n, _)| *n != self.number) {
            unmake(self.client, *number).await?;
        }
        Ok(())
    }

    /// Does the work as long as the lock is ours, then lets it go.
    pub(super) async fn hold<T>(
        self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let done = tokio::select! { done = work => done, lost = self.keep() => Err(lost) };
        self.release().await;
        done
    }

    /// Gives signs of life; ends when the lock is lost.
    async fn keep(&self) -> StoreError {
        let (every, at_most) = (self.client.lease / 6, self.client.lease / 2);
        let mut since = self.since;
        loop {
            sleep(every).await;
            let now = Instant::now();
            if now - since > at_most {
                return lost("ClickHouse has taken no sign of life of it");
            }
            match timeout(every, self.renew()).await {
                Ok(Ok(())) => since = now,
                Ok(Err(e)) if super::is_missing(&e) => return lost("somebody dropped its lock"),
                Ok(Err(e)) => tracing::warn!(error = %e, "the migration lock is not renewed yet"),
                Err(_) => tracing::warn!("the migration lock is not renewed yet: no answer"),
            }
        }
    }

    async fn renew(&self) -> Result<(), StoreError> {
        let sql = format!("ALTER TABLE {PREFIX}{} MODIFY COMMENT 'at work'", self.number);
        self.client.execute("renew the migration lock", Sql::new(sql)).await
    }

    /// If that fails it is dead some time later.
    async fn release(self) {
        if let Err(e) = unmake(self.client, self.number).await {
            let s = self.client.lease.as_secs();
            tracing::warn!(error = %e, "the migration lock stays for {s} s");
        }
    }
}

fn lost(why: &str) -> StoreError {
    let what = format!("the migration stopped, since another may have begun: {why}; run it again");
    StoreError::Unavailable { what, source: None }
}

/// The locks there are, with their age in seconds.
async fn held(client: &Client) -> Result<Vec<(u64, i64)>, StoreError> {
    let mut sql = Sql::new(
        "SELECT name, toInt64(dateDiff('second', metadata_modification_time, now())) FROM system.tables
         WHERE database = currentDatabase() AND startsWith(name, ?)",
    );
    sql.text(PREFIX);
    let rows: Vec<(String, i64)> = client.all("look for a migration lock", sql).await?;
    let number = |name: &str| name.strip_prefix(PREFIX).and_then(|n| n.parse().ok());
    Ok(rows.into_iter().filter_map(|(name, age)| number(&name).map(|n| (n, age))).collect())
}

/// False if it is there already.
async fn make(client: &Client, number: u64) -> Result<bool, StoreError> {
    let sql = Sql::new(format!("CREATE TABLE {PREFIX}{number} (held UInt8) ENGINE = Null"));
    match client.execute("take the migration lock", sql).await {
        Ok(()) => Ok(true),
        Err(e)
            if e.source().and_then(|s| s.downcast_ref::<Error>()).and_then(crate::error::code)
                == Some(57) =>
        {
            Ok(false)
        }
        Err(e) => Err(e),
    }
}

async fn unmake(client: &Client, number: u64) -> Result<(), StoreError> {
    client
        .execute("release the migration lock", Sql::new(format!("DROP TABLE IF EXISTS {PREFIX}{number}")))
        .await
}
