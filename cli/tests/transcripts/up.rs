//! `tfx up`: what it says, and what it says when it cannot.

use crate::{
    place::{Place, TFX},
    transcript::Transcript,
};
use std::io::Read;

#[test]
fn it_says_where_everything_is_and_stops_in_order() {
    let place = Place::empty();
    // The first line of its last words means that it stands; then the signal, as Ctrl-C sends it.
    let script = r#""$0" up --demo >out.txt 2>err.txt & pid=$!
        until grep -q 'Ctrl-C stops' err.txt; do kill -0 $pid || exit 9; done
        kill -INT $pid; wait $pid"#;
    let mut sh = place.command("sh");
    sh.args(["-c", script, TFX]);
    for service in ["API", "TRAFFIC", "POSTBACK"] {
        sh.env(format!("{service}_SERVICE_ADDR"), "127.0.0.1:0");
    }
    let mut child = sh.env_remove("API_SERVICE_URL").spawn().expect("tfx up");
    let status = child.wait().expect("an end");
    let mut why = String::new();
    child.stderr.take().expect("stderr").read_to_string(&mut why).expect("text");
    assert_eq!(status.code(), Some(0), "{why}");
    let mut t = Transcript::new(&place);
    // The ports are free ones.
    t.all(
        "sed 's/127.0.0.1:[0-9]*/127.0.0.1:PORT/g' out.txt
        sed 's/127.0.0.1:[0-9]*/127.0.0.1:PORT/g' err.txt",
    );
    t.is("up");
}

#[test]
fn what_stands_in_its_way_is_named() {
    let mut place = Place::running();
    place.file("file", "");
    for service in ["API", "TRAFFIC", "POSTBACK"] {
        place.set(&format!("{service}_SERVICE_ADDR"), "127.0.0.1:0");
    }
    let busy = place.api();
    let mut t = Transcript::new(&place);
    t.sh("tfx up");
    t.sh(&format!("API_SERVICE_ADDR={busy} tfx up --data-dir other"));
    t.sh(&format!("API_SERVICE_ADDR={busy} POSTBACK_SERVICE_ADDR={busy} tfx up --data-dir other"));
    t.sh("API_SERVICE_ADDR=here tfx up --data-dir other");
    t.sh("tfx up --data-dir file/inside");
    t.sh("LOG_LEVEL=no=such=filter tfx up --data-dir other");
    t.is("up_fails");
}
