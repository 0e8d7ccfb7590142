//! Nothing is lost and nothing counts twice: races, parked postbacks, stores that go away, deaths in between.

use crate::world::{SECRET, TOKEN, Testbed, World, answer, new_click};
use serde_json::{Value, json};
use std::time::Duration;
use tfx_domain::{
    entity::{DestinationSpec, Entity, NetworkSpec},
    event::{ClickDims, PostbackResult},
    id::{ClickId, ConversionId},
    money::{Currency, Money},
    postback::{Incoming, TransactionScope},
};
use tfx_ports::{
    clock, entropy,
    queue::{JobKind, NewJob},
};
use tokio::task::JoinSet;

/// How many states wait to be published.
async fn unpublished(testbed: &Testbed) -> usize {
    let page = tfx_ports::page::PageRequest::first(1000);
    testbed.faults.conversions.unpublished(&page).await.expect("list").items.len()
}

fn results(logged: &[tfx_domain::event::PostbackLogEvent], result: PostbackResult) -> usize {
    logged.iter().filter(|e| e.result == result).count()
}

async fn sale(world: &World, click: ClickId, more: &str) -> (u16, Value) {
    world.get(&format!("/postback/adnet?secret={SECRET}&click_id={click}{more}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_identical_postbacks_at_once_are_one_conversion() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    let url = world.url(&format!("/postback/adnet?secret={SECRET}&click_id={click}&tid=T&payout=3"));
    let mut running = JoinSet::new();
    for _ in 0..200 {
        let request = world.client.get(&url);
        running.spawn(answer(request));
    }
    let mut ids = Vec::new();
    let mut recorded = 0;
    while let Some(done) = running.join_next().await {
        let (status, json) = done.expect("no panic");
        assert_eq!(status, 200, "{json}");
        recorded += usize::from(json["result"] == "recorded");
        ids.push(json["conversion_id"].as_str().expect("id").to_owned());
    }
    ids.dedup();
    assert_eq!((recorded, ids.len()), (1, 1));
    assert_eq!(world.conversions().await, 1);
    let logged = world.logged(200).await;
    assert_eq!(
        (results(&logged, PostbackResult::Recorded), results(&logged, PostbackResult::Duplicate)),
        (1, 199)
    );
    let row = world.report().await;
    assert_eq!((row.sales, row.revenue_confirmed[&Currency::USD].to_string()), (1, "3".to_owned()));
    world.stop().await;
}

#[tokio::test]
async fn a_conversion_moves_through_its_states_and_the_report_counts_the_last() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    let steps = [
        ("&status=lead", "recorded", (1, 0, 0)),
        ("&status=sale&payout=9.99", "updated", (0, 1, 0)),
        ("&status=sale&payout=9.99", "duplicate", (0, 1, 0)),
        ("&status=lead", "stale", (0, 1, 0)),
        ("&status=rejected", "updated", (0, 0, 1)),
        ("&status=sale", "stale", (0, 0, 1)),
    ];
    for (more, result, want) in steps {
        let (status, json) = sale(&world, click, more).await;
        assert_eq!((status, &json["result"]), (200, &json!(result)), "{more}");
        world
            .until(&format!("the report shows {want:?} after {more}"), async || {
                let row = world.report().await;
                (row.leads, row.sales, row.rejected) == want
            })
            .await;
    }
    assert_eq!(world.conversions().await, 1);
    world.stop().await;
}

#[tokio::test]
async fn a_parked_postback_is_recorded_once_when_its_click_arrives() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let world = testbed.start().await;
    let click = new_click();
    for _ in 0..3 {
        let (status, json) = sale(&world, click, "&payout=4").await;
        assert_eq!((status, &json["result"]), (200, &json!("parked")));
    }
    // Across a restart.
    let world = world.stop().await.start().await;
    assert_eq!(parked(&world).await, 1);
    world.testbed.deliver_click(click, &offer).await;
    let logged = world.logged(4).await;
    assert_eq!(
        (results(&logged, PostbackResult::Parked), results(&logged, PostbackResult::Recorded)),
        (3, 1)
    );
    let later = logged.iter().find(|e| e.result == PostbackResult::Recorded).expect("later");
    assert_eq!((later.status, later.click_id, later.network.as_str()), (0, Some(click), "adnet"));
    world.until("it is taken off", async || parked(&world).await == 0).await;
    world.until("the report shows it", async || world.report().await.sales == 1).await;
    let (_, json) = sale(&world, click, "&payout=4").await;
    assert_eq!(json["result"], "duplicate");
    world.stop().await;
}

/// What a network says of one click counts in the order in which it said it, however long the first waits.
#[tokio::test]
async fn reports_of_a_click_are_taken_in_the_order_in_which_they_came() {
    // Nobody would look for the click again within the test.
    let (testbed, _, offer) = Testbed::usual(&[("POSTBACK_PARK_RETRY_MS", "600000")]).await;
    let world = testbed.start().await;
    let click = new_click();
    let first = "&tid=T&status=registered&payout=1";
    assert_eq!(sale(&world, click, first).await.1["result"], "parked");
    world.testbed.deliver_click(click, &offer).await;
    for behind in ["&tid=T&status=deposit&payout=50", "&tid=T&status=rejected", "&tid=U&status=sale"] {
        assert_eq!(sale(&world, click, behind).await.1["result"], "parked", "{behind}");
    }
    world.until("all are taken", async || parked(&world).await == 0).await;
    let logged = world.logged(8).await;
    let mut later: Vec<_> = logged.iter().filter(|e| e.status == 0).collect();
    later.sort_by_key(|e| e.at);
    let results: Vec<_> = later.iter().map(|e| e.result.as_str()).collect();
    assert_eq!(results, ["recorded", "updated", "updated", "recorded"], "{logged:#?}");
    // Nothing waits any more: the next is taken at once.
    assert_eq!(sale(&world, click, "&tid=U&status=sale").await.1["result"], "duplicate");
    assert_eq!(sale(&world, click, first).await.1["result"], "stale");
    world.stop().await;
}

/// A clock that was ahead, here or at another instance, does not make stale what comes after it was set right.
#[tokio::test]
async fn what_comes_now_is_the_newest_whatever_the_clock_was() {
    let (testbed, network, offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    let ahead = Incoming {
        key: "tx:T".to_owned(),
        transaction_id: Some("T".to_owned()),
        at: clock::now() + Duration::from_secs(3600),
        ..incoming(&network, &offer, click)
    };
    world.testbed.faults.conversions.record(&[ahead]).await.expect("recorded");
    for (report, result) in [
        ("&tid=T&status=sale&payout=4", "updated"),
        ("&tid=T&status=rejected", "updated"),
        ("&tid=T&status=rejected", "duplicate"),
        ("&tid=T&status=sale&payout=4", "stale"),
    ] {
        assert_eq!(sale(&world, click, report).await.1["result"], result, "{report}");
    }
    world.stop().await;
}

async fn parked(world: &World) -> u64 {
    world.parked().await.0
}

#[tokio::test]
async fn a_parked_postback_that_cannot_be_taken_off_still_counts_once() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    testbed.faults.done_fails.on();
    let world = testbed.start().await;
    let click = new_click();
    sale(&world, click, "").await;
    world.testbed.deliver_click(click, &offer).await;
    world.logged(2).await;
    // It comes up again and again, as it would after a death before it was taken off.
    let stats = |json: Value| json["write_calls_total"].as_u64().expect("count");
    let calls = async || {
        let request =
            world.client.get(world.url("/internal/event-producer/stats")).bearer_auth(crate::world::TOKEN);
        stats(answer(request).await.1)
    };
    let before = calls().await;
    world.until("it was tried three times more", async || calls().await >= before + 3).await;
    world.testbed.faults.done_fails.off();
    world.until("it is taken off", async || parked(&world).await == 0).await;
    let logged = world.logged(2).await;
    assert_eq!(results(&logged, PostbackResult::Recorded), 1, "{logged:#?}");
    assert_eq!((world.conversions().await, world.report().await.sales), (1, 1));
    world.stop().await;
}

#[tokio::test]
async fn a_click_that_never_comes_ends_unmatched() {
    let (testbed, ..) = Testbed::usual(&[("POSTBACK_PARK_MAX_AGE_S", "1")]).await;
    let world = testbed.start().await;
    let click = new_click();
    assert_eq!(sale(&world, click, "").await.1["result"], "parked");
    let logged = world.logged(2).await;
    let last = logged.iter().find(|e| e.result == PostbackResult::Unmatched).expect("unmatched");
    assert_eq!((last.status, last.click_id), (0, Some(click)));
    world.until("it is taken off", async || parked(&world).await == 0).await;
    assert_eq!(world.conversions().await, 0);
    world.stop().await;
}

/// Its click was in the journal of another machine, whose later clicks came before.
#[tokio::test]
async fn a_sale_that_was_given_up_is_taken_when_its_click_does_come() {
    let (testbed, _, offer) = Testbed::usual(&[("POSTBACK_PARK_MAX_AGE_S", "1")]).await;
    let world = testbed.start().await;
    let (click, never) = (new_click(), new_click());
    for (click, more) in [(click, "&status=lead&payout=1"), (click, "&payout=4"), (never, "")] {
        assert_eq!(sale(&world, click, more).await.1["result"], "parked");
    }
    world.until("they are given up, and kept", async || world.parked().await == (0, 3)).await;
    let (_, ready) = world.get("/readyz").await;
    assert!(ready.to_string().contains("3 unmatched kept"), "{ready}");
    // Also over a restart.
    let world = world.stop().await.start().await;
    world.testbed.deliver_click(click, &offer).await;
    world.until("the report shows it", async || world.report().await.sales == 1).await;
    world.until("the other is kept", async || world.parked().await == (0, 1)).await;
    let logged = world.logged(8).await;
    let count = |result| results(&logged, result);
    use PostbackResult::{Parked, Recorded, Unmatched, Updated};
    assert_eq!([Parked, Unmatched, Recorded, Updated].map(count), [3, 3, 1, 1], "{logged:#?}");
    assert_eq!(world.report().await.revenue_confirmed[&Currency::USD].to_string(), "4");
    // Whoever asks for it again gets nothing more.
    let again = world.client.post(world.url("/internal/postbacks/retry")).bearer_auth(TOKEN);
    let (status, told) = answer(again.json(&json!({ "results": ["unmatched"] }))).await;
    assert_eq!((status, &told["taken"]), (200, &json!({})), "{told}");
    world.stop().await;
}

#[tokio::test]
async fn while_the_sink_is_away_no_sale_is_given_up() {
    let (testbed, _, offer) = Testbed::usual(&[("POSTBACK_PARK_MAX_AGE_S", "1")]).await;
    testbed.faults.sink_away.on();
    let world = testbed.start().await;
    let click = new_click();
    assert_eq!(sale(&world, click, "").await.1["result"], "parked");
    // Tried again after its time, while its click waits in a journal.
    let end = std::time::Instant::now() + Duration::from_millis(1100);
    let tries = || world.testbed.faults.put_off.load(std::sync::atomic::Ordering::Relaxed);
    world.until("its time is over", async || std::time::Instant::now() > end).await;
    let before = tries();
    let tried_late = async || tries() > before;
    world.until("it was tried after its time", tried_late).await;
    world.testbed.faults.sink_away.off();
    world.testbed.deliver_click(click, &offer).await;
    world.until("the report shows it", async || world.report().await.sales == 1).await;
    let logged = world.logged(2).await;
    assert_eq!(results(&logged, PostbackResult::Recorded), 1, "{logged:#?}");
    world.stop().await;
}

#[tokio::test]
async fn later_clicks_tell_that_one_does_not_come() {
    let (testbed, network, offer) = Testbed::usual(&[("POSTBACK_PARK_MAX_AGE_S", "3600")]).await;
    let world = testbed.start().await;
    let ago = |s| clock::now() - Duration::from_secs(s);
    let lost = ClickId::generate(ago(7200), entropy::random_u128());
    // As it stands two hours later, with clicks and without.
    let payload = json!({
        "id": ClickId::generate(ago(7100), 1), "network": network.id, "template": "", "click_id": lost,
        "params": [["click_id", lost]], "received_at": ago(7100),
    });
    let (key, group) = ("lost".to_owned(), None);
    let job =
        NewJob { kind: JobKind::ParkedPostback, key, group, came: ago(7100), payload: payload.to_string() };
    world.testbed.queue.enqueue(&job, Duration::ZERO).await.expect("parked");
    let tried = async || world.testbed.faults.put_off.load(std::sync::atomic::Ordering::Relaxed) > 0;
    world.until("it was tried", tried).await;
    assert_eq!(world.parked().await, (1, 0), "it waits on");
    world.testbed.click(&offer).await;
    world.until("it is given up", async || world.parked().await == (0, 1)).await;
    let logged = world.logged(1).await;
    assert_eq!(results(&logged, PostbackResult::Unmatched), 1, "{logged:#?}");
    world.stop().await;
}

#[tokio::test]
async fn under_reject_an_unknown_click_is_404() {
    let (testbed, ..) = Testbed::usual(&[("CLICK_LOOKUP_FAILURE_POLICY", "reject")]).await;
    let world = testbed.start().await;
    let (status, json) = sale(&world, new_click(), "").await;
    assert_eq!((status, &json["code"]), (404, &json!("not_found")), "{json}");
    assert_eq!(world.logged(1).await[0].result, PostbackResult::Rejected);
    assert_eq!(parked(&world).await, 0);
    // Nobody has looked, so nobody may say that there is none.
    world.testbed.faults.analytics_away.on();
    assert_eq!(sale(&world, new_click(), "").await.0, 503);
    world.stop().await;
}

#[tokio::test]
async fn what_is_not_durable_is_503_and_never_200() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    for (fault, click) in
        [(&world.testbed.faults.record_fails, click), (&world.testbed.faults.enqueue_fails, new_click())]
    {
        fault.on();
        let (status, json) = sale(&world, click, "").await;
        assert_eq!((status, &json["code"]), (503, &json!("unavailable")), "{json}");
        fault.off();
        let (status, _) = sale(&world, click, "").await;
        assert_eq!(status, 200);
    }
    let logged = world.logged(4).await;
    assert_eq!(
        (results(&logged, PostbackResult::Rejected), results(&logged, PostbackResult::Recorded)),
        (2, 1)
    );
    world.stop().await;
}

#[tokio::test]
async fn while_analytics_is_away_postbacks_wait_and_then_count() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    testbed.faults.analytics_away.on();
    let world = testbed.start().await;
    let (status, json) = sale(&world, click, "").await;
    assert_eq!((status, &json["result"]), (200, &json!("parked")));
    let (status, json) = world.get("/readyz").await;
    assert_eq!((status, &json["status"]), (200, &json!("degraded")), "{json}");
    world.testbed.faults.analytics_away.off();
    world.until("the report shows it", async || world.report().await.sales == 1).await;
    world.stop().await;
}

#[tokio::test]
async fn while_the_configuration_store_is_away_the_last_one_holds() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    assert_eq!(world.get("/healthz").await.0, 200, "it serves, so the configuration was read");
    world.testbed.faults.config_away.on();
    world.until("it is noticed", async || world.get("/readyz").await.1["status"] == "degraded").await;
    assert_eq!(sale(&world, click, "").await.0, 200);
    world.testbed.network(json!({"slug": "late", "name": "Late", "postback_secret": SECRET})).await;
    world.testbed.faults.config_away.off();
    let path = format!("/postback/late?secret={SECRET}&click_id={click}&tid=x");
    world.until("the new network is known", async || world.get(&path).await.0 == 200).await;
    world.stop().await;
}

#[tokio::test]
async fn without_any_configuration_it_is_not_ready_and_answers_503() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    testbed.faults.config_away.on();
    let world = testbed.start().await;
    let response = world.client.get(world.url("/readyz")).send().await.expect("answer");
    assert_eq!(response.status(), 503);
    assert_eq!(sale(&world, click, "").await.0, 503);
    world.testbed.faults.config_away.off();
    world.until("it is ready", async || sale(&world, click, "").await.0 == 200).await;
    world.stop().await;
}

#[tokio::test]
async fn what_was_recorded_but_not_published_is_published_at_the_start() {
    let (testbed, network, offer) = Testbed::usual(&[]).await;
    // As a process leaves it that dies right after recording.
    let click = testbed.click(&offer).await;
    testbed.faults.conversions.record(&[incoming(&network, &offer, click)]).await.expect("recorded");
    let world = testbed.start().await;
    world.until("the report shows it", async || world.report().await.sales == 1).await;
    world.until("it is marked", async || unpublished(&world.testbed).await == 0).await;
    assert_eq!(sale(&world, click, "").await.1["result"], "duplicate");
    world.stop().await;
}

#[tokio::test]
async fn a_machine_that_never_comes_back_leaves_no_money_behind() {
    let (testbed, _, offer) = Testbed::usual(&[("SHUTDOWN_GRACE_MS", "200")]).await;
    let click = testbed.click(&offer).await;
    testbed.faults.sink_away.on();
    let world = testbed.start().await;
    assert_eq!(sale(&world, click, "").await.1["result"], "recorded");
    assert_eq!(unpublished(&world.testbed).await, 1, "only this machine's journal has it");
    let testbed = world.stop().await;
    testbed.lose_journal();
    testbed.faults.sink_away.off();
    let world = testbed.start().await;
    world.until("the report shows it", async || world.report().await.sales == 1).await;
    world.until("it is marked", async || unpublished(&world.testbed).await == 0).await;
    world.stop().await;
}

#[tokio::test]
async fn states_that_the_sink_refuses_for_good_do_not_hide_those_behind_them() {
    let (testbed, network, offer) = Testbed::usual(&[]).await;
    testbed.faults.sink_refuses.send_replace("as nobody reads it");
    let click = testbed.click(&offer).await;
    let rebill = |n: usize, word: &str| Incoming {
        key: format!("tx:{n}"),
        transaction_id: Some(n.to_string()),
        status: "rebill".parse().expect("status"),
        raw_status: Some(word.to_owned()),
        ..incoming(&network, &offer, click)
    };
    let refused: Vec<_> = (0..2_100).map(|n| rebill(n, "as nobody reads it")).collect();
    testbed.faults.conversions.record(&refused).await.expect("recorded");
    testbed.faults.conversions.record(&[rebill(9_999, "well")]).await.expect("recorded");
    let world = testbed.start().await;
    world.until("what is behind them is published", async || world.report().await.rebills == 1).await;
    let told = async || {
        let (_, metrics) = answer(world.client.get(world.url("/metrics")).bearer_auth(TOKEN)).await;
        metrics.as_str().expect("text").contains("tfx_conversions_refused 2100")
    };
    world.until("they are told", told).await;
    world.stop().await;
}

#[tokio::test]
async fn a_state_is_published_when_the_sink_has_it() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    testbed.faults.sink_away.on();
    let world = testbed.start().await;
    assert_eq!(sale(&world, click, "").await.1["result"], "recorded");
    assert_eq!(unpublished(&world.testbed).await, 1);
    world.testbed.faults.sink_away.off();
    world.until("it is marked", async || unpublished(&world.testbed).await == 0).await;
    assert_eq!(world.report().await.sales, 1);
    world.stop().await;
}

#[tokio::test]
async fn a_state_that_could_not_be_marked_is_published_again_and_counts_once() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    testbed.faults.mark_fails.on();
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    assert_eq!(sale(&world, click, "").await.1["result"], "recorded");
    let testbed = world.stop().await;
    assert_eq!(unpublished(&testbed).await, 1);
    testbed.faults.mark_fails.off();
    let world = testbed.start().await;
    world.until("it is marked", async || unpublished(&world.testbed).await == 0).await;
    let row = world.report().await;
    assert_eq!((row.sales, row.revenue_confirmed[&Currency::USD].to_string()), (1, "7".to_owned()));
    world.stop().await;
}

#[tokio::test]
async fn a_network_that_hangs_up_leaves_nothing_half_done() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    use tokio::io::AsyncWriteExt as _;
    for i in 0..20 {
        let mut stream = tokio::net::TcpStream::connect(world.addr).await.expect("connect");
        let request = format!(
            "GET /postback/adnet?secret={SECRET}&click_id={click}&tid={i}&status=rebill HTTP/1.1\r\nHost: x\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("write");
        tokio::time::sleep(Duration::from_micros(200 * i)).await;
        drop(stream);
    }
    // Each was either never begun, or is recorded, published and logged.
    let testbed = world.stop().await;
    let world = testbed.start().await;
    let recorded = world.conversions().await as u64;
    world.until("all that is recorded is reported", async || world.report().await.rebills == recorded).await;
    world.stop().await;
}

fn incoming(network: &Entity<NetworkSpec>, offer: &Entity<DestinationSpec>, click: ClickId) -> Incoming {
    let now = clock::now();
    Incoming {
        new_id: ConversionId::generate(now, entropy::random_u128()),
        network: network.id.clone(),
        scope: TransactionScope::Network,
        key: format!("click:{click}:main"),
        transaction_id: None,
        click_id: click,
        status: "sale".parse().expect("status"),
        raw_status: None,
        unmapped: false,
        revenue: Money { amount: "7".parse().expect("amount"), currency: Currency::USD },
        revenue_given: false,
        allow_upsell: false,
        at: now,
        click: ClickDims { destination_id: Some(offer.id.clone()), ..ClickDims::default() },
        cost_terms: tfx_domain::entity::Due::default(),
        tell: None,
        signed: None,
        waited: false,
        replaces: None,
    }
}
