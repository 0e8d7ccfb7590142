//! What librdkafka says about the brokers: the last cause of trouble, for error messages, and its log, as `tracing`
//! events of the target `librdkafka`.
//!
//! librdkafka repeats itself with every try to connect, and says the same in its log and as an error. Here each line
//! is logged once per outage; repetitions are debug. Whoever fails because of it says so with [`Complaints::cause`].

use rdkafka::{
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
};
use std::{
    collections::BTreeSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use tokio::sync::Notify;

/// Different lines remembered of one outage; then it is noise.
const LINES: usize = 64;

#[derive(Debug, Default)]
struct Heard {
    cause: Option<String>,
    refused: bool,
    down: bool,
    said: BTreeSet<String>,
}

/// What was heard since a broker last did what it should.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    any: AtomicBool,
    heard: Mutex<Heard>,
    /// Wakes who waits for an answer: none can come.
    pub(crate) alarm: Notify,
}

impl Complaints {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A broker did what it should: the outage is over.
    pub(crate) fn clear(&self) {
        if self.any.load(Relaxed) && self.any.swap(false, Relaxed) {
            *self.heard() = Heard::default();
        }
    }

    /// Why brokers do not answer, if librdkafka said so; and whether it is the credentials.
    pub(crate) fn cause(&self) -> Option<(String, bool)> {
        let heard = self.heard();
        heard.cause.clone().map(|cause| (cause, heard.refused))
    }

    /// Whether no broker was left to ask at some time.
    pub(crate) fn is_down(&self) -> bool {
        self.heard().down
    }

    /// An error that concerns no single message.
    pub(crate) fn note(&self, error: &KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        let code = error.rdkafka_error_code();
        let refused = matches!(
            code,
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed)
        );
        let down = matches!(code, Some(RDKafkaErrorCode::AllBrokersDown));
        self.any.store(true, Relaxed);
        {
            let mut heard = self.heard();
            // "1/1 brokers are down" explains nothing; a cause heard before does. Credentials explain what follows.
            if heard.cause.is_none() || (!down && (refused || !heard.refused)) {
                heard.cause = Some(stable(reason).to_owned());
            }
            heard.refused |= refused;
            heard.down |= down || refused;
        }
        if down || refused {
            self.alarm.notify_waiters();
        }
    }

    /// A line of the log.
    pub(crate) fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        use RDKafkaLogLevel as L;
        match level {
            L::Emerg | L::Alert | L::Critical => tracing::error!(target: "librdkafka", facility, "{line}"),
            L::Error | L::Warning if self.is_new(facility, line) => {
                tracing::warn!(target: "librdkafka", facility, "{line}");
            }
            L::Error | L::Warning | L::Notice | L::Info | L::Debug => {
                tracing::debug!(target: "librdkafka", facility, "{line}");
            }
        }
    }

    fn is_new(&self, facility: &str, line: &str) -> bool {
        self.any.store(true, Relaxed);
        let (mut heard, line) = (self.heard(), stable(line));
        if facility == "FAIL" && heard.cause.is_none() {
            // "[thrd:…]: broker: Disconnected": told here before, or instead of, as an error.
            heard.cause = Some(line.split_once("]: ").map_or(line, |(_, cause)| cause).to_owned());
        }
        heard.said.len() < LINES && heard.said.insert(format!("{facility} {line}"))
    }
}

/// Without what differs each time: "(after 12ms in state CONNECT, 3 identical error(s) suppressed)".
fn stable(line: &str) -> &str {
    line.split(" (after ").next().unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transport(complaints: &Complaints, reason: &str) {
        complaints.note(&KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure), reason);
    }

    #[test]
    fn the_cause_is_the_one_that_explains() {
        let c = Complaints::default();
        assert_eq!(c.cause(), None);
        c.log(RDKafkaLogLevel::Error, "FAIL", "[thrd:b:1/1]: b:1/1: Disconnected (after 3ms in state UP)");
        c.note(&KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(c.cause(), Some(("b:1/1: Disconnected".into(), false)));
        transport(&c, "Connect failed: Connection refused (after 0ms in state CONNECT)");
        c.note(&KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!(c.cause(), Some(("Connect failed: Connection refused".into(), false)));
        c.note(&KafkaError::Global(RDKafkaErrorCode::Authentication), "SASL authentication failed");
        transport(&c, "Disconnected");
        assert_eq!(c.cause(), Some(("SASL authentication failed".into(), true)));
        c.clear();
        assert_eq!(c.cause(), None);
    }

    #[test]
    fn a_line_is_new_once_an_outage() {
        let c = Complaints::default();
        assert!(c.is_new("FAIL", "a: Connect failed: refused (after 0ms in state CONNECT)"));
        assert!(!c.is_new("FAIL", "a: Connect failed: refused (after 3ms in state CONNECT, 4 identical …)"));
        assert!(c.is_new("FAIL", "b: Connect failed: refused (after 0ms in state CONNECT)"));
        c.clear();
        assert!(c.is_new("FAIL", "a: Connect failed: refused (after 1ms in state CONNECT)"));
    }
}
