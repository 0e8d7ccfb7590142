//! The files of a folder of configuration: which of them hold entities, of which kind, and which are others'.

use super::vars;
use crate::exit::Failure;
use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};
use tfx_api::sets::ConfigSet;
use tfx_domain::entity::Kind;
use tfx_ops::files;

/// The first line of a file that `tfx export` wrote. It takes such files away when their entity is gone, and no others.
pub(crate) const HEADER: &str = "# Written by tfx export.";
/// More names are surely not a configuration.
const MOST_FILES: usize = 100_000;
/// Of one file.
const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// Of all of them.
const MOST_TOGETHER: u64 = 256 * 1024 * 1024;

/// What there is in a folder. Paths are from there.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// Files of entities, by their path.
    pub(super) files: Vec<(PathBuf, Kind)>,
    /// Whether there is a file that declares variables.
    pub(super) declares: bool,
    /// Other files.
    pub(super) others: Vec<PathBuf>,
}

/// Looks at the names in a folder. What begins with a dot is not looked at.
///
/// # Errors
/// It is not there, or holds too much.
pub(super) fn list(dir: &Path) -> Result<Folder, Failure> {
    list_up_to(dir, MOST_FILES)
}

fn list_up_to(dir: &Path, most: usize) -> Result<Folder, Failure> {
    let mut found = Folder::default();
    let mut left = vec![PathBuf::new()];
    let mut seen = 0_usize;
    while let Some(below) = left.pop() {
        let path = if below.as_os_str().is_empty() { dir.to_owned() } else { dir.join(&below) };
        for entry in fs::read_dir(&path).map_err(|e| unreadable(&path, &e))? {
            let entry = entry.map_err(|e| unreadable(&path, &e))?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            seen += 1;
            if seen > most {
                return Err(Failure::usage(format!("{} has more than {most} files", dir.display()))
                    .hint("is it the folder of a configuration? -f names one"));
            }
            let at = below.join(name);
            if entry.file_type().map_err(|e| unreadable(&path, &e))?.is_dir() {
                left.push(at);
            } else {
                found.sort(at);
            }
        }
    }
    found.files.sort();
    found.others.sort();
    Ok(found)
}

impl Folder {
    fn sort(&mut self, at: PathBuf) {
        let is_yaml = at.extension().is_some_and(|e| e == "yaml" || e == "yml");
        let first = at.components().next().map(|c| c.as_os_str().to_owned());
        let inside = at.components().count() > 1;
        let kind = ConfigSet::SECTIONS.into_iter().find(|k| first.as_deref() == Some(OsStr::new(k.plural())));
        match kind.filter(|_| is_yaml && inside && at.to_str().is_some()) {
            Some(kind) => self.files.push((at, kind)),
            None if at == Path::new(vars::FILE) => self.declares = true,
            None => self.others.push(at),
        }
    }
}

/// Whether a folder holds a configuration, or nothing.
///
/// # Errors
/// It cannot be read.
pub(crate) fn is_export(dir: &Path) -> Result<bool, Failure> {
    let found = match list(dir) {
        Ok(found) => found,
        Err(_) if !dir.exists() => return Ok(true),
        Err(failure) => return Err(failure),
    };
    let is_ours = |(path, _): &(PathBuf, Kind)| is_written_here(&dir.join(path));
    Ok(found.declares || found.files.iter().any(is_ours) || found.files.is_empty() && found.others.is_empty())
}

/// The files of entities in a folder, if there is one.
///
/// # Errors
/// It cannot be read.
pub(crate) fn entities(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    Ok(list(dir)?.files.into_iter().map(|(path, _)| path).collect())
}

/// Whether `tfx export` wrote a file.
pub(crate) fn is_written_here(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.starts_with(HEADER.as_bytes()))
}

/// The texts of files, which are looked at one after the other.
#[derive(Default)]
pub(super) struct Texts {
    together: u64,
}

impl Texts {
    /// The text of a file, or what is wrong with it: the place in it, and why.
    ///
    /// # Errors
    /// All files together are too large.
    pub(super) fn read(
        &mut self,
        path: &Path,
    ) -> Result<Result<String, (super::yaml::Mark, String)>, Failure> {
        let begin = super::yaml::Mark::BEGIN;
        let bytes = match files::read_plain(path, MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(e) => return Ok(Err((begin, format!("cannot be read: {e}")))),
        };
        self.together += bytes.len() as u64;
        if self.together > MOST_TOGETHER {
            return Err(Failure::usage(format!("the files have more than {MOST_TOGETHER} bytes together")));
        }
        Ok(String::from_utf8(bytes).map_err(|e| {
            let (before, bytes) = (e.utf8_error().valid_up_to(), e.as_bytes());
            let line = bytes[..before].iter().filter(|b| **b == b'\n').count() + 1;
            let start = bytes[..before].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let column = String::from_utf8_lossy(&bytes[start..before]).chars().count() + 1;
            (super::yaml::Mark { line, column }, "is not UTF-8".to_owned())
        }))
    }
}

fn unreadable(path: &Path, e: &io::Error) -> Failure {
    Failure::usage(format!("{} cannot be read: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_in_folders_by_their_kind() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in [
            "traffoflex.yaml",
            "README.md",
            "all.yaml",
            ".git/config.yaml",
            "campaigns/summer.yaml",
            "campaigns/eu/winter.yml",
            "campaigns/.summer.yaml.swp",
            "campaigns/note.txt",
            "streams/de.yaml",
            "networks/adnet.yaml",
        ] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, "slug: x\n").expect("a file");
        }
        let found = list(dir.path()).expect("a list");
        let names = |paths: Vec<&Path>| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
        assert_eq!(
            names(found.files.iter().map(|(p, _)| p.as_path()).collect()),
            ["campaigns/eu/winter.yml", "campaigns/summer.yaml", "networks/adnet.yaml"]
        );
        assert_eq!(
            names(found.others.iter().map(PathBuf::as_path).collect()),
            ["README.md", "all.yaml", "campaigns/note.txt", "streams/de.yaml"]
        );
        assert!(found.declares);
    }

    #[test]
    fn too_many_files_are_refused_by_their_names() {
        let dir = tempfile::tempdir().expect("a folder");
        for i in 0..12 {
            fs::write(dir.path().join(format!("{i}.txt")), "").expect("a file");
        }
        assert!(list_up_to(dir.path(), 12).is_ok());
        let why = list_up_to(dir.path(), 11).expect_err("too many");
        assert!(why.message.contains("more than 11 files"), "{}", why.message);
    }

    #[test]
    fn a_folder_of_others_is_no_export() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(is_export(dir.path()).expect("looked"));
        assert!(is_export(&dir.path().join("new")).expect("looked"));
        fs::write(dir.path().join("README.md"), "").expect("a file");
        assert!(!is_export(dir.path()).expect("looked"));
        fs::create_dir(dir.path().join("campaigns")).expect("a folder");
        fs::write(dir.path().join("campaigns/a.yaml"), format!("{HEADER}\nslug: a\n")).expect("a file");
        assert!(is_export(dir.path()).expect("looked"));
    }
}
