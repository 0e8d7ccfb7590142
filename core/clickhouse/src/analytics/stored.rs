//! What is stored, to be held against what was accepted. The server sums up what tells whether two hours are the same; ids
//! come from it for those that are not.

use crate::{
    client::Client,
    sql::{Sql, ceil_ms},
};
use clickhouse::Row;
use serde::Deserialize;
use tfx_domain::{
    Timestamp,
    id::{ClickId, ConversionId},
    ledger::{Hour, LedgerKind},
};
use tfx_ports::{
    StoreError,
    analytics::{StoredHour, StoredIds},
};

/// What holds the events of a kind, and the column of their ids.
const TABLES: [(&str, &str, LedgerKind); 4] = [
    ("click_events", "click_id", LedgerKind::Clicks),
    ("trafficback_events", "click_id", LedgerKind::Clicks),
    ("postback_log_events", "id", LedgerKind::Postbacks),
    ("destination_health_events", "id", LedgerKind::HealthChanges),
];

#[derive(Row, Deserialize)]
struct Counted {
    kind: String,
    hour: i64,
    events: u64,
    rows: u64,
    total: u64,
}

#[derive(Row, Deserialize)]
struct Id {
    id: String,
}

/// In the hours from one to another.
fn between(sql: &mut Sql, from: Hour, to: Hour) {
    let [from, to] = [from, to].map(|hour| ceil_ms(hour.start()));
    sql.at("at", ">=", from).at("at", "<", to);
}

pub(super) async fn hours(client: &Client, from: Hour, to: Hour) -> Result<Vec<StoredHour>, StoreError> {
    let mut sql = Sql::new("SELECT kind, hour, sum(e) AS events, sum(r) AS rows, sum(t) AS total FROM (");
    for (n, (table, id, kind)) in TABLES.into_iter().enumerate() {
        // With FINAL as reports count, and without it each row.
        let counts = [
            (
                " FINAL",
                format!("count() AS e, toUInt64(0) AS r, sum(reinterpretAsUInt64(right({id}, 8))) AS t"),
            ),
            ("", "toUInt64(0) AS e, count() AS r, toUInt64(0) AS t".to_owned()),
        ];
        for (which, (last, count)) in counts.iter().enumerate() {
            sql.push(if n + which == 0 { "" } else { " UNION ALL " });
            sql.push(&format!(
                "SELECT '{}' AS kind, intDiv(toUnixTimestamp64Milli(at), 3600000) AS hour, {count} FROM {table}{last} WHERE true",
                kind.as_str()
            ));
            between(&mut sql, from, to);
            sql.push(" GROUP BY hour");
        }
    }
    sql.push(") GROUP BY kind, hour ORDER BY kind, hour");
    let rows: Vec<Counted> = client.all("count what is stored", sql).await?;
    let hour = |row: Counted| {
        let Counted { kind, hour, events, rows, total } = row;
        Some(StoredHour { kind: LedgerKind::from_word(&kind)?, hour: Hour(hour), events, rows, total })
    };
    Ok(rows.into_iter().filter_map(hour).collect())
}

pub(super) async fn ids(
    client: &Client,
    kind: LedgerKind,
    hour: Hour,
    most: usize,
) -> Result<StoredIds, StoreError> {
    let what = "read the ids of what is stored";
    let (mut all, mut doubled) = (Sql::default(), Sql::new("SELECT id FROM ("));
    for (n, (table, id, _)) in TABLES.into_iter().filter(|(_, _, of)| *of == kind).enumerate() {
        for (sql, last) in [(&mut all, " FINAL"), (&mut doubled, "")] {
            sql.push(if n == 0 { "" } else { " UNION ALL " });
            sql.push(&format!("SELECT toString({id}) AS id FROM {table}{last} WHERE true"));
            between(sql, hour, hour.next());
        }
    }
    doubled.push(") GROUP BY id HAVING count() > 1 ORDER BY id LIMIT ?");
    doubled.number(i64::try_from(most).unwrap_or(i64::MAX));
    let mut stored = StoredIds::default();
    let add = |Id { id }: Id| {
        stored.ids.add(parsed(&id)?);
        Ok(())
    };
    client.each(what, all, &[], add).await?;
    let doubled: Vec<Id> = client.all(what, doubled).await?;
    stored.doubled = doubled.iter().map(|row| parsed(&row.id)).collect::<Result<_, _>>()?;
    Ok(stored)
}

fn parsed(id: &str) -> Result<ClickId, StoreError> {
    id.parse().map_err(|e| StoreError::broken("stored id", e))
}

pub(super) async fn conversions(
    client: &Client,
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<ConversionId>, StoreError> {
    let mut sql = Sql::new("SELECT conversion_id AS id FROM conversion_events FINAL WHERE true");
    sql.at("created_at", ">=", ceil_ms(since)).at("created_at", "<", ceil_ms(until));
    let rows: Vec<Id> = client.all("read the ids of conversions", sql).await?;
    let id = |row: Id| row.id.parse().map_err(|e| StoreError::broken("stored conversion", e));
    rows.into_iter().map(id).collect()
}
