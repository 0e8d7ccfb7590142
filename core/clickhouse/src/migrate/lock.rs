//! One migration at a time: two that make and drop the same views at once could let a queue run into nothing.
//!
//! ClickHouse has no locks, but making a table is atomic. Whoever makes the table `tfx_migration_lock_N`, N one more
//! than that of the last, has the lock until he drops it, or until it is so old that he must have died. The number
//! never goes back while somebody may still believe in an old one.

use crate::{client::Client, sql::Sql};
use clickhouse::error::Error;
use std::{error::Error as _, time::Duration};
use tfx_ports::StoreError;

/// After how many seconds a holder counts as dead; far more than a migration takes.
const DEAD_AFTER_S: i64 = 180;
const PREFIX: &str = "tfx_migration_lock_";
const PAUSE: Duration = Duration::from_millis(500);

/// The lock, held.
pub(super) struct Lock<'c> {
    client: &'c Client,
    number: u64,
}

impl<'c> Lock<'c> {
    /// Waits for it.
    pub(super) async fn take(client: &'c Client) -> Result<Self, StoreError> {
        let mut told = false;
        loop {
            let held = held(client).await?;
            if held.iter().all(|(_, age)| *age > DEAD_AFTER_S) {
                let number = held.iter().map(|(n, _)| n + 1).max().unwrap_or(1);
                if make(client, number).await? {
                    let lock = Self { client, number };
                    let after = self::held(client).await?;
                    if after.iter().all(|(n, age)| *n == number || *age > DEAD_AFTER_S) {
                        lock.drop_dead(&after).await?;
                        return Ok(lock);
                    }
                    // Somebody who saw the table of a dead one go made the same at the same time: both step back.
                    lock.release().await;
                }
            }
            if !told {
                tracing::info!(
                    "another migration is at work, or died less than {DEAD_AFTER_S} s ago: waiting"
                );
                told = true;
            }
            // Apart from each other, so that one comes first.
            let apart = Duration::from_millis(u64::from(tfx_ports::entropy::random_u128() as u8));
            tokio::time::sleep(PAUSE + apart).await;
        }
    }

    async fn drop_dead(&self, held: &[(u64, i64)]) -> Result<(), StoreError> {
        for (number, _) in held.iter().filter(|(n, _)| *n != self.number) {
            unmake(self.client, *number).await?;
        }
        Ok(())
    }

    /// Lets it go. If that fails it is dead some time later.
    pub(super) async fn release(self) {
        if let Err(e) = unmake(self.client, self.number).await {
            tracing::warn!(error = %e, "the migration lock stays for {DEAD_AFTER_S} s");
        }
    }
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
