//! `tfx login` and what comes after it, on an installation that returns codes (AUTH_DEV_RETURN_OTP).

use crate::{place::Place, transcript::Transcript};

#[test]
fn people_log_in_are_approved_and_leave() {
    let place = Place::running_with(&[
        ("AUTH_ADMIN_EMAIL", "admin@example.com"),
        ("AUTH_ENV", "test"),
        ("AUTH_DEV_RETURN_OTP", "true"),
    ]);
    let mut t = Transcript::new(&place);
    t.all(
        "tfx whoami
        tfx login
        tfx login admin@example.com
        tfx whoami --output name
        tfx login bob@example.com --profile nowhere
        tfx user list --output csv",
    );
    t.sh("stat -c %a home/.config/tfx/credentials/default.json");
    t.all(
        "tfx login bob@example.com
        tfx user approve bob@example.com --role editor
        tfx user role bob@example.com viewer --output name
        tfx user approve carl@example.com",
    );
    t.sh("tfx session list --output csv | cut -d, -f2-3");
    t.sh("tfx user revoke bob@example.com --output json | grep state");
    t.all(
        "tfx logout
        tfx whoami --output name
        tfx logout",
    );
    t.sh("tfx token create ci --scope read --output name --quiet | tfx login --with-token");
    t.all("tfx whoami --output name\ntfx logout");
    t.sh("echo | tfx login --with-token");
    t.sh("tfx audit --output csv | cut -d, -f2-4");
    t.is("login");
}

#[test]
fn profiles_are_listed_chosen_and_shown() {
    let place = Place::empty();
    let mut t = Transcript::new(&place);
    t.sh("tfx profile list");
    place.file(
        "home/.config/tfx/config.toml",
        "[profile.default]\nAPI_SERVICE_URL = \"http://127.0.0.1:1\"\n[profile.prod]\nAPI_SERVICE_URL = \"https://api.example\"\nTFX_TOKEN = \"canary\"\n",
    );
    t.all(
        "tfx profile list
        tfx profile use stage
        tfx profile use prod
        tfx profile list --output csv
        tfx profile show
        tfx profile show default --output json",
    );
    t.is("profile");
}
