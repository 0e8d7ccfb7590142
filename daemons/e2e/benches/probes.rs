//! What probing costs: two traffic-services on one MongoDB watch thousands of destinations, each at an address of its own,
//! while people click. Beside it, in turns in the same run, two services with the same destinations, none of which has a
//! health check. In the end a fifth of the destinations turns down at once.
//!
//! `cargo build --release --bins && cargo bench -p tfx-e2e --bench probes`; `-- 5000 10000 3` are destinations, milliseconds
//! between probes, and rounds. MongoDB is of its own. Every probe is counted where it arrives: none may come twice within an
//! interval.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "figures are small")]

use reqwest::{Client, StatusCode, header, redirect};
use serde_json::{Value, json};
use std::{
    env,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tfx_domain::entity::Kind;
use tfx_e2e::{Engine, Engines, Service, Services};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinSet, block_in_place},
    time::{MissedTickBehavior, interval, sleep},
};

/// Clicks per second of each service.
const CLICKS: u32 = 100;
/// People who click on a service at the same time.
const PEOPLE: u32 = 8;
const CAMPAIGNS: usize = 200;

fn main() {
    let arguments: Vec<u64> = env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let number = |n: usize, default: u64| arguments.get(n).copied().unwrap_or(default);
    let (destinations, every, rounds) = (number(0, 5_000) as usize, number(1, 10_000), number(2, 3).max(1));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(compare(destinations, Duration::from_millis(every), rounds));
}

async fn compare(destinations: usize, every: Duration, rounds: u64) {
    let engines = Arc::new(block_in_place(|| Engines::start_only(&[Engine::Mongo])));
    let others = Others::start(destinations).await;
    let mut watched = World::make(&engines, "watched", every, Some(&others), destinations).await;
    let mut plain = World::make(&engines, "plain", every, None, destinations).await;
    let (mut with, mut without): (Vec<Figure>, Vec<Figure>) = (Vec::new(), Vec::new());
    let mut turned = None;
    for round in 1..=rounds {
        plain.start().await;
        without.push(plain.measure(&others, every * 2).await);
        plain.stop();
        watched.start().await;
        others.until_all_twice(every).await;
        with.push(watched.measure(&others, every * 2).await);
        if round == rounds {
            turned = Some(watched.turn_down(&others, destinations / 5).await);
        }
        watched.stop();
    }
    println!(
        "{destinations} destinations every {} s, two services on MongoDB, {CLICKS} clicks/s each; medians of {rounds} rounds",
        every.as_secs_f64()
    );
    let both = |pick: fn(&Figure) -> f64| (median(&with, pick), median(&without, pick));
    for (name, (beside, none)) in [("p50", both(|f| f.p50_ms)), ("p99", both(|f| f.p99_ms))] {
        println!(
            "redirects, {name}: {beside:.2} ms beside probes, {none:.2} ms without, {:.2} times",
            beside / none
        );
    }
    let (cpu, none) = both(|f| f.cores);
    let per_second = median(&with, |f| f.probes_per_second);
    println!(
        "processor time of both: {:.1} % of a core beside probes, {:.1} % without: {:.0} µs a probe",
        cpu * 1e2,
        none * 1e2,
        (cpu - none) / per_second * 1e6
    );
    let shortest = with.iter().map(|f| f.shortest).fold(f64::MAX, f64::min);
    let longest = with.iter().map(|f| f.longest).fold(0.0, f64::max);
    println!(
        "{per_second:.0} probes/s; from one probe of a destination to the next {shortest:.2} to {longest:.2} intervals; the \
         first service made {:.0} % of them",
        median(&with, |f| f.of_first) * 1e2
    );
    if let Some((times, known)) = turned {
        let p99 = percentile(&times, 99);
        println!(
            "{} destinations turn down at once: both know all of them after {:.1} s ({:.2} intervals); redirects meanwhile, \
             p99: {p99:.2} ms, {:.2} times that beside probes",
            destinations / 5,
            known.as_secs_f64(),
            known.as_secs_f64() / every.as_secs_f64(),
            p99 / median(&with, |f| f.p99_ms)
        );
    }
    assert!(shortest > 0.85, "a destination was probed twice within an interval");
}

/// What was measured in a while.
#[derive(Debug, Clone, Copy)]
struct Figure {
    p50_ms: f64,
    p99_ms: f64,
    /// Processor seconds a second, of both services.
    cores: f64,
    probes_per_second: f64,
    /// From one probe of a destination to the next, in intervals.
    shortest: f64,
    longest: f64,
    /// The part of the probes that the first service made.
    of_first: f64,
}

fn median(all: &[Figure], pick: fn(&Figure) -> f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(pick).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Of sorted times, in milliseconds.
fn percentile(times: &[Duration], percent: usize) -> f64 {
    let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(at).map_or(0.0, |took| took.as_secs_f64() * 1e3)
}

/// The servers of others: an address for each destination, all of this machine.
#[derive(Clone)]
struct Others {
    port: u16,
    /// When each was asked.
    asked: Arc<Vec<Mutex<Vec<Instant>>>>,
    /// The first so many answer 502.
    down: Arc<AtomicUsize>,
}

impl Others {
    async fn start(destinations: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let asked = (0..destinations).map(|_| Mutex::default()).collect();
        let others = Self { port, asked: Arc::new(asked), down: Arc::default() };
        let all = others.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(all.clone().answer(stream));
            }
        });
        others
    }

    /// One request a connection.
    async fn answer(self, mut stream: TcpStream) {
        let (mut head, mut part) = (Vec::new(), [0; 1024]);
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut part).await {
                Ok(0) | Err(_) => return,
                Ok(n) => head.extend_from_slice(&part[..n]),
            }
        }
        let head = String::from_utf8_lossy(&head);
        let n: usize = head.split(['/', ' ']).nth(2).and_then(|n| n.parse().ok()).expect("a destination");
        self.asked[n].lock().expect("no panic").push(Instant::now());
        let status = if n < self.down.load(Relaxed) { "502 Bad Gateway" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes()).await;
    }

    /// Waits until a start is over: every destination was probed twice since.
    async fn until_all_twice(&self, every: Duration) {
        let began = Instant::now();
        let twice = |all: &Mutex<Vec<Instant>>| {
            all.lock().expect("no panic").iter().filter(|at| **at > began).count() > 1
        };
        while !self.asked.iter().all(twice) {
            assert!(began.elapsed() < every * 6 + Duration::from_secs(60), "not all were probed in time");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// How many probes came since, and the shortest and the longest time from one of a destination to the next.
    fn since(&self, since: Instant) -> (usize, Duration, Duration) {
        let (mut count, mut shortest, mut longest) = (0, Duration::MAX, Duration::ZERO);
        for all in self.asked.iter() {
            let all = all.lock().expect("no panic");
            let first = all.partition_point(|at| *at < since);
            count += all.len() - first;
            // Also from the last one before.
            for pair in all[first.saturating_sub(1)..].windows(2) {
                (shortest, longest) = (shortest.min(pair[1] - pair[0]), longest.max(pair[1] - pair[0]));
            }
        }
        (count, shortest, longest)
    }
}

/// Two services on a database of their own.
struct World {
    services: [Services; 2],
    every: Duration,
}

impl World {
    /// `others`: where its destinations are probed; none: they have no health check.
    async fn make(
        engines: &Arc<Engines>,
        database: &str,
        every: Duration,
        others: Option<&Others>,
        destinations: usize,
    ) -> Self {
        let every_ms = every.as_millis().to_string();
        let settings = [
            ("MONGO_DATABASE", database),
            ("DESTINATION_HEALTHCHECK_INTERVAL_MS", &every_ms),
            ("OUTBOUND_ALLOW_PRIVATE", "true"),
            ("LOG_LEVEL", "warn"),
        ];
        let mut services = [(); 2].map(|()| Services::new(Arc::clone(engines), &settings));
        block_in_place(|| services[0].said(&["migrate", "up"]));
        services[0].start(Service::Api);
        services[0].until_ready(Service::Api, |status, _| status == 200).await;
        configure(&services[0], others, destinations).await;
        services[0].kill(Service::Api);
        Self { services, every }
    }

    /// Starts both and waits until they redirect.
    async fn start(&mut self) {
        self.services.iter_mut().for_each(|s| s.start(Service::Traffic));
        let http = client();
        for services in &self.services {
            services.until_ready(Service::Traffic, |status, _| status == 200).await;
            let link = format!("{}/c/c0", services.url(Service::Traffic));
            let began = Instant::now();
            while http.get(&link).send().await.expect("an answer").status() != StatusCode::FOUND {
                assert!(began.elapsed() < Duration::from_secs(60), "it does not redirect");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    fn stop(&mut self) {
        self.services.iter_mut().for_each(|s| s.kill(Service::Traffic));
    }

    /// Has people click for a while, after a short one that does not count.
    async fn measure(&self, others: &Others, time: Duration) -> Figure {
        self.load(async || sleep(Duration::from_secs(2)).await).await;
        let (cpu, [one, two], began) = (self.cpu(), self.probes().await, Instant::now());
        let times = self.load(async || sleep(time).await).await;
        let (took, cpu, made) = (began.elapsed().as_secs_f64(), self.cpu() - cpu, self.probes().await);
        let (count, shortest, longest) = others.since(began);
        let intervals = |gap: Duration| gap.as_secs_f64() / self.every.as_secs_f64();
        Figure {
            p50_ms: percentile(&times, 50),
            p99_ms: percentile(&times, 99),
            cores: cpu / took,
            probes_per_second: count as f64 / took,
            shortest: intervals(shortest),
            longest: intervals(longest),
            of_first: (made[0] - one) / (made[0] - one + made[1] - two).max(1.0),
        }
    }

    /// So many destinations answer 502 from now on: how long redirects take until both services know, and when that is.
    async fn turn_down(&self, others: &Others, destinations: usize) -> (Vec<Duration>, Duration) {
        others.down.store(destinations, Relaxed);
        let began = Instant::now();
        let known = async || {
            while self.of_both("tfx_destinations_down").await.iter().any(|n| *n < destinations as f64) {
                assert!(began.elapsed() < self.every * 4 + Duration::from_secs(30), "not known in time");
                sleep(Duration::from_millis(50)).await;
            }
        };
        let times = self.load(known).await;
        (times, began.elapsed())
    }

    /// People click on both at a steady rate until `until` ends: how long each redirect took, in order of that.
    async fn load(&self, until: impl AsyncFnOnce()) -> Vec<Duration> {
        let over = Arc::new(AtomicBool::new(false));
        let mut people = JoinSet::new();
        for n in 0..PEOPLE * 2 {
            let services = &self.services[n as usize % 2];
            people.spawn(person(services.url(Service::Traffic).to_owned(), n as usize, Arc::clone(&over)));
        }
        until().await;
        over.store(true, Relaxed);
        let mut times: Vec<Duration> = people.join_all().await.concat();
        times.sort();
        times
    }

    fn cpu(&self) -> f64 {
        self.services.iter().map(|s| s.processor_seconds(Service::Traffic)).sum()
    }

    /// The sum of a metric, of each.
    async fn of_both(&self, name: &str) -> [f64; 2] {
        let [one, two] = &self.services;
        [one.metric_sum(Service::Traffic, name).await, two.metric_sum(Service::Traffic, name).await]
    }

    async fn probes(&self) -> [f64; 2] {
        self.of_both("tfx_probes_total").await
    }
}

/// Many destinations; a fifth of them in streams of campaigns, each with one more stream to what is never down.
async fn configure(services: &Services, others: Option<&Others>, destinations: usize) {
    let destination = |n: usize| {
        let mut spec = json!({ "slug": format!("d{n}"), "name": "D", "url": format!("https://d{n}.example/?c={{click_id}}") });
        if let Some(others) = others {
            let url = format!(
                "http://127.{}.{}.{}:{}/{n}",
                1 + n / 62_500,
                n / 250 % 250,
                1 + n % 250,
                others.port
            );
            spec["health_check"] = json!({ "url": url, "failures": 1, "successes": 1 });
        }
        spec
    };
    create(services, Kind::Destination, (0..destinations).map(destination)).await;
    let always = json!({ "slug": "always", "name": "A", "url": "https://always.example/?c={click_id}" });
    create(services, Kind::Destination, [always]).await;
    let campaign = |n: usize| json!({ "slug": format!("c{n}"), "name": "C" });
    create(services, Kind::Campaign, (0..CAMPAIGNS).map(campaign)).await;
    let each = (destinations / 5 / CAMPAIGNS).max(1);
    let listed = |n: usize| json!({ "destination": format!("d{}", n % destinations) });
    let stream = |n: usize, slug: &str, listed: Vec<Value>| {
        json!({ "campaign": format!("c{n}"), "slug": slug, "name": slug, "destinations": listed,
            "kind": if slug == "main" { "regular" } else { "default" } })
    };
    let streams = (0..CAMPAIGNS).flat_map(|n| {
        let main = stream(n, "main", (n * each..(n + 1) * each).map(listed).collect());
        [main, stream(n, "rest", vec![json!({ "destination": "always" })])]
    });
    create(services, Kind::Stream, streams).await;
}

/// Several at the same time.
async fn create(services: &Services, kind: Kind, specs: impl IntoIterator<Item = Value>) {
    let specs = Arc::new(Mutex::new(specs.into_iter().collect::<Vec<_>>()));
    let mut running = JoinSet::new();
    for _ in 0..16 {
        let (api, specs) = (services.api(), Arc::clone(&specs));
        running.spawn(async move {
            let next = || specs.lock().expect("no panic").pop();
            while let Some(spec) = next() {
                api.create(kind, &spec).await.unwrap_or_else(|e| panic!("{spec}: {e:?}"));
            }
        });
    }
    running.join_all().await;
}

fn client() -> Client {
    let builder = Client::builder().redirect(redirect::Policy::none()).no_proxy();
    builder.timeout(Duration::from_secs(30)).build().expect("a client")
}

/// Clicks on one campaign after the other.
async fn person(url: String, n: usize, over: Arc<AtomicBool>) -> Vec<Duration> {
    let (http, mut times) = (client(), Vec::new());
    // Not all at the same moment.
    sleep(Duration::from_millis(7) * n as u32).await;
    let mut ticks = interval(Duration::from_secs(1) * PEOPLE / CLICKS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = n * 31;
    while !over.load(Relaxed) {
        ticks.tick().await;
        count += 1;
        let agent = format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.{n}.{count} Safari/537.36");
        let request = http.get(format!("{url}/c/c{}", count % CAMPAIGNS)).header(header::USER_AGENT, agent);
        let began = Instant::now();
        let answer = request.send().await.expect("an answer");
        times.push(began.elapsed());
        assert_eq!(answer.status(), StatusCode::FOUND);
    }
    times
}
