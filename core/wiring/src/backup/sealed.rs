//! Reads an archive to its end and believes nothing: every file has the size and the checksum that the manifest says, the
//! manifest has the one of its seal, no file is missing and none is there that the manifest does not know.

use super::{
    ProgressGate, TOLD_EVERY, given_up,
    manifest::{FORMAT, Kind, MANIFEST, Manifest, SEAL, digits, seal},
    tape::{TapeReader, damaged},
};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, io::Read};
use tfx_embedded::backup::{FILES, known_schema};
use tfx_ports::backup::{BackupError, Progress};

/// The longest manifest: a million files of a journal.
const LONGEST: u64 = 256 << 20;

/// A file that was read.
struct Seen {
    name: String,
    bytes: u64,
    sha256: String,
}

/// Who gets the bytes of a file as they come: its name first, then its bytes, then nothing.
pub(super) trait Unpack {
    /// A file begins.
    fn begin(&mut self, name: &str) -> Result<(), BackupError>;
    /// Some of its bytes.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), BackupError>;
    /// All of it came.
    fn end(&mut self) -> Result<(), BackupError>;
}

/// Nobody.
struct Nobody;

impl Unpack for Nobody {
    fn begin(&mut self, _: &str) -> Result<(), BackupError> {
        Ok(())
    }
    fn bytes(&mut self, _: &[u8]) -> Result<(), BackupError> {
        Ok(())
    }
    fn end(&mut self) -> Result<(), BackupError> {
        Ok(())
    }
}

/// What a whole archive says of itself.
pub(super) fn check(from: &mut dyn Read, tell: ProgressGate<'_>) -> Result<Manifest, BackupError> {
    unpack(from, &mut Nobody, tell)
}

/// The same, and hands every file on, before it is known whether all is whole.
pub(super) fn unpack(
    from: &mut dyn Read,
    to: &mut dyn Unpack,
    tell: ProgressGate<'_>,
) -> Result<Manifest, BackupError> {
    let mut tape = TapeReader::new(from);
    let (mut seen, mut progress, mut last): (Vec<Seen>, _, u64) = (Vec::new(), Progress::default(), 0);
    let mut buffer = vec![0; 1 << 17];
    let manifest = loop {
        let Some((name, bytes)) = tape.next()? else {
            return Err(damaged(tape.at(), "it has no manifest"));
        };
        if name == MANIFEST {
            break whole(&mut tape, bytes)?;
        }
        to.begin(&name)?;
        let mut sum = Sha256::new();
        loop {
            let n = tape.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            sum.update(&buffer[..n]);
            to.bytes(&buffer[..n])?;
            progress.bytes += n as u64;
            if progress.bytes - last >= TOLD_EVERY {
                last = progress.bytes;
                if !tell(progress) {
                    return Err(given_up());
                }
            }
        }
        to.end()?;
        seen.push(Seen { name, bytes, sha256: digits(&sum.finalize()) });
    };
    tell(progress);
    let at = tape.at();
    match tape.next()? {
        Some((name, bytes)) if name == SEAL && whole(&mut tape, bytes)? == seal(&manifest).as_bytes() => {}
        _ => return Err(damaged(at, "the manifest is not the one that was sealed")),
    }
    if tape.next()?.is_some() {
        return Err(damaged(tape.at(), "something follows the seal"));
    }
    let manifest = read(&manifest, at)?;
    if Some(manifest.moment.as_second()) != tape.seconds().and_then(|s| i64::try_from(s).ok()) {
        return Err(damaged(at, "its files are of another time than its manifest"));
    }
    compare(&manifest, &seen, at)?;
    Ok(manifest)
}

fn whole(tape: &mut TapeReader<'_>, bytes: u64) -> Result<Vec<u8>, BackupError> {
    if bytes > LONGEST {
        return Err(damaged(tape.at(), "its manifest is too long to be one"));
    }
    let (mut all, mut buffer) = (Vec::new(), [0; 1 << 12]);
    loop {
        match tape.read(&mut buffer)? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buffer[..n]),
        }
    }
}

fn read(text: &[u8], at: u64) -> Result<Manifest, BackupError> {
    #[derive(Deserialize)]
    struct OfFormat {
        format: u32,
    }
    let unread = |e: serde_json::Error| damaged(at, &format!("its manifest cannot be read: {e}"));
    let format = serde_json::from_slice::<OfFormat>(text).map_err(unread)?.format;
    if format > FORMAT {
        let why = format!("it is of format {format}, newer than this program reads (format {FORMAT})");
        return Err(BackupError::NotSound { what: why });
    }
    serde_json::from_slice(text).map_err(unread)
}

/// The files are those of the manifest, and such as this program can use.
fn compare(manifest: &Manifest, seen: &[Seen], at: u64) -> Result<(), BackupError> {
    for (part, seen) in manifest.parts.iter().zip(seen) {
        let is = part.name == seen.name && part.bytes == seen.bytes;
        if !is || part.sha256 != seen.sha256 {
            let why = format!("{} is not what the manifest says of {}", seen.name, part.name);
            return Err(damaged(at, &why));
        }
    }
    if manifest.parts.len() != seen.len() {
        return Err(damaged(at, "it has not as many files as its manifest says"));
    }
    let names: BTreeSet<&str> = manifest.parts.iter().map(|p| p.name.as_str()).collect();
    if names.len() != seen.len() {
        return Err(damaged(at, "a file is in it twice"));
    }
    for file in FILES {
        let found = manifest.parts.iter().find(|p| p.name == file && p.kind == Kind::Database);
        let Some(database) = found.and_then(|part| part.database.as_ref()) else {
            return Err(damaged(at, &format!("{file} is not in it")));
        };
        let known = known_schema(file).unwrap_or(0);
        if database.schema > known {
            let what = format!(
                "{file} has schema {}, this program knows up to {known}: restore it with a newer one",
                database.schema
            );
            return Err(BackupError::NotSound { what });
        }
    }
    Ok(())
}
