//! What became of a click, in the order of time.

use crate::{
    events::{at, click_id, deliver, past},
    server::Server,
};
use serde_json::json;
use tfx_api::timeline::StepKind;
use tfx_domain::event::Event;

fn line(time: &str, n: u128, more: &serde_json::Value) -> Event {
    let mut line = json!({
        "schema": 1, "id": click_id(at(time), n), "at": time, "network": "adnet", "remote_ip": "198.51.100.1",
        "method": "GET", "result": "recorded", "status": 200,
    });
    line.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    Event::PostbackLog(Box::new(serde_json::from_value(line).expect("a log event")))
}

#[tokio::test]
async fn what_became_of_a_click_is_told_in_the_order_of_time_with_every_move_of_its_conversions() {
    let s = Server::start().await;
    let p = past(&s).await;
    let other = click_id(at("2026-02-03T10:00:00Z"), 77);
    let lead = json!({ "amount": "0", "currency": "USD" });
    deliver(
        &s,
        vec![
            line(
                "2026-01-31T11:00:00Z",
                6,
                &json!({ "click_id": p.routed, "conversion_id": p.conversion, "conversion_status": "lead", "revenue": lead }),
            ),
            line("2026-01-31T10:30:00Z", 7, &json!({ "click_id": p.routed, "result": "parked", "reason": "not there yet" })),
            line("2026-01-31T10:40:00Z", 8, &json!({ "click_id": p.unrouted })),
            line(
                "2026-02-03T11:00:00Z",
                9,
                &json!({ "click_id": other, "conversion_id": p.conversion, "result": "conflict", "reason": "taken" }),
            ),
        ],
    )
    .await;
    let told = s.api.click_timeline(p.routed).await.expect("a timeline").item;
    let steps: Vec<_> = told.steps.iter().map(|step| (step.kind, step.what.clone())).collect();
    let conversion = &p.conversion;
    let want = [
        (StepKind::Click, "a visit of summer; DE; mobile; cost 0.50 USD".to_owned()),
        (StepKind::PassedOver, "summer/us: filter[0] did not pass: country is US; country was DE".to_owned()),
        (StepKind::Decision, "summer/main takes everybody; to offer by 302".to_owned()),
        (StepKind::Postback, "adnet: parked, answered 200; not there yet".to_owned()),
        (StepKind::Postback, "adnet: recorded, answered 200".to_owned()),
        (StepKind::Conversion, format!("{conversion}: lead, 0.00 USD")),
        (StepKind::Postback, "adnet: recorded, answered 200".to_owned()),
        // The log says nothing of it; the conversion as it stands does.
        (StepKind::Conversion, format!("{conversion}: lead → sale, 2.50 USD")),
        (StepKind::Postback, format!("adnet: conflict, answered 200, about click {other}; taken")),
    ];
    assert_eq!(steps, want);
    assert!(told.complete && told.steps.is_sorted_by_key(|step| step.at), "{told:?}");
    // The conflict is the click's too, where it is explained.
    assert_eq!(s.api.explain_click(p.routed).await.expect("told").conflicts, ["adnet: taken"]);
    assert_eq!(s.api.explain_click(p.bot).await.expect("told").conflicts, [""; 0]);

    let unrouted = s.api.click_timeline(p.unrouted).await.expect("a timeline").item;
    assert_eq!(unrouted.steps[1].what, "the campaign was paused or archived, or had no stream; answered 404");
    assert_eq!(unrouted.steps.len(), 3);
    let none = s.api.click_timeline(other).await.expect_err("there is no such click");
    assert_eq!(none.code(), Some("not_found"));
}

#[tokio::test]
async fn a_conflict_that_was_taken_again_is_none_any_more() {
    let s = Server::start().await;
    let p = past(&s).await;
    let about = json!({ "click_id": p.routed, "result": "conflict", "reason": "taken" });
    deliver(&s, vec![line("2026-02-02T10:00:00Z", 5, &about)]).await;
    assert_eq!(s.api.explain_click(p.routed).await.expect("told").conflicts, ["adnet: taken"]);
    let later = json!({ "click_id": p.routed, "result": "recorded", "status": 0 });
    deliver(&s, vec![line("2026-02-02T10:00:00Z", 6, &later)]).await;
    assert_eq!(s.api.explain_click(p.routed).await.expect("told").conflicts, [""; 0]);
}

/// The outcome's line may have the smaller id: it is of the same time, and random behind that.
#[tokio::test]
async fn what_was_parked_stands_before_its_outcome() {
    let s = Server::start().await;
    let p = past(&s).await;
    let time = "2026-01-31T10:30:00Z";
    let lead = json!({ "amount": "0", "currency": "USD" });
    let became = json!({
        "click_id": p.routed, "status": 0, "conversion_id": p.conversion, "conversion_status": "lead", "revenue": lead,
    });
    let parked = json!({ "click_id": p.routed, "result": "parked" });
    deliver(&s, vec![line(time, 3, &became), line(time, 90, &parked)]).await;
    let told = s.api.click_timeline(p.routed).await.expect("a timeline").item;
    let then: Vec<_> =
        told.steps.iter().filter(|step| step.at == at(time)).map(|s| s.what.as_str()).collect();
    assert_eq!(
        then,
        [
            "adnet: parked, answered 200".to_owned(),
            "adnet: recorded, taken again later".to_owned(),
            format!("{}: lead, 0.00 USD", p.conversion),
        ]
    );
}
