//! What fails is tried again, what is refused is kept, and what cannot be told says why.

use super::*;

/// What may work later is tried again under the same id, what the source refuses is not; after the last try it is kept.
#[tokio::test]
async fn what_fails_is_tried_again_and_what_is_refused_is_not() {
    let down = "HTTP/1.1 503 no\r\ncontent-length: 5\r\nretry-after: 0\r\n\r\nlater";
    let table: [(&[&'static str], &[&str], u64); 5] = [
        (
            &[down, "HTTP/1.1 429 no\r\ncontent-length: 0\r\n\r\n", OK],
            &["retry 503", "retry 429", "sent 200"],
            0,
        ),
        (&[down], &["retry 503", "retry 503", "retry 503", "dead 503"], 1),
        (&["HTTP/1.1 404 no\r\ncontent-length: 0\r\n\r\n"], &["dead 404"], 1),
        (
            &["HTTP/1.1 302 no\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"],
            &["dead 302"],
            1,
        ),
        (&["HTTP/1.1 410 no\r\ncontent-length: 0\r\n\r\n"], &["dead 410"], 1),
    ];
    for (answers, want, dead) in table {
        let target = Target::answering(answers).await;
        let fields = json!({ "postback_url": target.url("s={status}") });
        let (testbed, source, offer) = told(&[], fields).await;
        let click = click(&testbed, &source, &offer).await;
        let world = testbed.start().await;
        report(&world, click, "tid=T1").await;
        let lines = sent(&world, want.len()).await;
        let said: Vec<String> = lines.iter().map(|l| format!("{} {}", l.result.as_str(), l.status)).collect();
        assert_eq!(said, want);
        assert!(lines.iter().zip(1..).all(|(line, n)| line.attempt == n), "{lines:#?}");
        world.until("the queue is done with it", async || counts(&world).await == (0, dead)).await;
        let ids: Vec<String> = target.got().iter().map(|g| g.headers["webhook-id"].clone()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]) && ids.len() == want.len());
        let last = lines.last().expect("a line");
        assert_eq!(last.result == PostbackResult::Sent, last.reason.is_empty(), "{last:?}");
        if dead > 0 && want.len() > 1 {
            assert!(last.reason.starts_with("given up after 4 attempts"), "{last:?}");
            // What was given up can be told again, and counts its tries anew.
            *target.answers.lock().expect("unpoisoned") = vec![OK];
            let keys = world
                .testbed
                .queue
                .dead_jobs(JobKind::SourcePostback, &PageRequest::first(9))
                .await
                .expect("dead");
            let keys: Vec<String> = keys.items.into_iter().map(|d| d.key).collect();
            assert_eq!(keys, std::slice::from_ref(&last.job));
            assert_eq!(
                world
                    .testbed
                    .queue
                    .revive(JobKind::SourcePostback, &keys, Duration::ZERO)
                    .await
                    .expect("revived"),
                1
            );
            let again = sent(&world, want.len() + 1).await.pop().expect("one more");
            assert_eq!((again.result, again.attempt), (PostbackResult::Sent, 1));
            world.until("the queue is done with it", async || counts(&world).await == (0, 0)).await;
        }
    }
}

/// One that fails does not hold up the others of its source, only the states of its own conversion that come after it.
#[tokio::test]
async fn a_postback_that_fails_holds_up_no_other() {
    let no = "HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n";
    let (bad, good) = (Target::answering(&[no, no, no, OK]).await, Target::answering(&[OK]).await);
    let fields = json!({
        "postback_on": ["lead", "sale"],
        "postback_urls": { "lead": bad.url("t={tid}"), "sale": good.url("t={tid}") },
    });
    let settings = [("OUTBOUND_RETRY_BACKOFF_MS", "1000"), ("OUTBOUND_MAX_ATTEMPTS", "9")];
    let (testbed, source, offer) = told(&settings, fields).await;
    let mut clicks = Vec::new();
    for _ in 0..40 {
        clicks.push(click(&testbed, &source, &offer).await);
    }
    let world = testbed.start().await;
    report(&world, clicks[0], "tid=T0&status=lead").await;
    world.until("it failed", async || !bad.got().is_empty()).await;
    report(&world, clicks[0], "tid=T0&status=sale").await;
    for (n, click) in clicks.iter().enumerate().skip(1) {
        report(&world, *click, &format!("tid=T{n}")).await;
    }
    world.until("the others are told", async || good.got().len() >= 39).await;
    assert!(bad.got().len() < 4, "it is not told yet");
    assert!(!good.got().iter().any(|g| g.line.contains("t=T0 ")), "a sale goes not before its lead");
    world.until("all are told", async || counts(&world).await == (0, 0)).await;
    assert_eq!((bad.got().len(), good.got().len()), (4, 40));
    let lines = sent(&world, 44).await;
    let last = lines.iter().rfind(|l| l.conversion_status.as_ref().is_some_and(|s| s.as_str() == "lead"));
    let sale = lines.iter().find(|l| {
        l.url.ends_with("t=T0") && l.result == PostbackResult::Sent && l.url.contains(&good.at.to_string())
    });
    assert!(sale.expect("its sale").at >= last.expect("its lead").at);
}

/// What another version put in waits by itself.
#[tokio::test]
async fn what_cannot_be_read_holds_up_nobody() {
    let target = Target::answering(&[OK]).await;
    let fields = json!({ "postback_url": target.url("s={status}"), "postback_on": ["lead", "sale"] });
    let (testbed, source, offer) = told(&[], fields).await;
    let click = click(&testbed, &source, &offer).await;
    let world = testbed.start().await;
    report(&world, click, "tid=T1&status=lead").await;
    let lead = sent(&world, 1).await.remove(0);
    let key = lead.job.replace("000001-lead", "000001-other");
    let group = lead.job.replace("/000001-lead", "");
    let unread = NewJob {
        kind: JobKind::SourcePostback,
        key: key.clone(),
        group: Some(group.clone()),
        came: tfx_ports::clock::now(),
        payload: "{}".to_owned(),
    };
    world.testbed.queue.enqueue(&unread, Duration::ZERO).await.expect("put in");
    report(&world, click, "tid=T1&status=sale").await;
    world.until("the sale is told", async || target.got().len() == 2).await;
    world.until("the other waits", async || counts(&world).await == (1, 0)).await;
    // In the end it is given up, with a line.
    let old = tfx_ports::clock::now().checked_sub(Duration::from_secs(2 * 86_400)).expect("a time");
    let old = NewJob { key: format!("{key}-old"), came: old, ..unread };
    world.testbed.queue.enqueue(&old, Duration::ZERO).await.expect("put in");
    let line = sent(&world, 3).await.into_iter().find(|l| l.job == old.key).expect("its line");
    assert_eq!((line.result, &line.source_id), (PostbackResult::Dead, &Some(source.id)));
    assert!(line.reason.contains("cannot be read") && line.conversion_id == lead.conversion_id, "{line:?}");
    world.until("it is kept", async || counts(&world).await == (1, 1)).await;
}

#[tokio::test]
async fn what_cannot_be_told_is_given_up_with_the_reason() {
    let target = Target::answering(&[OK]).await;
    let paused = json!({ "postback_url": target.url(""), "status": "paused" });
    let refused = json!({ "postback_url": "http://10.0.0.1/" });
    for (fields, settings, why) in [
        (paused, ("LOG_LEVEL", "warn"), "the source is paused"),
        (refused, ("OUTBOUND_ALLOW_PRIVATE", "false"), "refused_address"),
    ] {
        let (testbed, source, offer) = told(&[settings], fields).await;
        let click = click(&testbed, &source, &offer).await;
        let world = testbed.start().await;
        report(&world, click, "tid=T1").await;
        let line = sent(&world, 1).await.remove(0);
        assert_eq!((line.result, line.status), (PostbackResult::Dead, 0));
        assert!(line.reason.contains(why), "{line:?}");
        world.until("it is kept", async || counts(&world).await == (0, 1)).await;
        assert!(target.got().is_empty());
    }
}
