//! How long rows are kept: not part of the files, since only a setting knows, and since it is changed on tables that
//! are there.

use super::schema::DatabaseSchema;
use crate::{client::Client, sql::Sql};
use tfx_ports::{
    StoreError,
    migrate::{Difference, Remedy},
};

/// Tables, and the time by which each keeps its rows.
const TABLES: [(&str, &str); 6] = [
    ("click_events", "at"),
    ("trafficback_events", "at"),
    ("conversion_events", "created_at"),
    ("postback_log_events", "at"),
    ("destination_health_events", "at"),
    ("kafka_ingestion_errors", "observed_at"),
];

/// Fewest days: the clicks of a day are counted for caps and limits a whole day after its end (`007_use_of_caps.sql`), and
/// must be there until then.
const FEWEST_DAYS: u32 = 3;

/// Brings every table that is there to it. None: for ever.
pub(super) async fn apply(client: &Client, what: &str, days: Option<u32>) -> Result<(), StoreError> {
    let found = DatabaseSchema::read(client).await?;
    for (table, time) in TABLES {
        let Some(engine) = found.engine(&client.stored(table)) else { continue };
        let change = match (days, limit(engine)) {
            (Some(days), _) => format!("MODIFY TTL {}", after(time, days)),
            (None, Some(_)) => "REMOVE TTL".to_owned(),
            (None, None) => continue,
        };
        client.execute(what, Sql::new(format!("ALTER TABLE {} {change}", client.altered(table)))).await?;
    }
    Ok(())
}

/// Tables that keep their rows for another time.
pub(super) fn differences(client: &Client, found: &DatabaseSchema, days: Option<u32>) -> Vec<Difference> {
    let differs = TABLES.iter().filter_map(|(table, time)| {
        let is = limit(found.engine(&client.stored(table))?);
        let should = days.map(|days| after(time, days));
        let in_words =
            |limit: Option<&str>| limit.map_or_else(|| "for ever".to_owned(), |l| format!("until {l}"));
        (is != should.as_deref()).then(|| {
            let (is, should) = (in_words(is), in_words(should.as_deref()));
            let what = format!("table {table} keeps its rows {is} instead of {should}");
            Difference::new(what, Remedy::Up, "tfx migrate up sets what ANALYTICS_TTL_DAYS says")
        })
    });
    differs.collect()
}

fn after(time: &str, days: u32) -> String {
    format!("{time} + toIntervalDay({})", days.max(FEWEST_DAYS))
}

/// What an engine says about how long it keeps its rows.
fn limit(engine: &str) -> Option<&str> {
    let limit = engine.split_once(" TTL ")?.1;
    Some(limit.split(" SETTINGS ").next().unwrap_or(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_says_how_long_it_keeps_rows() {
        let engine =
            "ReplacingMergeTree ORDER BY at TTL at + toIntervalDay(30) SETTINGS index_granularity = 8192";
        assert_eq!(limit(engine), Some("at + toIntervalDay(30)"));
        assert_eq!(limit("ReplacingMergeTree ORDER BY at SETTINGS index_granularity = 8192"), None);
    }

    #[test]
    fn clicks_stay_until_they_are_counted_for_caps() {
        for (days, kept) in [(1, 3), (2, 3), (3, 3), (4, 4), (36_500, 36_500)] {
            assert_eq!(after("at", days), format!("at + toIntervalDay({kept})"));
        }
    }
}
