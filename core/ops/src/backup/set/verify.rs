//! Reads every byte of a set and compares it with what the manifest says.

use super::{
    FoundSet, SetError, SetState,
    manifest::{SetPart, sum},
};
use crate::backup::{OnPhase, Phase};
use std::fmt;
use tfx_ports::backup::Progress;

/// A file that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) file: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not what was written", self.file)
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

/// The same for some of the parts of a whole one.
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
        let (sha256, size) = found.map_err(SetError::io(&path))?;
        if size != part.bytes || sha256 != part.sha256 {
            damaged.push(Damage { file: part.file.clone() });
        }
    }
    Ok(damaged)
}
