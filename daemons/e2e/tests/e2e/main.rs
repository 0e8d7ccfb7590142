//! Whole flows with the real programs, on SQLite and on real engines; and the order of the house (`tidy`, `fences`).
//!
//! One program, so that it is linked once: `cargo test -p tfx-e2e --test e2e tidy` runs the tests of one file.

mod alerts;
mod creates;
mod erasure;
mod fences;
mod full_disk;
mod kill;
mod messages;
mod probes;
mod processes;
mod reconciled;
mod refusals;
mod replay;
mod retention;
mod servers;
mod short_forms;
mod sick;
mod source_postbacks;
mod start;
mod strangers;
mod tidy;
mod traces;
