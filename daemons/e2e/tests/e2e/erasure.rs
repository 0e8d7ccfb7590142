//! A person is erased while the services run: nothing of him is in any file or store afterwards, and the money is.

#[cfg(target_os = "linux")]
mod collections;

use reqwest::{Client, StatusCode, header, redirect};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use tfx_api::erasure::{ErasureReceipt, ErasureRequest};
use tfx_e2e::Up;
use tokio::time::sleep;

/// What tells of the person.
const VISITOR: &str = "c0ffee00c0ffee00c0ffee00c0ffee00";
const ADDRESS: &str = "198.51.100.77";
const AGENT: &str = "CanaryBrowser/77.1";
const CANARIES: [&str; 3] = [VISITOR, ADDRESS, AGENT];
/// A click that never was.
const NO_CLICK: &str = "01KBB6X7T4ZZZZZZZZZZZZZZZZ";

struct World<'u> {
    up: &'u Up,
    http: Client,
}

impl<'u> World<'u> {
    fn of(up: &'u Up) -> Self {
        let http = Client::builder().redirect(redirect::Policy::none()).no_proxy().build().expect("a client");
        Self { up, http }
    }

    /// Somebody clicks; the id of his click.
    async fn click(&self, visitor: &str, address: &str, agent: &str) -> String {
        self.click_on(self.up.get("demo_link"), visitor, address, agent).await
    }

    async fn click_on(&self, link: &str, visitor: &str, address: &str, agent: &str) -> String {
        let click = self.http.get(link).header(header::USER_AGENT, agent);
        let click = click.header(header::ACCEPT_LANGUAGE, "de-DE");
        let click =
            click.header("x-forwarded-for", address).header(header::COOKIE, format!("tfx_v={visitor}"));
        let answer = click.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::FOUND);
        let location = answer.headers()["location"].to_str().expect("text").to_owned();
        let id = location.split(['?', '&']).find_map(|p| p.strip_prefix("click_id=")).expect("a click id");
        id.to_owned()
    }

    /// A network tells of a click, and of the person.
    async fn postback(&self, click: &str, txid: &str) -> StatusCode {
        let url = self.up.get("demo_postback").replace("{click_id}", click);
        let url = url.replace("txid=T1", &format!("txid={txid}"));
        let url = format!("{url}&who={VISITOR}&ip={ADDRESS}&agent={AGENT}");
        self.http.get(url).send().await.expect("an answer").status()
    }

    async fn eventually(&self, what: &str, clicks: usize, sales: usize) {
        let api = self.up.api();
        let limit = Instant::now() + Duration::from_secs(120);
        loop {
            let seen = tfx_e2e::totals(&api).await;
            if seen == (clicks, sales) {
                return;
            }
            assert!(Instant::now() < limit, "{what}: {seen:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn erase(&self, request: ErasureRequest) -> ErasureReceipt {
        let api = self.up.api();
        let begun = api.erase(&request).await.expect("begun");
        let limit = Instant::now() + Duration::from_secs(180);
        loop {
            let last = api.erasures().await.expect("status").last;
            if let Some(last) = last.filter(|last| last.id == begun.id) {
                return last;
            }
            assert!(Instant::now() < limit, "it does not end");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

fn rows(receipt: &ErasureReceipt, what: &str) -> u64 {
    receipt.rows.iter().filter(|row| row.what == what).map(|row| row.rows).sum()
}

/// Files in which a text stands.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if let Ok(bytes) = fs::read(&path)
            && bytes.windows(text.len()).any(|w| w == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

fn visitor(dry_run: bool) -> ErasureRequest {
    ErasureRequest { visitor: Some(VISITOR.to_owned()), dry_run, ..ErasureRequest::default() }
}

/// Two people click and buy, one is erased. `kept`: in files of the data folder.
async fn one_of_two_is_erased(dir: &Path, settings: &[(&str, &str)], kept: bool) {
    let settings = [&[("TRUSTED_PROXY_CIDRS", "127.0.0.0/8")], settings].concat();
    let up = Up::start(dir, &settings);
    let world = World::of(&up);
    let his = world.click(VISITOR, ADDRESS, AGENT).await;
    world.click(VISITOR, ADDRESS, AGENT).await;
    let other = world.click("00000000000000000000000000000abc", "203.0.113.9", "Other/1").await;
    world.eventually("the clicks", 3, 0).await;
    assert_eq!(world.postback(&his, "his").await, StatusCode::OK);
    assert_eq!(world.postback(&other, "other").await, StatusCode::OK);
    // Its click does not come: it is parked, and names him.
    assert!(world.postback(NO_CLICK, "parked").await.is_success());
    world.eventually("the sales", 3, 2).await;
    for canary in CANARIES.iter().filter(|_| kept) {
        assert!(!files_with(dir, canary).is_empty(), "{canary} is in the files before");
    }

    let counted = world.erase(visitor(true)).await;
    assert_eq!(
        (rows(&counted, "clicks"), rows(&counted, "conversions"), counted.dry_run),
        (2, 1, true),
        "{counted:?}"
    );
    assert_eq!(tfx_e2e::totals(&up.api()).await, (3, 2), "counting changes nothing");
    let receipt = world.erase(visitor(false)).await;
    assert_eq!(
        (receipt.complete, &receipt.missing, &receipt.refused),
        (true, &Vec::new(), &None),
        "{receipt:?}"
    );
    for (what, want) in [
        ("clicks", 2),
        ("conversions", 1),
        ("conversions in reports", 1),
        ("parked and unmatched postbacks", 1),
        ("messages that are no events", 0),
    ] {
        assert_eq!(rows(&receipt, what), want, "{what}: {receipt:?}");
    }
    // That of the other's click names him too.
    assert_eq!(rows(&receipt, "lines of the postback log"), 3, "{receipt:?}");
    let text = serde_json::to_string(&receipt).expect("JSON");
    let log = up.api().audit(&tfx_api::audit::AuditQuery::default()).await.expect("audit");
    let log = serde_json::to_string(&log).expect("JSON");
    for canary in CANARIES {
        assert!(!text.contains(canary) && !log.contains(canary), "{canary}: {text} {log}");
        assert_eq!(files_with(dir, canary), Vec::<String>::new(), "{canary} is in the files");
    }
    assert!(log.contains(&receipt.hash), "{log}");
    assert_eq!(tfx_e2e::totals(&up.api()).await, (1, 2), "his clicks went, the money stays");

    let again = world.erase(visitor(false)).await;
    assert_eq!((again.complete, again.total(), &again.hash), (true, 0, &receipt.hash), "{again:?}");
    let of_click = ErasureRequest { click: Some(his), ..ErasureRequest::default() };
    let of_click = world.erase(of_click).await;
    assert_eq!(
        (of_click.total(), of_click.refused.is_none()),
        (0, true),
        "what it brought is known: {of_click:?}"
    );
    let unknown = ErasureRequest { click: Some(NO_CLICK.to_owned()), ..ErasureRequest::default() };
    let unknown = world.erase(unknown).await;
    assert_eq!(unknown.refused.map(|r| r.code).as_deref(), Some("not_found"));

    // Whoever comes again is new, and stays; the end of the services and a new start bring nobody back.
    world.click(VISITOR, "203.0.113.10", "Again/1").await;
    world.eventually("he came again", 2, 2).await;
    assert_eq!(up.terminate().0, Some(0));
    for canary in [ADDRESS, AGENT] {
        assert_eq!(files_with(dir, canary), Vec::<String>::new(), "{canary} is in the files after the end");
    }
    let up = Up::start(dir, &settings);
    let world = World::of(&up);
    let once_more = ErasureRequest { again: true, ..ErasureRequest::default() };
    let once_more = world.erase(once_more).await;
    assert_eq!((once_more.total(), once_more.complete), (0, true), "{once_more:?}");
    world.eventually("what he did since is his", 2, 2).await;
    let by_address = ErasureRequest { ip: Some("203.0.113.10".to_owned()), ..ErasureRequest::default() };
    let by_address = world.erase(by_address).await;
    assert_eq!((rows(&by_address, "clicks"), by_address.visitors), (1, 1), "{by_address:?}");
    world.eventually("by his address", 1, 2).await;
    assert_eq!(up.terminate().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_person_is_left_in_the_files() {
    let dir = tempfile::tempdir().expect("dir");
    one_of_two_is_erased(dir.path(), &[], true).await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_erased_on_the_engines() {
    use tfx_e2e::{Namespace, Services};
    let namespace = Namespace::new();
    let dir = tempfile::tempdir().expect("dir");
    let settings = namespace.settings();
    tokio::task::block_in_place(|| Services::embedded(&settings).said(&["migrate", "up"]));
    one_of_two_is_erased(dir.path(), &settings, false).await;
    for (table, column) in
        [("click_events", "event"), ("conversion_events", "event"), ("postback_log_events", "event")]
    {
        for canary in CANARIES {
            let sql = format!("SELECT count() FROM {table} WHERE position({column}, '{canary}') > 0");
            assert_eq!(namespace.sql(&sql).await.trim(), "0", "{canary} is in {table}");
        }
    }
}
