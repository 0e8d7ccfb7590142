//! The tfx command. Parsing, running and printing are in `app`; `main.rs` only leaves with the exit code.
//!
//! A library, so that it is compiled beside what it is made of: a program waits until all of that is there whole.

mod app;
mod cell;
mod changes;
mod columns;
mod commands;
mod complete;
mod context;
mod credentials;
mod event_list;
mod exit;
mod follow;
mod help;
mod input;
mod output;
mod pages;
mod pipeline;
mod presets;
mod profile;
mod progress;
mod prompt;
#[cfg(test)]
mod reference;
mod room;
mod rows;
mod services;
mod set;
mod table;
mod tests_too;
mod when;
mod wrong;

use std::process::ExitCode;

/// Does what the arguments of this process say, and tells how it ended.
pub fn main() -> ExitCode {
    app::main()
}
