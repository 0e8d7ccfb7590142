//! Campaigns that send nobody anywhere, and entities that cannot be read.

use super::{Finding, State, api::Api};
use crate::{exit::Failure, output::text};
use tfx_api::{Client, audit::AuditQuery, entities::EntityQuery};
use tfx_domain::entity::{Kind, Status};

/// Active campaigns without an active stream: they send everybody to trafficback.
pub(super) async fn look(api: &Api<'_>) -> Vec<Finding> {
    let found = api.ask(async |client| {
        let mut query = EntityQuery { status: vec![Status::Active], ..EntityQuery::default() };
        let mut idle: Vec<Finding> = Vec::new();
        let mut active = 0;
        loop {
            let page = client.list(Kind::Campaign, &query).await?;
            active += page.items.len();
            idle.extend(page.items.iter().filter_map(unreadable));
            let without = page.items.iter().filter(|c| c["active_streams"] == 0);
            for campaign in without {
                idle.push(idle_campaign(client, campaign["slug"].as_str().unwrap_or_default()).await?);
            }
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => return Ok::<_, Failure>((active, idle)),
            }
        }
    });
    match found.await {
        Ok((active, idle)) if idle.is_empty() => {
            vec![
                Finding::new(State::Ok, "campaigns", format!("{active} active, each with an active stream"))
                    .plain(),
            ]
        }
        Ok((_, idle)) => idle,
        Err(failure) => vec![
            Finding::new(State::Warning, "campaigns", format!("not looked at: {}", failure.message))
                .next(failure.hint.unwrap_or_default()),
        ],
    }
}

/// A campaign without an active stream, with a command that helps as it stands: a paused stream resumes; there is none, so
/// one is made to a destination that there is; there is none of these either, so the campaign pauses.
async fn idle_campaign(client: &Client, slug: &str) -> Result<Finding, Failure> {
    let one = |status, parent: Option<&str>| EntityQuery {
        status: vec![status],
        parent: parent.map(str::to_owned),
        limit: Some(1),
        ..EntityQuery::default()
    };
    let first = async |kind, query: EntityQuery| {
        let found = client.list(kind, &query).await?;
        Ok::<_, Failure>(found.items.first().map(|item| (text(&item["slug"]), text(&item["id"]))))
    };
    let (of, what) = (format!("campaign {slug}"), "no active stream: it sends nobody anywhere");
    let next = match first(Kind::Stream, one(Status::Paused, Some(slug))).await? {
        Some((stream, id)) => {
            let resume = format!("tfx stream resume {slug}/{stream}");
            if let Some(alert) = paused_by_alert(client, id).await {
                return Ok(Finding::new(
                    State::Warning,
                    of,
                    format!("{what}; alert {alert} has paused {slug}/{stream}"),
                )
                .told(format!("{what}; an alert has paused its stream"))
                .next(format!("tfx alert show {alert} and tfx alert log {alert} tell why; {resume}")));
            }
            resume
        }
        None => match first(Kind::Destination, one(Status::Active, None)).await? {
            Some((to, _)) => format!("tfx stream create --campaign {slug} --name main --destination {to}"),
            None => format!("tfx campaign pause {slug}"),
        },
    };
    Ok(Finding::new(State::Warning, of, what).plain().next(next))
}

/// The alert that has paused it, and nobody has changed it since; none also for who may not read that.
async fn paused_by_alert(client: &Client, id: String) -> Option<String> {
    let asked = AuditQuery { id: Some(id), limit: Some(1), ..AuditQuery::default() };
    let last = client.audit(&asked).await.ok()?.items.into_iter().next()?;
    let alert =
        last.actor.strip_prefix("alert:").filter(|_| last.token.is_empty() && last.action == "pause")?;
    Some(alert.to_owned())
}

/// A campaign that this program cannot read.
fn unreadable(campaign: &serde_json::Value) -> Option<Finding> {
    let why = campaign["unreadable"].as_str()?;
    let of = format!("campaign {}", text(&campaign["slug"]));
    Some(
        Finding::new(State::Wrong, of, format!("it cannot be read: {why}"))
            .next("change it with the version that saved it, or restore it from a backup"),
    )
}
