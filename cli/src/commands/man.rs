//! `tfx man`: manual pages.

use crate::{context::Context, exit, exit::Failure, help};
use clap::{Args, Command};
use roff::{Roff, bold, roman};
use std::{io::Write, path::PathBuf};
use tfx_settings::vars::{self, Program, Var};

/// Print the manual page, or write all pages into a folder.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page per command into this folder.
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What a command that asks api-service reads.
const OF_CLIENTS: [Var; 4] =
    [vars::API_SERVICE_URL, vars::TFX_TOKEN, vars::TFX_TOKEN_FILE, vars::TFX_DATA_DIR];
/// What runs services reads all settings.
const READS_ALL: [&str; 2] = ["tfx", "tfx-up"];

impl Man {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let mut command = help::command().disable_help_subcommand(true);
        command.build();
        let Some(dir) = self.dir else {
            let mut out = std::io::stdout().lock();
            out.write_all(&page(&command)?)?;
            return Ok(out.flush()?);
        };
        let failed = |e: std::io::Error| Failure::failed(format!("{}: {e}", dir.display()));
        std::fs::create_dir_all(&dir).map_err(failed)?;
        for command in all(&command) {
            std::fs::write(dir.join(format!("{}.1", name(command))), page(command)?).map_err(failed)?;
        }
        context.out.note(format!("written; man {}/tfx.1 shows the first", dir.display()));
        Ok(())
    }
}

/// A command and all below it.
fn all(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|c| !c.is_hide_set()).flat_map(all);
    std::iter::once(command).chain(below).collect()
}

/// `tfx-campaign-create`.
fn name(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn page(command: &Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    let mut roff = Roff::new();
    exit_status(&mut roff);
    environment(&mut roff, &name(command));
    files(&mut roff);
    roff.to_writer(&mut page)?;
    Ok(page)
}

fn exit_status(roff: &mut Roff) {
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in exit::CODES {
        entry(roff, &code.to_string(), meaning);
    }
}

fn environment(roff: &mut Roff, page: &str) {
    roff.control("SH", ["ENVIRONMENT"]);
    let of = |var: &Var| {
        let default =
            if var.default.is_empty() { String::new() } else { format!(" Default: {}.", var.default) };
        (var.name, format!("{}: {}.{default}", var.about, var.unit))
    };
    let vars: Vec<_> = if READS_ALL.contains(&page) {
        vars::GROUPS.iter().flat_map(|(_, vars)| *vars).map(of).collect()
    } else {
        let read = OF_CLIENTS.iter().filter(|v| v.of.contains(&Program::Cli));
        read.map(of).collect()
    };
    for (name, about) in vars {
        entry(roff, name, &about);
    }
    entry(roff, "NO_COLOR", "No colours, whatever it is set to.");
    if !READS_ALL.contains(&page) {
        roff.text([roman("Commands that run or reach the engines read more: see tfx(1).")]);
    }
}

fn files(roff: &mut Roff) {
    roff.control("SH", ["FILES"]);
    entry(roff, ".env", "Settings, in the current folder. The environment wins over it.");
    entry(
        roff,
        "~/.config/tfx/config.toml",
        "Profiles: settings by name, for --profile. .env wins over them.",
    );
    entry(
        roff,
        "~/.local/share/tfx",
        "TFX_DATA_DIR where that is not set: the embedded stores, journals and tokens.",
    );
    entry(roff, "TFX_DATA_DIR/admin.token", "The token that is shown to api-service where none is set.");
}

fn entry(roff: &mut Roff, what: &str, about: &str) {
    roff.control("TP", []).text([bold(what)]).text([roman(about)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_says_exit_status_environment_and_files() {
        let mut command = help::command().disable_help_subcommand(true);
        command.build();
        let pages = all(&command);
        assert!(pages.len() > 50, "{}", pages.len());
        for command in pages {
            let text = String::from_utf8(page(command).expect("a page")).expect("text");
            for section in [".SH \"EXIT STATUS\"", ".SH ENVIRONMENT", ".SH FILES", "TFX_TOKEN_FILE"] {
                assert!(text.contains(section), "{}: {section}", name(command));
            }
            assert_eq!(text.contains("EVENT_BATCH_SIZE"), READS_ALL.contains(&name(command).as_str()));
        }
    }
}
