//! The one way in which small files come into the data folder: for nobody else to read from the first byte, and whole or
//! not at all, also when the power goes. What is appended to (journals, databases) is not written here, only begun.

use crate::entropy;
use rustix::fs::OFlags;
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Read as _, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The rights of others and of the group.
const OTHERS: u32 = 0o077;

/// Writes a file, in place of the one before, if there is one: beside, synced, renamed, its folder synced. Durable when
/// this returns.
///
/// # Errors
/// It cannot be written; the one before stays.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path, "new");
    write(private().write(true).create(true).truncate(true), &beside, bytes)?;
    let renamed = fs::rename(&beside, path);
    if renamed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    renamed?;
    sync_folder(path)
}

/// Writes a file that is not there, as [`replace`]; false if somebody else was first, whose file stays.
///
/// # Errors
/// It cannot be written.
pub fn make(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    // A name of its own: somebody else may be making the same file.
    let beside = beside(path, &entropy::secret());
    write(private().write(true).create_new(true), &beside, bytes)?;
    // A link fails where a rename would take the place of the other one's.
    let linked = fs::hard_link(&beside, path);
    let _ = fs::remove_file(&beside);
    let made = match linked {
        Ok(()) => true,
        Err(e) if e.kind() == ErrorKind::AlreadyExists => false,
        Err(e) => return Err(e),
    };
    sync_folder(path)?;
    Ok(made)
}

/// What a plain file holds that somebody else writes. Nothing else is opened for long: a pipe would be waited for until somebody
/// writes into it.
///
/// # Errors
/// It cannot be read, is no plain file, or has more bytes than `most`.
pub fn read_plain(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let not = |why: String| io::Error::new(ErrorKind::InvalidInput, why);
    let plain = |is: bool| if is { Ok(()) } else { Err(not("it is no file".to_owned())) };
    plain(fs::metadata(path)?.is_file())?;
    // It may be another by now.
    let without_waiting = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(without_waiting).open(path)?;
    plain(file.metadata()?.is_file())?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(not(format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

/// Makes an empty file, if it is not there, for others to fill.
///
/// # Errors
/// It cannot be made.
pub fn begin(path: &Path) -> io::Result<()> {
    private().append(true).create(true).open(path).map(|_| ())
}

/// Options of files that nobody else may read.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Takes the rights of others on a file away. True if they had any.
///
/// # Errors
/// It is not this user's.
pub fn tighten(path: &Path) -> io::Result<bool> {
    let found = fs::metadata(path)?.mode() & 0o7777;
    if found & OTHERS == 0 {
        return Ok(false);
    }
    fs::set_permissions(path, Permissions::from_mode(found & !OTHERS))?;
    Ok(true)
}

/// The mode of a file or folder, if others have any right on it.
pub fn open_to_others(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.mode() & 0o7777;
    (mode & OTHERS != 0).then_some(mode)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{end}"));
    path.with_file_name(name)
}

fn write(options: &OpenOptions, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = options.open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

/// Makes it durable that a file is in its folder.
///
/// # Errors
/// The folder cannot be synced.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").mode() & 0o7777
    }

    #[test]
    fn a_file_is_private_and_whole_or_as_it_was() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("file");
        assert!(make(&path, b"one").expect("made"));
        assert!(!make(&path, b"two").expect("there already"));
        assert_eq!((fs::read(&path).expect("read"), mode(&path)), (b"one".to_vec(), 0o600));
        replace(&path, b"three").expect("replaced");
        assert_eq!((fs::read(&path).expect("read"), mode(&path)), (b"three".to_vec(), 0o600));
        replace(&dir.path().join("no/such"), b"x").expect_err("no folder");
        let names: Vec<_> = fs::read_dir(dir.path()).expect("lists").collect();
        assert_eq!(names.len(), 1, "nothing is left beside: {names:?}");
    }

    #[test]
    fn what_is_no_plain_file_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let [plain, pipe] = ["plain", "pipe"].map(|name| dir.path().join(name));
        fs::write(&plain, b"four").expect("written");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
        assert_eq!(read_plain(&plain, 4).expect("read"), b"four");
        let why = |path: &Path, most| read_plain(path, most).expect_err("not read").to_string();
        assert_eq!(why(&plain, 3), "it has more than 3 bytes");
        for path in [pipe.as_path(), dir.path(), Path::new("/dev/zero")] {
            assert_eq!(why(path, 9), "it is no file", "{}", path.display());
        }
    }

    #[test]
    fn the_rights_of_others_are_taken_away() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("file");
        begin(&path).expect("begun");
        assert_eq!(mode(&path), 0o600);
        assert!(!tighten(&path).expect("ours"));
        fs::set_permissions(&path, Permissions::from_mode(0o664)).expect("widened");
        assert_eq!(open_to_others(&path), Some(0o664));
        assert!(tighten(&path).expect("ours"));
        assert_eq!((mode(&path), open_to_others(&path)), (0o600, None));
    }
}
