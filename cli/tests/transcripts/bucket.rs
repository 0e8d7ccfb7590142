//! Backups in a bucket, on a real server of S3: what is whole, what is refused, and that nothing that was killed or damaged is taken
//! for whole.

use crate::{
    clickhouse::ClickHouse,
    place::{Place, TFX},
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// A server; it ends with this.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn new() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts/bucket/server.py");
        let mut process = Command::new("python3")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3, which runs the server of S3");
        let mut said = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut said).expect("its port");
        let port = said.trim().parse().expect("the server of S3 runs: see what it says above");
        Self { process, port }
    }

    /// Asks without a key, as the owner of the bucket: the status and the body.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut line = TcpStream::connect(("127.0.0.1", self.port)).expect("the server");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.port,
            body.len()
        );
        line.write_all(head.as_bytes()).and_then(|()| line.write_all(body)).expect("sent");
        let mut answer = Vec::new();
        line.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let status = String::from_utf8_lossy(&answer[9..12]).parse().expect("a status");
        (status, answer[end + 4..].to_vec())
    }

    /// A bucket with nothing in it, and a place that knows the key.
    fn bucket(&self, name: &str, place: &mut Place) {
        assert_eq!(self.ask("PUT", &format!("/{name}"), b"").0, 200);
        place.set("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{}", self.port));
        place.set("AWS_ALLOW_HTTP", "true");
        place.set("AWS_ACCESS_KEY_ID", "test-key");
        place.set("AWS_SECRET_ACCESS_KEY", "canary-secret");
    }

    /// What is in a bucket by name.
    fn objects(&self, bucket: &str) -> Vec<String> {
        let (_, list) = self.ask("GET", &format!("/{bucket}?list-type=2"), b"");
        let list = String::from_utf8(list).expect("text");
        list.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once('<')?.0.to_owned())).collect()
    }

    /// How many uploads have not come to their end.
    fn uploads(&self, bucket: &str) -> usize {
        let (_, list) = self.ask("GET", &format!("/{bucket}?uploads"), b"");
        String::from_utf8(list).expect("text").matches("<UploadId>").count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A place whose stores are there, without services, and a bucket.
fn stored(bucket: &str) -> (Place, Server) {
    let (mut place, server) = (Place::empty(), Server::new());
    let up = Place::running();
    up.ok("tfx source create --name Before; tfx backup embedded whole -q");
    let from = up.dir().join("whole").display().to_string();
    place.ok(&format!("tfx restore embedded {from}"));
    server.bucket(bucket, &mut place);
    (place, server)
}

/// Makes a set and says its name.
fn make(place: &Place, sets: &str) -> String {
    // Two within a second would have one name: the second one is refused, and tried again.
    place.until(&format!("tfx backup all {sets} -q -o name >made && grep -c s3: made"), "1");
    place.ok("cat made").rsplit_once('/').expect("a place in the bucket").1.to_owned()
}

#[test]
fn sets_are_made_listed_verified_restored_and_deleted() {
    let (place, server) = stored("sets");
    let sets = "s3://sets/of/tfx";
    assert_eq!(place.sh(&format!("tfx check backup-age {sets}")).code, Some(2));
    let name = make(&place, sets);
    let of = |file: &str| format!("of/tfx/{name}/{file}");
    assert_eq!(server.objects("sets"), [of("embedded.tar.zst"), of("manifest.json")]);
    assert_eq!(server.uploads("sets"), 0);
    let listed: Value =
        serde_json::from_str(&place.ok(&format!("tfx backup list {sets} -o json"))).expect("JSON");
    assert_eq!(
        (&listed[0]["state"], listed[0]["path"].as_str()),
        (&Value::from("whole"), Some(format!("{sets}/{name}").as_str()))
    );
    for named in [sets.to_owned(), format!("{sets}/"), format!("{sets}/{name}")] {
        assert!(place.ok(&format!("tfx backup verify {named}")).contains(&name), "{named}");
    }
    assert!(
        place
            .ok(&format!("tfx check backup-age {sets}"))
            .starts_with("BACKUP AGE OK - the newest of 1 whole")
    );
    place.ok(&format!("tfx restore embedded {sets}/{name}/embedded.tar.zst --data-dir new"));
    place.ok("tfx backup embedded here.tar.zst --data-dir new -q");
    let names = [name, make(&place, sets), make(&place, sets)];
    // What is not of tfx is let alone.
    server.ask("PUT", "/sets/of/tfx/notes/20260101T000000Z", b"mine");
    let planned = place.ok(&format!("tfx backup prune {sets} --keep 1 --keep-weekly 0 --dry-run -o csv"));
    assert_eq!(planned.matches("would go").count(), 2, "{planned}");
    assert_eq!(server.objects("sets").len(), 7);
    place.ok(&format!("tfx backup prune {sets} --keep 1 --keep-weekly 0 --yes"));
    let left = server.objects("sets");
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(
        left.iter().all(|key| key.contains(&names[2]) || key.ends_with("notes/20260101T000000Z")),
        "{left:?}"
    );
    place.ok(&format!("tfx backup verify {sets}"));
}

#[test]
fn archives_come_into_a_bucket_and_back_and_none_takes_the_place_of_another() {
    let (place, server) = stored("one");
    place.ok("tfx backup embedded s3://one/a.tar.zst");
    assert_eq!(server.objects("one"), ["a.tar.zst"]);
    let (_, before) = server.ask("GET", "/one/a.tar.zst", b"");
    let again = place.sh("tfx backup embedded s3://one/a.tar.zst");
    assert!(again.stderr.contains("s3://one/a.tar.zst is there already"), "{}", again.stderr);
    assert_eq!(server.ask("GET", "/one/a.tar.zst", b"").1, before);
    place.ok("tfx restore embedded s3://one/a.tar.zst --data-dir new");
    // All begin where nothing is, and one ends first.
    let ends = place.ok(
        "for n in 1 2 3 4; do { tfx backup embedded s3://one/b.tar.zst -q -o name; echo $?; } 2>&1 & done; wait",
    );
    assert_eq!(ends.lines().filter(|line| *line == "0").count(), 1, "{ends}");
    assert_eq!(ends.lines().filter(|line| *line == "5").count(), 3, "{ends}");
    place.ok("tfx restore embedded s3://one/b.tar.zst --data-dir newer");
    assert_eq!((server.objects("one").len(), server.uploads("one")), (2, 0));
    // Sets of one second have one name: each is somebody's alone.
    place.sh("for n in 1 2 3 4; do tfx backup all s3://one/sets -q & done; wait");
    let listed = place.ok("tfx backup list s3://one/sets -o csv");
    assert!(!listed.contains(",half,") && listed.contains(",whole,"), "{listed}");
    place.ok("tfx backup verify s3://one/sets");
}

#[test]
fn what_is_damaged_is_told() {
    let (place, server) = stored("damaged");
    let name = make(&place, "s3://damaged");
    let (archive, manifest) =
        (format!("/damaged/{name}/embedded.tar.zst"), format!("/damaged/{name}/manifest.json"));
    let (_, bytes) = server.ask("GET", &archive, b"");
    let (_, text) = server.ask("GET", &manifest, b"");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for (to, seen_by_all, why) in [
        (flipped.clone(), false, "embedded.tar.zst is not what was written"),
        (bytes[..bytes.len() - 1].to_vec(), true, "embedded.tar.zst has "),
        (Vec::new(), true, "embedded.tar.zst has 0 bytes"),
    ] {
        server.ask("DELETE", &archive, b"");
        assert_eq!(server.ask("PUT", &archive, &to).0, 200);
        let verified = place.sh("tfx backup verify s3://damaged");
        assert_eq!((verified.code, verified.stdout.as_str()), (Some(1), ""), "{}", verified.stderr);
        assert!(verified.stderr.contains(why), "{}", verified.stderr);
        let age = place.sh("tfx check backup-age s3://damaged").code;
        assert_eq!(age, Some(if seen_by_all { 2 } else { 0 }), "{why}");
        let restored = place.sh(&format!("tfx restore embedded s3:/{archive} --data-dir new"));
        assert_eq!(restored.code, Some(1), "{}", restored.stderr);
        assert!(!place.dir().join("new/config.db").exists(), "nothing of it was restored");
    }
    server.ask("DELETE", &archive, b"");
    assert!(place.sh("tfx backup list s3://damaged").stderr.contains("embedded.tar.zst is missing"));
    server.ask("PUT", &archive, &bytes);
    for at in (0..text.len()).step_by(text.len() / 9) {
        let mut damaged = text.clone();
        damaged[at] ^= 1;
        server.ask("PUT", &manifest, &damaged);
        let told = place.sh("tfx backup list s3://damaged -o csv");
        assert!(told.stdout.contains(",half,") && told.stderr.contains("manifest"), "{at}: {}", told.stderr);
    }
    server.ask("DELETE", &manifest, b"");
    assert!(place.sh("tfx backup list s3://damaged").stderr.contains("it has no manifest"));
    server.ask("PUT", &manifest, &text);
    server.ask("PUT", &format!("/damaged/{name}/more"), b"x");
    assert!(
        place.sh("tfx backup list s3://damaged").stderr.contains("more is in it and not in its manifest")
    );
    // A deletion that was killed is ended by the next.
    server.ask("PUT", &format!("/damaged/{name}/.pruned"), b"");
    let named = place.sh(&format!("tfx restore embedded s3://damaged/{name} --dry-run --data-dir new"));
    assert!(named.code == Some(1) && named.stderr.contains("being deleted"), "{}", named.stderr);
    assert!(place.sh("tfx backup list s3://damaged").stderr.contains("being deleted"));
    place.ok("tfx backup prune s3://damaged --yes");
    assert_eq!(server.objects("damaged"), [""; 0]);
}

#[test]
fn what_was_killed_while_it_was_sent_is_no_backup_and_its_parts_go() {
    let (place, server) = stored("held-sets");
    let begin = |args: &[&str]| {
        let before = server.uploads("held-sets");
        let mut command = place.command(TFX);
        let child = command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tfx");
        while server.uploads("held-sets") == before {
            thread::sleep(Duration::from_millis(20));
        }
        child
    };
    for args in
        [["backup", "embedded", "s3://held-sets/one.tar.zst"], ["backup", "all", "s3://held-sets/sets"]]
    {
        let mut child = begin(&args);
        child.kill().and_then(|()| child.wait()).expect("its end");
        assert!(!server.objects("held-sets").iter().any(|key| key.ends_with(".tar.zst")));
        let told = place.sh("tfx backup list s3://held-sets/sets -o csv");
        assert!(!told.stdout.contains(",whole,"), "{}", told.stdout);
        assert_eq!(place.sh("tfx check backup-age s3://held-sets/sets").code, Some(2));
        let begun = server.uploads("held-sets");
        for above in ["s3://held-sets", "s3://held-sets/sets"] {
            let planned = place.sh(&format!("tfx backup prune {above} --dry-run"));
            let of_a_set = args[1] == "all" && above.ends_with("/sets");
            assert_eq!(planned.stderr.contains("never ended would go"), of_a_set, "{}", planned.stderr);
            assert_eq!(server.uploads("held-sets"), begun);
            let pruned = place.sh(&format!("tfx backup prune {above} --yes"));
            assert_eq!(pruned.stderr.contains("never ended is gone"), of_a_set, "{}", pruned.stderr);
        }
        // What is no set's is not ours to end: it may be of any program.
        assert_eq!(server.uploads("held-sets"), 1, "the one that is of no set");
    }
    let told = place.sh("tfx backup list s3://held-sets/sets");
    assert!(told.stderr.contains("being made, or left of a run that was killed"), "{}", told.stderr);
    let mut left = server.objects("held-sets");
    // Whether the server keeps what is there may just have been tried.
    left.retain(|key| !key.ends_with(".part"));
    assert!(left.len() == 1 && left[0].ends_with("/.making"), "{left:?}");
}

#[test]
fn what_a_bucket_does_not_do_is_told_with_what_to_do() {
    let (mut place, server) = stored("plain-sets");
    server.bucket("sets", &mut place);
    for (line, code, why) in [
        ("tfx backup all s3://no-such", 1, "there is no bucket no-such there: make it first"),
        ("tfx backup list s3://no-such", 1, "there is no bucket no-such there"),
        ("tfx backup embedded s3://no-such/a.tar.zst", 1, "there is no bucket no-such there"),
        ("tfx restore embedded s3://sets/a.tar.zst", 1, "there is no such object"),
        ("tfx restore embedded s3://sets/a.tar.zst", 1, "s3://sets/a.tar.zst cannot be read"),
        ("tfx backup verify s3://sets", 3, "s3://sets has no backups"),
        ("tfx backup all s3://plain-sets", 1, "passes over If-None-Match"),
        ("tfx backup embedded s3://plain-sets/a.tar.zst", 1, "passes over If-None-Match"),
        ("tfx backup all s3://sets --resume", 2, "--resume goes on in a folder only"),
        ("tfx backup clickhouse s3://sets --resume", 2, "--resume goes on in a folder only"),
        ("tfx doctor --bundle s3://sets/b.tar.gz --force", 2, "--force puts a file in the place of another"),
        ("tfx doctor --bundle s3://sets", 2, "s3://sets is a bucket; name an object in it"),
        ("tfx doctor --bundle s3://no-such/b.tar.gz", 1, "there is no bucket no-such there"),
        ("tfx doctor --bundle s3://plain-sets/b.tar.gz", 1, "passes over If-None-Match"),
        ("tfx backup all s3://Sets", 2, "has the form s3://BUCKET/PREFIX"),
        ("tfx backup all s3://sets/../a", 2, "has the form s3://BUCKET/PREFIX"),
        ("AWS_ACCESS_KEY_ID=other tfx backup list s3://sets", 1, "does not know AWS_ACCESS_KEY_ID"),
        ("AWS_ACCESS_KEY_ID= tfx backup list s3://sets", 2, "AWS_ACCESS_KEY_ID: is needed for s3://"),
        ("AWS_ALLOW_HTTP=false tfx backup list s3://sets", 2, "AWS_ALLOW_HTTP=true allows it"),
        ("AWS_ENDPOINT_URL=ftp://x tfx backup list s3://sets", 2, "allowed is an https:// URL"),
        ("AWS_ENDPOINT_URL=http://127.0.0.1:1 tfx backup list s3://sets", 6, "cannot be reached"),
        ("tfx check backup-age s3://no-such", 2, ""),
    ] {
        let done = place.sh(line);
        assert_eq!(done.code, Some(code), "{line}: {}{}", done.stdout, done.stderr);
        assert!(done.stderr.contains(why), "{line}: {}", done.stderr);
        assert!(
            !done.stderr.contains("canary") && !done.stdout.contains("canary"),
            "{line}: {}",
            done.stderr
        );
    }
    assert_eq!((server.objects("sets").len(), server.objects("plain-sets").len()), (0, 0));
    assert_eq!((server.uploads("sets"), server.uploads("plain-sets")), (0, 0));
    let left = fs::read_dir(place.dir()).expect("lists").count();
    assert!(left <= 2, "the home and the data folder");
    assert!(!place.ok("tfx config show").contains("canary"));
}

#[test]
fn partitions_that_have_not_changed_are_copied_by_the_server() {
    let (mut place, server, database) = (Place::empty(), Server::new(), ClickHouse::new());
    server.bucket("tables", &mut place);
    database.at(&mut place);
    database.fill(0, 3_000);
    let make = |line: &str| -> Value {
        place.until(&format!("{line} -q -o json >made 2>said; echo $?"), "0");
        serde_json::from_str(&place.ok("cat made")).expect("JSON")
    };
    let first = make("tfx backup clickhouse s3://tables/sets");
    assert_eq!(first["partitions"]["linked"], 0);
    database.run("INSERT INTO click_events (click_id, at) VALUES ('late', '2026-10-02 00:00:00')");
    let second = make("tfx backup clickhouse s3://tables/sets --incremental");
    assert_eq!(second["partitions"]["read"], 1, "{second}");
    assert!(second["partitions"]["linked"].as_u64() >= Some(3), "{second}");
    place.ok("tfx backup prune s3://tables/sets --keep 1 --keep-weekly 0 --yes");
    place.ok("tfx backup verify s3://tables/sets");
    let (set, before) = (second["set"].as_str().expect("a place").to_owned(), database.counts());
    let into = ClickHouse::unmade();
    into.at(&mut place);
    place.ok(&format!("tfx restore clickhouse {set} --dry-run && tfx restore clickhouse {set}"));
    assert_eq!(into.counts(), before);
    assert_eq!(server.uploads("tables"), 0);
}

#[test]
fn a_bundle_comes_into_a_bucket_where_nothing_is() {
    let (place, server) = stored("bundles");
    let line = "tfx doctor --bundle s3://bundles/help/b.tar.gz --log-lines 0";
    let done = place.sh(line);
    assert!(done.stderr.contains("s3://bundles/help/b.tar.gz holds "), "{}", done.stderr);
    assert_eq!(server.objects("bundles"), ["help/b.tar.gz"]);
    let (_, bytes) = server.ask("GET", "/bundles/help/b.tar.gz", b"");
    fs::write(place.dir().join("b.tar.gz"), &bytes).expect("written");
    place.ok("tar -xzf b.tar.gz");
    let settings = fs::read_to_string(place.dir().join("tfx-bundle/settings.json")).expect("settings");
    assert!(settings.contains("AWS_SECRET_ACCESS_KEY") && !settings.contains("canary"), "{settings}");
    let again = place.sh(line);
    assert_eq!((again.code, again.stdout.as_str()), (Some(5), ""), "{}", again.stderr);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
    assert_eq!(server.ask("GET", "/bundles/help/b.tar.gz", b"").1, bytes);
}
