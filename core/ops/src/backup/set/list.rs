//! Which sets a folder has, and which of them are whole as far as can be told without reading them.

use super::{MANIFEST, SetError, SetKind, is_left_over, manifest::SetManifest};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// A set, or what is left of one.
#[derive(Debug, Clone)]
pub struct FoundSet {
    /// The name of its folder.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Of which stores it is.
    pub kind: SetKind,
    /// Whether it is whole.
    pub state: SetState,
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
}

/// Every set in the folder, and what is left of some, the oldest first. What is not of this product is passed over.
///
/// # Errors
/// The folder cannot be read.
pub fn list(dir: &Path) -> Result<Vec<FoundSet>, SetError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(SetError::io(dir))? {
        let entry = entry.map_err(SetError::io(dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if SetKind::of_name(&name).is_some() {
            found.push(one(&entry.path()).map_err(SetError::io(&entry.path()))?);
        } else if is_left_over(&name) {
            let why = "being made or deleted, or left of a run that was killed".to_owned();
            let kind = SetKind::of_left_over(&name);
            found.push(FoundSet { name, path: entry.path(), kind, state: SetState::Half(why) });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// How a set is.
///
/// # Errors
/// It cannot be read.
pub fn one(path: &Path) -> io::Result<FoundSet> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let state = match state(path) {
        Ok(state) => state,
        // One that cannot be read helps nobody: it is told, and does not stand in the way of the others.
        Err(e) => SetState::Half(format!("it cannot be read: {e}")),
    };
    let kind = SetKind::of_name(&name).unwrap_or_default();
    Ok(FoundSet { name, path: path.to_owned(), kind, state })
}

fn state(path: &Path) -> io::Result<SetState> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return Ok(SetState::Half("it is no folder".to_owned()));
    }
    let manifest = match SetManifest::read(&path.join(MANIFEST)) {
        Ok(Ok(manifest)) => manifest,
        Ok(Err(why)) => return Ok(SetState::Half(why)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Ok(SetState::Half("it has no manifest".to_owned()));
        }
        Err(e) => return Err(e),
    };
    for part in &manifest.parts {
        match fs::symlink_metadata(path.join(&part.file)) {
            Ok(found) if found.is_file() && found.len() == part.bytes => {}
            Ok(found) if found.is_file() => {
                let (has, said) = (found.len(), part.bytes);
                return Ok(SetState::Half(format!("{} has {has} bytes, not {said}", part.file)));
            }
            Ok(_) => return Ok(SetState::Half(format!("{} is no file", part.file))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Ok(SetState::Half(format!("{} is missing", part.file)));
            }
            Err(e) => return Err(e),
        }
    }
    let known: BTreeSet<&str> = manifest.parts.iter().map(|p| p.file.as_str()).chain([MANIFEST]).collect();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !known.contains(name.as_str()) {
            return Ok(SetState::Half(format!("{name} is in it and not in its manifest")));
        }
    }
    Ok(SetState::Whole(manifest))
}
