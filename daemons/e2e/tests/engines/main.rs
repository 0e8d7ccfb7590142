//! Faults on the real engines, with the three services as processes: what was answered is in the reports, once,
//! whatever goes away when. `docs/faults.md` has the figures that these tests print.
//!
//! `FAULTS=long cargo test -p tfx-e2e --test engines -- --nocapture` runs more outages and 25 rounds of kill -9.
//!
//! All share one set of engines, one after the other; it is theirs alone and ends with them.

#![expect(clippy::print_stdout, reason = "they print their figures")]

mod again;
mod broker;
mod clickhouse;
mod journal;
mod kill;
mod ledger;
mod load;
mod mongo;
mod reconciled;
mod source_postbacks;
mod testbed;
