//! The audit log.

use crate::{
    db::Db,
    paging::{after, limit, page, query_limit},
};
use mongodb::bson::doc;
use serde::{Deserialize, Serialize};
use tfx_domain::entity::Kind;
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, Caller},
    page::{Page, PageRequest},
};

/// An entry as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredEntry {
    /// Orders the lines: see [`crate::sequence`]. Of lines of before it is the revision.
    #[serde(rename = "_id")]
    place: i64,
    /// The revision that the change of an entity made; missing: the line tells of none, or is of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<i64>,
    /// RFC 3339, as given.
    at: String,
    actor: String,
    #[serde(default)]
    asked_from: String,
    #[serde(default)]
    request_id: String,
    #[serde(default)]
    token: String,
    action: String,
    kind: String,
    /// The id of the entity.
    entity: String,
    /// The bits of a `u64`.
    version: i64,
    /// The text of the JSON.
    changes: String,
}

impl StoredEntry {
    pub(super) fn new(entry: &AuditEntry, place: i64, revision: Option<i64>) -> Self {
        Self {
            place,
            revision,
            at: entry.at.to_string(),
            actor: entry.caller.name.clone(),
            asked_from: entry.caller.from.clone(),
            request_id: entry.caller.request_id.clone(),
            token: entry.caller.token.clone(),
            action: entry.action.clone(),
            kind: entry.kind.clone(),
            entity: entry.id.clone(),
            version: entry.version.cast_signed(),
            changes: entry.changes.to_string(),
        }
    }

    /// The bytes of its longest text.
    pub(super) fn size(&self) -> usize {
        self.changes.len()
    }

    /// The revision that it tells of, also of lines of before.
    pub(super) fn revision(&self) -> i64 {
        self.revision.unwrap_or(self.place)
    }

    /// Of which entity it tells, if it is one.
    pub(super) fn into_entity(self) -> Option<(Kind, String)> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.noun() == self.kind)?;
        Some((kind, self.entity))
    }

    fn entry(self) -> Result<AuditEntry, StoreError> {
        let broken = |e: &dyn std::fmt::Display| StoreError::Broken {
            what: format!("audit entry {}: {e}", self.place),
            source: None,
        };
        Ok(AuditEntry {
            at: self.at.parse().map_err(|e| broken(&e))?,
            changes: serde_json::from_str(&self.changes).map_err(|e| broken(&e))?,
            caller: Caller {
                name: self.actor,
                from: self.asked_from,
                request_id: self.request_id,
                token: self.token,
            },
            action: self.action,
            kind: self.kind,
            id: self.entity,
            version: self.version.cast_unsigned(),
        })
    }
}

pub(super) async fn list(
    db: &Db,
    id: Option<&str>,
    request: &PageRequest,
) -> Result<Page<AuditEntry>, StoreError> {
    let before = after(request, |cursor| cursor.parse::<i64>().ok())?.unwrap_or(i64::MAX);
    let limit = limit(request);
    let mut filter = doc! {"_id": {"$lt": before}};
    if let Some(id) = id {
        filter.insert("entity", id);
    }
    let entries = db.collection::<StoredEntry>("audit");
    let find = entries.find(filter).sort(doc! {"_id": -1}).limit(query_limit(limit + 1));
    let stored = db.rows("read the audit log", find).await?;
    page(stored, limit, |last| last.place.to_string()).try_map(StoredEntry::entry)
}
