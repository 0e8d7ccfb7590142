//! How far an import is, beside its file: whatever ends it, the same command goes on behind what was taken. It is written
//! when a batch was answered, so that at most one batch is sent twice, which counts once.

use super::tally::Tally;
use crate::{
    exit::Failure,
    rows::{LONGEST, Place, beside},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};
use tfx_ops::files;

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The file as it was: its size, and the hash of its beginning.
    size: u64,
    head: String,
    /// The hash of all that stands before `at`; none in what was kept before there was this.
    pub(crate) before: Option<String>,
    /// The options that say what becomes of rows.
    options: String,
    /// Behind what was taken.
    pub(crate) at: Place,
    pub(crate) tally: Tally,
    /// How long the file of refused rows is, if there is one.
    pub(crate) refused: Option<u64>,
}

/// Where a state is kept.
pub(crate) fn path(file: &Path) -> PathBuf {
    beside(file, ".tfx-import")
}

impl State {
    /// Of an import that begins.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn new(file: &Path, options: String) -> Result<Self, Failure> {
        let read = || -> io::Result<(u64, Vec<u8>)> {
            let mut head = Vec::new();
            let opened = File::open(file)?;
            let size = opened.metadata()?.len();
            opened.take(LONGEST as u64).read_to_end(&mut head)?;
            Ok((size, head))
        };
        let (size, head) = read().map_err(|e| unreadable(&file.display().to_string(), &e))?;
        let head = hex(&Sha256::digest(&head));
        let (at, tally) = (Place::default(), Tally::default());
        Ok(Self { size, head, before: None, options, at, tally, refused: None })
    }

    /// The one that was kept, if there is one; `now` is as one that begins, of which nothing was read `before`.
    ///
    /// # Errors
    /// It is of another file or of other options, or cannot be read.
    pub(crate) fn kept(file: &Path, now: &Self, before: &mut Before) -> Result<Option<Self>, Failure> {
        let path = path(file);
        let again = "--restart imports the file from its beginning; what was taken counts once";
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => {
                return Err(Failure::failed(format!("{} cannot be read: {e}", path.display())).hint(again));
            }
        };
        let kept: Self = serde_json::from_slice(&bytes).map_err(|e| {
            Failure::failed(format!("{} is not what tfx wrote: {e}", path.display())).hint(again)
        })?;
        let name = file.display();
        let same = (kept.size, &kept.head) == (now.size, &now.head);
        if !same || kept.before.is_some() && kept.before != Some(before.hash(kept.at)?) {
            let why =
                format!("{name} is not as it was when its import began; that ended at line {}", kept.at.line);
            return Err(Failure::usage(why).hint(again));
        }
        if kept.options != now.options {
            let why = format!("the import of {name} began with other options: {}", kept.options);
            return Err(Failure::usage(why).hint(format!("give the same again, or {again}")));
        }
        Ok(Some(kept))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn keep(&self, file: &Path) -> Result<(), Failure> {
        let path = path(file);
        let bytes = serde_json::to_vec(self).map_err(Failure::failed)?;
        files::replace(&path, &bytes)
            .map_err(|e| Failure::failed(format!("{} cannot be written: {e}", path.display())))
    }

    /// Forgets it: the import is over.
    pub(crate) fn forget(file: &Path) {
        // What stays is of an import that is at its end: the next one finds nothing more to do.
        let _ = fs::remove_file(path(file));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stands in a file before a place that moves on: all of it is read once, as far as the place has come.
pub(crate) struct Before {
    name: String,
    file: File,
    hasher: Sha256,
    offset: u64,
}

impl Before {
    /// Nothing yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn new(file: &Path) -> Result<Self, Failure> {
        let name = file.display().to_string();
        let file = File::open(file).map_err(|e| unreadable(&name, &e))?;
        Ok(Self { name, file, hasher: Sha256::new(), offset: 0 })
    }

    /// The hash of all before a place, which is none before the last one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn hash(&mut self, place: Place) -> Result<String, Failure> {
        let mut left = place.offset.saturating_sub(self.offset);
        let mut bytes = vec![0; LONGEST];
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(LONGEST);
            match self.file.read(&mut bytes[..most]) {
                Ok(0) => break,
                Ok(n) => {
                    self.hasher.update(&bytes[..n]);
                    left -= n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(unreadable(&self.name, &e)),
            }
        }
        self.offset = place.offset;
        Ok(hex(&self.hasher.clone().finalize()))
    }
}

fn unreadable(name: &str, e: &io::Error) -> Failure {
    Failure::usage(format!("{name} cannot be read: {e}"))
}
