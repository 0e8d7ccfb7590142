//! `tfx completions`: scripts for shells. They call tfx itself, so slugs come from the running API.

use crate::{complete, context::Context, exit::Failure};
use clap::{Args, ValueEnum};
use clap_complete::env::Shells;
use std::io::Write;

/// Print the completion script for a shell.
///
/// bash: source <(tfx completions bash). zsh: tfx completions zsh > ~/.zfunc/_tfx (a folder in fpath). fish: tfx
/// completions fish > ~/.config/fish/completions/tfx.fish. They complete commands, flags, and slugs from the running API.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    #[value(alias = "pwsh")]
    Powershell,
    Zsh,
}

impl Completions {
    pub(crate) fn run(self, _context: &Context) -> Result<(), Failure> {
        let name = match self.shell {
            Shell::Bash => "bash",
            Shell::Elvish => "elvish",
            Shell::Fish => "fish",
            Shell::Powershell => "powershell",
            Shell::Zsh => "zsh",
        };
        let shells = Shells::builtins();
        let completer =
            shells.completer(name).ok_or_else(|| Failure::failed(format!("no completions for {name}")))?;
        let mut script = Vec::new();
        completer.write_registration(complete::VAR, "tfx", "tfx", "tfx", &mut script)?;
        let mut out = std::io::stdout().lock();
        out.write_all(script.trim_ascii())?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }
}
