//! The tfx command. Parsing, running and printing are in [`app`]; this file only leaves with the exit code.

mod app;
mod cell;
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
mod table;
mod tests_too;
mod when;
mod wrong;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tfx_service::memory::Allocator = tfx_service::memory::Allocator;

fn main() -> ExitCode {
    app::main()
}
