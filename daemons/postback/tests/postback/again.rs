//! What was refused, ignored or dropped is taken again from the log, when it says something by now; and nothing of strangers is.

use crate::{
    money::change,
    world::{SECRET, TOKEN, Testbed, World, answer, new_click},
};
use serde_json::{Value, json};
use tfx_domain::{
    entity::DestinationSpec,
    event::{PostbackLogEvent, PostbackResult},
};
use tfx_ports::{page::PageRequest, queue::JobKind};

async fn ask(world: &World, path: &str, body: Value) -> (u16, Value) {
    answer(world.client.post(world.url(path)).bearer_auth(TOKEN).json(&body)).await
}

async fn again(world: &World, body: Value) -> Value {
    let (status, json) = ask(world, "/internal/postbacks/retry", body).await;
    assert_eq!(status, 200, "{json}");
    json
}

/// Why those with this in what they said stay as they are.
fn why<'j>(answer: &'j Value, logged: &[PostbackLogEvent], said: &str) -> &'j str {
    let of = |line: &&PostbackLogEvent| line.params.iter().any(|(_, value)| value == said);
    let id = logged.iter().find(of).map(|line| line.id.to_string()).expect(said);
    let lines = answer["lines"].as_array().expect("lines");
    lines.iter().find(|line| line["id"] == id.as_str()).expect(said)["why"].as_str().expect("why")
}

#[tokio::test]
async fn what_was_refused_counts_from_when_it_came_once_its_template_reads_it() {
    let (testbed, network, offer) = Testbed::usual(&[]).await;
    let spec = json!({"slug": "web", "name": "Web", "ignore": ["gut"]});
    let mut template = testbed.template(&network, spec).await;
    let paused = json!({"slug": "paused", "name": "P", "postback_secret": SECRET, "status": "paused"});
    let mut paused = testbed.network(paused).await;
    let (one, two, three) =
        (testbed.click(&offer).await, testbed.click(&offer).await, testbed.click(&offer).await);
    let world = testbed.start().await;
    for (path, status) in [
        (format!("adnet/web?secret={SECRET}&click_id={one}&tid=T1&payout=1,5"), 400),
        (format!("adnet/web?secret={SECRET}&click_id={two}&tid=T2&payout=2&status=gut"), 200),
        (format!("paused?secret={SECRET}&click_id={three}&tid=T3&payout=3"), 404),
        (format!("adnet/none?secret={SECRET}&click_id={three}&tid=T4&payout=4"), 404),
        (format!("adnet/web?secret=wrong-secret&click_id={three}&tid=T5&payout=5"), 403),
        (format!("nobody?secret={SECRET}&click_id={three}&tid=T6&payout=6"), 404),
    ] {
        assert_eq!(world.get(&format!("/postback/{path}")).await.0, status, "{path}");
    }
    // As missing, its transaction would be another sale.
    let nested = json!({"click_id": three, "tid": {"id": 7}, "payout": "7,5"});
    let url = world.url(&format!("/postback/adnet/web?secret={SECRET}&n=T7"));
    assert_eq!(answer(world.client.post(url).json(&nested)).await.0, 400);
    let first = world.logged(7).await;
    let results = json!({ "results": ["rejected", "ignored"] });
    let nothing = again(&world, results.clone()).await;
    assert_eq!((&nothing["taken"], &nothing["left"]), (&json!({}), &json!(7)), "nothing was mended yet");

    change(&world, &mut template, |t| {
        t["decimal"] = json!("comma");
        t["ignore"] = json!([]);
        t["statuses"] = json!({"sale": ["gut"]});
    })
    .await;
    change(&world, &mut paused, |n| n["status"] = json!("active")).await;
    let mut dry = results.clone();
    dry["dry_run"] = json!(true);
    let told = again(&world, dry).await;
    assert_eq!((&told["taken"], &told["left"]), (&json!({ "would_be_taken": 3 }), &json!(4)), "{told}");
    assert_eq!(world.conversions().await, 0, "a dry run changes nothing");

    let taken = again(&world, results.clone()).await;
    assert_eq!((&taken["taken"], &taken["left"]), (&json!({ "recorded": 3 }), &json!(4)), "{taken}");
    for (said, because) in [
        ("T4", "the network adnet has no template 'none'"),
        ("T5", "nobody vouches"),
        ("T6", "nobody vouches"),
        ("T7", "has not kept all"),
    ] {
        assert!(why(&taken, &first, said).contains(because), "{said}: {taken}");
    }
    let logged = world.logged(10).await;
    for said in ["T1", "T2", "T3"] {
        let of: Vec<_> = logged.iter().filter(|l| l.params.iter().any(|(_, v)| v == said)).collect();
        assert!(of.len() == 2 && of[0].at == of[1].at, "{said}: at the time it came");
    }
    let once = again(&world, results).await;
    assert_eq!((&once["taken"], &once["before"]), (&json!({}), &json!(3)), "once");
    assert_eq!(world.conversions().await, 3);
    let sums = async || world.report().await.sales == 3;
    world.until("they are in the report", sums).await;
    let (status, unknown) = ask(&world, "/internal/postbacks/retry", json!({ "ids": [new_click()] })).await;
    assert!(status == 404 && unknown.to_string().contains("no line"), "{unknown}");
    world.stop().await;
}

/// The event store may lag: what is taken again counts once all the same, however often and by however many that is asked.
#[tokio::test]
async fn what_is_taken_again_is_taken_once_before_the_log_has_it() {
    let (testbed, network, offer) = Testbed::usual(&[]).await;
    let spec = json!({"slug": "web", "name": "Web"});
    let mut template = testbed.template(&network, spec).await;
    let (one, two) = (testbed.click(&offer).await, testbed.click(&offer).await);
    let world = testbed.start().await;
    for (click, said) in [(one, "tid=T1&payout=1,5"), (two, "tid=T2&payout=2,5")] {
        let path = format!("/postback/adnet/web?secret={SECRET}&click_id={click}&{said}");
        assert_eq!(world.get(&path).await.0, 400);
    }
    world.logged(2).await;
    change(&world, &mut template, |t| t["decimal"] = json!("comma")).await;
    world.testbed.faults.sink_away.on();
    let asked = json!({ "results": ["rejected"] });
    let first = again(&world, asked.clone()).await;
    assert_eq!((&first["taken"], &first["before"]), (&json!({ "recorded": 2 }), &Value::Null), "{first}");
    for _ in 0..2 {
        let once = again(&world, asked.clone()).await;
        assert_eq!((&once["taken"], &once["before"]), (&json!({}), &json!(2)), "{once}");
    }
    world.testbed.faults.sink_away.off();
    world.logged(4).await;
    world.until("the ledger tells", async || world.accepted().await.0 >= 4).await;
    assert_eq!(world.accepted().await, (4, 4), "each line is accepted once");
    world.stop().await;
}

/// No template read what the network pays, and what it calls the sale: both are mended from the log, and later states find it.
#[tokio::test]
async fn sales_of_nothing_are_mended_from_the_log() {
    let (testbed, network, _) = Testbed::usual(&[]).await;
    let spec = json!({"slug": "free", "name": "Free", "url": "https://offer.example/?c={click_id}"});
    let free = testbed.create::<DestinationSpec>(spec).await;
    let (one, two, three) =
        (testbed.click(&free).await, testbed.click(&free).await, testbed.click(&free).await);
    let mut template = testbed.template(&network, json!({"slug": "default", "name": "D"})).await;
    let world = testbed.start().await;
    for said in [
        format!("click_id={one}&commission=5&txn=A1"),
        format!("click_id={two}&commission=6"),
        format!("click_id={three}&payout=300&tid=A3"),
    ] {
        let path = format!("/postback/adnet?secret={SECRET}&{said}");
        assert_eq!(world.get(&path).await.1["result"], "recorded", "{said}");
    }
    let first = world.logged(3).await;
    let results = json!({ "results": ["recorded", "updated"] });
    assert_eq!(again(&world, results.clone()).await["taken"], json!({}), "nothing was mended yet");
    change(&world, &mut template, |t| {
        t["params"] = json!({"payout": "commission", "transaction_id": "txn"});
        t["scale"] = json!("0.1");
    })
    .await;
    let mut dry = results.clone();
    dry["dry_run"] = json!(true);
    let told = again(&world, dry).await;
    let lines = told["lines"].as_array().expect("lines");
    let says =
        |want: Value| lines.iter().any(|l| json!([l["result"], l["status"], l["revenue"]["amount"]]) == want);
    assert!(
        lines.len() == 2
            && says(json!(["recorded", "sale", "0.5"]))
            && says(json!(["updated", "sale", "0.6"])),
        "{told}"
    );
    let taken = again(&world, results.clone()).await;
    assert_eq!(taken["taken"], json!({ "recorded": 1, "updated": 1 }), "{taken}");
    assert_eq!(world.revenues().await, ["0", "0.5", "0.6", "300"], "what it was recorded as gave way");
    let back = format!("/postback/adnet?secret={SECRET}&click_id={one}&txn=A1&status=rejected");
    assert_eq!(world.get(&back).await.1["result"], "updated", "its transaction is known");

    // What was recorded as other money is taken again by its name alone: the template may speak of what comes next.
    change(&world, &mut template, |t| t["params"] = json!({})).await;
    let paid = first.iter().find(|l| l.params.iter().any(|(_, v)| v == "300")).expect("its line");
    assert_eq!(again(&world, results).await["taken"], json!({}));
    let named = again(&world, json!({ "ids": [paid.id] })).await;
    assert_eq!(named["taken"], json!({ "updated": 1 }), "{named}");
    assert_eq!(world.revenues().await, ["0", "0.5", "0.6", "30"]);
    world.stop().await;
}

#[tokio::test]
async fn what_waited_and_was_dropped_brings_nothing_until_it_is_taken_again() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let click = new_click();
    let world = testbed.start().await;
    let path = format!("/postback/adnet?secret={SECRET}&click_id={click}&tid=T1&payout=3");
    assert_eq!(world.get(&path).await.1["result"], "parked");
    let waiting = world.testbed.queue.waiting(JobKind::ParkedPostback, "", &PageRequest::first(9)).await;
    let job = waiting.expect("the queue").items.remove(0);
    let drop = json!({ "jobs": [[job.key, job.payload], ["gone", job.payload]], "by": "ann@example.com" });
    let (status, dropped) = ask(&world, "/internal/postbacks/parked/drop", drop).await;
    assert_eq!((status, &dropped["done"], &dropped["not_now"][0]["job"]), (200, &json!(1), &json!("gone")));
    assert_eq!(world.parked().await, (0, 0));
    let logged = world.logged(2).await;
    let line = logged.iter().find(|l| l.result == PostbackResult::Rejected).expect("a line");
    assert!(line.reason.contains("ann@example.com dropped it"), "{}", line.reason);

    world.testbed.deliver_click(click, &offer).await;
    let ids = json!({ "ids": [line.id] });
    let known = async || again(&world, ids.clone()).await["taken"] == json!({ "recorded": 1 });
    world.until("it is taken from the log", known).await;
    assert_eq!(world.conversions().await, 1);
    world.stop().await;
}
