//! Old events leave while clicks and postbacks go on.
//!
//! `cargo test -p tfx-e2e --test e2e retention:: -- --nocapture` prints how long the answers took (docs/benchmarks.md).
#![allow(clippy::print_stdout, reason = "the figures are the point")]

use reqwest::{Client, StatusCode, redirect};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tfx_api::retention::{PruneRequest, PruneRun};
use tfx_domain::Timestamp;
use tfx_e2e::{Browser, Up};

/// So many clicks are older than they are to be.
const OLD: u64 = 200_000;

/// Puts old clicks into a data folder that nobody holds: rows of before, each as large as a click of now.
fn age(folder: &Path) {
    let conn = rusqlite::Connection::open(folder.join("events.db")).expect("open");
    let rows = format!(
        "BEGIN;
         CREATE TEMP TABLE numbers AS
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {OLD}) SELECT n FROM n;
         CREATE TEMP TABLE one AS SELECT clicks.*, json FROM clicks JOIN bodies ON bodies.id = body LIMIT 1;
         INSERT INTO bodies (id, json) SELECT 1000000 + n, json FROM numbers, one;
         INSERT INTO clicks
         SELECT unhex(printf('%012x%020x', 1700000000000 + n, n)), facts, cost, currency, campaign, stream, destination,
             source, network, country, region, city, isp, os, browser, language, referrer, keyword, subs, visitor,
             1000000 + n, deciding, connection
         FROM numbers, one;
         COMMIT;"
    );
    conn.execute_batch(&rows).expect("rows");
}

/// Somebody who clicks and buys, and measures how long the answers take.
struct Measuring<'u> {
    http: Client,
    up: &'u Up,
    clicks: Vec<Duration>,
    postbacks: Vec<Duration>,
}

impl<'u> Measuring<'u> {
    fn new(up: &'u Up) -> Self {
        let http = Client::builder().redirect(redirect::Policy::none()).no_proxy().build().expect("a client");
        Self { http, up, clicks: Vec::new(), postbacks: Vec::new() }
    }

    /// A click, and its sale.
    async fn buy(&mut self) {
        let begun = Instant::now();
        let agent = format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/139.{}", self.clicks.len());
        let click = self.http.get(self.up.get("demo_link")).header("user-agent", agent);
        let answer = click.send().await.expect("an answer");
        self.clicks.push(begun.elapsed());
        assert_eq!(answer.status(), StatusCode::FOUND);
        let location = answer.headers()["location"].to_str().expect("text").to_owned();
        let id = location.split(['?', '&']).find_map(|p| p.strip_prefix("click_id=")).expect("a click id");
        let url =
            self.up.get("demo_postback").replace("{click_id}", id).replace("txid=T1", &format!("txid=m{id}"));
        let begun = Instant::now();
        let answer = self.http.get(url).send().await.expect("an answer");
        self.postbacks.push(begun.elapsed());
        assert_eq!(answer.status(), StatusCode::OK);
    }

    fn told(&mut self, when: &str) {
        for (what, times) in [("clicks", &mut self.clicks), ("postbacks", &mut self.postbacks)] {
            times.sort_unstable();
            let of = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e3;
            println!(
                "{when}: {} {what}, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
                times.len(),
                of(0.5),
                of(0.99),
                of(0.9999)
            );
            times.clear();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clicks_and_postbacks_go_on_while_old_events_leave() {
    let dir = tempfile::tempdir().expect("dir");
    let browser = Browser::default();
    let up = Up::start(dir.path(), &[]);
    Measuring::new(&up).buy().await;
    let limit = Instant::now() + Duration::from_secs(20);
    while tfx_e2e::totals(&up.api()).await != (1, 1) {
        assert!(Instant::now() < limit, "the click is not stored");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(up.terminate().0, Some(0));
    age(dir.path());

    let up = Up::start(dir.path(), &[]);
    let api = up.api();
    let full = api.retention().await.expect("retention").bytes;
    let mut people = browser.go(&up, 2);
    let mut measuring = Measuring::new(&up);
    for _ in 0..200 {
        measuring.buy().await;
    }
    measuring.told("before");
    let before: Timestamp = "2024-01-01T00:00:00Z".parse().expect("a time");
    let request = PruneRequest { before: Some(before), ..PruneRequest::default() };
    let begun = Instant::now();
    let answer = api.prune(&request).await.expect("begun");
    assert_eq!(answer.found.map(|found| found.total()), Some(OLD));
    let (mut during, mut last) = (0_u32, None::<PruneRun>);
    while last.is_none() {
        measuring.buy().await;
        let status = api.retention().await.expect("retention");
        during += u32::from(status.running.is_some_and(|run| run.deleted.total() > 0));
        last = status.last;
        assert!(begun.elapsed() < Duration::from_secs(300), "it does not end");
    }
    let last = last.expect("a run");
    println!(
        "{OLD} clicks deleted in {:.1} s, {} bytes of {full} given back",
        begun.elapsed().as_secs_f64(),
        last.bytes
    );
    measuring.told("during");
    assert_eq!((last.error, last.deleted.total()), (None, OLD));
    assert!(during > 0, "nobody was answered while events left");
    assert!(last.bytes > full / 2, "{} bytes of {full} were given back", last.bytes);

    browser.stop();
    while let Some(person) = people.join_next().await {
        person.expect("every answer was as it should be");
    }
    // What was answered is there, once, and nothing else.
    browser.reconcile(&api).await;
    assert_eq!(up.terminate().0, Some(0));
}
