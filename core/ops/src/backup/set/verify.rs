//! Reads every byte of a set and compares it with what the manifest says.

use super::{
    FoundSet, SetError,
    manifest::{SetPart, sum},
};
use crate::backup::{OnPhase, Phase};
use tfx_ports::backup::Progress;

/// What is wrong with a set; nothing if it is as it was written. It blocks: call it where that is allowed.
///
/// # Errors
/// A file cannot be read.
pub fn verify(set: &FoundSet, teller: &OnPhase) -> Result<Vec<String>, SetError> {
    verify_parts(set, |_| true, teller)
}

/// The same for some of its parts.
pub(super) fn verify_parts(
    set: &FoundSet,
    wanted: impl Fn(&SetPart) -> bool,
    teller: &OnPhase,
) -> Result<Vec<String>, SetError> {
    let manifest = match &set.state {
        super::SetState::Whole(manifest) => manifest,
        super::SetState::Half(why) => return Ok(vec![why.clone()]),
    };
    let parts: Vec<&SetPart> = manifest.parts.iter().filter(|part| wanted(part)).collect();
    let (mut problems, mut bytes, of) = (Vec::new(), 0, Some(parts.iter().map(|part| part.bytes).sum()));
    for part in parts {
        let path = set.path.join(&part.file);
        let mut told = |more| {
            bytes += more;
            teller(Phase::Checking, Progress { bytes, documents: 0, of });
        };
        let found = set.files.archive(&part.file).and_then(|archive| sum(&mut *archive.raw(), &mut told));
        let (sha256, size) = found.map_err(SetError::io(&path))?;
        if size != part.bytes || sha256 != part.sha256 {
            problems.push(format!("{} is not what was written", part.file));
        }
    }
    Ok(problems)
}
