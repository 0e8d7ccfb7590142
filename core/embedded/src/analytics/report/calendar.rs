//! Hours, days, weeks and months in a time zone, as numbers that sort as they follow.
//!
//! Local time is the time plus the zone's offset, and an offset holds until the next transition: so the time zone
//! is asked once between transitions, not once a row. An hour that a clock change repeats is two hours: they differ in
//! their offset.

use jiff::{Timestamp, civil, tz::TimeZone};
use smol_str::{SmolStr, format_smolstr};
use tfx_domain::report::{hour_label, weekday_label};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// An hour has its offset in its last bits: seconds, which are less than 26 hours either way, and a number that makes
/// them positive.
const OFFSET_BITS: u32 = 18;
const OFFSET_MASK: i64 = (1 << OFFSET_BITS) - 1;
const OFFSET_BIAS: i64 = 1 << (OFFSET_BITS - 1);

/// What time is cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::analytics) enum Unit {
    Hour,
    Day,
    Week,
    Month,
    HourOfDay,
    Weekday,
}

/// Local time in a zone.
pub(in crate::analytics) struct Calendar {
    zone: TimeZone,
    /// From when to when (exclusive) `offset_ms` holds.
    known: (i64, i64),
    offset_ms: i64,
    /// The last local day asked for, and its month.
    month: (i64, i64),
}

impl Calendar {
    pub(in crate::analytics) const fn new(zone: TimeZone) -> Self {
        Self { zone, known: (0, 0), offset_ms: 0, month: (i64::MIN, 0) }
    }

    fn local(&mut self, ms: i64) -> i64 {
        if ms < self.known.0 || ms >= self.known.1 {
            let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
            self.offset_ms = i64::from(self.zone.to_offset(at).seconds()) * 1_000;
            let next = self.zone.following(at).next().map_or(i64::MAX, |t| t.timestamp().as_millisecond());
            self.known = (ms, next);
        }
        ms + self.offset_ms
    }

    /// The number of the hour, day, week or month in which a time is.
    pub(super) fn number(&mut self, unit: Unit, ms: i64) -> i64 {
        let local = self.local(ms);
        let day = local.div_euclid(DAY_MS);
        match unit {
            Unit::Hour => local.div_euclid(HOUR_MS) << OFFSET_BITS | (self.offset_ms / 1_000 + OFFSET_BIAS),
            Unit::Day => day,
            Unit::HourOfDay => local.div_euclid(HOUR_MS).rem_euclid(24),
            // As ISO numbers them: Monday is 1.
            Unit::Weekday => (day + 3).rem_euclid(7) + 1,
            // 1970-01-01 was a Thursday; weeks begin on Monday.
            Unit::Week => (day + 3).div_euclid(7),
            Unit::Month => {
                if self.month.0 != day {
                    let date = date(day);
                    self.month = (day, i64::from(date.year()) * 12 + i64::from(date.month()) - 1);
                }
                self.month.1
            }
        }
    }
}

impl Unit {
    /// The text of such a number.
    pub(super) fn label(self, number: i64) -> SmolStr {
        match self {
            Self::Hour => {
                let (hour, offset) = (number >> OFFSET_BITS, (number & OFFSET_MASK) - OFFSET_BIAS);
                let offset = i32::try_from(offset).unwrap_or(0);
                hour_label(date(hour.div_euclid(24)), hour.rem_euclid(24), offset)
            }
            Self::Day => format_smolstr!("{}", date(number)),
            Self::Week => {
                let week = date(number * 7 - 3).iso_week_date();
                format_smolstr!("{:04}-W{:02}", week.year(), week.week())
            }
            Self::Month => format_smolstr!("{:04}-{:02}", number.div_euclid(12), number.rem_euclid(12) + 1),
            Self::HourOfDay => format_smolstr!("{number:02}"),
            Self::Weekday => weekday_label(number),
        }
    }
}

/// The date of a day since 1970-01-01.
pub(super) fn date(day: i64) -> civil::Date {
    let at = Timestamp::from_second(day.saturating_mul(86_400)).unwrap_or(Timestamp::MAX);
    TimeZone::UTC.to_datetime(at).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_its_local_hour_day_week_and_month() {
        let zones = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"];
        for name in zones {
            let zone = TimeZone::get(name).expect("zone");
            let mut calendar = Calendar::new(zone.clone());
            // Steps of 17 minutes and some through three years, with leaps back and forth.
            for i in 0..100_000_i64 {
                let ms = 1_703_980_800_000 + i * 1_021_301 - if i % 1_000 == 0 { 200 * DAY_MS } else { 0 };
                let at = Timestamp::from_millisecond(ms).expect("in range");
                let local = at.to_zoned_datetime(zone.clone());
                let (date, week) = (local.date(), local.date().iso_week_date());
                let want = [
                    format!("{date}T{:02}:00{}", local.hour(), local.strftime("%:z")),
                    date.to_string(),
                    format!("{}-W{:02}", week.year(), week.week()),
                    format!("{}-{:02}", date.year(), date.month()),
                    format!("{:02}", local.hour()),
                    local.strftime("%u %a").to_string(),
                ];
                let units = [Unit::Hour, Unit::Day, Unit::Week, Unit::Month, Unit::HourOfDay, Unit::Weekday];
                for (unit, want) in units.into_iter().zip(want) {
                    let number = calendar.number(unit, ms);
                    assert_eq!(unit.label(number), want, "{name} {ms}");
                }
            }
        }
    }
}
