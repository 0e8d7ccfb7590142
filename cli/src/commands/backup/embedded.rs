//! `tfx backup embedded`: the stores of the data folder at one moment, with what belongs to them, in one file.

use super::{
    Where,
    store::embedded,
    taking::{is_stdout, not_onto_a_terminal, print, take},
};
use crate::{context::Context, exit::Failure};
use clap::{Args, ValueHint};
use std::{
    env,
    path::{Path, PathBuf},
};
use tfx_ops::backup::Packing;

/// Back up the embedded stores: configuration, conversions, accounts, clicks, and the events that wait.
///
/// config.db and events.db as they are at one moment, while the services run, with the journals, the use of caps and the
/// administrator's token, into one file that `tar` and `zstd` unpack. The file is read back before it has its name, and takes
/// the place of none. The folder in which it comes needs as much room again as the two files have, meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx backup embedded\n  \
    tfx backup embedded /backups/tfx-$(date +%F).tar.zst\n  \
    tfx backup embedded - | ssh other 'cat > tfx.tar.zst'")]
pub(crate) struct Embedded {
    /// Where to: a file, s3://BUCKET/NAME, - for standard output [default: embedded-TIME.tar.zst in this folder].
    #[arg(value_name = "FILE|s3://…|-", value_hint = ValueHint::AnyPath)]
    file: Option<Where>,
}

impl Embedded {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let file = self.file.as_ref();
        not_onto_a_terminal(file)?;
        if file.and_then(|file| Packing::of_name(file.name())).is_some_and(|packing| packing != Packing::Zstd)
        {
            return Err(Failure::usage("the name of the file ends as if it were compressed otherwise")
                .hint("it is compressed by zstd: .tar.zst"));
        }
        let scratch = match file {
            _ if is_stdout(file) => env::temp_dir(),
            Some(Where::Bucket(_)) => env::temp_dir(),
            Some(Where::Path(file)) => {
                file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
            }
            None => PathBuf::from("."),
        };
        let store = embedded(context, &scratch)?;
        let taken = take(context, &store, file, "embedded.tar", Packing::Zstd).await?;
        for name in &taken.contents.left_out {
            context.out.note(format!("left out: {name}"));
        }
        print(context, &taken, "rows", "tfx restore embedded --dry-run")
    }
}
