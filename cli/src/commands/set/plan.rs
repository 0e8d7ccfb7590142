//! `tfx plan`: what applying the files would change. Nothing is changed.

use super::{Extent, Folder, kept::Kept, put, read, shown};
use crate::{
    context::Context,
    exit::{Failure, Kind, Verdict},
};
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// Show what files of configuration would change, field by field.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 nothing would change, 1 something would, above 1 it failed.\n\n\
    Examples:\n  \
    tfx plan -f config\n  \
    tfx plan -f config --target campaign/summer --target destination/offer\n  \
    tfx plan -f config --prune --out change.plan && tfx apply change.plan")]
pub(crate) struct Plan {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    extent: Extent,
    /// Keep the plan in this file, for tfx apply FILE.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
}

impl Plan {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let set = read(context, &self.folder.dir, &self.extent)?;
        let client = context.client()?;
        let answer = put(context, &client, &set, &self.extent, None, true).await?;
        if let Some(out) = &self.out {
            Kept::of(&self.folder.dir, &self.extent, &set, &answer)?.write(out)?;
            context
                .out
                .note(format!("kept in {}; tfx apply {0} applies it while nothing moves", out.display()));
        }
        shown::answer(context, &answer, &set)?;
        // What it says is said.
        if answer.changes.is_empty() {
            Ok(())
        } else {
            Err(Failure::new(Kind::Verdict(Verdict::Warning), "it differs"))
        }
    }
}
