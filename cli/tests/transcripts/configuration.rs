//! Settings: where they come from, what is wrong with them, and that no secret of theirs is ever shown.

use crate::{place::Place, transcript::Transcript};

#[test]
fn settings_come_from_flags_environment_file_and_profile() {
    let place = Place::empty();
    place.file(
        "home/.config/tfx/config.toml",
        "[profile.default]\nEVENT_BATCH_SIZE = \"7\"\n[profile.prod]\nEVENT_BATCH_SIZE = \"8\"\nLOG_LEVEL = \"debug\"\n",
    );
    place.file("odd/tfx/config.toml", "[profile.default]\nEVENT_BATCHSIZE = \"7\"\n");
    place.file("broken/tfx/config.toml", "[profile\n");
    let mut t = Transcript::new(&place);
    t.all(
        "tfx config show --set --output csv
        tfx config show --set --output csv --profile prod --api-url http://127.0.0.1:9 --data-dir other
        EVENT_BATCH_SIZE=9 tfx config show --set --output csv --profile prod | grep BATCH
        echo EVENT_BATCH_SIZE=10 > .env
        tfx config show --set --output csv --profile prod | grep BATCH
        EVENT_BATCH_SIZE=11 tfx config show --set --output csv --profile prod | grep BATCH
        rm .env
        tfx config check --profile nowhere
        XDG_CONFIG_HOME=odd tfx config check
        XDG_CONFIG_HOME=broken tfx config check
        XDG_CONFIG_HOME=none tfx config check --profile prod
        tfx config show --output name | head -3",
    );
    t.is("settings");
}

#[test]
fn every_bad_setting_is_named() {
    let place = Place::empty();
    place.file("home/.config/tfx/config.toml", "[profile.default]\nEVENT_WRITE_TIMEOUT_MS = \"soon\"\n");
    let mut t = Transcript::new(&place);
    t.all(
        "EVENT_BATCH_SIZE=many TRUSTED_PROXY_CIDRS=here API_SERVICE_URL=x tfx config check
        EVENT_BATCH_SIZE=many tfx campaign list --output json
        EVENT_WRITE_TIMEOUT_MS=5000 tfx config check
        EVENT_WRITE_TIMEOUT_MS=5000 tfx config check --output json
        EVENT_WRITE_TIMEOUT_MS=5000 EVENT_BROKERS=127.0.0.1:9 tfx config check
        echo EVENT_BATCH_SIZ=10 > .env; EVENT_WRITE_TIMEOUT_MS=soon tfx config check
        EVENT_WRITE_TIMEOUT_MS=soon tfx up
        EVENT_WRITE_TIMEOUT_MS=soon tfx doctor",
    );
    t.is("bad_settings");
}

#[test]
fn no_secret_is_shown() {
    let place = Place::empty();
    let secrets = "MONGO_URI=mongodb://u:canary@h/ CLICKHOUSE_HTTP_URL=http://u:canary@h:1 CLICKHOUSE_PASSWORD=canary \
        EVENT_BROKERS=h:1 EVENT_KAFKA_OPTIONS=sasl.password=canary INTERNAL_TOKEN=canary TFX_TOKEN=canary";
    for line in [
        "tfx config show",
        "tfx config show --output json",
        "tfx config check",
        "tfx campaign list",
        "INTERNAL_TOKEN='canary\n' EVENT_BATCH_SIZE=x tfx config check",
        "MONGO_URI=canary tfx config check",
        "CLICKHOUSE_HTTP_URL=canary tfx config check",
        "EVENT_KAFKA_OPTIONS=canary tfx config check --output json",
    ] {
        let done = place.sh(&format!("export {secrets}; {line}"));
        assert!(
            !done.stdout.contains("canary") && !done.stderr.contains("canary"),
            "{line}: {}{}",
            done.stdout,
            done.stderr
        );
    }
}
