//! The options that every client of librdkafka gets, and those of producers and consumers.

use crate::{complaints::Complaints, config::KafkaConfig, error};
use rdkafka::{
    ClientConfig, ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::ConsumerContext,
    error::KafkaError,
};
use std::{ops::Deref, sync::Arc};
use tfx_ports::StoreError;
use tokio::{runtime::Handle, sync::oneshot};

/// Largest event that is sent, bytes before compression. Topics made here take as much.
pub(crate) const MESSAGE_BYTES: usize = 4 << 20;

/// The order of events, their durability, and that each is there once, rest on these.
const PRODUCER: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("max.in.flight.requests.per.connection", "5"),
    // Never: an event that fails by time alone could be overtaken by the next of its key. Who waits gives up waiting, the
    // event stays in line, and is found there when it is given again.
    ("message.timeout.ms", "0"),
    // As the official clients place keys.
    ("partitioner", "murmur2_random"),
    // A topic that comes into being by itself has the wrong number of partitions.
    ("allow.auto.create.topics", "false"),
];

/// Nothing is committed, and what is gone is said, not skipped.
const CONSUMER: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("check.crcs", "true"),
    ("allow.auto.create.topics", "false"),
];

/// Other names of options above.
const ALIASES: &[&str] = &[
    "request.required.acks",
    "max.in.flight",
    "delivery.timeout.ms",
    "bootstrap.servers",
    "metadata.broker.list",
];

/// What is better than librdkafka's defaults here; `options` may say otherwise.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "tfx"),
    // Brokers that come back are found within two seconds, not ten.
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "2000"),
    // A broker that hangs is given up in seconds, not a minute.
    ("socket.timeout.ms", "10000"),
    // TCP, TLS and login; less than an answer is waited for, so that who waits hears what it was.
    ("socket.connection.setup.timeout.ms", "4000"),
    ("topic.metadata.refresh.fast.interval.ms", "100"),
    // The system's certificates, wherever it keeps them: OpenSSL is linked in and knows no place by itself.
    ("ssl.ca.location", "probe"),
    // No telemetry to the brokers.
    ("enable.metrics.push", "false"),
];

const PRODUCER_DEFAULTS: &[(&str, &str)] = &[
    ("compression.codec", "lz4"),
    // A batch is put in line in less than this and then leaves at once.
    ("linger.ms", "1"),
    // Below what a broker takes by default (1 MiB), so that one event too large is alone to blame.
    ("batch.size", "900000"),
    ("request.timeout.ms", "10000"),
    ("retry.backoff.ms", "50"),
    // A topic that is missing is made by hand; there is nothing to wait for.
    ("topic.metadata.propagation.max.ms", "1000"),
];

const CONSUMER_DEFAULTS: &[(&str, &str)] = &[
    // Events of one place at a time are what is read here; a broker answers as soon as there is one.
    ("fetch.wait.max.ms", "250"),
    ("fetch.error.backoff.ms", "100"),
    ("queued.max.messages.kbytes", "16384"),
];

/// Whether an option is not for others to set.
pub(crate) fn is_ours(option: &str) -> bool {
    PRODUCER.iter().chain(CONSUMER).any(|(k, _)| *k == option)
        || ALIASES.contains(&option)
        || matches!(option, "message.max.bytes" | "transactional.id" | "group.id")
}

/// Whether librdkafka takes the options; it says so for one kind of client at a time.
pub(crate) fn check(config: &KafkaConfig) -> Result<(), StoreError> {
    for client in [producer(config), consumer(config, None)] {
        client.create_native_config().map(drop).map_err(|e| error::of_options(&e))?;
    }
    Ok(())
}

fn base(config: &KafkaConfig, defaults: &[(&str, &str)], fixed: &[(&str, &str)]) -> ClientConfig {
    let mut client = ClientConfig::new();
    for (key, value) in DEFAULTS.iter().chain(defaults) {
        client.set(*key, *value);
    }
    for (key, value) in &config.options {
        client.set(key, value);
    }
    for (key, value) in fixed {
        client.set(*key, *value);
    }
    client.set("bootstrap.servers", &config.brokers);
    client.set_log_level(RDKafkaLogLevel::Info);
    client
}

/// Options of a producer.
pub(crate) fn producer(config: &KafkaConfig) -> ClientConfig {
    let mut client = base(config, PRODUCER_DEFAULTS, PRODUCER);
    client.set("message.max.bytes", MESSAGE_BYTES.to_string());
    client
}

/// Options of a consumer; `group` is asked about, never joined.
pub(crate) fn consumer(config: &KafkaConfig, group: Option<&str>) -> ClientConfig {
    let mut client = base(config, CONSUMER_DEFAULTS, CONSUMER);
    if let Some(group) = group {
        client.set("group.id", group);
    }
    client
}

/// What a client that is no producer tells us.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) complaints: Arc<Complaints>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.complaints.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.note(&error, reason);
    }
}

impl ConsumerContext for Context {}

/// Makes a client.
pub(crate) fn connect<T: FromClientConfigAndContext<Context>>(
    options: &ClientConfig,
    complaints: &Arc<Complaints>,
) -> Result<T, StoreError> {
    let context = Context { complaints: Arc::clone(complaints) };
    options.create_with_context(context).map_err(|e| error::of_options(&e))
}

/// A client that is dropped where that may block: librdkafka waits for its threads.
pub(crate) struct Client<T> {
    // Dropped first, so that the last holder is the one that waits for the goodbye.
    client: Arc<T>,
    _goodbye: Option<oneshot::Sender<()>>,
}

impl<T: Send + Sync + 'static> Client<T> {
    pub(crate) fn new(client: T) -> Self {
        let client = Arc::new(client);
        let goodbye = Handle::try_current().ok().map(|runtime| {
            let (goodbye, dropped) = oneshot::channel::<()>();
            let (last, blocking) = (Arc::clone(&client), runtime.clone());
            runtime.spawn(async move {
                let _ = dropped.await; // an error: the sender was dropped, which is the goodbye
                blocking.spawn_blocking(move || drop(last));
            });
            goodbye
        });
        Self { client, _goodbye: goodbye }
    }
}

impl<T> Deref for Client<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.client
    }
}
