//! What the CLI orchestrates, without a terminal: replaying an access log, the smoke check.

pub mod replay;
pub mod smoke;
