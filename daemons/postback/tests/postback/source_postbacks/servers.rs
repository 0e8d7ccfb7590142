//! Servers that do not answer, or ask for a pause, hold up nobody else.

use super::*;

/// Hundreds wait for a source that never answers; another is told at once, and the first is left alone meanwhile.
#[tokio::test]
async fn a_source_that_does_not_answer_holds_up_nobody() {
    let (silent, good) = (Target::answering(&[""]).await, Target::answering(&[OK]).await);
    let settings = [
        ("OUTBOUND_TIMEOUT_MS", "300"),
        ("OUTBOUND_CIRCUIT_PAUSE_MS", "60000"),
        ("OUTBOUND_PER_TARGET", "4"),
    ];
    let (testbed, source, offer) = told(&settings, json!({ "postback_url": silent.url("t={tid}") })).await;
    let other = json!({ "slug": "good", "name": "Good", "postback_url": good.url("t={tid}") });
    let other = testbed.create::<SourceSpec>(other).await;
    let world = testbed.start().await;
    for n in 0..40 {
        let click = click(&world.testbed, &source, &offer).await;
        report(&world, click, &format!("tid=S{n}")).await;
    }
    world.until("it is asked", async || silent.got().len() >= 4).await;
    for n in 0..40 {
        let click = click(&world.testbed, &other, &offer).await;
        report(&world, click, &format!("tid=G{n}")).await;
    }
    world.until("the other is told", async || good.got().len() == 40).await;
    world
        .until("the first is left alone", async || metric(&world, "tfx_source_circuits_open").await == 1.0)
        .await;
    let asked = silent.got().len();
    assert!(
        (4..=12).contains(&asked),
        "as many as are under way at once, and the few that opened the circuit: {asked}"
    );
    let told = async || {
        let ready = ready(&world).await;
        ready.contains("40 to be told") && ready.contains("left alone: 1")
    };
    world.until("operators are told", told).await;
    let (_, targets) = operator(&world, reqwest::Method::GET, "/internal/tells", None).await;
    let open: Vec<&Value> =
        targets["items"].as_array().expect("items").iter().filter(|t| t["open_until"].is_string()).collect();
    assert_eq!(open.len(), 1);
    assert_eq!(
        (open[0]["host"].clone(), open[0]["reason"].clone()),
        (json!(silent.at.to_string()), json!("timed_out: no answer in time"))
    );
    let tried = async || {
        let page = PageRequest::first(1000);
        let waiting =
            world.testbed.queue.waiting(JobKind::SourcePostback, "", &page).await.expect("jobs").items;
        assert_eq!(waiting.len(), 40);
        waiting.iter().filter(|job| job.tries > 0).count()
    };
    // Those that waited here for a turn are let go of.
    world.until("no other has used up a try", async || tried().await <= asked).await;
}

/// A server that is left alone holds up neither the other servers of its source nor the other states.
#[tokio::test]
async fn a_server_that_is_left_alone_holds_up_no_other_of_its_source() {
    let no = "HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n";
    let (bad, good) = (Target::answering(&[no]).await, Target::answering(&[OK]).await);
    let fields = json!({
        "postback_on": ["lead", "sale"],
        "postback_urls": { "lead": bad.url("t={tid}"), "sale": good.url("t={tid}") },
    });
    let settings = [("OUTBOUND_CIRCUIT_FAILURES", "1"), ("OUTBOUND_CIRCUIT_PAUSE_MS", "600000")];
    let (testbed, source, offer) = told(&settings, fields).await;
    let mut clicks = Vec::new();
    for _ in 0..80 {
        clicks.push(click(&testbed, &source, &offer).await);
    }
    let world = testbed.start().await;
    report(&world, clicks[0], "tid=L0&status=lead").await;
    world.until("it is left alone", async || metric(&world, "tfx_source_circuits_open").await == 1.0).await;
    for (n, click) in clicks.iter().enumerate().skip(1) {
        let status = if n < 40 { "lead" } else { "sale" };
        report(&world, *click, &format!("tid=T{n}&status={status}")).await;
    }
    world.until("the sales are told", async || good.got().len() == 40).await;
    assert_eq!(bad.got().len(), 1);
    world.until("the leads wait", async || counts(&world).await == (40, 0)).await;
    let ready = ready(&world).await;
    assert!(ready.contains("left alone: 1") && ready.contains("degraded"), "{ready}");
}

/// Who asks for a pause has it: nothing else is sent to that server meanwhile.
#[tokio::test]
async fn a_server_that_asks_for_a_pause_has_it() {
    let later = "HTTP/1.1 429 no\r\nretry-after: 600\r\ncontent-length: 0\r\n\r\n";
    let target = Target::answering(&[later, OK]).await;
    let settings = [("OUTBOUND_CIRCUIT_PAUSE_MS", "60000")];
    let (testbed, source, offer) = told(&settings, json!({ "postback_url": target.url("t={tid}") })).await;
    let (one, two) = (click(&testbed, &source, &offer).await, click(&testbed, &source, &offer).await);
    let world = testbed.start().await;
    report(&world, one, "tid=T1").await;
    sent(&world, 1).await;
    report(&world, two, "tid=T2").await;
    world.until("it is left alone", async || metric(&world, "tfx_source_circuits_open").await == 1.0).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!((target.got().len(), counts(&world).await), (1, (2, 0)));
}

/// What one source's path answers closes the server to no other source: the first is left alone, the second is told at once.
#[tokio::test]
async fn a_path_that_fails_holds_up_no_other_source_of_its_server() {
    let target =
        Target::by_path(&[("/bad", "HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n"), ("/good", OK)]).await;
    let settings = [("OUTBOUND_CIRCUIT_FAILURES", "1"), ("OUTBOUND_CIRCUIT_PAUSE_MS", "600000")];
    let bad = json!({ "postback_url": format!("http://{}/bad?t={{tid}}", target.at) });
    let (testbed, source, offer) = told(&settings, bad).await;
    let good = json!({ "slug": "good", "name": "Good", "postback_url": format!("http://{}/good?t={{tid}}", target.at) });
    let other = testbed.create::<SourceSpec>(good).await;
    let (one, two) = (click(&testbed, &source, &offer).await, click(&testbed, &other, &offer).await);
    let world = testbed.start().await;
    report(&world, one, "tid=T1").await;
    world.until("it is left alone", async || metric(&world, "tfx_source_circuits_open").await == 1.0).await;
    report(&world, two, "tid=T2").await;
    world.until("the other is told", async || counts(&world).await == (1, 0)).await;
    assert!(target.got().iter().any(|g| g.line.starts_with("GET /good?t=T2")));
}

/// A source whose path never answers, with thousands that wait, takes its share of a server and no more: another that is
/// told by the same host and port is told all, at once, while nothing of the first has ended.
#[tokio::test]
async fn a_path_that_never_answers_leaves_other_sources_of_its_server_their_share() {
    let target = Target::by_path(&[("/never", ""), ("/good", OK)]).await;
    let never = json!({ "postback_url": format!("http://{}/never?t={{tid}}", target.at) });
    let settings = [("OUTBOUND_TIMEOUT_MS", "60000"), ("OUTBOUND_CIRCUIT_FAILURES", "1000")];
    let (testbed, source, _) = told(&settings, never).await;
    let good = json!({ "slug": "good", "name": "Good", "postback_url": format!("http://{}/good?t={{tid}}", target.at) });
    let other = testbed.create::<SourceSpec>(good).await;
    for n in 0..2_000 {
        enqueue(&testbed, &source, &format!("N{n}"), Duration::ZERO).await;
    }
    for n in 0..200 {
        enqueue(&testbed, &other, &format!("G{n}"), Duration::ZERO).await;
    }
    let world = testbed.start().await;
    let asked = |path: &str| target.got().iter().filter(|got| got.line.contains(path)).count();
    world.until("the other is told", async || asked("/good") == 200).await;
    world.until("and done with", async || counts(&world).await == (2_000, 0)).await;
    assert!(asked("/never") <= 8, "half of sixteen: {}", asked("/never"));
}
