//! The store as it will be when what has been drafted is saved: entities that are only drafted are found like others.

use async_trait::async_trait;
use std::{collections::HashMap, time::Duration};
use tfx_domain::entity::Kind;
use tfx_ports::{
    StoreError,
    accounts::Account,
    audit::{AuditEntry, AuditLog},
    config::{Change, ConfigStore, Record, RecordQuery},
    page::{Page, PageRequest},
    revisions::{KeptVersion, Revision, RevisionChange, Revisions},
};

/// A store, and drafts over it. Lists are those of the store: they only say what was probably meant.
pub(super) struct Staged<'s> {
    store: &'s dyn ConfigStore,
    drafts: HashMap<String, Record>,
}

impl<'s> Staged<'s> {
    pub(super) fn over(store: &'s dyn ConfigStore) -> Self {
        Self { store, drafts: HashMap::new() }
    }

    /// Takes an entity as it will be.
    pub(super) fn put(&mut self, record: Record) {
        self.drafts.insert(record.id.clone(), record);
    }

    /// Who else has its slug or one of its former ones, or had it.
    pub(super) async fn namesake(&self, record: &Record) -> Result<Option<String>, StoreError> {
        for slug in [record.slug.as_str()].into_iter().chain(record.aliases()) {
            let found = self.find(record.kind, &record.parent, slug).await?;
            if let Some(other) = found.filter(|other| other.id != record.id) {
                return Ok(Some(other.id));
            }
        }
        Ok(None)
    }
}

fn is_named(record: &Record, slug: &str) -> bool {
    record.slug == slug || record.aliases().contains(&slug)
}

#[async_trait]
impl AuditLog for Staged<'_> {
    async fn append(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.store.append(entry).await
    }

    async fn audit(&self, id: Option<&str>, page: &PageRequest) -> Result<Page<AuditEntry>, StoreError> {
        self.store.audit(id, page).await
    }
}

#[async_trait]
impl Revisions for Staged<'_> {
    async fn revisions(&self, page: &PageRequest) -> Result<Page<Revision>, StoreError> {
        self.store.revisions(page).await
    }

    async fn revision(&self, number: u64) -> Result<(Revision, Vec<RevisionChange>), StoreError> {
        self.store.revision(number).await
    }

    async fn at_revision(&self, number: u64) -> Result<Vec<Record>, StoreError> {
        self.store.at_revision(number).await
    }

    async fn kept_versions(&self, kind: Kind, page: &PageRequest) -> Result<Page<KeptVersion>, StoreError> {
        self.store.kept_versions(kind, page).await
    }

    async fn reseal_kept(&self, version: &KeptVersion) -> Result<(), StoreError> {
        self.store.reseal_kept(version).await
    }
}

#[async_trait]
impl ConfigStore for Staged<'_> {
    async fn apply_with(
        &self,
        changes: Vec<Change>,
        at: Option<u64>,
        accounts: Vec<Account>,
    ) -> Result<u64, StoreError> {
        self.store.apply_with(changes, at, accounts).await
    }

    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Record>, StoreError> {
        match self.drafts.get(id) {
            Some(draft) => Ok(Some(draft.clone()).filter(|draft| draft.kind == kind)),
            None => self.store.get(kind, id).await,
        }
    }

    async fn find(&self, kind: Kind, parent: &str, slug: &str) -> Result<Option<Record>, StoreError> {
        let here = |r: &&Record| r.kind == kind && r.parent == parent && is_named(r, slug);
        if let Some(draft) = self.drafts.values().find(here) {
            return Ok(Some(draft.clone()));
        }
        // What a draft takes the place of is not called so any more.
        let stored = self.store.find(kind, parent, slug).await?;
        Ok(stored.filter(|stored| !self.drafts.contains_key(&stored.id)))
    }

    async fn list(&self, query: &RecordQuery) -> Result<Page<Record>, StoreError> {
        self.store.list(query).await
    }

    async fn load(&self) -> Result<(u64, Vec<Record>), StoreError> {
        self.store.load().await
    }

    async fn changed_since(&self, revision: u64) -> Result<(u64, Vec<Record>), StoreError> {
        self.store.changed_since(revision).await
    }

    async fn wait_for_change(&self, since: u64, at_most: Duration) -> Result<u64, StoreError> {
        self.store.wait_for_change(since, at_most).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }
}
