//! What the service cannot read of its configuration, damaged or of a newer program: it is there, so what needs it is not
//! answered as if it were unknown, and nothing is recorded without it.

use crate::world::{SECRET, Testbed, World, new_click};
use serde_json::json;
use tfx_domain::event::PostbackResult;
use tfx_service::testing::{self, save_as_newer};

/// Answers and recorded revenue of four postbacks: by the network's slug and id, by a template, of a click of the offer.
#[tokio::test]
async fn what_needs_what_cannot_be_read_is_503_and_is_taken_as_soon_as_it_can() {
    let (testbed, mut network, mut offer) = Testbed::usual(&[]).await;
    testing::update(&*testbed.stores.config, &mut network, |n| n["aliases"] = json!(["former"])).await;
    let mut own =
        testbed.template(&network, json!({"slug": "own", "name": "Own", "statuses": {"lead": ["x"]}})).await;
    let mut default = testbed
        .template(&network, json!({"slug": "default", "name": "D", "params": {"payout": "price"}}))
        .await;
    let (click, free) = (testbed.click(&offer).await, new_click());
    let id = network.id.clone();
    let world = testbed.start().await;
    let ask = async |path: &str| {
        let (status, json) = world.get(&format!("/postback/{path}")).await;
        (status, json["result"].as_str().unwrap_or_default().to_owned(), json)
    };
    let s = SECRET;
    let of =
        |network: &str, tid: &str| format!("{network}?secret={s}&click_id={click}&tid={tid}&status=rebill");
    let config = &world.testbed.stores.config;

    save_as_newer(&**config, &mut network).await;
    world.until("it is told", async || told(&world).await.contains(id.as_str())).await;
    for reference in ["adnet", "ADNET", "former", id.as_str()] {
        let (status, _, json) = ask(&of(reference, "A")).await;
        assert_eq!((status, &json["code"]), (503, &json!("unavailable")), "{reference}: {json}");
        assert!(json["detail"].as_str().is_some_and(|d| d.contains("network")), "{json}");
    }
    // Also with a secret that nobody can check; and what is not there is still unknown.
    assert_eq!(ask("adnet?secret=wrong").await.0, 503);
    assert_eq!(ask(&of("nobody", "A")).await.0, 404);
    testing::update(&**config, &mut network, |_| {}).await;
    world.until("it can be read", async || !told(&world).await.contains(id.as_str())).await;
    assert_eq!(ask(&of("adnet", "A")).await.1, "recorded");

    save_as_newer(&**config, &mut own).await;
    world.until("it is told", async || told(&world).await.contains(own.id.as_str())).await;
    assert_eq!(ask(&of("adnet/own", "B")).await.0, 503);
    assert_eq!(ask(&of(&format!("adnet/{}", own.id), "B")).await.0, 503);
    assert_eq!(ask(&of("adnet", "C")).await.1, "recorded", "another needs it not");
    save_as_newer(&**config, &mut default).await;
    world.until("it is told", async || told(&world).await.contains(default.id.as_str())).await;
    assert_eq!(ask(&of("adnet", "D")).await.0, 503);
    assert_eq!(ask(&of("adnet/none", "D")).await.0, 404);
    testing::update(&**config, &mut default, |d| d["status"] = json!("paused")).await;
    save_as_newer(&**config, &mut default).await;
    testing::update(&**config, &mut own, |_| {}).await;
    world.until("one can be read", async || !told(&world).await.contains(own.id.as_str())).await;
    assert_eq!(ask(&of("adnet", "D")).await.1, "recorded", "one that is paused serves nobody");

    save_as_newer(&**config, &mut offer).await;
    world.until("it is told", async || told(&world).await.contains(offer.id.as_str())).await;
    assert_eq!(ask(&of("adnet", "E")).await.0, 503);
    assert_eq!(ask(&format!("adnet?secret={s}&click_id={free}&tid=F")).await.1, "parked");
    testing::update(&**config, &mut offer, |_| {}).await;
    world.until("it can be read", async || !told(&world).await.contains(offer.id.as_str())).await;
    assert_eq!(ask(&of("adnet", "E")).await.1, "recorded");
    // 7 each, what the offer pays: A, C, D, E.
    world.until("all is in the report", async || revenue(&world.report().await) == "28").await;
    world.stop().await;
}

/// What `/readyz` says.
async fn told(world: &World) -> String {
    let answer = world.client.get(world.url("/readyz")).send().await.expect("an answer");
    answer.text().await.expect("text")
}

fn revenue(row: &tfx_domain::report::RawRow) -> String {
    row.revenue_confirmed.values().copied().sum::<tfx_domain::money::Total>().to_string()
}

/// However long it takes: neither given up nor recorded without what the offer pays, and in their order.
#[tokio::test]
async fn parked_ones_wait_for_what_cannot_be_read() {
    let (testbed, mut network, mut offer) = Testbed::usual(&[("POSTBACK_PARK_MAX_AGE_S", "1")]).await;
    let mut default = testbed.template(&network, json!({"slug": "default", "name": "D"})).await;
    let world = testbed.start().await;
    let config = &world.testbed.stores.config;
    for n in 0..3 {
        let click = new_click();
        let (_, json) =
            world.get(&format!("/postback/adnet?secret={SECRET}&click_id={click}&tid={click}")).await;
        assert_eq!(json["result"], "parked");
        match n {
            0 => save_as_newer(&**config, &mut network).await,
            1 => save_as_newer(&**config, &mut default).await,
            _ => save_as_newer(&**config, &mut offer).await,
        }
        world.until("it is told", async || told(&world).await.contains("cannot read")).await;
        world.testbed.deliver_click(click, &offer).await;
        // Past the age at which what waits for a click is given up.
        let tries = || world.testbed.faults.put_off.load(std::sync::atomic::Ordering::Relaxed);
        let (before, since) = (tries(), std::time::Instant::now());
        world
            .until("it was tried", async || tries() > before + 5 && since.elapsed().as_millis() > 1200)
            .await;
        assert_eq!(world.conversions().await, n);
        match n {
            0 => testing::update(&**config, &mut network, |_| {}).await,
            1 => testing::update(&**config, &mut default, |_| {}).await,
            _ => testing::update(&**config, &mut offer, |_| {}).await,
        }
        world.until("it is recorded", async || world.conversions().await == n + 1).await;
    }
    let later = world.logged(6).await;
    let later: Vec<_> = later.iter().filter(|e| e.status == 0).map(|e| e.result).collect();
    assert_eq!(later, [PostbackResult::Recorded; 3]);
    world.until("all is in the report", async || revenue(&world.report().await) == "21").await;
    world.stop().await;
}
