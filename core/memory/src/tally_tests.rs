//! Tallies: what counts, what is taken back, and what a read of the store changes.

use super::*;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("time")
}

fn caps(zone: TimeZone, now: Timestamp) -> CapTally {
    CapTally::new(zone, Arc::new(Tally::new(true, CounterState::default())), now)
}

fn clicks(tally: &CapTally, now: Timestamp) -> (u64, u64) {
    let used = tally.used(now);
    (used.clicks_daily, used.clicks_total)
}

fn said(clicks: u64) -> StoreCount {
    StoreCount { clicks, conversions: 0, whole: true }
}

#[test]
fn own_clicks_count_at_once_and_not_again_when_the_store_knows_them() {
    let now = at("2026-03-01T10:00:00Z");
    let tally = caps(TimeZone::UTC, now);
    tally.clicked(now);
    tally.clicked(now);
    assert_eq!(clicks(&tally, now), (2, 2));
    let days = tally.mark(now);
    let (ticket, _) = tally.clicked(now);
    tally.read(days[0], CapUse { clicks_daily: 12, clicks_total: 102, ..CapUse::default() }, true);
    assert_eq!(clicks(&tally, now), (13, 103));
    tally.tally().taken_back(ticket);
    assert_eq!(clicks(&tally, now), (12, 102));
}

#[test]
fn a_click_that_is_taken_back_while_a_read_is_under_way_takes_nothing_from_another() {
    let now = at("2026-03-01T10:00:00Z");
    let tally = Tally::new(true, CounterState::default());
    tally.clicks(None);
    let ticket = tally.clicked(now);
    tally.mark();
    tally.clicked(now);
    tally.taken_back(ticket);
    tally.read(None, said(50));
    assert_eq!(tally.clicks(None).0, 51);
}

#[test]
fn a_click_that_comes_while_the_store_is_asked_is_not_counted_twice_for_good() {
    let now = at("2026-03-01T10:00:00Z");
    let tally = Tally::new(true, CounterState::default());
    tally.clicks(None);
    let mut true_count = 0;
    for round in 0..100 {
        tally.mark();
        // Stored before the store was asked, and told by it.
        (0..20).for_each(|_| {
            tally.clicked(now);
        });
        true_count += 20;
        tally.read(None, said(true_count));
        assert_eq!(tally.clicks(None).0, true_count + 20, "round {round}: early by what came in between");
        assert_eq!(tally.kept().windows[0].clicks, true_count);
    }
    tally.mark();
    tally.read(None, said(true_count));
    assert_eq!(tally.clicks(None).0, true_count);
}

#[test]
fn a_store_that_lags_behind_opens_nothing_again() {
    let now = at("2026-03-01T10:00:00Z");
    let tally = caps(TimeZone::UTC, now);
    let read = |clicks, conversions, whole| {
        let used = CapUse {
            clicks_daily: clicks,
            clicks_total: clicks,
            conversions_daily: conversions,
            conversions_total: conversions,
        };
        tally.mark(now).into_iter().for_each(|day| tally.read(day, used, whole));
        let used = tally.used(now);
        assert_eq!((used.clicks_daily, used.conversions_daily), (used.clicks_total, used.conversions_total));
        (used.clicks_total, used.conversions_total)
    };
    assert_eq!(read(10, 3, true), (10, 3));
    tally.clicked(now);
    assert_eq!(read(4, 1, false), (11, 3), "it does not have everything");
    assert_eq!(read(4, 2, true), (11, 2), "one was rejected");
    assert_eq!(read(20, 2, true), (20, 2), "others clicked");
}

#[test]
fn a_new_day_begins_at_midnight_of_the_zone() {
    let zone = TimeZone::get("America/New_York").expect("zone");
    let evening = at("2026-03-02T04:59:59Z");
    let tally = caps(zone, evening);
    let used = CapUse { clicks_daily: 5, clicks_total: 50, conversions_daily: 1, conversions_total: 9 };
    tally.read(tally.mark(evening)[0], used, true);
    tally.clicked(evening);
    assert_eq!(clicks(&tally, evening), (6, 51));
    let midnight = at("2026-03-02T05:00:00Z");
    assert_eq!(clicks(&tally, midnight), (0, 51));
    assert_eq!(tally.used(midnight).conversions_daily, 0);
    assert_eq!(clicks(&tally, evening), (6, 51), "asking about tomorrow changed nothing");
    // A read that began before midnight tells nothing about the new day.
    let day = tally.mark(evening)[0];
    tally.clicked(midnight);
    tally.read(day, CapUse { clicks_daily: 6, clicks_total: 51, ..used }, true);
    assert_eq!(clicks(&tally, midnight), (1, 52));
}

#[test]
fn a_clock_that_jumps_over_midnight_and_back_finds_the_day_as_it_was() {
    for zone in ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"] {
        let zone = TimeZone::get(zone).expect("zone");
        let today = at("2026-03-01T10:00:00Z");
        for jump in
            ["2026-03-02T10:00:00Z", "2027-03-01T10:00:00Z", "2026-02-28T10:00:00Z", "2000-01-01T00:00:00Z"]
        {
            let jump = at(jump);
            let tally = caps(zone.clone(), today);
            for _ in 0..3 {
                tally.clicked(today);
            }
            assert_eq!(clicks(&tally, today).0, 3);
            assert_eq!(clicks(&tally, jump).0, 0);
            tally.clicked(jump);
            tally.mark(jump);
            assert!(clicks(&tally, jump).0 >= 1);
            assert!(clicks(&tally, today).0 >= 3, "{jump} and back");
            tally.clicked(today);
            assert!((4..=5).contains(&clicks(&tally, today).0));
            assert_eq!(clicks(&tally, today).1, 5);
        }
    }
}

#[test]
fn a_stream_counts_each_window_by_itself() {
    let now = at("2026-03-01T10:30:00Z");
    let hour = Some(at("2026-03-01T10:00:00Z"));
    let tally = Tally::new(true, CounterState::default());
    assert_eq!(tally.clicks(hour), (0, true));
    assert_eq!(tally.clicks(None), (0, true));
    tally.clicked(now);
    for since in tally.mark() {
        tally.clicked(now);
        tally.read(since, said(if since.is_none() { 100 } else { 10 }));
    }
    assert_eq!(tally.clicks(hour), (12, false));
    assert_eq!(tally.clicks(None), (102, false));
    tally.clicked(at("2026-03-01T09:59:59Z"));
    assert_eq!((tally.clicks(hour).0, tally.clicks(None).0), (12, 103), "before the window");
}

#[test]
fn what_was_kept_counts_on_and_clicks_found_in_the_journal_are_counted_once() {
    let now = at("2026-03-01T10:30:00Z");
    let (day, hour) = (Some(at("2026-03-01T00:00:00Z")), Some(at("2026-03-01T10:00:00Z")));
    let tally = Tally::new(true, CounterState::default());
    tally.clicks(None);
    tally.clicks(day);
    for _ in 0..5 {
        tally.clicked(now);
    }
    let mut kept = tally.kept();
    kept.find(now);
    let tally = Tally::new(true, kept);
    assert_eq!((tally.clicks(None), tally.clicks(day)), ((6, false), (6, false)));
    assert_eq!(tally.clicks(hour), (1, true), "the one that was found, and nothing is known of the others");
    tally.mark();
    tally.read(None, said(6));
    assert_eq!((tally.clicks(None).0, tally.clicks(day).0), (6, 6));
}

#[test]
fn windows_are_bounded_and_what_is_asked_about_stays() {
    let tally = Tally::new(true, CounterState::default());
    let since = |n: i64| Some(Timestamp::from_second(n * 3600).expect("time"));
    for n in 1..=1000 {
        tally.clicks(since(n));
        tally.clicks(since(0));
        tally.clicks(None);
    }
    assert_eq!(tally.kept().windows.len(), MAX_WINDOWS);
    assert_eq!([tally.clicks(None).1, tally.clicks(since(0)).1, tally.clicks(since(1000)).1], [false; 3]);
}

proptest! {
    /// Whatever the clock does and whatever the store has of it, a day's count is never below own clicks of that day.
    #[test]
    fn no_jump_of_the_clock_makes_a_count_fall(steps in proptest::collection::vec((0i64..4, 0u8..3, 0u64..4), 1..60)) {
        let time = |day: i64| Timestamp::from_second(1_772_323_200 + day * 86_400 + 40_000).expect("time");
        let tally = caps(TimeZone::UTC, time(0));
        let mut own = [0u64; 4];
        for (day, what, stored) in steps {
            let now = time(day);
            match what {
                0 => { tally.clicked(now); own[usize::try_from(day).expect("small")] += 1; }
                1 => for from in tally.mark(now) {
                    tally.read(from, CapUse { clicks_daily: stored, clicks_total: stored, ..CapUse::default() }, true);
                },
                _ => {
                    tally.used(now);
                }
            }
            for (d, count) in (0..).zip(own) {
                prop_assert!(clicks(&tally, time(d)).0 >= count);
            }
            prop_assert!(clicks(&tally, now).1 >= own.iter().sum());
        }
    }
}
