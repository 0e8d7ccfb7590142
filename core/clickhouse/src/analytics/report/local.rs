//! Local time, by the zones of this program: the server is told offsets, never names, so that its own edition of the
//! time zones, which may be another than ours, decides nothing.

use jiff::{Timestamp, tz::TimeZone};
use std::fmt::Write as _;

/// Up to when offsets are told apart, in milliseconds: the year 2100. Whatever comes later has the last of them.
const HORIZON_MS: i64 = 4_102_444_800_000;

/// The offsets of a zone over the time of a report or a list: from which millisecond each holds, and its seconds.
pub(in crate::analytics) struct LocalTime(Vec<(i64, i32)>);

impl LocalTime {
    pub(in crate::analytics) fn new(zone: &TimeZone, since: Timestamp, until: Timestamp) -> Self {
        let within = |at: Timestamp| at.as_millisecond().clamp(0, HORIZON_MS);
        let (since, until) = (within(since), within(until));
        let first = Timestamp::from_millisecond(since).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut offsets = vec![(since, zone.to_offset(first).seconds())];
        for change in zone.following(first) {
            // Changes are at whole seconds.
            let from = change.timestamp().as_millisecond();
            if from >= until {
                break;
            }
            offsets.push((from, change.offset().seconds()));
        }
        offsets.dedup_by_key(|(_, seconds)| *seconds);
        Self(offsets)
    }

    /// The local time of a column of times, as a time in UTC.
    pub(in crate::analytics) fn of(&self, at: &str) -> String {
        match self.0.as_slice() {
            [] | [(_, 0)] => at.to_owned(),
            [(_, seconds)] => format!("addSeconds({at}, {seconds})"),
            offsets => {
                let (mut from, mut seconds) = (String::new(), String::new());
                for (n, (begins, offset)) in offsets.iter().enumerate() {
                    let comma = if n == 0 { "" } else { "," };
                    let _ = write!(from, "{comma}{begins}");
                    let _ = write!(seconds, "{comma}{offset}");
                }
                // What begins last before it; what is before the first has the first.
                format!(
                    "addSeconds({at}, transform(roundDown(toUInt64(toUnixTimestamp64Milli({at})), [{from}]), [{from}], \
                     [{seconds}], 0))"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(zone: &str, since: &str, until: &str) -> String {
        let at = |text: &str| text.parse().expect("a time");
        LocalTime::new(&TimeZone::get(zone).expect("a zone"), at(since), at(until)).of("at")
    }

    #[test]
    fn the_server_gets_offsets_and_no_name() {
        let (january, march) = ("2026-01-01T00:00:00Z", "2026-03-29T01:00:00Z");
        assert_eq!(of("UTC", january, "2030-01-01T00:00:00Z"), "at");
        assert_eq!(of("Europe/Berlin", january, march), "addSeconds(at, 3600)");
        assert_eq!(
            of("Europe/Berlin", "2026-03-29T00:59:59.999Z", "2026-03-29T01:00:00.001Z"),
            "addSeconds(at, transform(roundDown(toUInt64(toUnixTimestamp64Milli(at)), [1774745999999,1774746000000]), \
             [1774745999999,1774746000000], [3600,7200], 0))"
        );
    }

    #[test]
    fn a_report_of_all_time_is_still_a_statement_of_its_size() {
        for zone in ["Europe/Berlin", "Africa/Casablanca", "Australia/Lord_Howe"] {
            let all = of(zone, "0001-01-01T00:00:00Z", "9999-12-30T00:00:00Z");
            assert!(all.len() < 40_000, "{zone}: {}", all.len());
        }
    }
}
