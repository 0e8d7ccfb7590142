//! Reports of the generated events, beside those of the plain list.

use super::{
    EventStore,
    generator::{TEXTS, generate},
    kit::{campaign, deliver, destination, eventually, everything, is, network, source, stream, total},
    periods::{ZONES, boundaries, whole},
    plain::Plain,
};
use crate::{conformance::random::Random, error::StoreError};
use std::time::Duration;
use tfx_domain::{
    Timestamp,
    event::TestTraffic,
    report::{Attribution, Dimension, ReportFilter, ReportQuery},
};

/// All dimensions but most of the sub ids, which are alike.
const NAMES: [&str; 28] = [
    "campaign",
    "deciding_campaign",
    "stream",
    "destination",
    "source",
    "network",
    "country",
    "region",
    "city",
    "isp",
    "connection_type",
    "device_type",
    "os",
    "browser",
    "language",
    "referrer",
    "keyword",
    "status",
    "bot",
    "hour",
    "day",
    "week",
    "month",
    "hour_of_day",
    "weekday",
    "sub1",
    "sub7",
    "sub20",
];

pub(super) fn dimension(name: &str) -> Dimension {
    name.parse().expect("a dimension")
}

pub(super) fn every_dimension() -> Vec<Dimension> {
    let mut all: Vec<_> = NAMES[..25].iter().map(|name| dimension(name)).collect();
    all.extend((1..=20).map(Dimension::Sub));
    all
}

/// Delivers the generated events and waits until the store has them all.
pub(super) async fn loaded(s: &EventStore) -> Plain {
    let generated = generate();
    for batch in &generated.batches {
        deliver(s, batch).await;
    }
    let want = generated.plain.report(&everything()).remove(0);
    eventually("the generated events", &want, async || total(s, &everything()).await).await;
    generated.plain
}

pub(super) async fn compare(s: &EventStore, plain: &Plain, query: &ReportQuery) {
    let want = plain.report(query);
    let got = s.analytics.report(query).await.expect("report");
    let differs = got.iter().zip(&want).position(|(g, w)| g != w).unwrap_or(got.len().min(want.len()));
    assert!(
        got == want,
        "{} rows where {} are right; row {differs} is\n{:?}\nand should be\n{:?}\nof {query:?}",
        got.len(),
        want.len(),
        got.get(differs),
        want.get(differs)
    );
}

/// Question `n`: attributions and zones in turn.
pub(super) fn question(n: usize, dimensions: Vec<Dimension>) -> ReportQuery {
    let attribution = [Attribution::Click, Attribution::Conversion][n % 2];
    ReportQuery { dimensions, attribution, timezone: ZONES[n / 2 % ZONES.len()].to_owned(), ..everything() }
}

/// By each dimension alone, times in every zone, with both attributions.
pub async fn reports_by_each_dimension(s: EventStore) {
    let plain = loaded(&s).await;
    for (n, dimension) in every_dimension().into_iter().enumerate() {
        let zones = if dimension.is_time() { ZONES.len() } else { 1 };
        for i in 0..2 * zones {
            compare(&s, &plain, &question(2 * n + i, vec![dimension])).await;
        }
    }
    // Of everything, of what is no test, and of tests alone.
    for (n, test) in TestTraffic::ALL.into_iter().cycle().take(6).enumerate() {
        for by in [vec![], vec![dimension("campaign")], vec![dimension("status")]] {
            compare(&s, &plain, &ReportQuery { test, ..question(n, by) }).await;
        }
    }
}

/// By every two dimensions, by many threes and fours in any order, and by one twice.
pub async fn reports_by_several_dimensions(s: EventStore) {
    let plain = loaded(&s).await;
    let mut n = 0;
    for (i, first) in NAMES.iter().enumerate() {
        for second in &NAMES[i + 1..] {
            n += 1;
            let mut pair = vec![dimension(first), dimension(second)];
            if n % 3 == 0 {
                pair.reverse();
            }
            compare(&s, &plain, &question(n, pair)).await;
        }
    }
    let random = &mut Random::new(7);
    let all = every_dimension();
    for n in 0..100 {
        let some = (0..3 + n % 2).map(|_| *random.pick(&all)).collect();
        compare(&s, &plain, &question(n, some)).await;
    }
    let twice = ["country", "day", "sub1", "status"].map(|name| vec![dimension(name); 2]);
    for (n, twice) in twice.into_iter().enumerate() {
        compare(&s, &plain, &question(n, twice)).await;
    }
}

/// Values of a dimension to filter by: one that is there, and one that is not.
fn known(dimension: Dimension, n: usize) -> (String, String) {
    let texts = |texts: &[&str]| ((*texts[n % texts.len()]).to_owned(), "nobody has this".to_owned());
    match dimension {
        Dimension::Campaign | Dimension::DecidingCampaign => {
            (campaign(1).to_string(), campaign(99).to_string())
        }
        Dimension::Stream => (stream(1).to_string(), stream(99).to_string()),
        Dimension::Destination => (destination(1).to_string(), destination(99).to_string()),
        Dimension::Source => (source(1).to_string(), source(99).to_string()),
        Dimension::Network => (network(1).to_string(), network(99).to_string()),
        Dimension::Country => texts(&["DE", "US"]),
        Dimension::Region => texts(&["BY", "by"]),
        Dimension::DeviceType => texts(&["mobile", "unknown", "other"]),
        Dimension::ConnectionType => texts(&["cellular", "cable/dsl"]),
        Dimension::Os => texts(&["iOS", "Mac OS X"]),
        Dimension::Browser => texts(&["Chrome", "Firefox"]),
        Dimension::Language => texts(&["pt-br", "en-us"]),
        Dimension::ReferrerHost => texts(&["example.com", "пример.example"]),
        Dimension::Status => texts(&["sale", "größe", "rejected"]),
        Dimension::Bot => texts(&["true", "false"]),
        Dimension::Hour => {
            texts(&["2026-06-17T13:00+02:00", "2026-10-25T02:00+01:00", "2026-06-17T13:00-04:00"])
        }
        Dimension::Day => texts(&["2026-06-17", "2026-01-01"]),
        Dimension::Week => texts(&["2026-W01", "2026-W53", "2026-W25"]),
        Dimension::Month => texts(&["2026-06", "2027-01"]),
        Dimension::HourOfDay => texts(&["13", "00"]),
        Dimension::Weekday => texts(&["3 Wed", "1 Mon"]),
        _ => texts(&TEXTS[3..]),
    }
}

/// By each dimension: a value, in another case, one of several, the unknown, what nobody has, none at all, and each
/// of them turned round; filters together.
pub async fn reports_are_filtered(s: EventStore) {
    let plain = loaded(&s).await;
    let random = &mut Random::new(11);
    let filtered = every_dimension();
    let groups = ["", "status", "country", "week", "keyword"];
    let by = |n: usize| match groups[n % groups.len()] {
        "" => Vec::new(),
        name => vec![dimension(name)],
    };
    for (n, dimension) in filtered.iter().enumerate() {
        let ((one, nobody), (other, _)) = (known(*dimension, n), known(*dimension, n + 1));
        let asked = [
            vec![one.clone()],
            vec![one.to_uppercase()],
            vec![nobody.clone(), other, one.to_lowercase()],
            vec![String::new()],
            vec![String::new(), one],
            vec![nobody],
            Vec::new(),
        ];
        for (i, values) in asked.into_iter().enumerate() {
            let filter = ReportFilter { dimension: *dimension, values, negate: (n + i) % 2 == 0 };
            let turned = ReportFilter { negate: !filter.negate, ..filter.clone() };
            let query = |filter, n| ReportQuery { filters: vec![filter], ..question(n, by(n)) };
            compare(&s, &plain, &query(filter, n + i)).await;
            if i < 4 {
                compare(&s, &plain, &query(turned, n + i + 1)).await;
            }
        }
    }
    for n in 0..40 {
        let filters = (0..2 + n % 2)
            .map(|i| {
                let dimension = *random.pick(&filtered);
                let values = vec![known(dimension, n + i).0, String::new()];
                ReportFilter { dimension, values, negate: random.one_in(2) }
            })
            .collect();
        compare(&s, &plain, &ReportQuery { filters, ..question(n, by(n)) }).await;
    }
    // Wildcards, quotes and spaces are only characters.
    for text in TEXTS.iter().chain(&["sh%", "' OR '1'='1", "\\", "shoes\u{0}", "mÜNCHEN", "МОСКВА"]) {
        for name in ["keyword", "city", "sub3"] {
            let query = ReportQuery { filters: vec![is(name, &[text])], ..question(0, by(2)) };
            compare(&s, &plain, &query).await;
        }
    }
}

/// From a boundary to another, the first inclusive and the last not, between milliseconds, of no length, backwards.
pub async fn reports_of_any_time(s: EventStore) {
    let plain = loaded(&s).await;
    let random = &mut Random::new(13);
    let all = boundaries();
    let beside =
        [Duration::ZERO, Duration::from_millis(1), Duration::from_nanos(1), Duration::from_nanos(999_999)];
    let groups = [vec![], vec!["hour"], vec!["day"], vec!["week", "status"], vec!["month", "bot"]];
    for n in 0..80 {
        let since = *random.pick(&all) + *random.pick(&beside);
        let until = *random.pick(&all) + *random.pick(&beside);
        let (since, until) = if n % 10 == 0 { (since, until) } else { (since.min(until), since.max(until)) };
        let by = groups[n % groups.len()].iter().map(|name| dimension(name)).collect();
        compare(&s, &plain, &ReportQuery { since, until, ..question(n, by) }).await;
    }
    // Each local day is what its hours are together, also where a clock change makes 23 or 25 of them.
    for (n, b) in all.iter().enumerate().step_by(3) {
        let (since, until) = (*b - Duration::from_hours(26), *b + Duration::from_hours(26));
        for name in ["hour", "day"] {
            let query = ReportQuery { since, until, ..question(n, vec![dimension(name)]) };
            compare(&s, &plain, &query).await;
        }
    }
    let (since, until) = whole();
    for (since, until) in
        [(since, since), (until, since), (Timestamp::UNIX_EPOCH, until), (since, Timestamp::MAX)]
    {
        for by in [vec![], vec![dimension("day")]] {
            compare(&s, &plain, &ReportQuery { since, until, ..question(0, by) }).await;
        }
    }
}

/// As many groups as there may be are given, one more is an error of its own, whichever dimension makes them; and so
/// it is found also where clicks make some of them and conversions the others.
pub async fn reports_of_too_many_groups_are_refused(s: EventStore) {
    let plain = loaded(&s).await;
    for by in [vec!["sub1", "sub2"], vec!["city"], vec!["hour"], vec!["campaign", "status"]] {
        let query = question(0, by.into_iter().map(dimension).collect());
        let groups = plain.report(&query).len();
        compare(&s, &plain, &ReportQuery { max_groups: groups, ..query.clone() }).await;
        for max_groups in [groups - 1, 1] {
            let e = s.analytics.report(&ReportQuery { max_groups, ..query.clone() }).await;
            assert!(matches!(e, Err(StoreError::TooMuch { .. })), "{e:?} of {groups}, {max_groups} allowed");
        }
    }
    let none = ReportQuery { max_groups: 1, ..everything() };
    assert_eq!(s.analytics.report(&none).await.expect("one row"), plain.report(&none));
}

/// An unknown zone is an error that trying again does not help.
pub async fn what_no_report_can_answer_is_refused(s: EventStore) {
    let asked = ["", "Nowhere/At_All", "+25:00", "'; DROP TABLE click_events; --"]
        .map(|zone| ReportQuery { timezone: zone.to_owned(), ..question(0, vec![dimension("day")]) });
    for query in asked {
        let e = s.analytics.report(&query).await;
        assert!(matches!(e, Err(StoreError::Broken { .. })), "{e:?} of {query:?}");
    }
}
