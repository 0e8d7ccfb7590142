//! Traffic sources are told of conversions by the real programs: each attempt at a broken server ends by a name that the
//! log tells; whatever is killed when, every state that was recorded is told, at least once.
//!
//! `KILL_ROUNDS=50 cargo test -p tfx-e2e --test e2e source_postbacks::kill -- --nocapture` runs the long form and prints the figures.

use crate::servers::{start_all, table, until};
use reqwest::{Client, StatusCode, header, redirect};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use tfx_api::{
    postbacks::{Directions, PostbackLogEvent, PostbackQuery},
    source_postbacks::SourcePostbackQuery,
};
use tfx_domain::entity::Kind;
use tfx_e2e::{Receiver, Service, Services};
use tokio::{task::JoinSet, time::sleep};

/// Services with a network and a destination.
async fn started(settings: &[(&str, &str)]) -> (Services, String) {
    let quick =
        [("OUTBOUND_ALLOW_PRIVATE", "true"), ("POSTBACK_PARK_RETRY_MS", "100"), ("LOG_LEVEL", "warn")];
    let mut services = Services::embedded(&[&quick, settings].concat());
    services.start_all().await;
    let secret = services.offer().await;
    (services, secret)
}

/// A source that is told so, and a campaign of it.
async fn source(services: &Services, slug: &str, mut fields: Value) {
    let api = services.api();
    fields["slug"] = json!(slug);
    api.create(Kind::Source, &fields).await.expect("a source");
    let campaign = json!({ "slug": slug, "name": slug, "source": slug });
    api.create(Kind::Campaign, &campaign).await.expect("a campaign");
    let stream = json!({ "campaign": slug, "slug": "main", "name": "M", "destinations": [{ "destination": "offer" }] });
    api.create(Kind::Stream, &stream).await.expect("a stream");
}

fn people() -> Client {
    let client =
        Client::builder().redirect(redirect::Policy::none()).timeout(Duration::from_secs(10)).no_proxy();
    client.build().expect("a client")
}

/// A click: its id.
async fn click(http: &Client, link: &str, n: u64) -> Option<String> {
    let agent = format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.{n} Safari/537.36");
    let answer = http.get(link).header(header::USER_AGENT, agent).send().await.ok()?;
    let location = answer.headers().get(header::LOCATION)?.to_str().ok()?.to_owned();
    location.split(['?', '&']).find_map(|p| p.strip_prefix("click_id=")).map(str::to_owned)
}

/// Every attempt that the log has.
async fn attempts(services: &Services) -> Result<Vec<PostbackLogEvent>, String> {
    let mut query =
        PostbackQuery { direction: Some(Directions::Out), limit: Some(1000), ..PostbackQuery::default() };
    let mut all = Vec::new();
    loop {
        let page = services.api().postbacks(&query).await.map_err(|e| e.to_string())?;
        all.extend(page.items);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(all);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_ends_by_a_name_that_is_told_and_none_keeps_others_waiting() {
    let settings = [
        ("OUTBOUND_TIMEOUT_MS", "1500"),
        ("OUTBOUND_MAX_ATTEMPTS", "2"),
        ("OUTBOUND_RETRY_BACKOFF_MS", "50"),
        ("OUTBOUND_CIRCUIT_FAILURES", "1000"),
    ];
    let (services, secret) = started(&settings).await;
    let (servers, trap) = start_all().await;
    for (slug, (_, url)) in &servers {
        // The click brings no such parameter: the macro is empty, and the URL is one all the same.
        source(&services, slug, json!({ "name": slug, "postback_url": format!("{url}?e={{sub1}}") })).await;
    }
    let (http, traffic, postback) =
        (people(), services.url(Service::Traffic), services.url(Service::Postback));
    for slug in servers.keys() {
        let id = until("a click is routed", async || {
            click(&http, &format!("{traffic}/c/{slug}"), 1).await.ok_or_else(|| "no redirect".to_owned())
        })
        .await;
        let url = format!("{postback}/postback/adnet?secret={secret}&subid={id}&tid={slug}&payout=1");
        assert_eq!(http.get(url).send().await.expect("an answer").status(), StatusCode::OK);
    }
    let lines = until("each is told or given up", async || {
        let mut by_source: BTreeMap<String, Vec<PostbackLogEvent>> = BTreeMap::new();
        for line in attempts(&services).await? {
            by_source.entry(line.source.to_string()).or_default().push(line);
        }
        let ended = |lines: &Vec<PostbackLogEvent>| lines.iter().any(|l| l.result.as_str() != "retry");
        let open: Vec<&&str> =
            servers.keys().filter(|slug| !by_source.get(**slug).is_some_and(ended)).collect();
        if open.is_empty() { Ok(by_source) } else { Err(format!("{open:?}")) }
    })
    .await;
    for (slug, _, _, wanted) in table() {
        for line in &lines[slug] {
            let left_open = "; its answer was left open, which holds up what it is told next";
            let (reason, open) = match line.reason.strip_suffix(left_open) {
                Some(reason) => (reason, true),
                None => (line.reason.as_str(), false),
            };
            assert!(open || slug != "slow-body", "{line:?}");
            let name = match line.status {
                0 => reason
                    .rsplit("the last: ")
                    .next()
                    .and_then(|r| r.split([':', ';']).next())
                    .unwrap_or_default()
                    .to_owned(),
                status => status.to_string(),
            };
            assert!(wanted.contains(&name.as_str()), "{slug}: {line:?}");
            let taken = (200..300).contains(&line.status);
            assert_eq!(
                (line.result.as_str() == "sent", reason == "empty: sub1"),
                (taken, taken),
                "{slug}: {line:?}"
            );
            assert!(
                line.latency_ms.is_some_and(|ms| ms < 5_000) && line.answer.len() <= 3 * 1024,
                "{slug}: {line:?}"
            );
            assert!(line.url.ends_with("?e=") && reason.ends_with("empty: sub1"), "{slug}: {line:?}");
        }
        // What may work later was tried as often as may be, the rest once.
        let later = !wanted.iter().any(|w| w.starts_with(['2', '3']));
        assert_eq!(lines[slug].len(), if later { 2 } else { 1 }, "{slug}: {:?}", lines[slug]);
    }
    assert_eq!(trap.asked.load(SeqCst), 0, "a redirect is followed");
    for slug in ["endless", "large", "chunks", "bomb"] {
        let server = &servers[slug].0;
        let each = server.sent.load(SeqCst) / server.asked.load(SeqCst);
        assert!(each < 16 << 20, "{slug}: {each} bytes were taken of each answer");
    }
}

fn rounds() -> u64 {
    std::env::var("KILL_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(4)
}

/// Sales whose 200 somebody has, by transaction.
type Answered = Arc<Mutex<BTreeSet<String>>>;

/// Clicks, and reports a lead and then its sale, until it is to end.
async fn buy(n: u64, link: String, postback: String, end: Arc<AtomicBool>, answered: Answered) {
    let http = people();
    for count in 0_u64.. {
        if end.load(SeqCst) {
            return;
        }
        let Some(id) = click(&http, &link, n * 1_000_000 + count).await else { continue };
        for status in ["lead", "sale"] {
            let url = format!("{postback}&subid={id}&tid={id}&payout=2&status={status}");
            // As networks do: until it is answered.
            while !http.get(&url).send().await.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                sleep(Duration::from_millis(50)).await;
            }
            answered.lock().expect("no panic").insert(format!("{id} {status}"));
        }
        // Not more than can be told: what is to be shown is not how much that is.
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_nine_of_who_tells_loses_nothing() {
    let (mut services, secret) =
        started(&[("OUTBOUND_TIMEOUT_MS", "1000"), ("OUTBOUND_RETRY_BACKOFF_MS", "100")]).await;
    let receiver = Receiver::default();
    let port = receiver.start().await.expect("a port");
    let fields = json!({
        "name": "S", "postback_url": format!("http://127.0.0.1:{port}/?t={{tid}}"), "postback_on": ["lead", "sale"],
    });
    source(&services, "push", fields).await;
    let link = format!("{}/c/push", services.url(Service::Traffic));
    let postback = format!("{}/postback/adnet?secret={secret}", services.url(Service::Postback));
    let http = people();
    until("a click is routed", async || click(&http, &link, 0).await.ok_or_else(|| "no redirect".to_owned()))
        .await;
    let (end, answered) = (Arc::new(AtomicBool::new(false)), Answered::default());
    let mut load = JoinSet::new();
    for n in 1..=4 {
        load.spawn(buy(n, link.clone(), postback.clone(), Arc::clone(&end), Arc::clone(&answered)));
    }
    for round in 0..rounds() {
        let told = receiver.got().len();
        until("it tells", async || {
            (receiver.got().len() > told + 5).then_some(()).ok_or_else(|| "nothing is told".to_owned())
        })
        .await;
        // Not random: the moments wander over half a second.
        sleep(Duration::from_millis(50 + round * 137 % 500)).await;
        services.kill(Service::Postback);
        services.start(Service::Postback);
    }
    services.until_ready(Service::Postback, |status, _| status == 200).await;
    end.store(true, SeqCst);
    while let Some(one) = load.join_next().await {
        one.expect("no panic");
    }
    until("all are told", async || {
        let queue =
            services.api().tell_queue(&SourcePostbackQuery::default()).await.map_err(|e| e.to_string())?;
        let parked = services.metric(Service::Postback, "tfx_postbacks_parked").await;
        (queue.waiting == 0 && parked == 0.0)
            .then_some(())
            .ok_or_else(|| format!("{} wait, {parked} parked", queue.waiting))
    })
    .await;
    let (got, answered) = (receiver.got(), answered.lock().expect("no panic").clone());
    let queue = services.api().tell_queue(&SourcePostbackQuery::default()).await.expect("the queue");
    assert_eq!(queue.dead, 0);
    // A message's id is of conversion, version and state.
    let told: BTreeSet<(&str, &str)> =
        got.keys().filter_map(|id| Some((id.split_once('-')?.0, id.rsplit_once('-')?.1))).collect();
    // Every state of every conversion, whether its 200 arrived or not.
    let mut query = tfx_api::conversions::ConversionQuery { limit: Some(1000), ..Default::default() };
    let (mut missing, mut states) = (Vec::new(), 0);
    loop {
        let page = services.api().conversions(&query).await.expect("conversions");
        for c in page.items {
            let click = c.click_id.to_string();
            for status in ["lead", "sale"] {
                if answered.contains(&format!("{click} {status}")) || c.status.as_str() == status {
                    states += 1;
                    // A sale that came before its lead was taken has no lead to tell.
                    if !told.contains(&(c.id.as_str(), status)) {
                        missing.push(format!("{} {status}", c.id));
                    }
                }
            }
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    assert_eq!(missing, [""; 0]);
    let repeats: u64 = got.values().map(|n| n - 1).sum();
    println!(
        "{} kills; {} states answered 200, {states} recorded, all told; {} messages came, {repeats} of them repeats; 0 missing",
        rounds(),
        answered.len(),
        got.values().sum::<u64>()
    );
    assert!(answered.len() > 20, "{}", answered.len());
}

/// The clock of the store was ahead when an attempt was put off, and is set back: it seems to wait for hours.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_stops_no_postback() {
    let (services, secret) =
        started(&[("OUTBOUND_RETRY_BACKOFF_MS", "3000000"), ("OUTBOUND_CIRCUIT_FAILURES", "1000")]).await;
    let receiver = Receiver::default();
    receiver.refuse(true);
    let port = receiver.start().await.expect("a port");
    source(&services, "push", json!({ "name": "S", "postback_url": format!("http://127.0.0.1:{port}/") }))
        .await;
    let http = people();
    let link = format!("{}/c/push", services.url(Service::Traffic));
    let id = until("a click is routed", async || {
        click(&http, &link, 0).await.ok_or_else(|| "no redirect".to_owned())
    })
    .await;
    let url = format!("{}/postback/adnet?secret={secret}&subid={id}&tid=T", services.url(Service::Postback));
    assert_eq!(http.get(url).send().await.expect("an answer").status(), StatusCode::OK);
    until("it was tried", async || {
        let tried = attempts(&services).await?.len();
        (tried == 1).then_some(()).ok_or_else(|| format!("{tried} times"))
    })
    .await;
    receiver.refuse(false);
    let file = std::path::Path::new(services.setting("TFX_DATA_DIR")).join("config.db");
    let ahead = Connection::open(file).expect("the store");
    ahead.busy_timeout(Duration::from_secs(10)).expect("patience");
    let moved = until("it is put off", async || {
        let moved = ahead
            .execute("UPDATE job_lanes SET due_ms = due_ms + 36000000 WHERE kind = 'tell' AND held = 0", []);
        let moved = moved.expect("moved");
        (moved > 0).then_some(moved).ok_or_else(|| "it is held".to_owned())
    })
    .await;
    assert_eq!(moved, 1);
    until("it is told", async || {
        (receiver.got().len() == 1).then_some(()).ok_or_else(|| "not told".to_owned())
    })
    .await;
}
