//! How fast sources are told of conversions, and what a source that never answers costs the others: ten sources with as
//! many postbacks each wait for one postback-service; once all ten answer at once, once one of them never does. And one
//! source alone.
//!
//! `cargo build --release --bins && cargo bench -p tfx-e2e --bench tells`; `-- 500 3` are postbacks for each source, and
//! rounds. They wait since nothing was sent to this machine at first (`OUTBOUND_ALLOW_PRIVATE`), and are told again.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::cast_precision_loss, reason = "figures are small")]

use reqwest::{Client, header, redirect};
use serde_json::json;
use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tfx_api::source_postbacks::{SourcePostbackQuery, SourcePostbackRetry};
use tfx_domain::entity::Kind;
use tfx_e2e::{Service, Services};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

const SOURCES: usize = 10;
const LIMIT: Duration = Duration::from_secs(600);

/// How far apart api-service has them come due that are told again.
const REVIVED_EACH: Duration = Duration::from_millis(10);

fn main() {
    let arguments: Vec<usize> = env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let each = arguments.first().copied().unwrap_or(500);
    let rounds = arguments.get(1).copied().unwrap_or(3).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (mut alone, mut all, mut nine) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            alone.push(run(each, 1, false).await);
            all.push(run(each, SOURCES, false).await);
            nine.push(run(each, SOURCES, true).await);
        }
        let (alone, all, nine) = (median(alone), median(all), median(nine));
        let share = all * (SOURCES - 1) as f64 / SOURCES as f64;
        println!("{each} postbacks for each source, one postback-service on SQLite; medians of {rounds} rounds");
        println!("one source: {alone:.0} a second");
        println!("{SOURCES} sources: {all:.0} a second");
        println!(
            "{SOURCES} sources, one of which never answers: {nine:.0} a second for the nine, {:.2} times what nine of ten \
             get when all answer",
            nine / share
        );
    });
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Postbacks a second to the sources that answer, from the first to the last of them.
async fn run(each: usize, sources: usize, one_is_silent: bool) -> f64 {
    let mut services = Services::embedded(&[("OUTBOUND_ALLOW_PRIVATE", "false"), ("LOG_LEVEL", "error")]);
    services.start_all().await;
    let told = Arc::<AtomicUsize>::default();
    record(&services, each, sources, one_is_silent, &told).await;
    // Nothing could be sent: all of it was given up, and is told again when the service starts anew.
    let wait = async |what: &str,
                      is: fn(&tfx_api::source_postbacks::SourcePostbackQueue, u64) -> bool,
                      of: usize| {
        let began = Instant::now();
        while !is(
            &services.api().tell_queue(&SourcePostbackQuery::default()).await.expect("the queue"),
            of as u64,
        ) {
            assert!(began.elapsed() < LIMIT, "{what}: not in time");
            sleep(Duration::from_millis(100)).await;
        }
    };
    wait("all is given up", |queue, of| queue.dead == of && queue.waiting == 0, each * sources).await;
    services.kill(Service::Postback);
    while services
        .api()
        .tell_again(&SourcePostbackRetry { dead: true, ..SourcePostbackRetry::default() })
        .await
        .expect("told again")
        .more
    {}
    // What is told again comes due one after the other; what is measured is how fast all that is due is told.
    sleep(REVIVED_EACH * u32::try_from(each * sources).unwrap_or(u32::MAX)).await;
    services.set("OUTBOUND_ALLOW_PRIVATE", "true");
    services.start(Service::Postback);
    let wanted = each * if one_is_silent { sources - 1 } else { sources };
    let (mut first, began) = (None, Instant::now());
    loop {
        let now = told.load(Relaxed);
        if now > 0 && first.is_none() {
            first = Some(Instant::now());
        }
        if now >= wanted {
            return now as f64 / first.expect("begun").elapsed().as_secs_f64();
        }
        assert!(began.elapsed() < LIMIT, "{now} of {wanted} are told");
        sleep(Duration::from_millis(2)).await;
    }
}

/// Has sales of one click of each source reported.
async fn record(
    services: &Services,
    each: usize,
    sources: usize,
    one_is_silent: bool,
    told: &Arc<AtomicUsize>,
) {
    let api = services.api();
    let secret = services.offer().await;
    let http = Client::builder().redirect(redirect::Policy::none()).no_proxy().build().expect("a client");
    let mut reports = JoinSet::new();
    for n in 0..sources {
        let (slug, port) = (format!("s{n}"), receiver(Arc::clone(told), one_is_silent && n == 0).await);
        let url = format!("http://127.0.0.1:{port}/?t={{tid}}&p={{payout}}");
        let source = json!({ "slug": slug, "name": "S", "postback_url": url });
        api.create(Kind::Source, &source).await.expect("a source");
        api.create(Kind::Campaign, &json!({ "slug": slug, "name": "C", "source": slug }))
            .await
            .expect("a campaign");
        let stream = json!({ "campaign": slug, "slug": "main", "name": "M", "destinations": [{ "destination": "offer" }] });
        api.create(Kind::Stream, &stream).await.expect("a stream");
        let click = click(&http, &format!("{}/c/{slug}", services.url(Service::Traffic))).await;
        // Only so many postbacks of one click may wait for it.
        let id = click.parse().expect("an id");
        while api.click(id).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
        let url = format!(
            "{}/postback/adnet?secret={secret}&subid={click}&payout=2",
            services.url(Service::Postback)
        );
        let http = http.clone();
        reports.spawn(async move {
            for k in 0..each {
                let report = async || {
                    http.get(format!("{url}&tid={click}-{k}")).send().await.expect("an answer").status()
                };
                // The network is new to postback-service.
                while k == 0 && report().await == 404 {
                    sleep(Duration::from_millis(50)).await;
                }
                assert_eq!(report().await, 200);
            }
        });
    }
    while let Some(done) = reports.join_next().await {
        done.expect("no panic");
    }
}

/// The id of a click, as soon as the campaign is known.
async fn click(http: &Client, link: &str) -> String {
    let agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.0.0.0 Safari/537.36";
    let began = Instant::now();
    loop {
        let answer = http.get(link).header(header::USER_AGENT, agent).send().await.expect("an answer");
        let to = answer.headers().get(header::LOCATION).and_then(|l| l.to_str().ok()).unwrap_or_default();
        if let Some(id) = to.split(['?', '&']).find_map(|p| p.strip_prefix("click_id=")) {
            return id.to_owned();
        }
        assert!(began.elapsed() < LIMIT, "no click is routed");
        sleep(Duration::from_millis(50)).await;
    }
}

/// A server of a source: its port. What it was told is counted; a silent one never answers.
async fn receiver(told: Arc<AtomicUsize>, silent: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&told), silent));
        }
    });
    port
}

async fn serve(mut stream: TcpStream, told: Arc<AtomicUsize>, silent: bool) {
    let (mut head, mut part) = (Vec::new(), [0; 2048]);
    loop {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(n) => head.extend_from_slice(&part[..n]),
        }
        if silent || !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        head.clear();
        told.fetch_add(1, Relaxed);
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
            return;
        }
    }
}
