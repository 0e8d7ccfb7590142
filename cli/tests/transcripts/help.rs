//! Help.

use crate::{place::Place, transcript::Transcript};

#[test]
fn top_level() {
    let place = Place::empty();
    let mut t = Transcript::new(&place);
    t.all(
        "tfx --help
        tfx --version
        tfx help events
        tfx campaign create --help
        tfx report -h
        tfx cmapaign list
        tfx campaign",
    );
    t.is("help");
}
