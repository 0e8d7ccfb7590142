//! Sets of backups: made, listed, verified, pruned, and how old the newest is; and that nothing that was killed looks whole.

use crate::{
    backups::{files, killed},
    mongo::Database,
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
    change(&made.join(".DS_Store"), b"x");
    let stray = place.sh("tfx backup list sets -o csv");
    assert!(stray.stderr.contains(".DS_Store is in it and not in its manifest"), "{}", stray.stderr);
    assert!(stray.stdout.contains(",whole,"), "and it is whole: {}", stray.stdout);
    place.ok("tfx backup verify sets; tfx check backup-age sets");
    fs::remove_file(made.join(".DS_Store")).expect("gone");
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
        ("tfx check backup-age sets --crit 3h", 0, ""),
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

/// What is recorded between two parts is in the events' part if it is marked published in the conversions' part.
#[test]
fn what_causes_events_is_backed_up_before_the_events() {
    let (mut place, database) = (stored(), Database::new());
    database.at(&mut place);
    database.fill(&place);
    let other = place.sh("tfx backup all sets");
    assert_eq!((other.code, other.stdout.as_str()), (Some(1), ""));
    assert!(
        other
            .stderr
            .contains(&format!("{} has nothing of tfx in it: is MONGO_DATABASE right?", database.name))
    );
    assert_eq!(place.ok("ls -A sets"), "", "a whole set of nothing helps nobody");
    let alone = place.sh("tfx backup mongo nothing.archive");
    assert!(alone.code == Some(0) && alone.stderr.contains("warning: the database"), "{}", alone.stderr);
    let set = place.ok("tfx backup all sets --allow-empty -q -o json");
    let set: Value = serde_json::from_str(&set).expect("JSON");
    let parts: Vec<(&str, &str)> = ["mongo", "embedded"]
        .iter()
        .zip(set["parts"].as_array().expect("parts"))
        .map(|(want, part)| (*want, part["store"].as_str().expect("a store")))
        .collect();
    assert!(parts.len() == 2 && parts.iter().all(|(want, is)| want == is), "{set}");
}

#[test]
fn what_a_killed_run_left_is_told_fails_nothing_and_goes_when_nobody_writes_it() {
    let place = stored();
    let name = make(&place).file_name().expect("a name").to_string_lossy().into_owned();
    let left = ["20260101T000000Z.0badcafe.part", ".tfx-copies-x.part", "20260102T000000Z.pruned.part"];
    for name in left {
        place.ok(&format!(
            "mkdir sets/{name}; echo secret > sets/{name}/file; touch -d '1 hour ago' sets/{name}"
        ));
    }
    place
        .ok("echo secret > sets/d.archive.0badcafe.part; touch -d '1 hour ago' sets/d.archive.0badcafe.part");
    place.ok("mkdir sets/20260103T000000Z.0badcafe.part; echo mine > sets/mine.part");
    let verified = place.sh("tfx backup verify sets");
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    assert!(verified.stdout.contains(&name) && !verified.stdout.contains(".part"), "{}", verified.stdout);
    for name in left {
        let told = format!("{name} is no backup: ");
        assert!(verified.stderr.contains(&told), "{name}: {}", verified.stderr);
    }
    let listed = place.ok("tfx backup list sets -o csv");
    assert_eq!(listed.matches(",unfinished,").count(), 5, "{listed}");
    // Somebody writes one of them.
    let held = "sets/20260101T000000Z.0badcafe.part";
    let pruned = place.ok(&format!("flock {held} tfx backup prune sets --yes -o csv -q"));
    assert_eq!(pruned.matches(",deleted").count(), 3, "{pruned}");
    assert_eq!(pruned.matches("stays: unfinished").count(), 2, "{pruned}");
    let planned = place.ok("tfx backup prune sets --dry-run -o csv -q");
    assert_eq!(planned.matches("would go").count(), 1, "{planned}");
    place.ok("tfx backup prune sets --yes -q");
    let mut want = vec!["20260103T000000Z.0badcafe.part", name.as_str(), "mine.part"];
    want.sort_unstable();
    assert_eq!(
        place.ok("LC_ALL=C ls -A sets").lines().collect::<Vec<_>>(),
        want,
        "what is seconds old may be somebody's"
    );
}

#[test]
fn a_set_or_a_folder_of_sets_is_restored_by_its_name() {
    let place = stored();
    let first = make(&place);
    let second = make(&place);
    let name = |set: &Path| set.file_name().expect("a name").to_string_lossy().into_owned();
    let newest = place.sh("tfx restore embedded sets --data-dir of-newest");
    assert_eq!(newest.code, Some(0), "{}", newest.stderr);
    assert!(newest.stderr.contains(&format!("of the set {}", second.canonicalize().expect("it").display())));
    let named =
        place.sh(&format!("cd sets/{}; tfx restore embedded . --data-dir ../../of-first", name(&first)));
    assert_eq!(named.code, Some(0), "{}", named.stderr);
    assert!(named.stderr.contains(&name(&first)), "{}", named.stderr);
    fs::remove_file(second.join("embedded.tar.zst")).expect("gone");
    let half = place.sh(&format!("tfx restore embedded sets/{} --data-dir no", name(&second)));
    assert!(half.code == Some(1) && half.stderr.contains("embedded.tar.zst is missing"), "{}", half.stderr);
    let whole = place.sh("tfx restore embedded sets --data-dir of-whole");
    assert!(whole.code == Some(0) && whole.stderr.contains(&name(&first)), "{}", whole.stderr);
    let nothing = place.sh("mkdir empty; tfx restore embedded empty --data-dir no");
    assert!(
        nothing.code == Some(2) && nothing.stderr.contains("no whole set with embedded lies in it"),
        "{}",
        nothing.stderr
    );
}

/// A clock was wrong for a moment: the set seals that.
#[test]
fn a_set_of_the_future_is_named_and_is_not_the_newest() {
    let place = stored();
    let name = make(&place).file_name().expect("a name").to_string_lossy().into_owned();
    let future = "20990101T000000Z";
    place.ok(&format!(
        r#"cp -r sets/{name} sets/{future}; cd sets/{future}
        sed -E 's/"moment": "20[^"]*"/"moment": "2099-01-01T00:00:00Z"/; s/"seal": "[^"]*"/"seal": ""/' manifest.json >open
        sum=$(sha256sum open | cut -d' ' -f1); sed -E "s/\"seal\": \"\"/\"seal\": \"$sum\"/" open >manifest.json; rm open"#
    ));
    let listed = place.sh("tfx backup list sets -o csv");
    assert_eq!(listed.stdout.matches(",whole,").count(), 2, "{}{}", listed.stdout, listed.stderr);
    assert!(listed.stderr.contains(&format!("warning: {future} is of the future")), "{}", listed.stderr);
    let check = place.sh("tfx check backup-age sets");
    let told = format!("BACKUP AGE WARNING - the newest of 2 whole backups, {name}, is ");
    assert!(check.code == Some(1) && check.stdout.starts_with(&told), "{}", check.stdout);
    assert!(check.stdout.contains(future), "{}", check.stdout);
    let pruned = place.ok("tfx backup prune sets --keep 1 --keep-weekly 0 --yes -o csv -q");
    assert!(pruned.contains("stays: of the future") && !pruned.contains("deleted"), "{pruned}");
    let restored = place.sh("tfx restore embedded sets --data-dir new");
    assert!(restored.stderr.contains(&format!("sets/{name}")), "{}", restored.stderr);
    place.ok(&format!("rm -r sets/{name}"));
    let alone = place.sh("tfx check backup-age sets");
    assert!(alone.code == Some(2) && alone.stdout.contains(future), "{}", alone.stdout);
}
