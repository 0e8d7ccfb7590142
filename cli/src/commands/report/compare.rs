//! `--compare previous`: the same report of the time just before, row by row beside this one.

use crate::{exit::Failure, when};
use jiff::{SignedDuration, tz::TimeZone};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tfx_api::report::{Dimension, DimensionValue, Figures, Metric, ReportAnswer, ReportRequest, ReportRow};
use tfx_domain::Timestamp;

/// From this on a window is of days, and begins where days do.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The most rows of a report.
pub(super) const MOST: usize = 100_000;

/// Both reports, and which rows stand beside which.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) previous: ReportAnswer,
    /// Of each row of the report: that of before; none: it is new.
    before: Vec<Option<Figures>>,
    /// Rows from here on were there before alone.
    gone: usize,
    /// That the clocks changed, if they did.
    pub(super) clocks: Option<String>,
}

/// Which times are no two windows' alike.
///
/// # Errors
/// The report is grouped by such a time.
pub(super) fn allowed(dimensions: &[Dimension]) -> Result<(), Failure> {
    match dimensions.iter().find(|d| is_moment(**d)) {
        None => Ok(()),
        Some(d) => Err(Failure::usage(format!(
            "--compare: no {d} is in both windows, so rows by {d} cannot be compared"
        ))
        .hint("--by weekday or hour_of_day compares alike times; --spark shows the days within rows")),
    }
}

/// A time that comes once.
pub(super) const fn is_moment(dimension: Dimension) -> bool {
    matches!(dimension, Dimension::Hour | Dimension::Day | Dimension::Week | Dimension::Month)
}

/// What is asked of before: as long, by the clocks of the zone where the window is of days; and that clocks changed.
///
/// # Errors
/// It would begin before all calendars.
pub(super) fn window(
    since: Timestamp,
    until: Timestamp,
    zone: &TimeZone,
) -> Result<(Timestamp, Option<String>), Failure> {
    let outside = |_| Failure::usage("--compare: the time before lies outside of the calendar");
    let long = until.duration_since(since);
    if long < DAY {
        return Ok((since.checked_sub(long).map_err(outside)?, None));
    }
    let civil = |at: Timestamp| at.to_zoned_datetime(zone.clone()).datetime();
    let by_clock = civil(until).duration_since(civil(since));
    let from = civil(since).checked_sub(by_clock).map_err(outside)?;
    let from = tfx_domain::moment::local(from, zone);
    let before = since.duration_since(from);
    let hours = |d: SignedDuration| d.as_secs() / 3_600;
    let changed: BTreeSet<i32> =
        [from, since, until].map(|at| at.to_zoned_datetime(zone.clone()).offset().seconds()).into();
    let clocks = (changed.len() > 1).then(|| {
        format!(
            "the clocks changed meanwhile: this window has {} hours, the one before {}",
            hours(long),
            hours(before)
        )
    });
    Ok((from, clocks))
}

/// The same question of the time before.
pub(super) fn question(asked: &ReportRequest, answer: &ReportAnswer, from: Timestamp) -> ReportRequest {
    ReportRequest {
        since: Some(from),
        until: Some(answer.since),
        sort: None,
        limit: Some(MOST),
        ..asked.clone()
    }
}

/// Rows side by side: those of now in their order, then those that are gone. Not more than `limit` in all.
///
/// # Errors
/// There are more rows than can be had.
pub(super) fn pair(
    answer: &mut ReportAnswer,
    mut previous: ReportAnswer,
    limit: Option<usize>,
    clocks: Option<String>,
) -> Result<Compared, Failure> {
    if [&*answer, &previous].iter().any(|a| a.row_count > a.rows.len()) {
        return Err(Failure::usage(format!(
            "--compare: there are more than {MOST} rows; group by less, or filter"
        )));
    }
    let key = |row: &ReportRow| -> Vec<String> { row.key.iter().map(|k| k.value.to_lowercase()).collect() };
    let mut earlier: BTreeMap<Vec<String>, ReportRow> =
        std::mem::take(&mut previous.rows).into_iter().map(|row| (key(&row), row)).collect();
    let mut before: Vec<Option<Figures>> =
        answer.rows.iter().map(|row| earlier.remove(&key(row)).map(|row| row.figures)).collect();
    let gone = answer.rows.len();
    for row in earlier.into_values() {
        before.push(Some(row.figures));
        answer.rows.push(ReportRow {
            key: row.key,
            figures: Figures { currency: answer.currency, ..Figures::default() },
        });
    }
    answer.row_count = answer.rows.len();
    answer.rows.truncate(limit.unwrap_or(usize::MAX));
    Ok(Compared { previous, before, gone, clocks })
}

/// A figure, and what it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Change {
    pub(super) now: Option<Decimal>,
    pub(super) before: Option<Decimal>,
}

impl Change {
    /// Where there is no row, nothing was counted: sums are 0 there.
    fn new(metric: Metric, now: Option<&Figures>, before: Option<&Figures>) -> Self {
        let of = |figures: Option<&Figures>| {
            figures
                .and_then(|f| f.get(&metric).copied())
                .or_else(|| metric.is_additive().then_some(Decimal::ZERO))
        };
        Self { now: of(now), before: of(before) }
    }

    /// The difference in per cent of what it was; none: there was nothing to compare with.
    pub(super) fn percent(self) -> Option<Decimal> {
        let (now, before) = (self.now?, self.before?);
        let part = (now - before).checked_div(before.abs())?.checked_mul(Decimal::ONE_HUNDRED)?;
        Some(part.round_dp(1).normalize())
    }

    /// `▲+12.5%`, `▼-3%`, `=`; `▲+5` of what was nothing.
    pub(super) fn mark(self) -> String {
        let (Some(now), Some(before)) = (self.now, self.before) else { return String::new() };
        let arrow = match now.cmp(&before) {
            std::cmp::Ordering::Greater => "▲+",
            std::cmp::Ordering::Less => "▼",
            std::cmp::Ordering::Equal => return "=".to_owned(),
        };
        match self.percent() {
            // The sign of what is less is its own.
            Some(percent) => format!("{arrow}{percent}%"),
            None => format!("{arrow}{}", (now - before).normalize()),
        }
    }
}

impl Compared {
    /// `new`, `gone`, or nothing where a row is in both.
    pub(super) fn state(&self, row: usize) -> &'static str {
        match self.before.get(row) {
            _ if row >= self.gone => "gone",
            Some(None) => "new",
            _ => "",
        }
    }

    /// Whether any row is not in both.
    pub(super) fn differs(&self) -> bool {
        (0..self.before.len()).any(|row| !self.state(row).is_empty())
    }

    pub(super) fn change(&self, row: usize, now: &Figures, metric: Metric) -> Change {
        let now = (row < self.gone).then_some(now);
        Change::new(metric, now, self.before.get(row).and_then(Option::as_ref))
    }

    pub(super) fn of_totals(&self, totals: &Figures, metric: Metric) -> Change {
        Change::new(metric, Some(totals), Some(&self.previous.totals))
    }

    /// The answer with what was before in it.
    ///
    /// # Errors
    /// None that is known.
    pub(super) fn json(&self, answer: &ReportAnswer) -> serde_json::Result<Value> {
        let mut all = serde_json::to_value(answer)?;
        let changes = |of: &dyn Fn(Metric) -> Change| -> Value {
            let each = answer.metrics.iter().filter_map(|m| {
                Some((m.as_str().to_owned(), json!(of(*m).percent()?.to_string().parse::<f64>().ok()?)))
            });
            Value::Object(each.collect::<Map<_, _>>())
        };
        for (i, row) in all["rows"].as_array_mut().into_iter().flatten().enumerate() {
            let Some(asked) = answer.rows.get(i) else { continue };
            row["compared"] = json!(if self.state(i).is_empty() { "both" } else { self.state(i) });
            row["previous"] = serde_json::to_value(&self.before[i])?;
            row["change_percent"] = changes(&|metric| self.change(i, &asked.figures, metric));
        }
        let before = &self.previous;
        all["previous"] = json!({ "since": before.since, "until": before.until, "totals": before.totals,
            "unconverted": before.unconverted, "clocks": self.clocks });
        all["change_percent"] = changes(&|metric| self.of_totals(&answer.totals, metric));
        Ok(all)
    }

    /// Which time it is compared with, and how what differs is marked.
    pub(super) fn caption(&self, zone: &TimeZone) -> String {
        let before = &self.previous;
        let (since, until) = (when::clock_time(before.since, zone), when::clock_time(before.until, zone));
        format!("compared with {since} to {until}: ▲ more, ▼ less, = the same")
    }
}

/// The key of a row, for rows that are looked up by it.
pub(super) fn key(row: &[DimensionValue]) -> Vec<String> {
    row.iter().map(|k| k.value.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(now: &str, before: &str) -> Change {
        Change { now: now.parse().ok(), before: before.parse().ok() }
    }

    #[test]
    fn a_difference_is_told_by_sign_arrow_and_per_cent() {
        for (now, before, mark) in [
            ("12", "10", "▲+20%"),
            ("9.5", "10", "▼-5%"),
            ("1", "3", "▼-66.7%"),
            ("7", "7", "="),
            ("0", "7", "▼-100%"),
            ("5", "0", "▲+5"),
            ("-5", "0", "▼-5"),
            ("5", "-5", "▲+200%"),
            ("-10", "-5", "▼-100%"),
            ("0", "0", "="),
            ("x", "1", ""),
            ("1", "x", ""),
        ] {
            assert_eq!(change(now, before).mark(), mark, "{now} {before}");
        }
    }

    #[test]
    fn the_window_before_is_as_long_by_the_clocks_and_their_changes_are_told() {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let of = |since: &str, until: &str| window(at(since), at(until), &zone).expect("a window");
        assert_eq!(
            of("2026-06-10T00:00:00+02:00", "2026-06-17T00:00:00+02:00"),
            (at("2026-06-03T00:00:00+02:00"), None)
        );
        // Clocks went back on 2026-10-25.
        let (from, clocks) = of("2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00");
        assert_eq!(from, at("2026-10-24T00:00:00+02:00"));
        assert!(clocks.expect("told").contains("this window has 25 hours, the one before 24"));
        // Shorter ones are as long to the second.
        let short = of("2026-10-25T03:00:00+01:00", "2026-10-25T05:00:00+01:00");
        assert_eq!(short, (at("2026-10-25T01:00:00+01:00"), None));
    }
}
