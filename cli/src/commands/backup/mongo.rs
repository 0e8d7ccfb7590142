//! `tfx backup mongo`: the database of MongoDB at one moment, in the archive format of mongodump.

use super::{
    Where, open,
    store::{has_ours, nothing_of_ours},
    taking::{not_onto_a_terminal, print, take},
};
use crate::{context::Context, exit::Failure};
use clap::{Args, ValueHint};
use tfx_ops::backup::Packing;

/// Back up MongoDB: configuration, conversions, accounts, what is to be done.
///
/// The database as it is at one moment, while the services run, into one file in the format of mongodump --archive, which
/// mongorestore reads too. The file is read back before it has its name, and takes the place of none. No tool of MongoDB's
/// is needed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx backup mongo\n  \
    tfx backup mongo --zstd /backups/mongo-$(date +%F).archive.zst\n  \
    tfx backup mongo --gzip - | ssh other 'cat > mongo.archive.gz'")]
pub(crate) struct Mongo {
    /// Where to: a file, s3://BUCKET/NAME, - for standard output [default: DATABASE-TIME.archive in this folder].
    #[arg(value_name = "FILE|s3://…|-", value_hint = ValueHint::AnyPath)]
    file: Option<Where>,
    /// Compress it, as mongodump --gzip does (also: a name that ends in .gz).
    #[arg(long)]
    gzip: bool,
    /// Compress it better and faster; mongorestore wants it unpacked first (also: a name that ends in .zst).
    #[arg(long, conflicts_with = "gzip")]
    zstd: bool,
}

impl Mongo {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let packing = self.packing()?;
        let file = self.file.as_ref();
        not_onto_a_terminal(file)?;
        let (store, database) = open(context).await?;
        if !has_ours(&store, &database).await? {
            context.out.note(format!("warning: {}", nothing_of_ours(&database).message));
        }
        let taken = take(context, &store, file, &format!("{database}.archive"), packing).await?;
        for name in &taken.contents.apart {
            context.out.note(format!(
                "{name} is capped, of which MongoDB has no snapshot: it was read a moment later than the rest"
            ));
        }
        print(context, &taken, "documents", "tfx restore mongo --dry-run")
    }

    /// What was said, or what the file's name says.
    fn packing(&self) -> Result<Packing, Failure> {
        let said = if self.gzip { Some(Packing::Gzip) } else { self.zstd.then_some(Packing::Zstd) };
        let named = self.file.as_ref().and_then(|file| Packing::of_name(file.name()));
        match (said, named) {
            (Some(said), Some(named)) if said != named => {
                Err(Failure::usage("the name of the file ends as if it were compressed otherwise"))
            }
            (said, named) => Ok(said.or(named).unwrap_or_default()),
        }
    }
}
