//! Lists of what happened: clicks, conversions, the postback log, the audit log.

use crate::{
    app::App,
    conditions::{of_dimensions, parsed},
    entities::refs::{self, named},
    failure::Failure,
    input::{Path, Query},
    labels,
    reply::json,
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use tfx_api::{Labelled, Labels, Page, audit::AuditEntry, source_postbacks::Directions};
use tfx_domain::{
    entity::Kind,
    event::{
        ClickDims, ClickEvent, PostbackDirection, PostbackField, PostbackFilter, PostbackResult, TestTraffic,
    },
    id::{CampaignId, ClickId, ConversionId, NetworkId},
    postback::Conversion,
};
use tfx_ports::{
    StoreError,
    analytics::{ClickQuery, PostbackQuery},
    conversions::ConversionQuery,
    page::PageRequest,
};

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/clicks", get(clicks))
        .route("/clicks/{id}", get(click))
        .route("/conversions", get(conversions))
        .route("/conversions/{id}", get(conversion))
        .route("/postbacks", get(postbacks))
        .route("/audit", get(audit))
}

async fn clicks(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let (since, until) = query.window();
    let campaign = query.text("campaign");
    let visitor = query.value("visitor");
    let unrouted = query.flag("unrouted");
    let test = query.value("test").unwrap_or_default();
    let page = query.page();
    let conditions = of_dimensions(&mut query, &app).await?;
    query.finish()?;
    let campaign = campaign_id(&app, campaign).await?;
    let asked = ClickQuery { since, until, campaign, visitor, unrouted, test, conditions, page };
    let found = app.stores.analytics.clicks(&asked).await?;
    let labels = labels_of(&app, found.items.iter().flat_map(click_ids)).await?;
    Ok(listed(found, labels))
}

async fn click(State(app): State<Arc<App>>, Path(id): Path, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let item = stored_click(&app, &id).await?;
    let labels = labels_of(&app, click_ids(&item)).await?;
    Ok(json(StatusCode::OK, &Labelled { item, labels }))
}

/// A click that was recorded.
///
/// # Errors
/// 404, saying how long it may take until a click is there.
pub(crate) async fn stored_click(app: &App, id: &str) -> Result<ClickEvent, Failure> {
    let click_id: ClickId =
        id.parse().map_err(|e| Failure::not_found(format!("there is no such click: '{id}' {e}")))?;
    let found = app.stores.analytics.click(click_id).await.map_err(unreadable)?;
    let detail =
        || format!("no click {click_id} is recorded; one of the last seconds may still be on its way");
    found.ok_or_else(|| Failure::not_found(detail()))
}

/// Of one thing that is asked for it is told which it is and why it cannot be read, as lists tell it.
fn unreadable(e: StoreError) -> Failure {
    match e {
        StoreError::Broken { what, .. } => {
            let detail = format!("it is there and cannot be read: {what}");
            Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", detail)
        }
        e => e.into(),
    }
}

async fn conversions(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let (since, until) = query.window();
    let campaign = query.text("campaign");
    let network = query.text("network");
    let status = query.value("status");
    let click = query.value("click");
    let test = query.value("test").unwrap_or_default();
    let page = query.page();
    let conditions = of_dimensions(&mut query, &app).await?;
    query.finish()?;
    let campaign = campaign_id(&app, campaign).await?;
    let network = match network {
        Some(text) => {
            named(app.stores.config.as_ref(), Kind::Network, &text).await?.id.parse::<NetworkId>().ok()
        }
        None => None,
    };
    let asked = ConversionQuery { since, until, campaign, network, status, click, test, conditions, page };
    let found = app.stores.conversions.list(&asked).await?;
    let labels = labels_of(&app, found.items.iter().flat_map(conversion_ids)).await?;
    Ok(listed(found, labels))
}

async fn conversion(State(app): State<Arc<App>>, Path(id): Path, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let missing = || Failure::not_found(format!("no conversion has the id '{id}'"));
    let id: ConversionId = id.parse().map_err(|_| missing())?;
    let item = app.stores.conversions.get(&id).await.map_err(unreadable)?.ok_or_else(missing)?;
    let labels = labels_of(&app, conversion_ids(&item)).await?;
    Ok(json(StatusCode::OK, &Labelled { item, labels }))
}

async fn postbacks(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let (since, until) = query.window();
    let network = query.text("network");
    let result = query.parsed("result", |text| {
        let found = PostbackResult::ALL.into_iter().find(|r| r.as_str() == text);
        found.ok_or_else(|| {
            format!("must be one of {}", PostbackResult::ALL.map(PostbackResult::as_str).join(", "))
        })
    });
    let direction = query.parsed("direction", |text| {
        let found = Directions::ALL.into_iter().find(|d| d.as_str() == text);
        found.ok_or_else(|| format!("must be one of {}", Directions::ALL.map(Directions::as_str).join(", ")))
    });
    let usual = || Some(result.map_or(PostbackDirection::In, PostbackResult::direction));
    let direction = direction.map_or_else(usual, Directions::wanted);
    let test = query.value("test").unwrap_or_default();
    let page = query.page();
    let mut filters: Vec<PostbackFilter> =
        parsed::<PostbackFilter>(&mut query).into_iter().map(|(_, filter)| filter).collect();
    query.finish()?;
    let network = match network {
        Some(text) => Some(in_log(&app, PostbackField::Network, Kind::Network, text).await?),
        None => None,
    };
    for filter in &mut filters {
        let (field, kind) = match filter.field {
            PostbackField::Network => (PostbackField::Network, Kind::Network),
            PostbackField::Source => (PostbackField::Source, Kind::Source),
            _ => continue,
        };
        for value in filter.values.iter_mut().filter(|value| !value.is_empty()) {
            *value = in_log(&app, field.clone(), kind, std::mem::take(value)).await?;
        }
    }
    let asked = PostbackQuery { since, until, network, result, direction, test, filters, page };
    let found = app.stores.analytics.postbacks(&asked).await?;
    let ids = found.items.iter().filter_map(|p| p.network_id.as_ref().map(ToString::to_string));
    let labels = labels_of(&app, ids).await?;
    Ok(listed(found, labels))
}

/// The slug that the log has of a network or source. It keeps what was asked for, known or not; an id and a former slug are
/// turned into the slug.
///
/// # Errors
/// 404: neither the configuration nor the log knows it.
async fn in_log(app: &App, field: PostbackField, kind: Kind, text: String) -> Result<String, Failure> {
    let config = app.stores.config.as_ref();
    if let Some(record) = refs::find(config, kind, &text).await? {
        return Ok(record.slug);
    }
    let named = PostbackQuery {
        since: None,
        until: None,
        network: None,
        result: None,
        direction: None,
        test: TestTraffic::Include,
        filters: vec![PostbackFilter { field, values: vec![text.clone()], negate: false }],
        page: PageRequest::first(1),
    };
    match app.stores.analytics.postbacks(&named).await?.items.is_empty() {
        true => Err(Failure::not_found(refs::unknown(config, kind, &text).await)),
        false => Ok(text),
    }
}

async fn audit(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let id = query.text("id");
    let page = query.page();
    query.finish()?;
    let found = app.stores.config.audit(id.as_deref(), &page).await?;
    let labels = labels_of(&app, found.items.iter().map(|e| e.id.clone())).await?;
    let items: Vec<AuditEntry> = found
        .items
        .into_iter()
        .map(|e| AuditEntry {
            at: e.at,
            actor: e.caller.name,
            from: e.caller.from,
            request_id: e.caller.request_id,
            token: e.caller.token,
            action: e.action,
            kind: e.kind,
            id: e.id,
            version: e.version,
            changes: e.changes,
        })
        .collect();
    Ok(json(StatusCode::OK, &Page { items, next: found.next, left_out: found.left_out, labels }))
}

/// A page with the names that go with it.
fn listed<T: Serialize>(found: tfx_ports::page::Page<T>, labels: Labels) -> Response {
    let page = Page { items: found.items, next: found.next, left_out: found.left_out, labels };
    json(StatusCode::OK, &page)
}

async fn campaign_id(app: &App, text: Option<String>) -> Result<Option<CampaignId>, Failure> {
    Ok(match text {
        Some(text) => named(app.stores.config.as_ref(), Kind::Campaign, &text).await?.id.parse().ok(),
        None => None,
    })
}

async fn labels_of(app: &App, ids: impl IntoIterator<Item = String>) -> Result<Labels, Failure> {
    labels::of(app.stores.config.as_ref(), ids).await
}

/// Every entity that a click mentions.
pub(crate) fn click_ids(click: &ClickEvent) -> Vec<String> {
    let mut ids = dims_ids(&click.dims);
    ids.extend(click.handed_over.iter().map(ToString::to_string));
    ids.extend(click.passed.iter().map(|p| p.stream_id.to_string()));
    // Why none of a stream's destinations was a candidate: `no_candidate dst_…=capped`.
    let reasons = click.passed.iter().flat_map(|p| p.reason.split(' '));
    ids.extend(reasons.filter_map(|word| Some(word.split_once('=')?.0.to_owned())));
    ids
}

fn conversion_ids(conversion: &Conversion) -> Vec<String> {
    let mut ids = dims_ids(&conversion.click);
    ids.push(conversion.network.to_string());
    ids
}

fn dims_ids(dims: &ClickDims) -> Vec<String> {
    let texts = [
        dims.campaign_id.as_ref().map(ToString::to_string),
        dims.deciding_campaign_id.as_ref().map(ToString::to_string),
        dims.stream_id.as_ref().map(ToString::to_string),
        dims.destination_id.as_ref().map(ToString::to_string),
        dims.source_id.as_ref().map(ToString::to_string),
        dims.network_id.as_ref().map(ToString::to_string),
    ];
    texts.into_iter().flatten().collect()
}
