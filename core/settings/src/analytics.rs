//! ClickHouse.

use crate::{Secret, source::Reader, vars};
use url::Url;

/// ClickHouse.
#[derive(Debug, Clone)]
pub struct ClickHouse {
    /// `CLICKHOUSE_HTTP_URL` without user, password and query.
    pub url: String,
    /// Of the URL, else `CLICKHOUSE_USER`.
    pub user: Option<String>,
    /// Of the URL, else `CLICKHOUSE_PASSWORD`.
    pub password: Option<Secret>,
    /// Of the URL, else `CLICKHOUSE_DATABASE`.
    pub database: String,
    /// `CLICKHOUSE_CLUSTER`; none: one server alone.
    pub cluster: Option<String>,
    /// `CLICKHOUSE_EVENT_BROKERS`, else `EVENT_BROKERS`.
    pub brokers: Vec<String>,
    /// What the names of the consumer groups begin with: `CLICKHOUSE_CONSUMER_GROUP`, else made of the database.
    pub groups: String,
}

impl ClickHouse {
    pub(crate) fn read(r: &mut Reader<'_>, event_brokers: &[String]) -> Option<Self> {
        let mut brokers = r.addresses(&vars::CLICKHOUSE_EVENT_BROKERS);
        if brokers.is_empty() {
            brokers = event_brokers.to_vec();
        }
        let groups = r.text(&vars::CLICKHOUSE_CONSUMER_GROUP);
        let (user, password) = (r.text(&vars::CLICKHOUSE_USER), r.secret(&vars::CLICKHOUSE_PASSWORD));
        let database = r.text(&vars::CLICKHOUSE_DATABASE).unwrap_or_default();
        let cluster = r.text(&vars::CLICKHOUSE_CLUSTER);
        let text = r.text(&vars::CLICKHOUSE_HTTP_URL)?;
        let parsed =
            Url::parse(&text).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
        let Some(mut url) = parsed else {
            r.problem(
                &vars::CLICKHOUSE_HTTP_URL,
                "is '***'; allowed is a URL that begins with http:// or https://",
            );
            return None;
        };
        let decoded = |t: &str| percent_encoding::percent_decode_str(t).decode_utf8_lossy().into_owned();
        let in_url = Some(decoded(url.username())).filter(|u| !u.is_empty());
        let password_in_url = url.password().map(|p| Secret::from(decoded(p)));
        let database_in_url =
            url.query_pairs().find(|(n, v)| n == "database" && !v.is_empty()).map(|(_, v)| v.into_owned());
        // Cannot fail for a URL that has a host.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        url.set_query(None);
        let database = database_in_url.unwrap_or(database);
        Some(Self {
            url: url.into(),
            user: in_url.or(user),
            password: password_in_url.or(password),
            groups: groups.unwrap_or_else(|| format!("{database}-clickhouse")),
            database,
            cluster,
            brokers,
        })
    }
}
