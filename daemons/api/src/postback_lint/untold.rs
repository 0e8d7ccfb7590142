//! What sources could not be told: what was given up, and what would not have said which click it is about.

use super::PAGE;
use crate::{app::App, failure::Failure, source_postbacks};
use std::collections::BTreeMap;
use tfx_api::postbacks::{Finding, FindingKind};
use tfx_domain::{
    Timestamp,
    event::{PostbackDirection, PostbackResult, TestTraffic},
};
use tfx_ports::{analytics::PostbackQuery, page::PageRequest};

/// Of each source, within a time, which for the log begins by itself; of the log at most so many lines are read.
pub(super) async fn of(
    app: &App,
    (since, log_since): (Option<Timestamp>, Option<Timestamp>),
    until: Option<Timestamp>,
    most: usize,
) -> Result<Vec<Finding>, Failure> {
    let mut findings = given_up(app, since, until).await?;
    findings.extend(empty(app, log_since, until, most).await?);
    Ok(findings)
}

/// What was not sent, since what the source finds its click by was empty: of each source once.
async fn empty(
    app: &App,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    most: usize,
) -> Result<Vec<Finding>, Failure> {
    let mut query = PostbackQuery {
        since,
        until,
        network: None,
        result: Some(PostbackResult::Empty),
        direction: Some(PostbackDirection::Out),
        test: TestTraffic::Exclude,
        filters: Vec::new(),
        page: PageRequest::first(PAGE.min(most)),
    };
    let (mut found, mut read): (BTreeMap<String, Finding>, usize) = (BTreeMap::new(), 0);
    loop {
        let page = app.stores.analytics.postbacks(&query).await?;
        read += page.items.len();
        for line in page.items {
            let source = match (line.source.as_str(), line.source_id) {
                ("", Some(id)) => id.to_string(),
                (slug, _) => slug.to_owned(),
            };
            // The newest comes first.
            let one = found.entry(source.clone()).or_insert_with(|| Finding {
                because: line.reason,
                command: format!("tfx postback log --direction out --result empty --source {source}"),
                source,
                ..Finding::new(FindingKind::Empty, line.at)
            });
            one.postbacks += 1;
        }
        query.page.cursor = page.next;
        if query.page.cursor.is_none() || read >= most {
            return Ok(found.into_values().collect());
        }
    }
}

/// What sources were to be told and nobody tries any more: of each source, by why.
async fn given_up(
    app: &App,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<Vec<Finding>, Failure> {
    let mut found: BTreeMap<(String, String), Finding> = BTreeMap::new();
    for job in source_postbacks::given_up(app, super::MOST).await? {
        if since.is_some_and(|since| job.came < since) || until.is_some_and(|until| job.came >= until) {
            continue;
        }
        let source = if job.source.is_empty() { job.source_id.to_string() } else { job.source };
        let one = found.entry((source.clone(), job.why.clone())).or_insert_with(|| Finding {
            because: job.why,
            command: format!("tfx postback retry --dead --source {source}"),
            source,
            ..Finding::new(FindingKind::GivenUp, job.came)
        });
        one.postbacks += 1;
        one.last = one.last.max(job.came);
    }
    Ok(found.into_values().collect())
}
