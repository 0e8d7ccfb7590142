//! What the adapter promises, held against the real MongoDB of `make engines`.

mod before;
mod config;
mod conformance;
mod faults;
mod lost_answers;
mod migrations;
mod open;
mod reports;
mod support;
