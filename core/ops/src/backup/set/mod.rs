//! Sets: what all stores hold, in one folder named by its UTC moment, or under one name in a bucket ([`Sets`]).
//!
//! ```text
//! DIR/20261129T141200Z/                 a set of every store that is used
//!     embedded.tar.zst, mongo.archive.zst …   a file for each store
//!     clickhouse.json, clickhouse.TABLE.PARTITION.native.zst …   or for each partition, and a catalogue
//!     manifest.json                     written last: sizes and checksums of all
//! DIR/20261129T141200Z.clickhouse/      a set of ClickHouse alone
//! DIR/20261129T141200Z.XXXXXXXX.part/   one that is being made, or was left by a run that was killed
//!     taken.jsonl                       what is whole in it, if another run can go on with it
//! DIR/20261129T141200Z.pruned.part/     one that is being deleted, or was to be
//! ```
//!
//! A folder has a set's name only when everything in it is durable, and loses it, in one step, before anything in it is
//! deleted. So what has the name is whole, whenever somebody was killed; what damaged it since, the manifest tells.

mod list;
mod make;
mod manifest;
mod prune;
mod restore;
mod shelf;
mod tables;
mod verify;

pub use list::{FoundSet, SetState, list, one};
pub use make::{Made, Making, Source, make};
pub(super) use manifest::digits;
pub use manifest::{SetManifest, SetPart};
pub use prune::{Fate, Keep, finish, plan, prune};
pub use restore::{MissingRows, TablesLook, TablesWanted, look_at_tables, restore_tables};
pub use shelf::{Sets, can_resume};
pub use tables::{Origins, TableSource, catalogue};
pub use verify::verify;

use super::PlaceError;
use serde::Serialize;
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

/// Of which stores a set is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SetKind {
    /// Of every one that is used.
    #[default]
    All,
    /// Of ClickHouse alone.
    ClickHouse,
}

impl SetKind {
    /// What follows the moment in the name of a set.
    const fn ending(self) -> &'static str {
        match self {
            Self::All => "",
            Self::ClickHouse => ".clickhouse",
        }
    }

    /// Of the name of a set; none of another folder.
    fn of_name(name: &str) -> Option<Self> {
        let (moment, ending) = name.split_at_checked(16)?;
        [Self::All, Self::ClickHouse].into_iter().find(|kind| is_moment(moment) && kind.ending() == ending)
    }

    /// Of the name of a folder that was to be a set or was one.
    fn of_left_over(name: &str) -> Self {
        let of_one = name.get(16..).is_some_and(|rest| rest.starts_with(Self::ClickHouse.ending()));
        if of_one { Self::ClickHouse } else { Self::All }
    }
}

/// Whether a folder of that name would be a set.
pub fn is_name(name: &str) -> bool {
    SetKind::of_name(name).is_some()
}

fn is_moment(text: &str) -> bool {
    let form = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 16 && text.bytes().enumerate().all(form)
}

/// Whether it is left of a set, or of what was copied for one.
fn is_left_over(name: &str) -> bool {
    name.ends_with(PARTIAL) && (name.starts_with(".tfx-copies-") || name.get(..16).is_some_and(is_moment))
}

/// Whether a file has the name of an archive that is not whole yet: `NAME.XXXXXXXX.part`.
fn is_partial_file(name: &str) -> bool {
    let digits = name.strip_suffix(PARTIAL).and_then(|rest| rest.rsplit_once('.')).map(|(_, digits)| digits);
    digits.is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_known_by_its_name() {
        assert_eq!(SetKind::of_name("20261129T141200Z"), Some(SetKind::All));
        assert_eq!(SetKind::of_name("20261129T141200Z.clickhouse"), Some(SetKind::ClickHouse));
        for name in
            ["20261129T141200Z.part", "20261129T141200Z.clickhouse.0badcafe.part", "20261129", "größe", ""]
        {
            assert_eq!(SetKind::of_name(name), None, "{name}");
        }
        assert!(is_partial_file("dump.archive.0badcafe.part") && !is_partial_file("mine.part"));
        assert!(is_left_over("20261129T141200Z.clickhouse.0badcafe.part"));
        assert_eq!(SetKind::of_left_over("20261129T141200Z.clickhouse.0badcafe.part"), SetKind::ClickHouse);
        assert_eq!(SetKind::of_left_over("20261129T141200Z.0badcafe.part"), SetKind::All);
    }
}
