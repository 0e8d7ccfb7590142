//! A bad value stops the start with its name, the value and what is allowed; all of them at once.

use tfx_domain::event::Topic;
use tfx_settings::{BucketSettings, FailurePolicy, Settings, SettingsSource, vars};

fn read(values: &[(&str, &str)]) -> Result<Settings, Vec<(String, String)>> {
    let mut source = SettingsSource::of([("HOME", "/home/x")]);
    for (n, v) in values {
        source.set(n, *v);
    }
    Settings::read(&source).map_err(|p| p.0.into_iter().map(|p| (p.path, p.message)).collect())
}

#[test]
fn defaults_are_valid_and_embedded() {
    let settings = read(&[]).expect("defaults");
    assert!(settings.engines.embedded());
    assert_eq!(settings.events.policy, FailurePolicy::FailOpen);
    assert_eq!(settings.data_dir, std::path::Path::new("/home/x/.local/share/tfx"));
}

#[test]
fn every_bad_value_is_reported_at_once_with_what_is_allowed() {
    let problems = read(&[
        ("EVENT_BATCH_SIZE", "0"),
        ("EVENT_WRITE_FAILURE_POLICY", "maybe"),
        ("TRUSTED_PROXY_CIDRS", "10.0.0.0/8,nonsense"),
        ("API_SERVICE_ADDR", "8080"),
        ("TRAFFIC_SERVICE_URL", "ftp://x"),
        ("CLICK_LOOKUP_TIMEOUT_MS", "soon"),
        ("MONGO_URI", "canary"),
        ("EVENT_BROKERS", "a:9092,garbage"),
        ("CLICKHOUSE_EVENT_BROKERS", "ssl://b:9092"),
        ("CLICK_EVENTS_TOPIC", "no topic!"),
    ])
    .expect_err("bad");
    let names: Vec<&str> = problems.iter().map(|(n, _)| n.as_str()).collect();
    for name in [
        "API_SERVICE_ADDR",
        "TRAFFIC_SERVICE_URL",
        "TRUSTED_PROXY_CIDRS",
        "EVENT_WRITE_FAILURE_POLICY",
        "EVENT_BATCH_SIZE",
        "CLICK_LOOKUP_TIMEOUT_MS",
        "MONGO_URI",
        "EVENT_BROKERS",
        "CLICKHOUSE_EVENT_BROKERS",
        "CLICK_EVENTS_TOPIC",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert!(problems.iter().any(|(_, m)| m.contains("'garbage'; allowed is host:port")), "{problems:?}");
    assert!(!problems.iter().any(|(_, m)| m.contains("canary")), "{problems:?}");
    assert!(problems.iter().any(|(_, m)| m.contains("'maybe'") && m.contains("fail_open or fail_closed")));
}

#[test]
fn half_an_event_pipeline_names_both_settings() {
    for (set, unset) in [
        (("EVENT_BROKERS", "localhost:9092"), "CLICKHOUSE_HTTP_URL"),
        (("CLICKHOUSE_HTTP_URL", "http://x"), "EVENT_BROKERS"),
    ] {
        let problems = read(&[set]).expect_err("half a set");
        assert!(problems.iter().any(|(n, m)| n == unset && m.contains(set.0)), "{problems:?}");
    }
}

#[test]
fn engines_are_read_with_what_the_url_says_over_the_rest() {
    let settings = read(&[
        ("EVENT_BROKERS", "a:9092, b:9092"),
        ("CLICK_EVENTS_TOPIC", "mine.clicks"),
        ("EVENT_KAFKA_OPTIONS", "sasl.username=u, sasl.password=canary=1"),
        ("CLICKHOUSE_HTTP_URL", "http://ann:p%40ss@ch:8123/?database=other"),
        ("CLICKHOUSE_USER", "ben"),
        ("CLICKHOUSE_PASSWORD", "canary"),
    ])
    .expect("fine");
    assert!(!settings.engines.embedded());
    assert!(!format!("{settings:?}").contains("canary"));
    let (log, clickhouse) = settings.engines.events.expect("both");
    assert_eq!(log.brokers, ["a:9092", "b:9092"]);
    assert_eq!(log.topic(Topic::ClickEvents), "mine.clicks");
    assert_eq!(log.topic(Topic::ConversionEvents), "traffoflex.conversion_events");
    assert_eq!(log.options["sasl.password"], "canary=1");
    assert_eq!((clickhouse.url.as_str(), clickhouse.database.as_str()), ("http://ch:8123/", "other"));
    assert_eq!(clickhouse.user.as_deref(), Some("ann"));
    assert_eq!(clickhouse.password.expect("given").expose(), "p@ss");
    assert_eq!((clickhouse.brokers, settings.analytics_ttl_days), (log.brokers, None));
    let problems = read(&[
        ("EVENT_BROKERS", "a:1"),
        ("CLICKHOUSE_HTTP_URL", "canary"),
        ("EVENT_KAFKA_OPTIONS", "canary"),
    ]);
    let problems = problems.expect_err("no URL, no option");
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(!format!("{problems:?}").contains("canary"));
}

#[test]
fn traces_go_where_it_is_said_and_their_keys_are_shown_nowhere() {
    assert!(read(&[]).expect("fine").traces.is_none());
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318/");
    let settings = read(&[endpoint, ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=canary=1, a.b=c")]).expect("fine");
    assert!(!format!("{settings:?}").contains("canary"));
    let traces = settings.traces.expect("on");
    assert_eq!((traces.url.as_str(), traces.ratio), ("http://127.0.0.1:4318/v1/traces", 0.01));
    assert_eq!((traces.headers[0].0.as_str(), traces.headers[0].1.expose()), ("x-key", "canary=1"));
    let whole = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c.example/v1/traces")]).expect("fine");
    assert_eq!(whole.traces.expect("on").url, "https://c.example/v1/traces");
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://canary"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:canary@c.example"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "canary"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "ca nary=1"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "NaN"),
        ("OTEL_TRACES_SAMPLER_ARG", "often"),
    ] {
        let problems = read(&[endpoint, (name, value)][usize::from(name == endpoint.0)..]).expect_err(value);
        assert!(problems.len() == 1 && problems[0].0 == name, "{value}: {problems:?}");
        assert!(!format!("{problems:?}").contains("me:canary"), "{problems:?}");
    }
}

#[test]
fn secrets_are_masked_in_problems_and_debug() {
    let problems = read(&[("INTERNAL_TOKEN", "canary")]).expect_err("too short");
    assert!(!format!("{problems:?}").contains("canary"));
    let settings =
        read(&[("INTERNAL_TOKEN", "canary-canary-canary"), ("TFX_TOKEN", "canary")]).expect("fine");
    assert!(!format!("{settings:?}").contains("canary"));
}

#[test]
fn a_bucket_wants_its_key_and_https_and_shows_no_secret() {
    let read = |values: &[(&str, &str)]| {
        let read = BucketSettings::read(&SettingsSource::of(values.iter().copied()));
        read.map_err(|p| {
            p.0.into_iter().map(|p| format!("{} {}", p.path, p.message)).collect::<Vec<_>>().join("; ")
        })
    };
    let key =
        [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "canary"), ("AWS_SESSION_TOKEN", "canary")];
    let settings = read(&key).expect("a key");
    assert_eq!((settings.endpoint.as_deref(), settings.region.as_str()), (None, "us-east-1"));
    assert!(!format!("{settings:?}").contains("canary"));
    let with = |name, value| read(&[key.as_slice(), &[(name, value)]].concat());
    let endpoint = with("AWS_ENDPOINT_URL", "https://s3.example/").expect("a server").endpoint;
    assert_eq!(endpoint.as_deref(), Some("https://s3.example"));
    for (name, value, want) in [
        ("AWS_ENDPOINT_URL", "http://s3.example", "AWS_ALLOW_HTTP=true allows it"),
        ("AWS_ENDPOINT_URL", "https://", "allowed is an https:// URL"),
        ("AWS_ENDPOINT_URL", "https://me:canary@s3.example", "is 'https://***@s3.example'"),
        ("AWS_REGION", "eu central", "allowed is the name of a region"),
        ("AWS_SECRET_ACCESS_KEY", "canary canary", "AWS_SECRET_ACCESS_KEY is '***'"),
        ("AWS_ACCESS_KEY_ID", "", "AWS_ACCESS_KEY_ID is needed for s3://"),
    ] {
        let told = with(name, value).expect_err(value);
        assert!(told.contains(want) && !told.contains("canary"), "{told}");
    }
}

#[test]
fn env_example_is_what_the_list_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.env.example");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, vars::env_example()).expect("write");
    }
    let committed = std::fs::read_to_string(path).expect(".env.example");
    assert!(committed == vars::env_example(), "out of step: run UPDATE=1 cargo test -p tfx-settings");
}

/// What a login needs outside of local, dev and test.
const LOGINS: [(&str, &str); 4] = [
    ("AUTH_ADMIN_EMAIL", "Admin@Example.com"),
    ("AUTH_JWT_SECRET", "0123456789abcdef0123456789abcdef"),
    ("AUTH_EMAIL_FROM", "TraffoFlex <login@example.com>"),
    ("AUTH_RESEND_API_KEY", "re_canary"),
];

#[test]
fn logins_are_off_until_there_is_an_administrator() {
    assert!(read(&[]).expect("defaults").logins.is_none());
    assert!(read(&[("AUTH_JWT_SECRET", "short")]).expect("nobody signs").logins.is_none());
    let logins = read(&LOGINS).expect("fine").logins.expect("on");
    assert_eq!((logins.admin.as_str(), logins.secrets.len()), ("admin@example.com", 1));
    assert_eq!((logins.code_ttl.as_secs(), logins.session_ttl.as_secs()), (600, 43_200));
    assert!(!format!("{logins:?}").contains("canary"));
}

#[test]
fn what_lets_strangers_in_stops_the_start_all_told_at_once() {
    let bad = |values: &[(&str, &str)]| -> Vec<String> {
        read(values).expect_err("bad").into_iter().map(|(name, _)| name).collect()
    };
    let admin = LOGINS[0];
    assert_eq!(
        bad(&[admin, ("AUTH_DEV_RETURN_OTP", "true"), ("AUTH_JWT_SECRET", "canary")]),
        ["AUTH_DEV_RETURN_OTP", "AUTH_JWT_SECRET", "AUTH_RESEND_API_KEY", "AUTH_EMAIL_FROM"]
    );
    for env in ["production", "staging"] {
        assert_eq!(bad(&[("AUTH_ENV", env), ("AUTH_DEV_RETURN_OTP", "true")]), ["AUTH_DEV_RETURN_OTP"]);
        assert_eq!(
            bad(&[admin, ("AUTH_ENV", env)]),
            ["AUTH_JWT_SECRET", "AUTH_RESEND_API_KEY", "AUTH_EMAIL_FROM"]
        );
    }
    for env in ["local", "dev", "test"] {
        let logins =
            read(&[admin, ("AUTH_ENV", env), ("AUTH_DEV_RETURN_OTP", "true")]).expect("at home").logins;
        assert!(logins.is_some_and(|l| l.code_in_answer && l.mail.is_none() && l.secrets.is_empty()));
        assert_eq!(bad(&[admin, ("AUTH_ENV", env)]), ["AUTH_RESEND_API_KEY"], "a code would go nowhere");
    }
    assert_eq!(
        bad(&[("AUTH_ENV", "prod"), ("AUTH_ADMIN_EMAIL", "x")])[..2],
        ["AUTH_ENV", "AUTH_ADMIN_EMAIL"]
    );
    let plain =
        |url: &str| bad(&[&LOGINS[..], &[("AUTH_ENV", "production"), ("AUTH_RESEND_API_URL", url)]].concat());
    assert_eq!(plain("http://resend.example"), ["AUTH_RESEND_API_URL"], "key and codes could be read");
    let three = ["0123456789abcdef0123456789abcdef"; 3].join(",");
    assert_eq!(bad(&[LOGINS[0], LOGINS[2], LOGINS[3], ("AUTH_JWT_SECRET", &three)]), ["AUTH_JWT_SECRET"]);
    let short = format!("{},short", LOGINS[1].1);
    assert_eq!(bad(&[LOGINS[0], LOGINS[2], LOGINS[3], ("AUTH_JWT_SECRET", &short)]), ["AUTH_JWT_SECRET"]);
}

#[test]
fn the_time_of_a_code_is_read_by_both_names() {
    let ttl = |values: &[(&str, &str)]| {
        let all: Vec<_> = LOGINS.iter().chain(values).copied().collect();
        read(&all).map(|s| s.logins.expect("on").code_ttl.as_secs())
    };
    assert_eq!(ttl(&[("AUTH_OTP_TTL_MINUTES", "5")]), Ok(300));
    assert_eq!(ttl(&[("AUTH_OTP_TTL_MINUTES", "5"), ("AUTH_OTP_TTL_SECONDS", "90")]), Ok(90));
    assert!(
        ttl(&[("AUTH_OTP_TTL_SECONDS", "601")]).is_err() && ttl(&[("AUTH_OTP_TTL_MINUTES", "11")]).is_err()
    );
}

#[test]
fn addresses_of_services_hold_no_login() {
    for name in ["API_SERVICE_URL", "TRAFFIC_SERVICE_URL", "POSTBACK_SERVICE_URL"] {
        let problems = read(&[(name, "http://me:canary@tfx.example:1/x")]).expect_err(name);
        let [(named, message)] = problems.as_slice() else { panic!("{problems:?}") };
        assert!(named == name && message.contains("no login") && !message.contains("canary"), "{message}");
        assert!(read(&[(name, "http://tfx.example/a@b")]).is_ok(), "{name}");
    }
}

#[test]
fn who_codes_are_from_is_checked_at_the_start() {
    let with = |from: &str| {
        let all: Vec<_> = LOGINS.iter().copied().chain([("AUTH_EMAIL_FROM", from)]).collect();
        read(&all).map(drop)
    };
    for fits in ["login@example.com", "TraffoFlex <login@example.com>", "<login@example.com>", "Ä. <a@b.c>"]
    {
        assert_eq!(with(fits), Ok(()), "{fits}");
    }
    for wrong in
        ["TraffoFlex", "login@", "A <login>", "A <a@b.c", "A <a@b.c> b", "<<a@b.c>", "A\r\nBcc: x <a@b.c>"]
    {
        let problems = with(wrong).expect_err(wrong);
        assert_eq!(problems[0].0, "AUTH_EMAIL_FROM", "{wrong}");
    }
}

#[test]
fn a_range_is_told_once() {
    let all: Vec<_> = LOGINS.iter().copied().chain([("AUTH_OTP_TTL_SECONDS", "5")]).collect();
    let problems = read(&all).map(drop).expect_err("too short");
    assert_eq!(
        problems,
        [("AUTH_OTP_TTL_SECONDS".to_owned(), "is 5; allowed is 30 to 600 seconds".to_owned())]
    );
}
