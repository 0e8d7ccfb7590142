//! `POST /explain` asks traffic-service, which has the snapshot, the geo databases and the memory, for the event that
//! the click would leave; `GET /explain/{click_id}` reads the one that it left. Both are told in the same words
//! (`docs/decisions/0003-explain-is-an-event.md`).

use crate::{
    app::App,
    entities::refs,
    events::{click_ids, stored_click},
    failure::Failure,
    input::{Body, Path, Query, typed},
    labels::{self, entity_ref},
    reply::json,
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{Method, StatusCode};
use std::{collections::BTreeMap, sync::Arc};
use tfx_api::{
    Labels,
    explain::{Asked, ExplainAnswer, ExplainRequest, UniqueFacts, VisitorFacts},
};
use tfx_domain::{
    entity::{Kind, StreamSpec},
    event::ClickEvent,
    id::StreamId,
    problem::Problems,
};
use tfx_ports::config::ConfigStore;
use tfx_service::ProblemResponse;

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/explain", post(asked)).route("/explain/{click_id}", get(stored))
}

async fn asked(State(app): State<Arc<App>>, query: Query, Body(input): Body) -> Result<Response, Failure> {
    query.finish()?;
    let mut request: ExplainRequest = typed(input)?;
    resolve(app.stores.config.as_ref(), &mut request).await?;
    let body = serde_json::to_value(&request).map_err(|e| ProblemResponse::internal(e.to_string()))?;
    let event = app.peers.traffic.call(Method::POST, "/internal/explain", Some(&body)).await?;
    let click: ClickEvent = serde_json::from_value(event).map_err(|e| app.peers.traffic.unreadable(&e))?;
    // The click did not happen, so nobody must look for its id.
    Ok(json(StatusCode::OK, &ExplainAnswer { click_id: None, ..explained(&app, &click).await? }))
}

/// traffic-service knows campaigns by slug and destinations by id. A slug of no campaign is left as it is: what
/// happens to such a click is a fair question.
async fn resolve(config: &dyn ConfigStore, request: &mut ExplainRequest) -> Result<(), Failure> {
    let mut problems = Problems::default();
    problems.require(!request.slug.is_empty(), "slug", "is required: the slug or id of a campaign");
    if let Some(campaign) = refs::find(config, Kind::Campaign, &request.slug).await? {
        request.slug = campaign.slug;
    }
    for (i, text) in request.unhealthy.iter_mut().enumerate() {
        match refs::find(config, Kind::Destination, text).await? {
            Some(destination) => *text = destination.id,
            None => problems.add(format!("unhealthy[{i}]"), refs::unknown(Kind::Destination, text)),
        }
    }
    let mut cap_used = BTreeMap::new();
    for (text, used) in &request.cap_used {
        match refs::find(config, Kind::Destination, text).await? {
            Some(destination) => {
                cap_used.insert(destination.id, *used);
            }
            None => problems.add(format!("cap_used.{text}"), refs::unknown(Kind::Destination, text)),
        }
    }
    request.cap_used = cap_used;
    Ok(problems.into_result(())?)
}

async fn stored(State(app): State<Arc<App>>, Path(id): Path, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let click = stored_click(&app, &id).await?;
    Ok(json(StatusCode::OK, &explained(&app, &click).await?))
}

async fn explained(app: &App, click: &ClickEvent) -> Result<ExplainAnswer, Failure> {
    let config = app.stores.config.as_ref();
    let labels = labels::of(config, click_ids(click)).await?;
    let asked = asked_streams(config, click, &labels).await?;
    Ok(explanation(click, &labels, asked))
}

/// The streams in the order they were asked. Places and slugs are today's; who took it and why not are the click's.
async fn asked_streams(
    config: &dyn ConfigStore,
    click: &ClickEvent,
    labels: &Labels,
) -> Result<Vec<Asked>, Failure> {
    let mut out = Vec::new();
    for passed in &click.passed {
        let reason = passed.reason.to_string();
        let detail = detail(click, &reason, labels);
        out.push(Asked { reason, detail, ..stream(config, &passed.stream_id, labels).await? });
    }
    if let Some(id) = &click.dims.stream_id {
        out.push(Asked { taken: true, ..stream(config, id, labels).await? });
    }
    Ok(out)
}

async fn stream(config: &dyn ConfigStore, id: &StreamId, labels: &Labels) -> Result<Asked, Failure> {
    let (campaign, slug) = labels.get(id.as_str()).and_then(|l| l.split_once('/')).unwrap_or_default();
    let mut asked = Asked {
        stream_id: id.to_string(),
        slug: slug.to_owned(),
        campaign: campaign.to_owned(),
        ..Asked::default()
    };
    if let Some(record) = config.get(Kind::Stream, id.as_str()).await? {
        let spec = record.typed::<StreamSpec>()?.spec;
        (asked.kind, asked.position) = (spec.kind, spec.position);
    }
    Ok(asked)
}

/// A reason for people, with the fact of the click that it hung on.
fn detail(click: &ClickEvent, reason: &str, labels: &Labels) -> String {
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
        filter if filter.starts_with("filter[") => match fact(click, rest) {
            Some("") => format!("{filter} did not pass: {rest} was unknown"),
            Some(value) => format!("{filter} did not pass: {rest} was {value}"),
            None => format!("{filter} did not pass: {rest}"),
        },
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
        "connection_type" => &click.connection_type,
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
        other => return click.params.iter().find(|(name, _)| name == other).map(|(_, value)| value.as_str()),
    })
}

fn explanation(click: &ClickEvent, labels: &Labels, asked: Vec<Asked>) -> ExplainAnswer {
    let dims = &click.dims;
    ExplainAnswer {
        outcome: click.outcome,
        click_id: Some(click.click_id),
        at: Some(click.at),
        slug: click.campaign_slug.to_string(),
        campaign: dims.campaign_id.as_ref().map(|id| entity_ref(labels, id.as_str())),
        handed_over: click.handed_over.iter().map(|id| entity_ref(labels, id.as_str())).collect(),
        stream: dims.stream_id.as_ref().map(|id| entity_ref(labels, id.as_str())),
        destination: dims.destination_id.as_ref().map(|id| entity_ref(labels, id.as_str())),
        url: click.final_url.clone(),
        status: click.status,
        bound: click.bound,
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
            connection_type: click.connection_type.to_string(),
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
    }
}
