//! Rates of currencies: setting, listing and removing them.

use crate::{
    app::App,
    failure::Failure,
    input::{Body, Query, read},
    reply::{json, paged},
};
use axum::{
    Extension, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use jiff::tz::TimeZone;
use std::{collections::BTreeSet, sync::Arc};
use tfx_api::{
    Labels,
    rates::{RatesAnswer, RemoveRate, SetRate, SetRates},
};
use tfx_domain::{
    money::Currency,
    problem::Problems,
    rate::{MOST_AT_ONCE, Rate, RateKey, WrittenKey, read_value},
};
use tfx_ports::{
    audit::Caller,
    clock,
    rates::{RateChange, RateQuery, RateTally},
};

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/rates", get(list).post(set)).route("/rates/remove", post(remove))
}

async fn list(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let asked = RateQuery {
        from: query.value::<Currency>("from"),
        to: query.value::<Currency>("to"),
        page: query.page(),
    };
    query.finish()?;
    let found = app.stores.rates.list(&asked).await?;
    let shown = found.map(|Rate { key: RateKey { from, to, day }, value }| SetRate {
        from,
        to,
        day,
        rate: value.to_string(),
    });
    Ok(paged(shown, Labels::new()))
}

async fn set(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let asked: SetRates = read(input)?;
    let now = clock::now();
    let today = TimeZone::UTC.to_datetime(now).date().to_string();
    let mut problems = Problems::default();
    let many = format!("must be 1 to {MOST_AT_ONCE}");
    problems.require((1..=MOST_AT_ONCE).contains(&asked.rates.len()), "rates", &many);
    let (mut changes, mut named) = (Vec::new(), BTreeSet::new());
    for (i, rate) in asked.rates.iter().take(MOST_AT_ONCE).enumerate() {
        let day = rate.day.as_deref().unwrap_or(&today);
        let path = format!("rates[{i}].");
        let key = WrittenKey { from: &rate.from, to: &rate.to, day }.read(&path, &mut problems);
        let value = read_value(&rate.rate, &format!("{path}rate"), &mut problems);
        if let Some(key) = key {
            problems.require(
                named.insert(key),
                &path[..path.len() - 1],
                "is the same pair and day as one before",
            );
            changes.push(RateChange { key, value });
        }
    }
    problems.into_result(())?;
    let tally = app.stores.rates.change(&changes, &caller, now, asked.dry_run).await?;
    Ok(json(StatusCode::OK, &answer(tally, asked.dry_run)))
}

async fn remove(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let RemoveRate { from, to, day } = read(input)?;
    let mut problems = Problems::default();
    let key = WrittenKey { from: &from, to: &to, day: &day }.read("", &mut problems);
    problems.into_result(())?;
    let changes: Vec<RateChange> = key.map(|key| RateChange { key, value: None }).into_iter().collect();
    let tally = app.stores.rates.change(&changes, &caller, clock::now(), false).await?;
    if tally.removed == 0 {
        let detail =
            format!("there is no rate of {from} to {to} that was set for {day}; GET /rates lists them");
        return Err(Failure::not_found(detail));
    }
    Ok(json(StatusCode::OK, &answer(tally, false)))
}

fn answer(RateTally { new, changed, same, removed }: RateTally, dry_run: bool) -> RatesAnswer {
    RatesAnswer { dry_run, new, changed, same, removed }
}
