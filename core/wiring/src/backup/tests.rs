//! What is whole and what is not, to the bit; and how what is restored takes its place.

use super::{
    folder_backup, half_restored,
    manifest::{Database, FORMAT, Kind, MANIFEST, Manifest, Part, SEAL, digits, seal},
    sealed,
    swap::NEW,
    tape::{TapeWriter, is_name},
};
use crate::{DataDir, FolderLock};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
};
use tfx_embedded::Embedded;
use tfx_ports::backup::{ArchiveSink, BackupError, Contents, Restoring};

/// An archive with few bytes of content: nothing but its form is looked at.
fn small() -> Vec<u8> {
    written(
        &[("config.db", b"some".as_slice()), ("events.db", b""), ("journal/traffic/cursor", b"12")],
        |_| {},
    )
}

fn written(files: &[(&str, &[u8])], change: impl FnOnce(&mut Manifest)) -> Vec<u8> {
    let moment = "2026-11-29T14:00:00Z".parse().expect("a time");
    let mut tape = TapeWriter::new(Vec::new(), 1_795_960_800);
    let mut parts = Vec::new();
    for (name, mut bytes) in files.iter().copied() {
        let sha256 = digits(&Sha256::digest(bytes));
        let (size, is_database) = (bytes.len() as u64, name.ends_with(".db"));
        tape.file(name, size, &mut bytes, &mut |_| true).expect("written");
        let database = is_database.then(|| Database { schema: 1, indexes: 0, rows: BTreeMap::new() });
        let kind = if is_database { Kind::Database } else { Kind::Journal };
        parts.push(Part { name: name.to_owned(), kind, bytes: size, sha256, database });
    }
    let mut manifest = Manifest {
        format: FORMAT,
        made_by: "tfx test".to_owned(),
        sqlite: "3".to_owned(),
        moment,
        parts,
        left_out: vec!["geo: not ours".to_owned()],
    };
    change(&mut manifest);
    let text = manifest.text().expect("JSON");
    let seal = seal(&text);
    for (name, text) in [(MANIFEST, &text[..]), (SEAL, seal.as_bytes())] {
        tape.file(name, text.len() as u64, &mut &*text, &mut |_| true).expect("written");
    }
    tape.end().expect("ended")
}

fn check(mut bytes: &[u8]) -> Result<Manifest, BackupError> {
    sealed::check(&mut bytes, &|_| true)
}

#[test]
fn every_cut_and_every_flipped_bit_is_refused() {
    let whole = small();
    check(&whole).expect("whole");
    for end in 0..whole.len() {
        assert!(check(&whole[..end]).is_err(), "cut at {end}");
    }
    let mut bytes = whole.clone();
    for at in 0..whole.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let found = check(&bytes);
            assert!(matches!(found, Err(BackupError::Damaged { .. })), "bit {bit} of byte {at}: {found:?}");
            bytes[at] ^= 1 << bit;
        }
    }
    let followed = [&whole[..], b"x"].concat();
    assert!(check(&followed).is_err());
}

#[test]
fn what_does_not_belong_together_is_refused_and_named() {
    let db = |name| (name, b"x".as_slice());
    let both = [db("config.db"), db("events.db")];
    let newer = |m: &mut Manifest| m.format = FORMAT + 1;
    let of_newer = |m: &mut Manifest| m.parts[0].database.as_mut().expect("a database").schema = 999;
    let none: fn(&mut Manifest) = |_| {};
    for (bytes, why) in [
        (written(&both[..1], none), "events.db is not in it"),
        (written(&[both[0], both[1], both[1]], none), "a file is in it twice"),
        (written(&both, |m| m.parts.truncate(1)), "not as many files as its manifest says"),
        (written(&both, |m| m.parts.swap(0, 1)), "is not what the manifest says of"),
        (written(&both, newer), "newer than this program reads"),
        (written(&both, of_newer), "config.db has schema 999"),
        (Vec::new(), "it is empty"),
        (b"once upon a time".repeat(99), "is it a backup of tfx?"),
    ] {
        let said = check(&bytes).expect_err(why).to_string();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn no_name_leads_out_of_the_folder() {
    for (name, good) in [
        ("config.db", true),
        ("journal/traffic/cursor", true),
        ("", false),
        ("/etc/passwd", false),
        ("../x", false),
        ("a/../x", false),
        ("a//x", false),
        (".hidden", false),
        ("a b", false),
        ("é", false),
    ] {
        assert_eq!(is_name(name), good, "{name}");
    }
}

/// Keeps an archive in memory.
#[derive(Clone, Default)]
struct MemoryFile(Arc<Mutex<Vec<u8>>>);

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("sound").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ArchiveSink for MemoryFile {
    fn end(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

async fn taken(folder: &Path, scratch: &Path) -> (Vec<u8>, Contents) {
    let kept = MemoryFile::default();
    let contents =
        folder_backup(folder, scratch).write(Box::new(kept.clone()), &|_| {}).await.expect("taken");
    let bytes = kept.0.lock().expect("sound").clone();
    (bytes, contents)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("lists");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

async fn restore(folder: &Path, bytes: &[u8], force: bool) -> Result<(), BackupError> {
    let how = Restoring { drop: force, ..Restoring::default() };
    let from = Box::new(io::Cursor::new(bytes.to_vec()));
    let done = folder_backup(folder, folder).restore(from, &how, &|_| {}).await;
    done.map(|_| ()).map_err(|failed| failed.error)
}

#[tokio::test]
async fn what_is_restored_takes_the_place_of_nothing_unless_told_so_and_deletes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    let open = Embedded::open(&old).expect("open");
    fs::write(old.join("admin.token"), "a secret of one line\n").expect("written");
    fs::write(old.join("GeoLite2.mmdb"), "a list").expect("written");
    let (bytes, contents) = taken(&old, dir.path()).await;
    drop(open);
    assert!(contents.left_out.iter().any(|told| told.starts_with("GeoLite2.mmdb: ")), "{contents:?}");
    assert_eq!(names(dir.path()), ["old"], "no copy is left");

    restore(&new, &bytes, false).await.expect("restored");
    assert_eq!(names(&new), ["admin.token", "config.db", "events.db", "lock"]);
    drop(Embedded::open(&new).expect("opens"));
    let refused = restore(&new, &bytes, false).await.expect_err("not empty").to_string();
    assert!(refused.contains("is not empty: admin.token, config.db"), "{refused}");

    let held = DataDir::open(&new, FolderLock::Shared).expect("held");
    let refused = restore(&new, &bytes, true).await.expect_err("in use");
    assert!(matches!(refused, BackupError::InUse { .. }), "also when told so: {refused}");
    drop(held);

    fs::write(new.join("GeoLite2.mmdb"), "a list").expect("written");
    fs::write(new.join("admin.token"), "another secret line\n").expect("written");
    restore(&new, &bytes, true).await.expect("told so");
    let there = names(&new);
    assert!(there.contains(&"GeoLite2.mmdb".to_owned()), "what is not ours stays: {there:?}");
    let aside = there.iter().find(|name| name.starts_with("before-")).expect("what was there");
    assert_eq!(fs::read(new.join(aside).join("admin.token")).expect("kept"), b"another secret line\n");
    assert_eq!(fs::read(new.join("admin.token")).expect("restored"), b"a secret of one line\n");
}

#[tokio::test]
async fn half_of_a_restore_is_used_by_nobody_and_mended_by_another() {
    let dir = tempfile::tempdir().expect("a folder");
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    drop(Embedded::open(&old).expect("open"));
    fs::write(old.join("admin.token"), "a secret of one line\n").expect("written");
    let (bytes, _) = taken(&old, dir.path()).await;
    drop(Embedded::open(&new).expect("open"));
    fs::write(new.join("admin.token"), "what stood there before\n").expect("written");
    // As a kill between two renames leaves it.
    fs::create_dir_all(new.join("before-1")).expect("made");
    fs::create_dir_all(new.join(NEW)).expect("made");
    fs::rename(new.join("config.db"), new.join("before-1/config.db")).expect("moved");
    fs::rename(new.join("admin.token"), new.join("before-1/admin.token")).expect("moved");
    fs::copy(old.join("config.db"), new.join("config.db")).expect("copied");
    fs::write(new.join("restoring"), "before-1\n").expect("marked");
    assert!(half_restored(&new).is_some());
    let refused = DataDir::open(&new, FolderLock::Exclusive).expect_err("half").to_string();
    assert!(refused.contains("run it again with --force"), "{refused}");
    let sink = Box::new(MemoryFile::default());
    let refused = folder_backup(&new, dir.path()).write(sink, &|_| {}).await.expect_err("half");
    assert!(matches!(refused, BackupError::HalfRestored { .. }), "{refused}");

    restore(&new, &bytes, true).await.expect("again");
    assert_eq!(names(&new), ["admin.token", "before-1", "config.db", "events.db", "lock"]);
    assert_eq!(fs::read(new.join("before-1/admin.token")).expect("kept"), b"what stood there before\n");
    assert_eq!(fs::read(new.join("admin.token")).expect("restored"), b"a secret of one line\n");
    DataDir::open(&new, FolderLock::Exclusive).expect("whole");
}
