//! Writes an archive of the data folder as it is at one moment.

use super::{
    ProgressGate, TOLD_EVERY,
    folder::{Companion, companions, left_out},
    given_up,
    manifest::{Database, FORMAT, Kind, MANIFEST, Manifest, Part, SEAL, digits, seal},
    swap::half_restored,
    tape::{TapeWriter, is_name},
};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io,
    path::Path,
};
use tfx_embedded::backup::{CopyError, Moment, Tables, look};
use tfx_ports::{
    backup::{ArchiveSink, BackupError, Contents, Progress},
    clock,
};

/// What the names of folders begin with in which copies lie until they are in the archive.
const SCRATCH: &str = ".tfx-copies-";

pub(super) fn write(
    folder: &Path,
    scratch: &Path,
    to: Box<dyn ArchiveSink>,
    tell: ProgressGate<'_>,
) -> Result<Contents, BackupError> {
    if let Some(what) = half_restored(folder) {
        return Err(BackupError::HalfRestored { what });
    }
    let copies = tempfile::Builder::new().prefix(SCRATCH).suffix(".part").tempdir_in(scratch);
    let copies = copies.map_err(|e| BackupError::Write(about(scratch, &e)))?;
    // As long as this lives somebody writes there; what nobody has locked was left by a run that was killed.
    let _lock = File::open(copies.path()).ok().filter(|folder| folder.try_lock().is_ok());
    let at_it = || -> Result<_, Stopped> {
        let now = clock::now();
        Ok((now, companions(folder).map_err(|e| Stopped(BackupError::Read(e)))?))
    };
    let (moment, (now, companions)) = Moment::take(folder, at_it).map_err(|Stopped(e)| e)?;
    tracing::debug!(
        held_us = moment.held.as_micros(),
        "both databases were locked for the moment of a backup"
    );
    let left_out = left_out(folder).map_err(|e| BackupError::Read(about(folder, &e)))?;
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let mut writing = Writing { tape: TapeWriter::new(to, seconds), parts: Vec::new(), done: 0, tell };

    let sizes = moment.snapshots.iter().map(|s| fs::metadata(folder.join(s.file)).map_or(0, |m| m.len()));
    let of = sizes.sum::<u64>() + companions.iter().map(|c| c.bytes).sum::<u64>();
    for snapshot in moment.snapshots {
        let path = copies.path().join(snapshot.file);
        let before = writing.done;
        let progress = |done, _| tell(Progress { bytes: before + done / 2, documents: 0, of: Some(of) });
        let bytes = snapshot.copy(&path, &progress).map_err(sick)?;
        let name = snapshot.file;
        // From here on nobody keeps the file's old pages for us.
        drop(snapshot);
        let Tables { rows, indexes, schema } = look(&path, name).map_err(sick)?;
        let file = File::open(&path).map_err(BackupError::Read)?;
        let copy = Companion { name: name.to_owned(), kind: Kind::Database, bytes, from: Box::new(file) };
        writing.file(copy, Some(Database { schema, indexes, rows }), of)?;
        fs::remove_file(&path).map_err(BackupError::Write)?;
    }
    for companion in companions {
        writing.file(companion, None, of)?;
    }
    let manifest = Manifest {
        format: FORMAT,
        made_by: format!("tfx {}", env!("CARGO_PKG_VERSION")),
        sqlite: tfx_embedded::backup::version().to_owned(),
        moment: now,
        parts: writing.parts,
        left_out,
    };
    let text = manifest.text().map_err(|e| BackupError::Write(io::Error::other(e)))?;
    let seal = seal(&text);
    let mut tape = writing.tape;
    tape.file(MANIFEST, text.len() as u64, &mut &text[..], &mut |_| true)?;
    tape.file(SEAL, seal.len() as u64, &mut seal.as_bytes(), &mut |_| true)?;
    tape.end()?.end().map_err(BackupError::Write)?;
    Ok(manifest.contents())
}

/// What is written so far.
struct Writing<'t> {
    tape: TapeWriter<Box<dyn ArchiveSink>>,
    parts: Vec<Part>,
    done: u64,
    tell: ProgressGate<'t>,
}

impl Writing<'_> {
    fn file(&mut self, from: Companion, database: Option<Database>, of: u64) -> Result<(), BackupError> {
        let Companion { name, kind, bytes, mut from } = from;
        if !is_name(&name) {
            let what =
                format!("{name} is no name that an archive can have: who put it into the data folder?");
            return Err(BackupError::NotSound { what });
        }
        let (mut sum, mut done, mut last) = (Sha256::new(), self.done, self.done);
        let (tell, mut waits) = (self.tell, true);
        self.tape.file(&name, bytes, &mut *from, &mut |some| {
            sum.update(some);
            done += some.len() as u64;
            if done - last >= TOLD_EVERY {
                last = done;
                waits = tell(Progress { bytes: done, documents: 0, of: Some(of) });
            }
            waits
        })?;
        self.done = done;
        self.parts.push(Part { name, kind, bytes, sha256: digits(&sum.finalize()), database });
        Ok(())
    }
}

/// What ends the taking of a moment.
struct Stopped(BackupError);

impl From<CopyError> for Stopped {
    fn from(e: CopyError) -> Self {
        Self(sick(e))
    }
}

pub(super) fn sick(e: CopyError) -> BackupError {
    match e {
        CopyError::GivenUp => given_up(),
        CopyError::Io { path, error } => BackupError::Write(about(&path, &error)),
        e => BackupError::NotSound { what: e.to_string() },
    }
}

pub(super) fn about(path: &Path, e: &io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("{}: {e}", path.display()))
}
