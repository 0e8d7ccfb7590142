//! Traffic sources are told of conversions, by a service on real sockets.

use crate::world::{SECRET, TOKEN, Testbed, World, answer, new_click};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tfx_domain::{
    entity::{DestinationSpec, Entity, SourceSpec},
    event::{ClickEvent, Event, PostbackDirection, PostbackLogEvent, PostbackResult},
    id::ClickId,
};
use tfx_ports::{
    analytics::PostbackQuery,
    page::PageRequest,
    queue::{JobKind, NewJob},
    sink::Envelope,
};
use tfx_service::testing;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Settings with which servers on this machine are asked, and soon again.
const QUICK: [(&str, &str); 5] = [
    ("OUTBOUND_ALLOW_PRIVATE", "true"),
    ("OUTBOUND_RETRY_BACKOFF_MS", "20"),
    ("OUTBOUND_CIRCUIT_PAUSE_MS", "50"),
    ("OUTBOUND_TIMEOUT_MS", "2000"),
    ("OUTBOUND_MAX_ATTEMPTS", "4"),
];

/// A request as a source gets it.
#[derive(Debug, Clone)]
struct Got {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// A server of a source: answers with what is next in line, the last for ever.
struct Target {
    at: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<Vec<&'static str>>>,
    paths: Arc<Mutex<Paths>>,
    task: JoinHandle<()>,
}

impl Drop for Target {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers by how the path begins, before those that are in line.
type Paths = Vec<(&'static str, &'static str)>;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

impl Target {
    async fn answering(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let at = listener.local_addr().expect("address");
        let (got, answers) = (Arc::<Mutex<Vec<Got>>>::default(), Arc::new(Mutex::new(answers.to_vec())));
        let paths = Arc::<Mutex<Paths>>::default();
        let (into, from, by) = (Arc::clone(&got), Arc::clone(&answers), Arc::clone(&paths));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&into), Arc::clone(&from), Arc::clone(&by)));
            }
        });
        Self { at, got, answers, paths, task }
    }

    /// Answers by how the path begins.
    async fn by_path(paths: &[(&'static str, &'static str)]) -> Self {
        let target = Self::answering(&[]).await;
        paths.clone_into(&mut target.paths.lock().expect("unpoisoned"));
        target
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().expect("unpoisoned").clone()
    }

    fn url(&self, query: &str) -> String {
        format!("http://{}/pb?{query}", self.at)
    }
}

async fn serve(
    mut stream: TcpStream,
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<Vec<&'static str>>>,
    paths: Arc<Mutex<Paths>>,
) {
    loop {
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match stream.read(&mut byte).await {
                Ok(1) => read.push(byte[0]),
                _ => return,
            }
        }
        let head = String::from_utf8_lossy(&read).into_owned();
        let mut lines = head.lines();
        let line = lines.next().unwrap_or_default().to_owned();
        let headers: BTreeMap<String, String> = lines
            .filter_map(|l| l.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let body = String::from_utf8(body).expect("text");
        let of_path = {
            let paths = paths.lock().expect("unpoisoned");
            paths.iter().find(|(path, _)| line.contains(&format!(" {path}"))).map(|(_, answer)| *answer)
        };
        got.lock().expect("unpoisoned").push(Got { line, headers, body });
        let answer = if let Some(answer) = of_path {
            answer
        } else {
            let mut answers = answers.lock().expect("unpoisoned");
            if answers.len() > 1 { answers.remove(0) } else { answers.first().copied().unwrap_or("") }
        };
        if answer.is_empty() {
            // It never answers.
            std::future::pending::<()>().await;
        }
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The usual stores, a source that is told as `fields` say, and a click of it.
async fn told(
    settings: &[(&str, &str)],
    fields: Value,
) -> (Testbed, Entity<SourceSpec>, Entity<DestinationSpec>) {
    let all: Vec<(&str, &str)> = QUICK.iter().chain(settings).copied().collect();
    let (testbed, _, offer) = Testbed::usual(&all).await;
    let mut spec = json!({ "slug": "push", "name": "Push" });
    spec.as_object_mut().expect("object").extend(fields.as_object().expect("object").clone());
    let source = testbed.create::<SourceSpec>(spec).await;
    (testbed, source, offer)
}

async fn click(testbed: &Testbed, source: &Entity<SourceSpec>, offer: &Entity<DestinationSpec>) -> ClickId {
    click_with(testbed, source, offer, "ext/1").await
}

/// With the source's own id of it.
async fn click_with(
    testbed: &Testbed,
    source: &Entity<SourceSpec>,
    offer: &Entity<DestinationSpec>,
    external_id: &str,
) -> ClickId {
    let id = new_click();
    let click: ClickEvent = serde_json::from_value(json!({
        "schema": 1, "click_id": id, "at": id.timestamp(), "visitor_id": "0".repeat(32), "status": 302,
        "config_revision": 1, "destination_id": offer.id, "country": "DE", "subs": ["s1"],
        "source_id": source.id, "external_id": external_id, "user_agent": "Mozilla/5.0",
        "cost": { "amount": "0.5", "currency": "USD" }, "campaign_id": "cmp_0000000000000000001",
    }))
    .expect("click");
    let event = Event::Click(Box::new(click));
    let payload = event.to_json().expect("json").into();
    let envelope = Envelope { topic: event.topic(), id: event.id(), key: event.key(), payload };
    assert_eq!(testbed.stores.sink.deliver(&[envelope]).await.expect("delivered"), []);
    id
}

/// Lines of what was sent, oldest first, once there are `n`.
async fn sent(world: &World, n: usize) -> Vec<PostbackLogEvent> {
    let query = PostbackQuery {
        since: None,
        until: None,
        network: None,
        result: None,
        direction: Some(PostbackDirection::Out),
        test: tfx_domain::event::TestTraffic::Include,
        filters: Vec::new(),
        page: PageRequest::first(1000),
    };
    let mut found = Vec::new();
    world
        .until(&format!("{n} attempts are logged"), async || {
            found = world.testbed.faults.analytics.postbacks(&query).await.expect("postbacks").items;
            found.len() >= n
        })
        .await;
    found.sort_by_key(|line| line.id);
    assert_eq!(found.len(), n, "{found:#?}");
    found
}

async fn counts(world: &World) -> (u64, u64) {
    let counts = world.testbed.queue.counts(JobKind::SourcePostback).await.expect("count");
    (counts.waiting, counts.dead)
}

async fn report(world: &World, click: ClickId, more: &str) {
    let (status, body) = world.get(&format!("/postback/adnet?secret={SECRET}&subid={click}&{more}")).await;
    assert_eq!(status, 200, "{body}");
}

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
    // Those that wait have used up no try, but for those that were sent.
    let waiting = world
        .testbed
        .queue
        .waiting(JobKind::SourcePostback, "", &PageRequest::first(1000))
        .await
        .expect("jobs")
        .items;
    assert_eq!(waiting.len(), 40);
    assert!(waiting.iter().filter(|j| j.tries > 0).count() <= asked, "{waiting:?}");
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

async fn operator(world: &World, method: reqwest::Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = world.client.request(method, world.url(path)).bearer_auth(TOKEN);
    if let Some(body) = body {
        request = request.json(&body);
    }
    answer(request).await
}

async fn metric(world: &World, name: &str) -> f64 {
    let (_, text) = operator(world, reqwest::Method::GET, "/metrics", None).await;
    let text = text.as_str().unwrap_or_default().to_owned();
    let line = text
        .lines()
        .find(|l| l.split(' ').next().is_some_and(|n| n == name || n.starts_with(&format!("{name}{{"))));
    line.and_then(|l| l.rsplit(' ').next()?.parse().ok()).unwrap_or(-1.0)
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

async fn ready(world: &World) -> String {
    operator(world, reqwest::Method::GET, "/readyz", None).await.1.to_string()
}
