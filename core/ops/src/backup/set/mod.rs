//! Sets: what all stores hold, in one folder named by its UTC moment.
//!
//! ```text
//! DIR/20261129T141200Z/                 a set
//!     embedded.tar.zst, mongo.archive.zst …   one file for each store that is used
//!     manifest.json                     written last: sizes and checksums of all
//! DIR/20261129T141200Z.XXXXXXXX.part/   one that is being made, or was left by a run that was killed
//! DIR/20261129T141200Z.pruned.part/     one that is being deleted, or was to be
//! ```
//!
//! A folder has a set's name only when everything in it is durable, and loses it, in one step, before anything in it is
//! deleted. So what has the name is whole, whenever somebody was killed; what damaged it since, the manifest tells.

mod list;
mod make;
mod manifest;
mod prune;
mod verify;

pub use list::{FoundSet, SetState, list, one};
pub use make::{Source, make};
pub use manifest::{SetManifest, SetPart};
pub use prune::{Fate, Keep, finish, plan, prune};
pub use verify::verify;

use super::PlaceError;
use std::{io, path::PathBuf};
use tfx_ports::backup::BackupError;

/// What the names of folders end in that are no whole sets.
const PARTIAL: &str = ".part";
/// What the names of folders end in that are being deleted.
const PRUNED: &str = ".pruned.part";
/// The manifest of a set.
const MANIFEST: &str = "manifest.json";

/// Why there is no set.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// A part of it cannot be taken.
    #[error("{part}: {error}")]
    Part {
        /// Which.
        part: String,
        /// Why.
        error: super::TakeError,
    },
    /// It cannot be put there.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The folder of sets cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// An archive in it.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

impl SetError {
    fn io(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }
}

/// Whether a folder of that name is a set.
fn is_set_name(name: &str) -> bool {
    let form = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    name.len() == 16 && name.bytes().enumerate().all(form)
}

/// Whether it is left of a set, or of what was copied for one.
fn is_left_over(name: &str) -> bool {
    name.ends_with(PARTIAL) && (name.starts_with(".tfx-copies-") || name.get(..16).is_some_and(is_set_name))
}
