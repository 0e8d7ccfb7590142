//! What a change must keep true between entities. What one entity is by itself, the domain has checked before.

use super::{
    kinds::{Ops, ops},
    refs,
};
use crate::{app::App, failure::Failure};
use http::StatusCode;
use tfx_domain::{
    entity::{Action, CampaignSpec, Kind, Rotation, Status, StreamSpec, check_weights},
    id::CampaignId,
    macros::{Scope, UrlTemplate},
    problem::{Problem, Problems},
};
use tfx_ports::{
    StoreError,
    config::{Record, RecordQuery},
    page::PageRequest,
};
use tfx_service::ProblemResponse;

/// Checks a record that is about to be saved against all others.
pub(crate) async fn check(app: &App, before: Option<&Record>, after: &Record) -> Result<(), Failure> {
    let mut problems = Problems::default();
    match after.kind {
        Kind::Campaign => campaign(app, before, after, &mut problems).await?,
        Kind::Stream => stream(app, before, after, &mut problems).await?,
        _ => {}
    }
    Ok(problems.into_result(())?)
}

async fn campaign(
    app: &App,
    before: Option<&Record>,
    after: &Record,
    problems: &mut Problems,
) -> Result<(), Failure> {
    let spec = after.typed::<CampaignSpec>()?.spec;
    let old = before.map(Record::typed::<CampaignSpec>).transpose()?.map(|e| e.spec);
    if let Some(text) = &spec.trafficback_url
        && old.as_ref().is_none_or(|o| o.trafficback_url.as_ref() != Some(text))
        && let Ok(url) = UrlTemplate::parse(text, Scope::Redirect)
        && app.settings.addresses.public_hosts.iter().any(|h| h == url.host())
    {
        let message =
            format!("leads to {}, one of our own hosts (PUBLIC_HOSTS): that would be a loop", url.host());
        problems.add("trafficback_url", message);
    }
    if spec.rotation == Rotation::Weight && old.is_some_and(|o| o.rotation != Rotation::Weight) {
        let streams = active_streams(app, &after.id).await?;
        if let Err(found) = check_weights(spec.rotation, streams.iter().map(|(_, s)| s)) {
            for p in found.0 {
                problems.add("rotation", p.message);
            }
        }
    }
    Ok(())
}

async fn stream(
    app: &App,
    before: Option<&Record>,
    after: &Record,
    problems: &mut Problems,
) -> Result<(), Failure> {
    let new = after.typed::<StreamSpec>()?.spec;
    let old = before.map(Record::typed::<StreamSpec>).transpose()?.map(|e| e.spec);
    // Whatever else changes: a set that is as it was is not this change's fault.
    let share = |s: &StreamSpec| (s.kind, s.status, s.weight, s.campaign.clone());
    if old.as_ref().map(share) != Some(share(&new)) {
        weights(app, after, &new, problems).await?;
    }
    if let Some(old) = &old
        && old.campaign != new.campaign
    {
        let left: Vec<_> = others(app, old.campaign.as_str(), &after.id).await?;
        if rotation(app, old.campaign.as_str()).await? == Rotation::Weight
            && check_weights(Rotation::Weight, &left).is_err()
        {
            problems.add("campaign", "the campaign it leaves would keep only streams with weight 0");
        }
    }
    let hands_over = |s: &StreamSpec| match &s.action {
        Action::Campaign { campaign } if s.status != Status::Archived => {
            Some((s.campaign.clone(), campaign.clone()))
        }
        _ => None,
    };
    if let Some(edge) = hands_over(&new)
        && old.as_ref().and_then(hands_over) != Some(edge.clone())
    {
        let mut edges = Vec::new();
        for record in all(app, Kind::Stream, None, &[Status::Active, Status::Paused]).await? {
            if record.id != after.id {
                edges.extend(hands_over(&record.typed::<StreamSpec>()?.spec));
            }
        }
        if let Some(cycle) = closed_by(&edge, &edges) {
            let way = slugs(app, &cycle).await?.join(" → ");
            let message = format!("would hand clicks round in a circle: {way}");
            problems.add("action.campaign", message);
        }
    }
    Ok(())
}

async fn weights(
    app: &App,
    after: &Record,
    new: &StreamSpec,
    problems: &mut Problems,
) -> Result<(), Failure> {
    let campaign = new.campaign.as_str();
    let mut streams = others(app, campaign, &after.id).await?;
    streams.push(new.clone());
    if let Err(found) = check_weights(rotation(app, campaign).await?, &streams) {
        problems.0.extend(found.0);
    }
    Ok(())
}

async fn rotation(app: &App, campaign: &str) -> Result<Rotation, Failure> {
    let record = app.stores.config.get(Kind::Campaign, campaign).await?;
    Ok(record.map(|r| r.typed::<CampaignSpec>()).transpose()?.map(|c| c.spec.rotation).unwrap_or_default())
}

async fn others(app: &App, campaign: &str, but: &str) -> Result<Vec<StreamSpec>, Failure> {
    let streams = active_streams(app, campaign).await?;
    Ok(streams.into_iter().filter(|(id, _)| id != but).map(|(_, s)| s).collect())
}

async fn active_streams(app: &App, campaign: &str) -> Result<Vec<(String, StreamSpec)>, Failure> {
    let records = all(app, Kind::Stream, Some(campaign.to_owned()), &[Status::Active]).await?;
    let typed = |r: Record| r.typed::<StreamSpec>().map(|e| (r.id.clone(), e.spec));
    Ok(records.into_iter().map(typed).collect::<Result<_, StoreError>>()?)
}

/// The circle that the edge `from → to` closes over the others, beginning and ending with `from`.
fn closed_by(
    (from, to): &(CampaignId, CampaignId),
    edges: &[(CampaignId, CampaignId)],
) -> Option<Vec<CampaignId>> {
    // Breadth first, so that the shortest circle is told. Each campaign with the one it was reached from.
    let mut reached: Vec<(&CampaignId, usize)> = vec![(to, 0)];
    let mut next = 0;
    while let Some((at, _)) = reached.get(next).copied() {
        if at == from {
            let mut way = vec![from.clone()];
            while next != 0 {
                next = reached[next].1;
                way.push(reached[next].0.clone());
            }
            way.push(from.clone());
            way.reverse();
            return Some(way);
        }
        for (_, onward) in edges.iter().filter(|(f, _)| f == at) {
            if !reached.iter().any(|(r, _)| *r == onward) {
                reached.push((onward, next));
            }
        }
        next += 1;
    }
    None
}

async fn slugs(app: &App, campaigns: &[CampaignId]) -> Result<Vec<String>, Failure> {
    let mut out = Vec::new();
    for id in campaigns {
        let record = app.stores.config.get(Kind::Campaign, id.as_str()).await?;
        out.push(record.map_or_else(|| id.to_string(), |r| r.slug));
    }
    Ok(out)
}

/// All records of a kind.
pub(crate) async fn all(
    app: &App,
    kind: Kind,
    parent: Option<String>,
    statuses: &[Status],
) -> Result<Vec<Record>, Failure> {
    let page = PageRequest::first(1000);
    let mut query = RecordQuery { kind, parent, statuses: statuses.to_vec(), page };
    let mut out = Vec::new();
    loop {
        let page = app.stores.config.list(&query).await?;
        out.extend(page.items);
        match page.next {
            Some(next) => query.page.cursor = Some(next),
            None => return Ok(out),
        }
    }
}

/// What archiving would leave dangling: active entities that refer to this one and are not inside it (a campaign's
/// streams and a network's templates go with it).
///
/// # Errors
/// 409 that names them.
pub(crate) async fn unused(app: &App, record: &Record) -> Result<(), Failure> {
    let mut users = Vec::new();
    for kind in Kind::ALL {
        let Ops { refs, .. } = ops(kind);
        if !refs.iter().any(|(_, to)| *to == record.kind) {
            continue;
        }
        for user in all(app, kind, None, &[Status::Active]).await? {
            if user.parent == record.id || !refs::ids(refs, &user.spec).contains(&record.id) {
                continue;
            }
            let parent = match kind.parent() {
                Some(parent) => app.stores.config.get(parent, &user.parent).await?,
                None => None,
            };
            // What is in an archived campaign or network takes no part.
            if parent.as_ref().is_some_and(|p| p.status == Status::Archived) {
                continue;
            }
            users.push(match parent {
                Some(parent) => format!("{kind} {}/{}", parent.slug, user.slug),
                None => format!("{kind} {}", user.slug),
            });
        }
    }
    if users.is_empty() {
        return Ok(());
    }
    let more = if users.len() > 5 { format!(" and {} more", users.len() - 5) } else { String::new() };
    let shown = users.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    let (kind, slug) = (record.kind, &record.slug);
    let detail =
        format!("the {kind} {slug} is used by {shown}{more}; change those first, or archive it by force");
    let mut problem = ProblemResponse::new(StatusCode::CONFLICT, "in_use", detail);
    problem.problems =
        Problems(users.into_iter().map(|path| Problem { path, message: "uses it".to_owned() }).collect());
    Err(problem.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_found_by_its_shortest_way_and_only_if_there_is_one() {
        let id = |c: char| format!("cmp_{}", String::from(c).repeat(19)).parse::<CampaignId>().expect("id");
        let edges = |text: &str| -> Vec<_> {
            let pair = |p: &str| (id(p.chars().next().expect("from")), id(p.chars().last().expect("to")));
            text.split_whitespace().map(pair).collect()
        };
        let table = [
            ("ab", "", None),
            ("ab", "bc cd xa", None),
            ("aa", "", Some("aa")),
            ("ab", "ba", Some("aba")),
            ("ab", "bc cd da bd", Some("abda")),
            ("ab", "bc cb", None),
        ];
        for (new, old, want) in table {
            let new = edges(new).remove(0);
            let found = closed_by(&new, &edges(old));
            assert_eq!(found, want.map(|w| w.chars().map(id).collect()), "{new:?} over {old}");
        }
    }
}
