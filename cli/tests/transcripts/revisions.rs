//! `tfx revision` and `tfx rollback`.

use crate::{place::Place, transcript::Transcript};

/// A campaign, and what somebody does to it.
fn changed(place: &Place) {
    for line in [
        "tfx source create --slug push --name Push",
        "tfx destination create --slug offer --url https://offer.example/ --payout 2.5",
        "tfx campaign create --slug summer --name Summer --source push",
        "tfx stream create --campaign summer --name main --destination offer",
        "tfx campaign update summer --name Autumn --slug autumn",
        "tfx campaign create --slug other",
        "tfx source pause push",
    ] {
        place.ok(line);
    }
}

#[test]
fn what_was_is_listed_shown_compared_and_put_back() {
    let place = Place::running();
    changed(&place);
    let mut t = Transcript::new(&place);
    t.sh("tfx revision list --output csv | cut -d, -f1,3-");
    t.all(
        "tfx revision list --limit 1 --output name
        tfx revision show 5
        tfx revision show 5 --output json | grep -v '\"at\"'
        tfx revision show 4 --set --output yaml
        tfx revision diff 4
        tfx revision diff 4 5
        tfx revision diff 5 4 --output json
        tfx revision diff 7
        tfx rollback 4 --dry-run
        tfx rollback 4
        tfx rollback 4 --yes
        tfx rollback 4 --yes
        tfx campaign list --status all
        tfx rollback --last --yes --output json
        tfx rollback --last --yes
        tfx audit --limit 2 --output csv | cut -d, -f2-5",
    );
    t.is("revisions");
}

#[test]
fn nonsense_is_told() {
    let place = Place::running();
    let mut t = Transcript::new(&place);
    t.all(
        "tfx revision list
        tfx rollback --last --dry-run
        tfx revision show 9
        tfx revision show x
        tfx revision show
        tfx revision diff 0 9
        tfx rollback
        tfx rollback 9 --yes
        tfx rollback 0 --last
        tfx rollback -1
        tfx rollback 0 --dry-run
        tfx revision",
    );
    t.is("revisions_nonsense");
}
