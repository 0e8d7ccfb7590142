//! Where the server is, and what it reads.

use std::{fmt, time::Duration};
use tfx_domain::event::Topic;
use tfx_ports::StoreError;
use url::Url;

/// Where the server is.
#[derive(Clone)]
pub struct ClickHouseConfig {
    /// The HTTP interface: `http://host:8123/`. Shown in messages, so without credentials.
    pub url: String,
    /// None: the server's `default`.
    pub user: Option<String>,
    /// None: no password.
    pub password: Option<String>,
    /// Our database: letters, digits and underscores.
    pub database: String,
    /// Servers that keep the events together, by the name that they have for it; none: one server alone.
    pub cluster: Option<String>,
    /// Longest time of one query; longer ones are ended, here and in the server. Exports and migrations take their
    /// time.
    pub timeout: Duration,
    /// After how long without a sign of life a migration counts as dead, and another one may begin: [`LEASE`]. Whole
    /// seconds.
    pub lease: Duration,
}

/// The usual lease of a migration. It gives six signs of life in this time, also in the middle of a statement.
pub const LEASE: Duration = Duration::from_secs(120);

impl ClickHouseConfig {
    /// From a URL that may hold user, password and `?database=`; the rest as by default.
    ///
    /// # Errors
    /// It is no such URL; not retryable. The message does not show it.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let no = || broken("CLICKHOUSE_HTTP_URL is no URL that begins with http:// or https://");
        let mut url = Url::parse(url).map_err(|_| no())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(no());
        }
        let decoded = |text: &str| {
            // The same decoding as in a form, but that a plus is a plus.
            let form = format!("v={}", text.replace('+', "%2B"));
            url::form_urlencoded::parse(form.as_bytes()).next().map(|(_, v)| v.into_owned())
        };
        let user = Some(url.username()).filter(|u| !u.is_empty()).and_then(decoded);
        let password = url.password().and_then(decoded);
        let database = url.query_pairs().find(|(n, _)| n == "database").map(|(_, v)| v.into_owned());
        // Neither fails for a URL with a host.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        url.set_query(None);
        let database = database.filter(|d| !d.is_empty()).unwrap_or_else(|| "traffoflex".to_owned());
        let timeout = Duration::from_secs(30);
        Ok(Self { url: url.into(), user, password, database, cluster: None, timeout, lease: LEASE })
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if !is_name(&self.database) {
            return Err(broken(format!(
                "CLICKHOUSE_DATABASE is {:?}; allowed are letters, digits and underscores, not a digit first",
                self.database
            )));
        }
        Ok(())
    }
}

impl fmt::Debug for ClickHouseConfig {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClickHouseConfig")
            .field("url", &self.url)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("cluster", &self.cluster)
            .field("timeout", &self.timeout)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

/// What the server reads, and how long it keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineConfig {
    /// The brokers as the server reaches them: `host:port`, comma-separated.
    pub brokers: String,
    /// The topics' whole names, in the order of [`Topic::ALL`].
    pub topics: [String; Topic::ALL.len()],
    /// What the names of the consumer groups begin with; each topic has its own.
    pub groups: String,
    /// How many days events are kept by their time, and broken messages by the time they were met; none: for ever.
    pub ttl_days: Option<u32>,
}

impl PipelineConfig {
    /// The defaults for these brokers.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            topics: Topic::ALL.map(|topic| format!("traffoflex.{}", topic.as_str())),
            groups: "traffoflex-clickhouse".to_owned(),
            ttl_days: None,
        }
    }
}

pub(crate) fn broken(what: impl Into<String>) -> StoreError {
    StoreError::Broken { what: what.into(), source: None }
}

/// Whether it is a name that needs no quotes.
fn is_name(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    text.bytes().next().is_some_and(letter) && text.bytes().all(|b| letter(b) || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_its_parts_and_is_shown_without_them() {
        let config =
            ClickHouseConfig::from_url("http://ann:c%40nary+1@ch:8123/?database=mine").expect("fine");
        assert_eq!((config.url.as_str(), config.database.as_str()), ("http://ch:8123/", "mine"));
        assert_eq!((config.user.as_deref(), config.password.as_deref()), (Some("ann"), Some("c@nary+1")));
        assert!(!format!("{config:?}").contains("c@nary"));
        let plain = ClickHouseConfig::from_url("https://ch").expect("fine");
        assert_eq!((plain.user, plain.password, plain.database.as_str()), (None, None, "traffoflex"));
        for bad in ["", "ch:8123", "tcp://canary:canary@ch:9000", "http://"] {
            let e = ClickHouseConfig::from_url(bad).expect_err(bad).to_string();
            assert!(e.contains("CLICKHOUSE_HTTP_URL") && !e.contains("canary"), "{e}");
        }
    }

    #[test]
    fn a_database_is_a_plain_name() {
        let named = |name: &str| ClickHouseConfig {
            database: name.to_owned(),
            ..ClickHouseConfig::from_url("http://ch").expect("fine")
        };
        named("traffoflex_2").check().expect("fine");
        for bad in ["", "2x", "a b", "a;b", "größe", "a'"] {
            assert!(named(bad).check().is_err(), "{bad}");
        }
    }
}
