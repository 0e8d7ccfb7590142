//! People who click at a steady rate, and the network that reports a sale for every fifth of them and asks again for
//! what it was not answered 200.

use crate::testbed::Testbed;
use reqwest::{Client, StatusCode, header, redirect};
use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tfx_domain::id::ClickId;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

/// Clicking at the same time.
const PEOPLE: u32 = 8;
/// Reporting at the same time.
const REPORTERS: usize = 4;

/// A click that was answered with a redirect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Click {
    pub(crate) id: ClickId,
    pub(crate) begun: Instant,
    pub(crate) took: Duration,
}

/// An answer to a postback.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) click: ClickId,
    pub(crate) begun: Instant,
    pub(crate) took: Duration,
    /// None: the service was gone.
    pub(crate) status: Option<StatusCode>,
    /// `result` of a 200.
    pub(crate) result: String,
}

/// What was answered.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) clicks: Vec<Click>,
    pub(crate) postbacks: Vec<Answer>,
    /// Clicks that came to nothing: the service was gone.
    pub(crate) broken: usize,
}

impl Ledger {
    /// Clicks whose sale was answered 200, each once.
    pub(crate) fn sales(&self) -> Vec<ClickId> {
        let taken = self.postbacks.iter().filter(|a| a.status == Some(StatusCode::OK));
        let mut sales: Vec<_> = taken.map(|a| a.click).collect();
        sales.sort();
        sales.dedup();
        sales
    }

    /// Redirects that were asked for from then to then.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Vec<Click> {
        self.clicks.iter().filter(|c| (from..to).contains(&c.begun)).copied().collect()
    }
}

/// The 99th percentile of the times that these took, milliseconds.
pub(crate) fn p99(clicks: &[Click]) -> f64 {
    let mut all: Vec<_> = clicks.iter().map(|c| c.took).collect();
    all.sort();
    let at = (all.len() * 99).div_ceil(100).saturating_sub(1);
    all.get(at).map_or(0.0, |took| took.as_secs_f64() * 1e3)
}

struct Shared {
    link: String,
    postback: String,
    /// Services are killed meanwhile: a connection may break off.
    forgiving: bool,
    stop: AtomicBool,
    ledger: Mutex<Ledger>,
}

/// Load that goes on until [`Load::end`].
pub(crate) struct Load {
    shared: Arc<Shared>,
    people: JoinSet<()>,
    reporters: JoinSet<()>,
    sales: UnboundedSender<ClickId>,
}

impl Load {
    /// So many clicks a second. Every one must be a redirect, at once or, if `forgiving`, not at all.
    pub(crate) fn start(testbed: &Testbed, clicks_per_second: u32, forgiving: bool) -> Self {
        let shared = Arc::new(Shared {
            link: testbed.link(),
            postback: testbed.postback_url("status=sale&"),
            forgiving,
            stop: AtomicBool::new(false),
            ledger: Mutex::default(),
        });
        let (sales, reported) = unbounded_channel();
        let reported = Arc::new(tokio::sync::Mutex::new(reported));
        let (mut people, mut reporters) = (JoinSet::new(), JoinSet::new());
        let pause = Duration::from_secs(1) * PEOPLE / clicks_per_second;
        for n in 0..PEOPLE {
            people.spawn(person(Arc::clone(&shared), n, pause, sales.clone()));
        }
        for _ in 0..REPORTERS {
            reporters.spawn(reporter(Arc::clone(&shared), Arc::clone(&reported)));
        }
        Self { shared, people, reporters, sales }
    }

    /// What was answered so far.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.shared.ledger.lock().expect("nobody panics while holding it")
    }

    /// Has the network report a sale of these too.
    pub(crate) fn report(&self, clicks: impl IntoIterator<Item = ClickId>) {
        clicks.into_iter().for_each(|id| self.sales.send(id).expect("somebody reports"));
    }

    /// Waits until so many redirects more were answered.
    pub(crate) async fn more(&mut self, clicks: usize) {
        let wanted = self.ledger().clicks.len() + clicks;
        self.until(|ledger| ledger.clicks.len() >= wanted).await;
    }

    /// Waits for something to stand in the ledger.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Ledger) -> bool) {
        let begun = Instant::now();
        while !wanted(&self.ledger()) {
            if let Some(ended) = self.people.try_join_next().or_else(|| self.reporters.try_join_next()) {
                ended.expect("every answer is as it should be");
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "not in time");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The last clicks; then the network goes on until everything was answered 200.
    pub(crate) async fn end(mut self) -> Ledger {
        self.shared.stop.store(true, Ordering::Relaxed);
        while let Some(person) = self.people.join_next().await {
            person.expect("every answer was as it should be");
        }
        drop(self.sales);
        while let Some(reporter) = self.reporters.join_next().await {
            reporter.expect("every answer was as it should be");
        }
        std::mem::take(&mut self.shared.ledger.lock().expect("nobody panics while holding it"))
    }
}

fn client() -> Client {
    Client::builder()
        .redirect(redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .no_proxy()
        .build()
        .expect("a client")
}

async fn person(shared: Arc<Shared>, n: u32, pause: Duration, sales: UnboundedSender<ClickId>) {
    let http = client();
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = 0_u32;
    while !shared.stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let agent = format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.{n}.{count} Safari/537.36");
        let begun = Instant::now();
        let answer = match http.get(&shared.link).header(header::USER_AGENT, agent).send().await {
            Ok(answer) => answer,
            Err(_) if shared.forgiving => {
                shared.ledger.lock().expect("nobody panics while holding it").broken += 1;
                continue;
            }
            Err(e) => panic!("a click was not answered: {e:?}"),
        };
        let took = begun.elapsed();
        if shared.forgiving && answer.status() == StatusCode::SERVICE_UNAVAILABLE {
            continue; // Refused, not redirected: nothing is promised.
        }
        assert_eq!(answer.status(), StatusCode::FOUND);
        let location = answer.headers()[header::LOCATION].to_str().expect("text");
        let id = location.strip_prefix("https://offer.example/?click=").expect("the offer");
        let id: ClickId = id.parse().expect("a click id");
        let click = Click { id, begun, took };
        shared.ledger.lock().expect("nobody panics while holding it").clicks.push(click);
        count += 1;
        if count.is_multiple_of(5) {
            sales.send(id).expect("somebody reports");
        }
    }
}

/// Reports sales, each until it is answered 200, as networks do.
async fn reporter(shared: Arc<Shared>, sales: Arc<tokio::sync::Mutex<UnboundedReceiver<ClickId>>>) {
    let http = client();
    loop {
        let next = sales.lock().await.recv().await;
        let Some(click) = next else { return };
        loop {
            let begun = Instant::now();
            let url = format!("{}clickid={click}&txid={click}", shared.postback);
            let (status, result) = match http.get(url).send().await {
                Ok(answer) => {
                    let status = answer.status();
                    let body: serde_json::Value = answer.json().await.unwrap_or_default();
                    (Some(status), body["result"].as_str().unwrap_or_default().to_owned())
                }
                Err(e) if !shared.forgiving => panic!("a postback was not answered: {e:?}"),
                Err(_) => (None, String::new()),
            };
            let answer = Answer { click, begun, took: begun.elapsed(), status, result };
            shared.ledger.lock().expect("nobody panics while holding it").postbacks.push(answer);
            match status {
                Some(StatusCode::OK) => break,
                Some(StatusCode::SERVICE_UNAVAILABLE) | None => sleep(Duration::from_millis(100)).await,
                Some(other) => panic!("a postback was answered {other}"),
            }
        }
    }
}
