//! `POST /explain` asks traffic-service, which has the snapshot, the geo databases and the memory, for the event that
//! the click would leave; `GET /explain/{click_id}` reads the one that it left. Both are told in the same words
//! (`docs/decisions/0003-explain-is-an-event.md`).

use crate::{
    app::App,
    entities::refs,
    events::{click_ids, stored_click},
    failure::Failure,
    geo,
    input::{Body, Path, Query, read},
    labels::{self, entity_ref},
    reply::json,
    timeline,
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{Method, StatusCode};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};
use tfx_api::{
    Labels, Page,
    explain::{Candidate, ExplainAnswer, ExplainRequest, StreamTrace, UniqueFacts, VisitorFacts},
    page::EntityRef,
};
use tfx_domain::{
    entity::{CampaignSpec, FilterRule, Kind, MAX_DESTINATIONS, Rotation, StreamKind, StreamSpec},
    event::{ClickEvent, Outcome},
    id::StreamId,
    problem::Problems,
    routing::{CapState, Standing},
    said,
};
use tfx_ports::config::ConfigStore;
use tfx_service::ProblemResponse;

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/explain", post(asked))
        .route("/explain/{click_id}", get(stored))
        .route("/destinations/{ref}/cap-use", get(cap_use))
}

async fn asked(State(app): State<Arc<App>>, query: Query, Body(input): Body) -> Result<Response, Failure> {
    query.finish()?;
    let mut request: ExplainRequest = read(input)?;
    resolve(app.stores.config.as_ref(), &mut request).await?;
    let body = serde_json::to_value(&request).map_err(|e| ProblemResponse::internal(e.to_string()))?;
    let event = app.peers.traffic.call(Method::POST, "/internal/explain?standings", Some(&body)).await?;
    let unreadable = |e: serde_json::Error| app.peers.traffic.unreadable(&e);
    let standings = event.get("standings").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let standings: Standings = serde_json::from_value(standings).map_err(unreadable)?;
    let click: ClickEvent = serde_json::from_value(event).map_err(unreadable)?;
    let answer = explained(&app, &click, standings).await?;
    let mut fields: Vec<String> = request.supposed_geo().into_iter().map(str::to_owned).collect();
    let streams = answer.asked.iter().map(|stream| stream.stream_id.as_str());
    fields.extend(geo::fields_of_all(app.stores.config.as_ref(), streams).await?);
    let warnings = geo::warnings(&app, &fields).await;
    // The click did not happen, so nobody must look for its id.
    Ok(json(StatusCode::OK, &ExplainAnswer { click_id: None, warnings, ..answer }))
}

/// traffic-service knows campaigns by slug and destinations by id. A slug of no campaign is left as it is: what
/// happens to such a click is a fair question.
async fn resolve(config: &dyn ConfigStore, request: &mut ExplainRequest) -> Result<(), Failure> {
    let mut problems = Problems::default();
    problems.require(!request.slug.is_empty(), "slug", "is required: the slug or id of a campaign");
    // Counted before anything is looked up.
    let counts = [("unhealthy", request.unhealthy.len()), ("cap_used", request.cap_used.len())];
    for (field, count) in counts.into_iter().filter(|(_, count)| *count > MAX_DESTINATIONS) {
        problems.add(field, format!("must be at most {MAX_DESTINATIONS} destinations, not {count}"));
    }
    if counts.iter().any(|(_, count)| *count > MAX_DESTINATIONS) {
        return Err(problems.into());
    }
    if let Some(campaign) = refs::find(config, Kind::Campaign, &request.slug).await? {
        request.slug = campaign.slug;
    }
    for (i, text) in request.unhealthy.iter_mut().enumerate() {
        match refs::find(config, Kind::Destination, text).await? {
            Some(destination) => *text = destination.id,
            None => {
                problems.add(format!("unhealthy[{i}]"), refs::unknown(config, Kind::Destination, text).await);
            }
        }
    }
    let mut cap_used = BTreeMap::new();
    for (text, used) in &request.cap_used {
        match refs::find(config, Kind::Destination, text).await? {
            Some(destination) => {
                cap_used.insert(destination.id, *used);
            }
            None => {
                problems
                    .add(format!("cap_used.{text}"), refs::unknown(config, Kind::Destination, text).await);
            }
        }
    }
    request.cap_used = cap_used;
    Ok(problems.into_result(())?)
}

async fn stored(State(app): State<Arc<App>>, Path(id): Path, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let click = stored_click(&app, &id).await?;
    let conflicts = timeline::conflicts(&app, &click).await?;
    let answer = ExplainAnswer { conflicts, ..explained(&app, &click, Standings::new()).await? };
    Ok(json(StatusCode::OK, &answer))
}

/// `GET /destinations/{ref}/cap-use`: what is used of its caps, as traffic-service knows it.
async fn cap_use(
    State(app): State<Arc<App>>,
    Path(reference): Path,
    query: Query,
) -> Result<Response, Failure> {
    query.finish()?;
    let destination = refs::named(app.stores.config.as_ref(), Kind::Destination, &reference).await?;
    let path = format!("/internal/cap-use/{}", destination.id);
    let used = app.peers.traffic.call(Method::GET, &path, None).await?;
    let items: Vec<CapState> = serde_json::from_value(used).map_err(|e| app.peers.traffic.unreadable(&e))?;
    // A destination has few: they are one page.
    Ok(json(StatusCode::OK, &Page { items, next: None, left_out: Vec::new(), labels: Labels::new() }))
}

/// How destinations stand, by stream.
type Standings = BTreeMap<String, Vec<Standing>>;

async fn explained(
    app: &App,
    click: &ClickEvent,
    mut standings: Standings,
) -> Result<ExplainAnswer, Failure> {
    let config = app.stores.config.as_ref();
    let candidates = standings.values().flatten().map(|s| s.destination.clone());
    let labels = labels::of(config, click_ids(click).into_iter().chain(candidates)).await?;
    let mut asked = asked_streams(config, click, &labels).await?;
    // One that was asked twice tells them where it was asked last.
    for stream in asked.iter_mut().rev() {
        let chosen = click.dims.destination_id.as_ref().filter(|_| stream.taken);
        let candidate = |standing: Standing| Candidate {
            slug: labels.get(&standing.destination).cloned().unwrap_or_default(),
            chosen: chosen.is_some_and(|id| id.as_str() == standing.destination),
            standing,
        };
        let all = standings.remove(&stream.stream_id).unwrap_or_default();
        stream.candidates = all.into_iter().map(candidate).collect();
    }
    Ok(explanation(click, &labels, asked))
}

/// The streams in the order they were asked. Places and slugs are today's; who took it and why not are the click's.
pub(crate) async fn asked_streams(
    config: &dyn ConfigStore,
    click: &ClickEvent,
    labels: &Labels,
) -> Result<Vec<StreamTrace>, Failure> {
    let mut out = Vec::new();
    for passed in &click.passed {
        let reason = passed.reason.to_string();
        let (asked, filters) = stream(config, &passed.stream_id, labels).await?;
        let detail = detail(click, &reason, labels, &filters);
        out.push(StreamTrace { reason, detail, ..asked });
    }
    if let Some(id) = &click.dims.stream_id {
        let (asked, filters) = stream(config, id, labels).await?;
        let detail = filters.iter().map(FilterRule::words).collect::<Vec<_>>().join("; ");
        out.push(StreamTrace { taken: true, detail, ..asked });
    }
    Ok(out)
}

async fn stream(
    config: &dyn ConfigStore,
    id: &StreamId,
    labels: &Labels,
) -> Result<(StreamTrace, Vec<FilterRule>), Failure> {
    let (campaign, slug) = labels.get(id.as_str()).and_then(|l| l.split_once('/')).unwrap_or_default();
    let mut filters = Vec::new();
    let mut asked = StreamTrace {
        stream_id: id.to_string(),
        slug: slug.to_owned(),
        campaign: campaign.to_owned(),
        ..StreamTrace::default()
    };
    if let Some(record) = config.get(Kind::Stream, id.as_str()).await? {
        let spec = record.typed::<StreamSpec>()?.spec;
        (asked.kind, asked.position) = (spec.kind, spec.position);
        let campaign = config.get(Kind::Campaign, spec.campaign.as_str()).await?;
        let campaign = campaign.and_then(|record| record.typed::<CampaignSpec>().ok());
        let drawn = campaign.is_some_and(|c| c.spec.rotation == Rotation::Weight);
        asked.weight = (drawn && spec.kind == StreamKind::Regular).then_some(spec.weight);
        filters = spec.filters;
    }
    Ok((asked, filters))
}

/// A reason for people, with the fact of the click that it hung on.
fn detail(click: &ClickEvent, reason: &str, labels: &Labels, filters: &[FilterRule]) -> String {
    let (word, rest) = reason.split_once(' ').unwrap_or((reason, ""));
    match word {
        "inactive" => "it was paused or archived".to_owned(),
        "weight_zero" => "its weight was 0 and the visitor was not bound to it".to_owned(),
        "hand_over" => {
            "the campaign it hands over to was unknown, inactive, visited before or one too many".to_owned()
        }
        "no_candidate" => {
            let named = |word: &str| match word.split_once('=') {
                Some((id, why)) => format!("{} ({why})", labels.get(id).map_or(id, |slug| slug)),
                None => word.to_owned(),
            };
            let each: Vec<String> = rest.split(' ').map(named).collect();
            format!("none of its destinations could take the click: {}", each.join(", "))
        }
        filter if filter.starts_with("filter[") => {
            let place = filter.trim_start_matches("filter[").trim_end_matches(']').parse::<usize>().ok();
            // The stream as it is now may not be the one that was asked then.
            let rule = place.and_then(|i| filters.get(i)).filter(|rule| rule.field == rest);
            let words = rule.map(|rule| format!("{}; ", rule.words())).unwrap_or_default();
            match fact(click, rest) {
                Some("") => format!("{filter} did not pass: {words}{rest} was unknown"),
                Some(value) => format!("{filter} did not pass: {words}{rest} was {value}"),
                None => format!(
                    "{filter} did not pass: {}",
                    rule.map_or_else(|| rest.to_owned(), FilterRule::words)
                ),
            }
        }
        _ => String::new(),
    }
}

/// What the click says about a filter's field, if it is one that the event keeps as a text.
fn fact<'c>(click: &'c ClickEvent, field: &str) -> Option<&'c str> {
    let dims = &click.dims;
    Some(match field {
        "country" => &dims.country,
        "region" => &dims.region,
        "city" => &dims.city,
        "isp" => &dims.isp,
        "continent" => &click.continent,
        "connection_type" => &click.dims.connection_type,
        "ip" => &click.ip,
        "device_type" => dims.device_type.as_str(),
        "device_model" => &click.device_model,
        "os" => &dims.os,
        "os_version" => &click.os_version,
        "browser" => &dims.browser,
        "browser_version" => &click.browser_version,
        "language" => &dims.language,
        "referrer" => &click.referrer,
        "user_agent" => &click.user_agent,
        "keyword" => &dims.keyword,
        "bot" if dims.is_bot => "true",
        "bot" => "false",
        other => return said::first(&click.params, other, said::Fact::Text),
    })
}

/// Whether nothing took it, and something that is down was not let by the campaign that decided.
fn down_left_out(click: &ClickEvent, deciding: Option<&EntityRef>, asked: &[StreamTrace]) -> bool {
    let by_health = |stream: &StreamTrace| {
        let each = stream.reason.strip_prefix("no_candidate");
        each.is_some_and(|each| each.split(' ').any(|word| word.ends_with("=unhealthy")))
    };
    let deciding = deciding.map_or("", |campaign| campaign.slug.as_str());
    click.outcome != Outcome::Routed
        && !click.health_ignored
        && asked.iter().any(|stream| stream.campaign == deciding && by_health(stream))
}

fn explanation(click: &ClickEvent, labels: &Labels, asked: Vec<StreamTrace>) -> ExplainAnswer {
    let dims = &click.dims;
    let campaign = dims.campaign_id.as_ref().map(|id| entity_ref(labels, id.as_str()));
    let deciding_campaign = dims.deciding_campaign_id.as_ref().map(|id| entity_ref(labels, id.as_str()));
    ExplainAnswer {
        down_left_out: down_left_out(click, deciding_campaign.as_ref().or(campaign.as_ref()), &asked),
        outcome: click.outcome,
        click_id: Some(click.click_id),
        at: Some(click.at),
        slug: click.campaign_slug.to_string(),
        campaign,
        deciding_campaign,
        handed_over: click.handed_over.iter().map(|id| entity_ref(labels, id.as_str())).collect(),
        stream: dims.stream_id.as_ref().map(|id| entity_ref(labels, id.as_str())),
        destination: dims.destination_id.as_ref().map(|id| entity_ref(labels, id.as_str())),
        url: click.final_url.clone(),
        status: click.status,
        bound: click.bound,
        health_ignored: click.health_ignored,
        cost: click.cost,
        sale_cost: click.sale_cost,
        revenue_share: click.revenue_share.to_string(),
        cost_refused: click.cost_refused.to_string(),
        unique: UniqueFacts {
            campaign: click.unique_campaign,
            stream: click.unique_stream,
            destination: click.unique_destination,
        },
        visitor: VisitorFacts {
            id: Some(click.visitor_id),
            request: click.request,
            ip: click.ip.to_string(),
            country: dims.country.to_string(),
            region: dims.region.to_string(),
            city: dims.city.to_string(),
            continent: click.continent.to_string(),
            isp: dims.isp.to_string(),
            asn: click.asn,
            connection_type: click.dims.connection_type.to_string(),
            user_agent: click.user_agent.clone(),
            device_type: dims.device_type,
            device_model: click.device_model.to_string(),
            os: dims.os.to_string(),
            os_version: click.os_version.to_string(),
            browser: dims.browser.to_string(),
            browser_version: click.browser_version.to_string(),
            language: dims.language.to_string(),
            referrer: click.referrer.clone(),
            bot: dims.is_bot.then(|| click.bot_reason.to_string()),
        },
        asked,
        config_revision: click.config_revision,
        warnings: Vec::new(),
        conflicts: Vec::new(),
    }
}
