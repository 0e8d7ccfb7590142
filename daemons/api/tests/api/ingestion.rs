//! What is told of the way from the event log to the analytics when the log cannot do what is asked.

use crate::server::Server;
use async_trait::async_trait;
use reqwest::StatusCode;
use serde_json::json;
use std::sync::Arc;
use tfx_domain::{Timestamp, event::Topic};
use tfx_ports::{
    StoreError,
    event_log::{EventLog, From, Holds, Tail},
    ingestion::{IngestionError, IngestionErrors, IngestionQuery, Lag},
    page::Page,
};
use tfx_wiring::Pipeline;

const MISSING: &str = "the topic shop.clicks does not exist: run `tfx migrate up topics`";
const ROW: &str = "canary-of-a-row";

/// A log without its topics, and a store that has a broken message or quotes a row.
#[derive(Clone, Copy)]
struct Broken {
    has_message: bool,
}

fn broken(what: &str) -> StoreError {
    StoreError::Broken { what: what.to_owned(), source: None }
}

#[async_trait]
impl EventLog for Broken {
    async fn lag(&self, _: &str, _: &[Topic]) -> Result<Vec<Lag>, StoreError> {
        Err(broken(MISSING))
    }

    async fn holds(&self) -> Result<Vec<(String, Holds)>, StoreError> {
        Err(broken(MISSING))
    }

    async fn tail(&self, _: &[Topic], _: From) -> Result<Box<dyn Tail>, StoreError> {
        Err(broken(MISSING))
    }

    async fn republish(&self, _: &str, _: Option<&[u8]>, _: &[u8]) -> Result<(), StoreError> {
        Err(broken(MISSING))
    }
}

#[async_trait]
impl IngestionErrors for Broken {
    async fn count(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn list(&self, _: &IngestionQuery) -> Result<Page<IngestionError>, StoreError> {
        let message = IngestionError {
            observed_at: Timestamp::UNIX_EPOCH,
            topic: "shop.clicks".to_owned(),
            partition: 0,
            offset: 0,
            raw: ROW.into(),
            error: b"not JSON".to_vec(),
        };
        if self.has_message { Ok(Page { items: vec![message], ..Page::default() }) } else { Err(broken(ROW)) }
    }
}

#[tokio::test]
async fn what_the_log_lacks_is_told_but_no_rows() {
    for has_message in [true, false] {
        let both = Broken { has_message };
        let s = Server::over(|mut stores| {
            let (log, errors) = (Arc::new(both), Arc::new(both));
            stores.pipeline = Some(Pipeline { log, errors, groups: "shop".to_owned() });
            stores
        })
        .await;
        let told = json!({ "type": "about:blank", "title": "Service Unavailable", "status": 503,
            "detail": MISSING, "code": "unavailable", "problems": [] });
        assert_eq!(s.get("/ingestion/lag").await, (StatusCode::SERVICE_UNAVAILABLE, told.clone()));
        let (status, answer) = s.post("/ingestion/replay", json!({})).await;
        if has_message {
            assert_eq!((status, answer), (StatusCode::SERVICE_UNAVAILABLE, told));
        } else {
            assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
            assert!(!answer.to_string().contains(ROW), "{answer}");
        }
        s.stop().await;
    }
}
