//! Whose money it is: transaction ids of several clicks, clicks of several networks, words nobody knows.

use crate::world::{SECRET, TOKEN, Testbed, World, answer};
use serde_json::{Value, json};
use tfx_domain::{
    entity::{DestinationSpec, Entity, NetworkSpec, Spec},
    event::{PostbackLogEvent, PostbackResult},
    id::ClickId,
    money::Currency,
    report::{Attribution, Dimension, RawRow, ReportQuery},
};
use tfx_service::testing;

async fn report(world: &World, network: &str, click: ClickId, more: &str) -> (u16, Value) {
    world.get(&format!("/postback/{network}?secret={SECRET}&click_id={click}{more}")).await
}

/// The answer's result.
async fn said(world: &World, network: &str, click: ClickId, more: &str) -> String {
    let (status, json) = report(world, network, click, more).await;
    assert_eq!(status, 200, "{network} {more}: {json}");
    json["result"].as_str().expect("a result").to_owned()
}

async fn retry(world: &World, results: Value) -> Value {
    let request = world.client.post(world.url("/internal/postbacks/retry"));
    let (status, json) = answer(request.bearer_auth(TOKEN).json(&json!({ "results": results }))).await;
    assert_eq!(status, 200, "{json}");
    json
}

/// Changes an entity, and waits until postback-service knows it.
pub(crate) async fn change<S: Spec>(world: &World, entity: &mut Entity<S>, change: impl FnOnce(&mut Value)) {
    testing::update(&*world.testbed.stores.config, entity, change).await;
    let revision = world.testbed.stores.config.load().await.expect("load").0;
    let known = async || {
        let (_, json) = world.get("/readyz").await;
        json.to_string().contains(&format!("revision {revision}"))
    };
    world.until("the change is known", known).await;
}

async fn by_network(world: &World) -> Vec<RawRow> {
    let query = ReportQuery {
        since: tfx_domain::Timestamp::UNIX_EPOCH,
        until: "2200-01-01T00:00:00Z".parse().expect("time"),
        timezone: "UTC".to_owned(),
        dimensions: vec![Dimension::Network],
        filters: Vec::new(),
        attribution: Attribution::Click,
        test: tfx_domain::event::TestTraffic::Include,
        max_groups: tfx_domain::report::MAX_GROUPS,
        apart: std::collections::BTreeMap::new(),
    };
    world.testbed.faults.analytics.report(&query).await.expect("report")
}

fn only(logged: &[PostbackLogEvent], result: PostbackResult) -> Vec<&PostbackLogEvent> {
    logged.iter().filter(|e| e.result == result).collect()
}

#[tokio::test]
async fn a_label_of_a_step_is_a_conflict_and_taken_when_the_network_says_what_it_is() {
    let (testbed, mut network, offer) = Testbed::usual(&[]).await;
    let (one, two) = (testbed.click(&offer).await, testbed.click(&offer).await);
    let world = testbed.start().await;
    assert_eq!(said(&world, "adnet", one, "&tid=PURCHASE&payout=10").await, "recorded");
    let (_, first) = report(&world, "adnet", two, "&tid=PURCHASE&payout=25").await;
    assert_eq!(first["result"], "conflict", "{first}");
    let logged = world.logged(2).await;
    let row = world.report().await;
    assert_eq!((row.sales, row.revenue_confirmed[&Currency::USD].to_string()), (1, "10".to_owned()));
    let conflict = only(&logged, PostbackResult::Conflict)[0];
    for part in
        [&one.to_string(), &two.to_string(), first["conversion_id"].as_str().expect("an id"), "'PURCHASE'"]
    {
        assert!(conflict.reason.contains(part), "{part}: {}", conflict.reason);
    }
    assert!(
        conflict.reason.ends_with("tfx network update adnet --transaction-scope click"),
        "{}",
        conflict.reason
    );
    // Nothing was changed yet: it stays one.
    assert_eq!(retry(&world, json!(["conflict"])).await["taken"], json!({ "conflict": 1 }));
    world.logged(3).await;

    change(&world, &mut network, |n| n["transaction_scope"] = json!("click")).await;
    assert_eq!(retry(&world, json!(["conflict"])).await["taken"], json!({ "recorded": 1 }));
    world.logged(4).await;
    assert_eq!(retry(&world, json!(["conflict"])).await["taken"], json!({}), "once");
    assert_eq!(said(&world, "adnet", two, "&tid=PURCHASE&payout=25").await, "duplicate");
    assert_eq!(said(&world, "adnet", one, "&tid=PURCHASE&payout=10").await, "duplicate");
    let both = async || world.report().await.sales == 2;
    world.until("both are in the report", both).await;
    assert_eq!(world.report().await.revenue_confirmed[&Currency::USD].to_string(), "35");
    let (_, metrics) = answer(world.client.get(world.url("/metrics")).bearer_auth(TOKEN)).await;
    let text = metrics.as_str().expect("text");
    assert!(text.contains("tfx_postbacks_total{result=\"conflict\"} 2"), "{text}");
    world.stop().await;
}

#[tokio::test]
async fn a_network_earns_nothing_on_clicks_of_another() {
    let testbed = Testbed::new(&[]);
    let network = |slug: &str| json!({"slug": slug, "name": slug, "postback_secret": SECRET});
    let a = testbed.network(network("a")).await;
    let mut b = testbed.network(network("b")).await;
    let destination = |slug: &str, network: Option<&Entity<NetworkSpec>>| {
        json!({
            "slug": slug, "name": slug, "url": "https://offer.example/", "network": network.map(|n| &n.id),
            "payout": {"amount": "7", "currency": "USD"}, "allow_upsell": true,
        })
    };
    let of_a = testbed.create::<DestinationSpec>(destination("of-a", Some(&a))).await;
    let of_nobody = testbed.create::<DestinationSpec>(destination("of-nobody", None)).await;
    let clicks = [testbed.click(&of_a).await, testbed.click(&of_a).await];
    let free = testbed.click(&of_nobody).await;
    let world = testbed.start().await;
    assert_eq!(said(&world, "a", clicks[0], "&tid=1").await, "recorded");
    for more in ["&tid=1", "&tid=2&payout=5", "&status=lead", "&status=rejected"] {
        assert_eq!(said(&world, "b", clicks[0], more).await, "conflict", "{more}");
    }
    let logged = world.logged(5).await;
    for line in only(&logged, PostbackResult::Conflict) {
        assert!(line.reason.contains("sent to network a, not to b"), "{}", line.reason);
        assert!(line.reason.ends_with("tfx network update b --foreign-clicks"), "{}", line.reason);
    }
    // What is nobody's may be reported by everybody.
    assert_eq!(said(&world, "b", free, "&tid=3").await, "recorded");

    change(&world, &mut b, |n| n["foreign_clicks"] = json!(true)).await;
    assert_eq!(said(&world, "b", clicks[1], "&tid=4").await, "recorded");
    // The destination's terms are not b's: no payout, no second sale.
    assert_eq!(said(&world, "b", clicks[1], "&tid=5&payout=1").await, "duplicate");
    assert_eq!(said(&world, "b", clicks[1], "&tid=4&payout=3").await, "updated");
    assert_eq!(said(&world, "a", clicks[1], "&tid=1").await, "conflict");
    assert_eq!(said(&world, "a", clicks[1], "&tid=6").await, "recorded");
    world.until("all are in the report", async || world.report().await.sales == 4).await;
    let revenue = |row: &RawRow| row.revenue_confirmed[&Currency::USD].to_string();
    let mut rows: Vec<_> = by_network(&world)
        .await
        .iter()
        .filter(|r| r.sales > 0)
        .map(|r| (r.key[0].to_string(), r.sales, revenue(r)))
        .collect();
    rows.sort();
    let mut want = vec![(a.id.to_string(), 2, "14".to_owned()), (b.id.to_string(), 2, "10".to_owned())];
    want.sort();
    assert_eq!(rows, want, "by who reported them");
    world.stop().await;
}

#[tokio::test]
async fn a_word_nobody_knows_is_told_and_brings_no_second_revenue() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    assert_eq!(said(&world, "adnet", click, "&tid=1&payout=10").await, "recorded");
    for (more, result) in [
        ("&tid=2&status=aproved&payout=10", "duplicate"),
        ("&tid=1&status=aproved&payout=10", "stale"),
        ("&status=1&payout=10", "duplicate"),
        ("&tid=1&status=charge+back&payout=-10", "updated"),
    ] {
        assert_eq!(said(&world, "adnet", click, more).await, result, "{more}");
    }
    let logged = world.logged(5).await;
    let told: Vec<_> = logged.iter().filter(|e| e.reason.contains("nobody knows the word")).collect();
    assert_eq!(told.len(), 3, "{logged:#?}");
    // One came behind its sale, and one nobody can guess.
    let commands = ["--map sale=aproved", "--map STATUS=aproved", "--map STATUS=1"];
    let one_each = |c: &&str| told.iter().filter(|e| e.reason.ends_with(*c)).count() == 1;
    assert!(commands.iter().all(one_each), "{told:#?}");
    let row = world.report().await;
    assert_eq!((row.sales, row.leads, row.rejected), (0, 0, 1));
    assert!(row.revenue_confirmed.values().all(|a| a.to_string() == "0"), "{row:?}");
    let (_, metrics) = answer(world.client.get(world.url("/metrics")).bearer_auth(TOKEN)).await;
    assert!(metrics.as_str().expect("text").contains("tfx_postbacks_unmapped_total 3"));
    world.stop().await;
}

#[tokio::test]
async fn a_sale_after_a_word_nobody_knows_is_the_money_of_the_click() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    for (more, result) in [
        ("&tid=1&status=aproved&payout=10", "recorded"),
        ("&tid=2&status=yes&payout=12", "duplicate"),
        ("&tid=3&payout=25", "recorded"),
        ("&tid=1&status=aproved&payout=10", "duplicate"),
    ] {
        assert_eq!(said(&world, "adnet", click, more).await, result, "{more}");
    }
    let logged = world.logged(4).await;
    let sale = logged.iter().find(|e| e.params.iter().any(|(_, v)| v == "25")).expect("the sale");
    for part in ["unknown word 'aproved'", "gives way"] {
        assert!(sale.reason.contains(part), "{}", sale.reason);
    }
    world
        .until("the sale alone counts", async || {
            let row = world.report().await;
            (row.sales, row.leads, row.rejected) == (1, 0, 1)
        })
        .await;
    let row = world.report().await;
    assert_eq!(row.revenue_confirmed[&Currency::USD].to_string(), "25");
    assert!(row.revenue_hold.values().all(|a| a.to_string() == "0"), "{row:?}");
    world.stop().await;
}

#[tokio::test]
async fn what_was_recorded_under_a_word_is_taken_again_when_the_word_is_mapped() {
    let (testbed, network, offer) = Testbed::usual(&[]).await;
    let mut template = testbed.template(&network, json!({"slug": "web", "name": "Web"})).await;
    let (one, two, three) =
        (testbed.click(&offer).await, testbed.click(&offer).await, testbed.click(&offer).await);
    let world = testbed.start().await;
    for (click, more, result) in [
        (one, "&tid=1&status=lead&payout=5", "recorded"),
        (one, "&tid=1&status=gut&payout=7", "updated"),
        (two, "&tid=2&status=weg&payout=9", "recorded"),
        // Its conversion does not stand so any more.
        (three, "&tid=3&status=gut&payout=4", "recorded"),
        (three, "&tid=3&status=rejected", "updated"),
    ] {
        assert_eq!(said(&world, "adnet/web", click, more).await, result, "{more}");
    }
    let all = json!(["conflict", "unmatched", "recorded", "updated"]);
    let before = world.logged(5).await;
    let nothing = retry(&world, all.clone()).await;
    assert_eq!((&nothing["taken"], &nothing["left"]), (&json!({}), &json!(0)), "nobody has mapped it");

    change(&world, &mut template, |t| t["statuses"] = json!({"sale": ["gut"], "rejected": ["weg"]})).await;
    let taken = retry(&world, all.clone()).await;
    assert_eq!((&taken["taken"], &taken["left"]), (&json!({ "updated": 2 }), &json!(0)));
    let logged = world.logged(7).await;
    let received = |word: &str| {
        let of = |l: &&PostbackLogEvent| l.params.iter().any(|(_, v)| v == word) && l.click_id != Some(three);
        let all: Vec<_> = logged.iter().filter(of).map(|l| l.at).collect();
        (all.len(), all.iter().all(|at| *at == all[0]))
    };
    assert_eq!((received("gut"), received("weg")), ((2, true), (2, true)), "at the time it was received");
    assert!(before.len() == 5 && retry(&world, all).await["taken"] == json!({}), "once");
    let row = async || {
        let row = world.report().await;
        (row.sales, row.leads, row.rejected)
    };
    world.until("the sale counts", async || row().await == (1, 0, 2)).await;
    assert_eq!(world.report().await.revenue_confirmed[&Currency::USD].to_string(), "7");
    world.stop().await;
}

#[tokio::test]
async fn a_conflict_over_a_foreign_click_names_the_word_that_nobody_knows() {
    let testbed = Testbed::new(&[]);
    let network = |slug: &str| json!({"slug": slug, "name": slug, "postback_secret": SECRET});
    let a = testbed.network(network("a")).await;
    testbed.network(network("b")).await;
    let offer = json!({"slug": "of-a", "name": "A", "url": "https://offer.example/", "network": a.id});
    let offer = testbed.create::<DestinationSpec>(offer).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    assert_eq!(said(&world, "b", click, "&tid=1&status=aproved").await, "conflict");
    let reason = &world.logged(1).await[0].reason;
    for part in
        ["sent to network a, not to b", "--foreign-clicks", "nobody knows the word", "--map sale=aproved"]
    {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_parked_postback_that_no_longer_reads_holds_up_nobody() {
    let (testbed, network, offer) = Testbed::usual(&[]).await;
    let mut template = testbed.template(&network, json!({"slug": "web", "name": "Web"})).await;
    let world = testbed.start().await;
    let click = crate::world::new_click();
    assert_eq!(said(&world, "adnet/web", click, "&tid=T1&status=lead&payout=1").await, "parked");
    for more in ["&tid=T2&status=lead&payout=2", "&tid=T2&status=sale&payout=3"] {
        assert_eq!(said(&world, "adnet", click, more).await, "parked", "{more}");
    }
    // What it said is no click any more.
    change(&world, &mut template, |t| t["params"] = json!({"click_id": "aff_sub"})).await;
    world.testbed.deliver_click(click, &offer).await;
    let of_t2 = async || world.report().await.sales == 1;
    world.until("those behind it are taken", of_t2).await;
    assert_eq!(world.parked().await, (1, 0), "it waits to be read");
    // When it can be read again it is taken too.
    change(&world, &mut template, |t| t["params"] = json!({})).await;
    world.until("it is taken", async || world.report().await.leads == 1).await;
    world.until("nothing waits", async || world.parked().await == (0, 0)).await;
    world.stop().await;
}

/// Whatever mark stands before the decimals of a network's texts: a number of JSON has a point, also when it waits for its click
/// or is taken again.
#[tokio::test]
async fn a_number_of_json_is_not_read_as_thousands() {
    let (testbed, network, offer) = Testbed::usual(&[]).await;
    testbed.template(&network, json!({ "slug": "default", "name": "D", "decimal": "comma" })).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    let url = world.url(&format!("/postback/adnet?secret={SECRET}&click_id={click}&tid=T1"));
    let answered = answer(world.client.post(url).json(&json!({ "payout": 1.234 }))).await;
    assert_eq!(answered.0, 200, "{answered:?}");
    world.until("the report shows it", async || world.report().await.sales == 1).await;
    assert_eq!(world.report().await.revenue_confirmed[&Currency::USD].to_string(), "1.234");
    let line = &world.logged(1).await[0];
    assert!(line.params.contains(&("payout".to_owned(), "1,2340".to_owned())), "{line:?}");
    world.stop().await;
}
