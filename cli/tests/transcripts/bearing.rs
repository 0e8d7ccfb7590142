//! What bears a click, what costs, and what is a test: through the real services, to the report.

use crate::{clicks::campaign, place::Place, web};
use serde_json::{Value, json};

/// A campaign that hands all over to `summer`, and one that is a test.
fn entries(place: &Place) {
    campaign(place);
    for line in [
        "campaign create --slug entry --name Entry --cost 0.10",
        "stream create --campaign entry --name Over --action campaign:summer",
        "campaign create --slug trial --name Trial --test --cost '0.5 XTS'",
        "stream create --campaign trial --name Over --action campaign:summer",
        "network create --name Newest",
    ] {
        place.ok(&format!("tfx {line}"));
    }
    place.until("tfx explain trial --ua 'Mozilla/5.0 (iPhone)' --output json | grep -c offer.example", "1");
    place.until("tfx postback test newest txid=1 --send 2>&1 | grep -c 'answers 400'", "1");
}

fn rows(place: &Place, line: &str) -> Vec<Value> {
    let text = place.ok(line);
    text.lines().map(|l| serde_json::from_str(l).expect("a row")).collect()
}

#[test]
fn the_campaign_of_the_link_bears_clicks_cost_and_revenue_and_bots_cost_nothing() {
    let mut place = Place::running();
    entries(&place);
    let click = web::click(&place, "/c/entry");
    for _ in 0..3 {
        web::get(
            &place,
            "/c/entry",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        );
    }
    place.set("CLICK", &click);
    place.until("tfx click list --output name --quiet | wc -l | tr -d ' '", "4");
    place.ok("tfx postback test adnet \"clickid=$CLICK&txid=T1&payout=12.5\" --send");
    let metrics = "hits,clicks,bots,conversions,revenue,cost,bot_cost";
    let report = format!("tfx report --metrics {metrics} --output jsonl");
    place.until(&format!("{report} | grep -c '\"conversions\":1'"), "1");
    let usd = |amount: &str| json!({ "amount": amount, "currency": "USD" });
    let want = json!({ "hits": 4, "clicks": 1, "bots": 3, "conversions": 1,
        "revenue": usd("12.5"), "cost": usd("0.1"), "bot_cost": usd("0.3") });
    for (by, slug) in [("campaign", "entry"), ("deciding_campaign", "summer")] {
        let mut rows = rows(&place, &format!("{report} --by {by}"));
        assert_eq!(rows.len(), 1, "{rows:?}");
        let row = rows[0].as_object_mut().expect("a row");
        assert_eq!(row.remove(by), Some(json!(slug)));
        assert!(row.remove(&format!("{by}_id")).is_some_and(|id| id.as_str().is_some()));
        assert_eq!(Value::Object(row.clone()), want, "{by}");
    }
    let explained: Value =
        serde_json::from_str(&place.ok("tfx explain --click $CLICK --output json")).expect("JSON");
    assert_eq!(
        (&explained["campaign"]["slug"], &explained["deciding_campaign"]["slug"]),
        (&json!("entry"), &json!("summer"))
    );
    let csv = place.ok(&format!("tfx report --metrics {metrics} --output csv"));
    assert_eq!(
        csv.replace("\r\n", "\n"),
        format!("campaign,{metrics},currency\nentry,4,1,3,1,12.5,0.1,0.3,USD")
    );
    let csv = place.ok("tfx report --columns currency,cost,campaign --output csv");
    assert_eq!(csv.replace("\r\n", "\n"), "currency,cost,campaign\nUSD,0.1,entry");
    let wrong = place.sh("tfx report --columns campaign,joy --output csv");
    assert!(wrong.code == Some(2) && wrong.stderr.contains("'joy' is no column"), "{}", wrong.stderr);
    // Hours of the day and weekdays are rows.
    for by in ["hour", "hour_of_day", "weekday"] {
        assert_eq!(rows(&place, &format!("{report} --by {by} --since lastmonth")).len(), 1, "{by}");
    }
}

#[test]
fn tests_are_left_out_and_told_in_reports_and_lists() {
    let mut place = Place::running();
    entries(&place);
    let click = web::click(&place, "/c/trial");
    place.set("CLICK", &click);
    place.until("tfx click list --test only --output name --quiet", &click);
    place.ok("tfx postback test adnet \"clickid=$CLICK&txid=T1&payout=9&currency=XTS\" --send");
    place.until("tfx report --by none --test only --metrics sales --output csv | tail -1", "1");
    for list in ["click list", "conversion list", "postback log --result recorded"] {
        assert_eq!(place.ok(&format!("tfx {list} --quiet --output name")), "", "{list}");
        assert_eq!(
            place.ok(&format!("tfx {list} --test include --output name")).lines().count(),
            1,
            "{list}"
        );
        assert_eq!(place.ok(&format!("tfx {list} --test only --output name")).lines().count(), 1, "{list}");
    }
    let left_out = place.sh("tfx report --by none --metrics hits,conversions,revenue --output csv");
    assert_eq!(left_out.stdout.replace("\r\n", "\n"), "hits,conversions,revenue,currency\n0,0,0,USD\n");
    assert!(left_out.stderr.contains("2 test clicks and conversions are left out"), "{}", left_out.stderr);
    let included = place.sh("tfx report --by none --metrics hits,revenue --output csv --test include");
    assert_eq!(included.stdout.replace("\r\n", "\n"), "hits,revenue,currency\n1,0,USD\n");
    // What was paid for it and what it brought stand apart.
    let told = "there is no rate to USD: revenue of 9 XTS and cost of 0.5 XTS not in the figures (--currency XTS shows them)";
    assert!(included.stderr.contains(told), "{}", included.stderr);
}

#[test]
fn smoke_leaves_nothing_in_reports_however_often_it_runs() {
    let mut place = Place::running();
    let (traffic, postbacks) = (place.traffic(), place.postbacks());
    place.set("TRAFFIC_SERVICE_URL", &format!("http://{traffic}"));
    place.set("POSTBACK_SERVICE_URL", &format!("http://{postbacks}"));
    for run in 1..=2 {
        let done = place.sh("tfx smoke --stack attach");
        assert_eq!(done.code, Some(0), "run {run}\n{}{}", done.stdout, done.stderr);
    }
    let report =
        place.ok("tfx report --by none --metrics hits,conversions,revenue,cost --output csv --quiet");
    assert_eq!(report.replace("\r\n", "\n"), "hits,conversions,revenue,cost,currency\n0,0,0,0,USD");
    for list in ["click list", "conversion list", "postback log --result recorded"] {
        assert_eq!(place.ok(&format!("tfx {list} --quiet --output name")), "", "{list}");
    }
    let tests =
        place.ok("tfx report --by none --test only --currency XTS --columns hits,revenue --output csv");
    assert_eq!(tests.replace("\r\n", "\n"), "hits,revenue\n42,29");
}
