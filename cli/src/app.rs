//! Parse, run, print: the way of every command.

use crate::{
    commands::Command,
    complete,
    context::{Context, Overrides},
    exit::{self, Failure, Kind, Verdict},
    help,
    output::{Format, Out},
    wrong,
};
use clap::{ColorChoice, FromArgMatches, Parser, error::ErrorKind};
use clap_complete::CompleteEnv;
use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};
use tfx_domain::problem::Problems;

/// Route clicks, record conversions, report what earned money.
#[derive(Debug, Parser)]
#[command(name = "tfx", version, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "To begin: tfx up --demo, then in another terminal tfx campaign create.\n\
    Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 not allowed, 5 conflict,\n  \
    6 unreachable, 7 timed out, 130 interrupted.")]
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
    let completing = CompleteEnv::with_factory(help::command).var(complete::VAR).bin("tfx").completer("tfx");
    match completing.try_complete(env::args_os(), env::current_dir().ok().as_deref()) {
        Ok(true) => return ExitCode::from(exit::DONE),
        Ok(false) => {}
        Err(e) => return refused(&e),
    }
    let command = help::command().color(help_colors());
    let args: Vec<OsString> = env::args_os().collect();
    let matches = command.clone().try_get_matches_from(&args);
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(e) => {
            let (others, rest) = wrong::others(&command, args, &e);
            let rest = rest.and_then(|matches| Cli::from_arg_matches(&matches).ok());
            let more = rest.map(|cli| cli.command.problems()).unwrap_or_default();
            let alone = others.is_empty() && more.is_empty();
            return if alone { refused(&e) } else { all_refused(&e, &others, more) };
        }
    };
    let out = Out::new(cli.global.output, cli.global.quiet, cli.global.no_color);
    match run(cli, out) {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(failure) => {
            out.failure(&failure);
            tell_monitor(&failure, failure.kind);
            ExitCode::from(code_of(failure.kind, env::args_os()))
        }
    }
}

/// The exit code of a failure. A monitor's check that could not be made says nothing about what it checks: UNKNOWN, where
/// the code of a wrong command line would be CRITICAL. A plan that could not be made does not say that there is a difference.
fn code_of(kind: Kind, args: impl Iterator<Item = OsString>) -> u8 {
    let decided = matches!(kind, Kind::Verdict(_) | Kind::Interrupted | Kind::ClosedPipe);
    match first_word(args).as_deref() {
        Some("check") if !decided => Verdict::Unknown.code(),
        Some("plan") if kind == Kind::Failed => exit::USAGE,
        _ => kind.code(),
    }
}

/// Whether it is a command line of `tfx check`, right or wrong.
fn is_check(args: impl Iterator<Item = OsString>) -> bool {
    first_word(args).as_deref() == Some("check")
}

/// The command of a command line, right or wrong.
fn first_word(args: impl Iterator<Item = OsString>) -> Option<String> {
    let mut args = args.skip(1);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("-o" | "--output" | "--profile" | "--api-url" | "--data-dir") => _ = args.next(),
            Some(flag) if flag.starts_with('-') => {}
            word => return word.map(str::to_owned),
        }
    }
    None
}

/// Colours of help and usage errors: on terminals only, whatever the environment would force on a pipe.
fn help_colors() -> ColorChoice {
    let plain = env::args_os().any(|arg| arg == "--no-color");
    if plain || !io::stdout().is_terminal() || !io::stderr().is_terminal() {
        ColorChoice::Never
    } else {
        ColorChoice::Auto
    }
}

/// Help and version, which clap gives as errors; and what is wrong with a command line.
fn refused(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let Err(e) = error.print() else { return ExitCode::from(exit::DONE) };
        let failure = Failure::from(e);
        Out::new(Format::Table, false, true).failure(&failure);
        return ExitCode::from(failure.kind.code());
    }
    if wants_json(env::args_os()) {
        Out::new(Format::Json, false, true).failure(&in_one_line(error));
    } else {
        let _ = error.print();
    }
    usage_code(&in_one_line(error))
}

/// Several things wrong with a command line, each in a line.
fn all_refused(first: &clap::Error, others: &[clap::Error], more: Problems) -> ExitCode {
    let mut problems = Problems::default();
    std::iter::once(first).chain(others).for_each(|e| problems.add("", in_one_line(e).message));
    problems.0.extend(more.0);
    let failure = Failure::usage("the command line is not valid").with(problems);
    let format = if wants_json(env::args_os()) { Format::Json } else { Format::Table };
    let failure = failure.hint("the same command with --help tells what it takes");
    Out::new(format, false, true).failure(&failure);
    usage_code(&failure)
}

/// The exit code of a command line that is wrong.
fn usage_code(failure: &Failure) -> ExitCode {
    tell_monitor(failure, Kind::Usage);
    ExitCode::from(code_of(Kind::Usage, env::args_os()))
}

/// Monitors read what a check writes as its result: a line of it, where the check itself was not reached.
fn tell_monitor(failure: &Failure, kind: Kind) {
    let is_unknown =
        !matches!(kind, Kind::Verdict(_)) && code_of(kind, env::args_os()) == Verdict::Unknown.code();
    if is_unknown && is_check(env::args_os()) {
        // Whoever does not read it has the exit code.
        let _ = Out::new(Format::Table, false, true).lines([unknown(failure)]);
    }
}

/// As the line of a check.
fn unknown(failure: &Failure) -> String {
    let problems = failure.problems.0.iter().map(|p| format!("; {} {}", p.path, p.message));
    let said = format!("{}{}", failure.message, problems.collect::<String>());
    let words: Vec<&str> = said.split_whitespace().collect();
    // A bar begins the performance data.
    format!("UNKNOWN: {}", words.join(" ").replace('|', "/"))
}

/// What is wrong, without the usage that clap shows to people.
fn in_one_line(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let said = text.trim().trim_start_matches("error: ").split("\n\nUsage:").next().unwrap_or_default();
    let said = said.split("\n\nFor more information").next().unwrap_or_default();
    let words: Vec<&str> = said.split_whitespace().collect();
    Failure::usage(words.join(" ")).hint("the same command with --help tells what it takes")
}

/// Whether JSON was asked for in a command line that cannot be read otherwise.
fn wants_json(args: impl Iterator<Item = OsString>) -> bool {
    let args: Vec<String> = args.map(|a| a.to_string_lossy().into_owned()).collect();
    let json = |value: &str| matches!(value, "json" | "jsonl");
    let joined = args.iter().filter_map(|a| a.strip_prefix("--output=").or_else(|| a.strip_prefix("-o")));
    let next = args.windows(2).filter(|w| matches!(w[0].as_str(), "-o" | "--output")).map(|w| w[1].as_str());
    joined.chain(next).any(json)
}

/// How long threads that block are waited for in the end.
const LAST_WAIT: Duration = Duration::from_millis(500);

fn run(cli: Cli, out: Out) -> Result<(), Failure> {
    let Global { profile, api_url, data_dir, yes, .. } = cli.global;
    let context = Context::new(&Overrides { profile, api_url, data_dir }, out, yes)?;
    let runtime = tfx_service::memory::runtime()
        .map_err(|e| Failure::failed(format!("the runtime cannot be started: {e}")))?;
    let ended = runtime.block_on(cli.command.run(&context));
    // What still runs waits for something that may never come, such as a locked file.
    runtime.shutdown_timeout(LAST_WAIT);
    ended.map_err(|failure| match failure.kind {
        Kind::Denied if failure.code.as_deref() == Some("unauthorized") => context.not_logged_in(failure),
        _ => failure,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        help::command().debug_assert();
    }

    #[test]
    fn a_check_that_cannot_be_made_is_unknown_to_monitors() {
        for (line, kind, code) in [
            ("tfx check destinations --bogus", Kind::Usage, 3),
            ("tfx --api-url x -o json --quiet check nothing", Kind::Usage, 3),
            ("tfx check", Kind::Failed, 3),
            ("tfx check destinations", Kind::Denied, 3),
            ("tfx check destinations", Kind::Verdict(Verdict::Critical), 2),
            ("tfx check destinations", Kind::Interrupted, 130),
            ("tfx --profile check campaign list", Kind::Usage, 2),
            ("tfx health check", Kind::Usage, 2),
            ("tfx plan -f config", Kind::Failed, 2),
            ("tfx plan -f config", Kind::Verdict(Verdict::Warning), 1),
            ("tfx apply -f config", Kind::Failed, 1),
            ("tfx", Kind::Usage, 2),
        ] {
            assert_eq!(code_of(kind, line.split(' ').map(OsString::from)), code, "{line}");
        }
    }

    #[test]
    fn a_wrong_command_line_is_told_in_one_line_where_json_is_asked_for() {
        let error = Cli::try_parse_from(["tfx", "campaign", "lst"]).expect_err("no such verb");
        let failure = in_one_line(&error);
        assert_eq!(failure.message, "unrecognized subcommand 'lst' tip: a similar subcommand exists: 'list'");
        let asked = |args: &[&str]| wants_json(args.iter().map(OsString::from));
        assert!(asked(&["tfx", "-o", "json", "x"]) && asked(&["tfx", "x", "--output=jsonl"]));
        assert!(asked(&["tfx", "-ojson"]) && !asked(&["tfx", "-o", "table", "json"]));
    }
}
