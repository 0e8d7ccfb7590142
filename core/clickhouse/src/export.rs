//! A whole table as bytes, for backups.

use crate::{ClickHouse, config::broken, sql::Sql};
use tfx_ports::StoreError;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// The tables whose rows cannot be made anew from anything else.
const TABLES: [&str; 6] = [
    "click_events",
    "trafficback_events",
    "conversion_events",
    "postback_log_events",
    "destination_health_events",
    "kafka_ingestion_errors",
];

impl ClickHouse {
    /// The tables that [`ClickHouse::export`] takes.
    pub const fn tables(&self) -> &'static [&'static str] {
        &TABLES
    }

    /// Writes every row of a table, each once, in ClickHouse's Native format, as it comes from the server; gives the
    /// number of bytes. `INSERT INTO … FORMAT Native` takes them back.
    ///
    /// # Errors
    /// No such table, the server fails, also in the middle, or `out` does: then what was written is no export.
    pub async fn export(
        &self,
        table: &str,
        out: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<u64, StoreError> {
        let Some(table) = TABLES.iter().find(|t| **t == table) else {
            return Err(broken(format!(
                "there is no table {table:?} to export; there are {}",
                TABLES.join(", ")
            )));
        };
        let what = format!("export {table}");
        let failed = |e| StoreError::unavailable(format!("{what}: write"), e);
        let sql = Sql::new(format!("SELECT * FROM {table} FINAL"));
        let mut bytes = self.client.bytes(&what, sql, "Native")?;
        let mut written = 0;
        while let Some(part) = bytes.next().await.map_err(|e| self.client.failed(&what, e))? {
            out.write_all(&part).await.map_err(failed)?;
            written += u64::try_from(part.len()).unwrap_or(0);
        }
        out.flush().await.map_err(failed)?;
        Ok(written)
    }
}
