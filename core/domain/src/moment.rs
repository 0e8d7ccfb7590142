//! Points in time as people write them. Whoever writes the end of the calendar means "for ever": it counts as the last
//! moment there is.

use crate::Timestamp;
use jiff::{
    civil::{Date, DateTime},
    fmt::temporal::Pieces,
    tz::TimeZone,
};
use serde::{Deserialize, Deserializer, de::Error as _};

/// What is allowed.
pub const FORM: &str = "must be a point in time such as 2026-01-31T14:00:00Z";

/// A point in time with its offset (RFC 3339). What lies beyond the first or the last moment is that one.
///
/// # Errors
/// [`FORM`].
pub fn parse(text: &str) -> Result<Timestamp, &'static str> {
    let text = text.trim();
    text.parse().or_else(|_| beyond(text).ok_or(FORM))
}

/// The end of time that a date lies beyond: civil dates reach a day further than moments, in every zone.
fn beyond(text: &str) -> Option<Timestamp> {
    let pieces = Pieces::parse(text).ok()?;
    pieces.time()?;
    pieces.offset()?;
    match pieces.date().year() {
        9999 => Some(Timestamp::MAX),
        -9999 => Some(Timestamp::MIN),
        _ => None,
    }
}

/// A time on the clocks of a zone; one beyond the last or the first moment is that one.
pub fn local(at: DateTime, zone: &TimeZone) -> Timestamp {
    let beyond = if at.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
    zone.to_timestamp(at).unwrap_or(beyond)
}

/// The moment at which a day of a zone has ended.
pub fn end_of_day(day: Date, zone: &TimeZone) -> Timestamp {
    day.tomorrow().map_or(Timestamp::MAX, |next| local(next.at(0, 0, 0, 0), zone))
}

/// Reads one that may be left out.
///
/// # Errors
/// [`FORM`].
pub fn optional<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(input).map_err(|_| D::Error::custom(FORM))?;
    text.map(|text| parse(&text).map_err(D::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_calendar_is_for_ever() {
        let table = [
            ("2026-01-31T14:00:00Z", "2026-01-31T14:00:00Z".parse().ok()),
            (" 2026-01-31T14:00:00+02:00 ", "2026-01-31T12:00:00Z".parse().ok()),
            ("9999-12-30T21:00:00Z", "9999-12-30T21:00:00Z".parse().ok()),
            ("9999-12-31T23:59:59Z", Some(Timestamp::MAX)),
            ("9999-12-31T23:59:59.999999999Z", Some(Timestamp::MAX)),
            ("9999-12-31T23:59:59-05:00", Some(Timestamp::MAX)),
            ("-009999-01-01T00:00:00Z", Some(Timestamp::MIN)),
            ("9999-12-31T23:59:59", None),
            ("9999-12-31", None),
            ("10000-01-01T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("9999-13-31T00:00:00Z", None),
            ("tomorrow", None),
            ("", None),
        ];
        for (text, want) in table {
            assert_eq!(parse(text).ok(), want, "{text}");
        }
    }
}
