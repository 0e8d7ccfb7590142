//! Conditions on dimensions.

use super::{Source, column::Column};
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
pub(super) fn condition(sql: &mut Sql, filter: &ReportFilter, source: Source) {
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
    let value = match Column::of(filter.dimension) {
        Column::Text(name) if ids => name.to_owned(),
        Column::Text(name) => format!("lowerUTF8({name})"),
        Column::Network => source.network.to_owned(),
        Column::Sub(n) => format!("lowerUTF8(subs[{n}])"),
        Column::Status if source.has_status => "lowerUTF8(status)".to_owned(),
        Column::Bot => "if(is_bot, 'true', 'false')".to_owned(),
        // Clicks have no status; times are refused above.
        Column::Status
        | Column::Hour
        | Column::Day
        | Column::Week
        | Column::Month
        | Column::HourOfDay
        | Column::Weekday => "''".to_owned(),
    };
    sql.push("(").push(&value).push(" IN ?)").texts(values);
}
