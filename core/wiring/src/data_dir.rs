//! The data folder: who holds it, and the small secret files in it.
//!
//! | path | what |
//! |---|---|
//! | `lock` | held exclusively by `tfx up`, shared by daemons started one by one |
//! | `config.db`, `events.db` | the embedded stores |
//! | `journal/SERVICE/` | events not delivered yet |
//! | `snapshot.json` | the last-known-good configuration of traffic-service |
//! | `visitor.key` | key of visitor and address hashes |
//! | `internal.token`, `admin.token` | bearer tokens, 0600 |

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use tfx_ports::entropy;
use tfx_settings::{Secret, Settings};

/// How the folder is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
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
    /// It is held by somebody else, or cannot be created or written.
    pub fn open(path: &Path, hold: Hold) -> Result<Self, DataDirError> {
        let failed = |what| {
            let path = path.display().to_string();
            move |source| DataDirError::Unusable { path, what, source }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("create"))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(path.join("lock")).map_err(failed("open the lock file"))?;
        let taken = match hold {
            Hold::Exclusive => lock.try_lock(),
            Hold::Shared => lock.try_lock_shared(),
        };
        match taken {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
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

    /// Where traffic-service keeps the use of caps and click limits.
    pub fn usage_file(&self) -> PathBuf {
        self.path.join("usage.json")
    }

    /// Where traffic-service keeps who was seen where.
    pub fn visitors_file(&self) -> PathBuf {
        self.path.join("visitors.seen")
    }

    /// The key of visitor and address hashes; made once.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn key(&self) -> Result<[u8; 32], DataDirError> {
        let (text, _) = self.secret_file("visitor.key")?;
        let mut key = [0; 32];
        for (k, b) in key.iter_mut().zip(text.bytes()) {
            *k = b;
        }
        Ok(key)
    }

    /// The bearer token of internal endpoints: the setting, else a file made once.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn internal_token(&self, settings: &Settings) -> Result<Secret, DataDirError> {
        match &settings.access.internal_token {
            Some(token) => Ok(token.clone()),
            None => Ok(Secret::from(self.secret_file("internal.token")?.0)),
        }
    }

    /// Where the administrator's token is kept.
    pub fn admin_token_file(&self) -> PathBuf {
        self.path.join("admin.token")
    }

    /// The administrator's token, and whether it was made just now.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn admin_token(&self) -> Result<(Secret, bool), DataDirError> {
        let (text, made) = self.secret_file("admin.token")?;
        Ok((Secret::from(text), made))
    }

    /// Reads a secret of one line, or makes it. Two processes that make it at once agree on one: the file appears
    /// complete, by a link that fails if the other was first.
    fn secret_file(&self, name: &'static str) -> Result<(String, bool), DataDirError> {
        let failed = |what| {
            let path = self.path.display().to_string();
            move |source| DataDirError::Unusable { path, what, source }
        };
        let path = self.path.join(name);
        match read_line(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Ok(text) if text.len() >= 16 => return Ok((text, false)),
            Ok(_) => return Err(failed("read a secret")(io::Error::other(format!("{name} is too short")))),
            Err(e) => return Err(failed("read a secret")(e)),
        }
        let text = entropy::secret();
        let temporary = self.path.join(format!("{name}.{}", entropy::secret()));
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(failed("create a secret"))?;
        let written = file.write_all(format!("{text}\n").as_bytes()).and_then(|()| file.sync_all());
        let linked = written.and_then(|()| fs::hard_link(&temporary, &path));
        let _ = fs::remove_file(&temporary);
        match linked {
            Ok(()) => Ok((text, true)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                read_line(&path).map(|t| (t, false)).map_err(failed("read a secret"))
            }
            Err(e) => Err(failed("write a secret")(e)),
        }
    }
}

fn read_line(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(4096).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_holder_alone_or_several_together() {
        let dir = tempfile::tempdir().expect("dir");
        let alone = DataDir::open(dir.path(), Hold::Exclusive).expect("first");
        for hold in [Hold::Exclusive, Hold::Shared] {
            let refused = DataDir::open(dir.path(), hold).expect_err("held");
            assert!(refused.to_string().contains("in use by another tfx up"), "{refused}");
        }
        drop(alone);
        let one = DataDir::open(dir.path(), Hold::Shared).expect("one");
        let two = DataDir::open(dir.path(), Hold::Shared).expect("two");
        drop((one, two));
    }

    #[test]
    fn a_secret_is_made_once_and_private() {
        let dir = tempfile::tempdir().expect("dir");
        let data = DataDir::open(dir.path(), Hold::Exclusive).expect("open");
        let (token, made) = data.admin_token().expect("made");
        assert!(made);
        let (again, made) = data.admin_token().expect("read");
        assert!(!made);
        assert_eq!(token, again);
        let mode = fs::metadata(data.admin_token_file()).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(data.key().expect("key"), data.key().expect("key"));
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_what_to_do() {
        let refused = DataDir::open(Path::new("/proc/nowhere"), Hold::Exclusive).expect_err("proc");
        assert!(refused.to_string().contains("set TFX_DATA_DIR"), "{refused}");
    }
}
