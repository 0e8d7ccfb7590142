//! `tfx bench`, `tfx smoke`, `tfx events stats`: the tools around the main job.

use crate::{clicks::campaign, place::Place, transcript::Transcript};

/// Three requests in the combined log format: a person with a telephone, one with a desktop, a bot.
pub(crate) const LOG: &str = concat!(
    r#"192.0.2.1 - - [01/Nov/2026:10:00:00 +0000] "GET /a?x=1 HTTP/1.1" 200 12 "https://ref.example/" "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)""#,
    "\n",
    r#"192.0.2.2 - - [01/Nov/2026:10:00:01 +0000] "GET / HTTP/1.1" 200 12 "-" "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0""#,
    "\n",
    r#"192.0.2.3 - - [01/Nov/2026:10:00:02 +0000] "GET / HTTP/1.1" 200 12 "-" "Googlebot/2.1""#,
    "\n",
);

#[test]
fn a_log_is_replayed_and_the_report_adds_up() {
    let place = Place::running();
    campaign(&place);
    place.file("access.log", &format!("{}not a line of a log\n", LOG.repeat(20)));
    place.file("wrong.log", "not a line of a log\n");
    let traffic = place.traffic();
    let mut t = Transcript::new(&place);
    t.all(
        "tfx bench --replay access.log --to summer
        tfx bench --replay - --to summer --limit 5 --concurrency 1 --output json <access.log
        tfx report --by none --metrics hits,clicks,bots --output csv --quiet
        tfx bench --replay wrong.log --to summer
        tfx bench --replay nowhere.log --to summer
        tfx bench --replay access.log --to nowhere
        tfx bench --replay access.log --to summer --to http://127.0.0.1:1/
        tfx bench --replay access.log --to summer --rate 0
        tfx bench --replay access.log",
    );
    t.sh(&format!("tfx bench --replay access.log --to http://{traffic}/c/summer --limit 2 | grep -v /s"));
    t.sh("tfx events stats --output csv | grep -E 'counter|dropped|refused'");
    t.is("replay");
}

#[test]
fn smoke_checks_the_main_job() {
    let place = Place::empty();
    let done = place.sh("tfx smoke --junit smoke.xml --output json");
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let steps: Vec<serde_json::Value> = serde_json::from_str(&done.stdout).expect("steps");
    assert!(steps.len() > 8, "{steps:#?}");
    assert!(steps.iter().all(|s| s["step"].is_string() && s["ms"].is_u64()));
    // Of all that it checks, the embedded store lacks one thing only.
    let skipped: Vec<_> = steps.iter().filter(|s| s["result"] != "passed").collect();
    assert!(matches!(&skipped[..], [s] if s["result"] == "skipped"), "{skipped:?}");
    assert!(skipped[0]["detail"].as_str().expect("a reason").starts_with("no event log here"), "{skipped:?}");
    let junit = std::fs::read_to_string(place.dir().join("smoke.xml")).expect("the file");
    assert_eq!(junit.matches("<testcase").count(), steps.len());
    assert!(junit.contains("failures=\"0\" skipped=\"1\""), "{junit}");
}

#[test]
fn smoke_tells_ci_what_it_did_not_come_to() {
    let place = Place::empty();
    let mut t = Transcript::new(&place);
    // Nothing that could be started is described here.
    t.sh("tfx smoke --stack local --junit smoke.xml");
    t.sh("head -n 8 smoke.xml | sed 's/time=\"[0-9.]*\"/time=\"…\"/'");
    t.is("smoke_fails");
}
