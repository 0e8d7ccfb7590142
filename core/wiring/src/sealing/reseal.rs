//! How the secrets of the configuration lie in the store, and sealing them anew: those of the entities, and those of what they were
//! at the revisions that are kept.

use super::{
    cipher::{Sealed, SealingKey},
    fields,
    keyring::Keyring,
    store::SealedConfig,
};
use async_trait::async_trait;
use serde_json::Value;
use std::collections::HashMap;
use tfx_domain::entity::Kind;
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, Caller},
    clock,
    config::{Change, ConfigStore, Record},
    page::PageRequest,
    revisions::{KeptVersion, Revisions as _},
    sealing::{Reseal, Sealing, SealingStatus},
};

/// Versions that are looked at at once.
const AT_ONCE: usize = 500;

/// The secrets in a record, in the clear or not.
fn secrets(record: &Record) -> impl Iterator<Item = &Value> {
    fields(record.kind).iter().filter_map(|field| record.spec.get(*field)).filter(|value| !value.is_null())
}

/// Whether a secret in it is to be sealed with the first key.
fn is_due(record: &Record, which: Reseal, first: &SealingKey) -> bool {
    secrets(record).any(|value| match Sealed::read(value) {
        Some(sealed) => which == Reseal::All && sealed.key != first.id,
        None => true,
    })
}

/// Counts the secrets of a record as the store has it.
fn count(record: &Record, status: &mut SealingStatus) {
    for value in secrets(record) {
        match Sealed::read(value) {
            Some(sealed) => *status.sealed.entry(sealed.key.to_owned()).or_default() += 1,
            None => status.clear += 1,
        }
    }
}

/// The way through all that is kept of before and may have secrets.
struct KeptSecrets<'s> {
    store: &'s dyn ConfigStore,
    /// The kinds that are left; the last is looked at.
    kinds: Vec<Kind>,
    page: PageRequest,
}

impl<'s> KeptSecrets<'s> {
    fn of(store: &'s dyn ConfigStore) -> Self {
        let kinds = Kind::ALL.into_iter().filter(|kind| !fields(*kind).is_empty()).collect();
        Self { store, kinds, page: PageRequest::first(AT_ONCE) }
    }

    /// The next, as they lie in the store; none: these were all.
    async fn next(&mut self) -> Result<Option<Vec<KeptVersion>>, StoreError> {
        let Some(kind) = self.kinds.last() else { return Ok(None) };
        let found = self.store.kept_versions(*kind, &self.page).await?;
        self.page.cursor = found.next;
        if self.page.cursor.is_none() {
            self.kinds.pop();
        }
        Ok(Some(found.items))
    }
}

#[async_trait]
impl Sealing for SealedConfig {
    async fn status(&self) -> Result<SealingStatus, StoreError> {
        let keys = self.ring.iter().flat_map(Keyring::all).map(|key| key.id.clone()).collect();
        let mut status = SealingStatus { keys, ..SealingStatus::default() };
        let mut present = HashMap::new();
        for record in self.store.load().await?.1 {
            present.insert(record.id.clone(), record.version);
            count(&record, &mut status);
            let (kind, slug) = (record.kind, record.slug.clone());
            let why = self.open(record).why_it_cannot_be_read().map(|why| format!("{kind} {slug}: {why}"));
            status.unreadable.extend(why.filter(|why| why.contains("sealed") || why.contains("opened")));
        }
        // What an entity is now is kept too, as it lies in the entity.
        let mut kept = KeptSecrets::of(&*self.store);
        while let Some(some) = kept.next().await? {
            let before = some.iter().map(|version| &version.record);
            before
                .filter(|record| present.get(&record.id) != Some(&record.version))
                .for_each(|record| count(record, &mut status));
        }
        Ok(status)
    }

    async fn reseal(&self, which: Reseal, caller: &Caller) -> Result<u64, StoreError> {
        let Some(ring) = &self.ring else { return Ok(0) };
        if which == Reseal::All {
            ring.read_again();
        }
        let Some(first) = self.agreed().await? else { return Ok(0) };
        let mut changed = 0;
        for record in self.store.load().await?.1 {
            if !is_due(&record, which, &first) {
                continue;
            }
            let open = self.open(record);
            if open.why_it_cannot_be_read().is_some() {
                continue;
            }
            let record = Record { version: open.version + 1, updated_at: clock::now(), ..open };
            let audit = AuditEntry {
                at: record.updated_at,
                caller: caller.clone(),
                action: "seal".to_owned(),
                kind: record.kind.noun().to_owned(),
                id: record.id.clone(),
                version: record.version,
                changes: serde_json::json!({}),
            };
            match self.store.apply(vec![Change::update(Self::seal(Some(&first), record)?, audit)], None).await
            {
                Ok(_) => changed += 1,
                // Whoever changed it meanwhile has sealed it.
                Err(StoreError::VersionMismatch { .. } | StoreError::NotFound) => {}
                Err(e) => return Err(e),
            }
        }
        let mut kept = KeptSecrets::of(&*self.store);
        while let Some(some) = kept.next().await? {
            for KeptVersion { place, record } in some.into_iter().filter(|v| is_due(&v.record, which, &first))
            {
                let record = self.open(record);
                // What cannot be opened stays as it is.
                if record.why_it_cannot_be_read().is_none() {
                    self.reseal_kept(&KeptVersion { place, record }).await?;
                }
            }
        }
        Ok(changed)
    }
}
