//! The keys that seal the secrets of the configuration: of a setting, or of a file, one a line. The first seals, all open.

use super::cipher::{SHORTEST, SealingKey};
use crate::{DataDir, DataDirError, secret_file};
use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant, SystemTime},
};
use tfx_ports::{
    StoreError, files,
    keys::{Keys, SEALING},
};
use tfx_settings::{SealingSettings, Settings};

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// The file of keys cannot be read, or holds something else.
    #[error("the keys of secrets cannot be read from {path}: {why}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The store has secrets that were sealed with a key that is not here.
    #[error(
        "the secrets of the configuration are sealed with the key {id}, and there is no {path}: put the installation's file of keys \
         there (it is in no backup), or set SECRETS_KEY_LOST={id} if it is lost, to start without those secrets"
    )]
    NoFile {
        /// The id of the key.
        id: String,
        /// Where it is looked for.
        path: String,
    },
    /// The data folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The store refuses to tell, or another key is the installation's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often it is looked whether the file is another at most.
const LOOKED_EVERY: Duration = Duration::from_secs(1);

/// When a file was written, its length and its inode: another file has another.
type Stamp = Option<(SystemTime, u64, u64)>;

fn stamp(file: &Path) -> Stamp {
    fs::metadata(file).and_then(|m| Ok((m.modified()?, m.len(), m.ino()))).ok()
}

/// The keys of a process.
pub(super) struct Keyring {
    /// None: they do not change while the process runs.
    file: Option<PathBuf>,
    keys: RwLock<Vec<Arc<SealingKey>>>,
    /// When the file was looked at, and as what.
    looked: Mutex<(Instant, Stamp)>,
    /// The id of a key that nobody has any more.
    pub(super) lost: Option<String>,
}

impl Keyring {
    /// As the settings say it; in the data folder, where one is made if the configuration lies there and has none.
    ///
    /// # Errors
    /// [`SealingError`].
    pub(super) async fn open(
        settings: &SealingSettings,
        data_dir: &DataDir,
        embedded: Option<&dyn Keys>,
    ) -> Result<Self, SealingError> {
        let lost = settings.lost.clone();
        if !settings.keys.is_empty() {
            let keys = settings.keys.iter().filter_map(|key| SealingKey::new(key.expose())).map(Arc::new);
            return Ok(Self::new(None, None, keys.collect(), lost));
        }
        let own = data_dir.sealing_key_file();
        let file = settings.file.clone().unwrap_or_else(|| own.clone());
        if settings.file.is_none() && !fs::exists(&own).is_ok_and(|there| there) {
            let Some(keys) = embedded else { return Ok(Self::new(None, None, Vec::new(), lost)) };
            let sealed_with = keys.key(SEALING).await?.filter(|id| lost.as_ref() != Some(id));
            // Another process may have made the file meanwhile: it is there before the store knows of its key.
            if let Some(id) = sealed_with
                && !fs::exists(&own).is_ok_and(|there| there)
            {
                return Err(SealingError::NoFile { id, path: own.display().to_string() });
            }
            let made = secret_file::read_or_make(&own, SHORTEST);
            made.map_err(|e| data_dir.unusable("make the key of secrets", e))?.ok();
        }
        let (stamp, keys) = (stamp(&file), read(&file)?);
        if let Some(mode) = files::open_to_others(&file) {
            tracing::warn!(file = %file.display(), mode = format!("{mode:03o}"), "others can read the keys of secrets: chmod 600 it");
        }
        Ok(Self::new(Some(file), stamp, keys, lost))
    }

    fn new(file: Option<PathBuf>, stamp: Stamp, keys: Vec<Arc<SealingKey>>, lost: Option<String>) -> Self {
        Self { file, keys: RwLock::new(keys), looked: Mutex::new((Instant::now(), stamp)), lost }
    }

    /// All of them, the first first, as the file has them or had a second ago.
    pub(super) fn all(&self) -> Vec<Arc<SealingKey>> {
        self.look();
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn first(&self) -> Option<Arc<SealingKey>> {
        self.all().into_iter().next()
    }

    /// The one of that id, also one that came into the file since.
    pub(super) fn of(&self, id: &str) -> Option<Arc<SealingKey>> {
        let find = || self.all().into_iter().find(|key| key.id == id);
        find().or_else(|| {
            self.read_again();
            find()
        })
    }

    /// Reads the file again if it is another than before.
    fn look(&self) {
        let Some(file) = &self.file else { return };
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.0.elapsed() < LOOKED_EVERY {
            return;
        }
        let before = std::mem::replace(&mut *looked, (Instant::now(), stamp(file)));
        if looked.1 != before.1 {
            self.read_again();
        }
    }

    /// Reads the file again; what cannot be read leaves the keys as they are.
    pub(super) fn read_again(&self) {
        let Some(file) = &self.file else { return };
        match read(file) {
            Ok(keys) => *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys,
            Err(error) => tracing::warn!(%error, "the keys of secrets stay as they were"),
        }
    }
}

fn read(file: &Path) -> Result<Vec<Arc<SealingKey>>, SealingError> {
    let failed = |why: String| SealingError::File { path: file.display().to_string(), why };
    let text = fs::read_to_string(file).map_err(|e| match e.kind() {
        ErrorKind::NotFound => failed("it is not there; 'tfx secrets rotate-key' makes one".to_owned()),
        _ => failed(e.to_string()),
    })?;
    let mut keys = Vec::new();
    for (n, line) in text.lines().enumerate().map(|(n, line)| (n + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let whole = line.len() >= SHORTEST && line.bytes().all(|b| b.is_ascii_graphic());
        let key = SealingKey::new(line).filter(|_| whole);
        let why =
            || failed(format!("line {n} is no key: one has {SHORTEST} or more visible ASCII characters"));
        keys.push(Arc::new(key.ok_or_else(why)?));
    }
    if keys.is_empty() {
        return Err(failed("it holds none; one stands on each line".to_owned()));
    }
    Ok(keys)
}

/// Puts a new key first into the file of the settings or of the data folder, which is made if need be: its id, and those of the
/// others.
///
/// # Errors
/// The keys are a setting's, or the file cannot be read or written.
pub fn rotate_sealing_key(settings: &Settings) -> Result<(PathBuf, Vec<String>), SealingError> {
    let path =
        settings.sealing.file.clone().unwrap_or_else(|| settings.data_dir.join(crate::data_dir::SEALING_KEY));
    let failed = |why: String| SealingError::File { path: path.display().to_string(), why };
    let before = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
        Err(e) => return Err(failed(e.to_string())),
    };
    let text = format!("{}\n{before}", tfx_ports::entropy::secret());
    if !before.is_empty() {
        read(&path)?;
    }
    files::replace(&path, text.as_bytes()).map_err(|e| failed(e.to_string()))?;
    Ok((path.clone(), read(&path)?.iter().map(|key| key.id.clone()).collect()))
}
