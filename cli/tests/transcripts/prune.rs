//! `tfx prune`.

use crate::{clicks::campaign, place::Place, transcript::Transcript};

#[test]
fn old_events_leave_after_a_yes() {
    let place = Place::running();
    campaign(&place);
    place.file("access.log", &crate::replay::LOG.repeat(4));
    let mut t = Transcript::new(&place);
    t.sh("tfx bench --replay access.log --to summer --quiet >nowhere; tfx report --by none --metrics hits --output csv --quiet");
    t.all(
        "tfx prune --before 90d
        tfx prune --dry-run
        tfx prune --before 90d --dry-run --output json
        tfx prune --before 2999-01-01 --yes",
    );
    t.sh("tfx prune --before now --dry-run --output csv | cut -d, -f2-6");
    t.sh("tfx prune --before now --yes --output csv | cut -d, -f2-6");
    t.sh("tfx report --by none --metrics hits --output csv --quiet");
    t.sh("tfx audit --output csv --limit 1 | cut -d, -f2-5");
    t.is("prune");
}
