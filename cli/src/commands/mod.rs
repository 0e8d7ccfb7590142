//! A folder per noun, a file per verb.

use crate::{context::Context, exit::Failure};
use clap::Subcommand;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {}

impl Command {
    /// Runs it.
    pub(crate) async fn run(self, _context: &Context) -> Result<(), Failure> {
        match self {}
    }
}
