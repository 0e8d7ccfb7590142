//! What has passed by the time it could be told, or is not the first of its click, is not told and says so.

use super::*;

/// What is known when the delay is over is told: the amount of now, and no sale that was charged back.
#[tokio::test]
async fn what_has_passed_when_the_delay_is_over_is_not_told() {
    let target = Target::answering(&[OK]).await;
    let fields = json!({
        "postback_url": target.url("t={tid}&s={status}&p={payout}"), "postback_delay_s": 2,
        "postback_on": ["sale", "rejected"],
    });
    let (testbed, source, offer) = told(&[], fields).await;
    let (one, two) = (click(&testbed, &source, &offer).await, click(&testbed, &source, &offer).await);
    let world = testbed.start().await;
    report(&world, one, "tid=DD1&payout=10&status=sale").await;
    report(&world, one, "tid=DD1&payout=15&status=sale").await;
    report(&world, two, "tid=DD2&payout=10&status=sale").await;
    report(&world, two, "tid=DD2&payout=10&status=rejected").await;
    world.until("the queue is done with them", async || counts(&world).await == (0, 0)).await;
    let mut got: Vec<String> = target.got().into_iter().map(|g| g.line).collect();
    got.sort();
    assert_eq!(got, ["GET /pb?t=DD1&s=sale&p=15 HTTP/1.1", "GET /pb?t=DD2&s=rejected&p=10 HTTP/1.1"]);
    let lines = sent(&world, 3).await;
    let left = lines.iter().find(|l| l.result == PostbackResult::Passed).expect("a line");
    assert_eq!(left.reason, "not sent: the conversion is rejected by now");
    assert!(
        left.click_id == Some(two) && left.conversion_status.as_ref().is_some_and(|s| s.as_str() == "sale")
    );
}

/// What was given up is not told behind what came after it.
#[tokio::test]
async fn what_has_passed_is_not_told_again() {
    let target = Target::answering(&["HTTP/1.1 404 no\r\ncontent-length: 0\r\n\r\n", OK]).await;
    let fields = json!({ "postback_url": target.url("s={status}"), "postback_on": ["sale", "rejected"] });
    let (testbed, source, offer) = told(&[], fields).await;
    let click = click(&testbed, &source, &offer).await;
    let world = testbed.start().await;
    report(&world, click, "tid=T1&status=sale").await;
    let dead = sent(&world, 1).await.remove(0);
    world.until("it is given up", async || counts(&world).await == (0, 1)).await;
    report(&world, click, "tid=T1&status=rejected").await;
    sent(&world, 2).await;
    world.until("the second is told", async || counts(&world).await == (0, 1)).await;
    assert_eq!(
        world
            .testbed
            .queue
            .revive(JobKind::SourcePostback, std::slice::from_ref(&dead.job), Duration::ZERO)
            .await
            .expect("revived"),
        1
    );
    let line = sent(&world, 3).await.pop().expect("a line");
    assert_eq!((line.job, line.reason.as_str()), (dead.job, "not sent: the conversion is rejected by now"));
    world.until("the queue is done with it", async || counts(&world).await == (0, 0)).await;
    assert_eq!(target.got().len(), 2);
}

/// What is not told since another conversion of its click was the first says so in the log.
#[tokio::test]
async fn what_is_not_the_first_of_its_click_says_so() {
    let target = Target::answering(&[OK]).await;
    let fields = json!({ "postback_url": target.url("t={tid}"), "postback_first_only": true });
    let (testbed, source, mut offer) = told(&[], fields).await;
    testing::update(&*testbed.stores.config, &mut offer, |spec| spec["allow_upsell"] = json!(true)).await;
    let click = click(&testbed, &source, &offer).await;
    let world = testbed.start().await;
    report(&world, click, "tid=T1").await;
    sent(&world, 1).await;
    report(&world, click, "tid=T2").await;
    let line = sent(&world, 2).await.pop().expect("a line");
    assert!(line.reason.contains("only for the first conversion of a click"), "{line:?}");
    assert_eq!(line.result, PostbackResult::Passed);
    world.until("the queue is done with it", async || counts(&world).await == (0, 0)).await;
    assert_eq!(target.got().len(), 1);
}

/// Who is given up gives back its place: the next conversion of the click is told, and the former not behind it.
#[tokio::test]
async fn what_comes_after_a_first_that_was_given_up_is_told() {
    let target = Target::answering(&["HTTP/1.1 404 no\r\ncontent-length: 0\r\n\r\n", OK]).await;
    let fields = json!({ "postback_url": target.url("t={tid}"), "postback_first_only": true });
    let (testbed, source, mut offer) = told(&[], fields).await;
    testing::update(&*testbed.stores.config, &mut offer, |spec| spec["allow_upsell"] = json!(true)).await;
    let click = click(&testbed, &source, &offer).await;
    let world = testbed.start().await;
    report(&world, click, "tid=T1").await;
    let dead = sent(&world, 1).await.remove(0);
    world.until("it is given up", async || counts(&world).await == (0, 1)).await;
    report(&world, click, "tid=T2").await;
    let line = sent(&world, 2).await.pop().expect("a line");
    assert_eq!((line.result, target.got()[1].line.as_str()), (PostbackResult::Sent, "GET /pb?t=T2 HTTP/1.1"));
    let keys = std::slice::from_ref(&dead.job);
    assert_eq!(
        world.testbed.queue.revive(JobKind::SourcePostback, keys, Duration::ZERO).await.expect("revived"),
        1
    );
    let line = sent(&world, 3).await.pop().expect("a line");
    assert_eq!((line.result, line.job == dead.job, target.got().len()), (PostbackResult::Passed, true, 2));
}

/// What the source could not place is not sent, and says what to do; what else is empty is said of what is sent.
#[tokio::test]
async fn what_lacks_the_sources_own_id_is_not_sent_and_what_lacks_anything_else_says_so() {
    let target = Target::answering(&[OK]).await;
    let (testbed, source, offer) =
        told(&[], json!({ "postback_url": target.url("id={external_id}&c={city}&i={isp}") })).await;
    let with = click(&testbed, &source, &offer).await;
    let without = click_with(&testbed, &source, &offer, "").await;
    let world = testbed.start().await;
    report(&world, without, "tid=T1").await;
    let line = sent(&world, 1).await.remove(0);
    assert_eq!((line.result, line.attempt, line.url.as_str()), (PostbackResult::Empty, 0, ""));
    assert!(
        line.reason.contains("{external_id} is empty") && line.reason.contains("tfx source update push"),
        "{line:?}"
    );
    world.until("nothing of it is kept", async || counts(&world).await == (0, 0)).await;
    report(&world, with, "tid=T2").await;
    let line = sent(&world, 2).await.pop().expect("a line");
    assert_eq!((line.result, line.reason.as_str()), (PostbackResult::Sent, "empty: city, isp"));
    assert_eq!(target.got().len(), 1);
}
