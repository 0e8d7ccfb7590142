//! Date ranges and click limits.

use crate::{Timestamp, moment, routing::timetable::zone};
use jiff::{
    civil::{Date, DateTime},
    tz::TimeZone,
};

/// A time with an optional zone after a blank.
fn split_zone(text: &str) -> Result<(&str, TimeZone), String> {
    match text.trim().split_once(char::is_whitespace) {
        Some((rest, name)) => Ok((rest, zone(name.trim())?)),
        None => Ok((text.trim(), TimeZone::UTC)),
    }
}

/// From a time, inclusive, to another, exclusive. A day as the end is wholly inside.
#[derive(Debug, Clone, Copy)]
pub(super) struct DateRange {
    from: Timestamp,
    to: Timestamp,
}

impl DateRange {
    /// Parses `2026-01-01..2026-02-01 Europe/Berlin`, one day, or a range open at one end.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (range, zone) = split_zone(text)?;
        let (from, to) = range.split_once("..").unwrap_or((range, range));
        if from.is_empty() && to.is_empty() {
            return Err("must be a day or a range such as 2026-01-01..2026-02-01".to_owned());
        }
        let from = if from.is_empty() { Timestamp::MIN } else { point(from, &zone, false)? };
        let to = if to.is_empty() { Timestamp::MAX } else { point(to, &zone, true)? };
        if from < to {
            Ok(Self { from, to })
        } else {
            Err(format!("'{text}' holds no time; the earlier one comes first"))
        }
    }

    pub(super) fn contains(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.to
    }
}

/// A day's beginning (or its end), a local time, or a time with its own offset.
fn point(text: &str, zone: &TimeZone, end: bool) -> Result<Timestamp, String> {
    let refuse =
        || format!("'{text}' is not a date (2026-01-31) or a time (2026-01-31T18:00, 2026-01-31T18:00:00Z)");
    if text.len() == 10 {
        let day: Date = text.parse().map_err(|_| refuse())?;
        return Ok(if end { moment::end_of_day(day, zone) } else { moment::local(day.at(0, 0, 0, 0), zone) });
    }
    if let Ok(time) = moment::parse(text) {
        return Ok(time);
    }
    let local: DateTime = text.parse().map_err(|_| refuse())?;
    Ok(moment::local(local, zone))
}

/// A limit on the clicks a stream takes.
#[derive(Debug, Clone)]
pub struct ClickLimit {
    period: Period,
    zone: TimeZone,
    max: u64,
}

#[derive(Debug, Clone, Copy)]
enum Period {
    Hour,
    Day,
    Total,
}

impl ClickLimit {
    /// Parses `hour:100`, `day:1000 Europe/Berlin` or `total:5000`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (limit, zone) = split_zone(text)?;
        let refuse = || format!("'{text}' is not a click limit; write hour:100, day:1000 or total:5000");
        let (period, max) = limit.split_once(':').ok_or_else(refuse)?;
        let period = match period {
            "hour" => Period::Hour,
            "day" => Period::Day,
            "total" => Period::Total,
            _ => return Err(refuse()),
        };
        let max = max.parse().map_err(|_| refuse())?;
        Ok(Self { period, zone, max })
    }

    /// Since when clicks count at that time; none: since ever.
    pub fn since(&self, now: Timestamp) -> Option<Timestamp> {
        match self.period {
            Period::Total => None,
            Period::Day => {
                let local = self.zone.to_datetime(now).date();
                Some(self.zone.to_timestamp(local.at(0, 0, 0, 0)).unwrap_or(now))
            }
            // Every zone in use is a whole number of minutes off UTC, some not of hours: count from the zone's hour.
            Period::Hour => {
                let time = self.zone.to_datetime(now).time();
                let into = i64::from(time.minute()) * 60 + i64::from(time.second());
                Some(Timestamp::from_second(now.as_second() - into).unwrap_or(now))
            }
        }
    }

    /// Whether the stream is under it; `clicks` counts since a time, or all.
    pub(super) fn under(&self, now: Timestamp, clicks: impl FnOnce(Option<Timestamp>) -> u64) -> bool {
        clicks(self.since(now)) < self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn dates_are_whole_days_and_times_are_half_open() {
        let table = [
            ("2026-01-01..2026-02-01", "2026-01-01T00:00:00Z", true),
            ("2026-01-01..2026-02-01", "2025-12-31T23:59:59Z", false),
            ("2026-01-01..2026-02-01", "2026-02-01T23:59:59Z", true),
            ("2026-01-01..2026-02-01", "2026-02-02T00:00:00Z", false),
            ("2026-01-01", "2026-01-01T12:00:00Z", true),
            ("2026-01-01", "2026-01-02T00:00:00Z", false),
            ("2026-01-01 Europe/Berlin", "2025-12-31T23:00:00Z", true),
            ("2026-01-01 Europe/Berlin", "2026-01-01T23:00:00Z", false),
            ("..2026-01-01", "2000-01-01T00:00:00Z", true),
            ("2026-01-01..", "2099-01-01T00:00:00Z", true),
            ("2026-01-01..9999-12-31", "2099-01-01T00:00:00Z", true),
            ("2026-01-01..9999-12-31T23:59:59Z", "2099-01-01T00:00:00Z", true),
            ("2026-01-01..9999-12-31T23:59 Asia/Kolkata", "2099-01-01T00:00:00Z", true),
            ("2026-01-01T10:00:00Z..2026-01-01T11:00:00Z", "2026-01-01T11:00:00Z", false),
            ("2026-01-01T10:00..2026-01-01T11:00 Asia/Kolkata", "2026-01-01T04:30:00Z", true),
            // The day clocks go forward has 23 hours.
            ("2026-03-29 Europe/Berlin", "2026-03-29T21:59:59Z", true),
            ("2026-03-29 Europe/Berlin", "2026-03-29T22:00:00Z", false),
        ];
        for (range, now, want) in table {
            assert_eq!(DateRange::parse(range).expect(range).contains(at(now)), want, "{range} at {now}");
        }
        for bad in
            ["", "..", "2026-02-30", "2026-02-01..2026-01-01", "2026-01-01..x", "2026-01-01 Nowhere", "today"]
        {
            assert!(DateRange::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_click_limit_counts_from_the_start_of_its_hour_or_day() {
        let now = at("2026-03-02T18:45:10.5Z");
        let table = [
            ("hour:3", Some(at("2026-03-02T18:00:00Z"))),
            ("hour:3 Asia/Kolkata", Some(at("2026-03-02T18:30:00Z"))),
            ("day:3", Some(at("2026-03-02T00:00:00Z"))),
            ("day:3 Asia/Kolkata", Some(at("2026-03-02T18:30:00Z"))),
            ("total:3", None),
        ];
        for (text, want) in table {
            let limit = ClickLimit::parse(text).expect(text);
            let since = |got| {
                assert_eq!(got, want, "{text}");
                2
            };
            assert!(limit.under(now, since));
            assert!(!limit.under(now, |_| 3));
        }
        for bad in ["", "week:3", "hour", "hour:-1", "day:x", "day:3 Nowhere", "hour: 3"] {
            assert!(ClickLimit::parse(bad).is_err(), "{bad}");
        }
    }
}
