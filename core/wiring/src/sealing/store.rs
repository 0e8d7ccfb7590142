//! The configuration store with the secrets in it sealed.

use super::{
    SealingError,
    cipher::{Sealed, SealingKey},
    fields,
    keyring::Keyring,
};
use crate::DataDir;
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};
use tfx_domain::entity::Kind;
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, AuditLog},
    config::{Beside, Change, ConfigStore, Record, RecordQuery},
    entropy,
    keys::{Keys, SEALING},
    page::{Page, PageRequest},
    revisions::{KeptVersion, Revision, RevisionChange, Revisions},
};
use tfx_settings::SealingSettings;
use tokio::sync::Mutex;

/// A store, and what opens its secrets.
pub(crate) struct SealedConfig {
    pub(super) store: Arc<dyn ConfigStore>,
    keys: Arc<dyn Keys>,
    /// None: whoever reads needs no secrets, and is given none.
    pub(super) ring: Option<Keyring>,
    /// The key that is known to be the installation's.
    agreed: Mutex<Option<String>>,
}

impl SealedConfig {
    /// Around a store, with the keys that the settings or the data folder have.
    ///
    /// # Errors
    /// The keys cannot be read, or are not the installation's, where the store tells at once.
    pub(crate) async fn around(
        store: Arc<dyn ConfigStore>,
        keys: Arc<dyn Keys>,
        settings: &SealingSettings,
        data_dir: &DataDir,
        embedded: bool,
    ) -> Result<Arc<Self>, SealingError> {
        let ring = Keyring::open(settings, data_dir, embedded.then_some(&*keys)).await?;
        let sealed = Self { store, keys, ring: Some(ring), agreed: Mutex::default() };
        // What the store does not tell now, also since it refuses, is asked again with whatever is read first.
        if let Ok(Ok(Err(why))) = tokio::time::timeout(AT_THE_START, sealed.first()).await {
            return Err(broken(why).into());
        }
        Ok(Arc::new(sealed))
    }

    /// Around a store, for who needs none of its secrets.
    pub(crate) fn without_secrets(store: Arc<dyn ConfigStore>, keys: Arc<dyn Keys>) -> Arc<Self> {
        Arc::new(Self { store, keys, ring: None, agreed: Mutex::default() })
    }

    /// That the first key is the installation's: the one that was first ever, or one that follows it, which whoever has both
    /// says.
    pub(super) async fn agreed(&self) -> Result<Option<Arc<SealingKey>>, StoreError> {
        self.first().await?.map_err(broken)
    }

    /// The first key, which is the installation's; else why it is not.
    async fn first(&self) -> Result<Result<Option<Arc<SealingKey>>, String>, StoreError> {
        let Some(ring) = &self.ring else { return Ok(Ok(None)) };
        let mut agreed = self.agreed.lock().await;
        let Some(first) = ring.first() else {
            return match self.keys.key(SEALING).await?.filter(|root| ring.lost.as_ref() != Some(root)) {
                None => Ok(Ok(None)),
                Some(root) => Ok(Err(format!(
                    "the secrets of the configuration are sealed with the key {root}, and this process has none: give it that of the \
                     other services, by SECRETS_KEY or SECRETS_KEY_FILE"
                ))),
            };
        };
        if agreed.as_ref() == Some(&first.id) {
            return Ok(Ok(Some(first)));
        }
        let root = self.keys.agree(SEALING, &first.id).await?;
        let follows = |id: &str| format!("{SEALING}:{id}");
        if root != first.id && self.keys.key(&follows(&first.id)).await?.as_ref() != Some(&root) {
            let mut known = ring.lost.as_ref() == Some(&root);
            for key in ring.all() {
                known |= key.id == root || self.keys.key(&follows(&key.id)).await?.as_ref() == Some(&root);
            }
            if !known {
                return Ok(Err(format!(
                    "this process would seal secrets with the key {}, but the installation's is {root}, or one that followed it: give it \
                     that of the other services, by SECRETS_KEY or SECRETS_KEY_FILE; or set SECRETS_KEY_LOST={root} if it is lost",
                    first.id
                )));
            }
            self.keys.agree(&follows(&first.id), &root).await?;
        }
        *agreed = Some(first.id.clone());
        Ok(Ok(Some(first)))
    }

    /// The same for who reads: without a key nothing is opened, whosever it is, and the store need not be asked.
    async fn may_read(&self) -> Result<(), StoreError> {
        match self.ring.as_ref().and_then(Keyring::first) {
            Some(_) => self.agreed().await.map(drop),
            None => Ok(()),
        }
    }

    /// A record as the store keeps it, with the key that was agreed on; none: as it is.
    pub(super) fn seal(key: Option<&SealingKey>, mut record: Record) -> Result<Record, StoreError> {
        let Some(key) = key else { return Ok(record) };
        for field in fields(record.kind) {
            let place = place(record.kind, &record.id, field);
            let Some(value) = record.spec.get_mut(*field).filter(|value| !value.is_null()) else { continue };
            *value = key.seal(&place, value).ok_or_else(|| broken(format!("{field} cannot be sealed")))?;
        }
        Ok(record)
    }

    /// A record as everybody knows it. One with a secret that cannot be opened cannot be read, and says why.
    pub(super) fn open(&self, mut record: Record) -> Record {
        let mut why = None;
        let Some(spec) = record.spec.as_object_mut() else { return record };
        for field in fields(record.kind) {
            let Some(sealed) = spec.get(*field).and_then(Sealed::read) else { continue };
            let place = place(record.kind, &record.id, field);
            let opened = match &self.ring {
                None => None,
                Some(ring) => match ring.of(sealed.key).map(|key| key.open(&place, &sealed)) {
                    Some(Some(value)) => Some(value),
                    // Nobody comes in by a secret that is not known.
                    None if ring.lost.as_deref() == Some(sealed.key) => {
                        (*field == "postback_secret").then(|| entropy::secret().into())
                    }
                    None => {
                        why = Some(format!(
                            "its {field} is sealed with the key {}, which is not here",
                            sealed.key
                        ));
                        continue;
                    }
                    Some(None) => {
                        why = Some(format!(
                            "its {field} cannot be opened with the key {}: it is damaged",
                            sealed.key
                        ));
                        continue;
                    }
                },
            };
            match opened {
                Some(value) => spec.insert((*field).to_owned(), value),
                None => spec.remove(*field),
            };
        }
        if let Some(why) = why {
            record.cannot_be_read(&why);
        }
        record
    }

    fn open_page(&self, page: Page<Record>) -> Page<Record> {
        let Page { items, next, left_out } = page;
        Page { items: items.into_iter().map(|record| self.open(record)).collect(), next, left_out }
    }

    fn open_all(&self, (revision, records): (u64, Vec<Record>)) -> (u64, Vec<Record>) {
        (revision, records.into_iter().map(|record| self.open(record)).collect())
    }
}

/// How long a store is waited for at the start.
const AT_THE_START: Duration = Duration::from_secs(3);

/// What is sealed for one place opens at no other.
fn place(kind: Kind, id: &str, field: &str) -> String {
    format!("{}\0{id}\0{field}", kind.noun())
}

fn broken(what: String) -> StoreError {
    StoreError::Broken { what, source: None }
}

#[async_trait]
impl AuditLog for SealedConfig {
    async fn append(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.store.append(entry).await
    }

    async fn audit(&self, id: Option<&str>, page: &PageRequest) -> Result<Page<AuditEntry>, StoreError> {
        self.store.audit(id, page).await
    }
}

#[async_trait]
impl Revisions for SealedConfig {
    async fn revisions(&self, page: &PageRequest) -> Result<Page<Revision>, StoreError> {
        self.store.revisions(page).await
    }

    async fn revision(&self, number: u64) -> Result<(Revision, Vec<RevisionChange>), StoreError> {
        self.store.revision(number).await
    }

    async fn at_revision(&self, number: u64) -> Result<Vec<Record>, StoreError> {
        self.may_read().await?;
        let records = self.store.at_revision(number).await?;
        Ok(records.into_iter().map(|record| self.open(record)).collect())
    }

    async fn kept_versions(&self, kind: Kind, page: &PageRequest) -> Result<Page<KeptVersion>, StoreError> {
        self.may_read().await?;
        let found = self.store.kept_versions(kind, page).await?;
        Ok(found.map(|KeptVersion { place, record }| KeptVersion { place, record: self.open(record) }))
    }

    async fn reseal_kept(&self, version: &KeptVersion) -> Result<(), StoreError> {
        let key = self.agreed().await?;
        let KeptVersion { place, record } = version.clone();
        self.store.reseal_kept(&KeptVersion { place, record: Self::seal(key.as_deref(), record)? }).await
    }
}

#[async_trait]
impl ConfigStore for SealedConfig {
    async fn apply_with(
        &self,
        changes: Vec<Change>,
        at: Option<u64>,
        beside: Beside,
    ) -> Result<u64, StoreError> {
        let key = self.agreed().await?;
        let seal =
            |change: Change| Ok(Change { record: Self::seal(key.as_deref(), change.record)?, ..change });
        let changes = changes.into_iter().map(seal).collect::<Result<_, StoreError>>()?;
        self.store.apply_with(changes, at, beside).await
    }

    async fn get(&self, kind: Kind, id: &str) -> Result<Option<Record>, StoreError> {
        self.may_read().await?;
        Ok(self.store.get(kind, id).await?.map(|record| self.open(record)))
    }

    async fn find(&self, kind: Kind, parent: &str, slug: &str) -> Result<Option<Record>, StoreError> {
        self.may_read().await?;
        Ok(self.store.find(kind, parent, slug).await?.map(|record| self.open(record)))
    }

    async fn list(&self, query: &RecordQuery) -> Result<Page<Record>, StoreError> {
        self.may_read().await?;
        Ok(self.open_page(self.store.list(query).await?))
    }

    async fn load(&self) -> Result<(u64, Vec<Record>), StoreError> {
        self.may_read().await?;
        Ok(self.open_all(self.store.load().await?))
    }

    async fn changed_since(&self, revision: u64) -> Result<(u64, Vec<Record>), StoreError> {
        self.may_read().await?;
        Ok(self.open_all(self.store.changed_since(revision).await?))
    }

    async fn wait_for_change(&self, since: u64, at_most: Duration) -> Result<u64, StoreError> {
        self.store.wait_for_change(since, at_most).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }
}
