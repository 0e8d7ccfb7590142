//! Which sets there are, and which of them are whole as far as can be told without reading them.

use super::{
    MANIFEST, SetError, SetKind,
    manifest::SetManifest,
    shelf::{Files, Held, Sets},
};
use crate::backup::Archive;
use std::{io, path::PathBuf, sync::Arc};
use tfx_domain::Timestamp;

/// By so many seconds clocks of machines may differ.
const CLOCKS_DIFFER: i64 = 300;

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
    /// Files in it that are none of it: somebody put them there.
    pub strays: Vec<String>,
    /// What it says of itself where that is as it was written, whatever its files are.
    pub(super) said: Option<SetManifest>,
    pub(super) files: Arc<dyn Files>,
}

/// Whether a set is whole.
#[derive(Debug, Clone)]
pub enum SetState {
    /// Its manifest is as it was written, and every file is there with its size.
    Whole(SetManifest),
    /// It is not; why.
    Half(String),
    /// It is none yet, or none any more.
    Left {
        /// Why.
        why: String,
        /// Whether nobody writes it any more, so that it is deleted with old sets.
        goes: bool,
    },
}

impl FoundSet {
    /// What it says of itself, if it is whole.
    pub fn whole(&self) -> Option<&SetManifest> {
        match &self.state {
            SetState::Whole(manifest) => Some(manifest),
            SetState::Half(_) | SetState::Left { .. } => None,
        }
    }

    /// The same set with files of it missing or too short taken for whole: only for who looks at each file himself. None: nothing
    /// tells what was in it.
    pub(super) fn as_it_says(&self) -> Option<Self> {
        let said = self.said.clone()?;
        Some(Self { state: SetState::Whole(said), ..self.clone() })
    }

    /// Whether its moment lies in the future, as the clock is here: nobody can tell how old it is.
    pub fn is_of_the_future(&self, now: Timestamp) -> bool {
        self.whole().is_some_and(|manifest| manifest.moment.as_second() - now.as_second() > CLOCKS_DIFFER)
    }

    /// Its archive of a store that has one file in it.
    ///
    /// # Errors
    /// It has none, or is not whole; the text says so.
    pub fn archive_of(&self, store: &str) -> io::Result<Archive> {
        let missing = |why: String| io::Error::new(io::ErrorKind::NotFound, why);
        let manifest = match &self.state {
            SetState::Whole(manifest) => manifest,
            SetState::Half(why) | SetState::Left { why, .. } => {
                let of = self.said.iter().flat_map(|said| &said.parts).find(|part| part.store == store);
                let of = of.map(|part| self.path.join(&part.file).display().to_string());
                let of = of.map(|file| format!("; its archive of {store} is looked at by itself as {file}"));
                return Err(missing(format!("it is no whole backup: {why}{}", of.unwrap_or_default())));
            }
        };
        let part = manifest.parts.iter().find(|part| part.store == store);
        let part = part.ok_or_else(|| missing(format!("it has nothing of {store}")))?;
        self.files.archive(&part.file)
    }

    fn look(name: String, files: Arc<dyn Files>) -> Self {
        let kind = SetKind::of_name(&name).unwrap_or_else(|| SetKind::of_left_over(&name));
        // One that cannot be read helps nobody: it is told, and does not stand in the way of the others.
        let unreadable = |e| (SetState::Half(format!("it cannot be read: {e}")), Vec::new(), None);
        let (state, strays, said) = state(&*files).unwrap_or_else(unreadable);
        Self { name, path: files.path(), kind, state, strays, said, files }
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

/// How it is, files in it that are none of it, and what it says of itself if that can be believed.
fn state(files: &dyn Files) -> io::Result<(SetState, Vec<String>, Option<SetManifest>)> {
    let half = |why| Ok((SetState::Half(why), Vec::new(), None));
    let held = match files.held()? {
        Held::Files(held) => held,
        Held::None(why) => return half(why),
        Held::Left { why, goes } => return Ok((SetState::Left { why, goes }, Vec::new(), None)),
    };
    if !held.contains_key(MANIFEST) {
        return half("it has no manifest".to_owned());
    }
    let manifest = match SetManifest::read(&mut *files.archive(MANIFEST)?.raw())? {
        Ok(manifest) => manifest,
        Err(why) => return half(why),
    };
    for part in &manifest.parts {
        let why = match held.get(&part.file) {
            Some(Some(bytes)) if *bytes == part.bytes => continue,
            Some(Some(bytes)) => format!("{} has {bytes} bytes, not {}", part.file, part.bytes),
            Some(None) => format!("{} is no file", part.file),
            None => format!("{} is missing", part.file),
        };
        return Ok((SetState::Half(why), Vec::new(), Some(manifest)));
    }
    let known = |name: &str| name == MANIFEST || manifest.parts.iter().any(|part| part.file == name);
    let strays = held.into_keys().filter(|name| !known(name)).collect();
    Ok((SetState::Whole(manifest.clone()), strays, Some(manifest)))
}
