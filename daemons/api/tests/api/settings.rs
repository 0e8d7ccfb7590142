//! What a service is set to stands in the audit log when it is another.

use crate::server::Server;
use serde_json::{Value, json};
use std::time::Duration;
use tfx_api::audit::{AuditEntry, AuditQuery};
use tfx_ports::accounts::AccountKind;

async fn lines(s: &Server) -> Vec<AuditEntry> {
    let all = s.api.audit(&AuditQuery::default()).await.expect("audit").items;
    all.into_iter().filter(|line| line.kind == "settings").collect()
}

/// What is kept, once it says so.
async fn kept(s: &Server, part: &str) -> String {
    for _ in 0..400 {
        let found = s.stores.accounts.get(AccountKind::Settings, "api").await.expect("an answer");
        if let Some(found) = found.filter(|found| found.body.contains(part)) {
            return found.body;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{part} is not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_otherwise_than_at_the_last_start_is_told_and_no_secret_is() {
    let secret = |canary: &'static str| [("INTERNAL_TOKEN", canary), ("REPORT_MAX_GROUPS", "1000")];
    let s = Server::with(&secret("canary-0123456789abcdef")).await;
    let first = kept(&s, "REPORT_MAX_GROUPS").await;
    assert!(!first.contains("canary") && first.contains("INTERNAL_TOKEN"), "{first}");
    assert_eq!(lines(&s).await.len(), 0, "of the first start there is nothing to tell");
    let s = s.again(&secret("canary-0123456789abcdef")).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(lines(&s).await.len(), 0, "nothing is set otherwise");
    let s = s
        .again(&[("INTERNAL_TOKEN", "canary-fedcba9876543210"), ("API_RATE_LIMIT_PER_MINUTE", "7000")])
        .await;
    kept(&s, "7000").await;
    let lines = lines(&s).await;
    assert_eq!(lines.len(), 1);
    let AuditEntry { actor, action, id, changes, .. } = &lines[0];
    assert_eq!((actor.as_str(), action.as_str(), id.as_str()), ("api-service", "start", "api-service"));
    let want: Value = json!({
        "API_RATE_LIMIT_PER_MINUTE": ["12000", "7000"],
        "INTERNAL_TOKEN": ["***", "***"],
        "REPORT_MAX_GROUPS": ["1000", changes["REPORT_MAX_GROUPS"][1]],
    });
    assert_eq!(*changes, want);
}
