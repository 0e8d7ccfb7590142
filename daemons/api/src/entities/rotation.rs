//! `POST /networks/{ref}/rotate-secret`: another secret, beside which the present one works for a while, so that no postback is
//! refused while the network moves.

use super::{
    diff::FORMER,
    shown_saved,
    write::{self, Saved, WriteConditions},
};
use crate::{
    access::Identity,
    app::App,
    failure::Failure,
    idempotency::{self, Begun, Named, replayed},
    input::{Body, Path, Query, if_match, read},
};
use axum::{Extension, extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use tfx_api::entities::SecretRotation;
use tfx_domain::{Timestamp, entity::Kind, problem::Problems};
use tfx_ports::{audit::Caller, clock, config::Record, entropy};

/// A secret that takes the place of another.
pub(crate) struct Rotation {
    /// The fields of it, and of the one before.
    present: &'static str,
    former: &'static str,
    secret: String,
    /// Until when the other one works.
    until: Timestamp,
    now: Timestamp,
}

impl Rotation {
    fn new(asked: SecretRotation, now: Timestamp) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let most = SecretRotation::MOST_GRACE_S;
        problems.require(asked.grace_s <= most, "grace_s", &format!("must be 0 to {most}, which is 90 days"));
        let grace_ms = asked.grace_s.min(most) as i64 * 1_000;
        let until = Timestamp::from_millisecond(now.as_millisecond().saturating_add(grace_ms)).unwrap_or(now);
        let [secret, key] = FORMER;
        let both = asked.postback_secret.is_some() && asked.signing_key.is_some();
        problems.require(!both, "signing_key", "goes without postback_secret: one is rotated at a time");
        let ((present, former, _), secret) = match asked.signing_key {
            Some(given) => (key, given.0),
            None => (secret, asked.postback_secret.map_or_else(entropy::secret, |secret| secret.0)),
        };
        problems.into_result(Self { present, former, secret, until, now })
    }

    /// Whether the network may be given another.
    ///
    /// # Errors
    /// 409: two of its secrets work, and one of them may be what it still uses. 422: it has this one.
    pub(super) fn may(&self, before: &Record, force: bool) -> Result<(), Failure> {
        if before.spec[self.present] == self.secret {
            return Err(Problems::one(self.present, "is the present one; give another").into());
        }
        let until =
            before.spec[self.former]["until"].as_str().and_then(|until| until.parse::<Timestamp>().ok());
        match until.filter(|until| self.now < *until && !force) {
            None => Ok(()),
            Some(until) => {
                let what = if self.present == "signing_key" { "signing key" } else { "secret" };
                let detail = format!(
                    "the former {what} of {} works until {until}, and would end now: 'tfx postback lint {0}' tells \
                     whether it still comes; rotate by force, or when it has ended",
                    before.slug
                );
                Err(Failure::new(StatusCode::CONFLICT, "former_secret_works", detail))
            }
        }
    }

    /// Puts it into a network's spec.
    pub(super) fn apply(&self, spec: &mut Value) {
        let Value::Object(fields) = spec else { return };
        let present = fields.insert(self.present.to_owned(), self.secret.as_str().into());
        fields.remove(self.former);
        if let Some(present) = present.filter(|present| present.is_string() && self.now < self.until) {
            fields.insert(
                self.former.to_owned(),
                json!({ "secret": present, "until": self.until.to_string() }),
            );
        }
    }
}

/// What works beside a present secret is what it took the place of, and not for ever: by a change its end is moved, no
/// further than a rotation may.
pub(super) fn is_former(value: &Value, old: Option<&Value>, now: Timestamp, problems: &mut Problems) {
    for (_, former, _) in FORMER {
        let (new, old) = (&value[former], old.map_or(&Value::Null, |old| &old[former]));
        if new.is_null() || new == old {
            continue;
        }
        if !old.is_null() && old["secret"] != new["secret"] {
            problems.add(
                format!("{former}.secret"),
                "is what was the secret before, and stays so: a rotation replaces it",
            );
        }
        let furthest = now.as_millisecond().saturating_add(SecretRotation::MOST_GRACE_S as i64 * 1_000);
        let until = new["until"].as_str().and_then(|until| until.parse::<Timestamp>().ok());
        if until.is_some_and(|until| new["until"] != old["until"] && until.as_millisecond() > furthest) {
            problems.add(format!("{former}.until"), "must be within 90 days from now");
        }
    }
}

pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    (Extension(caller), Extension(identity)): (Extension<Caller>, Extension<Identity>),
    Path(reference): Path,
    named: Named,
    mut query: Query,
    headers: HeaderMap,
    Body(input): Body,
) -> Result<Response, Failure> {
    let force = query.flag("force").unwrap_or(false);
    query.finish()?;
    let how = WriteConditions { if_match: if_match(&headers)?, force, ..WriteConditions::default() };
    let what = format!("{}/{reference}/rotate-secret", Kind::Network.plural());
    let before = match idempotency::begin(&app, &identity, named, &what, &input).await? {
        Begun::Before(record) => record,
        Begun::Now(turn) => {
            let rotation = Rotation::new(read(input)?, clock::now())?;
            match write::rotate(&app, &caller, &reference, rotation, how, &turn).await {
                Ok(saved) => return shown_saved(&app, StatusCode::OK, &saved, Vec::new()).await,
                Err(failure) => turn.instead(failure).await?,
            }
        }
    };
    let saved = Saved { record: before, secret: None };
    shown_saved(&app, StatusCode::OK, &saved, Vec::new()).await.map(replayed)
}
