//! The services that run: they forget whom they remember, and bring what is on its way to the store, so that nobody writes
//! him back.

use crate::{app::App, peers::Peer, services::told};
use http::Method;
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    time::{Duration, Instant},
};
use tfx_domain::{event::Topic, id::VisitorId};
use tfx_ports::{StoreError, clock};
use tokio::time::sleep;

/// How long what is on its way is waited for.
const ON_ITS_WAY: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Visitors in one request.
const AT_ONCE: usize = 5_000;

/// What the services came to.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// Refused events that named him, by service.
    pub(super) refused: BTreeMap<&'static str, u64>,
    /// Files for a person to look at that name him.
    pub(super) left: Vec<String>,
    /// What did not answer.
    pub(super) missing: Vec<String>,
}

/// How an address may be stored.
#[derive(Deserialize)]
pub(super) struct Forms {
    pub(super) forms: Vec<String>,
    /// The leading bits that one of them has in common with others' addresses, if any has.
    #[serde(default)]
    pub(super) shared_bits: Option<u8>,
}

/// The forms in which an address may be stored.
pub(super) async fn stored_forms(app: &App, ip: IpAddr) -> Result<Forms, String> {
    let asked = json!({ "address": ip });
    let peer = &app.peers.traffic;
    match peer.call(Method::POST, "/internal/stored-address", Some(&asked)).await {
        Ok(answer) => match serde_json::from_value::<Forms>(answer) {
            Ok(forms) => Ok(forms),
            Err(e) => Err(told(peer.unreadable(&e)).await),
        },
        Err(failure) => Err(told(failure).await),
    }
}

/// Both services forget him, deliver what they have accepted until now, and drop what they have delivered.
pub(super) async fn services(app: &App, visitors: &[VisitorId], texts: &[String], reached: &mut Reached) {
    let since = Instant::now();
    let people: Vec<&[VisitorId]> = visitors.chunks(AT_ONCE).collect();
    let mut forget = Vec::new();
    for some in people {
        forget.push(("/internal/visitors/forget", json!({ "visitors": some })));
    }
    service(&app.peers.traffic, &forget, since, texts, reached).await;
    service(&app.peers.postback, &[("/internal/clicks/forget", json!({}))], since, texts, reached).await;
}

async fn service(
    peer: &Peer,
    forget: &[(&str, serde_json::Value)],
    since: Instant,
    texts: &[String],
    reached: &mut Reached,
) {
    for (path, body) in forget {
        if let Err(failure) = peer.call(Method::POST, path, Some(body)).await {
            return reached.missing.push(told(failure).await);
        }
    }
    if let Err(why) = delivered(peer, since).await {
        reached.missing.push(why);
    }
    for some in texts.chunks(AT_ONCE) {
        match erase_files(peer, some).await {
            Ok(Erased { refused, left }) => {
                *reached.refused.entry(peer.name()).or_default() += refused;
                let name = |file| format!("{}: journal file {file}, for a person to look at", peer.name());
                reached.left.extend(left.into_iter().map(name));
            }
            Err(why) => reached.missing.push(why),
        }
    }
}

#[derive(Deserialize)]
struct Erased {
    refused: u64,
    left: Vec<String>,
}

async fn erase_files(peer: &Peer, texts: &[String]) -> Result<Erased, String> {
    let asked = json!({ "texts": texts });
    match peer.call(Method::POST, "/internal/event-producer/erase", Some(&asked)).await {
        Ok(answer) => match serde_json::from_value(answer) {
            Ok(erased) => Ok(erased),
            Err(e) => Err(told(peer.unreadable(&e)).await),
        },
        Err(failure) => Err(told(failure).await),
    }
}

/// Waits until what a service had accepted has left its journal.
async fn delivered(peer: &Peer, since: Instant) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Stats {
        outbox_depth_events: u64,
        unwritten_events: u64,
        oldest_undelivered_age_ms: u64,
    }
    loop {
        let answer = peer.call(Method::GET, "/internal/event-producer/stats", None).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => return Err(told(failure).await),
        };
        let stats: Stats = match serde_json::from_value(answer) {
            Ok(stats) => stats,
            Err(e) => return Err(told(peer.unreadable(&e)).await),
        };
        let waiting = stats.outbox_depth_events + stats.unwritten_events;
        let age = Duration::from_millis(stats.oldest_undelivered_age_ms);
        // What waits now came later.
        let is_new = stats.unwritten_events == 0 && !age.is_zero() && age < since.elapsed();
        if waiting == 0 || is_new {
            return Ok(());
        }
        if since.elapsed() > ON_ITS_WAY {
            let name = peer.name();
            return Err(format!(
                "{waiting} events wait in the journal of {name}, which may hold more of him"
            ));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until the analytics store has read what is in the topics now.
pub(super) async fn ingested(app: &App) -> Result<(), String> {
    let Some(pipeline) = &app.stores.pipeline else { return Ok(()) };
    let began = Instant::now();
    let mut ends: Option<HashMap<(String, i32), i64>> = None;
    loop {
        let lag = pipeline.lag(&Topic::ALL).await;
        match lag {
            Ok(lag) => {
                let ends = ends.get_or_insert_with(|| {
                    lag.iter().map(|l| ((l.topic.clone(), l.partition), l.end)).collect()
                });
                let behind = |l: &&tfx_ports::ingestion::Lag| {
                    let end = ends.get(&(l.topic.clone(), l.partition)).copied().unwrap_or(0);
                    l.taken.unwrap_or(0) < end
                };
                let behind = lag.iter().filter(behind).count();
                if behind == 0 {
                    return Ok(());
                }
                if began.elapsed() > ON_ITS_WAY {
                    return Err(format!(
                        "ClickHouse has not read {behind} partitions to their end, which may hold more of him"
                    ));
                }
            }
            Err(StoreError::NotFound) if began.elapsed() < ON_ITS_WAY => {}
            Err(StoreError::NotFound) => {
                return Err("ClickHouse has read nothing of the topics yet".to_owned());
            }
            Err(e) => return Err(e.to_string()),
        }
        sleep(LOOK_EVERY).await;
    }
}

/// How long topics hold what is in them.
pub(super) async fn topics(app: &App) -> Result<Vec<tfx_api::erasure::TopicHolds>, StoreError> {
    use tfx_ports::event_log::Holds;
    let Some(pipeline) = &app.stores.pipeline else { return Ok(Vec::new()) };
    let now = clock::now();
    let until = |holds| match holds {
        Holds::For(time) => now.checked_add(time).ok(),
        Holds::ForEver | Holds::Unknown => None,
    };
    let holds = pipeline.log.holds().await?;
    Ok(holds
        .into_iter()
        .map(|(topic, holds)| tfx_api::erasure::TopicHolds { topic, until: until(holds) })
        .collect())
}
