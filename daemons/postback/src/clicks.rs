//! The click of a postback: recent ones from memory, the others from the analytics store within a time limit.

use quick_cache::sync::Cache;
use std::{sync::Arc, time::Duration};
use tfx_domain::{event::ClickDims, id::ClickId};
use tfx_ports::analytics::Analytics;

/// How many clicks are remembered; a click's lead, sale and rejection mostly come close together.
const REMEMBERED: usize = 10_000;

/// Why a click was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The store answered that it has none (yet).
    NotThere,
    /// The store did not answer.
    NotAnswered(String),
}

impl Missing {
    /// For the log and the answer.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::NotThere => "there is no such click (yet)".to_owned(),
            Self::NotAnswered(why) => format!("the click could not be looked up: {why}"),
        }
    }
}

/// Finds clicks.
pub(crate) struct Clicks {
    analytics: Arc<dyn Analytics>,
    recent: Cache<ClickId, Arc<ClickDims>>,
    at_most: Duration,
}

impl Clicks {
    pub(crate) fn new(analytics: Arc<dyn Analytics>, at_most: Duration) -> Self {
        Self { analytics, recent: Cache::new(REMEMBERED), at_most }
    }

    /// The facts of a click.
    ///
    /// # Errors
    /// Why they are not known (yet).
    pub(crate) async fn find(&self, id: ClickId) -> Result<Arc<ClickDims>, Missing> {
        if let Some(known) = self.recent.get(&id) {
            return Ok(known);
        }
        match tokio::time::timeout(self.at_most, self.analytics.click(id)).await {
            Ok(Ok(Some(click))) => {
                let dims = Arc::new(click.dims);
                self.recent.insert(id, Arc::clone(&dims));
                Ok(dims)
            }
            Ok(Ok(None)) => Err(Missing::NotThere),
            Ok(Err(e)) => {
                tracing::warn!(error = %e, click_id = %id, "cannot look up a click");
                Err(Missing::NotAnswered(e.to_string()))
            }
            Err(_) => Err(Missing::NotAnswered(format!("no answer within {} ms", self.at_most.as_millis()))),
        }
    }
}
