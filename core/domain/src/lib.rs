//! What the product decides. Pure: no sockets, no files, no clock, no global randomness;
//! time and randomness come in as arguments, so a decision can be replayed from its inputs.
//!
//! - [`access`]: who may do what
//! - [`country`]: which there are, and where
//! - [`entity`]: what a person configures, with validation that reports every problem at once
//! - [`routing`]: a click in, a [`routing::Decision`] out
//! - [`alert`]: rules that say when something is not as it should be, and what becomes of it
//! - [`macros`]: URL templates
//! - [`rules`]: what must hold between entities
//! - [`postback`]: what a network's report means, and the status machine
//! - [`source_postback`]: what traffic sources are told of conversions
//! - [`health`]: whether a destination answers
//! - [`event`]: what is written to the event log
//! - [`ledger`]: what was accepted, to be held against what is stored
//! - [`rate`]: what currencies are worth in each other
//! - [`report`]: dimensions, metrics and their arithmetic
//! - [`said`]: whether a text says anything; [`query`]: percent-encoding as it really comes

pub mod access;
pub mod alert;
pub mod country;
pub mod entity;
pub mod event;
pub mod health;
pub mod id;
pub mod layout;
pub mod ledger;
pub mod macros;
pub mod moment;
pub mod money;
pub mod nearest;
pub mod postback;
pub mod problem;
pub mod query;
pub mod rate;
pub mod report;
pub mod routing;
pub mod rules;
pub mod said;
#[cfg(feature = "schema")]
pub mod schema;
pub mod slug;
pub mod source_postback;

/// Points in time everywhere in the product; written as RFC 3339 with at most millisecond precision.
pub use jiff::Timestamp;

/// Days, without a time zone; written as `2026-01-31`.
pub use jiff::civil::Date;
