//! `tfx apply`: makes the configuration as the files say, all of it or nothing.

use super::{Extent, kept::Kept, put, read, shown};
use crate::{
    context::Context,
    exit::{Failure, Kind},
    output::Format,
    prompt,
};
use clap::{Args, ValueHint};
use std::path::PathBuf;

/// Make the configuration as files say: all of it, or nothing.
#[derive(Debug, Args)]
#[command(after_help = "It shows what it would change and asks first; where nobody can be asked it\n\
    wants --yes. What is in no file stays, unless --prune archives it.\n\n\
    Examples:\n  \
    tfx apply -f config\n  \
    tfx apply -f config --prune --yes\n  \
    tfx plan -f config --out change.plan && tfx apply change.plan")]
pub(crate) struct Apply {
    /// A plan that tfx plan --out kept: exactly that is applied, or nothing.
    #[arg(value_name = "PLAN", value_hint = ValueHint::FilePath, required_unless_present = "dir", conflicts_with_all = ["targets", "prune"])]
    plan: Option<PathBuf>,
    /// The folder of the configuration; with a plan, where that is now.
    #[arg(short = 'f', long = "file", value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    extent: Extent,
}

impl Apply {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let kept = self.plan.as_deref().map(Kept::read).transpose()?;
        let extent = kept.as_ref().map_or_else(|| Ok(self.extent.clone()), Kept::extent)?;
        let named = self.dir.or_else(|| kept.as_ref().map(|kept| kept.folder.clone()));
        let dir = named.ok_or_else(|| Failure::usage("-f DIR names the folder"))?;
        // A plan was looked at when it was made.
        let asks = !context.yes && kept.is_none();
        let set = read(context, &dir, &extent)?;
        if let Some(kept) = &kept {
            kept.same_files(&set)?;
        }
        let client = context.client()?;
        let planned = put(context, &client, &set, &extent, None, true).await?;
        if let Some(kept) = &kept {
            kept.same_plan(&planned)?;
        }
        if planned.changes.is_empty() {
            return shown::answer(context, &planned, &set);
        }
        if asks && !prompt::possible() {
            return Err(Failure::usage(format!(
                "applying {} needs a yes: give --yes",
                shown::counted(&planned)
            ))
            .hint(format!("tfx plan -f {} shows them", dir.display())));
        }
        let in_words = context.out.format == Format::Table;
        if in_words || asks {
            shown::text(context, &planned, &set)?;
        }
        if asks && !prompt::confirm(&format!("Apply {}?", shown::counted(&planned)), false)? {
            context.out.note("nothing was changed");
            return Ok(());
        }
        let applied = tokio::select! {
            applied = put(context, &client, &set, &extent, Some(planned.revision), false) => applied.map_err(somebody_else)?,
            () = crate::commands::backup::stopped() => {
                return Err(Failure::interrupted().hint(format!(
                    "it was on the way: all of it is applied, or nothing; tfx plan -f {} tells", dir.display()
                )));
            }
        };
        if in_words {
            context.out.note(format!("applied: {}, revision {}", shown::counted(&applied), applied.revision));
            let news = applied.warnings.iter().filter(|said| !planned.warnings.contains(said));
            news.for_each(|warning| context.out.note(format!("warning: {warning}")));
            Ok(())
        } else {
            shown::answer(context, &applied, &set)
        }
    }
}

/// Another one came between the plan and its application.
fn somebody_else(failure: Failure) -> Failure {
    if failure.kind == Kind::Conflict && failure.hint.is_none() {
        failure.hint("nothing was changed; plan again and look at what it says")
    } else {
        failure
    }
}
