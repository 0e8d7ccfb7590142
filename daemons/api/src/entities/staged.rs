//! The configuration as it will be when what has been drafted is saved: entities that are only drafted are found like others.
//! Over a store it asks that for the rest; over everything that there is it asks nobody.

use async_trait::async_trait;
use std::{collections::HashMap, time::Duration};
use tfx_domain::entity::Kind;
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, AuditLog},
    config::{Beside, Change, ConfigStore, Record, RecordQuery},
    page::{Page, PageRequest},
    revisions::{KeptVersion, Revision, RevisionChange, Revisions},
};

/// A store, and drafts over it.
pub(crate) struct Staged<'s> {
    store: &'s dyn ConfigStore,
    /// Drafts, and all else if it is whole.
    known: HashMap<String, Record>,
    /// Who of them has a name, or had it, by kind and parent.
    names: HashMap<(Kind, String, String), Vec<String>>,
    /// Whether everything that there is is known.
    whole: bool,
}

impl<'s> Staged<'s> {
    /// What is not drafted is asked for. Lists are those of the store: they only say what was probably meant.
    pub(crate) fn over(store: &'s dyn ConfigStore) -> Self {
        Self { store, known: HashMap::new(), names: HashMap::new(), whole: false }
    }

    /// Over everything that there is; the store is asked for none of it.
    pub(crate) fn of_all(store: &'s dyn ConfigStore, records: &[Record]) -> Self {
        let mut staged = Self { whole: true, ..Self::over(store) };
        records.iter().for_each(|record| staged.put(record.clone()));
        staged
    }

    /// Takes an entity as it will be.
    pub(crate) fn put(&mut self, record: Record) {
        if let Some(before) = self.known.remove(&record.id) {
            for key in keys(&before) {
                if let Some(who) = self.names.get_mut(&key) {
                    who.retain(|id| *id != record.id);
                }
            }
        }
        for key in keys(&record) {
            self.names.entry(key).or_default().push(record.id.clone());
        }
        self.known.insert(record.id.clone(), record);
    }

    /// An entity that is drafted, or that is known since everything is.
    pub(crate) fn known(&self, id: &str) -> Option<&Record> {
        self.known.get(id)
    }

    /// How an entity is named: its slug, behind that of its parent.
    pub(crate) fn reference(&self, record: &Record) -> String {
        match self.known.get(&record.parent) {
            Some(parent) => format!("{}/{}", parent.slug, record.slug),
            None => record.slug.clone(),
        }
    }

    /// Who else has its slug or one of its former ones, or had it.
    pub(crate) async fn namesake(&self, record: &Record) -> Result<Option<String>, StoreError> {
        for key in keys(record) {
            let drafted = self.names.get(&key).into_iter().flatten().find(|id| **id != record.id);
            if let Some(other) = drafted {
                return Ok(Some(other.clone()));
            }
            if let Some(other) = self.stored(&key).await?.filter(|other| other.id != record.id) {
                return Ok(Some(other.id));
            }
        }
        Ok(None)
    }

    /// Who is called so in the store. What a draft takes the place of is not called so any more.
    async fn stored(
        &self,
        (kind, parent, slug): &(Kind, String, String),
    ) -> Result<Option<Record>, StoreError> {
        if self.whole {
            return Ok(None);
        }
        let stored = self.store.find(*kind, parent, slug).await?;
        Ok(stored.filter(|stored| !self.known.contains_key(&stored.id)))
    }
}

/// Where its names stand, the slug first.
fn keys(record: &Record) -> impl Iterator<Item = (Kind, String, String)> {
    let names = [record.slug.as_str()].into_iter().chain(record.aliases());
    names.map(|name| (record.kind, record.parent.clone(), name.to_owned()))
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
        beside: Beside,
    ) -> Result<u64, StoreError> {
        self.store.apply_with(changes, at, beside).await
    }

    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Record>, StoreError> {
        match self.known.get(id) {
            Some(draft) => Ok(Some(draft).filter(|draft| draft.kind == kind).cloned()),
            None if self.whole => Ok(None),
            None => self.store.get(kind, id).await,
        }
    }

    async fn find(&self, kind: Kind, parent: &str, slug: &str) -> Result<Option<Record>, StoreError> {
        let key = (kind, parent.to_owned(), slug.to_owned());
        let named = || self.names.get(&key).into_iter().flatten().filter_map(|id| self.known.get(id));
        if let Some(draft) = named().find(|draft| draft.slug == slug).or_else(|| named().next()) {
            return Ok(Some(draft.clone()));
        }
        self.stored(&key).await
    }

    async fn list(&self, query: &RecordQuery) -> Result<Page<Record>, StoreError> {
        if !self.whole {
            return self.store.list(query).await;
        }
        let RecordQuery { kind, parent, statuses, page } = query;
        let is_one = |r: &&Record| {
            r.kind == *kind
                && parent.as_ref().is_none_or(|parent| r.parent == *parent)
                && (statuses.is_empty() || statuses.contains(&r.status))
        };
        let mut found: Vec<&Record> = self.known.values().filter(is_one).collect();
        found.sort_by_key(|r| (r.created_at, r.id.as_str()));
        let items = found.into_iter().take(page.limit).cloned().collect();
        Ok(Page { items, next: None, left_out: Vec::new() })
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
