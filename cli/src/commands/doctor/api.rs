//! api-service as the looks ask it: each has its time, and once nobody answers there, no other look waits for that.

use crate::{
    context::Context,
    exit::{Failure, Kind},
};
use std::{
    cell::Cell,
    time::{Duration, Instant},
};
use tfx_api::Client;
use tfx_ops::probe::Probe;
use tokio::time::timeout;

/// So long each look may take.
const LOOK: Duration = Duration::from_secs(15);
/// After so long no other look is begun.
const ALL: Duration = Duration::from_secs(60);
/// So long it may take to say that it lives.
const ALIVE: Duration = Duration::from_secs(2);

/// Asks api-service.
pub(super) struct Api<'c> {
    context: &'c Context,
    began: Instant,
    silent: Cell<bool>,
}

impl<'c> Api<'c> {
    pub(super) fn new(context: &'c Context) -> Self {
        Self { context, began: Instant::now(), silent: Cell::new(false) }
    }

    /// What a look finds.
    ///
    /// # Errors
    /// That of the look; there is no client; it takes too long; another look had no answer.
    pub(super) async fn ask<T>(
        &self,
        look: impl AsyncFnOnce(&Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if self.silent.get() {
            return Err(Failure::new(Kind::Unreachable, "api-service does not answer, as is told above"));
        }
        if self.began.elapsed() >= ALL {
            let message = format!("api-service is slow: {} s have gone by with other looks", ALL.as_secs());
            return Err(Failure::new(Kind::TimedOut, message));
        }
        let client = self.context.client()?;
        let found = timeout(LOOK, look(&client)).await.unwrap_or_else(|_| {
            let message = format!("api-service does not answer within {} s", LOOK.as_secs());
            Err(Failure::new(Kind::TimedOut, message))
        });
        // It may be another service or an engine that does not answer it.
        if found.as_ref().is_err_and(|f| matches!(f.kind, Kind::Unreachable | Kind::TimedOut)) {
            self.listen().await;
        }
        found
    }

    /// Finds out whether anybody answers there.
    pub(super) async fn listen(&self) {
        let Ok(url) = self.context.api_url() else { return };
        let Ok(probe) = Probe::within(ALIVE) else { return };
        self.silent.set(probe.get(&format!("{url}/healthz")).await.is_err());
    }
}
