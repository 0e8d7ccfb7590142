//! Times at which counting goes wrong: the beginnings of hours, days, weeks, months and years in several zones, and
//! the moments at which clocks are changed.

use jiff::{civil, tz::TimeZone};
use std::time::Duration;
use tfx_domain::Timestamp;

/// Zones of whole hours, of summer time in both hemispheres, of 45 minutes, one whose clocks change by half an hour,
/// and one of whose clock changes, which follow the moon, editions of the time zones know different ones.
pub(super) const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "UTC",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
];

pub(super) fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone")
}

/// From when to when events are generated: 53 ISO weeks and more, with two turns of the year.
pub(super) fn whole() -> (Timestamp, Timestamp) {
    let at = |text: &str| text.parse().expect("a time");
    (at("2025-12-20T00:00:00Z"), at("2027-01-20T00:00:00Z"))
}

/// The boundaries, in every zone.
pub(super) fn boundaries() -> Vec<Timestamp> {
    let begins = [
        // Weeks that begin in the year before, or belong to it: 2025-12-29 begins 2026-W01, 2026 has 53 weeks.
        civil::date(2025, 12, 29).at(0, 0, 0, 0),
        civil::date(2026, 12, 28).at(0, 0, 0, 0),
        civil::date(2027, 1, 4).at(0, 0, 0, 0),
        // Years, months, a leap day that is none, a day, an hour.
        civil::date(2026, 1, 1).at(0, 0, 0, 0),
        civil::date(2027, 1, 1).at(0, 0, 0, 0),
        civil::date(2026, 3, 1).at(0, 0, 0, 0),
        civil::date(2026, 11, 1).at(0, 0, 0, 0),
        civil::date(2026, 6, 17).at(0, 0, 0, 0),
        civil::date(2026, 6, 17).at(13, 0, 0, 0),
    ];
    let (since, until) = whole();
    let mut all = Vec::new();
    for name in ZONES {
        let zone = zone(name);
        all.extend(begins.map(|b| zone.to_timestamp(b).expect("a time")));
        all.extend(zone.following(since).map(|t| t.timestamp()).take_while(|t| *t < until));
    }
    all.sort();
    all.dedup();
    all
}

/// A boundary, the milliseconds beside it, and what half an hour or an hour of clock change may confuse with it.
pub(super) fn around(boundary: Timestamp) -> [Timestamp; 7] {
    let (ms, half, whole) = (Duration::from_millis(1), Duration::from_mins(30), Duration::from_mins(60));
    [
        boundary,
        boundary - ms,
        boundary + ms,
        boundary - half,
        boundary + half,
        boundary - whole,
        boundary + whole - ms,
    ]
}
