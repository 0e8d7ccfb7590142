//! A daemon's `main`: command line, settings, logs, runtime, exit codes. The same for all.

use crate::{Shutdown, files, logs, memory, shutdown};
use anyhow::Context as _;
use clap::Command;
use std::{
    fmt::Display,
    io::{Write as _, stderr},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tfx_settings::{
    Settings, SettingsSource,
    vars::{self, Program},
};

/// How long threads that block are waited for in the end.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// Says what starts: its version, its engines, its data folder.
pub fn started(settings: &Settings) {
    let (store, events, analytics) = match (&settings.engines.mongo, &settings.engines.events) {
        (Some(_), Some(_)) => ("mongodb", "kafka", "clickhouse"),
        (Some(_), None) => ("mongodb", "sqlite", "sqlite"),
        (None, Some(_)) => ("sqlite", "kafka", "clickhouse"),
        (None, None) => ("sqlite", "sqlite", "sqlite"),
    };
    let version = env!("CARGO_PKG_VERSION");
    let data_dir = settings.data_dir.display();
    tracing::info!(version, store, events, analytics, %data_dir, "starting");
}

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
    let (settings, notices) = match SettingsSource::process() {
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
            notices.iter().for_each(|n| say(&format_args!("warning: {} {}", n.name, n.message)));
            return ExitCode::from(2);
        }
    };
    if let Err(e) = logs::init(settings.log_level.as_deref().unwrap_or("info"), name) {
        say(&e);
        return ExitCode::from(2);
    }
    files::raise(1);
    started(&settings);
    let grace = settings.http.shutdown_grace;
    for tfx_settings::Notice { name, message } in notices {
        tracing::warn!(setting = name, reason = message, "a setting does nothing");
    }
    let runtime = memory::runtime().context("the runtime");
    let ended = runtime.and_then(|runtime| {
        let ended = runtime.block_on(async {
            let shutdown = shutdown::on_signals();
            (run(settings, shutdown.clone()).await, shutdown)
        });
        // What still runs waits for something that may never come, such as a locked file.
        runtime.shutdown_timeout(ended.1.left(grace).min(LAST_WAIT));
        ended.0
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            say(&format_args!("{e:#}"));
            ExitCode::FAILURE
        }
    }
}
