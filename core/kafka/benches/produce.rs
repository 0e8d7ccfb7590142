//! Throughput of the sink, and of the whole producer (journal and sink), against bare librdkafka producers with the same
//! options, messages and broker, in the same run.
//!
//! `make engines && cargo bench -p tfx-kafka` prints a line per round and row, then the medians; `-- EVENTS ROUNDS`
//! after it sets how much is done. The sink is told against one thread that fills librdkafka's queue; the producer
//! against as many publishers that use librdkafka themselves, and wait for the brokers or do not, as its policy does.
//! "16 x 500" is sixteen batches of 500 on the way at once. The broker of the local engines shares the processors and
//! costs by the request, so a batch of 500 over 12 partitions mostly waits for it.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

#[path = "../tests/kafka/support.rs"]
mod support;

use rdkafka::{
    ClientContext,
    producer::{
        BaseRecord, DeliveryResult, FutureProducer, FutureRecord, Producer as _, ProducerContext,
        ThreadedProducer,
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use support::{click, config, engine, kafka};
use tfx_domain::event::{Event, Topic};
use tfx_events::{FailurePolicy, Producer, ProducerConfig};
use tfx_kafka::{Kafka, KafkaConfig};
use tfx_ports::{
    migrate::Migrations,
    sink::{Envelope, EventSink},
};
use tokio::runtime::Runtime;

/// `EVENT_BATCH_SIZE`: its default, and its largest value.
const BATCH: [usize; 2] = [500, 10_000];
const PUBLISHERS: usize = 64;

/// Counts what the brokers acknowledged.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicU64>);

impl ClientContext for Counted {}

impl ProducerContext for Counted {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => self.0.fetch_add(1, Relaxed),
            Err((error, _)) => panic!("not taken: {error}"),
        };
    }
}

/// A click as a browser makes it, about 1 KB of JSON.
fn sample(n: u64) -> Event {
    let mut event = click(n);
    if let Event::Click(c) = &mut event {
        c.user_agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 \
                        Safari/537.36"
            .into();
        c.referrer = "https://news.example.org/sports/2026/07/04/marathon?page=2".into();
        c.final_url = format!("https://shop.example.com/lp?click={}&sub=banner-7", c.click_id);
        c.campaign_name = "Spring sale".into();
        c.params = vec![("sub1".into(), "banner-7".into()), ("gclid".into(), format!("Cj0KCQjw-{n:016x}"))];
        c.dims.city = "Berlin".into();
        c.dims.isp = "Deutsche Telekom AG".into();
        c.dims.browser = "Chrome".into();
        c.dims.os = "Windows".into();
    }
    event
}

struct Rig {
    runtime: Runtime,
    config: KafkaConfig,
    kafka: Kafka,
    events: Vec<Arc<Event>>,
    envelopes: Vec<Envelope>,
}

impl Rig {
    fn new(events: usize) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let config = config(engine("EVENT_BROKERS"));
        let kafka = kafka(&config);
        runtime.block_on(kafka.topic_admin().up(&|_| {})).expect("topics are made");
        let events: Vec<Arc<Event>> = (0..events as u64).map(|n| Arc::new(sample(n))).collect();
        let envelope = |e: &Arc<Event>| Envelope {
            topic: Topic::ClickEvents,
            id: e.id(),
            key: e.key(),
            payload: e.to_json().expect("json").into(),
        };
        let envelopes = events.iter().map(envelope).collect();
        Self { runtime, config, kafka, events, envelopes }
    }

    /// librdkafka alone, one thread: with so many on the way, until the last is acknowledged.
    fn bare(&self, on_the_way: i32) -> Duration {
        let counted = Counted::default();
        let producer: ThreadedProducer<Counted> =
            self.kafka.producer_options().create_with_context(counted.clone()).expect("a producer");
        let topic = self.config.topics.name(Topic::ClickEvents);
        warm(&producer, topic, &counted);
        let start = Instant::now();
        for (n, e) in self.envelopes.iter().enumerate() {
            let mut record = BaseRecord::to(topic).key(e.key.as_bytes()).payload(&e.payload[..]);
            while let Err((_, back)) = producer.send(record) {
                std::thread::yield_now(); // its queue is full
                record = back;
            }
            if n % 100 == 0 {
                while producer.in_flight_count() > on_the_way {
                    std::thread::yield_now();
                }
            }
        }
        producer.flush(Duration::from_secs(60)).expect("all taken");
        let took = start.elapsed();
        assert_eq!(counted.0.load(Relaxed), self.envelopes.len() as u64 + 1);
        took
    }

    /// librdkafka alone, called by every publisher for itself: encoded, given to it, and perhaps waited for.
    fn bare_publishers(&self, wait: bool) -> Duration {
        let producer: FutureProducer = self.kafka.producer_options().create().expect("a producer");
        let topic: Arc<str> = self.config.topics.name(Topic::ClickEvents).into();
        self.runtime.block_on(async {
            let warm = FutureRecord::to(&topic).key("warm").payload("up");
            producer.send(warm, Duration::from_secs(60)).await.expect("taken");
            let start = Instant::now();
            let share = self.events.len().div_ceil(PUBLISHERS);
            let publish = |mine: &[Arc<Event>]| {
                let (producer, topic, mine) = (producer.clone(), Arc::clone(&topic), mine.to_vec());
                tokio::spawn(async move {
                    for event in mine {
                        let (key, payload) = (event.key(), event.to_json().expect("json"));
                        let mut record = FutureRecord::to(&topic).key(key.as_bytes()).payload(&payload);
                        let answer = loop {
                            match producer.send_result(record) {
                                Ok(answer) => break answer,
                                Err((_, back)) => record = back, // its queue is full
                            }
                            tokio::task::yield_now().await;
                        };
                        if wait {
                            answer.await.expect("answered").expect("taken");
                        }
                    }
                })
            };
            let publishers: Vec<_> = self.events.chunks(share).map(publish).collect();
            for publisher in publishers {
                publisher.await.expect("ends");
            }
            tokio::task::block_in_place(|| producer.flush(Duration::from_secs(60))).expect("all taken");
            start.elapsed()
        })
    }

    /// Batch after batch, `at_once` of them on the way.
    fn sink(&self, size: usize, at_once: usize) -> Duration {
        self.runtime.block_on(async {
            let sink = self.kafka.sink().expect("a sink");
            sink.deliver(&self.envelopes[..1]).await.expect("taken");
            let start = Instant::now();
            let batches = futures_util::stream::iter(self.envelopes.chunks(size).map(|b| sink.deliver(b)));
            let mut taken = futures_util::StreamExt::buffered(batches, at_once);
            while let Some(refused) = futures_util::StreamExt::next(&mut taken).await {
                assert!(refused.expect("taken").is_empty());
            }
            start.elapsed()
        })
    }

    /// Published, journaled and delivered.
    fn whole(&self, size: usize, policy: FailurePolicy) -> Duration {
        let dir = tempfile::tempdir().expect("a folder");
        self.runtime.block_on(async {
            let config = ProducerConfig {
                dir: dir.path().join("journal"),
                policy,
                batch_size: size,
                batch_timeout: Duration::from_millis(50),
                write_timeout: Duration::from_secs(5),
                max_attempts: 5,
                retry_backoff: Duration::from_millis(100),
                max_bytes: 8 << 30,
                segment_bytes: 64 << 20,
            };
            let sink = self.kafka.sink().expect("a sink");
            sink.deliver(&self.envelopes[..1]).await.expect("taken");
            let producer = Producer::open(config, sink).expect("opens");
            let start = Instant::now();
            let share = self.events.len().div_ceil(PUBLISHERS);
            let publishers: Vec<_> = self
                .events
                .chunks(share)
                .map(|mine| {
                    let (producer, mine) = (Arc::clone(&producer), mine.to_vec());
                    tokio::spawn(async move {
                        for event in mine {
                            producer.publish(&event).await.expect("published");
                        }
                    })
                })
                .collect();
            for publisher in publishers {
                publisher.await.expect("ends");
            }
            let report = producer.close(Duration::from_secs(120)).await;
            let took = start.elapsed();
            assert_eq!((report.left, producer.stats().delivered_total), (0, self.events.len() as u64));
            took
        })
    }
}

/// Connects, and waits for the producer's id.
fn warm(producer: &ThreadedProducer<Counted>, topic: &str, counted: &Counted) {
    producer.send(BaseRecord::to(topic).key("warm").payload("up")).map_err(|(e, _)| e).expect("room");
    producer.flush(Duration::from_secs(60)).expect("taken");
    assert_eq!(counted.0.load(Relaxed), 1);
}

/// A name, the row it is told in per cent of, and what is timed.
type Row<'a> = (String, usize, Box<dyn Fn() -> Duration + 'a>);

fn main() {
    let mut numbers = std::env::args().filter_map(|a| a.parse::<usize>().ok());
    let (events, rounds) = (numbers.next().unwrap_or(100_000), numbers.next().unwrap_or(5));
    let rig = &Rig::new(events);
    let bytes: usize = rig.envelopes.iter().map(|e| e.payload.len()).sum();
    println!("{events} clicks of {} bytes, {PUBLISHERS} publishers", bytes / events);
    rig.bare(i32::MAX);
    let mut rows: Vec<Row<'_>> = vec![
        ("bare, all at once".into(), 0, Box::new(|| rig.bare(i32::MAX))),
        ("bare, 10000 on the way".into(), 0, Box::new(|| rig.bare(10_000))),
        ("bare, publishers go on".into(), 2, Box::new(|| rig.bare_publishers(false))),
        ("bare, publishers wait".into(), 3, Box::new(|| rig.bare_publishers(true))),
    ];
    for size in BATCH {
        for at_once in [1, 16] {
            rows.push((format!("sink, {at_once} x {size}"), 0, Box::new(move || rig.sink(size, at_once))));
        }
        for (policy, base) in [(FailurePolicy::FailOpen, 2), (FailurePolicy::FailClosed, 3)] {
            rows.push((
                format!("producer {policy}, {size}"),
                base,
                Box::new(move || rig.whole(size, policy)),
            ));
        }
    }
    let mut rates = vec![Vec::new(); rows.len()];
    for round in 1..=rounds {
        for ((name, _, run), rates) in rows.iter().zip(&mut rates) {
            let rate = events as f64 / run().as_secs_f64();
            println!("round {round}: {name}: {rate:.0} events/s");
            rates.push(rate);
        }
    }
    let medians: Vec<f64> = rates
        .iter_mut()
        .map(|rates| {
            rates.sort_by(f64::total_cmp);
            rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
        })
        .collect();
    for ((name, base, _), median) in rows.iter().zip(&medians) {
        let (of, base) = (&rows[*base].0, medians[*base]);
        println!("median: {name}: {median:.0} events/s, {:.0} % of \"{of}\"", median / base * 100.0);
    }
}
