//! Pipes: closed ones end a command in silence, full ones with an error, and no escape code goes into any.

use crate::{place::Place, transcript::Transcript};

#[test]
fn whoever_stops_reading_is_not_told_about_it() {
    let place = Place::running();
    for n in 0..3 {
        place.ok(&format!("tfx source create --slug s{n}"));
    }
    let mut t = Transcript::new(&place);
    t.all(
        "(tfx source list; echo exit $? >&2) | head -1
        (tfx source list --output jsonl --all; echo exit $? >&2) | head -0
        (tfx config show --output json; echo exit $? >&2) | head -1
        (tfx --help; echo exit $? >&2) | head -1
        (tfx man; echo exit $? >&2) | head -1
        (tfx completions bash; echo exit $? >&2) | head -1",
    );
    t.is("closed_pipes");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let place = Place::empty();
    let mut t = Transcript::new(&place);
    t.all(
        "tfx config show >/dev/full
        tfx config show --output json >/dev/full
        tfx --help >/dev/full
        tfx completions zsh >/dev/full",
    );
    t.is("full_disk");
}

#[test]
fn no_escape_code_goes_into_a_pipe() {
    let place = Place::running();
    place.ok("tfx source create --name Social");
    // A transcript refuses every escape code.
    let mut t = Transcript::new(&place);
    for wish in ["TERM=xterm-256color", "CLICOLOR_FORCE=1", "FORCE_COLOR=1", "COLORTERM=truecolor"] {
        for line in [
            "tfx source list",
            "tfx source show social",
            "tfx source shwo",
            "tfx --help",
            "tfx source show x",
        ] {
            t.sh(&format!("{wish} {line}"));
        }
    }
}
