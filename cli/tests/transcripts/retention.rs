//! `tfx retention`.

use crate::{
    clicks::{campaign, recorded},
    place::Place,
    transcript::Transcript,
    web,
};

/// Nothing that is shown depends on how large files are, or on when it is looked.
const FIXED: &str = "grep -v '^all events,' | cut -d, -f1-8";

#[test]
fn what_grows_says_when_it_goes() {
    let place = Place::running();
    campaign(&place);
    web::click(&place, "/c/summer");
    recorded(&place, 1);
    let mut t = Transcript::new(&place);
    t.sh(&format!("tfx retention show --output csv --quiet | {FIXED}"));
    t.sh("tfx retention show --quiet | sed 's/^\\(all events.*\\)  [0-9.]* [KM]iB/\\1   NN.NN KiB/'");
    t.sh("tfx retention show --output json | head -14");
    t.all(
        "tfx retention show --output name
        tfx retention apply --dry-run
        tfx retention apply
        tfx retention apply --output csv --quiet
        tfx retention apply --dry-run --output json",
    );
    t.sh("tfx audit --output csv --limit 1 | cut -d, -f2-5");
    t.sh("tfx token create reader --scope read --output name --quiet > token");
    t.all(
        "TFX_TOKEN_FILE=token tfx retention show --output name
        TFX_TOKEN_FILE=token tfx retention apply
        tfx retention
        tfx retention show clicks
        tfx retention apply --dry-rum
        API_SERVICE_URL=http://127.0.0.1:1 tfx retention show
        API_SERVICE_URL=http://127.0.0.1:1 tfx retention apply --output json",
    );
    t.is("retention");
}

#[test]
fn what_settings_say_is_shown_and_done() {
    let place = Place::running_with(&[
        ("ANALYTICS_TTL_DAYS", "1"),
        ("AUDIT_TTL_DAYS", "365"),
        ("HEALTH_HISTORY_TTL_DAYS", "90"),
        ("POSTBACK_PARK_MAX_AGE_S", "5400"),
    ]);
    let mut t = Transcript::new(&place);
    t.sh(&format!("tfx retention show --output csv --quiet | {FIXED} | grep -E 'TTL|PARK'"));
    t.all("tfx retention apply --dry-run\ntfx retention apply");
    t.is("retention_set");
}
