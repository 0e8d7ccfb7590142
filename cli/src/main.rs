//! The tfx command. Parsing, running and printing are in [`app`]; this file only leaves with the exit code.

mod app;
mod commands;
mod context;
mod exit;
mod output;

use std::process::ExitCode;

fn main() -> ExitCode {
    app::main()
}
