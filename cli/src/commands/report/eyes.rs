//! `--bars` and `--spark`: figures to be seen at a glance, as characters in a table.

use super::compare::{MOST, is_moment, key};
use crate::exit::Failure;
use jiff::{SignedDuration, tz::TimeZone};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use std::collections::HashMap;
use tfx_api::report::{Dimension, DimensionValue, Metric, ReportAnswer, ReportRequest};
use tfx_domain::{Timestamp, report::time_label};

/// How wide the longest bar is.
const WIDE: usize = 16;
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Of a time of which there is no figure.
const NONE: char = '·';
/// So many dimensions a report has at the most.
const DIMENSIONS: usize = 6;

/// A bar as long as a part of the longest; what is less than nothing has its sign before it, and nothing has no bar.
pub(super) fn bar(value: Decimal, most: Decimal) -> String {
    let part = value.abs().checked_div(most).and_then(|part| part.to_f64()).unwrap_or_default();
    if value.is_zero() {
        return String::new();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "of 0 to 128"
    )]
    let eighths = ((part.clamp(0.0, 1.0) * (WIDE * 8) as f64).round() as usize).max(1);
    let mut bar = "█".repeat(eighths / 8);
    bar.extend((eighths % 8).checked_sub(1).map(|rest| EIGHTHS[rest]));
    if value.is_sign_negative() { format!("-{bar}") } else { bar }
}

/// A character for each figure, from nothing (or the least, if that is less) to the most.
pub(crate) fn spark(values: &[Option<f64>]) -> String {
    let there = || values.iter().flatten().copied();
    let (low, high) = there().fold((0.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let level = |value: f64| {
        let part = if high > low { (value - low) / (high - low) } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "of 0 to 7")]
        let level = (part.clamp(0.0, 1.0) * 7.0).round() as usize;
        LEVELS[level]
    };
    values.iter().map(|value| value.map_or(NONE, level)).collect()
}

/// The figures of each row over time.
#[derive(Debug)]
pub(super) struct History {
    pub(super) metric: Metric,
    /// Hours, days, weeks or months.
    pub(super) step: Dimension,
    /// Every time of the window, in order.
    times: Vec<String>,
    rows: HashMap<Vec<String>, HashMap<String, Decimal>>,
}

/// What is asked for a history: the same rows by hours or longer times, so that it is some thirty characters wide.
///
/// # Errors
/// The rows are times already; there is no room for one more dimension.
pub(super) fn question(
    asked: &ReportRequest,
    answer: &ReportAnswer,
    metric: Metric,
) -> Result<ReportRequest, Failure> {
    if let Some(d) = answer.dimensions.iter().find(|d| is_moment(**d)) {
        return Err(Failure::usage(format!(
            "--spark shows times within rows, and rows by {d} are times already"
        ))
        .hint("--bars shows one figure of each"));
    }
    if answer.dimensions.len() >= DIMENSIONS {
        return Err(Failure::usage(format!(
            "--spark needs one more dimension, and there are at most {DIMENSIONS}"
        )));
    }
    let mut dimensions = answer.dimensions.clone();
    dimensions.push(step(answer.since, answer.until));
    Ok(ReportRequest {
        since: Some(answer.since),
        until: Some(answer.until),
        dimensions,
        metrics: vec![metric],
        sort: None,
        limit: Some(MOST),
        ..asked.clone()
    })
}

fn step(since: Timestamp, until: Timestamp) -> Dimension {
    match until.duration_since(since).as_hours() {
        ..=36 => Dimension::Hour,
        37..=840 => Dimension::Day,
        841..=5_880 => Dimension::Week,
        _ => Dimension::Month,
    }
}

impl History {
    /// Of an answer to [`question`].
    ///
    /// # Errors
    /// It has more rows than can be had.
    pub(super) fn of(answer: &ReportAnswer, metric: Metric, zone: &TimeZone) -> Result<Self, Failure> {
        if answer.row_count > answer.rows.len() {
            return Err(Failure::usage(format!(
                "--spark: there are more than {MOST} rows over time; group by less, or filter"
            )));
        }
        let step = answer.dimensions.last().copied().unwrap_or(Dimension::Day);
        let mut rows: HashMap<Vec<String>, HashMap<String, Decimal>> = HashMap::new();
        for row in &answer.rows {
            let Some((time, rest)) = row.key.split_last() else { continue };
            let Some(value) = row.figures.get(&metric) else { continue };
            rows.entry(key(rest)).or_default().insert(time.value.clone(), *value);
        }
        Ok(Self { metric, step, times: times(step, answer.since, answer.until, zone), rows })
    }

    /// The history of a row; where nothing was counted, sums are 0.
    pub(super) fn spark(&self, row: &[DimensionValue]) -> String {
        let of = self.rows.get(&key(row));
        let nothing = self.metric.is_additive().then_some(0.0);
        let value = |time: &String| of.and_then(|of| of.get(time)).and_then(ToPrimitive::to_f64).or(nothing);
        spark(&self.times.iter().map(value).collect::<Vec<_>>())
    }
}

/// Every time of a window as it stands in keys.
pub(super) fn times(step: Dimension, since: Timestamp, until: Timestamp, zone: &TimeZone) -> Vec<String> {
    let mut times: Vec<String> = Vec::new();
    let mut at = since;
    loop {
        let label = time_label(step, at.min(until), zone).to_string();
        let over = at >= until;
        if !over && times.last() != Some(&label) {
            times.push(label);
        }
        // Half hours: there are zones that begin there.
        match at.checked_add(SignedDuration::from_mins(30)) {
            Ok(next) if !over => at = next,
            _ => return times,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_part_and_what_is_there_is_seen() {
        let of =
            |value: &str, most: &str| bar(value.parse().expect("a figure"), most.parse().expect("a figure"));
        for (value, most, want) in [
            ("16", "16", "████████████████"),
            ("8", "16", "████████"),
            ("1.5", "16", "█▌"),
            ("0.0001", "16", "▏"),
            ("0", "16", ""),
            ("0", "0", ""),
            ("-8", "16", "-████████"),
        ] {
            assert_eq!(of(value, most), want, "{value}");
        }
    }

    #[test]
    fn a_spark_begins_at_nothing_and_shows_what_is_missing() {
        assert_eq!(spark(&[Some(0.0), Some(3.5), Some(7.0)]), "▁▅█");
        assert_eq!(spark(&[Some(-7.0), Some(0.0), Some(7.0)]), "▁▅█");
        assert_eq!(spark(&[None, Some(0.0), Some(0.0)]), "·▁▁");
        assert_eq!(spark(&[]), "");
    }

    #[test]
    fn every_time_of_a_window_stands_once_also_the_hour_that_comes_twice() {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let (since, until) = (at("2026-10-25T00:00:00+02:00"), at("2026-10-26T00:00:00+01:00"));
        let hours = times(Dimension::Hour, since, until, &zone);
        assert_eq!(hours.len(), 25);
        assert!(
            hours.contains(&"2026-10-25T02:00+02:00".to_owned())
                && hours.contains(&"2026-10-25T02:00+01:00".to_owned())
        );
        assert_eq!(times(Dimension::Day, since, until, &zone), ["2026-10-25"]);
        assert_eq!(times(Dimension::Day, since, since, &zone), Vec::<String>::new());
        assert_eq!(step(since, until), Dimension::Hour);
    }
}
