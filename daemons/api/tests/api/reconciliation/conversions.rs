//! Conversions held against those that reports count: by their state, by the hours of their clicks, and by what the log
//! says was recorded.

use super::{asked, clicks, counts, deliver, of, over, told};
use crate::server::Server;
use serde_json::json;
use std::time::Duration;
use tfx_domain::{
    event::{ClickEvent, ConversionEvent, Event},
    id::{ClickId, ConversionId},
    ledger::Hour,
    postback::{Conversion, Incoming, TransactionScope},
};

/// A sale of a click, recorded at its own time.
async fn sold(s: &Server, click: &ClickEvent, tx: &str, status: &str, revenue: &str) -> Conversion {
    let at = click.click_id.timestamp();
    let incoming = Incoming {
        new_id: ConversionId::generate(at, u128::from(click.click_id.to_bits() as u64) << 30),
        network: "net_0000000000000000000".parse().expect("an id"),
        scope: TransactionScope::Network,
        key: format!("tx:{tx}"),
        transaction_id: Some(tx.to_owned()),
        click_id: click.click_id,
        status: status.parse().expect("a status"),
        raw_status: None,
        unmapped: false,
        revenue: serde_json::from_value(json!({ "amount": revenue, "currency": "USD" })).expect("money"),
        revenue_given: true,
        allow_upsell: true,
        at,
        click: click.dims.clone(),
        cost_terms: tfx_domain::entity::Due::default(),
        tell: None,
        signed: None,
        waited: false,
        replaces: None,
    };
    s.stores.conversions.record(&[incoming]).await.expect("recorded").remove(0).conversion
}

/// A change that was lost, or an amount that was altered, is as wrong a report as a conversion that is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_that_is_stored_in_another_state_is_told_with_both() {
    let s = Server::start().await;
    told(&s, &[]).await;
    let all = clicks(4, over().start());
    let event = |c: &Conversion| Event::Conversion(Box::new(ConversionEvent::from(c)));
    // One whose sale was lost, one whose amount is another, one as it is, and one that nobody recorded.
    let lead = sold(&s, &all[0], "T1", "lead", "11").await;
    let sale = sold(&s, &all[0], "T1", "sale", "500").await;
    assert_eq!(sale.version, 2);
    let mut altered = sold(&s, &all[1], "T2", "sale", "5").await;
    altered.revenue.amount = "500".parse().expect("an amount");
    let well = sold(&s, &all[2], "T3", "sale", "7").await;
    let strange = Conversion { id: ConversionId::generate(over().start(), 9 << 60), ..well.clone() };
    deliver(&s, [&lead, &altered, &well, &strange].into_iter().map(event)).await;
    let (_, answer) = asked(&s).await;
    let kind = of(&answer, "conversions");
    assert_eq!((counts(&kind), kind["differing"].as_u64()), ([3, 4, 0, 1, 0], Some(2)), "{answer}");
    let mut ids = vec![lead.id.to_string(), altered.id.to_string()];
    ids.sort();
    let mut told_ids: Vec<String> = serde_json::from_value(kind["differing_ids"].clone()).expect("ids");
    told_ids.sort();
    assert_eq!(told_ids, ids);
    let states = kind["differing_states"].as_array().expect("states");
    let of_lead = states.iter().find(|states| states["id"] == lead.id.to_string()).expect("the lead");
    assert_eq!(
        (&of_lead["stored"]["version"], &of_lead["stored"]["status"], &of_lead["is"]["revenue"]["amount"]),
        (&json!(1), &json!("lead"), &json!("500")),
        "{answer}"
    );
    // All of them, also what is too many, stand in their hour.
    let hours = kind["hours"].as_array().expect("hours");
    assert_eq!((hours.len(), counts(&hours[0])), (1, counts(&kind)), "{answer}");
    // What changed since may be on its way; an amount that is another is not.
    let before = sale.updated_at;
    let (_, answer) = s.get(&format!("/reconciliation?as_of={before}")).await;
    assert_eq!(of(&answer, "conversions")["differing"], 1, "{answer}");
    // Published again, both are right.
    let altered = s.stores.conversions.get(&altered.id).await.expect("reads").expect("there");
    deliver(&s, [&sale, &altered].into_iter().map(event)).await;
    let (_, answer) = asked(&s).await;
    assert_eq!(of(&answer, "conversions")["differing"], 0, "{answer}");
    s.stop().await;
}

/// A conversion that is gone from both stores: the postback log has its line.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_says_was_recorded_is_missing_where_no_store_has_it() {
    let s = Server::start().await;
    told(&s, &[]).await;
    let all = clicks(2, over().start());
    let there = sold(&s, &all[0], "T1", "sale", "5").await;
    let line = |n: u128, conversion: &ConversionId| -> Event {
        let at = over().start();
        let line = json!({
            "schema": 1, "id": ClickId::generate(at, n), "at": at, "network": "adnet", "remote_ip": "198.51.100.1",
            "method": "GET", "result": "recorded", "status": 200, "conversion_id": conversion,
        });
        Event::PostbackLog(Box::new(serde_json::from_value(line).expect("a line")))
    };
    let gone = ConversionId::generate(over().start(), 7 << 60);
    let sale = Event::Conversion(Box::new(ConversionEvent::from(&there)));
    // Of a file, it counts from a time of its own.
    let old = sold(&s, &clicks(1, over().start() - Duration::from_secs(90_000))[0], "T2", "sale", "5").await;
    deliver(&s, [sale, line(1, &there.id), line(2, &gone), line(3, &old.id)].into_iter()).await;
    let (_, answer) = asked(&s).await;
    let kind = of(&answer, "conversions");
    assert_eq!((counts(&kind), &kind["missing_ids"]), ([2, 1, 1, 0, 0], &json!([gone])), "{answer}");
    assert!(answer["notes"].to_string().contains("are not in the configuration store"), "{answer}");
    s.stop().await;
}

/// Both are whole hours, so that a conversion is of the same time as its click.
#[tokio::test(flavor = "multi_thread")]
async fn all_kinds_are_of_the_same_whole_hours() {
    let s = Server::start().await;
    told(&s, &[]).await;
    let hour = over();
    let all = clicks(1, hour.start() + Duration::from_secs(600));
    sold(&s, &all[0], "T1", "sale", "5").await;
    let at = |minutes: u64| hour.start() + Duration::from_secs(60 * minutes);
    let (_, answer) = s.get(&format!("/reconciliation?since={}&until={}", at(20), at(30))).await;
    assert_eq!(counts(&of(&answer, "conversions")), [1, 0, 1, 0, 0], "{answer}");
    assert_eq!((&answer["since"], &answer["until"]), (&json!(at(0)), &json!(at(60))), "{answer}");
    // What needs no ledger is compared however old it is.
    let old = Hour(hour.0 - 24 * 60);
    let old_click = clicks(1, old.start());
    sold(&s, &old_click[0], "T2", "sale", "5").await;
    let (_, answer) = s.get(&format!("/reconciliation?since={}", old.start())).await;
    assert_eq!(counts(&of(&answer, "conversions")), [2, 0, 2, 0, 0], "{answer}");
    assert!(answer["uncompared"].to_string().contains("only conversions are compared"), "{answer}");
    s.stop().await;
}
