//! Weekly timetables with a time zone. Hours are what the clock on the wall says: on the day clocks go forward
//! the missing hour is in no window, on the day they go back the repeated hour is in its window twice.

use crate::{Timestamp, problem::Problems};
use jiff::{civil::DateTime, tz::TimeZone};

const DAY: u16 = 24 * 60;
const WEEK: u16 = 7 * DAY;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The time zone of an IANA name.
///
/// # Errors
/// A sentence naming the text that is not one.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name)
        .map_err(|_| format!("'{name}' is not a time zone; use an IANA name such as Europe/Berlin"))
}

/// Hours of the week in a time zone.
#[derive(Debug, Clone)]
pub struct Timetable {
    zone: TimeZone,
    /// Minutes since Monday 00:00, half open, sorted, apart from each other.
    windows: Vec<(u16, u16)>,
}

impl Timetable {
    /// Compiles windows such as `mon-fri 09:00-18:00`.
    ///
    /// # Errors
    /// `timezone` and `windows[i]` that are not of the form.
    pub fn compile(timezone: &str, windows: &[String]) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let zone = zone(timezone).unwrap_or_else(|message| {
            problems.add("timezone", message);
            TimeZone::UTC
        });
        problems.require(!windows.is_empty(), "windows", "must name at least one window");
        let mut spans = Vec::new();
        for (i, text) in windows.iter().enumerate() {
            if let Err(message) = window(text, &mut spans) {
                problems.add(format!("windows[{i}]"), message);
            }
        }
        problems.into_result(()).map(|()| Self { zone, windows: merged(spans) })
    }

    /// Compiles one window with an optional zone at its end: `mon-fri 09:00-18:00 Europe/Berlin`.
    ///
    /// # Errors
    /// A sentence naming what is not of the form.
    pub(crate) fn with_zone(text: &str) -> Result<Self, String> {
        let (window_text, zone_name) = match text.trim().rsplit_once(char::is_whitespace) {
            // What has no colon after a blank is no hours.
            Some((rest, last)) if !last.contains(':') => (rest, last),
            _ => (text, "UTC"),
        };
        let mut spans = Vec::new();
        window(window_text, &mut spans)?;
        Ok(Self { zone: zone(zone_name)?, windows: merged(spans) })
    }

    /// What the clocks of its zone say.
    pub fn local(&self, now: Timestamp) -> DateTime {
        self.zone.to_datetime(now)
    }

    /// Whether `now` is inside one of the windows.
    pub fn contains(&self, now: Timestamp) -> bool {
        let local = self.local(now);
        let number = |n: i8| u16::try_from(n).unwrap_or(0);
        let day = number(local.weekday().to_monday_zero_offset());
        let minute = day * DAY + number(local.hour()) * 60 + number(local.minute());
        self.windows.iter().any(|(from, to)| (*from..*to).contains(&minute))
    }
}

/// Adds the minutes of one window, such as `sat,sun 10:00-02:00`, `fri` or `09:00-12:00,13:00-18:00`.
fn window(text: &str, spans: &mut Vec<(u16, u16)>) -> Result<(), String> {
    let form = || {
        format!(
            "'{text}' is not a window; write days and hours, such as mon-fri 09:00-18:00, sat,sun 10:00-02:00 or fri"
        )
    };
    let mut words = text.split_whitespace();
    let first = words.next().ok_or_else(form)?;
    let (days, hours) = if first.contains(':') {
        ([true; 7], Some(first))
    } else {
        (days(first).ok_or_else(form)?, words.next())
    };
    if words.next().is_some() {
        return Err(form());
    }
    let mut ranges = Vec::new();
    for range in hours.unwrap_or("00:00-24:00").split(',') {
        let (from, to) =
            range.split_once('-').and_then(|(a, b)| Some((clock(a)?, clock(b)?))).ok_or_else(form)?;
        if from == to || from == DAY {
            return Err(format!("'{range}' holds no time; leave the hours out for the whole day"));
        }
        ranges.push((from, to));
    }
    for day in (0..7u16).filter(|d| days[usize::from(*d)]) {
        for (from, to) in &ranges {
            let start = day * DAY + from;
            let end = day * DAY + if to > from { *to } else { DAY + to };
            if end > WEEK {
                spans.extend([(start, WEEK), (0, end - WEEK)]);
            } else {
                spans.push((start, end));
            }
        }
    }
    Ok(())
}

/// `mon-fri,sun`; a range may pass Sunday.
fn days(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| DAYS.iter().position(|d| d.eq_ignore_ascii_case(name));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (mut at, to) = (day(from)?, day(to)?);
        days[at] = true;
        while at != to {
            at = (at + 1) % 7;
            days[at] = true;
        }
    }
    Some(days)
}

/// `09:00` to minutes; `24:00` is the end of the day.
fn clock(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |t: &str, longest| (1..=longest).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour, 2) || minute.len() != 2 || !digits(minute, 2) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY).then_some(total)
}

fn merged(mut spans: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    spans.sort_unstable();
    let mut out: Vec<(u16, u16)> = Vec::with_capacity(spans.len());
    for (from, to) in spans {
        match out.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn windows_hold_their_hours() {
        // 2026-03-02 is a Monday.
        let table = [
            ("UTC", "mon-fri 09:00-18:00", "2026-03-02T09:00:00Z", true),
            ("UTC", "mon-fri 09:00-18:00", "2026-03-02T17:59:59Z", true),
            ("UTC", "mon-fri 09:00-18:00", "2026-03-02T18:00:00Z", false),
            ("UTC", "mon-fri 09:00-18:00", "2026-03-07T12:00:00Z", false),
            ("UTC", "FRI", "2026-03-06T23:59:59Z", true),
            ("UTC", "fri", "2026-03-07T00:00:00Z", false),
            ("UTC", "9:00-12:00,13:00-18:00", "2026-03-02T12:30:00Z", false),
            ("UTC", "9:00-12:00,13:00-18:00", "2026-03-08T13:00:00Z", true),
            // Past midnight belongs to the day it began on, Sunday night included.
            ("UTC", "sat,sun 10:00-02:00", "2026-03-09T01:59:00Z", true),
            ("UTC", "sat,sun 10:00-02:00", "2026-03-07T01:00:00Z", false),
            ("UTC", "fri-mon 20:00-24:00", "2026-03-08T23:59:00Z", true),
            ("UTC", "fri-mon 20:00-24:00", "2026-03-04T21:00:00Z", false),
            // The zone decides, in winter and in summer.
            ("Europe/Berlin", "mon 09:00-18:00", "2026-03-02T08:00:00Z", true),
            ("Europe/Berlin", "mon 09:00-18:00", "2026-07-06T07:00:00Z", true),
            ("Europe/Berlin", "mon 09:00-18:00", "2026-07-06T16:00:00Z", false),
            ("America/New_York", "sun 20:00-24:00", "2026-03-02T01:30:00Z", true),
            // Clocks go forward on 29 March: 01:59 is followed by 03:00, so 02:00-03:00 does not happen.
            ("Europe/Berlin", "sun 02:00-03:00", "2026-03-29T00:59:59Z", false),
            ("Europe/Berlin", "sun 02:00-03:00", "2026-03-29T01:00:00Z", false),
            ("Europe/Berlin", "sun 03:00-04:00", "2026-03-29T01:00:00Z", true),
            // They go back on 25 October: 02:30 happens twice.
            ("Europe/Berlin", "sun 02:00-03:00", "2026-10-25T00:30:00Z", true),
            ("Europe/Berlin", "sun 02:00-03:00", "2026-10-25T01:30:00Z", true),
            ("Europe/Berlin", "sun 02:00-03:00", "2026-10-25T02:00:00Z", false),
        ];
        for (zone, window, now, want) in table {
            let table = Timetable::compile(zone, &[window.to_owned()]).expect(window);
            assert_eq!(table.contains(at(now)), want, "{window} {zone} at {now}");
        }
    }

    #[test]
    fn a_zone_may_follow_a_window() {
        let table = Timetable::with_zone("mon-fri 09:00-18:00 Europe/Berlin").expect("valid");
        assert!(table.contains(at("2026-03-02T08:00:00Z")));
        assert!(
            Timetable::with_zone("fri Europe/Berlin").expect("valid").contains(at("2026-03-05T23:00:00Z"))
        );
        assert!(Timetable::with_zone("fri").expect("valid").contains(at("2026-03-06T00:00:00Z")));
        assert!(Timetable::with_zone("fri Europe/Nowhere").is_err());
    }

    #[test]
    fn every_broken_part_is_reported_with_its_path() {
        let windows = [
            "fri",
            "abc",
            "mon 9-18",
            "mon 09:00-09:00",
            "mon 25:00-26:00",
            "mon 09:60-10:00",
            "",
            "mon fri sat",
        ];
        let problems = Timetable::compile("Mars/Olympus", &windows.map(str::to_owned)).expect_err("broken");
        let paths: Vec<&str> = problems.0.iter().map(|p| p.path.as_str()).collect();
        let want = [
            "timezone",
            "windows[1]",
            "windows[2]",
            "windows[3]",
            "windows[4]",
            "windows[5]",
            "windows[6]",
            "windows[7]",
        ];
        assert_eq!(paths, want);
        assert!(Timetable::compile("UTC", &[]).is_err());
    }
}
