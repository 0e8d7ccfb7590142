//! Conditions on dimensions.

use super::{ReportTable, column::DimensionColumn};
use crate::sql::Sql;
use tfx_domain::report::{Dimension, ReportFilter};

/// Adds ` AND …`. Ids are compared as they are, everything else in lower case: the server's is that of Unicode, as
/// ours is. `local_` is the local time where there are conditions on times.
pub(in crate::analytics) fn condition(sql: &mut Sql, filter: &ReportFilter, source: ReportTable) {
    let column = DimensionColumn::of(filter.dimension);
    let ids = filter.dimension.is_id();
    let lower = |v: &String| if ids { v.clone() } else { v.to_lowercase() };
    let mut values: Vec<String> = if filter.dimension.is_time() {
        filter.values.iter().filter_map(|v| column.number(v)).map(|number| number.to_string()).collect()
    } else {
        filter.values.iter().map(lower).collect()
    };
    if filter.dimension == Dimension::DeviceType && values.iter().any(String::is_empty) {
        // A word here, and unknown all the same.
        values.push("unknown".to_owned());
    }
    sql.push(if filter.negate { " AND NOT " } else { " AND " });
    if values.is_empty() {
        sql.push("0");
        return;
    }
    match column {
        DimensionColumn::Text(name) if ids => drop(sql.push("(").push(name)),
        DimensionColumn::Text(name) => drop(sql.push("(lowerUTF8(").push(name).push(")")),
        DimensionColumn::Network => drop(sql.push("(").push(source.network)),
        DimensionColumn::Sub(n) => drop(sql.push(&format!("(lowerUTF8(subs[{n}])"))),
        DimensionColumn::Status if source.has_status => drop(sql.push("(lowerUTF8(status)")),
        // Clicks have no status.
        DimensionColumn::Status => drop(sql.push("(''")),
        DimensionColumn::Bot => drop(sql.push("(if(is_bot, 'true', 'false')")),
        DimensionColumn::Hour
        | DimensionColumn::Day
        | DimensionColumn::Week
        | DimensionColumn::Month
        | DimensionColumn::HourOfDay
        | DimensionColumn::Weekday => {
            sql.push("(toString(");
            column.select(sql, source);
            sql.push(")");
        }
    }
    sql.push(" IN ?)").texts(values);
}
