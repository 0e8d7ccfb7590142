//! How destinations stand for a click, and links that have changed their slug.

use crate::kit::{NOW, Past, at, id, person, short, snapshot};
use serde_json::{Value, json};
use tfx_domain::routing::{CapUse, Roi, Snapshot, Standing, standings};

fn stand(snapshot: &Snapshot, past: &Past) -> Vec<Standing> {
    let stream = snapshot.stream(&id("str", "a").parse().expect("an id")).expect("a stream");
    standings(snapshot, stream, &person(), at(NOW), past, false)
}

fn split(select: &str) -> Value {
    json!({
        "destinations": [
            { "id": "d1", "caps": { "clicks_daily": 60, "conversions_total": 5 } },
            { "id": "d2", "schedule": { "timezone": "Europe/Berlin", "windows": ["mon 09:00-18:00"] } },
            { "id": "d3", "status": "paused" },
            { "id": "d4", "schedule": { "timezone": "Asia/Kolkata", "windows": ["tue"] } },
        ],
        "campaigns": [{ "id": "main" }],
        "streams": [{ "id": "a", "campaign": "main", "select": select, "bind": "destination", "destinations": [
            { "destination": "d1", "weight": 70 }, { "destination": "d2", "weight": 30 }, "d3", "d4",
        ] }],
    })
}

#[test]
fn every_destination_says_how_it_stands() {
    let mut past = Past::default();
    let used = CapUse { clicks_daily: 37, conversions_total: 5, ..CapUse::default() };
    past.caps.insert(id("dst", "d1"), CapUse { conversions_total: 4, ..used });
    let all = stand(&snapshot(&split("weight")), &past);
    let line = |s: &Standing| {
        let caps: Vec<String> = s.caps.iter().map(|c| format!("{} {}/{}", c.cap, c.used, c.limit)).collect();
        let local = s.schedule.as_ref().map(|s| format!("{} {}", s.local, s.open)).unwrap_or_default();
        let share = s.share.map(|s| format!("{s:.2}")).unwrap_or_default();
        format!("{} {share} {} {} {local}", short(&s.destination), s.why_not, caps.join(","))
    };
    let lines: Vec<String> = all.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "d1 0.70  clicks_daily 37/60,conversions_total 4/5 ",
            "d2 0.30   Mon 13:00 true",
            "d3  inactive  ",
            "d4  schedule  Mon 17:30 false",
        ]
    );
    past.caps.insert(id("dst", "d1"), used);
    past.bound_destination.insert(id("str", "a"), id("dst", "d2"));
    let all = stand(&snapshot(&split("weight")), &past);
    assert_eq!((all[0].why_not.as_str(), all[0].share, all[1].share), ("capped", None, Some(1.0)));
    assert!(all[1].bound && !all[0].bound);
}

#[test]
fn ranks_follow_what_destinations_brought() {
    let mut past = Past::default();
    past.roi.insert(id("dst", "d1"), Roi { clicks: 1000, revenue: 10.0, cost: 10.0 });
    past.roi.insert(id("dst", "d2"), Roi { clicks: 1000, revenue: 50.0, cost: 10.0 });
    let all = stand(&snapshot(&split("roi")), &past);
    assert_eq!([all[0].rank, all[1].rank, all[2].rank], [Some(2), Some(1), None]);
    assert!(all[1].share > all[0].share);
    let all = stand(&snapshot(&split("position")), &past);
    assert_eq!([all[0].share, all[1].share], [Some(1.0), Some(0.0)]);
}

#[test]
fn a_campaign_is_found_by_its_former_slugs_unless_another_has_them() {
    let snapshot = snapshot(&json!({ "campaigns": [
        { "id": "one", "slug": "autumn", "aliases": ["summer", "winter"] },
        { "id": "two", "slug": "winter" },
    ] }));
    let found = |slug: &str| snapshot.campaign(slug).map(|c| short(c.campaign.id.as_str()).to_owned());
    assert_eq!(found("autumn").as_deref(), Some("one"));
    assert_eq!(found("SUMMER").as_deref(), Some("one"));
    assert_eq!(found("winter").as_deref(), Some("two"));
    assert_eq!(found("spring"), None);
}
