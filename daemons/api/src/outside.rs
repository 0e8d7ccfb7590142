//! The way to servers of others: on threads of their own, so that none of them takes turns of what is answered here.

use std::sync::Arc;
use tfx_outbound::{Answer, Apart, Failure, Outbound, Request};
use tfx_settings::Settings;

/// Sends requests.
#[derive(Clone)]
pub(crate) struct Outside {
    apart: Arc<Apart>,
    outbound: Arc<Outbound>,
}

impl Outside {
    /// `per_host` is the most requests to one host at the same time.
    pub(crate) fn new(apart: &Arc<Apart>, settings: &Settings, per_host: usize) -> Self {
        let outbound = Arc::new(tfx_wiring::outbound(settings, per_host));
        Self { apart: Arc::clone(apart), outbound }
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, Failure> {
        let broke_off = || Failure::Setup { reason: "it broke off in this program".to_owned() };
        match self.apart.send(&self.outbound, request).await {
            Some(sent) => sent.map_err(|unanswered| unanswered.failure),
            None => Err(broke_off()),
        }
    }
}
