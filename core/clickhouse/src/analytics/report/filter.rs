//! Conditions on dimensions.

use super::{ReportTable, column::DimensionColumn};
use crate::{config::broken, sql::Sql};
use tfx_domain::report::{Dimension, ReportFilter};
use tfx_ports::StoreError;

/// Whether it can be asked.
pub(super) fn check(filter: &ReportFilter) -> Result<(), StoreError> {
    if filter.dimension.is_time() {
        let what = "a report is not filtered by";
        return Err(broken(format!("{what} {}; its time is since and until", filter.dimension)));
    }
    Ok(())
}

/// Adds ` AND …`. Ids are compared as they are, everything else in lower case: the server's is that of Unicode, as
/// ours is.
pub(super) fn condition(sql: &mut Sql, filter: &ReportFilter, source: ReportTable) {
    let ids = filter.dimension.is_id();
    let lower = |v: &String| if ids { v.clone() } else { v.to_lowercase() };
    let mut values: Vec<String> = filter.values.iter().map(lower).collect();
    if filter.dimension == Dimension::DeviceType && values.iter().any(String::is_empty) {
        // A word here, and unknown all the same.
        values.push("unknown".to_owned());
    }
    sql.push(if filter.negate { " AND NOT " } else { " AND " });
    if values.is_empty() {
        sql.push("0");
        return;
    }
    let value = match DimensionColumn::of(filter.dimension) {
        DimensionColumn::Text(name) if ids => name.to_owned(),
        DimensionColumn::Text(name) => format!("lowerUTF8({name})"),
        DimensionColumn::Network => source.network.to_owned(),
        DimensionColumn::Sub(n) => format!("lowerUTF8(subs[{n}])"),
        DimensionColumn::Status if source.has_status => "lowerUTF8(status)".to_owned(),
        DimensionColumn::Bot => "if(is_bot, 'true', 'false')".to_owned(),
        // Clicks have no status; times are refused above.
        DimensionColumn::Status
        | DimensionColumn::Hour
        | DimensionColumn::Day
        | DimensionColumn::Week
        | DimensionColumn::Month
        | DimensionColumn::HourOfDay
        | DimensionColumn::Weekday => "''".to_owned(),
    };
    sql.push("(").push(&value).push(" IN ?)").texts(values);
}
