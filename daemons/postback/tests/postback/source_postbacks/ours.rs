//! What is no fault of a source costs it nothing: the time in which nobody ran, an answer that is left open.

use super::*;

/// Nobody told anything for four days. What waited is told all the same, and tried as often as what is new, though its
/// server is busy when this service is back.
#[tokio::test]
async fn the_time_in_which_nobody_ran_gives_nothing_up() {
    const BUSY: &str = "HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n";
    let target = Target::answering(&[BUSY, BUSY, BUSY, BUSY, BUSY, BUSY, BUSY, OK]).await;
    let settings = [("OUTBOUND_CIRCUIT_PAUSE_MS", "100"), ("OUTBOUND_MAX_ATTEMPTS", "12")];
    let (testbed, source, _) = told(&settings, json!({ "postback_url": target.url("t={tid}") })).await;
    for n in 0..40 {
        enqueue(&testbed, &source, &format!("N{n}"), Duration::from_secs(4 * 86_400)).await;
    }
    let world = testbed.start().await;
    world.until("all are told", async || counts(&world).await == (0, 0)).await;
    let told: std::collections::BTreeSet<String> =
        target.got().into_iter().map(|got| got.headers["webhook-id"].clone()).collect();
    assert_eq!(told.len(), 40, "each once at least, none given up");
    world.stop().await;
}

/// The status is known: who leaves an answer open holds up others for a second, and the log says so.
#[tokio::test]
async fn an_answer_that_is_left_open_is_told() {
    let target = Target::answering(&["HTTP/1.1 200 OK\r\n\r\nhalf of"]).await;
    let settings = [("OUTBOUND_TIMEOUT_MS", "20000")];
    let (testbed, source, _) = told(&settings, json!({ "postback_url": target.url("t={tid}") })).await;
    let world = testbed.start().await;
    enqueue(&world.testbed, &source, "T", Duration::ZERO).await;
    let line = sent(&world, 1).await.remove(0);
    assert_eq!((line.result, line.answer.as_str()), (PostbackResult::Sent, "half of"));
    assert_eq!(line.reason, "its answer was left open, which holds up what it is told next");
    world.stop().await;
}

/// What is cut off in the middle of a secret ends before it.
#[tokio::test]
async fn an_answer_that_ends_in_a_secret_ends_before_it() {
    const KEY: &str = "AbCd1234EfGh5678IjKl";
    let body = format!("{}{KEY}", "x".repeat(1_006));
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let target = Target::answering(&[answer.leak()]).await;
    let (testbed, source, _) = told(&[], json!({ "postback_url": target.url(&format!("key={KEY}")) })).await;
    let world = testbed.start().await;
    enqueue(&world.testbed, &source, "T", Duration::ZERO).await;
    let line = sent(&world, 1).await.remove(0);
    assert_eq!(line.answer, format!("{}***", "x".repeat(1_006)));
    world.stop().await;
}
