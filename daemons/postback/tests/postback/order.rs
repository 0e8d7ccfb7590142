//! Postbacks of one network about one click are taken in the order in which they came, whatever waits and however many.

use crate::world::{SECRET, Testbed, World, new_click};
use tfx_domain::{event::PostbackResult, id::ClickId};

async fn report(world: &World, click: ClickId, more: &str) -> (u16, String) {
    let (status, json) = world.get(&format!("/postback/adnet?secret={SECRET}&click_id={click}{more}")).await;
    (status, json["result"].as_str().unwrap_or_default().to_owned())
}

/// What became of them later, the first received first.
async fn later(world: &World, lines: usize) -> Vec<PostbackResult> {
    let mut logged = world.logged(lines).await;
    logged.retain(|e| e.status == 0);
    logged.sort_by_key(|e| e.at);
    logged.into_iter().map(|e| e.result).collect()
}

/// They come faster than the clock of the queue ticks: each is still a step forwards of the one before.
#[tokio::test]
async fn those_of_one_millisecond_keep_their_order() {
    let (testbed, network, offer) = Testbed::usual(&[("POSTBACK_PARK_RETRY_MS", "600000")]).await;
    let own: Vec<String> = (0..40).map(|n| format!("step{n}")).collect();
    let known = serde_json::json!({ "slug": "default", "name": "D", "statuses": { "sale": own } });
    testbed.template(&network, known).await;
    let world = testbed.start().await;
    let click = new_click();
    assert_eq!(report(&world, click, "&tid=T&status=step0&payout=1").await.1, "parked");
    for n in 1..40 {
        assert_eq!(
            report(&world, click, &format!("&tid=T&status=step{n}&payout={}", n + 1)).await.1,
            "parked"
        );
    }
    world.testbed.deliver_click(click, &offer).await;
    assert_eq!(report(&world, click, "&tid=T&status=sale&payout=99").await.1, "parked");
    world.until("all are taken", async || world.parked().await == (0, 0)).await;
    let mut want = vec![PostbackResult::Updated; 41];
    want[0] = PostbackResult::Recorded;
    assert_eq!(later(&world, 82).await, want);
    world.stop().await;
}

/// The click came after its first postback was given up: a new one is no earlier sale of it.
#[tokio::test]
async fn a_new_one_is_taken_behind_those_that_were_given_up() {
    // Looked for each second, if nobody asks; the second time by what waits for the click itself.
    for waits in [false, true] {
        let (testbed, _, offer) = Testbed::usual(&[("POSTBACK_PARK_MAX_AGE_S", "1")]).await;
        let world = testbed.start().await;
        let click = new_click();
        assert_eq!(report(&world, click, "&tid=first&payout=10").await.1, "parked");
        world.until("it is given up, and kept", async || world.parked().await == (0, 1)).await;
        if waits {
            assert_eq!(report(&world, click, "&tid=second&payout=25").await.1, "parked");
            world.testbed.deliver_click(click, &offer).await;
        } else {
            world.testbed.deliver_click(click, &offer).await;
            assert_eq!(report(&world, click, "&tid=second&payout=25").await.1, "parked");
        }
        world.until("both are taken", async || world.parked().await == (0, 0)).await;
        // Given up, then taken; the second is no second sale of the click.
        let mut became = later(&world, 5).await;
        became.sort_by_key(|result| result.as_str());
        use PostbackResult::{Duplicate, Recorded, Unmatched};
        assert_eq!(became, [Duplicate, Recorded, Unmatched]);
        world.until("it counts", async || world.report().await.sales == 1).await;
        let revenue = world.report().await.revenue_confirmed.values().next().expect("revenue").to_string();
        assert_eq!(revenue, "10", "{waits}");
        world.stop().await;
    }
}

/// What is beyond is neither dropped nor put before others: the network sends it again.
#[tokio::test]
async fn many_of_one_click_are_bounded() {
    let (testbed, ..) = Testbed::usual(&[("POSTBACK_PARK_RETRY_MS", "600000")]).await;
    let world = testbed.start().await;
    let (click, other) = (new_click(), new_click());
    for n in 0..250 {
        assert_eq!(report(&world, click, &format!("&tid={n}&status=rebill&payout=1")).await.1, "parked");
    }
    let told =
        world.get(&format!("/postback/adnet?secret={SECRET}&click_id={click}&tid=250&status=rebill")).await;
    assert_eq!(told.0, 503);
    assert!(
        told.1["detail"].as_str().is_some_and(|d| d.contains("250 postbacks of its click wait")),
        "{told:?}"
    );
    assert_eq!(report(&world, other, "").await.1, "parked", "of another click");
    assert_eq!(world.parked().await, (251, 0));
    assert_eq!(world.logged(252).await.iter().filter(|e| e.status == 503).count(), 1, "it is told");
    world.stop().await;
}
