//! The key of visitor and address hashes: the configuration store's, kept in the data folder for when that is away.
//!
//! Why: `docs/decisions/0027-the-visitor-key-is-in-the-store.md`.

use crate::{
    DataDir, DataDirError,
    secret_file::{self, Held},
};
use std::time::Duration;
use tfx_ports::{
    StoreError, entropy,
    keys::{Keys, VISITORS},
};
use tokio::time::timeout;

/// Shortest text that holds a key: its first so many bytes are the key.
const BYTES: usize = 32;

/// A key, and where it is from.
#[derive(Clone)]
pub struct VisitorKey {
    /// The key.
    pub key: [u8; BYTES],
    /// Where it is from.
    pub from: KeyFrom,
}

/// Where a key is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFrom {
    /// The store: every instance has it.
    Store,
    /// The data folder, while the store is away: the store's as it was known last.
    Folder,
    /// It was made up, since neither has one yet: nobody may be known by it.
    Nowhere,
}

/// Why the store's key is not known.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The data folder cannot be used, or what it holds is no key and the store has none.
    #[error(transparent)]
    Folder(#[from] DataDirError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DataDir {
    /// The key to start with: the store's if it answers within that time, else the folder's, else one that is made up.
    /// Without the store's, ask for [`DataDir::agreed_visitor_key`] until it is there.
    ///
    /// # Errors
    /// The folder cannot be used, or what it holds is no key although clicks were recorded with one, and the store has
    /// none.
    pub async fn visitor_key(&self, keys: &dyn Keys, within: Duration) -> Result<VisitorKey, DataDirError> {
        match timeout(within, self.agreed_visitor_key(keys)).await {
            Ok(Ok(key)) => return Ok(VisitorKey { key, from: KeyFrom::Store }),
            Ok(Err(KeyError::Folder(error))) => return Err(error),
            Ok(Err(KeyError::Store(error))) => {
                tracing::warn!(%error, "the configuration store is not asked for the key of visitors yet");
            }
            Err(_) => tracing::warn!("the configuration store did not tell the key of visitors in time"),
        }
        let (text, from) = match self.own_visitor_key()? {
            Own::Key(text) => (text, KeyFrom::Folder),
            Own::None => (entropy::secret(), KeyFrom::Nowhere),
            Own::Damaged(error) => return Err(error),
        };
        Ok(VisitorKey { key: first_bytes(&text), from })
    }

    /// The store's key, which is the folder's if it has none; kept in the folder.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn agreed_visitor_key(&self, keys: &dyn Keys) -> Result<[u8; BYTES], KeyError> {
        let agreed = match self.own_visitor_key()? {
            Own::Key(own) => {
                let agreed = keys.agree(VISITORS, &own).await?;
                if agreed == own {
                    return Ok(first_bytes(&agreed));
                }
                tracing::warn!(
                    file = %self.visitor_key_file().display(),
                    "the file holds another key of visitors than the configuration store, whose key takes its place: people without a cookie whom this instance knew count as new"
                );
                agreed
            }
            Own::None => keys.agree(VISITORS, &entropy::secret()).await?,
            Own::Damaged(error) => {
                let Some(agreed) = keys.key(VISITORS).await? else { return Err(error.into()) };
                tracing::warn!(%error, "the key of visitors is written anew, as the configuration store has it");
                agreed
            }
        };
        let written = secret_file::write(&self.visitor_key_file(), &agreed);
        written.map_err(|e| self.unusable("keep the key of visitors", e))?;
        Ok(first_bytes(&agreed))
    }

    /// What the folder holds.
    fn own_visitor_key(&self) -> Result<Own, DataDirError> {
        let file = self.visitor_key_file();
        let held = secret_file::read(&file, BYTES);
        let why = match held.map_err(|e| self.unusable("read the key of visitors", e))? {
            Some(Held::Secret(text)) => return Ok(Own::Key(text)),
            None => return Ok(Own::None),
            // Nobody was told of a key with which nothing was recorded.
            Some(Held::Nothing) if !self.has_recorded() => return Ok(Own::None),
            Some(Held::Nothing) => "is empty",
            Some(Held::Other) => "holds no whole secret",
        };
        let advice = "it decides who is known, and the configuration store has none or is away: restore it from a backup, or \
                      delete it, and a new one is made with which visitors without a cookie count as new";
        Ok(Own::Damaged(DataDirError::Secret { path: file.display().to_string(), why, advice }))
    }
}

/// What the data folder holds of a key.
enum Own {
    Key(String),
    None,
    /// No key, although clicks were recorded with one.
    Damaged(DataDirError),
}

fn first_bytes(text: &str) -> [u8; BYTES] {
    let mut key = [0; BYTES];
    key.iter_mut().zip(text.bytes()).for_each(|(k, b)| *k = b);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FolderLock;
    use async_trait::async_trait;
    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};
    use tfx_embedded::Embedded;

    const WITHIN: Duration = Duration::from_millis(50);
    const OWN: &str = "of-before-and-longer-than-thirty-two-bytes";

    /// A store that is away.
    struct Away;

    #[async_trait]
    impl Keys for Away {
        async fn key(&self, _: &str) -> Result<Option<String>, StoreError> {
            Err(StoreError::Unavailable { what: "away".to_owned(), source: None })
        }

        async fn agree(&self, name: &str, _: &str) -> Result<String, StoreError> {
            self.key(name).await.map(Option::unwrap_or_default)
        }
    }

    /// One that never answers.
    struct Silent;

    #[async_trait]
    impl Keys for Silent {
        async fn key(&self, _: &str) -> Result<Option<String>, StoreError> {
            std::future::pending().await
        }

        async fn agree(&self, _: &str, _: &str) -> Result<String, StoreError> {
            std::future::pending().await
        }
    }

    fn folder(own: Option<&str>) -> (tempfile::TempDir, DataDir) {
        let dir = tempfile::tempdir().expect("dir");
        let data = DataDir::open(dir.path(), FolderLock::Exclusive).expect("open");
        if let Some(own) = own {
            fs::write(data.visitor_key_file(), own).expect("written");
        }
        (dir, data)
    }

    fn store(dir: &Path) -> std::sync::Arc<dyn Keys> {
        Embedded::open(&dir.join("store")).expect("open").keys()
    }

    fn in_file(data: &DataDir) -> String {
        let file = data.visitor_key_file();
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        fs::read_to_string(file).expect("text").trim().to_owned()
    }

    async fn start(data: &DataDir, keys: &dyn Keys) -> (KeyFrom, [u8; 32]) {
        let VisitorKey { key, from } = data.visitor_key(keys, WITHIN * 100).await.expect("a key");
        (from, key)
    }

    #[tokio::test]
    async fn instances_agree_without_copying_files() {
        let shared = tempfile::tempdir().expect("dir");
        let keys = store(shared.path());
        let ((_a, one), (_b, two)) = (folder(None), folder(None));
        let (first, second) = tokio::join!(start(&one, &*keys), start(&two, &*keys));
        assert_eq!((first.0, first), (KeyFrom::Store, second));
        let secret = keys.key(VISITORS).await.expect("read").expect("made");
        assert_eq!([in_file(&one), in_file(&two)], [secret.clone(), secret]);
    }

    #[tokio::test]
    async fn the_key_of_a_file_of_before_is_taken_over_and_then_the_store_wins() {
        let shared = tempfile::tempdir().expect("dir");
        let keys = store(shared.path());
        let (_a, old) = folder(Some(&format!("{OWN}\n")));
        fs::set_permissions(old.visitor_key_file(), fs::Permissions::from_mode(0o600)).expect("mode");
        let (from, key) = start(&old, &*keys).await;
        assert_eq!((from, key.as_slice()), (KeyFrom::Store, &OWN.as_bytes()[..32]));
        assert_eq!(keys.key(VISITORS).await.expect("read").as_deref(), Some(OWN));
        // An instance that had a key of its own, one whose file is damaged, and one without.
        for own in [Some("another-key-of-another-installation"), Some("short"), Some(""), None] {
            let (_b, another) = folder(own);
            assert_eq!(start(&another, &*keys).await, (KeyFrom::Store, key), "{own:?}");
            assert_eq!(in_file(&another), OWN, "{own:?}");
        }
    }

    #[tokio::test]
    async fn while_the_store_is_away_the_kept_key_is_used_and_none_is_made_for_good() {
        let (_a, kept) = folder(Some(OWN));
        for keys in [&Away as &dyn Keys, &Silent] {
            let VisitorKey { key, from } = kept.visitor_key(keys, WITHIN).await.expect("a key");
            assert_eq!((from, key.as_slice()), (KeyFrom::Folder, &OWN.as_bytes()[..32]));
        }
        let (_b, fresh) = folder(None);
        assert_eq!(start(&fresh, &Away).await.0, KeyFrom::Nowhere);
        assert!(!fresh.visitor_key_file().exists(), "what was made up is not kept");
    }

    #[tokio::test]
    async fn a_damaged_key_with_which_clicks_were_recorded_is_not_replaced_in_silence() {
        for left in ["", "\n", "\0\0\0\0\0\0\0\0\0\0\n", "only twenty letters."] {
            let shared = tempfile::tempdir().expect("dir");
            let keys = store(shared.path());
            let (_a, data) = folder(Some(left));
            let journal = data.journal("traffic");
            fs::create_dir_all(&journal).expect("made");
            fs::write(journal.join("00000000000000000001.seg"), "x").expect("written");
            for keys in [&*keys, &Away] {
                let refused =
                    data.visitor_key(keys, WITHIN * 100).await.err().expect("it decides who is known");
                let refused = refused.to_string();
                assert!(refused.contains("visitor.key") && refused.contains("delete it"), "{refused}");
            }
            assert_eq!(keys.key(VISITORS).await.expect("read"), None, "nothing was agreed on");
            fs::remove_file(data.visitor_key_file()).expect("deleted");
            assert_eq!(start(&data, &*keys).await.0, KeyFrom::Store, "the advice mends it");
        }
    }
}
