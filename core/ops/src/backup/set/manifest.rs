//! What a set says of itself. The text is of one form only and bears its own checksum: no byte of it can change unseen.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use tfx_domain::Timestamp;

/// The form that is written, and the newest that is read.
const FORMAT: u32 = 1;
/// The longest text: a store of tables has a file for each partition.
const LONGEST: u64 = 1 << 26;

/// What a set says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetManifest {
    /// The form of it.
    pub format: u32,
    /// Which program made the set.
    pub made_by: String,
    /// When it was begun; each part is of a moment after that.
    pub moment: Timestamp,
    /// Its files.
    pub parts: Vec<SetPart>,
    /// What is kept by the installation and not in the set.
    pub missing: Vec<String>,
    /// The checksum of this text while this is empty.
    pub seal: String,
}

/// A file of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetPart {
    /// Its name in the set.
    pub file: String,
    /// Which store it is of.
    pub store: String,
    /// Its bytes.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// Documents or rows in it.
    pub documents: u64,
    /// The moment that it shows, if it says one.
    pub moment: Option<Timestamp>,
}

impl SetManifest {
    pub(super) fn new(moment: Timestamp, parts: Vec<SetPart>, missing: Vec<String>) -> Self {
        let made_by = format!("tfx {}", env!("CARGO_PKG_VERSION"));
        let mut new = Self { format: FORMAT, made_by, moment, parts, missing, seal: String::new() };
        new.seal = new.sealed();
        new
    }

    fn sealed(&self) -> String {
        let open = Self { seal: String::new(), ..self.clone() };
        digits(&Sha256::digest(open.text()))
    }

    pub(super) fn text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// Reads one; the inner error says what is wrong with it.
    pub(super) fn read(from: &mut dyn Read) -> io::Result<Result<Self, String>> {
        #[derive(Deserialize)]
        struct OfFormat {
            format: u32,
        }
        let mut text = Vec::new();
        from.take(LONGEST).read_to_end(&mut text)?;
        let newer = serde_json::from_slice(&text).is_ok_and(|m: OfFormat| m.format > FORMAT);
        if newer {
            return Ok(Err("its manifest is of a newer program".to_owned()));
        }
        let read = match serde_json::from_slice::<Self>(&text) {
            Ok(read) => read,
            Err(e) => return Ok(Err(format!("its manifest is damaged: {e}"))),
        };
        let as_written = read.text() == text && read.seal == read.sealed();
        let named = read.parts.iter().all(|part| is_file_name(&part.file));
        Ok(if as_written && named { Ok(read) } else { Err("its manifest is damaged".to_owned()) })
    }

    /// Bytes of all parts.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// The checksum of what is read, and its bytes. `told` hears how many were read since.
pub(super) fn sum(from: &mut dyn Read, told: &mut dyn FnMut(u64)) -> io::Result<(String, u64)> {
    let (mut sum, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 17];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok((digits(&sum.finalize()), bytes)),
            Ok(n) => {
                sum.update(&buffer[..n]);
                bytes += n as u64;
                told(n as u64);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

pub(in crate::backup) fn digits(sum: &[u8]) -> String {
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}
