//! `tfx backup mongo` and `tfx restore mongo` on the real MongoDB: what is whole and what is refused, and that nothing
//! that was killed is taken for whole.

use crate::{
    mongo::{Database, SAMPLE},
    place::{Place, TFX},
};
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt, process::Stdio, thread, time::Duration};

/// A place with a database that has everything in it.
fn filled() -> (Place, Database) {
    let (mut place, database) = (Place::empty(), Database::new());
    database.at(&mut place);
    database.fill(&place);
    (place, database)
}

/// What there is, by a backup: names, documents and checksums.
fn now(place: &Place) -> Value {
    let taken: Value =
        serde_json::from_str(&place.ok("tfx backup mongo now.archive -o json -q")).expect("JSON");
    fs::remove_file(place.dir().join("now.archive")).expect("the backup");
    taken["parts"].clone()
}

/// Files that a backup leaves behind.
pub(crate) fn files(place: &Place, end: &str) -> Vec<String> {
    let names = fs::read_dir(place.dir()).expect("lists");
    let names = names.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(end)).collect()
}

#[test]
fn a_backup_restores_what_was_there_however_it_is_packed() {
    let (place, database) = filled();
    let before = now(&place);
    assert_eq!(before.as_array().map(Vec::len), Some(12));
    for (flags, name, begins) in [
        ("", "a.archive", &[0x6d, 0xe2][..]),
        ("", "a.archive.gz", &[0x1f, 0x8b]),
        ("--zstd", "a.packed", &[0x28, 0xb5]),
        ("", "a.archive.zst", &[0x28, 0xb5]),
    ] {
        let taken = place.ok(&format!("tfx backup mongo {flags} {name} --output json"));
        let taken: Value = serde_json::from_str(&taken).expect("JSON");
        let file = place.dir().join(name);
        assert!(fs::read(&file).expect("the file").starts_with(begins), "{name}");
        assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
        assert_eq!((&taken["verified"], &taken["parts"]), (&Value::Bool(true), &before));
        assert_eq!(taken["bytes"], fs::metadata(&file).expect("the file").len());
        // Something else is there now.
        let other =
            format!("--ns-include sample.unique --ns-from sample.unique --ns-to {}.large", database.name);
        place.ok(&format!("tfx restore mongo {SAMPLE} --drop --yes {other}"));
        assert_ne!(now(&place), before);
        let planned = place.ok(&format!("tfx restore mongo {name} --dry-run --output csv"));
        assert_eq!(planned.lines().filter(|line| line.ends_with(",true")).count(), 12, "{planned}");
        place.ok(&format!("tfx restore mongo {name} --drop --yes"));
        assert_eq!(now(&place), before, "{name}");
    }
    place.ok("tfx backup mongo --zstd - | tfx restore mongo - --drop --yes");
    assert_eq!(now(&place), before, "through a pipe");
    assert!(files(&place, ".part").is_empty());
    let named = place.ok("tfx backup mongo --gzip -o name");
    assert!(named.starts_with(&database.name) && named.ends_with("Z.archive.gz"), "{named}");
}

#[test]
fn what_cannot_be_is_refused_and_nothing_is_changed() {
    let (mut place, database) = filled();
    place.ok("tfx backup mongo good.archive; tfx backup mongo good.archive.gz");
    let good = fs::read(place.dir().join("good.archive")).expect("the file");
    fs::write(place.dir().join("short.archive"), &good[..good.len() - 1]).expect("written");
    let packed = fs::read(place.dir().join("good.archive.gz")).expect("the file");
    fs::write(place.dir().join("short.gz"), &packed[..packed.len() - 9]).expect("written");
    let mut changed = good.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(place.dir().join("changed.archive"), &changed).expect("written");
    let mut followed = good.clone();
    followed.extend(b"something else");
    fs::write(place.dir().join("followed.archive"), &followed).expect("written");
    place.file("empty", "");
    place.file("text", "once upon a time\n");
    place.ok("mkdir folder; ln -s nowhere link; mkfifo pipe");
    let before = now(&place);
    let nowhere = "MONGO_URI=mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200";
    for (line, code, why) in [
        ("MONGO_URI= tfx backup mongo x", 2, "MONGO_URI is not set"),
        ("MONGO_URI= tfx restore mongo good.archive", 2, "MONGO_URI is not set"),
        (&format!("{nowhere} tfx backup mongo x"), 6, "does not answer"),
        ("tfx backup mongo good.archive", 5, "good.archive is there already"),
        ("tfx backup mongo folder", 2, "folder is a folder"),
        ("tfx backup mongo .", 2, ". is a folder"),
        ("tfx backup mongo no/such/x", 2, "the folder of no/such/x is not there"),
        ("tfx backup mongo good.archive/x", 1, "cannot be written: Not a directory"),
        ("tfx backup mongo /dev/full", 5, "/dev/full is there already"),
        ("tfx backup mongo link", 5, "link is there already"),
        ("tfx backup mongo pipe", 5, "pipe is there already"),
        ("tfx backup mongo /sys/kernel/x", 1, "/sys/kernel/x cannot be written: "),
        ("tfx backup mongo - >/dev/full", 1, "the archive cannot be written: No space left on device"),
        ("tfx backup mongo --gzip - >/dev/full", 1, "the archive cannot be written: No space left on device"),
        ("tfx backup mongo --zstd x.gz", 2, "as if it were compressed otherwise"),
        ("tfx backup mongo --zstd --gzip x", 2, "cannot be used with"),
        (
            "trap '' XFSZ; ulimit -f 64; tfx backup mongo x",
            1,
            "the archive cannot be written: File too large",
        ),
        ("tfx restore mongo nothing", 2, "nothing cannot be read: No such file"),
        ("tfx restore mongo folder --drop --yes", 2, "it is a folder, and an archive is a file"),
        ("tfx restore mongo empty --drop --yes", 1, "at byte 0: it is empty"),
        ("tfx restore mongo - --drop --yes </dev/null", 1, "at byte 0: it is empty"),
        (
            "tfx restore mongo text --drop --yes",
            1,
            "it does not begin as an archive of mongodump or tfx does",
        ),
        (
            "tfx restore mongo short.archive --drop --yes",
            1,
            "it ends in the middle of the end of a namespace",
        ),
        ("tfx restore mongo short.gz --drop --yes", 1, "the archive is damaged or none, at byte "),
        ("tfx restore mongo changed.archive --drop --yes", 1, "are not those that were written"),
        ("tfx restore mongo followed.archive --drop --yes", 1, "the header of a block is said to have"),
        ("tfx restore mongo good.archive --drop", 2, "give --yes"),
        (
            "tfx restore mongo good.archive --yes --ns-include 'other.*'",
            2,
            "names nothing of the archive; it holds",
        ),
        ("tfx restore mongo good.archive --yes --ns-include unique", 2, "has the form DATABASE.COLLECTION"),
        ("tfx restore mongo good.archive --yes --ns-from 'a.*'", 2, "goes with --ns-from"),
    ] {
        let done = place.sh(line);
        assert_eq!((done.code, done.stdout.as_str()), (Some(code), ""), "{line}: {}", done.stderr);
        assert!(done.stderr.contains(why), "{line}: {}", done.stderr);
    }
    assert_eq!(now(&place), before);
    assert!(files(&place, ".part").is_empty() && files(&place, "x").is_empty());
    // Also where what is there would be dropped first: refusals change nothing.
    place.set("MONGO_DATABASE", &database.name);
    let twice = place.sh("tfx restore mongo good.archive -o json");
    let said: Value = serde_json::from_str(twice.stderr.lines().last().unwrap_or_default()).expect("JSON");
    assert_eq!((twice.code, &said["error"]["kind"]), (Some(1), &Value::from("failed")));
    assert!(
        twice.stderr.contains("--drop drops them first") && twice.stderr.contains("E11000"),
        "{}",
        twice.stderr
    );
}

#[test]
fn of_two_backups_into_one_place_one_is_there() {
    let (place, _database) = filled();
    let codes = place
        .ok("for n in 1 2 3; do (tfx backup mongo one.archive -q >/dev/null 2>&1; echo $?) & done; wait");
    let mut codes: Vec<&str> = codes.lines().collect();
    codes.sort_unstable();
    assert_eq!(codes, ["0", "5", "5"]);
    place.ok("tfx restore mongo one.archive --dry-run");
    assert!(files(&place, ".part").is_empty());
}

#[test]
fn services_that_run_are_not_restored_under() {
    let database = Database::new();
    let settings = [("MONGO_URI", database.uri.as_str()), ("MONGO_DATABASE", database.name.as_str())];
    let mut place = Place::running_with(&settings);
    database.at(&mut place);
    place.ok("tfx source create --name Before");
    place.ok("tfx backup mongo before.archive");
    place.ok("tfx source create --name After");
    let refused = place.sh("tfx restore mongo before.archive --drop --yes");
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("services run on it: ") && refused.stderr.contains("--force"),
        "{}",
        refused.stderr
    );
    assert_eq!(place.ok("tfx source list -o name"), "before\nafter");
    place.ok("tfx restore mongo before.archive --drop --yes --force");
}

/// Starts a line and kills it after so many milliseconds, if it goes on for so long.
pub(crate) fn killed(place: &Place, args: &[&str], after: u64) {
    let mut command = place.command(TFX);
    let mut child = command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tfx");
    thread::sleep(Duration::from_millis(after));
    let _ = child.kill();
    child.wait().expect("its end");
}

#[test]
fn what_was_killed_is_never_taken_for_whole() {
    let (place, _database) = filled();
    let before = now(&place);
    place.ok("tfx backup mongo whole.archive");
    let (mut kept, mut half, mut whole) = (0, 0, 0);
    for round in 0..30 {
        let after = 20 + round * 23 % 400;
        killed(&place, &["backup", "mongo", "killed.archive"], after);
        if place.dir().join("killed.archive").exists() {
            kept += 1;
            place.ok("tfx restore mongo killed.archive --dry-run");
            fs::remove_file(place.dir().join("killed.archive")).expect("the backup");
        }
    }
    for round in 0..30 {
        killed(&place, &["restore", "mongo", "whole.archive", "--drop", "--yes"], 20 + round * 37 % 700);
        let seen = place.sh("tfx backup mongo seen.archive -o json -q");
        match seen.code {
            Some(0) => {
                whole += 1;
                let taken: Value = serde_json::from_str(&seen.stdout).expect("JSON");
                assert_eq!(taken["parts"], before, "round {round}");
                fs::remove_file(place.dir().join("seen.archive")).expect("the backup");
            }
            Some(5) => {
                half += 1;
                assert!(seen.stderr.contains("run it again with --drop"), "{}", seen.stderr);
            }
            code => panic!("{code:?}: {}", seen.stderr),
        }
    }
    println!(
        "30 backups killed: {kept} were whole; 30 restores killed: {whole} whole, {half} seen to be half"
    );
    place.ok("tfx restore mongo whole.archive --drop --yes");
    assert_eq!(now(&place), before);
}
