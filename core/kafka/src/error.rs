//! What a failure of librdkafka means for a caller.

use crate::{complaints::Complaints, config::KafkaConfig, security};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tfx_ports::StoreError;

/// Whose fault it is that a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The message's: it will never be taken.
    Message,
    /// Anything else's: it may be taken later, as soon as somebody or something has mended it.
    Other,
}

impl Blame {
    pub(crate) const fn of(code: Code) -> Self {
        match code {
            Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidRecord
            | Code::InvalidTimestamp => Self::Message,
            _ => Self::Other,
        }
    }

    /// Whether the topic is not as it should be, which librdkafka remembers.
    pub(crate) const fn is_of_topic(code: Code) -> bool {
        matches!(
            code,
            Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::UnknownPartition
                | Code::InvalidTopic
                | Code::TopicAuthorizationFailed
        )
    }
}

/// Why a message will never be taken.
pub(crate) fn refusal(code: Code, bytes: usize, topic: &str) -> String {
    match code {
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => {
            format!("too large: {bytes} bytes are more than the topic {topic} takes (its max.message.bytes)")
        }
        _ => format!("the brokers refuse it for the topic {topic}: {code}"),
    }
}

/// Why a message was not taken, though it is not to blame. Always retryable: the event waits until it is mended.
pub(crate) fn not_taken(
    config: &KafkaConfig,
    complaints: &Complaints,
    code: Code,
    topic: &str,
) -> StoreError {
    let what = match code {
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => missing_topic(topic),
        Code::InvalidTopic => format!("the brokers take no topic named {topic}"),
        Code::TopicAuthorizationFailed => {
            format!(
                "not allowed to write to the topic {topic}: give the user of EVENT_BROKERS the right WRITE on it"
            )
        }
        Code::ClusterAuthorizationFailed => format!(
            "not allowed to write with idempotence: give the user of EVENT_BROKERS the right IDEMPOTENT_WRITE ({topic})"
        ),
        _ if is_absence(code) => return no_broker(config, complaints),
        _ => format!("the topic {topic} does not take events: {code}"),
    };
    StoreError::Unavailable { what, source: Some(Box::new(KafkaError::MessageProduction(code))) }
}

/// No answer came in time.
pub(crate) fn no_answer(config: &KafkaConfig, complaints: &Complaints, waiting: usize) -> StoreError {
    if complaints.cause().is_some() || complaints.is_down() {
        return no_broker(config, complaints);
    }
    let what = format!(
        "the brokers of EVENT_BROKERS ({}) did not acknowledge {waiting} events within {} ms",
        config.brokers,
        config.answer_within.as_millis()
    );
    StoreError::Unavailable { what, source: None }
}

/// No broker can be asked.
pub(crate) fn no_broker(config: &KafkaConfig, complaints: &Complaints) -> StoreError {
    let brokers = &config.brokers;
    let what = match complaints.cause() {
        Some((cause, true)) => {
            let check = security::of_login(&cause);
            format!("the brokers of EVENT_BROKERS ({brokers}) refuse the login: {cause}; {check}")
        }
        Some((cause, false)) => {
            let check = security::of_absence(&config.options, &cause).map(|c| format!("; {c}"));
            format!(
                "no broker of EVENT_BROKERS ({brokers}) can be reached: {cause}{}",
                check.unwrap_or_default()
            )
        }
        None => format!("no broker of EVENT_BROKERS ({brokers}) answers"),
    };
    StoreError::Unavailable { what, source: None }
}

/// A topic is not there.
pub(crate) fn missing_topic(topic: &str) -> String {
    format!("the topic {topic} does not exist: run `tfx migrate up topics`")
}

/// A failure of something asked of the brokers; `what` was tried.
pub(crate) fn of_request(
    config: &KafkaConfig,
    complaints: &Complaints,
    what: &str,
    error: KafkaError,
) -> StoreError {
    match error.rdkafka_error_code() {
        Some(code) if is_absence(code) => no_broker(config, complaints),
        Some(code) => of_code(what, code),
        None => match error {
            KafkaError::AdminOp(code) if is_absence(code) => no_broker(config, complaints),
            KafkaError::AdminOp(code) => of_code(what, code),
            other => StoreError::broken(what, other),
        },
    }
}

/// A code that came back; `what` was tried.
pub(crate) fn of_code(what: &str, code: Code) -> StoreError {
    let lasting = matches!(
        code,
        Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::InvalidTopic
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::InvalidReplicationFactor
            | Code::InvalidPartitions
            | Code::InvalidConfig
            | Code::InvalidRequest
            | Code::InvalidArgument
            | Code::PolicyViolation
            | Code::UnsupportedVersion
            | Code::UnsupportedFeature
            | Code::OffsetOutOfRange
    );
    if lasting { StoreError::broken(what, code) } else { StoreError::unavailable(what, code) }
}

/// librdkafka does not take an option.
pub(crate) fn of_options(error: &KafkaError) -> StoreError {
    // The whole error would quote the value, which may be a secret.
    match error {
        // The end of a password with a comma in it looks like one more option.
        KafkaError::ClientConfig(_, _, option, _) if !is_name(option) => {
            bad_options("one of its names is none (a comma ends a value, even a password's)")
        }
        KafkaError::ClientConfig(_, why, option, _) => bad_options(&format!("{option}: {why}")),
        KafkaError::ClientCreation(why) => bad_options(why),
        other => bad_options(&other.to_string()),
    }
}

/// Options cannot work, and why.
pub(crate) fn bad_options(why: &str) -> StoreError {
    StoreError::Broken { what: format!("EVENT_KAFKA_OPTIONS cannot work: {why}"), source: None }
}

/// Whether it looks like the name of an option.
fn is_name(option: &str) -> bool {
    option.contains('.') && option.chars().all(|c| matches!(c, 'a'..='z' | '.' | '_'))
}

const fn is_absence(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::SSL
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_message_itself_makes_it_refused() {
        for code in [Code::MessageSizeTooLarge, Code::InvalidRecord, Code::MessageBatchTooLarge] {
            assert_eq!(Blame::of(code), Blame::Message, "{code}");
        }
        let config = KafkaConfig::new("b:1");
        let complaints = Complaints::default();
        let table = [
            (Code::UnknownTopicOrPartition, "tfx migrate up topics"),
            (Code::UnknownTopic, "the topic clicks does not exist"),
            (Code::TopicAuthorizationFailed, "WRITE"),
            (Code::ClusterAuthorizationFailed, "IDEMPOTENT_WRITE"),
            (Code::BrokerTransportFailure, "EVENT_BROKERS (b:1)"),
            (Code::NotEnoughReplicas, "the topic clicks does not take events"),
            (Code::PolicyViolation, "the topic clicks does not take events"),
            (Code::Fatal, "the topic clicks does not take events"),
        ];
        for (code, says) in table {
            assert_eq!(Blame::of(code), Blame::Other, "{code}");
            let error = not_taken(&config, &complaints, code, "clicks");
            assert!(error.is_retryable(), "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
