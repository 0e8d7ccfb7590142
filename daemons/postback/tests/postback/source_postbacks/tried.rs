//! What a source would be told can be tried.

use super::*;
use tfx_ports::queue::Hurried;

#[tokio::test]
async fn a_source_can_be_tried() {
    let target = Target::answering(&[OK]).await;
    let fields = json!({
        "postback_url": target.url("e={external_id}&s={status}&token=canary"), "postback_on": ["lead"],
        "postback_signing_key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    });
    let (testbed, source, offer) = told(&[], fields).await;
    let click = click(&testbed, &source, &offer).await;
    let world = testbed.start().await;
    let path = format!("/internal/sources/{}/test", source.id);
    let ask = async |body: Value| operator(&world, reqwest::Method::POST, &path, Some(body)).await;
    let (status, dry) = ask(json!({ "click": click })).await;
    assert_eq!(
        (status, &dry["status"], &dry["asked"], &dry["click_found"]),
        (200, &json!("lead"), &json!(true), &json!(true))
    );
    assert!(dry["url"].as_str().expect("a url").contains("e=ext%2F1&s=lead&token=canary"), "{dry}");
    assert!(target.got().is_empty() && dry.get("sent").is_none());
    // For who may see no secrets.
    let masked = format!("{path}?masked=true");
    let body = Some(json!({ "click": click }));
    let (_, shown) = operator(&world, reqwest::Method::POST, &masked, body).await;
    let url = shown["url"].as_str().expect("a url");
    assert!(url.contains("e=ext%2F1&s=lead") && !shown.to_string().contains("canary"), "{shown}");
    assert!(dry["headers"].to_string().contains("v1,***"), "{dry}");
    let (_, really) = ask(json!({ "status": "sale", "send": true })).await;
    assert_eq!(
        (&really["asked"], &really["sent"]["result"], &really["sent"]["status"]),
        (&json!(false), &json!("sent"), &json!(200))
    );
    let line = sent(&world, 1).await.remove(0);
    assert!(line.test && line.job.is_empty() && !line.url.contains("canary"), "{line:?}");
    let (status, _) = operator(
        &world,
        reqwest::Method::POST,
        "/internal/sources/src_0000000000000000000/test",
        Some(json!({})),
    )
    .await;
    assert_eq!(status, 404);
}

/// A server that is left alone and takes what somebody tries is told again from then on; one that does not stays alone, and
/// both are said.
#[tokio::test]
async fn a_good_try_ends_that_a_server_is_left_alone() {
    let no = "HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n";
    let target = Target::answering(&[no, no, OK]).await;
    let settings = [("OUTBOUND_CIRCUIT_FAILURES", "1"), ("OUTBOUND_CIRCUIT_PAUSE_MS", "600000")];
    let (testbed, source, offer) = told(&settings, json!({ "postback_url": target.url("t={tid}") })).await;
    let (one, two) = (click(&testbed, &source, &offer).await, click(&testbed, &source, &offer).await);
    let world = testbed.start().await;
    report(&world, one, "tid=T1").await;
    world.until("it is left alone", async || metric(&world, "tfx_source_circuits_open").await == 1.0).await;
    let path = format!("/internal/sources/{}/test", source.id);
    let send = async || operator(&world, reqwest::Method::POST, &path, Some(json!({ "send": true }))).await.1;
    let failed = send().await;
    let warning = failed["warnings"][0].as_str().expect("a warning").to_owned();
    assert!(warning.contains("is left alone until") && warning.contains("503"), "{failed}");
    let taken = send().await;
    let warning = taken["warnings"][0].as_str().expect("a warning").to_owned();
    assert!(warning.contains("answers again"), "{taken}");
    assert_eq!(metric(&world, "tfx_source_circuits_open").await, 0.0);
    report(&world, two, "tid=T2").await;
    world.until("what comes is sent", async || target.got().iter().any(|g| g.line.contains("t=T2"))).await;
    assert!(send().await.get("warnings").is_none(), "there is nothing to be said");
}

/// What waits for its next try is sent when somebody asks for it: once, as the next of its attempts.
#[tokio::test]
async fn what_waits_for_its_next_try_can_be_hurried() {
    let no = "HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n";
    let target = Target::answering(&[no, OK]).await;
    let settings = [("OUTBOUND_RETRY_BACKOFF_MS", "3600000")];
    let (testbed, source, offer) = told(&settings, json!({ "postback_url": target.url("t={tid}") })).await;
    let click = click(&testbed, &source, &offer).await;
    let world = testbed.start().await;
    report(&world, click, "tid=T1").await;
    let first = sent(&world, 1).await.remove(0);
    world
        .until("it waits", async || {
            world.testbed.queue.hurry(JobKind::SourcePostback, &first.job).await.expect("asked")
                != Hurried::Held
        })
        .await;
    let lines = sent(&world, 2).await;
    assert_eq!((lines[1].result, lines[1].attempt), (PostbackResult::Sent, 2));
    world.until("the queue is done with it", async || counts(&world).await == (0, 0)).await;
    assert_eq!(target.got().len(), 2);
}

/// The log tells what was sent, not what was filled in.
#[tokio::test]
async fn a_line_tells_the_url_as_it_was_sent() {
    let target = Target::answering(&[OK]).await;
    let fields = json!({ "postback_url": format!("http://{}/a/../pb?t={{tid}}&q=|é#behind", target.at) });
    let (testbed, source, offer) = told(&[], fields).await;
    let click = click(&testbed, &source, &offer).await;
    let world = testbed.start().await;
    report(&world, click, "tid=T1").await;
    let line = sent(&world, 1).await.remove(0);
    let asked = target.got().remove(0).line;
    let asked = asked.strip_prefix("GET ").and_then(|rest| rest.strip_suffix(" HTTP/1.1")).expect("a GET");
    assert_eq!(line.url, format!("http://{}{asked}", target.at));
}
