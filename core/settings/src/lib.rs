//! Every setting: its name, default, unit and check. Read once at the start; nothing else reads the environment.
//!
//! [`vars`] is the list that `--help`, `.env.example` and the docs are made from. [`Settings::read`] parses all of
//! them and reports every bad one at once. A struct per concern says what a daemon or command needs.

mod source;
pub mod vars;

mod alerts;
mod analytics;
mod auth;
mod bucket;
mod events;
mod http;
mod logins;
mod notice;
mod postback;
mod sealing;
mod source_postback;
mod store;
mod traces;
mod traffic;

pub use alerts::AlertSettings;
pub use analytics::ClickHouse;
pub use auth::Access;
pub use bucket::BucketSettings;
pub use events::{EventsSettings, FailurePolicy};
pub use http::{Addresses, HttpSettings};
pub use logins::{Logins, Mail};
pub use notice::{Notice, notices};
pub use postback::{LookupFailure, PostbackSettings};
pub use sealing::SealingSettings;
pub use source::{SettingsSource, SourceError};
pub use source_postback::SourcePostbackSettings;
pub use store::{Engines, EventLog, Mongo};
pub use traces::TraceSettings;
pub use traffic::{GeoSettings, IpPrivacy, TrafficSettings};

use std::{borrow::Cow, path::PathBuf};
use tfx_domain::{access::address, problem::Problems};

/// A text that is never shown: `Debug` masks it and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// A setting's value as it may be shown: what stands before an `@` may be a login, unless it is a mail address.
pub fn shown(value: &str) -> Cow<'_, str> {
    let Some((before, host)) = value.rsplit_once('@') else { return value.into() };
    let mail = value.strip_suffix('>').and_then(|v| v.split_once('<')).map_or(value, |(_, mail)| mail);
    if !value.contains(':') && address(mail).is_ok() {
        return value.into();
    }
    let scheme = before.split_once("://").map(|(scheme, _)| scheme);
    match scheme.filter(|s| s.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-_".contains(&b))) {
        Some(scheme) => format!("{scheme}://***@{host}").into(),
        None => format!("***@{host}").into(),
    }
}

/// All settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the embedded stores, journals and tokens live.
    pub data_dir: PathBuf,
    /// What is logged: `error`, `warn`, `info`, `debug`, or a `tracing` filter. None: the program's own default.
    pub log_level: Option<String>,
    /// Where each service listens and is found.
    pub addresses: Addresses,
    /// Limits and trust on everything that is received.
    pub http: HttpSettings,
    /// Which engines are used.
    pub engines: Engines,
    /// `ANALYTICS_TTL_DAYS`: how long stored events are kept; none: for ever.
    pub analytics_ttl_days: Option<u32>,
    /// `AUDIT_TTL_DAYS`: how long lines of the audit log are kept; none: for ever.
    pub audit_ttl_days: Option<u32>,
    /// `HEALTH_HISTORY_TTL_DAYS`: how long changes of the health of destinations are kept; none: for ever.
    pub health_history_ttl_days: Option<u32>,
    /// How events are written.
    pub events: EventsSettings,
    /// traffic-service.
    pub traffic: TrafficSettings,
    /// postback-service.
    pub postback: PostbackSettings,
    /// Telling traffic sources of conversions.
    pub tell: SourcePostbackSettings,
    /// Alerts.
    pub alerts: AlertSettings,
    /// Where traces of clicks and requests go; none: nowhere.
    pub traces: Option<TraceSettings>,
    /// `OUTBOUND_ALLOW_PRIVATE`.
    pub outbound_allow_private: bool,
    /// `REPORT_MAX_GROUPS`.
    pub report_max_groups: usize,
    /// Who may call api-service and the internal endpoints.
    pub access: Access,
    /// How people log in; none: they do not.
    pub logins: Option<Logins>,
    /// With what the secrets of the configuration are sealed.
    pub sealing: SealingSettings,
    said: Vec<(&'static vars::Var, Secret)>,
}

impl Settings {
    /// Reads all settings.
    ///
    /// # Errors
    /// Every bad value, by the name of its setting, with the value (secrets masked) and what is allowed.
    pub fn read(source: &SettingsSource) -> Result<Self, Problems> {
        let mut r = source::Reader::new(source);
        let data_dir = data_dir(source, &mut r);
        let settings = Self {
            data_dir,
            log_level: r.text(&vars::LOG_LEVEL),
            addresses: Addresses::read(&mut r),
            http: HttpSettings::read(&mut r),
            engines: Engines::read(&mut r),
            analytics_ttl_days: Some(r.number(&vars::ANALYTICS_TTL_DAYS, 0, 36_500)).filter(|days| *days > 0),
            audit_ttl_days: audit_days(&mut r),
            health_history_ttl_days: Some(r.number(&vars::HEALTH_HISTORY_TTL_DAYS, 0, 36_500))
                .filter(|days| *days > 0),
            events: EventsSettings::read(&mut r),
            traffic: TrafficSettings::read(&mut r),
            postback: PostbackSettings::read(&mut r),
            tell: SourcePostbackSettings::read(&mut r),
            alerts: AlertSettings::read(&mut r),
            traces: TraceSettings::read(&mut r),
            outbound_allow_private: r.parse(&vars::OUTBOUND_ALLOW_PRIVATE),
            report_max_groups: r.number(&vars::REPORT_MAX_GROUPS, 1, 1_000_000),
            access: Access::read(&mut r),
            logins: Logins::read(&mut r),
            sealing: SealingSettings::read(&mut r),
            said: vars::GROUPS
                .iter()
                .flat_map(|(_, vars)| vars.iter())
                .filter_map(|var| Some((var, Secret(r.text(var)?))))
                .collect(),
        };
        r.finish(settings)
    }

    /// What a program reads, as it was said or by default, in the order of [`vars::GROUPS`]; what has no value is left out.
    pub fn said_to(&self, program: vars::Program) -> impl Iterator<Item = (&'static vars::Var, &Secret)> {
        self.said.iter().filter(move |(var, _)| var.of.contains(&program)).map(|(var, value)| (*var, value))
    }
}

/// What a program that asks api-service reads; a bad setting of a server does not concern it.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// `API_SERVICE_URL`, without a final slash.
    pub api_url: String,
    /// Where the token is, if nothing says otherwise.
    pub data_dir: PathBuf,
    /// `TFX_TOKEN`.
    pub token: Option<Secret>,
    /// `TFX_TOKEN_FILE`.
    pub token_file: Option<PathBuf>,
}

impl ClientSettings {
    /// Reads them.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn read(source: &SettingsSource) -> Result<Self, Problems> {
        let mut r = source::Reader::new(source);
        let settings = Self {
            api_url: http::service_url(&mut r, &vars::API_SERVICE_URL),
            data_dir: data_dir(source, &mut r),
            token: r.secret(&vars::TFX_TOKEN),
            token_file: r.text(&vars::TFX_TOKEN_FILE).map(PathBuf::from),
        };
        r.finish(settings)
    }
}

/// A month at least: who is told of what became of the configuration reads it there.
fn audit_days(r: &mut source::Reader<'_>) -> Option<u32> {
    let days: u32 = r.number(&vars::AUDIT_TTL_DAYS, 0, 36_500);
    if (1..30).contains(&days) {
        r.problem(&vars::AUDIT_TTL_DAYS, format!("is '{days}'; allowed are 0, for ever, and 30 to 36500"));
    }
    (days > 0).then_some(days)
}

/// `TFX_DATA_DIR`, else the default.
fn data_dir(source: &SettingsSource, r: &mut source::Reader<'_>) -> PathBuf {
    match r.text(&vars::TFX_DATA_DIR) {
        Some(dir) => PathBuf::from(dir),
        None => default_data_dir(source, r),
    }
}

/// `$XDG_DATA_HOME/tfx`, else `~/.local/share/tfx`.
fn default_data_dir(source: &SettingsSource, r: &mut source::Reader<'_>) -> PathBuf {
    let of = |name: &str| source.get(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(dir) = of("XDG_DATA_HOME") {
        return dir.join("tfx");
    }
    if let Some(home) = of("HOME") {
        return home.join(".local/share/tfx");
    }
    r.problem(&vars::TFX_DATA_DIR, "is needed: neither XDG_DATA_HOME nor HOME says where data may live");
    PathBuf::new()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn logins_are_not_shown() {
        let table = [
            ("kafka:9092", "kafka:9092"),
            ("user:pw@kafka:9092", "***@kafka:9092"),
            ("a:1,user:p@w,x@kafka:9092", "***@kafka:9092"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://user:pw@host/path", "https://***@host/path"),
            ("https://user:p/w@host", "https://***@host"),
            ("us er:p://w@host", "***@host"),
            ("ann@example.com", "ann@example.com"),
            ("TraffoFlex <login@example.com>", "TraffoFlex <login@example.com>"),
            ("TraffoFlex <user:pw@example.com>", "***@example.com>"),
        ];
        for (value, want) in table {
            assert_eq!(shown(value), want, "{value}");
        }
    }
}
