//! Reads every byte of a set and compares it with what the manifest says.

use super::{
    FoundSet, SetError, SetState,
    manifest::{SetPart, sum},
};
use crate::backup::{OnPhase, Phase};
use std::{fmt, io::ErrorKind};
use tfx_ports::backup::Progress;

/// What a device says that cannot read a sector.
const EIO: i32 = rustix::io::Errno::IO.raw_os_error();

/// A file that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) file: String,
    /// `is missing`.
    why: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.file, self.why)
    }
}

/// What is wrong with a set; nothing if it is as it was written. It blocks: call it where that is allowed.
///
/// # Errors
/// A file cannot be read.
pub fn verify(set: &FoundSet, teller: &OnPhase) -> Result<Vec<String>, SetError> {
    match &set.state {
        SetState::Whole(_) => {}
        SetState::Half(why) | SetState::Left { why, .. } => return Ok(vec![why.clone()]),
    }
    Ok(verify_parts(set, |_| true, teller)?.iter().map(ToString::to_string).collect())
}

/// The same for some of the parts. One that is missing, or that its device cannot read, is damaged; a server that cannot be asked,
/// and rights that are lacking, tell nothing of it.
pub(super) fn verify_parts(
    set: &FoundSet,
    wanted: impl Fn(&SetPart) -> bool,
    teller: &OnPhase,
) -> Result<Vec<Damage>, SetError> {
    let parts = set.whole().map(|manifest| manifest.parts.as_slice()).unwrap_or_default();
    let parts: Vec<&SetPart> = parts.iter().filter(|part| wanted(part)).collect();
    let (mut damaged, mut bytes, of) = (Vec::new(), 0, Some(parts.iter().map(|part| part.bytes).sum()));
    for part in parts {
        let path = set.path.join(&part.file);
        let mut told = |more| {
            bytes += more;
            teller(Phase::Checking, Progress { bytes, documents: 0, of });
        };
        let found = set.files.archive(&part.file).and_then(|archive| sum(&mut *archive.raw(), &mut told));
        let why = match found {
            Ok((sha256, size)) if size == part.bytes && sha256 == part.sha256 => continue,
            Ok(_) => "is not what was written".to_owned(),
            Err(e) if e.kind() == ErrorKind::NotFound => "is missing".to_owned(),
            Err(e) if e.raw_os_error() == Some(EIO) => format!("cannot be read: {e}"),
            Err(e) => return Err(SetError::io(&path)(e)),
        };
        damaged.push(Damage { file: part.file.clone(), why });
    }
    Ok(damaged)
}
