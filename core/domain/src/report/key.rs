//! The texts of times in keys, and the order of keys.

use super::Dimension;
use jiff::civil::Weekday;
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
    fn weekdays_have_numbers_and_names() {
        let all: Vec<_> = (1..=7).map(weekday_label).collect();
        assert_eq!(all, ["1 Mon", "2 Tue", "3 Wed", "4 Thu", "5 Fri", "6 Sat", "7 Sun"]);
        assert_eq!((weekday_label(0), weekday_label(8)), ("".into(), "".into()));
    }
}
