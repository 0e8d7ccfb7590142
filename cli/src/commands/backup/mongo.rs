//! `tfx backup mongo`: the database of MongoDB at one moment, in the archive format of mongodump.

use super::{failure, open, stopped};
use crate::{
    context::Context,
    exit::{Failure, Kind},
    output::Column,
    progress::Meter,
};
use clap::Args;
use serde_json::json;
use std::{
    fs::File,
    io::{self, IsTerminal},
    os::fd::AsFd,
    path::{Path, PathBuf},
};
use tfx_ops::{
    backup::{self, Packing, PlaceError, TakeError, Taken},
    clock,
};

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
    /// Where to; - for standard output [default: DATABASE-TIME.archive in this folder].
    #[arg(value_name = "FILE|-")]
    file: Option<PathBuf>,
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
        let to_stdout = self.file.as_deref() == Some(Path::new("-"));
        if to_stdout && io::stdout().is_terminal() {
            return Err(Failure::usage("an archive is nothing for a terminal")
                .hint("name a file, or lead standard output somewhere"));
        }
        let (store, database) = open(context).await?;
        let meter = Meter::new(context.out.quiet);
        let teller = Meter::teller(meter.as_ref());
        let taking = async {
            if to_stdout {
                let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
                let stdout = stdout.map_err(|e| TakeError::Backup(backup::BackupError::Write(e)))?;
                return backup::to_stream(&store, stdout, packing, &teller).await;
            }
            let file = self.file.clone().unwrap_or_else(|| {
                let now = clock::now().strftime("%Y%m%dT%H%M%SZ");
                format!("{database}-{now}.archive{}", packing.ending()).into()
            });
            backup::to_file(&store, &file, packing, &teller).await
        };
        let taken = tokio::select! {
            taken = taking => taken,
            () = stopped() => {
                Meter::end(meter.as_ref());
                return Err(Failure::interrupted().hint("there is no backup: nothing was kept"));
            }
        };
        Meter::end(meter.as_ref());
        let taken = taken.map_err(refused)?;
        for name in &taken.contents.apart {
            context.out.note(format!(
                "{name} is capped, of which MongoDB has no snapshot: it was read a moment later than the rest"
            ));
        }
        print(context, &taken)
    }

    /// What was said, or what the file's name says.
    fn packing(&self) -> Result<Packing, Failure> {
        let said = if self.gzip { Some(Packing::Gzip) } else { self.zstd.then_some(Packing::Zstd) };
        let named = self.file.as_deref().and_then(Packing::of_name);
        match (said, named) {
            (Some(said), Some(named)) if said != named => {
                Err(Failure::usage("the name of the file ends as if it were compressed otherwise"))
            }
            (said, named) => Ok(said.or(named).unwrap_or_default()),
        }
    }
}

fn refused(error: TakeError) -> Failure {
    let said = error.to_string();
    match error {
        TakeError::Place(PlaceError::Taken(_)) => Failure::new(Kind::Conflict, said),
        TakeError::Place(PlaceError::Io { .. }) | TakeError::NotAsWritten(_) => Failure::failed(said),
        TakeError::Place(_) => Failure::usage(said),
        TakeError::Backup(e) => failure(&e),
    }
}

fn print(context: &Context, taken: &Taken) -> Result<(), Failure> {
    let contents = &taken.contents;
    let Some(file) = &taken.file else {
        // Standard output has the archive.
        context.out.note(format!(
            "{} documents of {} parts, {} bytes; a stream cannot be read back: tfx restore mongo --dry-run checks it",
            contents.documents(),
            contents.parts.len(),
            taken.bytes
        ));
        return Ok(());
    };
    let item = json!({
        "file": file, "packing": taken.packing, "bytes": taken.bytes, "server": contents.server,
        "documents": contents.documents(), "document_bytes": contents.bytes(), "verified": taken.verified,
        "seconds": taken.seconds, "apart": contents.apart, "parts": contents.parts,
    });
    let columns = [
        Column::text("file", "file"),
        Column::number("bytes", "bytes"),
        Column::made("parts", "parts", |item| item["parts"].as_array().map_or(0, Vec::len).to_string()),
        Column::number("documents", "documents"),
        Column::number("bytes of documents", "document_bytes"),
        Column::text("read back", "verified"),
    ];
    context.out.item(&item, &columns, "file")
}
