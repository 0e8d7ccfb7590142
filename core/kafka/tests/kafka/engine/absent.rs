//! Brokers that are not there, or do not let us in: every call says so, in words that help.

use crate::support::*;
use std::{
    net::TcpListener,
    time::{Duration, Instant},
};
use tfx_domain::event::Topic;
use tfx_kafka::{KafkaConfig, Start};
use tfx_ports::{migrate::Migrations, sink::EventSink};

/// An address where nobody listens.
fn nowhere() -> KafkaConfig {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    config(format!("127.0.0.1:{port}"))
}

#[tokio::test]
async fn nobody_listens() {
    let config = nowhere();
    let kafka = kafka(&config);
    let sink = kafka.sink().expect("needs no broker");
    let begun = Instant::now();
    let batch = numbered(Topic::ClickEvents, 3, 9);
    let mut says = vec![
        sink.deliver(&batch).await.expect_err("nobody").to_string(),
        sink.deliver(&batch).await.expect_err("nobody").to_string(),
        sink.ping().await.expect_err("nobody").to_string(),
    ];
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let admin = kafka.topic_admin();
    let (status, up, lag, tail) = tokio::join!(
        admin.status(),
        admin.up(&|_| {}),
        kafka.lag("a-group", &Topic::ALL),
        kafka.tail(&Topic::ALL, Start::End),
    );
    says.push(status.expect_err("nobody").to_string());
    says.push(up.expect_err("nobody").to_string());
    says.push(lag.expect_err("nobody").to_string());
    says.push(tail.err().expect("nobody").to_string());
    for text in says {
        assert!(
            text.contains(&format!("no broker of EVENT_BROKERS ({}) can be reached", config.brokers)),
            "{text}"
        );
        assert!(text.contains("Connection refused"), "{text}");
    }
}

#[tokio::test]
async fn no_such_host() {
    let config = config("no-such-host.invalid:9092");
    let sink = kafka(&config).sink().expect("needs no broker");
    let text = sink.deliver(&numbered(Topic::ClickEvents, 1, 1)).await.expect_err("nobody").to_string();
    assert!(text.contains("no-such-host.invalid:9092") && text.contains("resolve"), "{text}");
}

#[tokio::test]
async fn who_hangs_up_on_a_user_is_named_and_the_password_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut config = config(listener.local_addr().expect("an address").to_string());
    for (key, value) in [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "tfx"),
        ("sasl.password", "canary-password"),
    ] {
        config.options.insert(key.into(), value.into());
    }
    // Takes connections and drops them, until the test is over.
    std::thread::spawn(move || while listener.accept().is_ok() {});
    let kafka = kafka(&config);
    let sink = kafka.sink().expect("needs no broker");
    let batch = numbered(Topic::ClickEvents, 1, 1);
    let error = sink.deliver(&batch).await.expect_err("no answer");
    assert!(error.is_retryable(), "{error}");
    for text in [
        error.to_string(),
        sink.ping().await.expect_err("no answer").to_string(),
        kafka.tail(&[Topic::ClickEvents], Start::End).await.err().expect("no answer").to_string(),
        format!("{kafka:?}"),
    ] {
        assert!(text.contains(&config.brokers) && !text.contains("canary"), "{text}");
    }
}
