//! What an event costs: `publish` of a click, 64 publishers at once, delivered to a sink that takes everything, against
//! a loop of `write(2)` that appends the same bytes, one call an event, in the same run.
//!
//! `cargo bench -p tfx-events` prints the ratio and the processor time per event, then criterion's figures.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use criterion::{Criterion, Throughput, criterion_group};
use std::{
    fs::{self, File},
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_domain::event::{ClickEvent, Event};
use tfx_events::{FailurePolicy, Producer, ProducerConfig};
use tfx_ports::{
    error::StoreError,
    sink::{Envelope, EventSink, Refused},
};
use tokio::runtime::Runtime;

const PUBLISHERS: u64 = 64;

struct Nowhere;

#[async_trait::async_trait]
impl EventSink for Nowhere {
    async fn deliver(&self, _: &[Envelope]) -> Result<Vec<Refused>, StoreError> {
        Ok(Vec::new())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A click as a browser makes it.
fn click() -> Event {
    let json = r#"{"schema":1,"click_id":"01JZ9V5Q8E4T6ZC3N8M1K2X7YB","at":"2026-07-04T12:34:56.789Z","outcome":"routed",
        "request":"visit","campaign_id":"cmp_0123456789abcdefghj","stream_id":"str_0123456789abcdefghj",
        "destination_id":"dst_0123456789abcdefghj","source_id":"src_0123456789abcdefghj","country":"DE","region":"BE",
        "city":"Berlin","isp":"Deutsche Telekom AG","device_type":"desktop","os":"Windows","browser":"Chrome",
        "language":"de","referrer_host":"news.example.org","keyword":"running shoes","subs":["banner-7","","spring"],
        "is_bot":false,"campaign_slug":"spring-sale","campaign_name":"Spring sale",
        "visitor_id":"00112233445566778899aabbccddeeff","ip":"203.0.113.77","continent":"EU","asn":3320,
        "user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        "os_version":"10","browser_version":"126","referrer":"https://news.example.org/sports/2026/07/04/marathon?page=2",
        "params":[["sub1","banner-7"],["sub3","spring"],["kw","running shoes"],["gclid","Cj0KCQjw-example"]],
        "unique_campaign":true,"unique_stream":true,"unique_destination":true,
        "final_url":"https://shop.example.com/lp?click=01JZ9V5Q8E4T6ZC3N8M1K2X7YB&sub=banner-7","status":302,"config_revision":42}"#;
    match serde_json::from_str::<ClickEvent>(json) {
        Ok(click) => Event::Click(Box::new(click)),
        Err(error) => panic!("the sample is no click: {error}"),
    }
}

/// A folder on the disk that the target is on, and what works in it.
struct Rig {
    runtime: Runtime,
    dir: tempfile::TempDir,
    producer: Arc<Producer>,
}

impl Rig {
    fn new(policy: FailurePolicy) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let dir = tempfile::tempdir().expect("a folder");
        let config = ProducerConfig {
            dir: dir.path().join("journal"),
            policy,
            batch_size: 500,
            batch_timeout: Duration::from_millis(50),
            write_timeout: Duration::from_secs(60),
            max_attempts: 5,
            retry_backoff: Duration::from_millis(100),
            max_bytes: 8 << 30,
            segment_bytes: 64 << 20,
        };
        let _inside = runtime.enter();
        let producer = Producer::open(config, Arc::new(Nowhere)).expect("opens");
        drop(_inside);
        Self { runtime, dir, producer }
    }

    /// Publishes about `events` events and waits until all are answered.
    fn publish(&self, events: u64) -> Duration {
        let event = Arc::new(click());
        let start = Instant::now();
        self.runtime.block_on(async {
            let tasks: Vec<_> = (0..PUBLISHERS)
                .map(|n| {
                    let (producer, event) = (Arc::clone(&self.producer), Arc::clone(&event));
                    let mine = events / PUBLISHERS + u64::from(n < events % PUBLISHERS);
                    tokio::spawn(async move {
                        for _ in 0..mine {
                            producer.publish(&event).await.expect("published");
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("ends");
            }
        });
        start.elapsed()
    }

    /// Appends the same bytes `events` times, one `write(2)` each.
    fn append(&self, events: u64) -> Duration {
        let record = vec![b'x'; self.record_bytes()];
        let path = self.dir.path().join("bare");
        let mut file = File::options().append(true).create(true).open(&path).expect("opens");
        let start = Instant::now();
        for _ in 0..events {
            file.write_all(&record).expect("room");
        }
        let took = start.elapsed();
        fs::remove_file(path).expect("removed");
        took
    }

    fn record_bytes(&self) -> usize {
        let event = click();
        27 + event.id().len() + event.key().len() + event.to_json().expect("json").len()
    }
}

/// Processor time of this process so far, user and system: fields 14 and 15 of `/proc/self/stat`, in 1/100 s.
fn processor_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

fn summary() {
    let events = 500_000;
    let rig = Rig::new(FailurePolicy::FailOpen);
    println!("event of {} bytes in the journal, {PUBLISHERS} publishers", rig.record_bytes());
    rig.publish(50_000);
    rig.append(50_000);
    let per_event = |took: Duration| took.as_nanos() as f64 / events as f64 / 1000.0;
    for round in 1..=3 {
        let before = processor_time();
        let bare = rig.append(events);
        let between = processor_time();
        let published = rig.publish(events);
        let after = processor_time();
        let cpu = |a: Option<Duration>, b: Option<Duration>| a.zip(b).map_or(0.0, |(a, b)| per_event(b - a));
        println!(
            "round {round}: write(2) {:.2} us ({:.2} us processor), publish {:.2} us ({:.2} us processor), throughput {:.0} % of write(2)",
            per_event(bare),
            cpu(before, between),
            per_event(published),
            cpu(between, after),
            bare.as_secs_f64() / published.as_secs_f64() * 100.0
        );
    }
}

fn publish(c: &mut Criterion) {
    let mut group = c.benchmark_group("event");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    let open = Rig::new(FailurePolicy::FailOpen);
    group.bench_function("bare write(2)", |b| b.iter_custom(|events| open.append(events)));
    group.bench_function("publish fail_open", |b| b.iter_custom(|events| open.publish(events)));
    let closed = Rig::new(FailurePolicy::FailClosed);
    group.bench_function("publish fail_closed", |b| b.iter_custom(|events| closed.publish(events)));
    group.finish();
}

criterion_group!(benches, publish);

fn main() {
    summary();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
