//! TLS and logins: events travel as they do without, and whoever is not let in hears why and what to check, loses
//! nothing, waits no longer than he said, and finds no password in any text.

mod login;
mod refusals;
mod stand;
mod travels;

use login::User;
use std::collections::BTreeMap;
use tfx_settings::{Settings, SettingsSource};

const USER: User = User { name: "tfx", password: "canary=8" };

/// What becomes of the setting `EVENT_KAFKA_OPTIONS`.
fn options(setting: &str) -> BTreeMap<String, String> {
    let values = [
        ("HOME", "/nowhere"),
        ("EVENT_BROKERS", "localhost:9092"),
        ("CLICKHOUSE_HTTP_URL", "http://localhost:8123"),
        ("EVENT_KAFKA_OPTIONS", setting),
    ];
    let settings = Settings::read(&SettingsSource::of(values)).unwrap_or_else(|p| panic!("{setting}: {p:?}"));
    settings.engines.events.expect("both engines").0.options
}
