//! What librdkafka says about the brokers: the last cause of trouble, for error messages, and its log, as `tracing`
//! events of the target `librdkafka`.
//!
//! librdkafka repeats itself with every try to connect, and says the same in its log and as an error. Here each line
//! is logged once per outage; repetitions are debug. Whoever fails because of it says so with [`Complaints::cause`].

use crate::security::HUNG_UP;
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

/// Who hangs up within that time of a connection never meant to have one, milliseconds.
const SUDDEN_MS: u32 = 2000;

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
            // "1/1 brokers are down" explains nothing. Credentials explain what follows.
            if !down && (refused || !heard.refused) {
                heard.cause = Some(explained(reason));
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
        if facility == "FAIL" {
            self.suspect(line);
        }
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

    /// "[thrd:…]: broker: Disconnected": told in the log before, or instead of, as an error.
    fn suspect(&self, line: &str) {
        self.any.store(true, Relaxed);
        let cause = line.split_once("]: ").map_or(line, |(_, cause)| cause);
        self.heard().cause.get_or_insert_with(|| explained(cause));
    }

    fn is_new(&self, facility: &str, line: &str) -> bool {
        self.any.store(true, Relaxed);
        let (mut heard, line) = (self.heard(), stable(line));
        heard.said.len() < LINES && heard.said.insert(format!("{facility} {line}"))
    }
}

/// A cause as it is shown.
fn explained(line: &str) -> String {
    // What librdkafka advises to check is less than what this crate does.
    let cause = stable(line).split(": broker certificate could not be verified").next().unwrap_or_default();
    if is_sudden(line) { format!("{cause}: {HUNG_UP}") } else { cause.to_owned() }
}

/// "Disconnected (after 3ms in state UP)": as brokers do that do not understand what they are told.
fn is_sudden(line: &str) -> bool {
    let state = line.rsplit_once("(after ").and_then(|(_, rest)| rest.split_once("ms in state "));
    ["Disconnected", "Broken pipe", "reset by peer"].iter().any(|s| line.contains(s))
        && state.is_some_and(|(ms, state)| {
            state.starts_with("APIVERSION_QUERY")
                || (state.starts_with("UP") && ms.parse().is_ok_and(|ms: u32| ms < SUDDEN_MS))
        })
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
        c.note(&KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert_eq!((c.cause(), c.is_down()), (None, true));
        c.log(RDKafkaLogLevel::Info, "FAIL", "[thrd:b:1/1]: b:1/1: Disconnected (after 3600ms in state UP)");
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
        transport(
            &c,
            "SSL handshake failed: broker certificate could not be verified, verify (after 1ms in state X)",
        );
        assert_eq!(c.cause(), Some(("SSL handshake failed".into(), false)));
    }

    #[test]
    fn who_hangs_up_at_once_means_it() {
        for (state, sudden) in [
            ("after 0ms in state APIVERSION_QUERY, 2 identical error(s) suppressed", true),
            ("after 3ms in state UP", true),
            ("after 2000ms in state UP", false),
            ("after 0ms in state AUTH_HANDSHAKE", false),
        ] {
            let c = Complaints::default();
            c.log(RDKafkaLogLevel::Info, "FAIL", &format!("[thrd:b:1/1]: b:1/1: Disconnected ({state})"));
            let cause =
                if sudden { "b:1/1: Disconnected: it hung up at once" } else { "b:1/1: Disconnected" };
            assert_eq!(c.cause(), Some((cause.into(), false)), "{state}");
        }
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
