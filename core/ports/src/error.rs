//! What a store can answer instead of a result, and what whoever asked can do about it:
//!
//! | what to do | answers |
//! |---|---|
//! | try again later, as it is ([`StoreError::is_retryable`]) | [`Unavailable`](StoreError::Unavailable), [`Full`](StoreError::Full) |
//! | look at how it is now, and ask anew | [`Moved`](StoreError::Moved), [`VersionMismatch`](StoreError::VersionMismatch) |
//! | ask for something else | [`NotFound`](StoreError::NotFound), [`SlugTaken`](StoreError::SlugTaken), [`BadCursor`](StoreError::BadCursor), [`TooMuch`](StoreError::TooMuch), [`NoRevision`](StoreError::NoRevision) |
//! | have a person mend the store | [`Broken`](StoreError::Broken); what the text of `Unavailable` and `Full` advises |

use std::{error::Error, fmt};

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing.
    #[error("not found")]
    NotFound,
    /// The slug is taken within its scope.
    #[error("the slug is taken by {existing}")]
    SlugTaken {
        /// The id of who has it.
        existing: String,
    },
    /// It was changed in the meantime.
    #[error("it was changed in the meantime: it is at version {current}")]
    VersionMismatch {
        /// What it is now.
        current: u64,
    },
    /// The configuration is not the one that was checked any more.
    #[error("the configuration has moved on to revision {revision}")]
    Moved {
        /// What it is at now.
        revision: u64,
    },
    /// That revision of the configuration is not kept, or never was.
    #[error("{what}")]
    NoRevision {
        /// Which are.
        what: String,
    },
    /// A cursor that this store did not give.
    #[error("the cursor is not one of this list")]
    BadCursor,
    /// The store does not answer, is locked, or timed out; the same call may work later.
    #[error("{what}")]
    Unavailable {
        /// What was tried and what came back.
        what: String,
        /// The cause.
        #[source]
        source: Option<BoxError>,
    },
    /// The answer would be larger than was allowed; asking for less helps.
    #[error("{what}")]
    TooMuch {
        /// What there is too much of.
        what: String,
    },
    /// No room left on the device; works again when there is.
    #[error("no space left: {what}")]
    Full {
        /// What was being written.
        what: String,
    },
    /// What is stored is not what it should be, or the store refuses for good.
    #[error("{what}")]
    Broken {
        /// What is wrong.
        what: String,
        /// The cause.
        #[source]
        source: Option<BoxError>,
    },
}

/// Any cause.
pub type BoxError = Box<dyn Error + Send + Sync>;

impl StoreError {
    /// Whether the same call may succeed later without anybody changing anything about it.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full { .. })
    }

    /// A report would have more groups than were allowed.
    pub fn too_many_groups(most: usize) -> Self {
        Self::TooMuch { what: format!("the report has more than {most} rows") }
    }

    /// A report would have more sums to convert than were allowed.
    pub fn too_many_amounts() -> Self {
        Self::TooMuch { what: "the report has too many rows times rates".to_owned() }
    }

    /// [`StoreError::Unavailable`] from a cause.
    pub fn unavailable(what: impl fmt::Display, source: impl Into<BoxError>) -> Self {
        let source = source.into();
        Self::Unavailable { what: format!("{what}: {source}"), source: Some(source) }
    }

    /// [`StoreError::Broken`] from a cause.
    pub fn broken(what: impl fmt::Display, source: impl Into<BoxError>) -> Self {
        let source = source.into();
        Self::Broken { what: format!("{what}: {source}"), source: Some(source) }
    }
}
