//! The data folder: who holds it, and the small secret files in it.
//!
//! | path | what |
//! |---|---|
//! | `lock` | held exclusively by `tfx up`, shared by daemons started one by one |
//! | `config.db`, `events.db` | the embedded stores |
//! | `journal/SERVICE/` | events not delivered yet |
//! | `snapshot.json` | the last-known-good configuration of traffic-service |
//! | `health.json` | which destinations traffic-service knew to be down last |
//! | `visitor.key` | the store's key of visitor and address hashes, for when the store is away |
//! | `secrets.key` | the keys that seal the secrets of the configuration, 0600 |
//! | `internal.token`, `admin.token` | bearer tokens, 0600 |
//!
//! Which of them are in backups, [`belongs`] says.

use crate::{
    backup::half_restored,
    secret_file::{self, SecretFile},
};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use tfx_ports::files;
use tfx_settings::{Secret, Settings};

/// How the folder is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderLock {
    /// By one process alone: `tfx up`.
    Exclusive,
    /// Together with other daemons.
    Shared,
}

/// Why the data folder cannot be used. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Somebody else holds it.
    #[error(
        "the data folder {path} is in use by another tfx up or daemon; stop that one, or set TFX_DATA_DIR to another folder"
    )]
    InUse {
        /// Which folder.
        path: String,
    },
    /// A small file in it holds no secret, and it is not for us to make another.
    #[error("{path} {why}; {advice}")]
    Secret {
        /// Which file.
        path: String,
        /// What is wrong with it.
        why: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A restore into it did not come to its end.
    #[error("{what}")]
    HalfRestored {
        /// Where, and what to do.
        what: String,
    },
    /// It cannot be created, read or written.
    #[error(
        "the data folder {path} cannot be used: {what}: {source}; set TFX_DATA_DIR to a folder you can write"
    )]
    Unusable {
        /// Which folder.
        path: String,
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// An open data folder; the lock is held as long as this lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Opens the folder, creating it (0700) if need be.
    ///
    /// # Errors
    /// It is held by somebody else, cannot be created or written, or is half restored.
    pub fn open(path: &Path, hold: FolderLock) -> Result<Self, DataDirError> {
        let opened = Self::open_half_restored(path, hold)?;
        match half_restored(path) {
            Some(what) => Err(DataDirError::HalfRestored { what }),
            None => Ok(opened),
        }
    }

    /// The same, for who ends a restore.
    pub(crate) fn open_half_restored(path: &Path, hold: FolderLock) -> Result<Self, DataDirError> {
        let failed = |what| {
            let path = path.display().to_string();
            move |source| DataDirError::Unusable { path, what, source }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("create"))?;
        let mut options = files::private();
        options.read(true).write(true).create(true).truncate(false);
        let lock = options.open(path.join("lock")).map_err(failed("open the lock file"))?;
        let taken = match hold {
            FolderLock::Exclusive => lock.try_lock(),
            FolderLock::Shared => lock.try_lock_shared(),
        };
        match taken {
            Ok(()) => {
                close_to_others(path);
                Ok(Self { path: path.to_owned(), _lock: lock })
            }
            Err(fs::TryLockError::WouldBlock) => {
                Err(DataDirError::InUse { path: path.display().to_string() })
            }
            Err(fs::TryLockError::Error(source)) => Err(failed("lock")(source)),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a service's events wait for delivery.
    pub fn journal(&self, service: &str) -> PathBuf {
        self.path.join("journal").join(service)
    }

    /// Where traffic-service keeps its last-known-good configuration.
    pub fn snapshot_file(&self) -> PathBuf {
        self.path.join("snapshot.json")
    }

    /// Where traffic-service keeps which destinations are down.
    pub fn health_file(&self) -> PathBuf {
        self.path.join("health.json")
    }

    /// Where traffic-service keeps the use of caps and click limits.
    pub fn usage_file(&self) -> PathBuf {
        self.path.join("usage.json")
    }

    /// Where traffic-service keeps who was seen where.
    pub fn visitors_file(&self) -> PathBuf {
        self.path.join("visitors.seen")
    }

    /// Where the keys are that seal the secrets of the configuration, unless a setting says otherwise.
    pub(crate) fn sealing_key_file(&self) -> PathBuf {
        self.path.join(SEALING_KEY)
    }

    /// Where the key of visitor and address hashes is kept for when the store is away.
    pub(crate) fn visitor_key_file(&self) -> PathBuf {
        self.path.join("visitor.key")
    }

    /// The bearer token of internal endpoints: the setting, else a file made once.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn internal_token(&self, settings: &Settings) -> Result<Secret, DataDirError> {
        let advice = "delete it, and a new one is made; then start the services again";
        match &settings.access.internal_token {
            Some(token) => Ok(token.clone()),
            None => Ok(Secret::from(self.secret("internal.token", 16, advice)?.text)),
        }
    }

    /// Where the administrator's token is kept.
    pub fn admin_token_file(&self) -> PathBuf {
        self.path.join("admin.token")
    }

    /// The administrator's token, and whether it was made just now.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds something that is no token.
    pub fn admin_token(&self) -> Result<(Secret, bool), DataDirError> {
        let advice = "delete it, and a new one is made and printed at the next start";
        let found = self.secret("admin.token", 16, advice)?;
        Ok((Secret::from(found.text), found.now))
    }

    /// A secret of one line of at least `shortest` characters, from its file or made. An empty file is one that nobody was
    /// told of, left by the loss of power.
    fn secret(
        &self,
        name: &'static str,
        shortest: usize,
        advice: &'static str,
    ) -> Result<SecretFile, DataDirError> {
        let path = self.path.join(name);
        match secret_file::read_or_make(&path, shortest) {
            Ok(Ok(made)) => {
                if made.anew {
                    tracing::warn!(file = %path.display(), "the file was empty; a new secret was made");
                }
                Ok(made)
            }
            Ok(Err(why)) => Err(DataDirError::Secret { path: path.display().to_string(), why, advice }),
            Err(source) => Err(self.unusable("read or make a secret", source)),
        }
    }

    pub(crate) fn unusable(&self, what: &'static str, source: io::Error) -> DataDirError {
        DataDirError::Unusable { path: self.path.display().to_string(), what, source }
    }

    /// Whether traffic-service ever recorded something here.
    pub(crate) fn has_recorded(&self) -> bool {
        let journal = self.journal("traffic");
        let moved = fs::metadata(journal.join("cursor")).is_ok_and(|m| m.len() > 0);
        let segment =
            |e: io::Result<fs::DirEntry>| e.is_ok_and(|e| e.path().extension().is_some_and(|x| x == "seg"));
        moved || fs::read_dir(journal).is_ok_and(|mut entries| entries.any(segment))
    }
}

/// What a person should know about who can read the folder; none if nobody else can.
pub fn exposed(path: &Path) -> Option<String> {
    let mode = files::open_to_others(path)?;
    let path = path.display();
    Some(format!(
        "other users can enter or read the data folder {path} (mode {mode:03o}); secrets stand in it: chmod 700 {path}"
    ))
}

/// Tells of a folder that others can enter, and takes away their rights on the files in it that this product made.
fn close_to_others(path: &Path) {
    if let Some(told) = exposed(path) {
        tracing::warn!("{told}");
    }
    let journals = fs::read_dir(path.join("journal")).into_iter().flatten().flatten();
    let folders: Vec<PathBuf> =
        journals.map(|e| e.path()).filter(|p| p.is_dir()).chain([path.to_owned()]).collect();
    for folder in folders {
        let whole = folder != path;
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (file, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if !entry.file_type().is_ok_and(|t| t.is_file()) || !(whole || is_ours(&name)) {
                continue;
            }
            match files::tighten(&file) {
                Ok(false) => {}
                Ok(true) => {
                    tracing::warn!(file = %file.display(), "others had rights on the file; it is for this user alone now");
                }
                Err(error) => {
                    tracing::warn!(file = %file.display(), %error, "others have rights on the file, which cannot be changed: chmod 600 it");
                }
            }
        }
    }
}

/// The file of the keys that seal the secrets of the configuration.
pub(crate) const SEALING_KEY: &str = "secrets.key";

/// Whether something in the data folder belongs into its backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Belongs {
    /// It does, as it lies there.
    InBackups,
    /// What it holds is in them in another form, or concerns running processes alone.
    Silently,
    /// It does not, for this reason.
    LeftOut(&'static str),
}

/// Why files of others are not in backups.
pub(crate) const NOT_OURS: &str = "not of the product: keep it yourself";

/// Whether something of that name in the folder belongs into its backups.
pub(crate) fn belongs(name: &str) -> Belongs {
    match name {
        "usage.json" | "usage.latest.json" | "admin.token" | "journal" => Belongs::InBackups,
        "lock" | "restoring" | "restoring.part" => Belongs::Silently,
        "visitors.seen" => Belongs::LeftOut("comes back from the events"),
        "visitor.key" => Belongs::LeftOut("written anew from the configuration store"),
        "internal.token" => Belongs::LeftOut("made anew"),
        SEALING_KEY => {
            Belongs::LeftOut("opens the secrets in the backup, so keep it elsewhere: nothing else does")
        }
        _ if name.starts_with("config.db") || name.starts_with("events.db") => Belongs::Silently,
        _ if name.starts_with("snapshot.json") => Belongs::LeftOut("made anew from the configuration store"),
        _ if name.starts_with("health.json") => Belongs::LeftOut("made anew from the configuration store"),
        _ if name.starts_with("before-") => Belongs::LeftOut("what stood there before a restore"),
        _ => Belongs::LeftOut(NOT_OURS),
    }
}

/// Whether a file of that name in the folder is one of this product's.
fn is_ours(name: &str) -> bool {
    name == "lock"
        || [
            "visitor.key",
            SEALING_KEY,
            "admin.token",
            "internal.token",
            "snapshot.json",
            "health.json",
            "config.db",
            "events.db",
            "caps.json",
        ]
        .iter()
        .any(|ours| name.starts_with(ours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_holder_alone_or_several_together() {
        let dir = tempfile::tempdir().expect("dir");
        let alone = DataDir::open(dir.path(), FolderLock::Exclusive).expect("first");
        for hold in [FolderLock::Exclusive, FolderLock::Shared] {
            let refused = DataDir::open(dir.path(), hold).expect_err("held");
            assert!(refused.to_string().contains("in use by another tfx up"), "{refused}");
        }
        drop(alone);
        let one = DataDir::open(dir.path(), FolderLock::Shared).expect("one");
        let two = DataDir::open(dir.path(), FolderLock::Shared).expect("two");
        drop((one, two));
    }

    #[test]
    fn a_secret_is_made_once_and_private() {
        let dir = tempfile::tempdir().expect("dir");
        let data = DataDir::open(dir.path(), FolderLock::Exclusive).expect("open");
        let (token, made) = data.admin_token().expect("made");
        assert!(made);
        let (again, made) = data.admin_token().expect("read");
        assert!(!made);
        assert_eq!(token, again);
        let mode = fs::metadata(data.admin_token_file()).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_the_loss_of_power_left_empty_is_made_anew_where_nobody_was_told_of_it() {
        for left in ["", "\n", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\n"] {
            let dir = tempfile::tempdir().expect("dir");
            let data = DataDir::open(dir.path(), FolderLock::Exclusive).expect("open");
            fs::write(data.admin_token_file(), left).expect("written");
            let (token, made) = data.admin_token().expect("made anew");
            assert!(made && token.expose().len() == 32);
            assert_eq!(data.admin_token().expect("read"), (token, false));
            let mode = fs::metadata(data.admin_token_file()).expect("file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_secret_that_is_too_short_says_what_to_do() {
        let dir = tempfile::tempdir().expect("dir");
        let data = DataDir::open(dir.path(), FolderLock::Exclusive).expect("open");
        fs::write(data.admin_token_file(), "short\n").expect("written");
        let refused = data.admin_token().expect_err("too short").to_string();
        assert!(refused.contains("admin.token") && refused.contains("delete it"), "{refused}");
        fs::remove_file(data.admin_token_file()).expect("deleted");
        assert!(data.admin_token().expect("the advice mends it").1);
    }

    #[test]
    fn files_that_others_can_read_are_closed_and_a_folder_is_told() {
        let dir = tempfile::tempdir().expect("dir");
        let journal = dir.path().join("journal/traffic");
        fs::create_dir_all(&journal).expect("made");
        let ours = ["config.db", "events.db-wal", "admin.token", "journal/traffic/refused.jsonl"];
        for name in ours.iter().chain(&["GeoLite2.mmdb"]) {
            let path = dir.path().join(name);
            fs::write(&path, "x").expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("widened");
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("widened");
        let told = exposed(dir.path()).expect("told");
        assert!(told.contains("mode 755") && told.contains("chmod 700"), "{told}");
        let _data = DataDir::open(dir.path(), FolderLock::Exclusive).expect("open");
        let mode =
            |name: &str| fs::metadata(dir.path().join(name)).expect("there").permissions().mode() & 0o777;
        assert!(ours.iter().all(|name| mode(name) == 0o600));
        assert_eq!((mode("GeoLite2.mmdb"), mode(".")), (0o644, 0o755), "not ours to change");
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_what_to_do() {
        let refused = DataDir::open(Path::new("/proc/nowhere"), FolderLock::Exclusive).expect_err("proc");
        assert!(refused.to_string().contains("set TFX_DATA_DIR"), "{refused}");
    }
}
