//! Sets of backups: made, listed, verified, pruned, and how old the newest is; and that nothing that was killed looks whole.

use crate::{
    backups::{files, killed},
    place::Place,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A place whose stores are there, without services.
fn stored() -> Place {
    let place = Place::empty();
    let up = Place::running();
    up.ok("tfx source create --name Before; tfx backup embedded whole -q");
    let from = up.dir().join("whole").display().to_string();
    place.ok(&format!("tfx restore embedded {from}; mkdir sets"));
    place
}

/// Makes a set and says where it is.
fn make(place: &Place) -> PathBuf {
    // Two within a second would have one name: the second one is refused, and tried again.
    place.until("tfx backup all sets -q -o name >made && grep -c sets made", "1");
    place.dir().join(place.ok("cat made"))
}

#[test]
fn sets_are_made_listed_verified_and_told_when_they_are_not_whole() {
    let place = stored();
    let missing = place.sh("tfx check backup-age sets");
    assert_eq!(missing.code, Some(2));
    assert!(
        missing.stdout.starts_with("BACKUP AGE CRITICAL - sets has no whole backup |"),
        "{}",
        missing.stdout
    );
    assert_eq!(place.sh("tfx backup verify sets").code, Some(3));
    let made = make(&place);
    let listed: Value = serde_json::from_str(&place.ok("tfx backup list sets -o json")).expect("JSON");
    assert_eq!(
        (&listed[0]["state"], listed[0]["parts"][0]["store"].as_str()),
        (&Value::from("whole"), Some("embedded"))
    );
    let name = made.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(place.ok("tfx backup verify sets").contains(&name));
    place.ok(&format!("tfx backup verify sets/{name}; cd sets/{name}; tfx backup verify ."));
    let archive = made.join("embedded.tar.zst");
    place.ok(&format!("tfx restore embedded sets/{name}/embedded.tar.zst --data-dir new"));
    assert!(
        place.ok("tfx check backup-age sets").starts_with("BACKUP AGE OK - the newest of 1 whole backups, ")
    );
    let (manifest, bytes) = (made.join("manifest.json"), fs::read(&archive).expect("read"));
    let text = fs::read(&manifest).expect("read");
    // Every byte of the manifest counts.
    for at in (0..text.len()).step_by(7) {
        let mut damaged = text.clone();
        damaged[at] ^= 1;
        fs::write(&manifest, damaged).expect("written");
        let told = place.sh("tfx backup list sets -o csv");
        assert!(told.stdout.contains(",half,") && told.stderr.contains("manifest"), "{at}: {}", told.stderr);
    }
    fs::write(&manifest, &text).expect("written");
    let change = |file: &PathBuf, to: &[u8]| fs::write(file, to).expect("written");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for (to, seen_by_all, why) in [
        (flipped, false, "embedded.tar.zst is not what was written"),
        (bytes[..bytes.len() - 1].to_vec(), true, "embedded.tar.zst has "),
        (Vec::new(), true, "embedded.tar.zst has 0 bytes"),
    ] {
        change(&archive, &to);
        let verified = place.sh("tfx backup verify sets");
        assert_eq!((verified.code, verified.stdout.as_str()), (Some(1), ""), "{}", verified.stderr);
        assert!(verified.stderr.contains(why), "{}", verified.stderr);
        assert_eq!(place.sh("tfx check backup-age sets").code, Some(if seen_by_all { 2 } else { 0 }));
    }
    fs::remove_file(&archive).expect("gone");
    assert!(place.sh("tfx backup list sets").stderr.contains("embedded.tar.zst is missing"));
    change(&archive, &bytes);
    change(&made.join("more"), b"x");
    assert!(place.sh("tfx backup list sets").stderr.contains("more is in it and not in its manifest"));
    fs::remove_file(made.join("more")).expect("gone");
    place.ok("tfx backup verify sets");
    for (line, code, why) in [
        ("tfx backup all nowhere", 2, "the folder of nowhere/"),
        ("tfx backup all made", 1, "Not a directory"),
        ("tfx backup all /sys/kernel", 1, "/sys/kernel"),
        ("trap '' XFSZ; ulimit -f 64; tfx backup all sets", 1, "embedded: "),
        ("tfx backup all sets --data-dir gone", 1, "embedded: gone/config.db is not there"),
        ("tfx backup list nowhere", 1, "nowhere: No such file"),
        ("tfx backup verify nowhere", 1, "nowhere: No such file"),
        ("tfx backup prune sets", 2, "give --yes"),
        ("tfx backup prune sets --keep 0 --yes", 2, "must be a whole number of 1 to"),
        ("tfx check backup-age sets --warn 2h --crit 1h", 3, "there would be no WARNING"),
        ("tfx check backup-age nowhere", 2, ""),
        ("sleep 1.1; tfx check backup-age sets --warn 0s --crit 1h", 1, ""),
        ("sleep 1.1; tfx check backup-age sets --warn 0s --crit 0s", 2, ""),
    ] {
        let done = place.sh(line);
        assert_eq!(done.code, Some(code), "{line}: {}{}", done.stdout, done.stderr);
        assert!(done.stderr.contains(why), "{line}: {}", done.stderr);
    }
    assert_eq!(place.ok("ls sets"), name, "what failed left nothing");
}

#[test]
fn old_sets_go_and_the_newest_whole_one_stays() {
    let place = stored();
    let sets: Vec<PathBuf> = (0..4).map(|_| make(&place)).collect();
    let names: Vec<String> =
        sets.iter().map(|set| set.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    fs::write(sets[3].join("manifest.json"), "{}").expect("written");
    let planned = place.ok("tfx backup prune sets --keep 1 --keep-weekly 0 --dry-run -o csv");
    assert_eq!(planned.matches("would go").count(), 2, "{planned}");
    assert_eq!(place.ok("ls sets").lines().count(), 4);
    let done = place.sh("tfx backup prune sets --keep 1 --keep-weekly 0 --yes -o csv");
    assert_eq!((done.code, done.stdout.matches("deleted").count()), (Some(0), 2), "{}", done.stderr);
    assert!(done.stderr.contains(&format!("{} is no whole backup", names[3])), "{}", done.stderr);
    assert_eq!(
        place.ok("ls sets"),
        format!("{}\n{}", names[2], names[3]),
        "the newest whole one, and the half one"
    );
    place.ok("tfx backup prune sets --keep 1 --yes");
    assert_eq!(place.ok("ls sets").lines().count(), 2);
}

#[test]
fn no_set_that_was_killed_looks_whole() {
    let place = stored();
    let (mut made, mut left) = (0, 0);
    for round in 0..30 {
        killed(&place, &["backup", "all", "sets"], 20 + round * 23 % 500);
        let whole = place.ok("tfx backup list sets -q -o csv | grep ,whole, | cut -d, -f1");
        for name in whole.lines() {
            place.ok(&format!("tfx backup verify sets/{name} && rm -r sets/{name}"));
            made += 1;
        }
    }
    left += place.ok("ls -A sets").lines().filter(|name| name.ends_with(".part")).count();
    place.ok("rm -rf sets; mkdir sets");
    let (set, mut deleted) = (make(&place), 0);
    let whole = files_of(&set);
    let path = |n: usize| place.dir().join(format!("sets/20260101T{n:06}Z"));
    for round in 0..30 {
        for n in 0..8 {
            let copied = format!("cp -r {} {}", set.display(), path(n).display());
            place.ok(&copied);
        }
        // Copies have the moment of the one that is newest by name.
        killed(
            &place,
            &["backup", "prune", "sets", "--keep", "1", "--keep-weekly", "0", "--yes"],
            20 + round * 7 % 150,
        );
        let listed = place.ok("tfx backup list sets -q -o csv | grep ,whole, | cut -d, -f1");
        for name in listed.lines() {
            assert_eq!(files_of(&place.dir().join("sets").join(name)), whole, "{name}");
        }
        assert!(listed.lines().count() >= 1, "one stays");
        deleted += 8 - listed.lines().filter(|name| name.starts_with("20260101")).count();
        place.ok("rm -rf sets/20260101*");
    }
    println!(
        "30 sets killed: {made} whole, {left} told; 30 prunes killed: {deleted} of 240 sets were deleted"
    );
    place.ok("tfx backup verify sets");
    assert!(files(&place, ".part").is_empty());
}

fn files_of(set: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(set).expect("lists");
    names.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}
