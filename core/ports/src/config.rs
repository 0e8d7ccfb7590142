//! Configuration: entities with their versions. What is told of their changes is in [`crate::audit`].
//!
//! Stores keep [`Record`]s, the same for every kind; [`Record::typed`] and [`Record::from_entity`] are the way to
//! and from the domain's entities.

use crate::{
    accounts::Account,
    audit::{AuditEntry, AuditLog},
    error::StoreError,
    page::{Page, PageRequest},
    revisions::Revisions,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use tfx_domain::{
    Timestamp,
    entity::{Entity, Kind, Spec, Status},
    problem::Problems,
    routing::Config,
};

/// An entity as stores keep it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Which kind.
    pub kind: Kind,
    /// Unique over all kinds.
    pub id: String,
    /// The id of the entity its slug is unique in; empty: unique in its kind.
    pub parent: String,
    /// Unique within kind and parent.
    pub slug: String,
    /// Whether it takes part.
    pub status: Status,
    /// 1 when created.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The spec as JSON.
    pub spec: Value,
}

impl Record {
    /// From an entity.
    ///
    /// # Errors
    /// [`StoreError::Broken`] if the spec cannot be written as JSON.
    pub fn from_entity<S: Spec>(entity: &Entity<S>) -> Result<Self, StoreError> {
        let spec = serde_json::to_value(&entity.spec).map_err(|e| StoreError::broken("write as JSON", e))?;
        Ok(Self {
            kind: S::KIND,
            id: entity.id.to_string(),
            parent: entity.spec.parent().unwrap_or_default().to_owned(),
            slug: entity.spec.slug().to_string(),
            status: entity.spec.status(),
            version: entity.version,
            created_at: entity.created_at,
            updated_at: entity.updated_at,
            spec,
        })
    }

    /// Its former slugs.
    pub fn aliases(&self) -> Vec<&str> {
        self.spec
            .get("aliases")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// Its status; none where the text of it may not have been understood.
    pub fn known_status(&self) -> Option<Status> {
        let understood = self.status != Status::Archived || self.spec.get(UNREADABLE).is_none();
        understood.then_some(self.status)
    }

    /// Marks it: [`Self::typed`] fails for it and says why. What it says is left as it is.
    pub fn cannot_be_read(&mut self, why: &str) {
        if let Value::Object(fields) = &mut self.spec {
            fields.insert(UNREADABLE.to_owned(), why.into());
        }
    }

    /// Why it cannot be read, if its store or [`Self::cannot_be_read`] says so.
    pub fn why_it_cannot_be_read(&self) -> Option<&str> {
        self.spec.get(UNREADABLE).and_then(Value::as_str)
    }

    /// To an entity. What was saved by an older version is not validated anew.
    ///
    /// # Errors
    /// [`StoreError::Broken`] if it is not of that kind or its spec cannot be read.
    pub fn typed<S: Spec>(&self) -> Result<Entity<S>, StoreError> {
        let id = self.id.parse().ok().filter(|_| self.kind == S::KIND).ok_or_else(|| StoreError::Broken {
            what: format!("{} {} is not a {}", self.kind, self.id, S::KIND),
            source: None,
        })?;
        if let Some(why) = self.why_it_cannot_be_read() {
            let what = format!("stored {} {}: {why}", self.kind, self.id);
            return Err(StoreError::Broken { what, source: None });
        }
        let spec = S::deserialize(&self.spec)
            .map_err(|e| StoreError::broken(format!("stored {} {}", self.kind, self.id), e))?;
        Ok(Entity {
            id,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            spec,
        })
    }
}

/// A record as the texts that a store has of it.
#[derive(Debug)]
pub struct NewRecord<'s> {
    /// Which kind.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// The id of the entity its slug is unique in.
    pub parent: String,
    /// Its slug.
    pub slug: String,
    /// Its status in words.
    pub status: &'s str,
    /// Its version.
    pub version: u64,
    /// When it was created, RFC 3339.
    pub created_at: &'s str,
    /// When it was last changed.
    pub updated_at: &'s str,
    /// The text of its spec's JSON.
    pub spec: &'s str,
}

impl NewRecord<'_> {
    /// The record, whoever wrote it. Where a text cannot be understood, [`Record::typed`] fails and says why, so that one
    /// record does not stop all of its kind.
    pub fn record(self) -> Record {
        let statuses = [Status::Active, Status::Paused, Status::Archived];
        let status = statuses.into_iter().find(|s| s.as_str() == self.status);
        let time = |text: &str| text.parse::<Timestamp>();
        let spec = match (serde_json::from_str(self.spec), status) {
            (Ok(spec), Some(_)) => spec,
            (Ok(_), None) => unreadable(&format!("the status '{}'", self.status)),
            (Err(e), _) => unreadable(&e.to_string()),
        };
        let (created_at, updated_at) = (time(self.created_at), time(self.updated_at));
        let bad_time = [&created_at, &updated_at].into_iter().find_map(|t| t.as_ref().err());
        let spec = bad_time.map_or(spec, |e| unreadable(&e.to_string()));
        Record {
            kind: self.kind,
            id: self.id,
            parent: self.parent,
            slug: self.slug,
            // It takes no part.
            status: status.unwrap_or(Status::Archived),
            version: self.version,
            created_at: created_at.unwrap_or(Timestamp::UNIX_EPOCH),
            updated_at: updated_at.unwrap_or(Timestamp::UNIX_EPOCH),
            spec,
        }
    }
}

/// A spec that no kind reads. No entity has a field of that name.
fn unreadable(why: &str) -> Value {
    serde_json::json!({ UNREADABLE: why })
}

/// The field that says why a spec cannot be read.
const UNREADABLE: &str = "unreadable";

/// All configuration from its records. What cannot be read is left out and reported.
pub fn config_of(revision: u64, records: &[Record]) -> (Config, Problems) {
    let mut problems = Problems::default();
    let mut config = Config { revision, ..Config::default() };
    for r in records {
        let result = match r.kind {
            Kind::Campaign => r.typed().map(|e| config.campaigns.push(e)),
            Kind::Stream => r.typed().map(|e| config.streams.push(e)),
            Kind::Destination => r.typed().map(|e| config.destinations.push(e)),
            Kind::Source => r.typed().map(|e| config.sources.push(e)),
            Kind::Network => r.typed().map(|e| config.networks.push(e)),
            Kind::Template => r.typed().map(|e| config.templates.push(e)),
            // They route nothing; api-service reads them.
            Kind::Alert => Ok(()),
        };
        if let Err(e) = result {
            problems.add(r.id.clone(), e.to_string());
        }
    }
    (config, problems)
}

/// A change of one entity, with the line of the audit log that tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The entity as it is to be.
    pub record: Record,
    /// The line.
    pub audit: AuditEntry,
    /// Whether it is to be created; else there is one whose version is `record.version - 1`.
    pub new: bool,
}

impl Change {
    /// A new entity.
    pub const fn create(record: Record, audit: AuditEntry) -> Self {
        Self { record, audit, new: true }
    }

    /// An entity that changes. Its id, kind and creation time stay; slug and parent may change.
    pub const fn update(record: Record, audit: AuditEntry) -> Self {
        Self { record, audit, new: false }
    }
}

/// What is saved with changes, in their transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beside {
    /// What their caller was answered.
    pub accounts: Vec<Account>,
    /// A line of the audit log that tells of all of them, behind their own. It makes no revision.
    pub line: Option<AuditEntry>,
}

impl From<Vec<Account>> for Beside {
    fn from(accounts: Vec<Account>) -> Self {
        Self { accounts, line: None }
    }
}

/// Which entities to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordQuery {
    /// Which kind.
    pub kind: Kind,
    /// Only those of this parent.
    pub parent: Option<String>,
    /// Only those with one of these; empty: all.
    pub statuses: Vec<Status>,
    /// Which part.
    pub page: PageRequest,
}

/// Keeps configuration, and what it was at each revision.
#[async_trait]
pub trait ConfigStore: AuditLog + Revisions {
    /// Makes changes, all of them or none; returns the new revision, which grows by one with each.
    ///
    /// `at` is the revision at which they were checked against everything else: if there is another one, nothing is
    /// done, in the same transaction. None: they hang on nothing else.
    ///
    /// Names are compared as they are when all changes are made: two entities may swap their slugs.
    ///
    /// # Errors
    /// [`StoreError::Moved`], [`StoreError::NotFound`], [`StoreError::VersionMismatch`], [`StoreError::SlugTaken`] (also
    /// of a slug that is a former one of another, and of a former one that another has); what any store can answer.
    async fn apply(&self, changes: Vec<Change>, at: Option<u64>) -> Result<u64, StoreError> {
        self.apply_with(changes, at, Beside::default()).await
    }

    /// [`Self::apply`], and what [`crate::accounts::Accounts::save`] and [`AuditLog::append`] do, in one transaction.
    ///
    /// # Errors
    /// Those of all three.
    async fn apply_with(
        &self,
        changes: Vec<Change>,
        at: Option<u64>,
        beside: Beside,
    ) -> Result<u64, StoreError>;

    /// [`Self::apply`] of one new entity that hangs on nothing else.
    ///
    /// # Errors
    /// As [`Self::apply`].
    async fn create(&self, record: Record, audit: AuditEntry) -> Result<u64, StoreError> {
        self.apply(vec![Change::create(record, audit)], None).await
    }

    /// [`Self::apply`] of one change that hangs on nothing else.
    ///
    /// # Errors
    /// As [`Self::apply`].
    async fn update(&self, record: Record, audit: AuditEntry) -> Result<u64, StoreError> {
        self.apply(vec![Change::update(record, audit)], None).await
    }

    /// By id.
    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Record>, StoreError>;

    /// By slug within its parent (empty for kinds without one), or by a former slug.
    async fn find(&self, kind: Kind, parent: &str, slug: &str) -> Result<Option<Record>, StoreError>;

    /// A page, oldest first.
    async fn list(&self, query: &RecordQuery) -> Result<Page<Record>, StoreError>;

    /// Everything, at one revision.
    async fn load(&self) -> Result<(u64, Vec<Record>), StoreError>;

    /// The revision, and every entity that changed after `revision`, as it is now; perhaps others too.
    async fn changed_since(&self, revision: u64) -> Result<(u64, Vec<Record>), StoreError>;

    /// Returns as soon as the revision is not `since`, at the latest after `at_most`; the revision as it is then.
    async fn wait_for_change(&self, since: u64, at_most: Duration) -> Result<u64, StoreError>;

    /// Answers if the store does.
    async fn ping(&self) -> Result<(), StoreError>;
}
