//! What was accepted is known, whatever is stolen of it: from the journal of a process that was killed too.

use std::{fs, path::Path, time::Duration};
use tfx_api::reconciliation::{Reconciled, ReconciledKind, ReconciliationQuery};
use tfx_e2e::Up;
use tokio::time::sleep;

/// A click on the demo's link: its id.
async fn click(up: &Up) -> String {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
    let answer = http.expect("a client").get(up.get("demo_link")).send().await.expect("an answer");
    let location = answer.headers()["location"].to_str().expect("text").to_owned();
    location.split(['?', '&']).find_map(|p| p.strip_prefix("click_id=")).expect("an id").to_owned()
}

/// What is told of clicks as soon as so many are accepted, and stored.
async fn clicks(up: &Up, accepted: u64, stored: u64) -> ReconciledKind {
    let api = up.api();
    for _ in 0..300 {
        let found = api.reconciliation(&ReconciliationQuery::default()).await.expect("an answer");
        let kind = found.kinds.into_iter().find(|k| k.kind == Reconciled::Clicks).expect("clicks");
        if (kind.sum.accepted, kind.sum.stored) == (accepted, stored) {
            return kind;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("never {accepted} accepted and {stored} stored");
}

fn segments(folder: &Path) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(folder).expect("lists").map(|e| e.expect("an entry").path());
    all.filter(|path| path.extension().is_some_and(|e| e == "seg")).collect()
}

/// The folder of the journal with the most in it.
fn journal(dir: &Path) -> std::path::PathBuf {
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let inside = fs::read_dir(&folder).expect("lists").map(|e| e.expect("an entry").path());
        folders.extend(inside.filter(|path| path.is_dir()));
        if folder.to_string_lossy().contains("traffic") && folder.join("cursor").exists() {
            return folder;
        }
    }
    panic!("no journal in {}", dir.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stolen_from_the_journal_of_who_was_killed_is_missed_by_id() {
    let dir = tempfile::tempdir().expect("dir");
    // Nothing is delivered within the test unless the journal is read at a start.
    let slow = [("EVENT_BATCH_TIMEOUT_MS", "60000"), ("EVENT_BATCH_SIZE", "5000")];
    let up = Up::start(dir.path(), &slow);
    let first = click(&up).await;
    let stolen = click(&up).await;
    // It is counted on disk within a second.
    let ledger = journal(dir.path()).join("ledger");
    let counted = || {
        fs::read_dir(&ledger)
            .is_ok_and(|all| all.flatten().any(|e| e.path().extension().is_some_and(|x| x == "hour")))
    };
    for _ in 0..200 {
        if counted() {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    sleep(Duration::from_millis(1_500)).await;
    up.kill();
    for segment in segments(&journal(dir.path())) {
        fs::remove_file(segment).expect("stolen");
    }
    let up = Up::start(dir.path(), &[]);
    let later = click(&up).await;
    let kind = clicks(&up, 3, 1).await;
    let mut missing = vec![first, stolen];
    missing.sort();
    assert_eq!((&kind.missing_ids, kind.sum.surplus), (&missing, 0), "{kind:?}");
    assert!(!missing.contains(&later));
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_nine_and_restarts_leave_the_count_exact() {
    let dir = tempfile::tempdir().expect("dir");
    let mut accepted = 0;
    for round in 0..4_u64 {
        let up = Up::start(dir.path(), &[]);
        for _ in 0..5 + round {
            click(&up).await;
            accepted += 1;
        }
        sleep(Duration::from_millis(round * 370)).await;
        up.kill();
    }
    let up = Up::start(dir.path(), &[]);
    let kind = clicks(&up, accepted, accepted).await;
    assert_eq!((kind.sum.missing, kind.sum.surplus, kind.sum.published), (0, 0, Some(accepted)), "{kind:?}");
}
