//! What an archive says of itself: `manifest.json`, which comes last but one, and `manifest.json.sha256`, which comes last
//! and seals it (`sha256sum -c` reads it).

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use tfx_domain::Timestamp;
use tfx_ports::backup::{ArchivePart, Contents};

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const SEAL: &str = "manifest.json.sha256";
/// The form of archives that is written, and the newest that is read.
pub(super) const FORMAT: u32 = 1;

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A database.
    Database,
    /// A file of a service's journal.
    Journal,
    /// Another one.
    File,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Journal => "journal",
            Self::File => "file",
        }
    }
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Its name in the data folder.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// What is in it, of a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) database: Option<Database>,
}

/// What a database holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Database {
    /// The version of its schema.
    pub(super) schema: i64,
    /// How many indexes it has.
    pub(super) indexes: usize,
    /// Rows of each table.
    pub(super) rows: BTreeMap<String, u64>,
}

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: u32,
    pub(super) made_by: String,
    /// The version of SQLite.
    pub(super) sqlite: String,
    /// The moment that it shows.
    pub(super) moment: Timestamp,
    /// Every file but the manifest and its seal, in the order in which they come.
    pub(super) parts: Vec<Part>,
    /// What lay in the folder and is not in the archive, and why.
    pub(super) left_out: Vec<String>,
}

impl Manifest {
    pub(super) fn contents(&self) -> Contents {
        let part = |part: &Part| ArchivePart {
            name: part.name.clone(),
            kind: part.kind.word(),
            documents: part.database.as_ref().map_or(0, |d| d.rows.values().sum()),
            bytes: part.bytes,
            indexes: part.database.as_ref().map_or(0, |d| d.indexes),
            checksum: part.sha256.clone(),
        };
        Contents {
            made_by: self.made_by.clone(),
            server: format!("SQLite {}", self.sqlite),
            parts: self.parts.iter().map(part).collect(),
            apart: Vec::new(),
            moment: Some(self.moment),
            left_out: self.left_out.clone(),
        }
    }

    pub(super) fn text(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

/// The line that seals a manifest.
pub(super) fn seal(manifest: &[u8]) -> String {
    format!("{}  {MANIFEST}\n", digits(&Sha256::digest(manifest)))
}

pub(super) fn digits(sum: &[u8]) -> String {
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}
