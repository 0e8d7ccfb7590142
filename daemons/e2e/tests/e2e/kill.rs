//! A redirect, or a 200 to a postback, means that the event will be in the reports, once: whatever is killed when.
//!
//! `KILL_ROUNDS=50 cargo test -p tfx-e2e --test e2e kill:: -- --nocapture` runs the long form and prints the figures.

use std::time::Duration;
use tfx_e2e::{Browser, Up};

fn rounds() -> u32 {
    std::env::var("KILL_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(4)
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_nine_loses_nothing_and_counts_nothing_twice() {
    for policy in ["fail_open", "fail_closed"] {
        let dir = tempfile::tempdir().expect("dir");
        let settings = [("EVENT_WRITE_FAILURE_POLICY", policy)];
        let browser = Browser::default();
        // Not random: the moments wander over a second in steps that share no factor with it.
        let moments = (0..rounds()).map(|n| Duration::from_millis(u64::from(150 + n * 137 % 1000)));
        for moment in moments {
            let up = Up::start(dir.path(), &settings);
            let before = (browser.clicks().len(), browser.sales().len());
            let mut people = browser.go(&up, 8);
            // However slow the machine is, some of each are answered.
            while browser.clicks().len() < before.0 + 30 || browser.sales().len() < before.1 + 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(moment).await;
            up.kill();
            while let Some(person) = people.join_next().await {
                person.expect("every answer was as it should be");
            }
        }
        let up = Up::start(dir.path(), &settings);
        let (clicks, sales) = (browser.clicks(), browser.sales());
        assert!(clicks.len() > 100 && sales.len() > 10, "{} clicks, {} sales", clicks.len(), sales.len());
        let seen = browser.reconcile(&up.api()).await;
        println!(
            "{policy}: {} kills, {} redirects and {} sales answered; stored {} clicks and {} conversions; 0 missing, 0 double",
            rounds(),
            clicks.len(),
            sales.len(),
            seen.0,
            seen.1
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_drains_within_its_grace_and_loses_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let browser = Browser::default();
    let up = Up::start(dir.path(), &[]);
    let mut people = browser.go(&up, 8);
    while browser.sales().len() < 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (code, took) = tokio::task::spawn_blocking(|| up.terminate()).await.expect("ended");
    browser.stop();
    while let Some(person) = people.join_next().await {
        person.expect("every answer was as it should be");
    }
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    let up = Up::start(dir.path(), &[]);
    browser.reconcile(&up.api()).await;
}
