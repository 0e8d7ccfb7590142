//! What stands in the data folder, and how what was restored takes its place: while files are moved, `restoring` lies in the
//! folder, and nobody opens a folder in which it lies. It holds the name of the folder into which what stood there was moved.

use crate::data_dir::{Belongs, SEALING_KEY, belongs};
use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};
use tfx_ports::{backup::Standing, clock, files};

/// Lies in the folder while files are moved.
const MARK: &str = "restoring";
/// Where what is restored lies until all of it was looked at.
pub(super) const NEW: &str = "restoring.part";

/// What a person is told of a folder in which a restore did not come to its end; none if that is not so.
pub(crate) fn half_restored(folder: &Path) -> Option<String> {
    let mark = folder.join(MARK);
    fs::exists(&mark).is_ok_and(|there| there).then(|| {
        format!(
            "a restore into {} did not come to its end: run it again with --force, as it was",
            folder.display()
        )
    })
}

/// What stands in the folder that a restore would move away, and whether it is in use.
pub(super) fn standing(folder: &Path) -> io::Result<Standing> {
    let mut running = Vec::new();
    if let Ok(lock) = File::open(folder.join("lock")) {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {
                running.push(format!("a tfx up or a daemon holds {}", folder.display()));
            }
            Err(TryLockError::Error(e)) => return Err(e),
            Ok(()) => {}
        }
    }
    Ok(Standing { there: in_the_way(folder)?, running, open: Vec::new() })
}

/// What stands in the folder, but for what a restore leaves alone.
pub(super) fn in_the_way(folder: &Path) -> io::Result<Vec<String>> {
    list(folder, Strangers::Count)
}

/// Whether files that are not the product's count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strangers {
    Count,
    Stay,
}

fn list(folder: &Path, strangers: Strangers) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut there = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // What opens the secrets is in no backup, and may be what opens those of this one.
        let stays = ["lock", NEW, MARK, SEALING_KEY].contains(&name.as_str());
        if stays || name.starts_with(BEFORE) || is_geo(&name) {
            continue;
        }
        if strangers == Strangers::Count || is_of_the_product(&name) {
            there.push(name);
        }
    }
    there.sort();
    Ok(there)
}

/// What the names of folders begin with into which what stood there was moved.
const BEFORE: &str = "before-";

fn is_geo(name: &str) -> bool {
    name == "geo" || name.ends_with(".mmdb")
}

fn is_of_the_product(name: &str) -> bool {
    match belongs(name) {
        Belongs::InBackups | Belongs::Silently => true,
        Belongs::LeftOut(why) => why != crate::data_dir::NOT_OURS,
    }
}

/// Moves what lies in `NEW` into the folder; what is there goes into a folder of its own, whose name is given if anything did.
/// Nobody else may hold the folder.
///
/// # Errors
/// Files cannot be moved. The mark says so to everybody who comes.
pub(super) fn swap(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mark = folder.join(MARK);
    let named = match fs::read_to_string(&mark) {
        // Of a restore that was cut short: what stood there before it goes to the rest of it.
        Ok(text) if text.trim().starts_with(BEFORE) && !text.contains('/') => text.trim().to_owned(),
        Ok(_) => before(folder),
        Err(e) if e.kind() == ErrorKind::NotFound => before(folder),
        Err(e) => return Err(e),
    };
    files::replace(&mark, format!("{named}\n").as_bytes())?;
    let aside = folder.join(&named);
    let there = list(folder, Strangers::Stay)?;
    if !there.is_empty() {
        match fs::create_dir(&aside) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
    }
    for name in there {
        let (from, to) = (folder.join(&name), aside.join(&name));
        if fs::exists(&to)? {
            // What stood there is moved already: this is of the restore that was cut short.
            remove(&from)?;
        } else {
            fs::rename(&from, &to)?;
        }
    }
    // What stood there is durably aside before anything has its name.
    File::open(folder)?.sync_all()?;
    if fs::exists(&aside)? {
        File::open(&aside)?.sync_all()?;
    }
    let new = folder.join(NEW);
    for entry in fs::read_dir(&new)? {
        let entry = entry?;
        fs::rename(entry.path(), folder.join(entry.file_name()))?;
    }
    File::open(folder)?.sync_all()?;
    fs::remove_dir(&new)?;
    fs::remove_file(&mark)?;
    File::open(folder)?.sync_all()?;
    Ok(fs::exists(&aside)?.then_some(aside))
}

fn before(folder: &Path) -> String {
    let now = clock::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let names = std::iter::once(format!("{BEFORE}{now}")).chain((2..).map(|n| format!("{BEFORE}{now}-{n}")));
    let mut free = names.filter(|name| !fs::exists(folder.join(name)).unwrap_or(true));
    free.next().unwrap_or_else(|| format!("{BEFORE}{now}"))
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    let is_folder = fs::symlink_metadata(path)?.is_dir();
    if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}
