//! The ledger's files, in the folder `ledger` of the journal's:
//!
//! | name | what |
//! |---|---|
//! | `instance.json` | who counts here, since when, up to where, and which records of the journal it counted before |
//! | `KIND-HOUR-PROCESS.hour` | what a process accepted of a kind in an hour (hours since 1970): `crc32 u32 \| counted u64 \| delivered u64 \| the ledger`, little-endian; the checksum is of what follows. Versions before had one file of an hour, without a process |
//! | `….damaged` | one of these that could not be read, for a person |
//!
//! An hour counts the records of the journal before `counted`, and as published those before `delivered`.

use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder},
    io::{self, ErrorKind},
    ops::Range,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use tfx_domain::{
    Timestamp,
    id::ClickId,
    ledger::{Hour, HourLedger, LedgerKind},
};
use tfx_ports::files;

/// The folder, in that of the journal.
const FOLDER: &str = "ledger";
const INSTANCE: &str = "instance.json";
const HOUR: &str = ".hour";

/// Which ledger of an hour, and which process counted it.
pub(super) type Key = (LedgerKind, Hour, ClickId);

/// Who counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The name of this journal among all.
    pub(super) instance: String,
    /// Who counts in it now: each process that opens it by a name of its own. What one counted before stays as it was told,
    /// also if this disk is set back, or copied. None: a version before counted, by the journal's name.
    #[serde(default)]
    pub(super) process: Option<ClickId>,
    /// Where in the journal its own records begin, and up to where it was delivered then.
    #[serde(default)]
    pub(super) began: u64,
    #[serde(default)]
    pub(super) began_delivered: u64,
    /// Nothing is counted of what happened before; none: everything was counted that the journal ever had.
    pub(super) from: Option<Timestamp>,
    /// Every hour on disk counts the records before this place.
    pub(super) counted: u64,
    /// Every hour on disk counts as published what was delivered before this place.
    pub(super) delivered: u64,
    /// Places of records that were counted when they came first: the sink had refused them.
    pub(super) again: Vec<Range<u64>>,
}

/// An hour, and which records of the journal it counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) ledger: HourLedger,
    pub(super) counted: u64,
    pub(super) delivered: u64,
}

/// What is found of a file.
pub(super) enum Found<T> {
    Nothing,
    This(T),
    /// It cannot be read; where it is kept.
    Damaged(PathBuf),
}

/// The files.
#[derive(Debug, Clone)]
pub(super) struct Files(PathBuf);

impl Files {
    /// Of the journal at `dir`.
    pub(super) fn of(dir: &Path) -> Self {
        Self(dir.join(FOLDER))
    }

    pub(super) fn make_folder(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)
    }

    pub(super) fn head(&self) -> Found<Head> {
        self.read(&self.0.join(INSTANCE), |bytes| serde_json::from_slice(bytes).ok())
    }

    pub(super) fn write_head(&self, head: &Head) -> io::Result<()> {
        files::replace(&self.0.join(INSTANCE), &serde_json::to_vec(head).map_err(io::Error::other)?)
    }

    pub(super) fn page(&self, key: Key) -> Found<Page> {
        self.read(&self.path(key), |bytes| {
            let (crc, rest) = bytes.split_first_chunk()?;
            if u32::from_le_bytes(*crc) != crc32fast::hash(rest) {
                return None;
            }
            let (counted, rest) = rest.split_first_chunk()?;
            let (delivered, rest) = rest.split_first_chunk()?;
            let (counted, delivered) = (u64::from_le_bytes(*counted), u64::from_le_bytes(*delivered));
            Some(Page { ledger: HourLedger::from_bytes(rest).ok()?, counted, delivered })
        })
    }

    pub(super) fn write_page(&self, key: Key, page: &Page) -> io::Result<()> {
        let mut bytes = vec![0; 4];
        bytes.extend(page.counted.to_le_bytes());
        bytes.extend(page.delivered.to_le_bytes());
        bytes.extend(page.ledger.to_bytes());
        let crc = crc32fast::hash(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        files::replace(&self.path(key), &bytes)
    }

    pub(super) fn remove(&self, key: Key) -> io::Result<()> {
        match fs::remove_file(self.path(key)) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// Gives the files of a version before the name of who counted them.
    pub(super) fn name_by(&self, process: ClickId) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(HOUR));
            let Some((kind, hour)) = name.and_then(|name| name.split_once('-')) else { continue };
            if let (Some(kind), Ok(hour)) = (LedgerKind::from_word(kind), hour.parse()) {
                fs::rename(&path, self.path((kind, Hour(hour), process)))?;
            }
        }
        Ok(())
    }

    /// Every hour that there is a file of.
    pub(super) fn keys(&self) -> io::Result<Vec<Key>> {
        let mut keys = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            let key = name.to_str().and_then(|name| {
                let mut parts = name.strip_suffix(HOUR)?.split('-');
                let (kind, hour, process) = (parts.next()?, parts.next()?, parts.next()?);
                Some((LedgerKind::from_word(kind)?, Hour(hour.parse().ok()?), process.parse().ok()?))
            });
            keys.extend(key);
        }
        Ok(keys)
    }

    /// Puts everything aside. Where it is then.
    pub(super) fn put_aside(&self, at: Timestamp) -> io::Result<PathBuf> {
        let aside = self.0.with_file_name(format!("{FOLDER}-{}.damaged", at.as_millisecond()));
        fs::rename(&self.0, &aside)?;
        self.make_folder()?;
        Ok(aside)
    }

    fn path(&self, (kind, hour, process): Key) -> PathBuf {
        self.0.join(format!("{}-{}-{process}{HOUR}", kind.as_str(), hour.0))
    }

    fn read<T>(&self, path: &Path, parse: impl FnOnce(&[u8]) -> Option<T>) -> Found<T> {
        let read = fs::read(path);
        if read.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound) {
            return Found::Nothing;
        }
        match read.ok().and_then(|bytes| parse(&bytes)) {
            Some(found) => Found::This(found),
            None => {
                let mut damaged = path.as_os_str().to_owned();
                damaged.push(".damaged");
                // If it cannot be renamed, the next file takes its place.
                let _ = fs::rename(path, &damaged);
                Found::Damaged(damaged.into())
            }
        }
    }
}
