//! What operators ask for: `POST /internal/sources/{source}/test` makes what a source would be told, and sends it if asked;
//! `GET /internal/tells` says which servers of sources do not work.

use super::{
    SourcePostbackSender,
    line::Line,
    mask::{Hidden, as_sent},
    outcome::Outcome,
    signature,
    targets::Targets,
};
use crate::config::SourceOf;
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, post},
};
use http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use tfx_api::source_postbacks::{self as wire, Attempt, SourceTest, SourceTestAnswer};
use tfx_domain::{
    Timestamp,
    entity::{Due, Source},
    event::{ClickDims, ClickEvent, Event, PostbackResult},
    id::{ClickId, ConversionId, NetworkId, SourceId},
    macros::Facts,
    money::{Amount, Money},
    postback::{Conversion, ConversionStatus, Signatures},
    source_postback::{SourcePostback, Subscription, form},
};
use tfx_ports::{clock, entropy};
use tfx_service::ProblemResponse;
use tokio::sync::Semaphore;

/// Tests that people ask for at the same time; whoever comes beyond is told to come again.
const AT_ONCE: usize = 8;

#[derive(Clone)]
struct Manual {
    teller: Arc<SourcePostbackSender>,
    room: Arc<Semaphore>,
}

/// The routes, for operators.
pub(crate) fn routes(teller: &Arc<SourcePostbackSender>) -> Router {
    let manual = Manual { teller: Arc::clone(teller), room: Arc::new(Semaphore::new(AT_ONCE)) };
    Router::new()
        .route("/internal/sources/{source}/test", post(test))
        .route("/internal/tells", get(targets))
        .with_state(manual)
}

async fn targets(State(manual): State<Manual>) -> Json<wire::Targets> {
    Json(wire::Targets { items: manual.teller.targets.told(clock::now()) })
}

/// For whom it is.
#[derive(Debug, Default, Deserialize)]
struct Reader {
    /// He may not see secrets: what looks like one is masked, as in the log.
    #[serde(default)]
    masked: bool,
}

async fn test(
    State(manual): State<Manual>,
    Path(id): Path<String>,
    Query(reader): Query<Reader>,
    Json(asked): Json<SourceTest>,
) -> Result<Json<SourceTestAnswer>, ProblemResponse> {
    let unknown = || {
        ProblemResponse::not_found(format!(
            "postback-service knows no source {id}; a change takes up to two seconds to get there"
        ))
    };
    let Manual { teller, room } = manual;
    let index = teller.postbacks.config.owned().ok_or_else(unknown)?;
    let source_id: SourceId = id.parse().map_err(|_| unknown())?;
    let SourceOf::Known(source) = index.source(&source_id) else { return Err(unknown()) };
    let Ok(_room) = room.try_acquire() else {
        let detail = format!("{AT_ONCE} tests that were asked for are under way; try again in a moment");
        return Err(ProblemResponse::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tests", detail));
    };
    let states = source.spec.tells_of();
    let conversion = match &asked.conversion {
        None => None,
        Some(id) => match teller.postbacks.conversions.get(id).await {
            Ok(Some(conversion)) => Some(conversion),
            Ok(None) => return Err(ProblemResponse::not_found(format!("no conversion {id}"))),
            Err(e) => {
                let problem = ProblemResponse::unavailable("the conversions cannot be read; try again later");
                return Err(ProblemResponse { log: Some(e.to_string()), ..problem });
            }
        },
    };
    let click_id = conversion.as_ref().map(|c| c.click_id).or(asked.click);
    let status = asked
        .status
        .or_else(|| conversion.as_ref().map(|c| c.status.clone()))
        .or_else(|| states.first().map(|s| (*s).clone()))
        .unwrap_or(ConversionStatus::Sale);
    let is_asked = states.contains(&status);
    let refused = |why: String| {
        ProblemResponse::new(StatusCode::CONFLICT, "cannot_be_told", format!("nothing can be sent: {why}"))
    };
    let form = form(&source.spec, &status, false).map_err(|why| refused(why.to_string()))?;
    let click = match click_id {
        None => None,
        Some(id) => teller
            .postbacks
            .clicks
            .event(id)
            .await
            .map_err(|missing| ProblemResponse::unavailable(missing.reason()))?,
    };
    let now = clock::now();
    let tell = told(source, conversion, click_id, click.as_ref(), status.clone(), now);
    let facts = click.as_ref().map_or_else(|| tell.facts(), Facts::from);
    let message = form.fill(&facts, &tell.conversion, &mut entropy::generator());
    let headers = signature::headers(&source.spec, &message, now);
    let shown = headers.iter().map(|(name, value)| {
        let is_masked = name == "webhook-signature" && (reader.masked || asked.conversion.is_none());
        let value = if is_masked { "v1,***" } else { value.to_str().unwrap_or_default() };
        (name.as_str().to_owned(), value.to_owned())
    });
    let mut answer = SourceTestAnswer {
        status,
        asked: is_asked,
        click_found: click_id.map(|_| click.is_some()),
        method: message.method.to_owned(),
        url: as_sent(message.url.clone()),
        headers: shown.collect(),
        body: message.body.clone(),
        empty: message.empty.clone(),
        warnings: Vec::new(),
        sent: None,
    };
    let hidden = Hidden::of(Some(&source.spec), &answer.status);
    if reader.masked {
        answer.url = hidden.url(&answer.url);
        answer.body = hidden.body(&answer.body, message.content_type);
    }
    if !asked.send {
        return Ok(Json(answer));
    }
    let sent = teller.send(source, &message).await;
    let (outcome, latency_ms) = sent.map_err(|not_sent| {
        let detail = format!("postback-service cannot send now: {}; try again in a moment", not_sent.why);
        ProblemResponse::unavailable(detail)
    })?;
    let masks = teller.postbacks.masks();
    let line = Line { tell: &tell, source: Some(source), key: "", attempt: 1, test: true };
    let line = line.sent(&message, &outcome, latency_ms, &masks);
    // A test counts with none of the figures.
    let _ = teller.postbacks.publish(&[Event::PostbackLog(Box::new(line))]).await;
    let host = form.host().unwrap_or_else(|| source.id.to_string());
    answer.warnings.extend(circuit(&teller.targets, source, &host, &outcome));
    // A server may repeat what it was sent.
    let told = |text: String| if reader.masked { hidden.text(&text) } else { text };
    answer.sent = Some(Attempt {
        result: outcome.result,
        status: outcome.status,
        reason: told(outcome.reason),
        latency_ms,
        answer: if reader.masked { hidden.answer(&outcome.answer) } else { outcome.answer },
    });
    Ok(Json(answer))
}

/// What a test means for a server that is left alone: one that takes it is told again by itself.
fn circuit(targets: &Targets, source: &Source, host: &str, outcome: &Outcome) -> Option<String> {
    if outcome.result == PostbackResult::Sent {
        return targets.works(&source.id, host).then(|| {
            format!(
                "{host} was left alone and answers again: what is due is sent, and what was put off is with \
                 tfx postback retry ID, or by itself"
            )
        });
    }
    let told = targets.told(clock::now());
    let open = told.into_iter().find(|t| t.source_id.as_ref() == Some(&source.id) && t.host == host)?;
    let until = open.open_until?;
    Some(format!(
        "{host} is left alone until {until:.0}, since {}; a test that it answers with 2xx ends that",
        open.reason
    ))
}

/// What it is told of: a conversion, in this state, or one that nobody reported.
fn told(
    source: &Source,
    conversion: Option<Conversion>,
    click_id: Option<ClickId>,
    click: Option<&ClickEvent>,
    status: ConversionStatus,
    now: Timestamp,
) -> SourcePostback {
    let random = entropy::random_u128();
    let made_up = if conversion.is_some() { "" } else { "test" };
    let external_id = click.map_or(made_up, |click| click.external_id.as_str());
    let asked = Subscription::unsure(source.id.clone(), external_id, click.and_then(|click| click.cost));
    if let Some(conversion) = conversion {
        let at = conversion.updated_at;
        return SourcePostback::new(&asked, &Conversion { status, ..conversion }, at);
    }
    let click_id = click_id.unwrap_or_else(|| ClickId::generate(now, random));
    let conversion = Conversion {
        id: ConversionId::generate(now, random),
        version: 1,
        since_version: 1,
        network: NetworkId::generate(Timestamp::UNIX_EPOCH, 0),
        key: "test".to_owned(),
        sale_claim: None,
        displaced: false,
        transaction_id: Some("test".to_owned()),
        click_id,
        status,
        raw_status: None,
        revenue: Money { amount: Amount::from_micros(1_000_000), currency: source.spec.currency },
        cost: None,
        cost_terms: Due::default(),
        signatures: Signatures::default(),
        created_at: now,
        updated_at: now,
        click: click.map_or_else(
            || ClickDims { source_id: Some(source.id.clone()), ..ClickDims::default() },
            |click| click.dims.clone(),
        ),
    };
    SourcePostback::new(&asked, &conversion, now)
}
