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
    id::ClickId,
    ledger::{Hour, LedgerKind},
    money::{Amount, Currency, Money},
};
use tfx_ports::{
    StoreError,
    analytics::{StoredConversion, StoredHour, StoredIds},
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

#[derive(Row, Deserialize)]
struct Doubled {
    id: String,
    differs: bool,
}

/// A state of a conversion.
#[derive(Row, Deserialize)]
struct State {
    id: String,
    version: u64,
    created_ms: i64,
    status: String,
    revenue_micros: i64,
    currency: String,
    cost_micros: i64,
    cost_currency: String,
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
    let tables = || TABLES.into_iter().filter(|(_, _, of)| *of == kind).enumerate();
    let each = |select: &dyn Fn(&str, &str) -> Sql| {
        let mut sql = Sql::default();
        for (n, (table, id, _)) in tables() {
            sql.push(if n == 0 { "" } else { " UNION ALL " }).then(select(table, id));
        }
        sql
    };
    let ids = |table: &str, id: &str, last: &str| {
        let mut sql = Sql::new(format!("SELECT toString({id}) AS id FROM {table}{last} WHERE true"));
        between(&mut sql, hour, hour.next());
        sql
    };
    let all = each(&|table, id| ids(table, id, " FINAL"));
    let mut doubled = Sql::new("SELECT id, toBool(uniqExact(said) > 1) AS differs FROM (");
    doubled.then(each(&|table, id| {
        // Where it stood in the log is no part of what a row says.
        let mut sql = Sql::new(format!(
            "SELECT toString({id}) AS id, cityHash64(toString(tuple(* EXCEPT (_topic, _partition, _offset)))) AS said
             FROM {table} WHERE {id} GLOBAL IN (SELECT id FROM ("
        ));
        sql.then(each(&|table, id| ids(table, id, ""))).push(") GROUP BY id HAVING count() > 1)");
        between(&mut sql, hour, hour.next());
        sql
    }));
    doubled.push(") GROUP BY id ORDER BY id");
    let mut stored = StoredIds::default();
    let add = |Id { id }: Id| {
        stored.ids.add(parsed(&id)?);
        Ok(())
    };
    client.each(what, all, &[], add).await?;
    let add = |Doubled { id, differs }: Doubled| {
        let id = parsed(&id)?;
        stored.differ += u64::from(differs);
        for (wanted, ids) in [(true, &mut stored.doubled), (differs, &mut stored.differing)] {
            if wanted && ids.len() < most {
                ids.push(id);
            }
        }
        Ok(())
    };
    client.each(what, doubled, &[], add).await?;
    Ok(stored)
}

fn parsed(id: &str) -> Result<ClickId, StoreError> {
    id.parse().map_err(|e| StoreError::broken("stored id", e))
}

pub(super) async fn conversions(
    client: &Client,
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<StoredConversion>, StoreError> {
    let mut sql = Sql::new(
        "SELECT conversion_id AS id, version, toUnixTimestamp64Milli(created_at) AS created_ms, toString(status) AS status,
             toInt64(toDecimal128(revenue, 6) * 1000000) AS revenue_micros, toString(currency) AS currency, toInt64(toDecimal128(cost, 6) * 1000000) AS cost_micros,
             toString(cost_currency) AS cost_currency
         FROM conversion_events FINAL WHERE true",
    );
    sql.at("created_at", ">=", ceil_ms(since)).at("created_at", "<", ceil_ms(until));
    let mut all = Vec::new();
    let add = |row: State| {
        all.push(row.read()?);
        Ok(())
    };
    client.each("read stored conversions", sql, &[], add).await?;
    Ok(all)
}

impl State {
    fn read(self) -> Result<StoredConversion, StoreError> {
        let Self { id, version, created_ms, status, revenue_micros, currency, cost_micros, cost_currency } =
            self;
        let broken =
            |e: &dyn std::fmt::Display| StoreError::broken(format!("stored conversion {id}"), e.to_string());
        let money = |amount: i64, currency: &str| {
            let currency = Currency::stored(currency).map_err(|e| broken(&e))?;
            Ok::<_, StoreError>(Money { amount: Amount::from_micros(amount), currency })
        };
        Ok(StoredConversion {
            version,
            created_at: Timestamp::from_millisecond(created_ms).map_err(|e| broken(&e))?,
            status: status.parse().map_err(|e| broken(&e))?,
            revenue: money(revenue_micros, &currency)?,
            cost: (!cost_currency.is_empty()).then(|| money(cost_micros, &cost_currency)).transpose()?,
            id: id.parse().map_err(|e| broken(&e))?,
        })
    }
}
