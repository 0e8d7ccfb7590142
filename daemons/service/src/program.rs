//! A daemon's `main`: command line, settings, logs, runtime, exit codes. The same for all.

use crate::{Shutdown, logs, shutdown};
use anyhow::Context as _;
use clap::Command;
use std::{
    fmt::Display,
    io::{Write as _, stderr},
    process::ExitCode,
    sync::Arc,
};
use tfx_settings::{
    Settings, Source,
    vars::{self, Program},
};

/// Runs a daemon until it ends or a signal stops it. Exits with 2 for settings that cannot be used, each named, and
/// with 1 for everything else.
pub fn program<F>(
    name: &'static str,
    about: &'static str,
    of: Program,
    run: impl FnOnce(Arc<Settings>, Shutdown) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let version = env!("CARGO_PKG_VERSION");
    Command::new(name).version(version).about(about).after_help(vars::help(of)).get_matches();
    let say = |problem: &dyn Display| {
        // Nobody is left to tell when stderr is gone.
        let _ = writeln!(stderr(), "{name}: {problem}");
    };
    let (settings, notices) = match Source::process() {
        Ok(source) => (Settings::read(&source), tfx_settings::notices(&source)),
        Err(e) => {
            say(&e);
            return ExitCode::from(2);
        }
    };
    let settings = match settings {
        Ok(settings) => Arc::new(settings),
        Err(problems) => {
            problems.0.iter().for_each(|p| say(&format_args!("{} {}", p.path, p.message)));
            return ExitCode::from(2);
        }
    };
    if let Err(e) = logs::init(settings.log_level.as_deref().unwrap_or("info")) {
        say(&e);
        return ExitCode::from(2);
    }
    for tfx_settings::Notice { name, message } in notices {
        tracing::warn!(setting = name, reason = message, "a setting does nothing");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime");
    let ended =
        runtime.and_then(|runtime| runtime.block_on(async { run(settings, shutdown::on_signals()).await }));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            say(&format_args!("{e:#}"));
            ExitCode::FAILURE
        }
    }
}
