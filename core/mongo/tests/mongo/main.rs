//! What the adapter promises, held against the real MongoDB of `make engines`.

mod archives;
mod before;
mod config;
mod conformance;
mod faults;
mod lost_answers;
mod migrations;
mod moment;
mod open;
mod reports;
mod restoring;
mod support;
