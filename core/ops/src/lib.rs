//! What the CLI orchestrates, without a terminal: replaying an access log, the smoke check.

pub mod probe;
pub mod replay;
pub mod smoke;

pub use tfx_ports::{clock, entropy};
