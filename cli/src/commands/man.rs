//! `tfx man`: manual pages.

use crate::{app, context::Context, exit::Failure};
use clap::{Args, CommandFactory};
use std::{io::Write, path::PathBuf};

/// Print the manual page, or write the pages of all commands into a folder.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page per command into this folder.
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        let command = app::Cli::command();
        match self.dir {
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(command).render(&mut page)?;
                let mut out = std::io::stdout().lock();
                out.write_all(&page)?;
                Ok(out.flush()?)
            }
            Some(dir) => {
                let failed = |e: std::io::Error| Failure::failed(format!("{}: {e}", dir.display()));
                std::fs::create_dir_all(&dir).map_err(failed)?;
                clap_mangen::generate_to(command, &dir).map_err(failed)?;
                context.out.note(format!("written; man {}/tfx.1 shows the first", dir.display()));
                Ok(())
            }
        }
    }
}
