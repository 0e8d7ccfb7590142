//! The way from the event log to the analytics: what was lost on it, how far behind it is, and trying again.

use crate::{
    app::App,
    failure::Failure,
    input::{Body, Query, read},
    reply::json,
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::StatusCode;
use std::{
    collections::HashSet,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_api::ingestion::{IngestionError, IngestionLag, PartitionLag, ReplayAnswer, ReplayRequest};
use tfx_domain::{event::Topic, layout::is_layout, problem::Problems};
use tfx_ports::{
    StoreError, clock,
    ingestion::{self, IngestionQuery},
    page::{Page, PageRequest},
};
use tfx_wiring::Pipeline;

/// Most errors of a page: each holds a message, which may be of a megabyte.
const MAX_LIMIT: usize = 100;
/// How long one request goes on replaying before it says where the next one goes on.
const ONE_REQUEST: Duration = Duration::from_secs(10);
/// So much of a message is shown.
const SHOWN: usize = 4096;

/// The routes.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/ingestion/errors", get(errors))
        .route("/ingestion/lag", get(lag))
        .route("/ingestion/replay", post(replay))
}

fn pipeline(app: &App) -> Result<&Pipeline, Failure> {
    app.stores.pipeline.as_ref().ok_or_else(|| {
        let detail = "there is no event log here (EVENT_BROKERS is not set): events go straight into the store; \
                      'tfx events stats' counts those that it refused";
        Failure::new(StatusCode::CONFLICT, "no_event_log", detail)
    })
}

async fn errors(State(app): State<Arc<App>>, mut query: Query) -> Result<Response, Failure> {
    let (since, topic) = (query.time("since"), query.text("topic"));
    let ascending = query.flag("ascending").unwrap_or(false);
    let page = query.page_of(MAX_LIMIT);
    query.finish()?;
    let asked = IngestionQuery { since, topic, ascending, page };
    let found: Page<IngestionError> = pipeline(&app)?.errors.list(&asked).await?.map(shown);
    Ok(json(StatusCode::OK, &found))
}

fn shown(error: ingestion::IngestionError) -> IngestionError {
    IngestionError {
        observed_at: error.observed_at,
        topic: error.topic,
        partition: error.partition,
        offset: error.offset,
        error: escaped(&error.error),
        bytes: error.raw.len(),
        message: escaped(&error.raw[..error.raw.len().min(SHOWN)]),
    }
}

/// As text; bytes that are none, control characters, and marks that turn a line around or break it, as `\xff`.
fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' | '\t' => out.push(c),
                c if c.is_control() || is_layout(c) => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        out.extend(chunk.invalid().iter().map(|b| format!("\\x{b:02x}")));
    }
    out
}

async fn lag(State(app): State<Arc<App>>, query: Query) -> Result<Response, Failure> {
    query.finish()?;
    let pipeline = pipeline(&app)?;
    let groups = &pipeline.groups;
    let lag = match pipeline.lag(&Topic::ALL).await {
        Err(StoreError::NotFound) => {
            let detail = format!(
                "ClickHouse has not begun to read under the consumer groups {groups}.* (CLICKHOUSE_CONSUMER_GROUP); is it running, and was 'tfx migrate up' run?"
            );
            return Err(Failure::not_found(detail));
        }
        lag => lag.map_err(Failure::of_log)?,
    };
    let partitions: Vec<PartitionLag> = lag
        .into_iter()
        .map(|lag| PartitionLag {
            messages: lag.messages(),
            topic: lag.topic,
            partition: lag.partition,
            end: lag.end,
            taken: lag.taken,
        })
        .collect();
    let messages = partitions.iter().map(|p| p.messages).sum();
    Ok(json(StatusCode::OK, &IngestionLag { groups: groups.clone(), messages, partitions }))
}

async fn replay(State(app): State<Arc<App>>, query: Query, Body(input): Body) -> Result<Response, Failure> {
    query.finish()?;
    let request: ReplayRequest = read(input)?;
    let mut problems = Problems::default();
    problems.require(request.at.is_none() || request.topic.is_some(), "topic", "is required with 'at'");
    problems.into_result(())?;
    let Pipeline { log, errors, .. } = pipeline(&app)?;
    // What fails again is met later than now, so this comes to an end.
    let until = request.until.unwrap_or_else(clock::now);
    let begun = Instant::now();
    let mut answer = ReplayAnswer::default();
    // A message that was replayed before and is still broken stands there twice; once is enough.
    let mut seen: HashSet<(String, u64)> = HashSet::new();
    let mut asked = IngestionQuery {
        since: request.since,
        topic: request.topic.clone(),
        ascending: true,
        page: PageRequest { cursor: request.cursor.clone(), limit: MAX_LIMIT },
    };
    loop {
        let page = errors.list(&asked).await?;
        let last = page.items.len() < MAX_LIMIT;
        for error in page.items {
            if error.observed_at >= until {
                return Ok(json(StatusCode::OK, &answer));
            }
            let elsewhere = request.at.is_some_and(|at| at != (error.partition, error.offset));
            if elsewhere
                || !seen.insert((
                    error.topic.clone(),
                    BuildHasherDefault::<DefaultHasher>::default().hash_one(&error.raw),
                ))
            {
                continue;
            }
            answer.found += 1;
            if !request.dry_run {
                let key = key_of(&error.raw);
                let put = log.republish(&error.topic, key.as_deref(), &error.raw).await;
                put.map_err(Failure::of_log)?;
                answer.replayed += 1;
            }
        }
        match page.next {
            Some(next) if !last && begun.elapsed() > ONE_REQUEST => {
                answer.next = Some(next);
                return Ok(json(StatusCode::OK, &answer));
            }
            Some(next) if !last => asked.page.cursor = Some(next),
            _ => return Ok(json(StatusCode::OK, &answer)),
        }
    }
}

/// The key that the event had: its click, as far as the message can be read.
fn key_of(raw: &[u8]) -> Option<Vec<u8>> {
    let value: serde_json::Value = serde_json::from_slice(raw).ok()?;
    let key = value.get("click_id").or_else(|| value.get("id"))?.as_str()?;
    Some(key.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_shown_as_text_that_harms_no_terminal() {
        let table: &[(&[u8], &str)] = &[
            (b"plain", "plain"),
            (b"a\xff\xfeb", "a\\xff\\xfeb"),
            ("ä😀".as_bytes(), "ä😀"),
            (b"\x1b[31m\0", "\\u{1b}[31m\\u{0}"),
            (b"line\n\ttab", "line\n\ttab"),
            ("a\u{202e}b\u{2028}".as_bytes(), "a\\u{202e}b\\u{2028}"),
        ];
        for (bytes, want) in table {
            assert_eq!(escaped(bytes), *want);
        }
    }

    #[test]
    fn a_replayed_message_goes_where_its_click_goes() {
        assert_eq!(key_of(br#"{"click_id":"c1","id":"p1"}"#).as_deref(), Some(b"c1".as_slice()));
        assert_eq!(key_of(br#"{"id":"p1"}"#).as_deref(), Some(b"p1".as_slice()));
        assert_eq!(key_of(b"{"), None);
        assert_eq!(key_of(br#"{"click_id":7}"#), None);
    }
}
