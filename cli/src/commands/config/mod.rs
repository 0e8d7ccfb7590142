//! `tfx config`: the settings as this command sees them.

mod check;
mod show;

use crate::{context::Context, exit::Failure};
use clap::Subcommand;

/// What is done with settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check all settings; every bad one is named.
    Check,
    /// Show all settings, where each comes from, secrets masked.
    Show(show::Show),
}

impl ConfigCommand {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Check => check::run(context),
            Self::Show(show) => show.run(context),
        }
    }
}
