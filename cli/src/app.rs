//! Parse, run, print: the way of every command.

use crate::{
    commands::Command,
    complete,
    context::{Context, Overrides},
    exit::{self, Failure, Kind},
    output::{Format, Out},
};
use clap::{CommandFactory, Parser, error::ErrorKind};
use clap_complete::CompleteEnv;
use std::{env, path::PathBuf, process::ExitCode};

/// Route clicks, record conversions, report what earned money.
#[derive(Debug, Parser)]
#[command(name = "tfx", version, subcommand_required = true, arg_required_else_help = true)]
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
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Global options"
    )]
    output: Format,
    /// Say nothing but results and errors.
    #[arg(short, long, global = true, help_heading = "Global options")]
    quiet: bool,
    /// No colours (also NO_COLOR).
    #[arg(long, global = true, help_heading = "Global options")]
    no_color: bool,
    /// Answer yes where a command would ask before it destroys something.
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
    let completing = CompleteEnv::with_factory(Cli::command).var(complete::VAR).bin("tfx").completer("tfx");
    match completing.try_complete(env::args_os(), env::current_dir().ok().as_deref()) {
        Ok(true) => return ExitCode::from(exit::DONE),
        Ok(false) => {}
        Err(e) => return refused(&e),
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return refused(&e),
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

/// Help and version, which clap gives as errors; and what is wrong with a command line.
fn refused(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return ExitCode::from(exit::DONE);
    }
    if wants_json(env::args()) {
        let text = error.render().to_string();
        let message = text.trim().trim_start_matches("error: ");
        Out::new(Format::Json, false, true).failure(&Failure::usage(message));
    } else {
        let _ = error.print();
    }
    ExitCode::from(exit::USAGE)
}

/// Whether JSON was asked for in a command line that cannot be read otherwise.
fn wants_json(args: impl Iterator<Item = String>) -> bool {
    let args: Vec<String> = args.collect();
    let json = |value: &str| matches!(value, "json" | "jsonl");
    let joined = args.iter().filter_map(|a| a.strip_prefix("--output=").or_else(|| a.strip_prefix("-o")));
    let next = args.windows(2).filter(|w| matches!(w[0].as_str(), "-o" | "--output")).map(|w| w[1].as_str());
    joined.chain(next).any(json)
}

fn run(cli: Cli, out: Out) -> Result<(), Failure> {
    let Global { profile, api_url, data_dir, yes, .. } = cli.global;
    let context = Context::new(&Overrides { profile, api_url, data_dir }, out, yes)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::failed(format!("the runtime cannot be started: {e}")))?;
    runtime.block_on(cli.command.run(&context)).map_err(|failure| match failure.kind {
        Kind::Denied if failure.hint.is_none() => failure.hint(context.token_hint()),
        _ => failure,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
