//! [`Histories`]: counts of collections, and deleting old lines.

use crate::{
    db::Db,
    time::{date, date_from},
};
use async_trait::async_trait;
use mongodb::{
    Collection,
    bson::{Document, doc},
};
use std::sync::Arc;
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    histories::{Grows, Histories, History, Kept},
    queue::JobKind,
};

const WHAT: &str = "count what is kept";
const FORGET: &str = "forget what is old";

/// Histories on MongoDB.
pub(crate) struct Kinds(pub(crate) Arc<Db>);

/// The collection, which of its documents, and the field by which the oldest is known.
fn counted(of: Grows) -> (&'static str, Document, Option<&'static str>) {
    let jobs = |kind: JobKind, dead: bool| match dead {
        true => doc! {"kind": kind.as_str(), "died": {"$gt": mongodb::bson::DateTime::MIN}},
        false => doc! {"kind": kind.as_str(), "died": null},
    };
    match of {
        Grows::Conversions => ("conversions", doc! {}, Some("created")),
        Grows::Audit => ("audit", doc! {}, Some("_id")),
        Grows::Versions => ("kept_versions", doc! {}, None),
        Grows::HealthHistory => ("destination_health_history", doc! {}, Some("at")),
        Grows::AlertLog => ("alert_log", doc! {}, Some("at")),
        Grows::Parked => ("jobs", jobs(JobKind::ParkedPostback, false), Some("came")),
        Grows::Unmatched => ("jobs", jobs(JobKind::ParkedPostback, true), Some("died")),
        Grows::SourcePostbacks => ("jobs", jobs(JobKind::SourcePostback, false), Some("came")),
        Grows::SourcePostbacksDead => ("jobs", jobs(JobKind::SourcePostback, true), Some("died")),
        Grows::AlertsDead => ("jobs", jobs(JobKind::Alert, true), Some("died")),
        Grows::Expiring => ("accounts", doc! {"until": {"$exists": true}}, None),
        Grows::Told => ("told", doc! {}, None),
        Grows::Erased => ("erased", doc! {}, None),
    }
}

/// When a document came: a date of it, or the text of a time.
fn time(row: &Document, field: &str) -> Option<Timestamp> {
    if field == "_id" {
        return row.get_str("at").ok()?.parse().ok();
    }
    Timestamp::from_millisecond(row.get_datetime(field).ok()?.timestamp_millis()).ok()
}

impl Kinds {
    fn collection(&self, name: &str) -> Collection<Document> {
        self.0.collection(name)
    }

    async fn one(&self, of: Grows) -> Result<Kept, StoreError> {
        let (name, which, field) = counted(of);
        let all = self.collection(name);
        let rows = self.0.call(WHAT, all.count_documents(which.clone())).await?;
        let oldest = match field {
            None => None,
            Some(field) => {
                let first = self.0.call(WHAT, all.find_one(which).sort(doc! {field: 1})).await?;
                first.and_then(|row| time(&row, field))
            }
        };
        Ok(Kept { of, rows, oldest })
    }

    /// What of a history is older.
    async fn old(
        &self,
        history: History,
        before: Timestamp,
    ) -> Result<(Collection<Document>, Document), StoreError> {
        match history {
            History::Health => {
                let which = doc! {"at": {"$lt": date_from(before)}, "unpublished": {"$exists": false}};
                Ok((self.collection("destination_health_history"), which))
            }
            History::Audit => {
                // Its times are texts; places are in order of time.
                let all = self.collection("audit");
                let at = doc! {"$dateFromString": {"dateString": "$at"}};
                let young = doc! {"$expr": {"$gte": [at, date(before)]}};
                let first = self.0.call(WHAT, all.find_one(young).sort(doc! {"_id": 1})).await?;
                let place = first.and_then(|row| row.get_i64("_id").ok()).unwrap_or(i64::MAX);
                Ok((all, doc! {"_id": {"$lt": place}}))
            }
        }
    }
}

#[async_trait]
impl Histories for Kinds {
    async fn kept(&self) -> Result<Vec<Kept>, StoreError> {
        let mut all = Vec::new();
        for of in Grows::ALL {
            all.push(self.one(of).await?);
        }
        Ok(all)
    }

    async fn older(&self, history: History, before: Timestamp) -> Result<u64, StoreError> {
        let (all, which) = self.old(history, before).await?;
        self.0.call(WHAT, all.count_documents(which)).await
    }

    async fn forget(&self, history: History, before: Timestamp) -> Result<u64, StoreError> {
        let (all, which) = self.old(history, before).await?;
        let done = self.0.call(FORGET, all.delete_many(which)).await?;
        Ok(done.deleted_count)
    }
}
