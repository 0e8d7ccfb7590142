//! Traffic sources are told of conversions, by a service on real sockets. Here are the server of a source and what its tests
//! share.

mod failures;
mod ours;
mod passed;
mod servers;
mod told;
mod tried;

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
    id::{ClickId, ConversionId, NetworkId},
    postback::Conversion,
    source_postback::{SourcePostback, Subscription},
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

/// As if a conversion of the source had been reported, so long ago.
async fn enqueue(testbed: &Testbed, source: &Entity<SourceSpec>, tid: &str, ago: Duration) {
    let (now, random) = (tfx_ports::clock::now(), tfx_ports::entropy::random_u128());
    let conversion: Conversion = serde_json::from_value(json!({
        "id": ConversionId::generate(now, random), "version": 1, "network": NetworkId::generate(now, random),
        "key": tid, "transaction_id": tid, "click_id": new_click(), "status": "sale", "created_at": now,
        "updated_at": now, "revenue": { "amount": "1", "currency": "USD" }, "click": { "source_id": source.id },
    }))
    .expect("a conversion");
    let asked = Subscription::unsure(source.id.clone(), "ext", None);
    let (job, after) = NewJob::tell(&SourcePostback::new(&asked, &conversion, now)).expect("a job");
    let job = NewJob { came: now - ago, ..job };
    testbed.queue.enqueue(&job, after).await.expect("put in");
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

async fn ready(world: &World) -> String {
    operator(world, reqwest::Method::GET, "/readyz", None).await.1.to_string()
}
