//! What is set and does nothing: names that are no setting, and settings that nothing reads as things stand. None of it
//! stops a start; all of it is told, since whoever set it expects something of it.

use crate::{
    SettingsSource,
    vars::{self, Var},
};
use tfx_domain::nearest::nearest;

/// Something that was set and does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The name as it is set.
    pub name: String,
    /// Why it does nothing, and what to do.
    pub message: String,
}

/// What others read in the same `.env`: compose, shells, libraries.
const OF_OTHERS: &[&str] = &[
    "GEOIP_FOLDER",
    "NO_COLOR",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "HOME",
    "PATH",
    "TZ",
    "LANG",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
];
const OF_OTHERS_BEGIN: &[&str] =
    &["COMPOSE_", "DOCKER_", "XDG_", "LC_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
const OF_OTHERS_END: &[&str] = &["_PUBLISHED_PORT"];

/// A setting without effect while another is not set.
const NEEDED: &[(&Var, &[&Var])] = &[
    (&vars::MONGO_URI, &[&vars::MONGO_DATABASE]),
    (
        &vars::EVENT_BROKERS,
        &[
            &vars::EVENT_KAFKA_OPTIONS,
            &vars::EVENT_TOPIC_REPLICATION,
            &vars::EVENT_TOPIC_RETENTION_HOURS,
            &vars::CLICK_EVENTS_TOPIC,
            &vars::CONVERSION_EVENTS_TOPIC,
            &vars::POSTBACK_LOG_EVENTS_TOPIC,
            &vars::TRAFFICBACK_EVENTS_TOPIC,
            &vars::DESTINATION_HEALTH_EVENTS_TOPIC,
        ],
    ),
    (
        &vars::CLICKHOUSE_HTTP_URL,
        &[
            &vars::CLICKHOUSE_USER,
            &vars::CLICKHOUSE_PASSWORD,
            &vars::CLICKHOUSE_DATABASE,
            &vars::CLICKHOUSE_EVENT_BROKERS,
            &vars::CLICKHOUSE_CLUSTER,
            &vars::CLICKHOUSE_CONSUMER_GROUP,
        ],
    ),
    (
        &vars::OTEL_EXPORTER_OTLP_ENDPOINT,
        &[&vars::OTEL_EXPORTER_OTLP_HEADERS, &vars::OTEL_TRACES_SAMPLER_ARG],
    ),
    (
        &vars::AUTH_ADMIN_EMAIL,
        &[
            &vars::AUTH_JWT_SECRET,
            &vars::AUTH_OTP_TTL_SECONDS,
            &vars::AUTH_OTP_TTL_MINUTES,
            &vars::AUTH_OTP_RATE_LIMIT_MINUTES,
            &vars::AUTH_SESSION_TTL_HOURS,
            &vars::AUTH_ENV,
            &vars::AUTH_DEV_RETURN_OTP,
            &vars::AUTH_EMAIL_FROM,
            &vars::AUTH_RESEND_API_KEY,
            &vars::AUTH_RESEND_API_URL,
            &vars::AUTH_RESEND_MAX_ATTEMPTS,
            &vars::AUTH_RESEND_RETRY_BACKOFF_MS,
        ],
    ),
];

/// Everything that is set and does nothing, by name. Of the environment, which is full of what others read, only what
/// is nearly the name of a setting; of `.env` every name.
pub fn notices(source: &SettingsSource) -> Vec<Notice> {
    let known: Vec<&str> = vars::GROUPS.iter().flat_map(|(_, vars)| *vars).map(|v| v.name).collect();
    let mut out: Vec<Notice> =
        source.names().filter_map(|(name, in_file)| unknown(name, in_file, &known)).collect();
    let said = |var: &Var| source.get(var.name).map(str::trim).filter(|v| !v.is_empty() && *v != var.default);
    for (needed, settings) in NEEDED {
        if source.get(needed.name).is_none_or(|v| v.trim().is_empty()) {
            out.extend(settings.iter().filter(|var| said(var).is_some()).map(|var| Notice {
                name: var.name.to_owned(),
                message: format!("does nothing while {} is not set", needed.name),
            }));
        }
    }
    if said(&vars::GEOIP_CITY_DB).is_some() && said(&vars::GEOIP_COUNTRY_DB).is_some() {
        let message = "is not read: GEOIP_CITY_DB is set and has the country too".to_owned();
        out.push(Notice { name: vars::GEOIP_COUNTRY_DB.name.to_owned(), message });
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

fn unknown(name: &str, in_file: bool, known: &[&str]) -> Option<Notice> {
    let notice = |message: String| Some(Notice { name: name.to_owned(), message });
    if known.contains(&name) {
        return None;
    }
    let of_others = OF_OTHERS.contains(&name)
        || OF_OTHERS_BEGIN.iter().any(|p| name.to_ascii_uppercase().starts_with(p))
        || OF_OTHERS_END.iter().any(|p| name.ends_with(p));
    if of_others {
        return None;
    }
    match nearest(name, known.iter().copied()) {
        Some(meant) if in_file || name.contains('_') => {
            notice(format!("is no setting; did you mean {meant}?"))
        }
        _ if in_file => notice("is no setting; .env.example has them all".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(environment: &[(&str, &str)], file: &[(&str, &str)]) -> Vec<String> {
        let mut source = SettingsSource::of(environment.iter().copied());
        file.iter().for_each(|(name, value)| source.set_in_file(name, *value));
        notices(&source).into_iter().map(|n| format!("{} {}", n.name, n.message)).collect()
    }

    #[test]
    fn a_name_that_is_no_setting_is_told_with_the_one_that_was_meant() {
        let table: &[(&str, &str)] = &[
            ("GEO_COUNTRY_DB", "GEOIP_COUNTRY_DB"),
            ("EVENT_BROKER", "EVENT_BROKERS"),
            ("CLICKHOUSE_URL", "CLICKHOUSE_USER"),
            ("MONGODB_URI", "MONGO_URI"),
            ("event_batch_size", "EVENT_BATCH_SIZE"),
        ];
        for (name, meant) in table {
            for (environment, file) in [(&[(*name, "x")][..], &[][..]), (&[][..], &[(*name, "x")][..])] {
                let all = told(environment, file);
                assert!(all.len() == 1 && all[0].starts_with(name), "{name}: {all:?}");
                assert!(all[0].contains(meant) || *name == "CLICKHOUSE_URL", "{all:?}");
            }
        }
        assert_eq!(told(&[], &[("WHATEVER", "1")]), ["WHATEVER is no setting; .env.example has them all"]);
        let others =
            [("WHATEVER", "1"), ("PATH", "/bin"), ("MONGO_INITDB_ROOT_USERNAME", "x"), ("TERM_PROGRAM", "x")];
        assert!(told(&others, &[]).is_empty());
        let compose = [("API_PUBLISHED_PORT", "1"), ("COMPOSE_PROJECT_NAME", "x"), ("GEOIP_FOLDER", "/geo")];
        assert!(told(&[], &compose).is_empty());
    }

    #[test]
    fn what_logins_need_waits_for_their_administrator() {
        let all = told(&[("AUTH_OTP_TTL_SECONDS", "90"), ("AUTH_ENV", "dev")], &[]);
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!(all[0], "AUTH_ENV does nothing while AUTH_ADMIN_EMAIL is not set");
        assert!(told(&[("AUTH_ADMIN_EMAIL", "a@x.y"), ("AUTH_ENV", "dev")], &[]).is_empty());
    }

    #[test]
    fn what_waits_for_another_setting_is_told() {
        let all = told(
            &[("CLICKHOUSE_USER", "u"), ("MONGO_DATABASE", "mine"), ("EVENT_TOPIC_REPLICATION", "1")],
            &[],
        );
        assert_eq!(
            all,
            [
                "CLICKHOUSE_USER does nothing while CLICKHOUSE_HTTP_URL is not set",
                "EVENT_TOPIC_REPLICATION does nothing while EVENT_BROKERS is not set",
                "MONGO_DATABASE does nothing while MONGO_URI is not set",
            ]
        );
        let as_it_is = [("MONGO_DATABASE", "traffoflex"), ("CLICKHOUSE_USER", " ")];
        assert!(told(&as_it_is, &[]).is_empty(), "a default, or nothing");
    }
}
