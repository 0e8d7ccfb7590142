//! Which sets there are, and which of them are whole as far as can be told without reading them.

use super::{
    MANIFEST, SetError, SetKind, is_left_over,
    manifest::SetManifest,
    shelf::{Files, Held, Sets},
};
use std::{io, path::PathBuf, sync::Arc};

/// A set, or what is left of one.
#[derive(Debug, Clone)]
pub struct FoundSet {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Of which stores it is.
    pub kind: SetKind,
    /// Whether it is whole.
    pub state: SetState,
    pub(super) files: Arc<dyn Files>,
}

/// Whether a set is whole.
#[derive(Debug, Clone)]
pub enum SetState {
    /// Its manifest is as it was written, and every file is there with its size.
    Whole(SetManifest),
    /// It is not; why.
    Half(String),
}

impl FoundSet {
    /// What it says of itself, if it is whole.
    pub fn whole(&self) -> Option<&SetManifest> {
        match &self.state {
            SetState::Whole(manifest) => Some(manifest),
            SetState::Half(_) => None,
        }
    }

    fn look(name: String, files: Arc<dyn Files>) -> Self {
        let (kind, state) = match SetKind::of_name(&name) {
            None if is_left_over(&name) => {
                let why = "being made or deleted, or left of a run that was killed".to_owned();
                (SetKind::of_left_over(&name), SetState::Half(why))
            }
            kind => (
                kind.unwrap_or_default(),
                // One that cannot be read helps nobody: it is told, and does not stand in the way of the others.
                state(&*files).unwrap_or_else(|e| SetState::Half(format!("it cannot be read: {e}"))),
            ),
        };
        Self { name, path: files.path(), kind, state, files }
    }
}

/// Every set of the place, and what is left of some, the oldest first. What is not of this product is passed over. It blocks.
///
/// # Errors
/// The place cannot be read.
pub fn list(sets: &Sets) -> Result<Vec<FoundSet>, SetError> {
    let mut found: Vec<FoundSet> =
        sets.shelf().entries()?.into_iter().map(|(name, files)| FoundSet::look(name, files)).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// How the set of this name is. It blocks.
///
/// # Errors
/// It cannot be read.
pub fn one(sets: &Sets, name: &str) -> io::Result<FoundSet> {
    Ok(FoundSet::look(name.to_owned(), sets.shelf().entry(name)?))
}

fn state(files: &dyn Files) -> io::Result<SetState> {
    let held = match files.held()? {
        Held::Files(held) => held,
        Held::None(why) => return Ok(SetState::Half(why)),
    };
    if !held.contains_key(MANIFEST) {
        return Ok(SetState::Half("it has no manifest".to_owned()));
    }
    let manifest = match SetManifest::read(&mut *files.archive(MANIFEST)?.raw())? {
        Ok(manifest) => manifest,
        Err(why) => return Ok(SetState::Half(why)),
    };
    for part in &manifest.parts {
        let why = match held.get(&part.file) {
            Some(Some(bytes)) if *bytes == part.bytes => continue,
            Some(Some(bytes)) => format!("{} has {bytes} bytes, not {}", part.file, part.bytes),
            Some(None) => format!("{} is no file", part.file),
            None => format!("{} is missing", part.file),
        };
        return Ok(SetState::Half(why));
    }
    let known = |name: &str| name == MANIFEST || manifest.parts.iter().any(|part| part.file == name);
    Ok(match held.keys().find(|name| !known(name)) {
        Some(name) => SetState::Half(format!("{name} is in it and not in its manifest")),
        None => SetState::Whole(manifest),
    })
}
