//! Clicks: recorded, listed, shown, explained.

use crate::{place::Place, transcript::Transcript, web};
use rusqlite::{Connection, params};
use std::{
    fs::{self, File},
    process::{Child, Stdio},
    time::Duration,
};
use tfx_domain::id::ClickId;

/// A campaign with a stream for two countries and one for telephones, known to all services when this returns.
pub(crate) fn campaign(place: &Place) {
    for line in [
        "network create --name AdNet",
        "template create --network adnet --name Main --click-id-param s --map sale=approved",
        "destination create --name Offer --url 'https://offer.example/?s={click_id}' --network adnet --payout 4",
        "campaign create --name Summer --cost 0.05",
        "campaign create --name Paused",
        "campaign pause paused",
        "stream create --campaign summer --name US --filter country=US,CA --destination offer",
        "stream create --campaign summer --name Phones --filter device_type=mobile --destination offer",
        "network create --name Last",
    ] {
        place.ok(&format!("tfx {line}"));
    }
    // Services take the configuration in its order: who knows what was made last knows everything.
    place.until("tfx explain summer --ua 'Mozilla/5.0 (iPhone)' --output json | grep -c offer.example", "1");
    place.until("tfx postback test last txid=1 --send 2>&1 | grep -c 'answers 400'", "1");
}

/// Waits until so many clicks are recorded.
pub(crate) fn recorded(place: &Place, clicks: usize) {
    place.until("tfx click list --output name --quiet | wc -l | tr -d ' '", &clicks.to_string());
}

#[test]
fn clicks_are_listed_shown_and_explained() {
    let place = Place::running();
    campaign(&place);
    let phone = web::click(&place, "/c/summer?sub1=z1&keyword=red%1b%5b31m%0Ashoes&x=%0Astatus%20%20paid");
    // One after the other, so that their order is known.
    recorded(&place, 1);
    web::get(&place, "/c/summer", "curl/8");
    recorded(&place, 2);
    web::get(&place, "/c/nowhere", web::PHONE);
    recorded(&place, 3);
    let mut t = Transcript::new(&place);
    t.all(
        "tfx click list
        tfx click list --routed --output name
        tfx click list --unrouted --campaign summer --output csv
        tfx click list --since 1h --limit 1
        tfx click list --until yesterday",
    );
    t.sh(&format!("tfx click show {phone}"));
    t.sh(&format!("tfx click show {phone} --output csv"));
    t.sh(&format!("tfx explain --click {phone}"));
    t.is("clicks");
}

#[test]
fn a_click_is_explained_before_it_happens() {
    let place = Place::running();
    campaign(&place);
    let mut t = Transcript::new(&place);
    t.all(
        "tfx explain summer --country US
        tfx explain summer --ua ''
        tfx explain summer --country US --unhealthy offer --output csv
        tfx explain summer --country US --at 2026-03-29T02:30 --param sub1=z --hops 4
        tfx explain summer --country US --output name
        tfx explain paused
        tfx explain nowhere --output name
        tfx explain summer --unhealthy nowhere
        tfx explain summer --ip 1.2.3
        tfx explain summer --cap-used offer=many
        tfx explain
        tfx explain summer --click 01KYKZ6QK0ABCDEFGHJKMNPQRS",
    );
    t.is("explain");
}

#[test]
fn places_that_no_database_knows_are_told_until_one_lies_in_the_data_folder() {
    let place = Place::running();
    place.ok("tfx destination create --name Offer --url 'https://offer.example/?s={click_id}'");
    place.ok("tfx campaign create --name Summer");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx stream create --campaign summer --name US --filter country=US --destination offer -o name
        tfx stream create --campaign summer --name X --filter country=XX --destination offer",
    );
    place.until("tfx explain summer --country US --output name --quiet", "summer/us");
    t.all(
        "tfx explain summer --country US
        tfx explain summer --continent QQ --country DEU
        tfx stream update summer/us --weight 50 -o name
        tfx report --by country --quiet
        tfx report --by country --since 1h --output csv",
    );
    // One that has everybody in the United States.
    let database = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts/everywhere-us.bin");
    place.ok(&format!("mkdir -p data/geo && cp '{database}' data/geo/some.mmdb"));
    place.until("tfx explain summer --ip 8.8.8.8 --output name --quiet", "summer/us");
    t.all(
        "tfx explain summer --ip 8.8.8.8 --output name
        tfx explain summer --country CA --region bc --city Vancouver --asn AS64500 --isp Net --connection-type Cellular
        tfx stream update summer/us --weight 60 -o name",
    );
    t.is("geo");
}

#[test]
fn lists_take_conditions_and_columns() {
    let place = Place::running();
    campaign(&place);
    for (n, path) in ["/c/summer?sub1=a", "/c/summer?sub1=b&sub3=x", "/c/nowhere"].into_iter().enumerate() {
        web::get(&place, path, web::PHONE);
        recorded(&place, n + 1);
    }
    place.ok("tfx postback test adnet s=01KYKZ6QK0ABCDEFGHJKMNPQRS txid=T1 --send --output json; true");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx click list --where device_type=mobile --where 'sub1!=a' --columns campaign_slug,sub1,sub3 --output csv
        tfx click list --where campaign=summer --columns sub1,outcome
        tfx click list --where sub1=B --columns sub1 --limit 1
        tfx click list --where 'weekday=mon,tue,wed,thu,fri,sat,sun' --where hour_of_day!=24 --columns sub1
        tfx click list --where 'weekday=mon,tue,wed,thu,fri,sat,sun' --columns sub1,cost --output csv
        tfx conversion list --output csv
        tfx click list --where destination= --columns campaign_slug,device_type,cost.amount --output csv
        tfx click list --where contry=US
        tfx click list --where campaign=sumer --where bot=maybe
        tfx click list --columns contry,nonsense
        tfx postback log --where netwrok=a
        tfx conversion list --where status=sale --columns country,revenue
        tfx click list --follow --output csv
        tfx click list --follow --all",
    );
    t.is("conditions");
}

/// Follows clicks into a file; ended when dropped.
pub(crate) struct Follows(pub(crate) Child);

impl Drop for Follows {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_comes_is_followed_each_once_oldest_first_until_it_is_ended() {
    let place = Place::running();
    campaign(&place);
    let mut clicks = vec![web::click(&place, "/c/summer?sub1=a")];
    recorded(&place, 1);
    web::get(&place, "/c/nowhere", web::PHONE);
    recorded(&place, 2);
    let follow = |file: &str, flags: &[&str]| {
        let out = File::create(place.dir().join(file)).expect("a file");
        let args = ["click", "list", "--follow", "--where", "campaign=summer"];
        let child = place.command("tfx").args(args).args(flags).stdout(out).stdin(Stdio::null()).spawn();
        Follows(child.expect("tfx"))
    };
    let mut names = follow("names", &["--since", "1h", "--output", "name"]);
    let _table = follow("table", &["--since", "1h", "--columns", "sub1,outcome"]);
    place.until("wc -l <names | tr -d ' '", "1");
    place.until("wc -l <table | tr -d ' '", "2");
    for n in 0..5 {
        // Of one millisecond any may be the first.
        std::thread::sleep(std::time::Duration::from_millis(2));
        clicks.push(web::click(&place, &format!("/c/summer?sub1=b{n}")));
    }
    place.until("wc -l <names | tr -d ' '", "6");
    place.until("wc -l <table | tr -d ' '", "7");
    let read = |file: &str| fs::read_to_string(place.dir().join(file)).expect("the file");
    assert_eq!(read("names").lines().collect::<Vec<_>>(), clicks);
    assert_eq!(read("table").matches("SUB1").count(), 1, "{}", read("table"));
    place.ok(&format!("kill -INT {}", names.0.id()));
    assert_eq!(names.0.wait().expect("an end").code(), Some(0));
    place.ok("(tfx click list --follow --since 1h --output name; echo $? >code) | head -1");
    assert_eq!(read("code").trim(), "0");
}

/// A row of a click, of a moment before it, as one that a service kept while the store was away.
fn late_copy(place: &Place, of: &str) -> String {
    let of: ClickId = of.parse().expect("a click id");
    let at = of.timestamp() - Duration::from_mins(30);
    let copy = ClickId::generate(at, 7);
    let events = Connection::open(place.dir().join("data/events.db")).expect("events.db");
    events.busy_timeout(Duration::from_secs(20)).expect("set");
    let body = "INSERT INTO bodies (json) SELECT CAST(json_set(json, '$.click_id', ?2, '$.at', ?3) AS BLOB) FROM bodies
        WHERE id = (SELECT body FROM clicks WHERE id = ?1)";
    let bytes = |id: ClickId| id.to_bits().to_be_bytes();
    events.execute(body, params![bytes(of), copy.to_string(), at.to_string()]).expect("a body");
    let body = events.last_insert_rowid();
    events
        .execute("CREATE TEMP TABLE late AS SELECT * FROM clicks WHERE id = ?1", [bytes(of)])
        .expect("a row");
    events.execute("UPDATE late SET id = ?1, body = ?2", params![bytes(copy), body]).expect("changed");
    events.execute("INSERT INTO clicks SELECT * FROM late", []).expect("there");
    copy.to_string()
}

#[test]
fn a_row_that_arrives_half_an_hour_late_is_followed_and_what_was_there_is_not() {
    let place = Place::running();
    campaign(&place);
    web::click(&place, "/c/summer?sub1=before");
    recorded(&place, 1);
    let out = File::create(place.dir().join("names")).expect("a file");
    let args = ["click", "list", "--follow", "--where", "campaign=summer", "--output", "name"];
    let child = place.command("tfx").args(args).stdout(out).stdin(Stdio::null()).spawn();
    let _follows = Follows(child.expect("tfx"));
    // It follows as soon as it has shown a click.
    let mut clicks = Vec::new();
    place.until("wc -l <names | tr -d ' '", "0");
    while place.sh("test -s names").code != Some(0) {
        clicks.push(web::click(&place, "/c/summer?sub1=after"));
        std::thread::sleep(Duration::from_millis(300));
    }
    let late = late_copy(&place, &clicks[0]);
    place.until(&format!("grep -c {late} names"), "1");
    let names = fs::read_to_string(place.dir().join("names")).expect("the file");
    assert!(
        !names.contains(&place.ok("tfx click list --where sub1=before --output name | tail -1")),
        "{names}"
    );
    let mut lines: Vec<_> = names.lines().collect();
    lines.sort_unstable();
    let all = lines.len();
    lines.dedup();
    assert_eq!(lines.len(), all, "each once");
}

#[test]
fn what_cannot_be_read_is_left_out_of_lists_and_told() {
    let place = Place::running();
    campaign(&place);
    let bad = web::click(&place, "/c/summer?sub1=a");
    recorded(&place, 1);
    let good = web::click(&place, "/c/summer?sub1=b");
    recorded(&place, 2);
    let events = Connection::open(place.dir().join("data/events.db")).expect("events.db");
    events.busy_timeout(Duration::from_secs(20)).expect("set");
    let id: ClickId = bad.parse().expect("an id");
    let spoil =
        "UPDATE bodies SET json = substr(json, 1, 50) WHERE id = (SELECT body FROM clicks WHERE id = ?1)";
    assert_eq!(events.execute(spoil, [id.to_bits().to_be_bytes()]).expect("spoiled"), 1);
    for line in ["tfx click list --output name", "tfx click list --output name --where campaign=summer --all"]
    {
        let done = place.sh(line);
        assert_eq!((done.code, done.stdout.trim()), (Some(0), good.as_str()), "{}", done.stderr);
        for part in ["1 row cannot be read and is left out", bad.as_str(), "EOF"] {
            assert!(done.stderr.contains(part), "{part}: {}", done.stderr);
        }
    }
    assert!(place.ok("tfx click list --output json --quiet").contains("\"left_out\""));
    let done = place.sh(&format!("tfx click show {bad}"));
    assert!(done.code != Some(0) && done.stderr.contains(&bad), "{}", done.stderr);

    // An entity of a newer program is listed and marked.
    let config = Connection::open(place.dir().join("data/config.db")).expect("config.db");
    config.busy_timeout(Duration::from_secs(20)).expect("set");
    let newer = "UPDATE records SET spec = json_set(spec, '$.rotation', 'sideways') WHERE slug = 'paused'";
    assert_eq!(config.execute(newer, []).expect("changed"), 1);
    let done = place.sh("tfx campaign list --status all");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("paused, unreadable") && done.stdout.contains("summer"), "{}", done.stdout);
    assert!(done.stderr.contains("warning: paused cannot be read"), "{}", done.stderr);
}
