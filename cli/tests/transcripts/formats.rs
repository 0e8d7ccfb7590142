//! Each form of output, of a list, of one thing and of nothing.

use crate::{place::Place, transcript::Transcript};

#[test]
fn every_format() {
    let place = Place::running();
    place.ok("tfx source create --name Social");
    place.ok("tfx campaign create --name Summer --source social --cost '0.5 EUR' --unique-window 2h");
    place.ok("tfx campaign create --slug quoted --name 'He said \"now, or never\"'");
    let mut t = Transcript::new(&place);
    for format in ["table", "json", "jsonl", "yaml", "csv", "name"] {
        t.sh(&format!("tfx campaign list --output {format}"));
        t.sh(&format!("tfx campaign show summer --output {format}"));
        t.sh(&format!("tfx stream list --output {format}"));
    }
    t.sh("tfx campaign list --output xml");
    t.is("formats");
}
