//! The event producer: every event is in a local journal before the answer goes out, and a deliverer takes it from
//! there to the sink, in order, at least once, however long the sink is away.
//!
//! ```text
//! publish ─→ queue ─→ writer thread ─→ journal (files) ─→ deliverer ─→ EventSink
//!    ↑                    │ one write, at most one sync          │
//!    └──── wakes ─────────┤ for everything that waits            └─→ refused.jsonl
//!                         └─→ ledger (files) ─→ Ledgers
//! ```
//!
//! What is not here: sinks (adapters), settings, HTTP. Nothing else touches the journal's files. Why it is built
//! this way: `docs/decisions/0001-journal-before-answer.md`.

mod config;
mod deliver;
mod erase;
mod journal;
mod ledger;
mod producer;
mod queue;
mod refused;
mod replay;
mod stats;
#[cfg(test)]
mod tests;
mod writer;

pub use config::{FailurePolicy, OpenError, ProducerConfig};
pub use erase::{EraseError, JournalErased};
pub use journal::{Held, JournalFile, Undelivered, copies, waiting};
pub use ledger::tell::LedgerTeller;
pub use producer::{FlushReport, Producer, PublishError, Published};
pub use replay::{ReplayError, Replayed};
pub use stats::ProducerStats;
