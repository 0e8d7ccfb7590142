//! The endpoints of postback-service, and a request's way into [`Received`].

use crate::{
    SERVICE, answer, auth,
    import::import,
    log::{Origin, PostbackOutcome, SECRET},
    masks::Masks,
    params::{self, RequestFacts},
    parked,
    retry::{NotTaken, retry},
    signature::RawRequest,
    source_postback::{self, SourcePostbackSender},
    take::{Postbacks, Received},
};
use axum::{
    Extension, Json, Router,
    body::{Body, to_bytes},
    extract::State,
    response::{IntoResponse, Response},
    routing::{any, post},
};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, request::Parts};
use http_body_util::LengthLimitError;
use percent_encoding::percent_decode_str;
use std::{error::Error, net::IpAddr, sync::Arc};
use tfx_api::{
    imports::ImportRequest,
    parked::{DropParked, ParkedAnswer},
    postbacks::PostbackRetry,
};
use tfx_domain::{id::ClickId, postback::Refusal};
use tfx_ports::{clock, entropy};
use tfx_service::{
    LogClick, LogPath, NoMemory, Peer, ProblemResponse, client_ip, events,
    health::{self, Detail, Readiness},
    internal::{self, Inside},
    metrics, traces,
};
use tfx_settings::{HttpSettings, LookupFailure};
use tfx_wiring::Stores;
use tracing::Instrument as _;

/// The longest body of somebody who is not known before it is read.
const STRANGERS_BODY: usize = 64 << 10;

struct Http {
    postbacks: Arc<Postbacks>,
    settings: HttpSettings,
}

impl Http {
    /// Whether a postback may speak for its network, as far as its head tells.
    fn knows(&self, head: &Parts, ip: IpAddr) -> bool {
        let Some(index) = self.postbacks.config.owned() else { return false };
        let (network, ..) = path_of(head.uri.path());
        let said = params::pairs(head.uri.query().unwrap_or_default().as_bytes());
        let given = secrets(&said, &head.headers);
        index
            .network(&network)
            .is_some_and(|n| auth::check(&n.spec, ip, &given, &index.addresses, clock::now()).is_ok())
    }
}

/// All endpoints; those for operators behind `inside`.
pub(crate) fn router(
    postbacks: &Arc<Postbacks>,
    teller: &Arc<SourcePostbackSender>,
    stores: &Stores,
    settings: HttpSettings,
    inside: &Inside,
) -> Router {
    let (counted, telling) = (Arc::clone(postbacks), Arc::clone(teller));
    let producer = Arc::clone(&postbacks.producer);
    let operators = events::routes(producer).merge(metrics::routes(SERVICE, move |out| {
        counted.counters.write(out);
        telling.write(out);
        let left_out = counted.conversions.left_out().len() + counted.queue.left_out().len();
        out.gauge("tfx_rows_left_out", "Stored rows that were met and cannot be read", &[], left_out);
        let help = "Conversions whose present state the event sink refuses for good";
        out.gauge("tfx_conversions_refused", help, &[], counted.refused.count());
        counted.strangers.write(out);
        traces::write(&counted.traces, out);
        events::write(SERVICE, &counted.producer.stats(), out);
    }));
    let operators = operators.merge(
        Router::new()
            .route("/internal/postbacks/retry", post(retry_all))
            .route("/internal/conversions/import", post(import_rows))
            .route("/internal/postbacks/parked/drop", post(drop_all))
            .route("/internal/clicks/forget", post(forget_clicks))
            .with_state(Arc::clone(postbacks)),
    );
    let operators = operators.merge(source_postback::routes(teller));
    let operators = operators.merge(tfx_service::config::routes(Arc::clone(&postbacks.config)));
    let state = Arc::new(Http { postbacks: Arc::clone(postbacks), settings });
    Router::new()
        .route("/postback", any(postback))
        .route("/postback/", any(postback))
        .route("/postback/{*path}", any(postback))
        .with_state(state)
        .merge(internal::guard(operators, inside))
        .merge(health::routes(readiness(postbacks, teller, stores), inside.clone()))
}

fn readiness(postbacks: &Arc<Postbacks>, teller: &Arc<SourcePostbackSender>, stores: &Stores) -> Readiness {
    let config = Arc::clone(&postbacks.config);
    let (conversions, queue) = (Arc::clone(&stores.conversions), Arc::clone(&stores.queue));
    let analytics = Arc::clone(&stores.analytics);
    let producer = Arc::clone(&postbacks.producer);
    // Where a postback is refused whose click cannot be looked up, none is taken without the store.
    let lookup_needed = postbacks.settings.lookup_failure == LookupFailure::Reject;
    let readiness = Readiness::new()
        .required("config", move || {
            let checked = config.check();
            async move { checked }
        })
        .fresh()
        .required("conversions", move || {
            let (store, queue) = (Arc::clone(&conversions), Arc::clone(&queue));
            async move {
                store.ping().await.map_err(|e| e.to_string())?;
                let counts = queue.counts(parked::KIND).await.map_err(|e| e.to_string())?;
                let mut text = format!("{} parked", counts.waiting);
                if counts.dead > 0 {
                    text += &format!("; {} unmatched kept in case their clicks come", counts.dead);
                }
                let left_out = store.left_out().len() + queue.left_out().len();
                if left_out > 0 {
                    text += &format!("; {left_out} rows cannot be read, see the log");
                }
                Ok(Detail::ok().text(text))
            }
        });
    let ping = move || {
        let store = Arc::clone(&analytics);
        async move { store.ping().await.map(|()| Detail::ok()).map_err(|e| e.to_string()) }
    };
    let readiness = if lookup_needed {
        readiness.required("analytics", ping)
    } else {
        readiness.optional("analytics", ping)
    };
    let teller = Arc::clone(teller);
    let readiness = readiness.optional("sources", move || {
        let teller = Arc::clone(&teller);
        async move { teller.told().await.map_err(|e| e.to_string()) }
    });
    let config = Arc::clone(&postbacks.config);
    let readiness =
        readiness.optional("addresses", move || {
            let problems = config.owned().map(|index| index.addresses.problems()).unwrap_or_default();
            async move {
                Ok(if problems.is_empty() { Detail::ok() } else { Detail::degraded(problems.join("; ")) })
            }
        });
    readiness.required("events", move || events::check(Arc::clone(&producer), true))
}

async fn import_rows(State(postbacks): State<Arc<Postbacks>>, Json(asked): Json<ImportRequest>) -> Response {
    // A task of its own: whoever hangs up must not leave rows half done.
    let work = async move { import(&postbacks, &asked).await };
    match tokio::spawn(work.in_current_span()).await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(why)) => ProblemResponse::unavailable(format!("{why}; send the rows again")).into_response(),
        Err(e) => ProblemResponse::internal(format!("importing rows: {e}")).into_response(),
    }
}

async fn retry_all(State(postbacks): State<Arc<Postbacks>>, Json(asked): Json<PostbackRetry>) -> Response {
    match retry(&postbacks, &asked).await {
        Ok(answer) => Json(answer).into_response(),
        Err(NotTaken::Unknown(ids)) => {
            let ids = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            ProblemResponse::not_found(format!("the postback log has no line {ids}")).into_response()
        }
        Err(NotTaken::Store(e)) => {
            let problem = ProblemResponse::unavailable("the postback log cannot be read; try again later");
            ProblemResponse { log: Some(e.to_string()), ..problem }.into_response()
        }
    }
}

async fn drop_all(State(postbacks): State<Arc<Postbacks>>, Json(asked): Json<DropParked>) -> Response {
    match parked::drop_parked(&postbacks, asked).await {
        Ok((done, not_now)) => Json(ParkedAnswer { done, not_now, next: None }).into_response(),
        Err(e) => {
            let problem = ProblemResponse::unavailable("a store does not answer; try again later");
            ProblemResponse { log: Some(e.to_string()), ..problem }.into_response()
        }
    }
}

/// A person was erased: what is remembered of clicks is looked up anew.
async fn forget_clicks(State(postbacks): State<Arc<Postbacks>>) -> Json<serde_json::Value> {
    postbacks.clicks.forget();
    Json(serde_json::json!({}))
}

async fn postback(
    State(http): State<Arc<Http>>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request<Body>,
) -> Response {
    if !matches!(*request.method(), Method::GET | Method::POST) {
        return answer::not_allowed();
    }
    let (head, body) = request.into_parts();
    let ip = client_ip(peer.ip(), &head.headers, &http.settings.trusted_proxies);
    let most = http.settings.max_body_bytes;
    let limit = if http.knows(&head, ip) { most } else { most.min(STRANGERS_BODY) };
    let (body, problem) = match to_bytes(body, limit).await {
        Ok(body) => (Some(body), Ok(())),
        Err(e) if is_caused_by::<NoMemory>(&e) => {
            return ProblemResponse::unavailable(format!("{NoMemory}; send it again")).into_response();
        }
        Err(e) if is_caused_by::<LengthLimitError>(&e) => {
            let why = if limit < most {
                "; a longer one is read when the secret stands in the query, X-Postback-Secret or Authorization"
            } else {
                ""
            };
            (None, Err(body_refused(413, format!("is larger than {limit} bytes{why}"))))
        }
        Err(e) => (None, Err(body_refused(400, format!("broke off: {e}")))),
    };
    let RequestFacts { params, of_query, unreadable, numbers, problem: parsed } =
        params::read(head.uri.query(), &head.headers, body.as_ref().unwrap_or(&Bytes::new())).await;
    let parsed = parsed.map_or(Ok(()), |(status, refusal)| Err(PostbackOutcome::invalid(status, refusal)));
    let (network, template, path) = path_of(head.uri.path());
    let at = clock::now();
    let received = Received {
        secrets: secrets(&params, &head.headers),
        problem: path.and(problem).and(parsed),
        origin: Origin {
            id: ClickId::generate(at, entropy::random_u128()),
            at,
            network,
            template,
            ip: Some(ip),
            method: head.method.as_str().into(),
            params,
            note: String::new(),
            row: None,
            signed: None,
            again: None,
        },
        unreadable,
        numbers,
        raw: RawRequest {
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
            of_query,
        },
    };
    // A task of its own: a network that hangs up must not leave a postback half done.
    let postbacks = Arc::clone(&http.postbacks);
    let taken = tokio::spawn(async move { postbacks.take(received).await }.in_current_span()).await;
    let masks = http.postbacks.masks();
    let click = taken.as_ref().ok().and_then(|outcome| outcome.click);
    let mut response = match taken {
        Ok(outcome) => answer::of(without_secrets(outcome, &masks)),
        Err(e) => ProblemResponse::internal(format!("taking a postback: {e}")).into_response(),
    };
    if let Some(click) = click {
        LogClick::put(click, &mut response);
    }
    if let Some(path) = masks.path(head.uri.path()) {
        response.extensions_mut().insert(LogPath(path));
    }
    response
}

/// A network that puts its secret into a wrong place is not told it, and no log is.
fn without_secrets(outcome: PostbackOutcome, masks: &Masks) -> PostbackOutcome {
    let (reason, told) = (masks.masked(&outcome.reason), masks.masked(&outcome.told));
    let parameter = outcome.parameter.map(|p| masks.masked(&p));
    PostbackOutcome { reason, told, parameter, ..outcome }
}

/// Network and template of `/postback/{network}[/{template}]`; more than that is nothing.
fn path_of(path: &str) -> (String, String, Result<(), PostbackOutcome>) {
    let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let rest = path.strip_prefix("/postback").unwrap_or(path);
    let mut parts = rest.split('/').filter(|p| !p.is_empty()).map(decoded);
    let (network, template) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let rest = match parts.next() {
        None => Ok(()),
        Some(_) => Err(PostbackOutcome::rejected(404, "the path is longer than /postback/NETWORK/TEMPLATE")),
    };
    (network, template, rest)
}

fn body_refused(status: u16, message: String) -> PostbackOutcome {
    PostbackOutcome::invalid(status, Refusal { parameter: "body".to_owned(), message })
}

/// Every secret a request carries.
fn secrets(params: &[(String, String)], headers: &HeaderMap) -> Vec<String> {
    let header = headers.get("x-postback-secret").and_then(|v| v.to_str().ok());
    let all = [params::first(params, SECRET), header, internal::bearer(headers)];
    all.into_iter().flatten().map(str::to_owned).collect()
}

/// Whether a body broke off because of this: a limit, ours or the listener's, or a lack of memory.
fn is_caused_by<E: Error + 'static>(e: &axum::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = e.source();
    while let Some(e) = cause {
        if e.is::<E>() {
            return true;
        }
        cause = e.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_network_and_template() {
        let table = [
            ("/postback/net", "net", "", true),
            ("/postback/net/", "net", "", true),
            ("/postback/net/tpl", "net", "tpl", true),
            ("/postback/n%C3%A9t/%ff", "nét", "\u{fffd}", true),
            ("/postback", "", "", true),
            ("/postback/net/tpl/more", "net", "tpl", false),
            ("/postback/a%2Fb", "a/b", "", true),
        ];
        for (path, network, template, ok) in table {
            let (n, t, rest) = path_of(path);
            assert_eq!((n.as_str(), t.as_str(), rest.is_ok()), (network, template, ok), "{path}");
        }
    }
}
