//! Reports: the server groups and sums clicks, trafficback and conversions, each by themselves; groups of one key
//! are put together here.
//!
//! Keys are grouped as the tables have them and become texts once a group. Amounts are summed as decimals, a group
//! per currency.

mod column;
pub(super) mod filter;
mod fold;
pub(super) mod local;

use crate::{
    client::Client,
    error::code,
    sql::{Sql, ceil_ms, tests},
};
use clickhouse::{Row, error::Error};
use column::DimensionColumn;
use fold::Rows;
use local::LocalTime;
use serde::Deserialize;
use std::error::Error as _;
use tfx_domain::report::{Attribution, RawRow, ReportQuery};
use tfx_ports::{StoreError, analytics::time_zone};

/// Groups of a key at the server: of three tables, one of them twice, and of some currencies each.
const GROUPS_OF_A_KEY: usize = 8;

/// So many days of all currencies are told to the server.
const FEW_DAYS: usize = 500;

/// What is summed of clicks; 0 of conversions.
const OF_CLICKS: &str = "
    countIf(kind = 'click') AS clicks,
    countIf(kind = 'bot') AS bots,
    countIf(kind = 'prefetch') AS prefetches,
    countIf(kind = 'trafficback') AS trafficbacks,
    countIf(kind = 'click' AND unique_campaign) AS unique_campaign_,
    countIf(kind = 'click' AND unique_stream) AS unique_stream_,
    countIf(kind = 'click' AND unique_destination) AS unique_destination_,
    countIf(cost_refused != '' AND kind IN ('click', 'trafficback')) AS costs_refused,
    sumIf(cost, kind IN ('click', 'trafficback')) AS cost_,
    sumIf(cost, kind = 'bot') AS bot_cost,
    toUInt64(0) AS leads,
    toUInt64(0) AS sales,
    toUInt64(0) AS rejected,
    toUInt64(0) AS rebills,
    toDecimal128(0, 6) AS hold,
    toDecimal128(0, 6) AS confirmed";

/// What is summed of conversions; 0 of clicks. Custom statuses are on hold, as leads are.
const OF_CONVERSIONS: &str = "
    toUInt64(0) AS clicks,
    toUInt64(0) AS bots,
    toUInt64(0) AS prefetches,
    toUInt64(0) AS trafficbacks,
    toUInt64(0) AS unique_campaign_,
    toUInt64(0) AS unique_stream_,
    toUInt64(0) AS unique_destination_,
    toUInt64(0) AS costs_refused,
    toDecimal128(0, 6) AS cost_,
    toDecimal128(0, 6) AS bot_cost,
    countIf(status NOT IN ('sale', 'rejected', 'rebill')) AS leads,
    countIf(status = 'sale') AS sales,
    countIf(status = 'rejected') AS rejected,
    countIf(status = 'rebill') AS rebills,
    sumIf(revenue, status NOT IN ('sale', 'rejected', 'rebill')) AS hold,
    sumIf(revenue, status IN ('sale', 'rebill')) AS confirmed";

/// What is summed of what conversions cost, which may be in another currency than what they bring; all else is counted above.
const OF_THEIR_COSTS: &str = "
    toUInt64(0) AS clicks,
    toUInt64(0) AS bots,
    toUInt64(0) AS prefetches,
    toUInt64(0) AS trafficbacks,
    toUInt64(0) AS unique_campaign_,
    toUInt64(0) AS unique_stream_,
    toUInt64(0) AS unique_destination_,
    toUInt64(0) AS costs_refused,
    sum(cost) AS cost_,
    toDecimal128(0, 6) AS bot_cost,
    toUInt64(0) AS leads,
    toUInt64(0) AS sales,
    toUInt64(0) AS rejected,
    toUInt64(0) AS rebills,
    toDecimal128(0, 6) AS hold,
    toDecimal128(0, 6) AS confirmed";

/// A group of one table and currency. Money in millionths.
#[derive(Debug, Row, Deserialize)]
struct Group {
    key: Vec<String>,
    currency: String,
    /// Whether it is what conversions cost, and nothing else.
    of_costs: bool,
    /// Since 1970, of what is summed apart; 0: before all of its days, or not summed apart.
    day: u64,
    clicks: u64,
    bots: u64,
    prefetches: u64,
    trafficbacks: u64,
    unique_campaign: u64,
    unique_stream: u64,
    unique_destination: u64,
    costs_refused: u64,
    cost: i128,
    bot_cost: i128,
    leads: u64,
    sales: u64,
    rejected: u64,
    rebills: u64,
    hold: i128,
    confirmed: i128,
}

/// A table that reports read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct ReportTable {
    table: &'static str,
    /// The column of the time at which its rows count.
    at: &'static str,
    currency: &'static str,
    /// The column of the time by whose day its amounts are summed apart.
    dated_at: &'static str,
    /// Whose click it is, or who reported it.
    network: &'static str,
    sums: &'static str,
    has_status: bool,
    /// Whether only what conversions cost is summed.
    of_costs: bool,
}

pub(super) async fn report(client: &Client, query: &ReportQuery) -> Result<Vec<RawRow>, StoreError> {
    let local = LocalTime::new(&time_zone(&query.timezone)?, query.since, query.until);
    let mut rows = Rows::new(query);
    if query.since < query.until {
        let mut sql = Sql::default();
        for (n, source) in sources(query.attribution).into_iter().enumerate() {
            sql.push(if n == 0 { "" } else { " UNION ALL " }).then(select(query, source, &local));
        }
        // Each table and currency has groups of its own; what is too much in any case is found by the server.
        let most = query.max_groups.saturating_mul(GROUPS_OF_A_KEY);
        let most = if query.apart.is_empty() { most } else { most.saturating_add(query.max_dated()) };
        let settings =
            [("max_rows_to_group_by", most.to_string()), ("group_by_overflow_mode", "throw".to_owned())];
        let read = client.each("make a report", sql, &settings, |group: Group| rows.add(&group)).await;
        match read {
            Err(e) if is_overflow(&e) && query.apart.is_empty() => {
                return Err(StoreError::too_many_groups(query.max_groups));
            }
            Err(e) if is_overflow(&e) => return Err(StoreError::too_many_amounts()),
            read => read?,
        }
    }
    Ok(rows.finish())
}

/// Whether the server met more groups than it may (TOO_MANY_ROWS).
fn is_overflow(e: &StoreError) -> bool {
    let cause = e.source().and_then(|s| s.downcast_ref::<Error>());
    cause.and_then(code) == Some(158)
}

impl ReportTable {
    /// A table of clicks.
    pub(super) const fn clicks(table: &'static str) -> Self {
        Self {
            table,
            at: "at",
            currency: "cost_currency",
            dated_at: "at",
            network: "network_id",
            sums: OF_CLICKS,
            has_status: false,
            of_costs: false,
        }
    }
}

fn sources(attribution: Attribution) -> [ReportTable; 4] {
    let at = match attribution {
        Attribution::Click => "click_at",
        Attribution::Conversion => "created_at",
    };
    let conversions = ReportTable {
        table: "conversion_events",
        at,
        currency: "currency",
        dated_at: "created_at",
        network: "reporter_id",
        sums: OF_CONVERSIONS,
        has_status: true,
        of_costs: false,
    };
    let costs =
        ReportTable { currency: "cost_currency", sums: OF_THEIR_COSTS, of_costs: true, ..conversions };
    [ReportTable::clicks("click_events"), ReportTable::clicks("trafficback_events"), conversions, costs]
}

fn select(query: &ReportQuery, source: ReportTable, local: &LocalTime) -> Sql {
    let keys: Vec<String> = (0..query.dimensions.len()).map(|n| format!("k{n}")).collect();
    let texts: Vec<String> = keys.iter().map(|k| format!("toString({k})")).collect();
    let mut sql = Sql::new(format!(
        "SELECT CAST([{}], 'Array(String)') AS key, toString(currency_) AS currency, toBool({}) AS of_costs, day_ AS day, clicks, bots, prefetches,
             trafficbacks, unique_campaign_ AS unique_campaign, unique_stream_ AS unique_stream,
             unique_destination_ AS unique_destination, costs_refused, cost_ AS cost, bot_cost, leads, sales,
             rejected, rebills, hold, confirmed
         FROM (",
        texts.join(", "),
        source.of_costs
    ));
    let filtered = query.filters.iter().map(|f| &f.dimension);
    if query.dimensions.iter().chain(filtered).any(|d| d.is_time()) {
        sql.push("WITH ").push(&local.of(source.at)).push(" AS local_ ");
    }
    sql.push("SELECT ");
    for (key, dimension) in keys.iter().zip(&query.dimensions) {
        DimensionColumn::of(*dimension).select(&mut sql, source);
        sql.push(" AS ").push(key).push(", ");
    }
    sql.push(source.currency).push(" AS currency_, ").push(&days(query, source)).push(" AS day_,");
    sql.push(source.sums);
    sql.push(" FROM ").push(source.table).push(" FINAL WHERE 1");
    sql.at(source.at, ">=", ceil_ms(query.since)).at(source.at, "<", ceil_ms(query.until));
    sql.push(tests(query.test));
    if source.of_costs {
        sql.push(" AND cost_currency != ''");
    }
    for filter in &query.filters {
        filter::condition(&mut sql, filter, source);
    }
    sql.push(" GROUP BY ")
        .push(&keys.iter().map(|k| format!("{k}, ")).collect::<String>())
        .push("currency_, day_)");
    sql
}

/// The day by which amounts are summed apart. Where there are many days, groups of each are put together here.
fn days(query: &ReportQuery, source: ReportTable) -> String {
    if query.apart.is_empty() {
        return "toUInt64(0)".to_owned();
    }
    let day = format!("intDiv(toUInt64(toUnixTimestamp64Milli({})), 86400000)", source.dated_at);
    let few = query.apart.values().map(Vec::len).sum::<usize>() <= FEW_DAYS;
    let mut cases = String::new();
    for (currency, days) in &query.apart {
        cases.push_str(&format!("{} = '{currency}', ", source.currency));
        if few {
            let days: String = days.iter().map(|day| format!(", {}", fold::number(*day))).collect();
            cases.push_str(&format!("roundDown({day}, [toUInt64(0){days}]), "));
        } else {
            cases.push_str(&format!("{day}, "));
        }
    }
    format!("toUInt64(multiIf({cases}0))")
}
