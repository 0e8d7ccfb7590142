//! What strangers leave behind is a few hundred bytes a request, in the file, whatever they send.

use reqwest::StatusCode;
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use tfx_e2e::Up;

/// Requests, and the most that each may leave in the file of events: the row, the whole event, what it is found by.
const REQUESTS: u64 = 600;
const CEILING: u64 = 400;

fn rows(folder: &Path, table: &str) -> u64 {
    let conn = rusqlite::Connection::open(folder.join("events.db")).expect("open");
    conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get::<_, i64>(0))
        .expect("counted")
        .unsigned_abs()
}

fn bytes(folder: &Path) -> u64 {
    let conn = rusqlite::Connection::open(folder.join("events.db")).expect("open");
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("checkpoint");
    drop(conn);
    fs::metadata(folder.join("events.db")).expect("the file").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_leaves_takes_a_few_hundred_bytes_in_the_file() {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let long = "verylong".repeat(120);
    let params: String = (0..30).map(|n| format!("&param{n}={long}")).collect();
    let agent = format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.0 {}", &long[..400]);
    for (table, field, what) in
        [("clicks", "tracking_links", "/c/nobody"), ("postbacks", "postbacks", "/postback/nobody")]
    {
        let dir = tempfile::tempdir().expect("dir");
        // As behind a proxy, so that each comes from an address of its own and none is beyond the bound.
        let up = Up::start(dir.path(), &[("TRUSTED_PROXY_CIDRS", "127.0.0.1/32")]);
        let base = up
            .get(field)
            .split("/c/")
            .next()
            .and_then(|u| u.split("/postback/").next())
            .expect("a URL")
            .to_owned();
        let get = async |n: u64| {
            let slug = format!("{what}-{n}-{}", &long[..40]);
            let request = http.get(format!("{base}{slug}?click_id=01K00000000000000000000000{params}"));
            let request = request.header("x-forwarded-for", format!("198.51.{}.{}", n / 250, n % 250 + 1));
            let request =
                request.header("user-agent", &agent).header("referer", format!("https://{n}.example/{long}"));
            assert_eq!(request.send().await.expect("an answer").status(), StatusCode::NOT_FOUND);
        };
        let stored = async |n: u64| {
            let limit = Instant::now() + Duration::from_secs(60);
            while rows(dir.path(), table) < n {
                assert!(Instant::now() < limit, "{} of {n} {table}", rows(dir.path(), table));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        // Once, so that pages that are begun count for nobody.
        for n in 0..20 {
            get(n).await;
        }
        stored(20).await;
        let before = bytes(dir.path());
        for n in 20..20 + REQUESTS {
            get(n).await;
        }
        stored(20 + REQUESTS).await;
        let each = (bytes(dir.path()) - before) / REQUESTS;
        println!("{each} bytes for each of {REQUESTS} {table}");
        assert!(each <= CEILING, "{each} bytes for each of {table}");

        // And it can be read.
        if table == "clicks" {
            let page = up.api().clicks(&tfx_api::clicks::ClickQuery::default()).await.expect("clicks");
            let click = &page.items[0];
            assert!(
                click.campaign_slug.starts_with("nobody-") && click.user_agent.starts_with("Mozilla/5.0")
            );
        } else {
            let page =
                up.api().postbacks(&tfx_api::postbacks::PostbackQuery::default()).await.expect("postbacks");
            let postback = &page.items[0];
            assert!(postback.network.starts_with("nobody-") && postback.reason == "there is no such network");
        }
        assert_eq!(up.terminate().0, Some(0));
    }
}
