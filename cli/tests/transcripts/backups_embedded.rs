//! `tfx backup embedded` and `tfx restore embedded` while traffic runs: what was answered before is in it, once; what is
//! refused; and that nothing that was killed is taken for whole.

use crate::{
    backups::{files, killed},
    clicks::{campaign, recorded},
    place::Place,
    web,
};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

/// How often each name comes.
fn counts(names: &str) -> BTreeMap<String, usize> {
    names.lines().fold(BTreeMap::new(), |mut all, name| {
        *all.entry(name.to_owned()).or_default() += 1;
        all
    })
}

#[test]
fn what_was_answered_before_a_backup_is_in_it_once() {
    let place = Place::running();
    campaign(&place);
    let first = web::click(&place, "/c/summer");
    recorded(&place, 1);
    let (clicks, sales, end) = (Mutex::new(vec![first]), Mutex::new(Vec::new()), AtomicBool::new(false));
    let mut backups = Vec::new();
    thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                while !end.load(SeqCst) {
                    let id = web::click(&place, "/c/summer");
                    clicks.lock().expect("sound").push(id);
                }
            });
        }
        threads.spawn(|| {
            for n in 0.. {
                if end.load(SeqCst) {
                    break;
                }
                // Its click may not be stored yet: then the sale waits for it, here and where it is restored.
                let of = web::click(&place, "/c/summer");
                let query = format!("clickid={of}&txid=T{n}&payout=1&status=sale");
                place.ok(&format!("tfx postback test adnet '{query}' --send -q -o json"));
                sales.lock().expect("sound").push(format!("T{n}"));
            }
        });
        for n in 0..3 {
            while sales.lock().expect("sound").len() < 3 * (n + 1) {
                thread::yield_now();
            }
            let answered = (clicks.lock().expect("sound").clone(), sales.lock().expect("sound").clone());
            let name = format!("{n}.tar.zst");
            place.ok(&format!("tfx backup embedded {name} -q"));
            assert_eq!(
                fs::metadata(place.dir().join(&name)).expect("there").permissions().mode() & 0o777,
                0o600
            );
            backups.push((name, answered));
        }
        end.store(true, SeqCst);
    });
    for (name, (clicks, sales)) in backups {
        let mut other = Place::empty();
        let from = place.dir().join(&name).display().to_string();
        other.ok(&format!("tfx restore embedded {from}"));
        // What opens its secrets is not in it.
        fs::copy(place.dir().join("data/secrets.key"), other.dir().join("data/secrets.key")).expect("copied");
        other.start(&[]);
        let listed = "tfx conversion list --all -q -o csv --columns transaction_id";
        for sale in &sales {
            other.until(&format!("{listed} | grep -cx {sale}"), "1");
        }
        let found = counts(&other.ok(listed));
        assert!(sales.iter().all(|id| found.get(id) == Some(&1)), "{name}: {sales:?} {found:?}");
        // Those that were in the journal are delivered.
        other.until("tfx events stats -q -o json | grep -c '\"outbox_depth_events\": [1-9]'", "0");
        let found = counts(&other.ok("tfx click list --all -q -o name"));
        let lost: Vec<_> = clicks.iter().filter(|id| found.get(*id) != Some(&1)).collect();
        assert!(lost.is_empty(), "{name}: {} of {} are not in it once: {lost:?}", lost.len(), clicks.len());
        assert!(found.values().all(|n| *n == 1));
    }
    assert!(files(&place, ".part").is_empty(), "no copy is left");
}

#[test]
fn what_cannot_be_is_refused_and_nothing_is_changed() {
    let place = Place::running();
    place.ok("tfx source create --name Before; tfx backup embedded good.tar.zst");
    let good = fs::read(place.dir().join("good.tar.zst")).expect("the file");
    fs::write(place.dir().join("short.tar.zst"), &good[..good.len() - 1]).expect("written");
    let mut changed = good.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    fs::write(place.dir().join("changed.tar.zst"), &changed).expect("written");
    place.file("empty", "");
    place.file("text", &"once upon a time\n".repeat(99));
    place.file("full/of.txt", "mine\n");
    place.ok("mkdir folder; ln -s nowhere link; mkfifo pipe; mkdir -m 500 closed");
    // The same files without the manifest, with another one, and with one that is damaged.
    place.ok("mkdir a && zstd -dcq good.tar.zst > a.tar && tar xf a.tar -C a; cd a; tar cf ../other.tar *");
    let engines =
        "MONGO_URI=mongodb://127.0.0.1:1 EVENT_BROKERS=127.0.0.1:1 CLICKHOUSE_HTTP_URL=http://127.0.0.1:1";
    for (line, code, why) in [
        ("tfx backup embedded good.tar.zst", 5, "good.tar.zst is there already"),
        ("tfx backup embedded folder", 2, "folder is a folder"),
        ("tfx backup embedded no/such/x", 2, "the folder of no/such/x is not there"),
        ("tfx backup embedded x.gz", 2, "compressed by zstd"),
        ("tfx backup embedded /dev/full", 5, "/dev/full is there already"),
        ("tfx backup embedded link", 5, "link is there already"),
        ("tfx backup embedded pipe", 5, "pipe is there already"),
        ("tfx backup embedded /sys/kernel/x", 1, "/sys/kernel/x cannot be written: "),
        ("tfx backup embedded - >/dev/full", 1, "No space left on device"),
        ("trap '' XFSZ; ulimit -f 64; tfx backup embedded x", 1, "the archive cannot be written: "),
        ("tfx backup embedded x --data-dir nowhere", 1, "config.db is not there"),
        ("tfx restore embedded nothing", 2, "nothing cannot be read: No such file"),
        ("tfx restore embedded folder --data-dir new", 2, "it is a folder"),
        ("tfx restore embedded empty --data-dir new", 1, "at byte 0: it is empty"),
        ("tfx restore embedded - --data-dir new </dev/null", 1, "at byte 0: it is empty"),
        ("tfx restore embedded text --data-dir new", 1, "is it a backup of tfx?"),
        ("tfx restore embedded short.tar.zst --data-dir new", 1, "the archive is damaged or none"),
        ("tfx restore embedded changed.tar.zst --data-dir new", 1, "the archive is damaged or none"),
        ("tfx restore embedded other.tar --data-dir new", 1, "is it a backup of tfx?"),
        ("tfx restore embedded good.tar.zst", 5, "it is in use: a tfx up or a daemon holds"),
        ("tfx restore embedded good.tar.zst --force", 5, "it is in use: a tfx up or a daemon holds"),
        ("tfx restore embedded good.tar.zst --data-dir full", 5, "full is not empty: of.txt"),
        ("tfx restore embedded good.tar.zst --data-dir text", 1, "Not a directory"),
        ("tfx restore embedded good.tar.zst --data-dir /sys/kernel/x", 1, "/sys/kernel/x"),
        (
            "trap '' XFSZ; ulimit -f 64; tfx restore embedded good.tar.zst --data-dir small",
            1,
            "File too large",
        ),
    ] {
        let done = place.sh(line);
        assert_eq!((done.code, done.stdout.as_str()), (Some(code), ""), "{line}: {}", done.stderr);
        assert!(done.stderr.contains(why), "{line}: {}", done.stderr);
    }
    let refused = place.sh(&format!("{engines} tfx backup embedded x"));
    assert!(refused.code == Some(2) && refused.stderr.contains("not used here"), "{}", refused.stderr);
    assert!(!place.dir().join("new").exists() && !place.dir().join("x").exists());
    assert!(files(&place, ".part").is_empty());
    assert_eq!(place.ok("ls full"), "of.txt", "what was refused changed nothing");
    assert_eq!(place.ok("ls small"), "lock", "half of it went away again");
    place.ok("tfx restore embedded good.tar.zst --data-dir small");
    let planned = place.ok("tfx restore embedded good.tar.zst --data-dir full --dry-run -o name");
    assert!(planned.contains("full/config.db") && place.ok("ls full") == "of.txt", "{planned}");
    place.ok("tfx restore embedded good.tar.zst --data-dir full --force");
    assert_eq!(place.ok("ls full | grep of.txt"), "of.txt", "what is not ours stays");
    let through = place.ok("tfx backup embedded - -q | tfx restore embedded - --data-dir piped -o name");
    assert_eq!(through, "piped");
}

#[test]
fn of_two_backups_into_one_place_one_is_there() {
    let place = Place::running();
    let codes =
        place.ok("for n in 1 2 3; do (tfx backup embedded one -q >/dev/null 2>&1; echo $?) & done; wait");
    let mut codes: Vec<&str> = codes.lines().collect();
    codes.sort_unstable();
    assert_eq!(codes, ["0", "5", "5"]);
    place.ok("tfx restore embedded one --data-dir new --dry-run");
    assert!(files(&place, ".part").is_empty());
}

#[test]
fn what_was_killed_is_never_taken_for_whole() {
    let place = Place::running();
    campaign(&place);
    for _ in 0..20 {
        web::click(&place, "/c/summer");
    }
    recorded(&place, 20);
    place.ok("tfx backup embedded whole");
    let want = place.ok("tfx restore embedded whole --data-dir x --dry-run -q -o csv | grep database | sort");
    let want: Vec<_> = want.lines().map(|row| row.split(',').take(4).collect::<Vec<_>>().join(",")).collect();
    let (mut kept, mut whole, mut half, mut none) = (0, 0, 0, 0);
    for round in 0..30 {
        killed(&place, &["backup", "embedded", "killed"], 20 + round * 23 % 400);
        if place.dir().join("killed").exists() {
            kept += 1;
            place.ok("tfx restore embedded killed --data-dir x --dry-run");
            fs::remove_file(place.dir().join("killed")).expect("the backup");
        }
    }
    for round in 0..30 {
        killed(
            &place,
            &["restore", "embedded", "whole", "--data-dir", "new", "--force"],
            20 + round * 23 % 400,
        );
        let seen = place.sh("tfx backup embedded seen --data-dir new -q");
        match seen.code {
            Some(0) => {
                whole += 1;
                let rows =
                    "tfx restore embedded seen --data-dir x --dry-run -q -o csv | grep database | sort";
                let rows = place.ok(rows);
                let rows: Vec<_> =
                    rows.lines().map(|row| row.split(',').take(4).collect::<Vec<_>>().join(",")).collect();
                assert_eq!(rows, want, "round {round}");
                fs::remove_file(place.dir().join("seen")).expect("the backup");
            }
            Some(5) => half += 1,
            Some(1) if seen.stderr.contains("is not there") => none += 1,
            code => panic!("{code:?}: {}", seen.stderr),
        }
    }
    println!(
        "30 backups killed: {kept} kept, whole; 30 restores killed: {whole} whole, {half} told, {none} not begun"
    );
    place.ok("tfx restore embedded whole --data-dir new --force");
    place.ok("tfx backup embedded seen --data-dir new");
}
