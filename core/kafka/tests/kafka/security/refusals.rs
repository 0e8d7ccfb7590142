//! Whoever is not let in hears why, and which option to check.

use super::{
    USER, options,
    stand::{Authority, Stand},
};
use crate::support::*;
use std::time::{Duration, Instant};
use tfx_domain::event::Topic;
use tfx_kafka::{Kafka, KafkaConfig, Start};
use tfx_ports::{StoreError, migrate::Migrations, sink::EventSink};

/// Everything that can be asked says all of this, may be tried again, and takes no longer than it may.
async fn all_say(config: &KafkaConfig, says: &[&str]) {
    let (kafka, begun) = (kafka(config), Instant::now());
    let sink = kafka.sink().expect("needs no broker");
    let batch = numbered(Topic::ClickEvents, 3, 9);
    let deliver = async {
        let error = sink.deliver(&batch).await.expect_err("not let in");
        assert!(begun.elapsed() < config.answer_within + Duration::from_secs(1), "{:?}", begun.elapsed());
        (error, sink.ping().await.expect_err("not let in"))
    };
    let admin = kafka.topic_admin();
    let tail = kafka.tail(&Topic::ALL, Start::End);
    let ((delivered, pinged), status, tail) = tokio::join!(deliver, admin.status(), tail);
    let again = sink.deliver(&batch).await.expect_err("not let in");
    let errors: [StoreError; 5] =
        [delivered, again, pinged, status.expect_err("not let in"), tail.err().expect("not let in")];
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    for error in errors {
        let text = error.to_string();
        assert!(error.is_retryable(), "{text}");
        assert!(text.contains(&format!("EVENT_BROKERS ({})", config.brokers)), "{text}");
        assert!(text.contains("EVENT_KAFKA_OPTIONS"), "{text}");
        for part in says {
            assert!(text.contains(part), "{part:?} is not in: {text}");
        }
        assert!(!format!("{text} {error:?} {kafka:?}").contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn who_may_not_log_in() {
    let stand = Stand::start("localhost", Some(USER)).await;
    let login = |mechanism: &str, name: &str, password: &str| {
        stand.config(&format!(
            "security.protocol=sasl_ssl,sasl.mechanism={mechanism},sasl.username={name},sasl.password={password}"
        ))
    };
    let (wrong, unknown, other, none) = (
        login("SCRAM-SHA-512", "tfx", "canary"),
        login("SCRAM-SHA-512", "somebody", "canary=8"),
        login("SCRAM-SHA-256", "tfx", "canary=8"),
        stand.config("security.protocol=ssl"),
    );
    let password =
        ["refuse the login", "the name or the password is wrong", "check sasl.username, sasl.password"];
    let mechanism = ["refuse the login", "SCRAM-SHA-256", "Unsupported", "check sasl.mechanism in"];
    let nobody = ["can be reached", "it hung up at once", "want a login", "security.protocol"];
    tokio::join!(
        all_say(&wrong, &password),
        all_say(&unknown, &password),
        all_say(&other, &mechanism),
        all_say(&none, &nobody),
    );
}

#[tokio::test]
async fn whose_certificate_is_not_trusted() {
    let stand = Stand::start("localhost", None).await;
    let ssl = "security.protocol=ssl";
    let (another, mut host) = (Authority::new(), stand.config(ssl));
    let wrong = KafkaConfig {
        options: options(&format!("{ssl},ssl.ca.location={}", another.file())),
        ..host.clone()
    };
    // Nothing said: the authorities of the system.
    let system = KafkaConfig { options: options(ssl), ..host.clone() };
    host.brokers = format!("127.0.0.1:{}", stand.tls);
    let says = ["certificate verify failed; check", "ssl.ca.location", "the host that EVENT_BROKERS names"];
    tokio::join!(all_say(&wrong, &says), all_say(&system, &says), all_say(&host, &says));
}

#[tokio::test]
async fn a_port_that_speaks_something_else() {
    let stand = Stand::start("localhost", None).await;
    let to_tls = KafkaConfig { options: options(""), ..stand.config("security.protocol=ssl") };
    let mut to_plain = stand.config("security.protocol=ssl");
    to_plain.brokers = format!("localhost:{}", stand.plain);
    to_plain.answer_within = Duration::from_secs(8); // the broker waits for more, until librdkafka does not
    tokio::join!(
        all_say(&to_tls, &["it hung up at once; check", "speaks TLS", "security.protocol"]),
        all_say(&to_plain, &["SSL_HANDSHAKE; check", "speaks TLS", "security.protocol"]),
    );
}

#[tokio::test]
async fn options_that_cannot_work_are_refused_before_anything_connects() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (text, broken) = (
        file("text", "canary"),
        file("broken.pem", "-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n"),
    );
    let user = "sasl.username=tfx,sasl.password=canary";
    let table = [
        (
            format!("security.protocol=sasl_ssl,sasl.mechanism=SCRAM-SHA-999,{user}"),
            "sasl.mechanism is not one",
        ),
        (
            format!("security.protocol=sasl_ssl,sasl.mechanism=OAUTHBEARER,{user}"),
            "sasl.mechanism is not one",
        ),
        (format!("security.protocol=sasl_ssl,{user}"), "sasl.mechanism is missing"),
        ("security.protocol=sasl_ssl,sasl.mechanism=PLAIN".into(), "sasl.username is missing"),
        (format!("security.protocol=ssl,{user}"), "sasl.password has no effect"),
        ("security.protocol=tls".into(), "security.protocol is none of plaintext"),
        (
            "security.protocol=ssl,ssl.ca.location=/nowhere/ca.pem".into(),
            "ssl.ca.location: /nowhere/ca.pem cannot be read: No such file",
        ),
        (format!("security.protocol=ssl,ssl.ca.location={text}"), "holds no certificate in PEM"),
        (format!("security.protocol=ssl,ssl.ca.location={broken}"), "ssl.ca.location failed"),
        (format!("security.protocol=sasl_ssl,{user},ary=8"), "a comma ends a value, even a password's"),
    ];
    for (setting, says) in table {
        let config = KafkaConfig { options: options(&setting), ..config("localhost:1") };
        let refused = Kafka::new(config).and_then(|k| k.sink().map(drop)).expect_err(&setting);
        let text = refused.to_string();
        assert!(matches!(refused, StoreError::Broken { .. }), "{text}");
        assert!(text.starts_with("EVENT_KAFKA_OPTIONS cannot work: ") && text.contains(says), "{text}");
        assert!(!format!("{text} {refused:?}").contains("canary"), "{text}");
    }
}
