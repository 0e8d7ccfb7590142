//! The way of events from the services into the reports, as api-service tells of it: what each producer holds, what waits
//! in the event log, what became no event.

use serde::Deserialize;
use tfx_api::{
    ApiError, Client,
    ingestion::{IngestionLag, IngestionQuery},
    service::ServiceStats,
};
use tfx_domain::Timestamp;

/// So many errors are counted one by one.
pub(crate) const MOST_ERRORS: usize = 1_000;
/// The most of a page.
const PAGE: usize = 100;

/// What a service's event producer counts, as far as anybody judges by it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Producer {
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) write_failure_total: u64,
    pub(crate) dropped_total: u64,
    pub(crate) unwritten_events: u64,
    pub(crate) refused_waiting: u64,
    pub(crate) damaged_total: u64,
    pub(crate) bytes_written_total: u64,
    pub(crate) outbox_depth_events: u64,
    pub(crate) outbox_depth_bytes: u64,
    pub(crate) oldest_undelivered_age_ms: u64,
    pub(crate) degraded: bool,
    pub(crate) last_success_at: Option<Timestamp>,
    pub(crate) last_failure_at: Option<Timestamp>,
    pub(crate) last_error: Option<String>,
}

impl Producer {
    /// What a service's counters say, or why there are none.
    pub(crate) fn of(stats: &ServiceStats) -> Result<Self, String> {
        match (&stats.stats, &stats.error) {
            (Some(stats), _) => {
                Self::deserialize(stats).map_err(|e| format!("its counters cannot be read: {e}"))
            }
            (None, Some(error)) => Err(error.clone()),
            (None, None) => Err("it has no counters".to_owned()),
        }
    }
}

/// How far the reports are behind the event log; none: there is no event log.
///
/// # Errors
/// As the call.
pub(crate) async fn lag(client: &Client) -> Result<Option<IngestionLag>, ApiError> {
    match client.ingestion_lag().await {
        Ok(lag) => Ok(Some(lag)),
        Err(error) if is_no_log(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Messages that became no event since then, [`MOST_ERRORS`] at the most; none: there is no event log.
///
/// # Errors
/// As the call.
pub(crate) async fn errors(client: &Client, since: Timestamp) -> Result<Option<usize>, ApiError> {
    let mut asked = IngestionQuery { since: Some(since), limit: Some(PAGE), ..IngestionQuery::default() };
    let mut found = 0;
    loop {
        let page = match client.ingestion_errors(&asked).await {
            Ok(page) => page,
            Err(error) if is_no_log(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        found += page.items.len();
        asked.cursor = page.next;
        if asked.cursor.is_none() || found >= MOST_ERRORS {
            return Ok(Some(found.min(MOST_ERRORS)));
        }
    }
}

fn is_no_log(error: &ApiError) -> bool {
    matches!(error, ApiError::Problem(p) if p.code == "no_event_log")
}
