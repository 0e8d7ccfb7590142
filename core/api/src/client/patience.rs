//! Asking again: what was asked too often, when the answer says so; and creates whose answer did not arrive, under the name
//! of the first time (`Idempotency-Key`), so that nothing is made twice. Bounded, and said aloud.

use super::transport::Client;
use crate::error::ApiError;
use std::{fmt, sync::Arc, time::Duration};

/// The longest that a call waits for a limit, all its waits together.
const LONGEST_WAIT: Duration = Duration::from_secs(180);
/// The pauses before a create is sent again whose answer did not arrive.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(2)];

/// How a client asks again.
#[derive(Clone)]
pub(super) struct Patience {
    told: Arc<dyn Fn(&str) + Send + Sync>,
    new_key: fn() -> String,
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patience")
    }
}

impl Client {
    /// The same client, which waits where it asks too often, at most three minutes for each call, and sends a create again
    /// whose answer did not arrive. `told` hears of each wait; `new_key` makes a text that nobody else makes.
    #[must_use]
    pub fn patient(mut self, told: impl Fn(&str) + Send + Sync + 'static, new_key: fn() -> String) -> Self {
        self.patience = Some(Patience { told: Arc::new(told), new_key });
        self
    }
}

/// The tries of one call.
pub(super) struct Tries<'p> {
    patience: Option<&'p Patience>,
    key: Option<String>,
    pauses: std::slice::Iter<'static, Duration>,
    /// Whether the request may have been taken.
    sent: bool,
    waited: Duration,
}

impl<'p> Tries<'p> {
    /// `once`: what is asked for makes something new.
    pub(super) fn new(patience: Option<&'p Patience>, once: bool) -> Self {
        let key = patience.filter(|_| once).map(|patience| (patience.new_key)());
        Self { patience, key, pauses: PAUSES.iter(), sent: false, waited: Duration::ZERO }
    }

    /// What all tries go by.
    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Waits until it is of use to ask again.
    ///
    /// # Errors
    /// The error, if it is of none.
    pub(super) async fn after(&mut self, error: ApiError) -> Result<(), ApiError> {
        // Where nobody listens nothing was sent; after a connection that broke, somebody may listen again soon.
        self.sent |= matches!(error, ApiError::Unreachable { sent: true, .. } | ApiError::Timeout { .. });
        let lost = self.key.is_some() && self.sent && error.problem().is_none();
        let pause = if lost { self.pauses.next().copied() } else { asked_to_wait(&error) };
        let pause = pause.filter(|pause| self.waited + *pause <= LONGEST_WAIT);
        let (Some(patience), Some(pause)) = (self.patience, pause) else { return Err(error) };
        let why = if lost { "no answer arrived" } else { reason(&error) };
        let wait = pause.as_secs_f32().ceil();
        (patience.told)(&format!("{why}; waiting {wait} s, then asking again"));
        tokio::time::sleep(pause).await;
        self.waited += pause;
        Ok(())
    }
}

/// How long an answer asks to wait, if it is one after which the same call may be made again.
fn asked_to_wait(error: &ApiError) -> Option<Duration> {
    let problem = error.problem()?;
    let waits = matches!(problem.code.as_str(), "rate_limited" | "idempotency_key_in_use");
    problem.retry_after_s.filter(|_| waits).map(Duration::from_secs)
}

fn reason(error: &ApiError) -> &'static str {
    match error.code() {
        Some("rate_limited") => "api-service lets this token ask so often and no more",
        _ => "the same is being made by a call before this one",
    }
}
