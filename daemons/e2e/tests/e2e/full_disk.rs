//! A full disk: fail_closed answers 503, fail_open counts each drop, a postback is never answered 200 that is not kept;
//! nothing breaks, and all goes on by itself when there is room again.
//!
//! A disk of its own, or a limit set from outside, is what Linux has.

#![cfg(target_os = "linux")]

use reqwest::{Client, StatusCode, header, redirect};
use serde_json::Value;
use std::{
    collections::HashSet,
    fs,
    process::Command,
    time::{Duration, Instant},
};
use tfx_api::conversions::ConversionQuery;
use tfx_domain::id::ClickId;
use tfx_e2e::{SmallDisk, Up, every_click};

const TOKEN: &str = "internal-token-of-the-tests";

struct Visitor {
    http: Client,
    link: String,
    postback: String,
    /// Answered with a redirect.
    clicks: Vec<ClickId>,
    /// Whose sale was answered with 200.
    sales: HashSet<ClickId>,
}

impl Visitor {
    fn of(up: &Up) -> Self {
        let http = Client::builder().redirect(redirect::Policy::none()).no_proxy().build().expect("client");
        let (link, postback) = (up.get("demo_link").to_owned(), up.get("demo_postback").to_owned());
        Self { http, link, postback, clicks: Vec::new(), sales: HashSet::new() }
    }

    async fn click(&mut self) -> StatusCode {
        // Long enough that a disk with a little room left is full after some of them.
        let link = format!("{}?sub1={}", self.link, "x".repeat(2000));
        let answer = self
            .http
            .get(link)
            .header(header::USER_AGENT, "Mozilla/5.0 test")
            .send()
            .await
            .expect("an answer");
        if let Some(location) = answer.headers().get(header::LOCATION) {
            let text = location.to_str().expect("text");
            let id = text.split(['?', '&']).find_map(|p| p.strip_prefix("click_id=")).expect("a click id");
            self.clicks.push(id.parse().expect("a click id"));
        }
        answer.status()
    }

    /// The sale of the click with this number.
    async fn sale(&mut self, n: usize) -> StatusCode {
        let id = self.clicks[n];
        let url = self.postback.replace("{click_id}", &id.to_string());
        let url = url.replace("txid=T1", &format!("txid={id}"));
        let status = self.http.get(url).send().await.expect("an answer").status();
        if status == StatusCode::OK {
            self.sales.insert(id);
        }
        status
    }
}

async fn traffic(up: &Up, path: &str) -> (StatusCode, String) {
    let base = up.get("tracking_links").trim_end_matches("/c/SLUG");
    let client = Client::builder().no_proxy().build().expect("client");
    let answer = client.get(format!("{base}{path}")).bearer_auth(TOKEN).send().await.expect("an answer");
    (answer.status(), answer.text().await.expect("text"))
}

async fn dropped(up: &Up) -> usize {
    let (_, text) = traffic(up, "/internal/event-producer/stats").await;
    let stats: Value = serde_json::from_str(&text).expect("JSON");
    usize::try_from(stats["dropped_total"].as_u64().expect("a count")).expect("small")
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < limit, "gave up waiting until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn through_a_full_disk(policy: &str) {
    let disk = SmallDisk::new();
    let settings =
        [("EVENT_WRITE_FAILURE_POLICY", policy), ("INTERNAL_TOKEN", TOKEN), ("EVENT_BATCH_TIMEOUT_MS", "5")];
    let up = Up::run(disk.used_by(Up::command(&disk.path(), &settings))).expect("it starts");
    let mut visitor = Visitor::of(&up);
    for n in 0..60 {
        assert_eq!(visitor.click().await, StatusCode::FOUND);
        if n < 20 {
            assert_eq!(visitor.sale(n).await, StatusCode::OK);
        }
    }
    disk.fill(up.pid());
    // A part of a block may be left; then nothing more is written.
    let mut after = 0;
    until("it is noticed", async || {
        after += 1;
        let status = visitor.click().await;
        if policy == "fail_closed" {
            status == StatusCode::SERVICE_UNAVAILABLE
        } else {
            dropped(&up).await > 0
        }
    })
    .await;
    for n in 0..30 {
        let status = visitor.click().await;
        let want = if policy == "fail_closed" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::FOUND };
        assert_eq!(status, want, "click {n} after {after}");
        let status = visitor.sale(20 + n).await;
        assert!(status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::OK, "{status}");
    }
    assert!(visitor.sales.len() < 40, "postbacks were refused: {} of 50 were not", visitor.sales.len());
    assert_eq!(traffic(&up, "/healthz").await.0, StatusCode::OK);
    // Whoever is redirected all the same is served, if not as he should be; whoever is refused is not.
    let (want, state) = match policy {
        "fail_closed" => (StatusCode::SERVICE_UNAVAILABLE, "failed"),
        _ => (StatusCode::OK, "degraded"),
    };
    // An answer may be a second old.
    until("it says so", async || {
        let (status, ready) = traffic(&up, "/readyz").await;
        status == want && ready.contains(state)
    })
    .await;
    let (_, metrics) = traffic(&up, "/metrics").await;
    assert!(metrics.contains("tfx_panics_total{service=\"traffic\"} 0"), "{metrics}");

    disk.free(up.pid());
    // Also where nobody sends a click to a service that is not ready.
    until("it is ready again", async || traffic(&up, "/readyz").await.0 == StatusCode::OK).await;
    let before = visitor.clicks.len();
    until("it takes clicks again", async || {
        visitor.click().await == StatusCode::FOUND && visitor.clicks.len() > before
    })
    .await;
    // The network tries again what was refused.
    for n in 0..60 {
        until("it takes postbacks again", async || visitor.sale(n).await == StatusCode::OK).await;
    }
    let lost = dropped(&up).await;
    assert_eq!(lost == 0, policy == "fail_closed", "{lost} dropped");
    let up = reconciled(up, &visitor, lost).await;
    assert_eq!(up.terminate().0, Some(0));
    // Nothing is broken on the disk: it starts again and still has everything.
    let up = Up::run(disk.used_by(Up::command(&disk.path(), &settings))).expect("it starts again");
    reconciled(up, &visitor, lost).await;
}

/// Every answered click is stored once, but for those that were counted as dropped; every answered sale too.
async fn reconciled(up: Up, visitor: &Visitor, lost: usize) -> Up {
    let api = up.api();
    let answered: HashSet<ClickId> = visitor.clicks.iter().copied().collect();
    until("what was answered is stored", async || {
        let mut stored = Vec::new();
        every_click(&api, |c| stored.push(c.click_id)).await;
        let unique: HashSet<ClickId> = stored.iter().copied().collect();
        assert_eq!(unique.len(), stored.len(), "something is stored twice");
        answered.difference(&unique).count() == lost
    })
    .await;
    // A sale whose click was not stored yet waits for it.
    let query = ConversionQuery { limit: Some(1000), ..ConversionQuery::default() };
    until("each sale is recorded once", async || {
        let recorded = api.conversions(&query).await.expect("conversions").items;
        let unique: HashSet<ClickId> = recorded.iter().map(|c| c.click_id).collect();
        assert_eq!(recorded.len(), unique.len(), "something is recorded twice");
        unique == visitor.sales
    })
    .await;
    up
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_closed_refuses_and_recovers() {
    through_a_full_disk("fail_closed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_open_counts_what_it_drops_and_recovers() {
    through_a_full_disk("fail_open").await;
}

#[test]
fn a_start_on_a_full_disk_says_so() {
    let disk = SmallDisk::new();
    fs::create_dir(disk.path()).expect("create");
    // A limit on files holds for the command itself; a disk of its own is full for everybody.
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap '' XFSZ; ulimit -f 0; exec "$0" "$@""#]);
    let up = Up::command(&disk.path(), &[]);
    command.arg(up.get_program()).args(up.get_args()).current_dir(std::env::temp_dir());
    command.envs(up.get_envs().filter_map(|(n, v)| Some((n, v?))));
    let said = Up::run(command).expect_err("it cannot start");
    assert!(said.starts_with("exit status: 1:"), "{said}");
    assert!(said.contains(disk.path().to_str().expect("path")) && !said.contains("panicked"), "{said}");
}
