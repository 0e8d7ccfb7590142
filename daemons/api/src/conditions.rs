//! `where=FIELD=VALUE` of lists: the conditions, read and checked. Stores find what they take.

use crate::{app::App, failure::Failure, input::Query, report::checked_filter};
use std::str::FromStr;
use tfx_domain::report::{Conditions, ReportFilter};
use tfx_ports::analytics::time_zone;

/// The most conditions of a list.
const MAX_CONDITIONS: usize = 50;

/// Every `where` of a query with its path; what cannot be read is among its problems.
pub(crate) fn parsed<F: FromStr<Err = String>>(query: &mut Query) -> Vec<(String, F)> {
    let texts = query.repeated("where");
    let most = format!("must be given at most {MAX_CONDITIONS} times");
    query.problems.require(texts.len() <= MAX_CONDITIONS, "where", &most);
    let mut conditions = Vec::new();
    for (i, text) in texts.iter().take(MAX_CONDITIONS).enumerate() {
        let path = format!("where[{i}]");
        match text.parse() {
            Ok(condition) => conditions.push((path, condition)),
            Err(message) => query.problems.add(path, message),
        }
    }
    conditions
}

/// Those on dimensions, slugs turned into ids, in the zone that `timezone` names.
///
/// # Errors
/// The store's; what is wrong is among the query's problems.
pub(crate) async fn of_dimensions(query: &mut Query, app: &App) -> Result<Conditions, Failure> {
    let zone = query.parsed("timezone", |name| match time_zone(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err("must be an IANA time zone such as Europe/Berlin".to_owned()),
    });
    let mut conditions =
        Conditions { timezone: zone.unwrap_or_else(|| "UTC".to_owned()), ..Conditions::default() };
    for (path, filter) in parsed::<ReportFilter>(query) {
        let config = app.stores.config.as_ref();
        conditions.filters.push(checked_filter(config, &filter, &path, &mut query.problems).await?);
    }
    Ok(conditions)
}
