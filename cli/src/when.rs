//! Points in time as people write them: `15m`, `2h`, `7d`, `today`, `yesterday`, `lastweek`, `month`, a day, RFC 3339.

use crate::exit::Failure;
use clap::Args;
use jiff::{
    SignedDuration,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use std::{str::FromStr, sync::OnceLock};
use tfx_domain::{Timestamp, moment};
use tfx_ops::clock;

/// The forms, for help and errors.
const FORMS: &str = "15m, 2h, 7d (ago), now, today, yesterday, week, lastweek, month, lastmonth, 2026-01-31, 2026-01-31T09:30 or RFC 3339";

/// A point in time, or a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// So long before now.
    Ago(SignedDuration),
    /// So many days before today, as a whole day.
    DaysBack(i64),
    /// So many weeks before this one, as a whole week: from Monday to Sunday.
    WeeksBack(i64),
    /// So many months before this one, as a whole month.
    MonthsBack(i64),
    /// A whole day of the zone.
    Day(Date),
    /// A time on the zone's clocks.
    Local(DateTime),
    /// A point in time.
    At(Timestamp),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match text {
            "now" => return Ok(Self::Ago(SignedDuration::ZERO)),
            "today" => return Ok(Self::DaysBack(0)),
            "yesterday" => return Ok(Self::DaysBack(1)),
            "week" | "thisweek" => return Ok(Self::WeeksBack(0)),
            "lastweek" => return Ok(Self::WeeksBack(1)),
            "month" | "thismonth" => return Ok(Self::MonthsBack(0)),
            "lastmonth" => return Ok(Self::MonthsBack(1)),
            _ => {}
        }
        if let Ok(seconds) = span(text) {
            let ago = i64::try_from(seconds).map_err(|_| "is too long ago".to_owned())?;
            return Ok(Self::Ago(SignedDuration::from_secs(ago)));
        }
        if let Ok(at) = moment::parse(text) {
            return Ok(Self::At(at));
        }
        if text.len() == 10
            && let Ok(day) = text.parse()
        {
            return Ok(Self::Day(day));
        }
        text.parse().map(Self::Local).map_err(|_| format!("must be one of {FORMS}"))
    }
}

impl When {
    /// Where a window that begins then begins: a day at its first moment.
    ///
    /// # Errors
    /// What lies outside of the calendar.
    pub(crate) fn start(self, zone: &TimeZone) -> Result<Timestamp, String> {
        self.resolve(zone, false)
    }

    /// Where a window that ends then ends: a day is in it to its last moment.
    ///
    /// # Errors
    /// What lies outside of the calendar.
    pub(crate) fn end(self, zone: &TimeZone) -> Result<Timestamp, String> {
        self.resolve(zone, true)
    }

    fn resolve(self, zone: &TimeZone, end: bool) -> Result<Timestamp, String> {
        let outside = |_: jiff::Error| "is outside of the calendar".to_owned();
        let first_of = |day: Date| {
            if end { moment::end_of_day(day, zone) } else { moment::local(day.at(0, 0, 0, 0), zone) }
        };
        let begin_of = |day: Date| moment::local(day.at(0, 0, 0, 0), zone);
        let now = clock::now();
        let today = || now.to_zoned_datetime(zone.clone()).date();
        match self {
            Self::Ago(ago) => now.checked_sub(ago).map_err(outside),
            Self::DaysBack(days) => {
                let day = today().checked_sub(SignedDuration::from_hours(24 * days)).map_err(outside)?;
                Ok(first_of(day))
            }
            Self::WeeksBack(weeks) => {
                let since_monday = i64::from(today().weekday().to_monday_zero_offset());
                let days = since_monday + 7 * (weeks - i64::from(end));
                let monday = today().checked_sub(SignedDuration::from_hours(24 * days)).map_err(outside)?;
                Ok(begin_of(monday))
            }
            Self::MonthsBack(months) => {
                let first = today().first_of_month();
                let months = months - i64::from(end);
                Ok(begin_of(first.checked_sub(jiff::Span::new().months(months)).map_err(outside)?))
            }
            Self::Day(day) => Ok(first_of(day)),
            Self::Local(at) => Ok(moment::local(at, zone)),
            Self::At(at) => Ok(at),
        }
    }
}

/// `--since` and `--until` of lists.
#[derive(Debug, Default, Args)]
pub(crate) struct Window {
    /// From: 2h or 7d (ago), today, yesterday, lastweek, month, 2026-01-31, RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// To, in the same forms; a day is included to its end.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
}

impl Window {
    /// Both ends as points in time, on the local clocks.
    ///
    /// # Errors
    /// The flag that lies outside of the calendar.
    pub(crate) fn bounds(&self) -> Result<(Option<Timestamp>, Option<Timestamp>), Failure> {
        let since = self.since.map(|w| w.start(local())).transpose();
        let until = self.until.map(|w| w.end(local())).transpose();
        let bad = |flag: &'static str| move |e: String| Failure::usage(format!("{flag} {e}"));
        Ok((since.map_err(bad("--since"))?, until.map_err(bad("--until"))?))
    }
}

/// A length of time in seconds: `90s`, `15m`, `2h`, `7d`, `2w`.
///
/// # Errors
/// What is allowed.
pub(crate) fn span(text: &str) -> Result<u64, String> {
    let form = || "must be a number with s, m, h, d or w, such as 15m or 7d".to_owned();
    let unit = text.chars().last().ok_or_else(form)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(form()),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(form());
    }
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).ok_or_else(|| "is too long".to_owned())
}

/// The zone of this machine, or of `TZ`; UTC where it cannot be told.
pub(crate) fn local() -> &'static TimeZone {
    static LOCAL: OnceLock<TimeZone> = OnceLock::new();
    LOCAL.get_or_init(|| TimeZone::try_system().unwrap_or(TimeZone::UTC))
}

/// Its IANA name; `UTC` for a zone without one.
pub(crate) fn local_name() -> &'static str {
    local().iana_name().unwrap_or("UTC")
}

/// An RFC 3339 text on the local clocks; anything else as it is.
pub(crate) fn shown(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => clock_time(at, local()),
        Err(_) => text.to_owned(),
    }
}

/// The day of a point in time, on this machine's clocks; what is none stays as it is.
pub(crate) fn day(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(at) => at.to_zoned_datetime(local().clone()).date().to_string(),
        Err(_) => text.to_owned(),
    }
}

/// A point in time on the clocks of a zone.
pub(crate) fn clock_time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time zone by its name.
///
/// # Errors
/// There is none of it.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| "is not a time zone such as Europe/Berlin".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::Weekday;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn every_form_is_read() {
        let berlin = TimeZone::get("Europe/Berlin").expect("zone");
        let table = [
            ("2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            ("2026-01-31T09:30", "2026-01-31T08:30:00Z", "2026-01-31T08:30:00Z"),
            ("2026-01-31 09:30", "2026-01-31T08:30:00Z", "2026-01-31T08:30:00Z"),
            ("2026-01-31T09:30:00+02:00", "2026-01-31T07:30:00Z", "2026-01-31T07:30:00Z"),
        ];
        for (text, start, end) in table {
            let when: When = text.parse().expect(text);
            assert_eq!(when.start(&berlin), Ok(at(start)), "{text}");
            assert_eq!(when.end(&berlin), Ok(at(end)), "{text}");
        }
        for bad in ["", "7", "d", "-7d", "7 days", "tomorrowish", "2026-13-01", "99999999999999999999d"] {
            assert!(bad.parse::<When>().is_err(), "{bad}");
        }
    }

    #[test]
    fn weeks_and_months_are_whole_and_meet() {
        let zone = TimeZone::get("Europe/Berlin").expect("zone");
        let of = |text: &str, end: bool| {
            let when: When = text.parse().expect(text);
            let at = if end { when.end(&zone) } else { when.start(&zone) };
            at.expect(text).to_zoned_datetime(zone.clone())
        };
        for (last, this) in [("lastweek", "week"), ("lastmonth", "month"), ("lastweek", "thisweek")] {
            assert_eq!(of(last, true), of(this, false));
            assert!(of(last, false) < of(last, true) && of(this, true) > of("now", false));
            assert!(of(this, false) <= of("now", false));
        }
        for text in ["week", "lastweek", "month", "lastmonth"] {
            for end in [false, true] {
                let at = of(text, end);
                assert_eq!((at.hour(), at.minute(), at.second()), (0, 0, 0), "{text}");
                assert!(if text.ends_with("week") { at.weekday() == Weekday::Monday } else { at.day() == 1 });
            }
        }
        let week = of("lastweek", false).date().checked_add(SignedDuration::from_hours(168));
        assert_eq!(week.expect("a day"), of("lastweek", true).date());
    }

    #[test]
    fn a_day_is_whole_and_days_meet() {
        let zone = TimeZone::UTC;
        let yesterday: When = "yesterday".parse().expect("form");
        let today: When = "today".parse().expect("form");
        let (from, to) = (yesterday.start(&zone).expect("start"), yesterday.end(&zone).expect("end"));
        assert_eq!(to.duration_since(from), SignedDuration::from_hours(24));
        assert_eq!(today.start(&zone), Ok(to));
        assert_eq!("7d".parse(), Ok(When::Ago(SignedDuration::from_hours(168))));
    }
}
