//! What the rules between entities look at, as of a revision of the store, kept up to date: so that a change is checked
//! against everything without everything being read for it.

use super::kinds::ops;
use std::time::Duration;
use tfx_domain::rules::{Node, Relations};
use tfx_ports::{
    StoreError,
    config::{Beside, Change, ConfigStore, Record},
    retry::Retry,
};

/// How long a revision is waited for that others made and readers do not see yet.
const SEEN_WITHIN: Duration = Duration::from_secs(3);

/// The relations between all entities, followed.
pub(crate) struct Followed {
    /// None: nothing is read yet.
    revision: Option<u64>,
    /// The revision that changes were refused for last, until it is looked for.
    ahead: Option<u64>,
    relations: Relations,
    public_hosts: Vec<String>,
}

impl Followed {
    /// Nothing is read yet; `public_hosts` are our own names.
    pub(crate) fn new(public_hosts: &[String]) -> Self {
        Self {
            revision: None,
            ahead: None,
            relations: Relations::new(public_hosts),
            public_hosts: public_hosts.to_vec(),
        }
    }

    /// As they are, if they were read before; else as the store has them. May be of yesterday: what hangs on them is
    /// saved with [`Self::save`], which finds out.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) async fn relations(&mut self, config: &dyn ConfigStore) -> Result<&mut Relations, StoreError> {
        if self.revision.is_none() {
            self.catch_up(config).await?;
        }
        Ok(&mut self.relations)
    }

    /// Takes over what has changed; true if anything has. A store may refuse changes for one that its readers do not see
    /// yet, since a majority of its members does not have it: it is waited for, and if it does not come, nothing has
    /// changed.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) async fn catch_up(&mut self, config: &dyn ConfigStore) -> Result<bool, StoreError> {
        let ahead = self.ahead.take();
        let mut retry = Retry::for_at_most(SEEN_WITHIN);
        let mut moved = self.look(config).await?;
        while self.revision < ahead {
            if !retry.again().await {
                return Ok(false);
            }
            moved |= self.look(config).await?;
        }
        Ok(moved)
    }

    /// Everything that there is, at the revision of these relations.
    ///
    /// # Errors
    /// The store does not answer, or moves on each time that it is asked.
    pub(crate) async fn all(&mut self, config: &dyn ConfigStore) -> Result<(u64, Vec<Record>), StoreError> {
        let mut retry = Retry::for_at_most(SEEN_WITHIN);
        loop {
            self.catch_up(config).await?;
            let (revision, records) = config.load().await?;
            if self.revision == Some(revision) {
                return Ok((revision, records));
            }
            if !retry.again().await {
                return Err(StoreError::Moved { revision });
            }
        }
    }

    /// Takes over what readers see; true if it is anything new.
    async fn look(&mut self, config: &dyn ConfigStore) -> Result<bool, StoreError> {
        let (revision, records) = match self.revision {
            Some(known) => config.changed_since(known).await?,
            None => config.load().await?,
        };
        if self.revision.is_some_and(|known| revision < known) {
            // The store was put back to an earlier state.
            *self = Self::new(&self.public_hosts);
            let (revision, records) = config.load().await?;
            records.iter().for_each(|record| self.take(record));
            self.revision = Some(revision);
            return Ok(true);
        }
        records.iter().for_each(|record| self.take(record));
        let moved = self.revision != Some(revision);
        self.revision = Some(revision);
        Ok(moved)
    }

    /// Saves changes that were checked against these relations, unless the store has moved on since, and what stands beside
    /// them.
    ///
    /// # Errors
    /// [`StoreError::Moved`] and whatever else the store answers.
    pub(crate) async fn save(
        &mut self,
        config: &dyn ConfigStore,
        changes: Vec<Change>,
        beside: Beside,
    ) -> Result<(), StoreError> {
        let records: Vec<Record> = changes.iter().map(|change| change.record.clone()).collect();
        let revision = match config.apply_with(changes, self.revision, beside).await {
            Ok(revision) => revision,
            Err(e) => {
                if let StoreError::Moved { revision } = e {
                    self.ahead = Some(revision);
                }
                return Err(e);
            }
        };
        records.iter().for_each(|record| self.take(record));
        self.revision = Some(revision);
        Ok(())
    }

    fn take(&mut self, record: &Record) {
        // What this program cannot read is left out; the services that route by it say so.
        if let Ok(node) = node(record) {
            self.relations.put(node);
        }
    }
}

/// An entity as the rules see it.
///
/// # Errors
/// It is of a form that this program does not know.
pub(crate) fn node(record: &Record) -> Result<Node, StoreError> {
    (ops(record.kind).node)(record)
}
