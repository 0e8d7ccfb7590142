//! What the CLI orchestrates, without a terminal: migrations, stacks of engines, replaying an access log, the smoke
//! check, backups.

pub mod backup;
pub mod forward;
pub mod migrate;
pub mod probe;
pub mod replay;
pub mod smoke;
pub mod stack;

pub use tfx_ports::{clock, entropy, event_log, files};
