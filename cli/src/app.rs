//! Parse, run, print: the way of every command.

use crate::{
    commands::Command,
    context::{Context, Overrides},
    exit::{self, Failure},
    output::{Format, Out},
};
use clap::{Parser, error::ErrorKind};
use std::{path::PathBuf, process::ExitCode};

/// Route clicks, record conversions, report what earned money.
#[derive(Debug, Parser)]
#[command(name = "tfx", version, about, propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command.
#[derive(Debug, clap::Args)]
struct Global {
    /// The form of results.
    #[arg(short, long, global = true, value_enum, default_value_t, help_heading = "Global options")]
    output: Format,
    /// Say nothing but results and errors.
    #[arg(short, long, global = true, help_heading = "Global options")]
    quiet: bool,
    /// No colours (also NO_COLOR).
    #[arg(long, global = true, help_heading = "Global options")]
    no_color: bool,
    /// Do not ask before destructive commands.
    #[arg(short, long, global = true, help_heading = "Global options")]
    yes: bool,
    /// Settings of this profile in ~/.config/tfx/config.toml.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    profile: Option<String>,
    /// Where api-service is (API_SERVICE_URL).
    #[arg(long, global = true, value_name = "URL", help_heading = "Global options")]
    api_url: Option<String>,
    /// Where the embedded stores and tokens live (TFX_DATA_DIR).
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    data_dir: Option<PathBuf>,
}

/// Runs the command line and tells the exit code.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let code = match e.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => exit::DONE,
                _ => exit::USAGE,
            };
            let _ = e.print();
            return ExitCode::from(code);
        }
    };
    let out = Out::new(cli.global.output, cli.global.quiet, cli.global.no_color);
    match run(cli, out) {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(failure) => {
            out.failure(&failure);
            ExitCode::from(failure.kind.code())
        }
    }
}

fn run(cli: Cli, out: Out) -> Result<(), Failure> {
    let Global { profile, api_url, data_dir, yes, .. } = cli.global;
    let context = Context::new(&Overrides { profile, api_url, data_dir }, out, yes)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::failed(format!("the runtime cannot be started: {e}")))?;
    runtime.block_on(cli.command.run(&context))
}
