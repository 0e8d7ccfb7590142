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
pub(super) struct Rotation {
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
        let secret = asked.postback_secret.map_or_else(entropy::secret, |secret| secret.0);
        problems.into_result(Self { secret, until, now })
    }

    /// Whether the network may be given another.
    ///
    /// # Errors
    /// 409: two of its secrets work, and one of them may be what it still uses. 422: it has this one.
    pub(super) fn may(&self, before: &Record, force: bool) -> Result<(), Failure> {
        if before.spec["postback_secret"] == self.secret {
            return Err(Problems::one("postback_secret", "is the present one; give another").into());
        }
        let until = before.spec[FORMER]["until"].as_str().and_then(|until| until.parse::<Timestamp>().ok());
        match until.filter(|until| self.now < *until && !force) {
            None => Ok(()),
            Some(until) => {
                let detail = format!(
                    "the former secret of {} works until {until}, and would end now: 'tfx postback lint --network {0}' tells \
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
        let present = fields.insert("postback_secret".to_owned(), self.secret.as_str().into());
        fields.remove(FORMER);
        if let Some(present) = present.filter(|present| present.is_string() && self.now < self.until) {
            fields.insert(FORMER.to_owned(), json!({ "secret": present, "until": self.until.to_string() }));
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
