//! How long rows are kept: not part of the files, since only a setting knows, and since it is changed on tables that
//! are there.

use crate::{client::Client, sql::Sql};
use tfx_ports::StoreError;

/// Tables, and the time by which each keeps its rows.
const TABLES: [(&str, &str); 6] = [
    ("click_events", "at"),
    ("trafficback_events", "at"),
    ("conversion_events", "created_at"),
    ("postback_log_events", "at"),
    ("destination_health_events", "at"),
    ("kafka_ingestion_errors", "observed_at"),
];

/// None: for ever.
pub(super) async fn apply(client: &Client, what: &str, days: Option<u32>) -> Result<(), StoreError> {
    let limited = "SELECT name FROM system.tables
        WHERE database = currentDatabase() AND position(create_table_query, ' TTL ') > 0";
    let limited: Vec<String> = client.all(what, Sql::new(limited)).await?;
    for (table, time) in TABLES {
        let change = match days {
            Some(days) => format!("MODIFY TTL {time} + toIntervalDay({days})"),
            None if limited.iter().any(|name| name == table) => "REMOVE TTL".to_owned(),
            None => continue,
        };
        client.execute(what, Sql::new(format!("ALTER TABLE {table} {change}"))).await?;
    }
    Ok(())
}
