//! What scripts rely on: to run twice, to change only what they saw, to read entities from files.

use crate::{place::Place, transcript::Transcript};

#[test]
fn a_script_can_be_run_twice() {
    let place = Place::running();
    let mut t = Transcript::new(&place);
    t.all(
        "tfx network create --name AdNet --if-not-exists --output name
        tfx network create --name AdNet --if-not-exists --output name
        tfx network create --name AdNet
        tfx network create --name AdNet --output json
        tfx network pause adnet --quiet --output name
        tfx network create --name AdNet --if-not-exists --output name
        tfx network clone adnet --output name --quiet
        tfx network clone adnet --output name --if-not-exists
        tfx network clone adnet --output name",
    );
    t.is("run_twice");
}

#[test]
fn only_what_was_seen_is_changed() {
    let place = Place::running();
    place.ok("tfx campaign create --name Summer");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx campaign update summer --cost 0.02 --if-match 1 --output name
        tfx campaign update summer --cost 0.03 --if-match 1
        tfx campaign update summer --cost 0.03 --if-match 1 --output json
        tfx campaign pause summer --if-match 1
        tfx campaign archive summer --if-match 1 --yes
        tfx campaign update summer
        tfx campaign update summer --cost 0.02 --quiet | grep version",
    );
    t.is("if_match");
}

#[test]
fn what_is_used_is_not_archived() {
    let place = Place::running();
    place.ok("tfx destination create --name Offer --url 'https://offer.example/?s={click_id}'");
    place.ok("tfx campaign create --name Summer");
    place.ok("tfx stream create --campaign summer --name Main --destination offer");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx destination archive offer --yes
        tfx destination archive offer --yes --force --output name
        tfx campaign archive summer --dry-run --output name",
    );
    t.is("in_use");
}

#[test]
fn entities_are_read_from_files_and_pipes() {
    let place = Place::running();
    place.file("summer.yaml", "slug: summer\nname: Summer\ncost: {per_click: 0.5, currency: EUR}\n");
    place.file("winter.json", r#"{ "name": "Winter", "rotation": "weight" }"#);
    place.file(
        "wrong.json",
        r#"{ "slug": "x", "name": 5, "rotation": "spin", "cost": { "per_click": "a" }, "foo": 1 }"#,
    );
    place.file("broken.yaml", "slug: y\nname: [a\n");
    place.file("broken.json", "{ \"slug\": \n");
    place.file("list.yaml", "- a\n");
    place.file("empty.yaml", "");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx campaign create -f summer.yaml --output name --quiet
        tfx campaign create -f winter.json --set unique_window_s=60 --slug cold
        tfx campaign show summer --output yaml | tfx campaign create -f - --slug autumn --output name --quiet
        tfx campaign show autumn --output json | tfx campaign update autumn -f - --name Autumn --quiet
        tfx campaign create -f wrong.json
        tfx campaign create -f wrong.json --output json
        tfx campaign create -f broken.yaml
        tfx campaign create -f broken.json
        tfx campaign create -f list.yaml
        tfx campaign create -f empty.yaml
        tfx campaign create -f nowhere.yaml
        tfx campaign create -f .
        printf '\\377\\376' | tfx campaign create -f -",
    );
    t.is("files");
}

#[test]
fn lists_go_on_where_they_ended() {
    let place = Place::running();
    for n in 1..=5 {
        place.ok(&format!("tfx source create --name 'Source {n}'"));
    }
    let mut t = Transcript::new(&place);
    t.all(
        "tfx source list --limit 2
        tfx source list --limit 2 --cursor $(tfx source list --limit 2 --output json | sed -n 's/.*\"next\": \"\\(.*\\)\".*/\\1/p') --output name
        tfx source list --all --output name
        tfx source list --limit 2 --output name --quiet
        tfx source list --cursor nonsense
        tfx source list --limit 0
        tfx source list --limit 2 --all",
    );
    t.is("paging");
}
