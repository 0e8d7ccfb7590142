//! Requests that their callers give a name (`Idempotency-Key`), so that what they make is made once, however often they are
//! sent. What was made is kept for a day, in the transaction that makes it: neither is there without the other, also where
//! the process ends between the two or several api-services are asked at once
//! (`docs/decisions/0041-once-under-a-name.md`).

use crate::{access::Identity, app::App, failure::Failure};
use axum::{
    extract::FromRequestParts,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    accounts::{Account, AccountKind},
    clock,
    retry::Retry,
};
use tfx_service::ProblemResponse;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Characters that a name may have.
const LONGEST: usize = 200;
/// How long what was made is kept.
const KEPT_MS: i64 = 24 * 3_600_000;
/// How long what another process saved is waited for, until readers see it.
const SEEN_WITHIN: Duration = Duration::from_secs(3);

/// What a request is called by its caller, if he calls it anything.
pub(crate) struct Named(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        named(&parts.headers).map(Self)
    }
}

fn named(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let mut given = headers.get_all(KEY).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|t| (1..=LONGEST).contains(&t.len()) && !t.contains(' '));
    match text.filter(|_| given.next().is_none()) {
        Some(text) => Ok(Some(text.to_owned())),
        None => {
            let detail = format!(
                "Idempotency-Key must be one text of 1 to {LONGEST} visible ASCII characters that no other request has, such as a UUID"
            );
            Err(Failure::new(StatusCode::BAD_REQUEST, "bad_idempotency_key", detail))
        }
    }
}

/// The names of requests that are under way in this process.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Mutex<HashSet<String>>);

/// What is kept of a request and of what it made.
#[derive(Serialize, Deserialize)]
struct KeptAnswer<T> {
    /// A keyed hash of what was asked.
    asked: String,
    made: T,
}

/// What becomes of a request.
pub(crate) enum Begun<T> {
    /// It was done before; this was made.
    Before(T),
    /// It is to be done now.
    Now(Turn),
}

/// A request that is being done.
pub(crate) struct Turn(Option<OpenRequest>);

struct OpenRequest {
    /// The hash of caller and name.
    id: String,
    asked: String,
    /// What was kept under the name and is over.
    over: Option<Account>,
    app: Arc<App>,
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        under_way(&self.app).remove(&self.id);
    }
}

fn under_way(app: &App) -> std::sync::MutexGuard<'_, HashSet<String>> {
    app.under_way.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins a request. `what` is what is asked for, beside the body.
///
/// # Errors
/// 409 while the same is under way, 422 if the name was given to something else, the store's.
pub(crate) async fn begin<T: DeserializeOwned>(
    app: &Arc<App>,
    caller: &Identity,
    Named(name): Named,
    what: &str,
    body: &Value,
) -> Result<Begun<T>, Failure> {
    let Some(name) = name else { return Ok(Begun::Now(Turn(None))) };
    let digest = async |kind: &str, text: String| app.access.digest(&app.stores, kind, &text).await;
    let id = digest("request", format!("{}\0{name}", caller.key())).await?;
    let asked = digest("body", format!("{what}\0{body}")).await?;
    if !under_way(app).insert(id.clone()) {
        return Err(in_use());
    }
    let mut turn = OpenRequest { id, asked, over: None, app: Arc::clone(app) };
    match turn.kept(clock::now()).await? {
        Some(made) => Ok(Begun::Before(made)),
        None => Ok(Begun::Now(Turn(Some(turn)))),
    }
}

/// 409, with when to come again.
fn in_use() -> Failure {
    let detail = "a request with this Idempotency-Key is under way; ask again, to get its answer";
    let mut response =
        ProblemResponse::new(StatusCode::CONFLICT, "idempotency_key_in_use", detail).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(1));
    Failure::Passed(response)
}

impl OpenRequest {
    /// What was made under this name, if anything was.
    async fn kept<T: DeserializeOwned>(&mut self, now: Timestamp) -> Result<Option<T>, Failure> {
        let found = self.app.stores.accounts.get(AccountKind::Answer, &self.id).await?;
        let Some(account) = found else { return Ok(None) };
        if account.until.is_some_and(|until| until <= now) {
            self.over = Some(account);
            return Ok(None);
        }
        let KeptAnswer { asked, made } = account.read::<KeptAnswer<Value>>()?;
        if asked != self.asked {
            let detail = "another request had this Idempotency-Key before; give each request one of its own";
            return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail));
        }
        let made = serde_json::from_value(made);
        made.map(Some).map_err(|e| StoreError::broken("read what was answered", e).into())
    }
}

impl Turn {
    /// What is to be saved with what is made; nothing, if the request has no name. Secrets must not stand in it.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub(crate) fn keep(&self, made: &impl Serialize, now: Timestamp) -> Result<Vec<Account>, StoreError> {
        let Some(OpenRequest { id, asked, over, .. }) = &self.0 else { return Ok(Vec::new()) };
        let kept = KeptAnswer { asked: asked.clone(), made };
        let account = match over {
            Some(over) => over.changed(&kept)?,
            None => Account::new(AccountKind::Answer, id, id, &kept)?,
        };
        let until = Timestamp::from_millisecond(now.as_millisecond().saturating_add(KEPT_MS)).unwrap_or(now);
        Ok(vec![account.until(until)])
    }

    /// What another process made of the same request meanwhile, where this one failed for that. It is waited for where it
    /// is saved and readers do not see it yet.
    ///
    /// # Errors
    /// The failure, if none did; 409 if it is not seen in time; 422 if the name was given to something else.
    pub(crate) async fn instead<T: DeserializeOwned>(self, failure: Failure) -> Result<T, Failure> {
        let Some(mut asked) = self.0 else { return Err(failure) };
        // What is made is new: what is at another version is what another process keeps under the name.
        let is_kept = failure.is_of_version();
        let mut retry = Retry::for_at_most(SEEN_WITHIN);
        loop {
            match asked.kept(clock::now()).await {
                Ok(Some(made)) => return Ok(made),
                Ok(None) if is_kept => {
                    if !retry.again().await {
                        return Err(in_use());
                    }
                }
                Err(reused @ Failure::Problem(_)) => return Err(reused),
                Ok(None) | Err(Failure::Passed(_)) => return Err(failure),
            }
        }
    }
}

/// The same answer, marked as one that was given before.
pub(crate) fn replayed(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_visible_text() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(KEY, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
            }
            named(&headers).ok()
        };
        assert_eq!(of(&[]), Some(None));
        assert_eq!(of(&["\"8e03978e-40d5\""]), Some(Some("\"8e03978e-40d5\"".to_owned())));
        assert!(of(&[&"x".repeat(200)]).is_some());
        for wrong in [&[""][..], &["a b"], &["é"], &["a", "a"], &[&"x".repeat(201)]] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }
}
