//! What sources are told: each state once, as they say, with the source of now, not before its delay, and over restarts.

use super::*;

#[tokio::test]
async fn a_source_is_told_once_of_each_state_that_it_asks_for() {
    let target = Target::answering(&[OK]).await;
    let url =
        target.url("e={external_id}&s={status:lead=0 sale=1}&p={payout}&t={tid}&ua={user_agent}&pr={profit}");
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let fields = json!({
        "postback_url": url, "postback_on": ["lead", "sale"], "postback_payout": { "percent": "80" },
        "postback_signing_key": key,
    });
    let (testbed, source, offer) = told(&[], fields).await;
    let click = click(&testbed, &source, &offer).await;
    let world = testbed.start().await;
    report(&world, click, "tid=T1&payout=10&status=lead").await;
    report(&world, click, "tid=T1&payout=10&status=lead").await;
    let lines = sent(&world, 1).await;
    report(&world, click, "tid=T1&payout=12&status=lead").await;
    report(&world, click, "tid=T1&payout=12&status=sale").await;
    let more = sent(&world, 2).await;
    report(&world, click, "tid=T1&payout=12&status=rejected").await;
    world.until("the queue is done with them", async || counts(&world).await == (0, 0)).await;
    let got = target.got();
    let asked: Vec<&str> = got.iter().map(|g| g.line.as_str()).collect();
    assert_eq!(
        asked,
        [
            "GET /pb?e=ext%2F1&s=0&p=8&t=T1&ua=Mozilla%2F5.0&pr=9.5 HTTP/1.1",
            "GET /pb?e=ext%2F1&s=1&p=9.6&t=T1&ua=Mozilla%2F5.0&pr=11.5 HTTP/1.1",
        ]
    );
    let (id, time) = (&got[0].headers["webhook-id"], &got[0].headers["webhook-timestamp"]);
    assert!(id.ends_with("-lead") && got[1].headers["webhook-id"].ends_with("-sale"), "{got:?}");
    let bytes = BASE64_STANDARD.decode(&key[6..]).expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&bytes).expect("a key");
    mac.update(format!("{id}.{time}.").as_bytes());
    let want = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(got[0].headers["webhook-signature"], want);
    let line = &lines[0];
    assert_eq!((line.result, line.status, line.attempt, line.test), (PostbackResult::Sent, 200, 1, false));
    assert_eq!((line.source.as_str(), line.answer.as_str(), line.click_id), ("push", "ok", Some(click)));
    assert!(line.url.contains("e=ext%2F1") && line.latency_ms.is_some() && line.method == "GET", "{line:?}");
    assert_eq!(
        more[1].conversion_status.as_ref().map(tfx_domain::postback::ConversionStatus::as_str),
        Some("sale")
    );
}

#[tokio::test]
async fn a_post_carries_what_the_source_says() {
    let target = Target::answering(&[OK]).await;
    let fields = json!({
        "postback_url": target.url("k=v"), "postback_method": "post_json",
        "postback_body": { "id": "{external_id}", "value": "{payout}", "of": { "c": "{country}", "sub": "{sub1}" } },
    });
    let (testbed, source, offer) = told(&[], fields).await;
    let click = click(&testbed, &source, &offer).await;
    let world = testbed.start().await;
    report(&world, click, "tid=T1&payout=10.10").await;
    sent(&world, 1).await;
    let got = target.got().remove(0);
    assert_eq!(
        (got.line.as_str(), got.headers["content-type"].as_str()),
        ("POST /pb?k=v HTTP/1.1", "application/json")
    );
    let body: Value = serde_json::from_str(&got.body).expect("JSON");
    assert_eq!(body, json!({ "id": "ext/1", "value": 10.1, "of": { "c": "DE", "sub": "s1" } }));
    assert!(got.body.contains("10.1") && !got.headers.contains_key("webhook-signature"));
    let line = sent(&world, 1).await.remove(0);
    assert_eq!(line.body, got.body, "it is in the log");
}

/// What a source wrote as a secret is in no line, also where its server repeats it.
#[tokio::test]
async fn a_line_holds_no_secret_of_a_source() {
    const KEY: &str = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
    let answer = format!("HTTP/1.1 404 no\r\ncontent-length: {}\r\n\r\nno {KEY}", KEY.len() + 3);
    let target = Target::answering(&[answer.leak()]).await;
    let fields = json!({
        "postback_url": format!("http://{}/bot123:{KEY}/send?t={{tid}}&access_key=s3", target.at),
        "postback_method": "post_form", "postback_body": { "pass": "hunter2", "id": "{tid}" },
    });
    let (testbed, source, offer) = told(&[], fields).await;
    let click = click(&testbed, &source, &offer).await;
    let world = testbed.start().await;
    report(&world, click, "tid=T1").await;
    let line = sent(&world, 1).await.remove(0);
    assert!(target.got()[0].line.contains(KEY) && target.got()[0].body.contains("hunter2"));
    assert_eq!(line.url, format!("http://{}/***/send?t=T1&access_key=***", target.at));
    assert_eq!((line.answer.as_str(), line.body.as_str()), ("no ***", "id=T1&pass=***"));
}

/// The source is as it is when it is told: a URL that was mended meanwhile counts.
#[tokio::test]
async fn the_source_of_now_is_told() {
    let target = Target::answering(&[OK]).await;
    let (testbed, mut source, offer) = told(&[], json!({ "postback_url": "http://127.0.0.1:1/" })).await;
    let click = click(&testbed, &source, &offer).await;
    let world = testbed.start().await;
    report(&world, click, "tid=T1").await;
    world
        .until("it fails", async || {
            metric(&world, "tfx_source_postbacks_total{result=\"retry\"}").await >= 1.0
        })
        .await;
    let url = json!(target.url("now={tid}"));
    testing::update(&*world.testbed.stores.config, &mut source, |spec| spec["postback_url"] = url).await;
    world.until("it is told", async || target.got().len() == 1).await;
    assert_eq!(target.got()[0].line, "GET /pb?now=T1 HTTP/1.1");
}

/// A service that ends lets go of what it holds, and the next sends it; the log says all.
#[tokio::test]
async fn a_restart_loses_nothing_that_is_to_be_told() {
    let target = Target::answering(&["", "", "", OK]).await;
    let (testbed, source, offer) =
        told(&[("OUTBOUND_TIMEOUT_MS", "60000")], json!({ "postback_url": target.url("t={tid}") })).await;
    let mut clicks = Vec::new();
    for _ in 0..3 {
        clicks.push(click(&testbed, &source, &offer).await);
    }
    let world = testbed.start().await;
    for (n, click) in clicks.iter().enumerate() {
        report(&world, *click, &format!("tid=T{n}")).await;
    }
    world.until("they are under way", async || target.got().len() == 3).await;
    let testbed = world.stop().await;
    let world = testbed.start().await;
    sent(&world, 3).await;
    world.until("the queue is done with them", async || counts(&world).await == (0, 0)).await;
    let ids: Vec<String> = target.got().iter().map(|g| g.headers["webhook-id"].clone()).collect();
    assert_eq!(ids.len(), 6, "each once more, under the same id");
    for id in &ids {
        assert_eq!(ids.iter().filter(|other| *other == id).count(), 2);
    }
}

#[tokio::test]
async fn a_delay_is_kept() {
    let target = Target::answering(&[OK]).await;
    let fields = json!({ "postback_url": target.url("e={external_id}&t={tid}"), "postback_delay_s": 2 });
    let (testbed, source, offer) = told(&[], fields).await;
    let click = click(&testbed, &source, &offer).await;
    let world = testbed.start().await;
    let began = std::time::Instant::now();
    report(&world, click, "tid=T1").await;
    world.until("it is told", async || target.got().len() == 1).await;
    assert!(began.elapsed() >= Duration::from_millis(1_900), "{:?}", began.elapsed());
}

/// A source that this program cannot read may ask for it: what it is to be told waits until it can be read.
#[tokio::test]
async fn a_source_that_cannot_be_read_is_told_when_it_can() {
    let target = Target::answering(&[OK]).await;
    let fields = json!({
        "postback_url": target.url("s={status}"), "postback_on": ["sale"], "postback_first_only": true,
    });
    let (testbed, mut source, mut offer) = told(&[], fields).await;
    testing::update(&*testbed.stores.config, &mut offer, |spec| spec["allow_upsell"] = json!(true)).await;
    let (one, two) = (click(&testbed, &source, &offer).await, click(&testbed, &source, &offer).await);
    let world = testbed.start().await;
    testing::save_as_newer(&*world.testbed.stores.config, &mut source).await;
    world.until("it cannot be read", async || ready(&world).await.contains(source.id.as_str())).await;
    report(&world, one, "tid=T1&status=sale").await;
    report(&world, one, "tid=T1b&status=sale").await;
    report(&world, two, "tid=T2&status=lead").await;
    assert_eq!(counts(&world).await, (3, 0), "what it asks for is not known");
    testing::update(&*world.testbed.stores.config, &mut source, |_| {}).await;
    world.until("it is told of what it asks for", async || counts(&world).await == (0, 0)).await;
    assert_eq!(target.got().iter().map(|g| g.line.as_str()).collect::<Vec<_>>(), ["GET /pb?s=sale HTTP/1.1"]);
}
