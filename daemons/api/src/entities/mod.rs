//! Entities over REST: one code path for all kinds. Reading is here, writing in [`write`].

mod alert;
pub(crate) mod bulk;
mod defaults;
pub(crate) mod diff;
pub(crate) mod edit;
pub(crate) mod followed;
pub(crate) mod kinds;
pub(crate) mod refs;
mod revisions;
mod rotation;
mod shown;
pub(crate) mod staged;
pub(crate) mod write;

use crate::{
    access::Identity,
    alerts::{self, Summaries},
    app::App,
    compressed::with_secret,
    failure::Failure,
    geo,
    idempotency::{self, Begun, Named, replayed},
    input::{Body, Path, Query, if_match},
    labels,
    reply::{json, paged, tagged},
    signed_postback,
};
use axum::{
    Extension, Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
pub(crate) use followed::Followed;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kinds::ops;
use serde_json::Value;
use std::sync::Arc;
use tfx_api::{BASE, Labels, entities::Verb};
use tfx_domain::{
    access::Scope,
    entity::{Kind, Status},
};
use tfx_ports::{
    audit::Caller,
    config::{Record, RecordQuery},
};
use write::{Saved, WriteConditions};

/// A network was made of one that was shown.
const NEW_SECRET: &str = "a new postback_secret was made: the one that has_postback_secret stands for is never shown, so give \
    postback_secret to keep it; tfx network postback-url shows the URL with the new one";

/// The routes of all kinds.
pub(crate) fn routes() -> Router<Arc<App>> {
    let mut router = Router::new()
        .merge(revisions::routes())
        .route("/bulk", post(bulk::bulk))
        .route("/networks/{ref}/rotate-secret", post(rotation::rotate));
    for kind in Kind::ALL {
        let all =
            get(
                move |State(app): State<Arc<App>>, query: Query| async move { list(&app, kind, query).await },
            )
            .post(
                move |State(app): State<Arc<App>>,
                      Extension(caller): Extension<Caller>,
                      Extension(identity): Extension<Identity>,
                      named: Named,
                      query: Query,
                      Body(input): Body| async move {
                    query.finish()?;
                    create(&app, &caller, &identity, named, kind, input).await
                },
            );
        let one = get(move |State(app): State<Arc<App>>, Path(reference): Path, query: Query| async move {
            query.finish()?;
            let record = refs::named(app.stores.config.as_ref(), kind, &reference).await?;
            shown(&app, StatusCode::OK, &Saved { record, secret: None }).await
        })
        .patch(
            move |State(app): State<Arc<App>>,
                  Extension(caller): Extension<Caller>,
                  Extension(identity): Extension<Identity>,
                  Path(reference): Path,
                  mut query: Query,
                  headers: HeaderMap,
                  Body(patch): Body| async move {
                alerts::granted(&identity, kind, &patch)?;
                let force = query.flag("force").unwrap_or(false);
                let drop_old_slug = query.flag("drop_old_slug").unwrap_or(false);
                query.finish()?;
                let sees_secrets = identity.may(Scope::ReadSecrets);
                let how =
                    WriteConditions { if_match: if_match(&headers)?, force, drop_old_slug, sees_secrets };
                let saved = write::update(&app, &caller, kind, &reference, patch, how).await?;
                shown_saved(&app, StatusCode::OK, &saved, Vec::new()).await
            },
        );
        let base = format!("/{}", kind.plural());
        router = router.route(&base, all).route(&format!("{base}/{{ref}}"), one);
        for verb in Verb::ALL {
            let change = post(
                move |State(app): State<Arc<App>>,
                      Extension(caller): Extension<Caller>,
                      Path(reference): Path,
                      mut query: Query,
                      headers: HeaderMap| async move {
                    let force = query.flag("force").unwrap_or(false);
                    query.finish()?;
                    let how = WriteConditions {
                        if_match: if_match(&headers)?,
                        force,
                        ..WriteConditions::default()
                    };
                    let saved = write::lifecycle(&app, &caller, kind, &reference, verb, how).await?;
                    shown(&app, StatusCode::OK, &saved).await
                },
            );
            router = router.route(&format!("{base}/{{ref}}/{}", verb.as_str()), change);
        }
    }
    router
}

async fn create(
    app: &Arc<App>,
    caller: &Caller,
    identity: &Identity,
    named: Named,
    kind: Kind,
    input: Value,
) -> Result<Response, Failure> {
    alerts::granted(identity, kind, &input)?;
    let of_another = input["has_postback_secret"] == true && input["postback_secret"].is_null();
    let warnings = || of_another.then(|| NEW_SECRET.to_owned()).into_iter().collect();
    let before = match idempotency::begin(app, identity, named, kind.plural(), &input).await? {
        Begun::Before(record) => record,
        Begun::Now(turn) => match write::create(app, caller, kind, input, &turn).await {
            Ok(saved) => return shown_saved(app, StatusCode::CREATED, &saved, warnings()).await,
            Err(failure) => turn.instead(failure).await?,
        },
    };
    let saved = Saved { record: before, secret: None };
    shown_saved(app, StatusCode::CREATED, &saved, warnings()).await.map(replayed)
}

async fn list(app: &App, kind: Kind, mut query: Query) -> Result<Response, Failure> {
    let statuses = query.parsed("status", statuses).unwrap_or_else(|| vec![Status::Active, Status::Paused]);
    let parent = kind.parent().and_then(|p| query.text(p.noun()).map(|text| (p, text)));
    let page = query.page();
    query.finish()?;
    let config = app.stores.config.as_ref();
    let parent = match parent {
        Some((kind, text)) => Some(refs::named(config, kind, &text).await?.id),
        None => None,
    };
    let found = config.list(&RecordQuery { kind, parent, statuses, page }).await?;
    let ids = found.items.iter().flat_map(named_in);
    let labels = labels::of(config, ids).await?;
    let mut items: Vec<Value> = found.items.iter().map(|r| body(r, &Labels::new(), None)).collect();
    if kind == Kind::Alert && !items.is_empty() {
        let summaries = Summaries::read(&app.stores).await?;
        for (item, record) in items.iter_mut().zip(&found.items) {
            item["now"] = serde_json::to_value(summaries.of(record)).unwrap_or_default();
        }
    }
    if kind == Kind::Campaign {
        let mut followed = app.writes.lock().await;
        followed.catch_up(config).await?;
        let relations = followed.relations(config).await?;
        for (item, record) in items.iter_mut().zip(&found.items) {
            item["active_streams"] = relations.active_streams(&record.id).into();
        }
    }
    Ok(paged(tfx_ports::page::Page { items, next: found.next, left_out: found.left_out }, labels))
}

fn statuses(text: &str) -> Result<Vec<Status>, String> {
    let all = [Status::Active, Status::Paused, Status::Archived];
    if text == "all" {
        return Ok(all.to_vec());
    }
    let one = |word: &str| all.into_iter().find(|s| s.as_str() == word.trim());
    let found: Option<Vec<Status>> = text.split(',').map(one).collect();
    found.ok_or_else(|| "must be active, paused, archived, several of them with commas, or all".to_owned())
}

/// One entity with its version as `ETag`.
async fn shown(app: &App, status: StatusCode, saved: &Saved) -> Result<Response, Failure> {
    showing(app, status, saved, Vec::new()).await
}

/// The same for one that was saved, with what will not work as it is.
async fn shown_saved(
    app: &App,
    status: StatusCode,
    saved: &Saved,
    mut warnings: Vec<String>,
) -> Result<Response, Failure> {
    let is_stream = saved.record.kind == Kind::Stream;
    let fields = if is_stream { geo::fields_of(&saved.record) } else { Vec::new() };
    warnings.extend(geo::warnings(app, &fields).await);
    if saved.record.kind == Kind::Alert {
        warnings.extend(app.alerts.warnings(&saved.record));
    }
    // It is saved, whatever cannot be said of it.
    warnings.extend(
        signed_postback::warnings(app.stores.config.as_ref(), &saved.record).await.unwrap_or_default(),
    );
    showing(app, status, saved, warnings).await
}

async fn showing(
    app: &App,
    status: StatusCode,
    saved: &Saved,
    warnings: Vec<String>,
) -> Result<Response, Failure> {
    let record = &saved.record;
    let labels = labels::of(app.stores.config.as_ref(), named_in(record)).await?;
    let mut body = body(record, &labels, saved.secret.as_deref());
    if record.kind == Kind::Alert {
        body["now"] =
            serde_json::to_value(Summaries::read(&app.stores).await?.of(record)).unwrap_or_default();
    }
    if !warnings.is_empty() {
        body["warnings"] = warnings.into();
    }
    let mut response = json(status, &body);
    if saved.secret.is_some() {
        response = with_secret(response);
    }
    response = tagged(response, record.version);
    let headers = response.headers_mut();
    if status == StatusCode::CREATED
        && let Ok(place) = HeaderValue::try_from(format!("{BASE}/{}/{}", record.kind.plural(), record.id))
    {
        headers.insert(header::LOCATION, place);
    }
    Ok(response)
}

/// The ids that an entity names: those that it refers to, and those that an alert counts.
fn named_in(record: &Record) -> Vec<String> {
    let mut ids = refs::ids(ops(record.kind).refs, &record.spec);
    if record.kind == Kind::Alert {
        ids.extend(refs::ids(&[("filters[].values[]", Kind::Alert)], &record.spec));
    }
    ids
}

/// An entity as it is shown: its spec without secrets, and what stands around it.
fn body(record: &Record, labels: &Labels, secret: Option<&str>) -> Value {
    let mut fields = record.spec.as_object().cloned().unwrap_or_default();
    for name in diff::SECRETS {
        let had_secret = fields.remove(name).is_some();
        if had_secret || (record.kind == Kind::Network && name == "postback_secret") {
            fields.insert(format!("has_{name}"), had_secret.into());
        }
    }
    for (_, former, until) in diff::FORMER {
        if let Some(former) = fields.remove(former) {
            fields.insert(until.to_owned(), former["until"].clone());
        }
    }
    if let Some(secret) = secret {
        fields.insert("postback_secret".to_owned(), secret.into());
    }
    fields.insert("id".to_owned(), record.id.as_str().into());
    fields.insert("version".to_owned(), record.version.into());
    fields.insert("created_at".to_owned(), record.created_at.to_string().into());
    fields.insert("updated_at".to_owned(), record.updated_at.to_string().into());
    if let Some(why) = (ops(record.kind).unreadable)(record) {
        fields.insert("slug".to_owned(), record.slug.as_str().into());
        fields.insert("unreadable".to_owned(), why.into());
    }
    if !labels.is_empty() {
        let labels = labels.iter().map(|(id, slug)| (id.clone(), slug.as_str().into())).collect();
        fields.insert("labels".to_owned(), Value::Object(labels));
    }
    Value::Object(fields)
}
