//! Trying what a source would be told, and the key that signs it.

use crate::{
    access::Identity,
    app::App,
    compressed::with_secret,
    entities::refs::named,
    events::stored_click,
    failure::Failure,
    input::{Body, Path, Query, read},
    reply::json,
};
use axum::{Extension, extract::State, response::Response};
use http::{Method, StatusCode};
use std::sync::Arc;
use tfx_api::source_postbacks::{SigningKey, SourceTest, SourceTestAnswer};
use tfx_domain::{
    access::Scope,
    entity::{Kind, Secret, SourceSpec, Status},
    id::ClickId,
    problem::Problems,
};
use tfx_ports::config::Record;
use tfx_service::ProblemResponse;

/// postback-service makes it, as it makes what is sent by itself, and sends it.
pub(super) async fn test(
    State(app): State<Arc<App>>,
    Extension(identity): Extension<Identity>,
    Path(reference): Path,
    query: Query,
    Body(input): Body,
) -> Result<Response, Failure> {
    query.finish()?;
    let asked: SourceTest = read(input)?;
    let record = named(app.stores.config.as_ref(), Kind::Source, &reference).await?;
    let mut problems = Problems::default();
    let one = asked.click.is_none() || asked.conversion.is_none();
    problems.require(one, "click", "does not go with a conversion, which has its click");
    problems.into_result(())?;
    if let Some(click) = asked.click {
        stored_click(&app, &click.to_string()).await?;
    }
    let click = match &asked.conversion {
        None => asked.click,
        Some(id) => match app.stores.conversions.get(id).await? {
            Some(conversion) => Some(conversion.click_id),
            None => return Err(Failure::not_found(format!("no conversion {id}"))),
        },
    };
    let body = serde_json::to_value(&asked).map_err(|e| ProblemResponse::internal(e.to_string()))?;
    let masked = !identity.may(Scope::ReadSecrets);
    let path = format!("/internal/sources/{}/test?masked={masked}", record.id);
    let answer = app.peers.postback.call(Method::POST, &path, Some(&body)).await?;
    let mut answer: SourceTestAnswer =
        serde_json::from_value(answer).map_err(|e| app.peers.postback.unreadable(&e))?;
    let told = warnings(&app, &record, click, &answer.empty).await?;
    answer.warnings.extend(told);
    Ok(json(StatusCode::OK, &answer))
}

/// Why it would be told something else, or nothing, by itself.
async fn warnings(
    app: &App,
    record: &Record,
    click: Option<ClickId>,
    empty: &[String],
) -> Result<Vec<String>, Failure> {
    let source = record.typed::<SourceSpec>()?.spec;
    let mut told = Vec::new();
    if source.status != Status::Active {
        let status = source.status.as_str();
        told.push(format!(
            "the source is {status}, so it is told nothing: tfx source resume {}",
            source.slug
        ));
    }
    let click = match click {
        Some(id) => app.stores.analytics.click(id).await?,
        None => None,
    };
    let (slug, of_click) = (&source.slug, click.is_some());
    let without_id = match &click {
        _ if !source.tells_external_id() => false,
        None => !source.links_carry_external_id(),
        Some(click) => click.external_id.is_empty(),
    };
    if without_id {
        told.push(format!(
            "{{external_id}} is empty for clicks whose link does not carry it, and by itself such a click is not sent \
             (result empty); its links carry it with tfx source update {slug} --external-id-param 'NAME=TOKEN'"
        ));
    }
    let others: Vec<String> =
        empty.iter().filter(|name| *name != "external_id").map(|name| format!("{{{name}}}")).collect();
    if !others.is_empty() {
        let whose = if of_click {
            "of this click"
        } else {
            "of the made-up click; --click ID takes one that is there"
        };
        told.push(format!("sent as nothing: {}, which are empty {whose}", others.join(", ")));
    }
    if let Some(of) =
        click.filter(|click| click.dims.source_id.as_ref().is_none_or(|id| id.as_str() != record.id))
    {
        let of =
            of.dims.source_id.map_or_else(|| "of no source".to_owned(), |id| format!("of the source {id}"));
        told.push(format!("the click is {of}: {slug} is told nothing of it by itself"));
    }
    Ok(told)
}

pub(super) async fn signing_key(
    State(app): State<Arc<App>>,
    Path(reference): Path,
    query: Query,
) -> Result<Response, Failure> {
    query.finish()?;
    let record = named(app.stores.config.as_ref(), Kind::Source, &reference).await?;
    let source = record.typed::<SourceSpec>()?.spec;
    let Some(Secret(key)) = source.postback_signing_key else {
        let detail =
            format!("what the source {0} is told is not signed: tfx source update {0} --sign", record.slug);
        return Err(Failure::new(StatusCode::CONFLICT, "no_signing_key", detail));
    };
    Ok(with_secret(json(StatusCode::OK, &SigningKey { key })))
}
