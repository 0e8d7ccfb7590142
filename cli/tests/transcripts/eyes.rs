//! A report to be looked at: beside the time before, at a glance, as Markdown, as a picture, again and again.

use crate::{
    clicks::{campaign, recorded},
    place::Place,
    transcript::Transcript,
    web,
};
use serde_json::Value;

/// Three clicks of two zones.
fn clicked() -> Place {
    let place = Place::running();
    campaign(&place);
    for path in ["/c/summer?sub1=a&keyword=x%7Cy", "/c/summer?sub1=a", "/c/summer?sub1=b"] {
        web::click(&place, path);
    }
    recorded(&place, 3);
    place
}

#[test]
fn a_report_is_seen_at_a_glance() {
    let place = clicked();
    let table = place.ok("tfx report --by sub1 --metrics clicks,cost --bars clicks --spark clicks --quiet");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].ends_with("CLICKS BAR        CLICKS BY DAY"), "{table}");
    assert!(
        lines[1].starts_with("a ") && lines[1].contains(&"█".repeat(16)) && lines[1].ends_with("▁▁▁▁▁▁█"),
        "{table}"
    );
    assert!(lines[2].contains(&format!("  {}  ", "█".repeat(8))), "{table}");
    let shown = place.ok("tfx report --by none --metrics clicks --spark clicks --quiet");
    assert!(shown.ends_with("▁▁▁▁▁▁█"), "{shown}");
    let markdown = place.ok("tfx report --by keyword --metrics clicks --format markdown --quiet");
    assert_eq!(
        markdown, "| keyword | Clicks |\n| :--- | ---: |\n| - | 2 |\n| x\\|y | 1 |\n| TOTAL | 3 |",
        "{markdown}"
    );
    for (file, begins) in [("a.svg", "<svg"), ("b.PNG", "\u{fffd}PNG")] {
        let done = place.sh(&format!("tfx report --by sub1 --metrics clicks --chart {file}"));
        assert!(
            done.code == Some(0) && done.stderr.contains(&format!("clicks is in {file}")),
            "{}",
            done.stderr
        );
        let bytes = std::fs::read(place.dir().join(file)).expect("a chart");
        assert!(String::from_utf8_lossy(&bytes).starts_with(begins), "{file}");
    }
}

#[test]
fn the_time_before_stands_beside_a_report() {
    let mut place = clicked();
    let all: Value = serde_json::from_str(
        &place
            .ok("tfx report --by sub1 --metrics clicks,cost,cr --since 1h --compare previous --output json"),
    )
    .expect("JSON");
    assert_eq!(all["rows"][0]["compared"], "new", "{all}");
    assert_eq!(
        (&all["rows"][0]["previous"], &all["previous"]["totals"]["clicks"]),
        (&Value::Null, &0.into())
    );
    let text = |v: &Value| v.as_str().expect("a time").to_owned();
    assert_eq!(text(&all["previous"]["until"]), text(&all["since"]));
    // From here on there are no more clicks: those that were are gone.
    let until = text(&all["until"]);
    place.set("NOW", &until);
    let table = place.ok(
        "tfx report --by sub1 --metrics clicks,cost --since $NOW --until 2h --compare previous --quiet || \
        tfx report --by sub1 --metrics clicks,cost --since $NOW --compare previous --quiet",
    );
    assert!(table.contains("TOTAL"), "{table}");
    let new = place.ok("tfx report --by sub1 --metrics clicks,cost --since 1h --compare previous --quiet");
    assert_eq!(
        new.lines().nth(1).map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).as_deref(),
        Some("a new 2 ▲+2 0.10 ▲+0.1"),
        "{new}"
    );
    assert!(!new.contains('\u{1b}'));
    let csv = place.ok("tfx report --by sub1 --metrics clicks --since 1h --compare previous --output csv");
    assert_eq!(csv.lines().next(), Some("sub1,compared,clicks,clicks_previous,clicks_change_percent"));
    assert_eq!(csv.lines().nth(1), Some("a,new,2,0,"));
}

#[test]
fn what_makes_no_sense_to_look_at_is_refused() {
    let place = clicked();
    let mut t = Transcript::new(&place);
    t.all(
        "tfx report --by day --compare previous
        tfx report --by day --spark clicks
        tfx report --metrics clicks --bars profit
        tfx report --bars clicks --output csv
        tfx report --format markdown --output json
        tfx report --watch --output json
        tfx report --watch 0
        tfx report --chart a.gif
        tfx report --by none --chart a.svg
        tfx report --by campaign,sub1 --chart a.svg
        tfx report --where sub1=nobody --chart a.svg
        tfx report --by sub1 --limit 1 --chart a.svg --quiet
        tfx report --compare last
        tfx report --compare previous --chart a.svg
        tfx report --chart nowhere/a.svg --by sub1 --metrics clicks --quiet
        ls *.svg",
    );
    t.is("eyes");
}
