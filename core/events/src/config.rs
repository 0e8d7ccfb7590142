//! What a producer is told at its start, and why it may not start.

use std::{fmt, io, path::PathBuf, str::FromStr, time::Duration};

/// What a publisher waits for, and what happens when the journal cannot take its event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FailurePolicy {
    /// Waits until the event is handed to the operating system: it survives a crash of the process, not the loss of
    /// power. If the journal cannot take it, the drop is counted and logged and the publisher goes on.
    #[default]
    FailOpen,
    /// Waits until the event is on disk; if that fails, the publisher gets an error.
    FailClosed,
}

impl FromStr for FailurePolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        match text {
            "fail_open" => Ok(Self::FailOpen),
            "fail_closed" => Ok(Self::FailClosed),
            _ => Err(UnknownPolicy),
        }
    }
}

/// Not a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a failure policy: fail_open or fail_closed")]
pub struct UnknownPolicy;

impl fmt::Display for FailurePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FailOpen => "fail_open",
            Self::FailClosed => "fail_closed",
        })
    }
}

/// What a producer is told at its start.
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    /// The journal's folder; this producer's alone. Created (0700) if it is not there.
    pub dir: PathBuf,
    /// What [`crate::Producer::publish`] waits for.
    pub policy: FailurePolicy,
    /// Most events given to the sink at once; at least 1.
    pub batch_size: usize,
    /// Longest time an event waits for others to fill its batch.
    pub batch_timeout: Duration,
    /// Longest time a publisher waits for the journal, and longest time of one delivery to the sink.
    pub write_timeout: Duration,
    /// Failed deliveries in a row that count as one final failure; the batch is tried on all the same. At least 1.
    pub max_attempts: u32,
    /// First pause after a failed delivery; doubled with each, up to 5 seconds.
    pub retry_backoff: Duration,
    /// Most bytes the journal's segments may take on disk; beyond, events are not taken.
    pub max_bytes: u64,
    /// Size at which a new segment is begun; at most a quarter of `max_bytes` is used.
    pub segment_bytes: u64,
}

/// Why a producer cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another producer has the journal.
    #[error(
        "the event journal {dir} is in use by another process; stop that one, or set TFX_DATA_DIR to another folder"
    )]
    InUse {
        /// Which folder.
        dir: String,
    },
    /// A file written by a later version of the product.
    #[error(
        "{file} in the event journal is of format {version}, newer than this program reads (format {known}); start \
         the newer version once so that it delivers its events, or move the file away"
    )]
    NewerFormat {
        /// Which file.
        file: String,
        /// Its format.
        version: u32,
        /// The newest format read here.
        known: u32,
    },
    /// The folder or a file in it cannot be created, read or written.
    #[error("the event journal {dir} cannot be used: {what}: {source}")]
    Unusable {
        /// Which folder.
        dir: String,
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Called outside a tokio runtime.
    #[error("the event producer must be opened inside a tokio runtime")]
    NoRuntime,
}
