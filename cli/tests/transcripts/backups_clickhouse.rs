//! `tfx backup clickhouse` and `tfx restore clickhouse` on the real ClickHouse: what is whole and what is refused, what is shared by
//! sets, and that nothing that was killed is taken for whole.

use crate::{backups::killed, clickhouse::ClickHouse, mongo::Database, place::Place};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// A place with a database that has clicks of three months.
fn filled() -> (Place, ClickHouse) {
    let (mut place, database) = (Place::empty(), ClickHouse::new());
    database.at(&mut place);
    database.fill(0, 3_000);
    place.ok("mkdir sets");
    (place, database)
}

/// Makes a set and says what was said of it; two within a second would have one name.
fn make(place: &Place, line: &str) -> Value {
    place.until(&format!("{line} -q -o json >made 2>said; echo $?"), "0");
    serde_json::from_str(&place.ok("cat made")).expect("JSON")
}

fn path(place: &Place, made: &Value) -> PathBuf {
    place.dir().join(made["set"].as_str().expect("a path"))
}

fn files(set: &Path) -> Vec<String> {
    let names = fs::read_dir(set).expect("lists");
    let mut names: Vec<String> =
        names.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The file of the clicks of a month.
fn clicks(set: &Path, month: u32) -> PathBuf {
    set.join(format!("clickhouse.click_events.{month}.native.zst"))
}

#[test]
fn a_set_restores_what_was_there_and_shares_what_has_not_changed() {
    let (mut place, database) = filled();
    database.fill(0, 8_000);
    database.run("INSERT INTO click_events (click_id, at) VALUES ('october', '2026-10-01 00:00:00')");
    let before = database.counts();
    let first = make(&place, "tfx backup clickhouse sets");
    assert_eq!((&first["tables"], &first["partitions"]["linked"]), (&Value::from(11), &Value::from(0)));
    let set = path(&place, &first);
    assert!(set.to_string_lossy().ends_with("Z.clickhouse"));
    assert_eq!(fs::metadata(clicks(&set, 202609)).expect("a file").permissions().mode() & 0o777, 0o600);
    let listed = place.ok("tfx backup list sets -o csv");
    assert!(listed.contains(",whole,") && listed.contains(",clickhouse,"), "{listed}");
    place.ok("tfx backup verify sets; tfx check backup-age sets");

    database.run("INSERT INTO click_events (click_id, at) VALUES ('late', '2026-10-02 00:00:00')");
    let second = make(&place, "tfx backup clickhouse sets --incremental");
    let (read, linked) = (&second["partitions"]["read"], &second["partitions"]["linked"]);
    assert_eq!(read, &Value::from(1), "{second}");
    assert!(linked.as_u64() >= Some(3), "{second}");
    let inode = |set: &Path, month| fs::metadata(clicks(set, month)).expect("a file").ino();
    let newer = path(&place, &second);
    assert_eq!(inode(&set, 202609), inode(&newer, 202609));
    assert_ne!(inode(&set, 202610), inode(&newer, 202610));

    // A file that somebody damaged goes into no later set: its partition is read anew. Of the damaged set the rest can be had.
    let shared = clicks(&newer, 202609);
    let good = fs::read(&shared).expect("read");
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    fs::write(&shared, &flipped).expect("damaged");
    let third = make(&place, "tfx backup clickhouse sets --incremental");
    assert_eq!(third["damaged"], serde_json::json!(["clickhouse.click_events.202609.native.zst"]), "{third}");
    place.ok(&format!(
        "tfx backup verify {} && rm -r {}",
        path(&place, &third).display(),
        path(&place, &third).display()
    ));
    let of =
        |tables: &str| place.sh(&format!("tfx restore clickhouse {} {tables} --dry-run", newer.display()));
    let all = of("");
    assert_eq!(all.code, Some(1), "{}", all.stderr);
    assert!(all.stderr.contains("--tables restores others than click_events"), "{}", all.stderr);
    let rest = of("--tables 'conversion_e*'");
    assert_eq!(rest.code, Some(0), "{}", rest.stderr);
    fs::write(&shared, &good).expect("mended");

    // The one before goes, the newer one stays whole.
    let after = database.counts();
    place.ok("tfx backup prune sets --keep 1 --keep-weekly 0 --yes && tfx backup verify sets");
    assert_eq!(files(&place.dir().join("sets")).len(), 1);
    let into = ClickHouse::unmade();
    into.at(&mut place);
    let name = newer.display();
    let planned = place.ok(&format!("tfx restore clickhouse {name} --dry-run -o csv"));
    assert!(planned.contains("click_events,3,11002,"), "{planned}");
    place.ok(&format!("tfx restore clickhouse {name} && tfx restore clickhouse {name}/"));
    assert_eq!(into.counts(), after);
    assert_ne!(after, before);

    // One table alone, by a pattern.
    let one = ClickHouse::unmade();
    one.at(&mut place);
    let done = place.sh(&format!("tfx restore clickhouse {name} --tables 'conversion_e*'"));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("left out: click_events, not named by --tables"), "{}", done.stderr);
    assert_eq!(one.run("SELECT count() FROM conversion_events FINAL"), "800");
    assert_eq!(one.run("EXISTS TABLE click_events"), "0");
}

#[test]
fn a_set_of_all_has_mongodb_and_clickhouse() {
    let (mut place, database) = filled();
    let mongo = Database::new();
    mongo.at(&mut place);
    mongo.fill(&place);
    let made = make(&place, "tfx backup all sets --allow-empty");
    let set = path(&place, &made);
    assert!(files(&set).contains(&"mongo.archive.zst".to_owned()) && clicks(&set, 202609).exists());
    let missing = made["missing"].to_string();
    assert!(missing.contains("the topics") && !missing.contains("cannot export"), "{missing}");
    assert!(place.ok("tfx backup list sets -o csv").contains("\"mongo, clickhouse\""));
    place.ok("tfx backup verify sets");
    let again = make(&place, "tfx backup all sets --allow-empty --incremental");
    let shared = clicks(&path(&place, &again), 202609);
    assert_eq!(fs::metadata(shared).expect("a file").nlink(), 2);
    // One of ClickHouse alone is none of the installation: it takes the place of none, and makes none younger.
    make(&place, "tfx backup clickhouse sets");
    place.ok("tfx backup prune sets --keep 1 --keep-weekly 0 --yes");
    assert_eq!(files(&place.dir().join("sets")).len(), 2);
    let age = place.ok("tfx check backup-age sets");
    assert!(age.contains(again["set"].as_str().expect("a path").trim_start_matches("sets/")), "{age}");
    let into = ClickHouse::unmade();
    into.at(&mut place);
    let name = path(&place, &again);
    place.ok(&format!("tfx restore clickhouse {}", name.display()));
    assert_eq!(into.counts(), database.counts());
}

#[test]
fn what_cannot_be_is_refused_and_nothing_is_changed() {
    let (mut place, database) = filled();
    let made = make(&place, "tfx backup clickhouse sets");
    let set = path(&place, &made);
    place.ok("touch file; ln -s nowhere link; mkdir empty other");
    let into = ClickHouse::new();
    into.at(&mut place);
    into.fill(0, 10);
    let before = into.counts();
    let name = set.display().to_string();
    for (line, code, why) in [
        ("EVENT_BROKERS= CLICKHOUSE_HTTP_URL= tfx backup clickhouse other", 2, "ClickHouse is not used here"),
        ("EVENT_BROKERS= CLICKHOUSE_HTTP_URL= tfx restore clickhouse SET", 2, "ClickHouse is not used here"),
        ("CLICKHOUSE_HTTP_URL=http://127.0.0.1:1 tfx backup clickhouse other", 6, "cannot reach ClickHouse"),
        ("CLICKHOUSE_PASSWORD=wrong tfx backup clickhouse other", 1, "refuses the user or the password"),
        ("CLICKHOUSE_DATABASE=tfx_nowhere tfx backup clickhouse other", 1, "tfx_nowhere"),
        ("tfx backup clickhouse nowhere", 2, "the folder of nowhere/"),
        ("tfx backup clickhouse file", 1, "Not a directory"),
        ("tfx backup clickhouse link", 2, "the folder of link/"),
        ("tfx backup clickhouse /dev/full", 1, "Not a directory"),
        ("tfx backup clickhouse /sys/kernel", 1, "/sys/kernel"),
        ("tfx backup clickhouse other --parallel 0", 2, "must be a whole number of 1 to"),
        ("tfx backup clickhouse other --server-side nowhere", 1, "not allowed for backups"),
        ("tfx backup clickhouse other --server-side nowhere --resume", 2, "cannot be used with"),
        ("trap '' XFSZ; ulimit -f 16; tfx backup clickhouse other", 1, "File too large"),
        ("tfx restore clickhouse nothing", 2, "nothing cannot be read: No such file"),
        ("tfx restore clickhouse file", 1, "is no whole backup: it is no folder"),
        ("tfx restore clickhouse empty", 1, "is no whole backup: it has no manifest"),
        ("tfx restore clickhouse sets", 1, "is no whole backup: it has no manifest"),
        ("tfx restore clickhouse /dev/full", 1, "is no whole backup: it is no folder"),
        ("tfx restore clickhouse link", 2, "link cannot be read: No such file"),
        ("tfx restore clickhouse SET --tables clicks,nothing", 2, "\"nothing\" names none of the tables"),
        ("CLICKHOUSE_HTTP_URL=http://127.0.0.1:1 tfx restore clickhouse SET", 6, "cannot reach ClickHouse"),
    ] {
        let done = place.sh(&line.replace("SET", &name));
        assert_eq!((done.code, done.stdout.as_str()), (Some(code), ""), "{line}: {}", done.stderr);
        assert!(done.stderr.contains(why), "{line}: {}", done.stderr);
    }
    let told = place.ok("ls -A other");
    assert!(told.lines().count() <= 1, "only the full disk left something: {told}");

    // Every file counts, and is looked at before the first insert.
    let (file, manifest, said) =
        (clicks(&set, 202609), set.join("manifest.json"), set.join("clickhouse.json"));
    for path in [&file, &manifest, &said] {
        let whole = fs::read(path).expect("read");
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for damaged in [flipped, whole[..whole.len() - 1].to_vec(), Vec::new()] {
            fs::write(path, damaged).expect("written");
            let refused = place.sh(&format!("tfx restore clickhouse {name} --force"));
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{}", refused.stderr);
            assert!(refused.stderr.contains("nothing was changed"), "{}", refused.stderr);
            assert_eq!(place.sh("tfx backup verify sets").code, Some(1));
        }
        fs::write(path, whole).expect("written");
    }
    fs::rename(&file, place.dir().join("away")).expect("away");
    assert!(
        place.sh(&format!("tfx restore clickhouse {name}")).stderr.contains("202609.native.zst is missing")
    );
    fs::rename(place.dir().join("away"), &file).expect("back");
    assert_eq!(into.counts(), before);
    assert_eq!(
        into.run(
            "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name LIKE 'tfx_%'"
        ),
        "0"
    );

    // Another version, and what this one does not know: sealed anew, as somebody else would write it.
    for (from, to, why) in [
        ("\"format\": 1,\n  \"made_by\"", "\"format\": 2,\n  \"made_by\"", "is of a newer program"),
        ("\"database\":", "\"more\": 1,\n  \"database\":", "unknown field `more`"),
    ] {
        let (text, sums) = (fs::read_to_string(&said).expect("read"), fs::read(&manifest).expect("read"));
        fs::write(&said, text.replacen(from, to, 1)).expect("written");
        place.file("seal.py", SEAL);
        place.ok(&format!("python3 seal.py {name}"));
        let refused = place.sh(&format!("tfx restore clickhouse {name}"));
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        assert!(refused.stderr.contains(why), "{why}: {}", refused.stderr);
        fs::write(&said, text).expect("written");
        fs::write(&manifest, sums).expect("written");
    }

    // What runs on it is told and refused, and restored all the same with --force.
    into.run(
        "CREATE TABLE q (raw String) ENGINE = Kafka SETTINGS kafka_broker_list = '127.0.0.1:1', kafka_topic_list = 'none',
         kafka_group_name = 'none', kafka_format = 'RawBLOB'",
    );
    into.run("CREATE TABLE n (raw String) ENGINE = Null");
    into.run("CREATE MATERIALIZED VIEW v TO n AS SELECT raw FROM q");
    let refused = place.sh(&format!("tfx restore clickhouse {name}"));
    assert_eq!(refused.code, Some(5), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("ClickHouse reads topics into it (q)") && refused.stderr.contains("--force"),
        "{}",
        refused.stderr
    );
    assert_eq!(into.counts(), before);
    place.ok(&format!("tfx restore clickhouse {name} --force"));
    assert_eq!(into.counts(), database.counts());
}

/// Gives a set the sums and the seal of what is in it.
const SEAL: &str = r#"
import hashlib, json, os, sys
at = os.path.join(sys.argv[1], "manifest.json")
said = json.load(open(at))
for part in said["parts"]:
    data = open(os.path.join(sys.argv[1], part["file"]), "rb").read()
    part["bytes"], part["sha256"] = len(data), hashlib.sha256(data).hexdigest()
text = lambda: json.dumps(said, indent=2, ensure_ascii=False) + "\n"
said["seal"] = ""
said["seal"] = hashlib.sha256(text().encode()).hexdigest()
open(at, "w").write(text())
"#;

#[test]
fn the_server_writes_to_a_disk_of_its_own() {
    let (mut place, database) = filled();
    let made = make(&place, "tfx backup clickhouse sets --server-side backups");
    let set = path(&place, &made);
    assert_eq!(files(&set), ["clickhouse.json", "manifest.json"]);
    let listed = place.sh("tfx backup verify sets -o csv");
    assert!(listed.stdout.contains(",clickhouse@backups,"), "{}", listed.stdout);
    assert!(
        listed.stderr.contains("on its disk clickhouse") || listed.stderr.contains("disk backups"),
        "{}",
        listed.stderr
    );
    let into = ClickHouse::unmade();
    into.at(&mut place);
    place.ok(&format!("tfx restore clickhouse {}", set.display()));
    assert_eq!(into.counts(), database.counts());
}

#[test]
fn of_two_backups_into_one_place_one_is_there() {
    let (place, _database) = filled();
    let codes =
        place.ok("for n in 1 2 3; do (tfx backup clickhouse sets -q >/dev/null 2>&1; echo $?) & done; wait");
    assert!(codes.lines().all(|code| matches!(code, "0" | "5")) && codes.contains('0'), "{codes}");
    let whole = codes.lines().filter(|code| *code == "0").count();
    assert_eq!(files(&place.dir().join("sets")).len(), whole);
    place.ok("tfx backup verify sets");
}

#[test]
fn what_was_killed_is_never_taken_for_whole() {
    let (mut place, database) = filled();
    database.fill(0, 30_000);
    let (mut whole, mut resumed) = (0, 0);
    for round in 0..12 {
        let more = if round % 2 == 0 { "--resume" } else { "--incremental" };
        killed(&place, &["backup", "clickhouse", "sets", more], 100 + round * 137 % 1500);
        let listed = place.ok("tfx backup list sets -q -o csv | grep ,whole, | cut -d, -f1 || true");
        for set in listed.lines() {
            place.ok(&format!("tfx backup verify sets/{set}"));
        }
        whole = listed.lines().count();
    }
    let left = place.ok("ls sets | grep -c part || true");
    let made = make(&place, "tfx backup clickhouse sets --resume");
    resumed += made["partitions"]["resumed"].as_u64().unwrap_or(0);
    place.ok("rm -rf sets/*.part; tfx backup verify sets");
    let set = path(&place, &made);

    let into = ClickHouse::unmade();
    into.at(&mut place);
    let name = set.display().to_string();
    let mut half = 0;
    for round in 0..10 {
        killed(&place, &["restore", "clickhouse", &name], 150 + round * 211 % 1800);
        // Half of it is told, and backed up by nobody.
        let is_half = into.run_or("EXISTS TABLE tfx_restoring", "0") == "1";
        // A folder each: two of one second would have one name.
        let now = place.sh(&format!("mkdir others{round} && tfx backup clickhouse others{round} -q"));
        if is_half {
            assert_eq!(now.code, Some(5), "{}", now.stderr);
            assert!(now.stderr.contains("did not come to its end"), "{}", now.stderr);
            half += 1;
        }
    }
    place.ok(&format!("tfx restore clickhouse {name}"));
    assert_eq!(into.counts(), database.counts());
    assert_eq!(
        into.run(
            "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name LIKE 'tfx_rest%'"
        ),
        "0"
    );

    let mut deleted = 0;
    for round in 0..12 {
        for n in 0..6 {
            let copy = place.dir().join(format!("sets/20260101T{n:06}Z.clickhouse"));
            place.ok(&format!("cp -rl {name} {}", copy.display()));
        }
        killed(
            &place,
            &["backup", "prune", "sets", "--keep", "1", "--keep-weekly", "0", "--yes"],
            20 + round * 17 % 200,
        );
        let listed = place.ok("tfx backup list sets -q -o csv | grep ,whole, | cut -d, -f1");
        for set in listed.lines() {
            place.ok(&format!("tfx backup verify sets/{set} -q"));
        }
        deleted += 6 - listed.lines().filter(|name| name.starts_with("20260101")).count();
        place.ok("rm -rf sets/20260101*");
    }
    println!(
        "12 backups killed: {whole} whole, {left} told, {resumed} files resumed; 10 restores: {half} half; prunes: {deleted} of 72"
    );
}

#[test]
fn what_is_whole_of_a_damaged_set_comes_back_when_that_is_asked_for() {
    let (mut place, database) = filled();
    let made = make(&place, "tfx backup clickhouse sets");
    let (set, all) = (path(&place, &made), database.counts());
    let rest = database.run("SELECT count() FROM click_events WHERE toYYYYMM(at) != 202609");
    let (lost, flipped) = (clicks(&set, 202609), clicks(&set, 202610));
    let (whole, other) = (fs::read(&lost).expect("read"), fs::read(&flipped).expect("read"));
    fs::remove_file(&lost).expect("gone");
    let into = ClickHouse::unmade();
    into.at(&mut place);
    let restore = |flags: &str| place.sh(&format!("tfx restore clickhouse {} {flags}", set.display()));
    let refused = restore("--yes");
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{}", refused.stderr);
    assert!(refused.stderr.contains("--only-whole restores what is whole of it"), "{}", refused.stderr);
    let planned = restore("--only-whole --dry-run");
    assert_eq!(planned.code, Some(0), "{}", planned.stderr);
    for said in [
        "missing: click_events: 2880 of 3000 rows (202609)",
        "  clickhouse.click_events.202609.native.zst is missing",
        "warning: 2880 rows (1 partition of 1 table) would be missing",
    ] {
        assert!(planned.stderr.contains(said), "{said}: {}", planned.stderr);
    }
    let asked = restore("--only-whole");
    assert_eq!(asked.code, Some(2), "{}", asked.stderr);
    assert!(asked.stderr.contains("give --yes"), "{}", asked.stderr);
    let made = format!("SELECT count() FROM system.databases WHERE name = '{}'", into.name);
    assert_eq!(database.run(&made), "0", "nothing was changed");
    let restored = restore("--only-whole --yes");
    assert_eq!(restored.code, Some(1), "{}", restored.stderr);
    assert!(
        restored.stderr.contains("restored in part: 2880 rows (1 partition of 1 table) are missing"),
        "{}",
        restored.stderr
    );
    assert_eq!(into.run("SELECT count() FROM click_events"), rest);
    assert_eq!(
        into.run(
            "SELECT count() FROM system.tables WHERE name = 'tfx_restoring' AND database = currentDatabase()"
        ),
        "0"
    );

    // What was flipped is as good as missing, and what the others have is not asked for.
    let mut damaged = other.clone();
    damaged[other.len() / 2] ^= 1;
    fs::write(&flipped, &damaged).expect("written");
    let planned = restore("--only-whole --dry-run -o csv");
    assert!(planned.stderr.contains("202610.native.zst is not what was written"), "{}", planned.stderr);
    let conversions = restore("--only-whole --tables 'conversion_e*'");
    assert_eq!(conversions.code, Some(0), "nothing of them is missing: {}", conversions.stderr);
    assert!(conversions.stderr.contains("the set is not whole: "), "{}", conversions.stderr);
    // Without the list of tables nobody knows what is in the files; and what is damaged as a whole is nothing.
    let said = set.join("clickhouse.json");
    let list = fs::read(&said).expect("read");
    fs::write(&said, &list[1..]).expect("written");
    let nothing = restore("--only-whole --yes");
    assert_eq!(nothing.code, Some(1), "{}", nothing.stderr);
    assert!(nothing.stderr.contains("clickhouse.json is not what was written"), "{}", nothing.stderr);
    fs::write(&said, &list).expect("written");
    // Mended, the rest comes beside what is there, once.
    fs::write(&lost, &whole).and_then(|()| fs::write(&flipped, &other)).expect("written");
    let mended = restore("--only-whole");
    assert_eq!(mended.code, Some(0), "{}", mended.stderr);
    assert_eq!(into.counts(), all);
}
