//! Money that does not come in: networks whose last postbacks were all refused, currencies that there are not, and costs of
//! clicks that could not be read.

use super::{Finding, State, api::Api};
use crate::{commands::report::costs_refused, exit::Failure, output::text};
use tfx_api::{
    Client,
    entities::EntityQuery,
    postbacks::{
        Directions, FindingKind, LintQuery, PostbackLogEvent, PostbackQuery, PostbackResult, TestTraffic,
    },
    report::{Attribution, Metric, ReportRequest},
};
use tfx_domain::{
    Timestamp,
    entity::{Kind, Status},
    postback::advice,
};
use tfx_ops::clock;

/// So many of a network's last postbacks are looked at.
const LAST: usize = 10;
/// Fewer say little.
const LEAST: usize = 3;
/// How far back costs are looked at. Seconds.
const DAYS: i64 = 7 * 86_400;

/// What is wrong with what networks and links say.
pub(super) async fn look(api: &Api<'_>) -> Vec<Finding> {
    let found = api.ask(async |client| {
        let mut found = networks(client).await?;
        found.extend(currencies(client).await?);
        found.extend(costs(client).await?);
        Ok::<_, Failure>(found)
    });
    match found.await {
        Ok(found) => found,
        // That nobody answers is told elsewhere.
        Err(failure) => vec![
            Finding::new(State::Warning, "postbacks", format!("not looked at: {}", failure.message))
                .next(failure.hint.unwrap_or_default()),
        ],
    }
}

/// Active networks, and of those whose last postbacks were all refused, why the last was.
async fn networks(client: &Client) -> Result<Vec<Finding>, Failure> {
    let mut query = EntityQuery { status: vec![Status::Active], ..EntityQuery::default() };
    let (mut active, mut refused) = (0, Vec::new());
    loop {
        let page = client.list(Kind::Network, &query).await?;
        for network in &page.items {
            active += 1;
            let slug = text(&network["slug"]);
            let asked = PostbackQuery {
                network: Some(slug.clone()),
                direction: Some(Directions::In),
                test: Some(TestTraffic::Include),
                limit: Some(LAST),
                ..PostbackQuery::default()
            };
            refused.extend(all_refused(&slug, &client.postbacks(&asked).await?.items));
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    if refused.is_empty() {
        let what = format!("{active} active; of none were the last postbacks all refused");
        refused.push(Finding::new(State::Ok, "networks", what).plain());
    }
    Ok(refused)
}

/// The newest first.
fn all_refused(slug: &str, last: &[PostbackLogEvent]) -> Option<Finding> {
    let newest = last.first()?;
    if last.len() < LEAST || last.iter().any(|line| line.result != PostbackResult::Rejected) {
        return None;
    }
    let what = format!("its last {} postbacks were all refused: {}", last.len(), newest.reason);
    Some(
        Finding::new(State::Warning, format!("network {slug}"), what)
            .next(format!("tfx postback lint {slug} tells each reason, and what mends it")),
    )
}

/// Currencies that ISO 4217 does not list.
async fn currencies(client: &Client) -> Result<Vec<Finding>, Failure> {
    // They are told however few lines of the log are read.
    let asked = LintQuery { most: Some(1), ..LintQuery::default() };
    let lint = client.postback_lint(&asked).await?;
    let unlisted = lint.findings.into_iter().filter(|f| f.kind == FindingKind::UnlistedCurrency);
    let told = unlisted.map(|f| {
        let say = advice::to_fill_in(&f.command).map(|say| format!("; {say}")).unwrap_or_default();
        Finding::new(State::Warning, f.entity, f.because).next(f.command + &say)
    });
    Ok(told.collect())
}

/// Clicks of the last days whose cost could not be read.
async fn costs(client: &Client) -> Result<Option<Finding>, Failure> {
    let asked = ReportRequest {
        since: Timestamp::from_second(clock::now().as_second() - DAYS).ok(),
        until: None,
        timezone: "UTC".to_owned(),
        dimensions: Vec::new(),
        filters: Vec::new(),
        attribution: Attribution::Click,
        test: TestTraffic::Include,
        currency: None,
        metrics: vec![Metric::Clicks],
        sort: None,
        limit: None,
    };
    let refused = client.report(&asked).await?.costs_refused;
    let note = costs_refused(refused, " --since 7d");
    Ok(note.as_deref().and_then(|note| note.split_once(":\n  ")).map(|(what, next)| {
        Finding::new(State::Warning, "costs", format!("in the last 7 days {what}")).next(next)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_network_of_which_everything_is_refused_is_named() {
        let line = |result: &str| -> PostbackLogEvent {
            serde_json::from_value(json!({
                "schema": 1, "id": "01M888KCSNNDK5NAYXNEKJAHYK", "at": "2026-02-01T10:00:00Z", "network": "adnet",
                "remote_ip": "198.51.100.1", "method": "GET", "result": result, "status": 403,
                "reason": "the secret is wrong",
            }))
            .expect("a line")
        };
        let all = |results: &[&str]| results.iter().map(|r| line(r)).collect::<Vec<_>>();
        let told = all_refused("adnet", &all(&["rejected"; 7])).expect("told");
        assert_eq!(told.what, "its last 7 postbacks were all refused: the secret is wrong");
        assert!(told.next.starts_with("tfx postback lint adnet "), "{}", told.next);
        for fine in [&["rejected", "rejected"][..], &["rejected", "recorded", "rejected", "rejected"], &[]] {
            assert!(all_refused("adnet", &all(fine)).is_none(), "{fine:?}");
        }
    }
}
