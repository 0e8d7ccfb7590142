//! What is drawn, what is refused, and that both forms need nothing of the machine.

use super::*;
use serde_json::{Value, json};

/// A report as api-service answers it.
fn answer(dimensions: &[&str], rows: &Value) -> ReportAnswer {
    let count = rows.as_array().map_or(0, Vec::len);
    serde_json::from_value(json!({
        "since": "2026-01-01T00:00:00Z", "until": "2026-01-04T00:00:00Z", "timezone": "UTC", "attribution": "click",
        "currency": "USD", "dimensions": dimensions, "metrics": ["clicks", "profit"], "rows": rows, "row_count": count,
        "totals": {},
    }))
    .expect("an answer")
}

fn campaigns(many: usize) -> ReportAnswer {
    let row = |n: usize| {
        json!({ "campaign": format!("c<{n}>"), "clicks": n,
        "profit": { "amount": format!("-{n}.5"), "currency": "USD" } })
    };
    answer(&["campaign"], &(0..many).map(row).collect())
}

fn days() -> ReportAnswer {
    let row =
        |day: &str, campaign: &str, clicks| json!({ "day": day, "campaign": campaign, "clicks": clicks });
    answer(
        &["day", "campaign"],
        &json!([row("2026-01-01", "a", 1), row("2026-01-03", "a", 3), row("2026-01-03", "b", 2)]),
    )
}

#[test]
fn times_are_lines_and_days_without_clicks_are_nothing() {
    let Ok(Plan::Lines { times, lines }) = plan(&days(), Metric::Clicks) else { panic!("lines") };
    assert_eq!(times, ["2026-01-01", "2026-01-02", "2026-01-03"]);
    assert_eq!(lines[0], ("a".to_owned(), vec![Some(1.0), Some(0.0), Some(3.0)]));
    assert_eq!(lines[1].1, [Some(0.0), Some(0.0), Some(2.0)]);
}

#[test]
fn what_says_nothing_as_a_picture_is_refused_with_a_way_out() {
    let mut limited = campaigns(3);
    limited.row_count = 9;
    let two = answer(&["campaign", "country"], &json!([{ "campaign": "a", "country": "DE", "clicks": 1 }]));
    for (answer, part) in [
        (campaigns(0), "no rows"),
        (campaigns(21), "21 bars are too many"),
        (limited, "3 of 9 rows"),
        (two, "these dimensions"),
        (answer(&[], &json!([{ "clicks": 1 }])), "a single figure"),
    ] {
        let refused = plan(&answer, Metric::Clicks).expect_err(part);
        assert!(refused.message.contains(part) && refused.hint.is_some(), "{refused:?}");
    }
    assert!(plan(&campaigns(3), Metric::Roi).expect_err("none").message.contains("no row has roi"));
    assert!(file("chart.gif").is_err() && file("chart").is_err() && file("a/b.SVG").is_ok());
}

#[test]
fn both_forms_are_drawn_with_letters_and_without_a_font_of_the_machine() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, answer, metric) in [
        ("bars", campaigns(7), Metric::Profit),
        ("lines", days(), Metric::Clicks),
        ("one", campaigns(1), Metric::Clicks),
    ] {
        let path = dir.path().join(format!("{name}.svg"));
        let chart = file(&path.display().to_string()).expect("a chart");
        assert_eq!(chart.write(&answer, metric, "all of it").expect("drawn"), None);
        let svg = std::fs::read_to_string(&path).expect("read");
        assert!(svg.starts_with("<svg") && svg.contains("all of it") && !svg.contains("c<0>"), "{svg}");
        let path = dir.path().join(format!("{name}.png"));
        let chart = file(&path.display().to_string()).expect("a chart");
        assert_eq!(chart.write(&answer, metric, "all of it").expect("drawn"), None);
        let read = std::io::BufReader::new(std::fs::File::open(&path).expect("a file"));
        let mut reader = ::png::Decoder::new(read).read_info().expect("PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("its size")];
        let frame = reader.next_frame(&mut pixels).expect("a frame");
        assert_eq!((frame.width, frame.height), SIZE);
        // In the line of the title stand letters.
        let title = &pixels[(12 * SIZE.0 * 3) as usize..(28 * SIZE.0 * 3) as usize];
        assert!(title.iter().filter(|p| **p < 128).count() > 100);
    }
}

#[test]
fn letters_that_png_lacks_are_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let answer = answer(
        &["keyword"],
        &json!([{ "keyword": "обувь", "clicks": 1 }, { "keyword": "größe", "clicks": 2 }]),
    );
    let of = |name: &str| file(&dir.path().join(name).display().to_string()).expect("a chart");
    assert!(
        of("a.png").write(&answer, Metric::Clicks, "").expect("drawn").expect("told").contains("SVG has all")
    );
    assert_eq!(of("a.svg").write(&answer, Metric::Clicks, "").expect("drawn"), None);
}
