//! Rows of a file: taken as what their network reports, counted from when the file says, logged, and each once.

use crate::world::{TOKEN, Testbed, World, answer, new_click};
use serde_json::{Value, json};
use tfx_domain::{
    Timestamp,
    entity::{DestinationSpec, Entity, SourceSpec},
    event::{ClickEvent, Event, PostbackLogEvent, PostbackResult},
    id::ClickId,
    money::Currency,
    postback::Conversion,
};
use tfx_ports::{conversions::ConversionQuery, page::PageRequest, queue::JobKind, sink::Envelope};

async fn import(world: &World, more: Value, rows: &[Value]) -> (u16, Value) {
    let mut asked = json!({ "network": "adnet", "rows": rows });
    let fields = asked.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    let request = world.client.post(world.url("/internal/conversions/import"));
    answer(request.bearer_auth(TOKEN).json(&asked)).await
}

/// `result: reason` of each row.
async fn became(world: &World, more: Value, rows: &[Value]) -> Vec<String> {
    let (status, json) = import(world, more, rows).await;
    assert_eq!(status, 200, "{json}");
    let rows = json["rows"].as_array().expect("rows");
    let said = |row: &Value| {
        format!("{}: {}", row["result"].as_str().expect("a result"), row["reason"].as_str().unwrap_or(""))
    };
    rows.iter().map(said).collect()
}

async fn stored(world: &World) -> Vec<Conversion> {
    let query = ConversionQuery {
        since: None,
        until: None,
        campaign: None,
        network: None,
        status: None,
        click: None,
        test: tfx_domain::event::TestTraffic::Include,
        conditions: tfx_domain::report::Conditions::default(),
        page: PageRequest::first(1000),
    };
    world.testbed.faults.conversions.list(&query).await.expect("list").items
}

/// A time that many seconds from now, to the second.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(tfx_ports::clock::now().as_second() + seconds).expect("a time")
}

#[tokio::test]
async fn a_row_is_what_its_network_reports_at_its_own_time() {
    let (testbed, network, offer) = Testbed::usual(&[]).await;
    let template = json!({
        "slug": "default", "name": "D", "params": { "click_id": "aff_sub", "payout": "sum" },
        "statuses": { "sale": ["ok"] }, "ignore": ["ping"], "decimal": "comma",
    });
    testbed.template(&network, template).await;
    let (click, other) = (testbed.click(&offer).await, testbed.click(&offer).await);
    let world = testbed.start().await;
    let when = at(-60);
    let row = |payout: &str| json!({ "click_id": click, "transaction_id": "T1", "status": "ok", "payout": payout, "at": when });
    let mut rows = vec![row("1.234,50"), row("1.234,50"), row("2.000,00")];
    rows.extend(["NaN", "1e309", "-3", "١٢", "1,2,3"].map(row));
    let more = [
        json!({ "click_id": other, "status": "ok", "payout": "1", "currency": "ZZZ" }),
        json!({ "click_id": other, "status": "ping" }),
        json!({ "click_id": new_click(), "status": "ok" }),
        json!({ "status": "ok" }),
        json!({ "click_id": "42" }),
        json!({ "click_id": other, "at": at(86_400) }),
        json!({ "click_id": other, "at": at(-10 * 86_400) }),
        json!({ "click_id": other, "network": "nope" }),
    ];
    rows.extend(more);
    let foreseen = became(&world, json!({ "dry_run": true }), &rows).await;
    assert_eq!((world.conversions().await, world.logged(0).await.len()), (0, 0), "nothing is done");
    let became = became(&world, json!({}), &rows).await;
    assert_eq!(became, foreseen);
    let want = [
        "recorded: ",
        "duplicate: ",
        "updated: ",
        "rejected: payout: 'NaN' is no amount",
        "rejected: sum: '1e309' ",
        "rejected: sum: '-3' must not be negative",
        "rejected: sum: '١٢' ",
        "rejected: sum: '1,2,3' ",
        "rejected: currency: 'ZZZ' ",
        "ignored: the template ignores status ping",
        "unmatched: there is no such click",
        "rejected: aff_sub: is missing",
        "rejected: aff_sub: '42' ",
        "rejected: time: ",
        "rejected: time: ",
        "rejected: there is no such network",
    ];
    assert_eq!(became.len(), want.len());
    for (got, want) in became.iter().zip(want) {
        assert!(got.starts_with(want), "{got}, not {want}");
    }
    let [conversion] = stored(&world).await.try_into().expect("one");
    assert_eq!((conversion.created_at, conversion.revenue.amount.to_string()), (when, "2000".to_owned()));
    // Each row is a line, and they add up.
    let logged = world.logged(rows.len()).await;
    assert!(logged.iter().all(|line| line.method == "IMPORT" && line.remote_ip.is_empty()), "{logged:#?}");
    let count = |result| logged.iter().filter(|line| line.result == result).count();
    use PostbackResult::{Duplicate, Ignored, Recorded, Rejected, Updated};
    assert_eq!([Recorded, Duplicate, Updated, Ignored, Rejected].map(count), [1, 1, 1, 1, 12]);
    world.until("the report shows it", async || world.report().await.sales == 1).await;
    assert_eq!(world.report().await.revenue_confirmed[&Currency::USD].to_string(), "2000");
    world.stop().await;
}

/// A statement dates what it takes back by the sale; and what a row says and nothing has is told as missing.
#[tokio::test]
async fn a_statement_takes_back_and_what_it_cannot_change_is_told_with_what_stands() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let mut clicks = Vec::new();
    for _ in 0..5 {
        clicks.push(testbed.click(&offer).await);
    }
    let world = testbed.start().await;
    let row = |click: usize, id: &str, status: &str, payout: &str, seconds: i64| {
        let mut row =
            json!({ "click_id": clicks[click], "status": status, "payout": payout, "at": at(seconds) });
        if !id.is_empty() {
            row["transaction_id"] = json!(id);
        }
        row
    };
    let before = [
        row(0, "T0", "sale", "13", -10),
        row(1, "T1", "lead", "5", -30),
        row(1, "T1", "sale", "5", -10),
        row(2, "", "sale", "7", -10),
        row(3, "T3", "rejected", "9", -10),
        row(4, "T4", "lead", "4", -10),
    ];
    assert!(became(&world, json!({}), &before).await.iter().all(|told| !told.contains("rejected:")));
    let statement = [
        (row(0, "T0", "rejected", "13", -190), ("updated", None)),
        (row(1, "T1", "lead", "5", -30), ("stale", Some(false))),
        (row(1, "T1", "sale", "6", -190), ("stale", Some(true))),
        (row(1, "T9", "sale", "50", -5), ("duplicate", Some(true))),
        (row(2, "N2", "sale", "7", -190), ("duplicate", Some(false))),
        (row(2, "N2", "sale", "8", -190), ("duplicate", Some(true))),
        (row(3, "T3", "sale", "9", -190), ("stale", Some(true))),
        (row(4, "T1", "sale", "5", -190), ("conflict", Some(true))),
        (row(4, "T4", "lead", "4", -190), ("duplicate", Some(false))),
    ];
    let rows: Vec<Value> = statement.iter().map(|(row, _)| row.clone()).collect();
    let (status, answer) = import(&world, json!({}), &rows).await;
    assert_eq!(status, 200, "{answer}");
    let answered = answer["rows"].as_array().expect("rows");
    for (became, (row, (result, differs))) in answered.iter().zip(&statement) {
        assert_eq!(became["result"], *result, "{row} {became}");
        assert_eq!(became["there"]["differs"].as_bool(), *differs, "{row} {became}");
        assert!(*differs != Some(true) || !became["reason"].as_str().unwrap_or("").is_empty(), "{became}");
    }
    let of_sale = &answered[3]["there"];
    assert_eq!((&of_sale["transaction_id"], &of_sale["revenue"]["amount"]), (&json!("T1"), &json!("5")));
    let all = stored(&world).await;
    let stands = all.iter().find(|c| c.transaction_id.as_deref() == Some("T0")).expect("T0");
    assert_eq!(stands.status.as_str(), "rejected");
    world.stop().await;
}

/// Our own words are no network's: a template that calls `sale` a lead does not read them.
#[tokio::test]
async fn what_was_exported_is_read_by_no_template() {
    let (testbed, network, offer) = Testbed::usual(&[]).await;
    let template =
        json!({ "slug": "default", "name": "D", "statuses": { "lead": ["sale"] }, "scale": "0.01" });
    testbed.template(&network, template).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    let rows = [
        json!({ "click_id": click, "transaction_id": "1", "status": "sale", "payout": "5" }),
        json!({ "click_id": click, "transaction_id": "2", "status": "refund", "payout": "0" }),
    ];
    assert_eq!(became(&world, json!({ "ours": true }), &rows).await, ["recorded: ", "recorded: "]);
    let mut there: Vec<String> =
        stored(&world).await.iter().map(|c| format!("{} {}", c.status, c.revenue.amount)).collect();
    there.sort();
    assert_eq!(there, ["refund 0", "sale 5"]);
    world.stop().await;
}

#[tokio::test]
async fn a_row_waits_for_its_click_if_it_may() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let world = testbed.start().await;
    let click = new_click();
    let (first, then) = (at(-50), at(-40));
    let rows = [
        json!({ "click_id": click, "status": "lead", "payout": "3", "at": first }),
        json!({ "click_id": click, "status": "sale", "payout": "3", "at": then }),
    ];
    let want = ["parked: there is no such click"; 2];
    assert_eq!(became(&world, json!({ "park": true, "dry_run": true }), &rows).await, want);
    assert_eq!(world.parked().await, (0, 0));
    assert_eq!(became(&world, json!({ "park": true }), &rows).await, want);
    world.testbed.deliver_click(click, &offer).await;
    world.until("both are taken", async || world.parked().await == (0, 0)).await;
    let [conversion] = stored(&world).await.try_into().expect("one");
    assert_eq!((conversion.created_at, conversion.updated_at), (first, then), "at their own times");
    assert_eq!(conversion.status.as_str(), "sale");
    world.logged(4).await;
    world.stop().await;
}

/// Whatever fails, the rows are sent again and each counts once.
#[tokio::test]
async fn what_is_not_taken_is_taken_once_when_it_is_sent_again() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let mut rows = Vec::new();
    for n in 0..20 {
        let click = testbed.click(&offer).await;
        rows.push(json!({ "click_id": click, "transaction_id": format!("T{n}"), "payout": "1.10" }));
    }
    let world = testbed.start().await;
    let faults = &world.testbed.faults;
    for fault in [&faults.analytics_away, &faults.record_fails] {
        fault.on();
        let (status, told) = import(&world, json!({}), &rows).await;
        assert_eq!(status, 503, "{told}");
        assert!(told["detail"].as_str().is_some_and(|d| d.ends_with("; send the rows again")), "{told}");
        fault.off();
    }
    assert_eq!(world.conversions().await, 0);
    let half = became(&world, json!({}), &rows[..10]).await;
    assert!(half.iter().all(|row| row == "recorded: "), "{half:?}");
    let whole = became(&world, json!({}), &rows).await;
    assert_eq!(whole.iter().filter(|row| *row == "recorded: ").count(), 10, "{whole:?}");
    world.until("the report shows them", async || world.report().await.sales == 20).await;
    assert_eq!(world.report().await.revenue_confirmed[&Currency::USD].to_string(), "22");
    world.stop().await;
}

async fn bought(testbed: &Testbed, source: &Entity<SourceSpec>, offer: &Entity<DestinationSpec>) -> ClickId {
    let id = new_click();
    let click: ClickEvent = serde_json::from_value(json!({
        "schema": 1, "click_id": id, "at": id.timestamp(), "visitor_id": "0".repeat(32), "status": 302,
        "config_revision": 1, "destination_id": offer.id, "source_id": source.id, "external_id": "x",
        "campaign_id": "cmp_0000000000000000001", "stream_id": "str_0000000000000000001",
    }))
    .expect("a click");
    let event = Event::Click(Box::new(click));
    let payload = event.to_json().expect("JSON").into();
    let envelope = Envelope { topic: event.topic(), id: event.id(), key: event.key(), payload };
    assert_eq!(testbed.stores.sink.deliver(&[envelope]).await.expect("delivered"), []);
    id
}

/// What is old is no news to a source.
#[tokio::test]
async fn sources_are_told_only_if_that_is_asked_for() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let source =
        json!({ "slug": "push", "name": "P", "postback_url": "http://127.0.0.1:9/?c={external_id}" });
    let source: Entity<SourceSpec> = testbed.create(source).await;
    let (quiet, told) = (bought(&testbed, &source, &offer).await, bought(&testbed, &source, &offer).await);
    let world = testbed.start().await;
    for (click, tell, jobs) in [(quiet, false, 0), (told, true, 1)] {
        let row = json!({ "click_id": click, "payout": "1" });
        let became = became(&world, json!({ "tell_sources": tell }), &[row]).await;
        assert_eq!(became, ["recorded: "]);
        let counts = world.testbed.queue.counts(JobKind::SourcePostback).await.expect("counts");
        assert_eq!(counts.waiting + counts.dead, jobs, "{tell}");
    }
    world.stop().await;
}

/// A conflict of a file is not taken from the log: that does not say from when it counts.
#[tokio::test]
async fn a_row_is_not_taken_again_from_the_log() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let (one, two) = (testbed.click(&offer).await, testbed.click(&offer).await);
    let world = testbed.start().await;
    let row = |click: ClickId| json!({ "click_id": click, "transaction_id": "T", "payout": "1" });
    let became = became(&world, json!({}), &[row(one), row(two)]).await;
    assert!(became[1].starts_with("conflict: "), "{became:?}");
    let lines: Vec<PostbackLogEvent> = world.logged(2).await;
    assert_eq!(lines.len(), 2);
    let retry = world.client.post(world.url("/internal/postbacks/retry"));
    let (_, told) = answer(retry.bearer_auth(TOKEN).json(&json!({ "results": ["conflict"] }))).await;
    assert_eq!((&told["taken"], &told["left"]), (&json!({}), &json!(1)), "{told}");
    world.stop().await;
}
