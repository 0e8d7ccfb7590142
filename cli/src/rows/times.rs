//! Times as files have them. A form that could be two days (`03/04/2026`) is none.

use jiff::{
    civil::{Date, DateTime},
    tz::TimeZone,
};
use tfx_domain::{Timestamp, moment};

const FORMS: &str = "such as 2026-01-31 09:30:00, 2026-01-31, RFC 3339, or seconds since 1970";

/// A point in time; one without an offset is on the clocks of the zone.
///
/// # Errors
/// What is allowed.
pub(crate) fn read(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(at) = moment::parse(text) {
        return Ok(at);
    }
    if let Ok(day) = text.parse::<Date>()
        && text.len() == 10
    {
        return Ok(moment::local(day.at(0, 0, 0, 0), zone));
    }
    if text.len() > 10
        && let Ok(at) = text.parse::<DateTime>()
    {
        return Ok(moment::local(at, zone));
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse::<i64>().ok().filter(|_| digits);
    let moment = match (number, text.len()) {
        (Some(seconds), 10) => Timestamp::from_second(seconds).ok(),
        (Some(millis), 13) => Timestamp::from_millisecond(millis).ok(),
        _ => None,
    };
    let shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    moment.ok_or_else(|| format!("'{shown}' is no time {FORMS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_trackers_write_them_and_no_day_is_guessed() {
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
        let table = [
            ("2026-01-31T14:00:00Z", Some("2026-01-31T14:00:00Z")),
            ("2026-01-31 14:00:00+02:00", Some("2026-01-31T12:00:00Z")),
            ("2026-01-31 14:00:00", Some("2026-01-31T13:00:00Z")),
            ("2026-01-31T14:00", Some("2026-01-31T13:00:00Z")),
            (" 2026-01-31 ", Some("2026-01-30T23:00:00Z")),
            ("1769868000", Some("2026-01-31T14:00:00Z")),
            ("1769868000123", Some("2026-01-31T14:00:00.123Z")),
            ("03/04/2026", None),
            ("31.01.2026 14:00", None),
            ("20260131", None),
            ("2026-13-01", None),
            ("yesterday", None),
            ("", None),
        ];
        for (text, want) in table {
            let want = want.map(|at| at.parse().expect("a time"));
            assert_eq!(read(text, &berlin).ok(), want, "{text}");
        }
    }
}
