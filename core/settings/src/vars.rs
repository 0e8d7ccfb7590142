//! The list of all settings.

/// A program that reads settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// traffic-service.
    Traffic,
    /// postback-service.
    Postback,
    /// api-service.
    Api,
    /// The tfx command (`tfx up` reads what the services read).
    Cli,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Var {
    /// Its name in the environment.
    pub name: &'static str,
    /// Its default; empty: none.
    pub default: &'static str,
    /// Its unit, or the values allowed.
    pub unit: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Never shown.
    pub secret: bool,
    /// Who reads it.
    pub of: &'static [Program],
}

use Program::{Api, Cli, Postback, Traffic};

const ALL_PROGRAMS: &[Program] = &[Traffic, Postback, Api, Cli];
const DAEMONS: &[Program] = &[Traffic, Postback, Api];

macro_rules! vars {
    ($($group:literal { $($name:ident = $default:literal, $unit:literal, $about:literal, $of:expr $(, $secret:ident)?;)* })*) => {
        $($(
            #[doc = $about]
            pub const $name: Var = Var {
                name: stringify!($name), default: $default, unit: $unit, about: $about,
                secret: vars!(@secret $($secret)?), of: $of,
            };
        )*)*

        /// All settings by group, in the order in which people read them.
        pub const GROUPS: &[(&str, &[Var])] = &[$(($group, &[$($name),*])),*];
    };
    (@secret secret) => { true };
    (@secret) => { false };
}

vars! {
    "Everything" {
        TFX_DATA_DIR = "", "a folder; default $XDG_DATA_HOME/tfx or ~/.local/share/tfx",
            "Where the embedded stores, journals, snapshots and tokens live", ALL_PROGRAMS;
        LOG_LEVEL = "", "error, warn, info, debug or a filter such as info,tfx_traffic=debug",
            "What is logged; default info, under tfx up warn", DAEMONS;
    }
    "Addresses" {
        API_SERVICE_ADDR = "127.0.0.1:8080", "host:port; port 0 takes a free one", "Where api-service listens", &[Api];
        TRAFFIC_SERVICE_ADDR = "127.0.0.1:8081", "host:port; port 0 takes a free one", "Where traffic-service listens", &[Traffic];
        POSTBACK_SERVICE_ADDR = "127.0.0.1:8082", "host:port; port 0 takes a free one", "Where postback-service listens", &[Postback];
        API_SERVICE_URL = "http://127.0.0.1:8080", "a URL", "Where tfx finds api-service", &[Cli];
        TRAFFIC_SERVICE_URL = "http://127.0.0.1:8081", "a URL",
            "Where api-service finds traffic-service, and the base of tracking links while PUBLIC_HOSTS is empty", &[Api];
        POSTBACK_SERVICE_URL = "http://127.0.0.1:8082", "a URL",
            "Where api-service finds postback-service, and the base of postback URLs", &[Api];
        PUBLIC_HOSTS = "", "host names, comma-separated",
            "Host names of tracking links; a trafficback URL to one of them is a loop", &[Traffic, Api];
        ADMIN_FRONTEND_ORIGIN = "", "origins such as https://admin.example, comma-separated",
            "Whose pages a browser lets call api-service (CORS)", &[Api];
    }
    "Limits and trust" {
        TRUSTED_PROXY_CIDRS = "", "CIDRs, comma-separated",
            "Proxies whose X-Forwarded-For or Forwarded is believed; leave empty unless traffic comes through them", DAEMONS;
        HTTP_MAX_BODY_BYTES = "1048576", "bytes, 1024 to 104857600", "Largest request body", DAEMONS;
        HTTP_MAX_HEADER_BYTES = "65536", "bytes, 8192 to 1048576", "Largest request line with headers", DAEMONS;
        HTTP_HEADER_TIMEOUT_MS = "10000", "milliseconds, 100 to 600000", "Longest time to send the request's headers", DAEMONS;
        HTTP_KEEP_ALIVE_MS = "75000", "milliseconds, 100 to 3600000", "How long a connection may be idle between requests; longer than that of the proxy in front", DAEMONS;
        HTTP_REQUEST_TIMEOUT_MS = "30000", "milliseconds, 100 to 600000", "Longest time to answer a request", DAEMONS;
        HTTP_WRITE_TIMEOUT_MS = "30000", "milliseconds, 100 to 600000", "Longest time a client may read nothing of its answer", DAEMONS;
        HTTP_MAX_CONNECTIONS = "8192", "connections, 16 to 1000000", "Most connections open at once to one service; fewer where the limit of open files is low", DAEMONS;
        HTTP_MAX_CONNECTIONS_PER_ADDRESS = "512", "connections, 1 to 1000000", "Most of them from one address (IPv6: one /64); loopback and TRUSTED_PROXY_CIDRS are free", DAEMONS;
        HTTP_MEMORY_BYTES = "67108864", "bytes, 1048576 to 1099511627776", "Most that heads and bodies still being received may take together, beyond the first 8 KiB of each", DAEMONS;
        SHUTDOWN_GRACE_MS = "10000", "milliseconds, 0 to 600000", "Longest time to drain requests and flush events on SIGTERM", DAEMONS;
        INTERNAL_CIDRS = "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,169.254.0.0/16,fc00::/7,fe80::/10", "CIDRs, comma-separated", "Who may ask for /metrics, /internal/* (with the token) and the details of /readyz; not what comes through a proxy from elsewhere", DAEMONS;
        INTERNAL_TOKEN = "", "16 or more visible characters; default: made and kept in TFX_DATA_DIR/internal.token",
            "Bearer token of /internal/* and /metrics", DAEMONS, secret;
        SECRETS_KEY = "", "32 or more visible characters without commas; several with commas: the first seals, all open",
            "Seals the secrets of networks, sources and alerts in the configuration store; the same for api-service and postback-service", &[Postback, Api, Cli], secret;
        SECRETS_KEY_FILE = "", "a file, 0600, a key a line; default TFX_DATA_DIR/secrets.key, which is made where the configuration lies beside it (no MONGO_URI)",
            "The same from a file; lines added to it are known without a new start", &[Postback, Api, Cli];
        SECRETS_KEY_LOST = "", "the id of a key, as errors name it",
            "The key is lost: start without what is sealed with it; its networks let nobody in until they are given other secrets", &[Postback, Api, Cli];
        API_RATE_LIMIT_PER_MINUTE = "12000", "requests, 0 to 10000000; 0: no limit",
            "Most requests to api-service in a minute by one token or one person, at each api-service", &[Api];
        API_WRITE_RATE_LIMIT_PER_MINUTE = "6000", "requests, 0 to 10000000; 0: no limit",
            "Most of them that change something or have something done; a bulk is one", &[Api];
    }
    "Engines (unset: embedded)" {
        MONGO_URI = "", "a mongodb:// URI", "MongoDB for configuration and conversions: a replica set, one member is enough", ALL_PROGRAMS, secret;
        MONGO_DATABASE = "traffoflex", "a name", "Its database", ALL_PROGRAMS;
        EVENT_BROKERS = "", "host:port, comma-separated", "Kafka or Redpanda brokers for the event log; needs CLICKHOUSE_HTTP_URL", ALL_PROGRAMS;
        EVENT_KAFKA_OPTIONS = "", "name=value, comma-separated", "More options of librdkafka, such as security.protocol and sasl.*", ALL_PROGRAMS, secret;
        EVENT_TOPIC_REPLICATION = "3", "copies, 1 to 15", "Copies of each partition of the topics that tfx migrate makes", &[Cli];
        EVENT_TOPIC_RETENTION_HOURS = "168", "hours, 1 to 87600", "How long those topics keep their messages", &[Cli];
        CLICK_EVENTS_TOPIC = "traffoflex.click_events", "a topic", "Clicks that a stream took", ALL_PROGRAMS;
        CONVERSION_EVENTS_TOPIC = "traffoflex.conversion_events", "a topic", "States of conversions", ALL_PROGRAMS;
        POSTBACK_LOG_EVENTS_TOPIC = "traffoflex.postback_log_events", "a topic", "Postbacks, whatever became of them", ALL_PROGRAMS;
        TRAFFICBACK_EVENTS_TOPIC = "traffoflex.trafficback_events", "a topic", "Clicks that no stream took", ALL_PROGRAMS;
        DESTINATION_HEALTH_EVENTS_TOPIC = "traffoflex.destination_health_events", "a topic", "Changes of a destination's health", ALL_PROGRAMS;
        CLICKHOUSE_HTTP_URL = "", "a URL; may hold user, password and ?database=", "ClickHouse for analytics; needs EVENT_BROKERS", ALL_PROGRAMS, secret;
        CLICKHOUSE_USER = "", "a name", "Its user, where the URL names none", ALL_PROGRAMS;
        CLICKHOUSE_PASSWORD = "", "a text", "Its password, where the URL holds none", ALL_PROGRAMS, secret;
        CLICKHOUSE_DATABASE = "traffoflex", "a name", "Its database, where the URL names none", ALL_PROGRAMS;
        CLICKHOUSE_CLUSTER = "", "a name of letters, digits and _ - . { }", "Servers that keep the events together, as they name it (remote_servers): tables are replicated and spread over its shards; needs Keeper and the macros shard and replica", ALL_PROGRAMS;
        CLICKHOUSE_EVENT_BROKERS = "", "host:port, comma-separated; default EVENT_BROKERS", "The brokers as ClickHouse reaches them", ALL_PROGRAMS;
        CLICKHOUSE_CONSUMER_GROUP = "", "a name; default CLICKHOUSE_DATABASE-clickhouse", "How the names of the consumer groups begin with which ClickHouse reads the topics, one a topic; two databases must not share it", ALL_PROGRAMS;
        AUDIT_TTL_DAYS = "0", "days, 0 or 30 to 36500; 0: for ever", "How long lines of the audit log are kept", &[Api, Cli];
        HEALTH_HISTORY_TTL_DAYS = "0", "days, 0 to 36500; 0: for ever", "How long it is kept when destinations went down and came up", &[Api, Cli];
        ANALYTICS_TTL_DAYS = "0", "days, 0 to 36500; 0: for ever", "How long events are kept, for reports and lists: in events.db, or in ClickHouse (at least 3 days; tfx migrate up applies a change); caps, limits and conversions themselves do not depend on it", &[Api, Cli];
    }
    "Events" {
        EVENT_WRITE_FAILURE_POLICY = "fail_open", "fail_open or fail_closed",
            "Whether a redirect waits until its event survives a crash of the process (fail_open) or the loss of power (fail_closed)", &[Traffic];
        EVENT_BATCH_SIZE = "5000", "events, 1 to 10000", "Most events delivered at once", &[Traffic, Postback];
        EVENT_BATCH_TIMEOUT_MS = "50", "milliseconds, 1 to 60000", "Longest time an event waits for its batch", &[Traffic, Postback];
        EVENT_WRITE_TIMEOUT_MS = "5000", "milliseconds, 10 to 600000", "Longest time of one write", &[Traffic, Postback];
        EVENT_WRITE_MAX_ATTEMPTS = "5", "attempts, 1 to 1000", "Attempts before a batch counts as failed; it stays in the journal and is tried on", &[Traffic, Postback];
        EVENT_WRITE_RETRY_BACKOFF_MS = "100", "milliseconds, 1 to 60000", "First pause between attempts; doubled up to 5 s", &[Traffic, Postback];
        EVENT_JOURNAL_MAX_BYTES = "8589934592", "bytes, 1048576 to 1099511627776", "Most that undelivered events may take on disk", &[Traffic, Postback];
    }
    "Traces (off while OTEL_EXPORTER_OTLP_ENDPOINT is not set)" {
        OTEL_EXPORTER_OTLP_ENDPOINT = "", "a URL", "The collector that takes traces of clicks and of requests to the API (OTLP over HTTP, as protobuf, at its /v1/traces)", &[Traffic, Postback, Api];
        OTEL_EXPORTER_OTLP_HEADERS = "", "name=value, comma-separated", "Headers of what is sent to it, such as keys", &[Traffic, Postback, Api], secret;
        OTEL_TRACES_SAMPLER_ARG = "0.01", "a part, 0 to 1", "Of how many clicks, and of how many requests to the API; all services decide alike by the id of the click", &[Traffic, Postback, Api];
    }
    "Traffic" {
        TRAFFIC_BARE_SLUGS = "false", "true or false", "Whether /SLUG works beside /c/SLUG", &[Traffic];
        TRAFFICBACK_URL = "", "a URL template", "Where clicks go that no stream and no campaign takes", &[Traffic];
        TRAFFICBACK_MAX_HOPS = "3", "hops, 1 to 20", "How often a click may come back from trafficback before it is a loop", &[Traffic];
        GEOIP_CITY_DB = "", "a file in MaxMind format", "Country, region, city and continent of an address; without any GEOIP_* every *.mmdb in TFX_DATA_DIR or its folder geo is used", &[Traffic];
        GEOIP_COUNTRY_DB = "", "a file in MaxMind format", "Country and continent, where there is no city database", &[Traffic];
        GEOIP_ASN_DB = "", "a file in MaxMind format", "Autonomous system and provider", &[Traffic];
        GEOIP_CONNECTION_DB = "", "a file in MaxMind format", "Connection type", &[Traffic];
        IP_STORAGE = "full", "full, truncated or hashed", "How much of an address is stored: all, without the last byte (IPv6: 80 bits), or a keyed hash", &[Traffic];
        VISITOR_MEMORY = "1000000", "visitors, 1000 to 100000000", "How many visitors are remembered for uniqueness, binding and anti-repeat", &[Traffic];
        DESTINATION_CAP_CACHE_TTL_MS = "5000", "milliseconds, 100 to 3600000", "How old counts of caps and returns may be; they are refreshed behind the redirects", &[Traffic];
        DESTINATION_ROI_WINDOW_S = "604800", "seconds, 3600 to 31536000", "How far back select: roi compares what destinations brought", &[Traffic];
    }
    "Requests to servers of others" {
        DESTINATION_HEALTHCHECK_INTERVAL_MS = "30000", "milliseconds, 1000 to 3600000", "How often a destination with a health check is probed, by one of all traffic-services", &[Traffic];
        DESTINATION_HEALTHCHECK_TIMEOUT_MS = "5000", "milliseconds, 100 to 60000", "Longest time of a probe; a shorter interval bounds it", &[Traffic];
        OUTBOUND_ALLOW_PRIVATE = "false", "true or false", "Whether requests may go to private, loopback and link-local addresses: for laptops and tests", DAEMONS;
        OUTBOUND_TIMEOUT_MS = "10000", "milliseconds, 100 to 60000", "Longest time of a postback to a traffic source", &[Postback];
        OUTBOUND_MAX_ATTEMPTS = "30", "attempts, 1 to 1000", "Attempts before a postback to a source is given up", &[Postback];
        OUTBOUND_RETRY_BACKOFF_MS = "5000", "milliseconds, 10 to 3600000", "First pause between them; doubled up to an hour, longer where the source asks for it", &[Postback];
        OUTBOUND_PER_TARGET = "16", "requests, 1 to 256", "Most postbacks under way to one host and port, from one postback-service; one source alone has at most three quarters of them, or half if it is slow", &[Postback];
        OUTBOUND_CIRCUIT_FAILURES = "5", "failures, 1 to 1000", "Failures in a row after which a host is left alone", &[Postback];
        OUTBOUND_CIRCUIT_PAUSE_MS = "30000", "milliseconds, 10 to 3600000", "How long it is; then a single postback tries whether it answers, and each failure doubles the pause up to 16 times", &[Postback];
    }
    "Postbacks" {
        CLICK_LOOKUP_TIMEOUT_MS = "1000", "milliseconds, 1 to 60000", "Longest time to look up the click of a postback", &[Postback];
        CLICK_LOOKUP_FAILURE_POLICY = "park", "park or reject", "What happens to a postback whose click is not known (yet)", &[Postback];
        POSTBACK_PARK_MAX_AGE_S = "86400", "seconds, 1 to 31536000", "How long a parked postback waits for its click", &[Postback];
        POSTBACK_PARK_RETRY_MS = "2000", "milliseconds, 10 to 3600000", "First pause before a parked postback is tried again; doubled up to 10 minutes", &[Postback];
    }
    "Alerts" {
        ALERT_INTERVAL_MS = "60000", "milliseconds, 100 to 1800000", "How often the rules are looked at, by one of all api-services", &[Api];
        ALERT_MAX_ATTEMPTS = "30", "attempts, 1 to 1000", "Attempts before a notice to a channel is given up", &[Api];
        ALERT_RETRY_BACKOFF_MS = "5000", "milliseconds, 10 to 3600000", "First pause between them; doubled up to an hour, longer where the channel asks for it", &[Api];
        ALERT_TELEGRAM_TOKEN = "", "the token of a bot, as @BotFather tells it", "With which alerts are sent to telegram:CHAT", &[Api], secret;
        ALERT_TELEGRAM_API_URL = "https://api.telegram.org", "a URL", "Where Telegram's bot API is", &[Api];
    }
    "Reports" {
        REPORT_MAX_GROUPS = "100000", "rows, 1 to 1000000", "Most rows of a report; one that has more is answered 422 before it takes more memory", &[Api];
    }
    "Logins (off while AUTH_ADMIN_EMAIL is not set)" {
        AUTH_ADMIN_EMAIL = "", "a mail address", "Who becomes administrator by verifying it; others wait for tfx user approve", &[Api];
        AUTH_JWT_SECRET = "", "32 or more bytes; two with a comma: the first signs, both are believed", "What signs sessions; required but in local, dev and test, where a key of the store does without", &[Api], secret;
        AUTH_OTP_TTL_SECONDS = "", "seconds, 30 to 600; default AUTH_OTP_TTL_MINUTES", "How long a code is valid", &[Api];
        AUTH_OTP_TTL_MINUTES = "10", "minutes, 1 to 10", "The same, where AUTH_OTP_TTL_SECONDS is not set", &[Api];
        AUTH_OTP_RATE_LIMIT_MINUTES = "15", "minutes, 1 to 1440", "Time within which 3 codes are sent to one address, and 20 asked for from one on the network", &[Api];
        AUTH_SESSION_TTL_HOURS = "12", "hours, 1 to 720", "How long a login lasts", &[Api];
        AUTH_ENV = "production", "local, dev, test, staging or production", "What this installation is; outside of local, dev and test a Resend key and a JWT secret are required", &[Api];
        AUTH_DEV_RETURN_OTP = "false", "true or false", "Whether a code is in the answer to whoever asks for it; in local, dev and test alone", &[Api];
        AUTH_EMAIL_FROM = "", "a mail address, perhaps with a name", "Who codes are from", &[Api];
        AUTH_RESEND_API_KEY = "", "a key of Resend that may send", "What codes are sent with", &[Api], secret;
        AUTH_RESEND_API_URL = "https://api.resend.com", "a URL", "Where Resend is", &[Api];
        AUTH_RESEND_MAX_ATTEMPTS = "4", "attempts, 1 to 20", "Attempts to send a code", &[Api];
        AUTH_RESEND_RETRY_BACKOFF_MS = "500", "milliseconds, 1 to 60000", "First pause between them; doubled, or as long as Resend says", &[Api];
    }
    "Backups in a bucket (s3://BUCKET/PREFIX)" {
        AWS_ACCESS_KEY_ID = "", "the name of a key", "With which backups are put into a bucket, read and deleted", &[Cli];
        AWS_SECRET_ACCESS_KEY = "", "a key", "The key of that name", &[Cli], secret;
        AWS_SESSION_TOKEN = "", "a token", "What belongs to a key that is valid for some time only", &[Cli], secret;
        AWS_REGION = "us-east-1", "the name of a region", "Where the bucket is", &[Cli];
        AWS_ENDPOINT_URL = "", "an https:// URL; default https://s3.AWS_REGION.amazonaws.com", "The server of the bucket, where it is not Amazon's", &[Cli];
        AWS_ALLOW_HTTP = "false", "true or false", "Whether AWS_ENDPOINT_URL may be an http:// URL, on which anybody on the way reads along", &[Cli];
    }
    "Access" {
        TFX_TOKEN = "", "a token", "What tfx shows api-service; default: the file TFX_TOKEN_FILE", &[Cli], secret;
        TFX_TOKEN_FILE = "", "a file; default TFX_DATA_DIR/admin.token", "Where tfx finds its token", &[Cli];
    }
}

/// The settings a program reads, in order.
pub fn of(program: Program) -> impl Iterator<Item = &'static Var> {
    GROUPS.iter().flat_map(|(_, vars)| vars.iter()).filter(move |v| v.of.contains(&program))
}

/// The text of `.env.example`.
pub fn env_example() -> String {
    use std::fmt::Write as _;
    let mut out = String::from(
        "# Every setting, with its default. Copy to .env and change what you need; the environment wins over this file.\n",
    );
    for (group, vars) in GROUPS {
        let _ = write!(out, "\n# --- {group} ---\n");
        for v in *vars {
            let _ = write!(out, "\n# {}.\n# {}.\n#{}={}\n", v.about, v.unit, v.name, v.default);
        }
    }
    out
}

/// The settings of a program as the end of its `--help`.
pub fn help(program: Program) -> String {
    use std::fmt::Write as _;
    let mut out = String::from("Settings (environment, or .env in the current folder):\n");
    for v in of(program) {
        let default = if v.default.is_empty() { String::new() } else { format!(" [default: {}]", v.default) };
        let _ = write!(out, "\n  {}{default}\n      {}. {}.\n", v.name, v.about, v.unit);
    }
    out
}
