//! The texts of times in keys, and the order of keys.

use super::Dimension;
use crate::{Timestamp, country, nearest::did_you_mean, routing::DeviceType};
use jiff::{
    civil::{Date, ISOWeekDate, Weekday},
    tz::TimeZone,
};
use smol_str::{SmolStr, format_smolstr};
use std::cmp::Ordering;

/// Where the offset begins in an hour's text.
const OFFSET: usize = "2026-01-31T14:00".len();

/// An hour of local time, `date` being its date, with the offset from UTC that local time has then:
/// `2026-10-25T02:00+01:00`. The hour that comes twice when clocks go back differs in its offset.
pub fn hour_label(date: impl std::fmt::Display, hour: i64, offset_s: i32) -> SmolStr {
    let (sign, offset) = (if offset_s < 0 { '-' } else { '+' }, offset_s.abs());
    let (hours, minutes, seconds) = (offset / 3_600, offset / 60 % 60, offset % 60);
    if seconds == 0 {
        return format_smolstr!("{date}T{hour:02}:00{sign}{hours:02}:{minutes:02}");
    }
    format_smolstr!("{date}T{hour:02}:00{sign}{hours:02}:{minutes:02}:{seconds:02}")
}

/// A day of the week, 1 (Monday) to 7: its number, so that it sorts, and its name.
pub fn weekday_label(number: i64) -> SmolStr {
    let day = i8::try_from(number).ok().and_then(|n| Weekday::from_monday_one_offset(n).ok());
    SmolStr::new_static(match day {
        Some(Weekday::Monday) => "1 Mon",
        Some(Weekday::Tuesday) => "2 Tue",
        Some(Weekday::Wednesday) => "3 Wed",
        Some(Weekday::Thursday) => "4 Thu",
        Some(Weekday::Friday) => "5 Fri",
        Some(Weekday::Saturday) => "6 Sat",
        Some(Weekday::Sunday) => "7 Sun",
        None => "",
    })
}

/// The text of a time in the key of a row, in a zone; empty for what is no dimension of time.
pub fn time_label(dimension: Dimension, at: Timestamp, zone: &TimeZone) -> SmolStr {
    let local = at.to_zoned_datetime(zone.clone());
    let date = local.date();
    match dimension {
        Dimension::Hour => hour_label(date, i64::from(local.hour()), local.offset().seconds()),
        Dimension::Day => format_smolstr!("{date}"),
        Dimension::Week => week_label(date.iso_week_date()),
        Dimension::Month => format_smolstr!("{:04}-{:02}", date.year(), date.month()),
        Dimension::HourOfDay => format_smolstr!("{:02}", local.hour()),
        Dimension::Weekday => weekday_label(i64::from(date.weekday().to_monday_one_offset())),
        _ => SmolStr::default(),
    }
}

fn week_label(week: ISOWeekDate) -> SmolStr {
    format_smolstr!("{:04}-W{:02}", week.year(), week.week())
}

/// What a person wrote for a value of a dimension, as it stands in keys, where that is not any text: of times, countries,
/// device types and bots.
///
/// # Errors
/// What it must look like.
pub fn known_value(dimension: Dimension, text: &str) -> Result<SmolStr, String> {
    match dimension {
        Dimension::Country => country::parse(text),
        // Regions stand beside their country, not with it.
        Dimension::Region => match text.split_once('-') {
            Some((of, region)) if country::find(of).is_some() => Err(format!(
                "'{text}' names the country too; write {region}, with a second condition country={}",
                of.to_uppercase()
            )),
            _ => Ok(text.into()),
        },
        Dimension::DeviceType => one_of(text, &DeviceType::ALL.map(DeviceType::as_str)),
        Dimension::Bot => one_of(text, &["true", "false"]),
        time if time.is_time() => time_value(time, text).map_err(str::to_owned),
        _ => Ok(text.into()),
    }
}

/// The word among those that there are.
///
/// # Errors
/// It is none of them; which was probably meant.
pub(crate) fn one_of(text: &str, words: &[&'static str]) -> Result<SmolStr, String> {
    let found = words.iter().find(|w| w.eq_ignore_ascii_case(text));
    found.map(|w| SmolStr::new_static(w)).ok_or_else(|| {
        let shown: String = text.chars().take(50).collect();
        let meant = did_you_mean(text, words.iter().copied());
        format!("must be one of {}, not '{shown}'{meant}", words.join(", "))
    })
}

/// What a person wrote for a value of a dimension of time, as it stands in keys: `mon`, `Monday` and `1` are `1 Mon`, `9`
/// is `09`.
///
/// # Errors
/// What it must look like.
fn time_value(dimension: Dimension, text: &str) -> Result<SmolStr, &'static str> {
    let text = text.trim();
    match dimension {
        Dimension::Hour => {
            let upper = text.to_uppercase();
            let whole = upper.get(..OFFSET).is_some_and(|hour| hour.ends_with(":00"));
            let offset = upper.get(OFFSET..).is_some_and(|offset| offset.starts_with(['+', '-']));
            let known = whole && offset && upper.parse::<Timestamp>().is_ok();
            known.then(|| SmolStr::new(upper)).ok_or("must be an hour such as 2026-01-31T14:00+01:00")
        }
        Dimension::Day => text
            .parse::<Date>()
            .map(|date| format_smolstr!("{date}"))
            .map_err(|_| "must be a day such as 2026-01-31"),
        Dimension::Week => {
            let parts = text.split_once("-W").or_else(|| text.split_once("-w"));
            let week = parts.and_then(|(year, week)| {
                ISOWeekDate::new(year.parse().ok()?, week.parse().ok()?, Weekday::Monday).ok()
            });
            week.map(week_label).ok_or("must be an ISO week such as 2026-W05")
        }
        Dimension::Month => format!("{text}-01")
            .parse::<Date>()
            .map(|date| format_smolstr!("{:04}-{:02}", date.year(), date.month()))
            .map_err(|_| "must be a month such as 2026-01"),
        Dimension::HourOfDay => text
            .parse::<u8>()
            .ok()
            .filter(|hour| *hour < 24)
            .map(|hour| format_smolstr!("{hour:02}"))
            .ok_or("must be an hour of the day, 0 to 23"),
        Dimension::Weekday => {
            let asked = text.to_lowercase();
            let days = (1..=7).map(weekday_label).zip(DAYS);
            let same = |(label, day): &(SmolStr, &str)| {
                let (number, short) = label.split_once(' ').unwrap_or_default();
                let short = short.to_lowercase();
                asked == number || asked == short || asked == *day || asked == label.to_lowercase()
            };
            days.into_iter()
                .find(same)
                .map(|(label, _)| label)
                .ok_or("must be Mon, Tue, Wed, Thu, Fri, Sat or Sun")
        }
        _ => Ok(SmolStr::new(text)),
    }
}

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The order of keys of these dimensions: texts byte by byte, hours as they follow. Where an hour comes twice, the one
/// further ahead of UTC was first.
pub fn key_order(dimensions: &[Dimension], a: &[SmolStr], b: &[SmolStr]) -> Ordering {
    let one = |(dimension, (a, b)): (&Dimension, (&SmolStr, &SmolStr))| match dimension {
        Dimension::Hour => {
            let (local_a, offset_a) = a.split_at_checked(OFFSET).unwrap_or((a, ""));
            let (local_b, offset_b) = b.split_at_checked(OFFSET).unwrap_or((b, ""));
            local_a.cmp(local_b).then_with(|| ahead(offset_b).cmp(&ahead(offset_a)))
        }
        _ => a.cmp(b),
    };
    let parts = dimensions.iter().zip(a.iter().zip(b));
    parts.map(one).find(|o| o.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// `+01:30` in seconds.
fn ahead(offset: &str) -> i32 {
    let parts = offset.get(1..).unwrap_or_default().split(':').map(|p| p.parse().unwrap_or(0));
    let seconds = parts.zip([3_600, 60, 1]).map(|(part, unit): (i32, i32)| part * unit).sum::<i32>();
    if offset.starts_with('-') { -seconds } else { seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_follow_each_other_also_where_clocks_go_back() {
        let date = jiff::civil::date(2026, 10, 25);
        let hour = |hour, offset| hour_label(date, hour, offset);
        assert_eq!(hour(2, 7_200), "2026-10-25T02:00+02:00");
        assert_eq!(hour(2, -16_200), "2026-10-25T02:00-04:30");
        assert_eq!(hour(2, 3_208), "2026-10-25T02:00+00:53:28");
        let keys = [
            hour(1, 7_200),
            hour(2, 7_200),
            hour(2, 3_600),
            hour(2, 0),
            hour(2, -3_600),
            hour(2, -5_400),
            hour(3, 3_600),
        ];
        for pair in keys.windows(2) {
            let order = key_order(&[Dimension::Hour], &pair[..1], &pair[1..]);
            assert_eq!(order, Ordering::Less, "{pair:?}");
        }
    }

    #[test]
    fn what_people_write_for_times_is_what_keys_have() {
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
        let at: Timestamp = "2026-10-25T01:30:00Z".parse().expect("a time");
        for (name, label, also, wrong) in [
            ("hour", "2026-10-25T02:00+01:00", "2026-10-25t02:00+01:00", "2026-10-25T02:00"),
            ("day", "2026-10-25", "2026-10-25", "2026-10-32"),
            ("week", "2026-W43", "2026-w43", "2026-W54"),
            ("month", "2026-10", "2026-10", "2026-13"),
            ("hour_of_day", "02", "2", "24"),
            ("weekday", "7 Sun", "SUNDAY", "someday"),
        ] {
            let dimension = name.parse().expect("a dimension");
            assert_eq!(time_label(dimension, at, &berlin), label);
            for text in [label, also] {
                assert_eq!(time_value(dimension, text).expect(text), label);
            }
            assert!(time_value(dimension, wrong).is_err_and(|e| e.starts_with("must be")), "{wrong}");
        }
        for text in ["1", "mon", "Monday", "1 Mon"] {
            assert_eq!(time_value(Dimension::Weekday, text).expect(text), "1 Mon");
        }
    }

    #[test]
    fn a_value_that_no_row_has_is_refused() {
        for (dimension, text, known) in [
            ("country", "US", Some("US")),
            ("country", "us", Some("US")),
            ("country", "ZZ", None),
            ("country", "Germany", None),
            ("region", "CA", Some("CA")),
            ("region", "US-CA", None),
            ("region", "Ile-de-France", Some("Ile-de-France")),
            ("device_type", "Mobile", Some("mobile")),
            ("device_type", "phone", None),
            ("bot", "TRUE", Some("true")),
            ("bot", "yes", None),
            ("weekday", "sat", Some("6 Sat")),
            ("weekday", "someday", None),
            // Whatever networks, browsers and databases say.
            ("status", "trial", Some("trial")),
            ("connection_type", "cellular", Some("cellular")),
            ("language", "x-klingon", Some("x-klingon")),
            ("sub1", "ZZ", Some("ZZ")),
        ] {
            let found = known_value(dimension.parse().expect("a dimension"), text);
            assert_eq!(found.as_deref().ok(), known, "{dimension}={text}: {found:?}");
        }
    }

    #[test]
    fn weekdays_have_numbers_and_names() {
        let all: Vec<_> = (1..=7).map(weekday_label).collect();
        assert_eq!(all, ["1 Mon", "2 Tue", "3 Wed", "4 Thu", "5 Fri", "6 Sat", "7 Sun"]);
        assert_eq!((weekday_label(0), weekday_label(8)), ("".into(), "".into()));
    }
}
