//! Clicks that are paid by the thousand, the sale or a share: through the real services, to the report.

use crate::{clicks::campaign, place::Place, web};
use serde_json::{Value, json};

fn sold(place: &mut Place, tid: &str, more: &str) {
    let click = web::click(place, "/c/summer");
    place.set("CLICK", &click);
    place.until("tfx click list --output name --quiet | grep -c $CLICK", "1");
    place.ok(&format!("tfx postback test adnet \"clickid=$CLICK&txid={tid}&{more}\" --send"));
}

#[test]
fn what_held_when_the_click_came_is_what_its_conversion_costs() {
    let mut place = Place::running();
    campaign(&place);
    let cost = |place: &Place| -> Value {
        let row = place.ok(
            "tfx report --by none --metrics clicks,conversions,rejected,revenue,cost --output jsonl --quiet",
        );
        serde_json::from_str::<Value>(&row).expect("a row")["cost"]["amount"].clone()
    };
    let paid_by = |place: &Place, model: &str| {
        place.ok(&format!("tfx campaign update summer {model}"));
    };
    let before = cost(&place);
    assert_eq!(before, json!("0"));
    paid_by(&place, "--cost-model cpa --cost 1.5");
    sold(&mut place, "T1", "payout=10&status=sale");
    let costs = "tfx report --by none --metrics cost --output csv --quiet | tail -1 | tr -d '\\r'";
    place.until(costs, "1.5,USD");
    paid_by(&place, "--cost 30%");
    let shown: Value =
        serde_json::from_str(&place.ok("tfx campaign show summer --output json")).expect("JSON");
    assert_eq!(shown["cost"], json!({ "model": "revshare", "percent": "30", "currency": "USD" }));
    sold(&mut place, "T2", "payout=10&status=lead");
    place.until(costs, "4.5,USD");
    // The first sale is rejected: it was due by the terms of its click, and is not any more.
    place.ok("tfx postback test adnet \"clickid=$CLICK&txid=T2&payout=20&status=sale\" --send");
    place.until(costs, "7.5,USD");
    let first = place.ok("tfx conversion list --output jsonl --quiet | grep '\"T1\"'");
    let first: Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(first["cost"], json!({ "amount": "1.5", "currency": "USD" }));
    place.set("CLICK", first["click_id"].as_str().expect("a click"));
    place.ok("tfx postback test adnet \"clickid=$CLICK&txid=T1&status=rejected\" --send");
    place.until(costs, "6,USD");
    paid_by(&place, "--cost-model cpm --cost 2.5");
    let click = web::click(&place, "/c/summer");
    place.set("CLICK", &click);
    place.until(costs, "6.0025,USD");
    for (flags, told) in [
        ("--cost-model cpm --cost 0.0001", "three decimals"),
        ("--cost-model revshare --cost 1.5", "cost.percent: is required"),
        ("--cost 130%", "from 0 to 100"),
        ("--cost 33.3333333%", "the share must have at most six decimals"),
        ("--cost 0.0000001", "the amount must have at most six decimals"),
        ("--cost-model cpi", "possible values"),
    ] {
        let wrong = place.sh(&format!("tfx campaign update summer {flags}"));
        assert!(wrong.code == Some(2) && wrong.stderr.contains(told), "{flags}: {}", wrong.stderr);
    }
    paid_by(&place, "--cost-model none");
    let old = json!({ "per_click": "0.02", "currency": "USD" });
    paid_by(&place, "--cost-model cpc --cost 0.02");
    let shown: Value =
        serde_json::from_str(&place.ok("tfx campaign show summer --output json")).expect("JSON");
    assert_eq!(shown["cost"], old);
    place.ok("tfx source create --name Push --cost-model cpa --cost 2 --currency EUR");
    let source: Value = serde_json::from_str(&place.ok("tfx source show push --output json")).expect("JSON");
    assert_eq!(source["cost"], json!({ "model": "cpa", "amount": "2", "currency": "EUR" }));
}
