//! Whatever clicks are doing when the process dies, each counts once.

use super::*;
use crate::Consumed;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use serde_json::json;
use std::collections::HashMap;
use tfx_domain::{
    event::Event,
    routing::{Answered, Click, Config, Globals, NoCounters, Snapshot, Unique, Visitor, decide},
};
use tfx_events::{FailurePolicy, ProducerConfig};

const CLICKS: u32 = 4;

/// A sink that takes nothing while it is away.
#[derive(Default)]
struct Away(AtomicBool);

#[async_trait]
impl EventSink for Away {
    async fn deliver(&self, _: &[Envelope]) -> Result<Vec<Refused>, StoreError> {
        self.ping().await.map(|()| Vec::new())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let what = "switched off by the test".to_owned();
        if self.0.load(SeqCst) { Err(StoreError::Unavailable { what, source: None }) } else { Ok(()) }
    }
}

/// A campaign that hands over by a stream with a limit, to one whose destination has a cap.
fn snapshot() -> Snapshot {
    let of = |id: &str, more: serde_json::Value| {
        let at = "2026-01-01T00:00:00Z";
        let mut entity = json!({ "id": format!("{}_{:0>19}", &id[..3], &id[3..]), "slug": id, "name": id, "version": 1,
            "created_at": at, "updated_at": at });
        let more = more.as_object().cloned().unwrap_or_default();
        entity.as_object_mut().expect("an object").extend(more);
        entity
    };
    let [main, next, offer] =
        ["cmp_0000000000000000001", "cmp_0000000000000000002", "dst_0000000000000000001"];
    let limit = json!([{ "field": "click_limit", "is": ["total:100"] }]);
    let config: Config = serde_json::from_value(json!({
        "revision": 1, "sources": [], "templates": [], "networks": [],
        "campaigns": [of("cmp1", json!({})), of("cmp2", json!({}))],
        "destinations": [of("dst1", json!({ "url": "https://offer.example/", "caps": { "clicks_total": 100 } }))],
        "streams": [
            of("str1", json!({ "campaign": main, "filters": limit, "action": { "type": "campaign", "campaign": next } })),
            of("str2", json!({ "campaign": next, "filters": limit, "destinations": [{ "destination": offer }] })),
        ],
    }))
    .expect("config");
    let (snapshot, problems) = Snapshot::compile(config, Globals::default());
    assert!(problems.is_empty(), "{problems}");
    snapshot
}

fn visitor() -> Visitor {
    Visitor {
        id: tfx_domain::id::VisitorId(1),
        ip: [203, 0, 113, 9].into(),
        user_agent: String::new(),
        device: Arc::default(),
        geo: Arc::default(),
        language: None,
        referrer: String::new(),
        params: Vec::new(),
        headers: Vec::new(),
        bot: None,
        kind: RequestKind::Visit,
        hops: 0,
    }
}

/// What the next process counts, of everything that is limited.
fn counted(dir: &Path) -> Vec<u64> {
    let used = UsageFile::new(dir.join("usage.json")).read(&dir.join("journal"));
    let ever = |id: &str| {
        let kept = used.get(id)?;
        // What nobody asked about before is found alone.
        let window = kept.windows.iter().find(|w| w.since.is_none());
        Some(window.map_or(kept.found.len() as u64, |w| w.clicks))
    };
    ["str_0000000000000000001", "str_0000000000000000002", "dst_0000000000000000001"]
        .map(|id| ever(id).unwrap_or(0))
        .to_vec()
}

/// A click on its way.
enum Flight<'m> {
    Begun,
    Counted(Consumed<'m>),
    Recorded(Consumed<'m>),
    Over,
}

async fn dies_at_every_moment(seed: u64, away: bool) {
    let mut rng = StdRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().expect("dir");
    let snapshot = snapshot();
    let memory = Arc::new(Memory::new(1000, UsageFile::new(dir.path().join("usage.json")), [1; 16]));
    memory.recall_usage(&dir.path().join("journal"));
    let sink = Arc::new(Away(AtomicBool::new(away)));
    let config = ProducerConfig {
        dir: dir.path().join("journal"),
        policy: FailurePolicy::FailOpen,
        batch_size: 10,
        batch_timeout: Duration::from_millis(1),
        write_timeout: Duration::from_secs(10),
        max_attempts: 1,
        retry_backoff: Duration::from_millis(1),
        max_bytes: 1 << 20,
        segment_bytes: 1 << 16,
    };
    let producer =
        Producer::open(config, Arc::new(KeptFirst { memory: Arc::clone(&memory), sink })).expect("producer");
    memory.follow_journal(&producer);
    memory.configure(&snapshot, clock::now());
    // Each click goes its way, and the file is written in between.
    let mut steps: Vec<Option<u32>> =
        (0..CLICKS).flat_map(|click| [Some(click); 4]).chain([None; 4]).collect();
    steps.shuffle(&mut rng);
    let mut ways: HashMap<u32, (ClickId, ClickEvent, Flight<'_>)> = HashMap::new();
    let (mut recorded, mut begun) = (0, 0);
    for (n, step) in steps.iter().enumerate() {
        let Some(click) = *step else {
            memory.usage.changed();
            memory.usage.write(&memory, rng.random());
            continue;
        };
        // Decided before or after its turn: a clock says nothing of the order.
        let at = clock::now() + jiff::SignedDuration::from_millis(rng.random_range(-3000..3000));
        let decision = decide(&snapshot, "cmp1", &visitor(), at, &NoCounters, &mut rng);
        match ways.remove(&click) {
            None => {
                let id = ClickId::generate(at, rng.random());
                let answered = Answered { final_url: String::new(), status: 302 };
                let event = Click::new(&snapshot, "cmp1", &visitor(), &decision, id, at, "".into())
                    .event(Unique::default(), answered);
                ways.insert(click, (id, event, Flight::Begun));
            }
            Some((id, event, Flight::Begun)) => {
                let (_, consumed) = memory.consume(id, &visitor(), &decision, event.at);
                begun += 1;
                ways.insert(click, (id, event, Flight::Counted(consumed)));
            }
            Some((id, event, Flight::Counted(consumed))) if rng.random_ratio(1, 8) => {
                memory.take_back(consumed);
                ways.insert(click, (id, event, Flight::Over));
            }
            Some((id, event, Flight::Counted(consumed))) => {
                producer.publish(&Event::Click(Box::new(event.clone()))).await.expect("recorded");
                recorded += 1;
                ways.insert(click, (id, event, Flight::Recorded(consumed)));
            }
            Some((id, event, Flight::Recorded(consumed))) => {
                // It lands.
                drop(consumed);
                ways.insert(click, (id, event, Flight::Over));
            }
            Some(over) => drop(ways.insert(click, over)),
        }
        if away {
            assert_eq!(counted(dir.path()), [recorded; 3], "seed {seed}, step {n}: {steps:?}");
        } else {
            while producer.stats().outbox_depth_events > 0 {
                sleep(Duration::from_millis(1)).await;
            }
            // What was delivered is told by the file alone: nothing is lost, and those that were never recorded may count.
            let counted = counted(dir.path());
            assert!(
                counted.iter().all(|n| (recorded..=begun).contains(n)),
                "seed {seed}, step {n}: {counted:?} of {recorded} to {begun}, {steps:?}"
            );
        }
    }
    drop(ways);
    producer.close(Duration::from_millis(10)).await;
}

#[tokio::test]
async fn a_click_counts_once_whatever_it_was_doing_when_the_process_died() {
    for seed in 0..40 {
        dies_at_every_moment(seed, true).await;
        dies_at_every_moment(seed, false).await;
    }
}

#[test]
fn a_file_of_before_there_were_places_is_read_by_its_time() {
    let dir = tempfile::tempdir().expect("dir");
    let used = json!({ "dst_0000000000000000001": { "windows": [{ "since": null, "clicks": 7 }] } });
    let text = json!({ "format": 1, "number": 3, "at": "2026-01-01T00:00:00Z", "used": used });
    fs::write(dir.path().join("usage.json"), text.to_string()).expect("written");
    assert_eq!(counted(dir.path()), [0, 0, 7]);
}

#[test]
fn what_is_copied_while_clicks_go_on_is_of_one_moment() {
    let dir = tempfile::tempdir().expect("dir");
    let snapshot = snapshot();
    let memory = Memory::new(1000, UsageFile::new(dir.path().join("usage.json")), [1; 16]);
    memory.configure(&snapshot, clock::now());
    let going = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let (memory, snapshot, going) = (&memory, &snapshot, &going);
            scope.spawn(move || {
                let mut rng = StdRng::seed_from_u64(seed);
                let mut under_way = Vec::new();
                while going.load(SeqCst) {
                    let at = clock::now();
                    let decision = decide(snapshot, "cmp1", &visitor(), at, &NoCounters, &mut rng);
                    let id = ClickId::generate(at, rng.random());
                    let (_, consumed) = memory.consume(id, &visitor(), &decision, at);
                    under_way.push(consumed);
                    if under_way.len() > 20 {
                        memory.take_back(under_way.swap_remove(rng.random_range(..20)));
                    }
                }
            });
        }
        let mut copy = UsageCopy::default();
        let mut copied = Vec::new();
        for _ in 0..5000 {
            let still = memory.copy_usage(&mut copy);
            let ever = copy.used["dst_0000000000000000001"].windows.iter().find(|w| w.since.is_none());
            copied.push((ever.map_or(0, |w| w.clicks), still.under_way.len() as u64));
        }
        going.store(false, SeqCst);
        for (counted, under_way) in copied {
            assert_eq!(counted, under_way);
        }
    });
}
