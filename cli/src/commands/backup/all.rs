//! `tfx backup all`: every store that is used, into one set.

use super::{
    clickhouse::{Partitions, came, how_to_go_on},
    store::{CLICKHOUSE, embedded, has_ours, nothing_of_ours, of_io, open, tables},
    taking::refused,
};
use crate::{
    commands::backup::{Where, stopped},
    context::Context,
    exit::{Failure, Kind},
    output::Column,
    progress::Meter,
};
use clap::{Args, ValueHint};
use serde_json::json;
use tfx_ops::backup::{
    Packing, PlaceError,
    set::{self, Making, SetError, SetKind, Source, TableSource},
};

/// Back up every store that is used, into a folder or a bucket, under the name of the moment.
///
/// The set is made under another name and has its own only when everything in it is durable and was read back. What of the
/// installation is not in it is said, and stands in its manifest.
#[derive(Debug, Args)]
#[command(after_help = "Example, lines of cron:\n  \
    10 3 * * *   tfx backup all /backups --incremental -q\n  \
    40 3 * * *   tfx backup prune /backups --keep 7 --keep-weekly 4 --yes -q\n  \
    */5 * * * *  tfx check backup-age /backups || mail -s age ops@example.com")]
pub(crate) struct All {
    /// The folder of sets, or s3://BUCKET/PREFIX.
    #[arg(value_name = "DIR|s3://…", value_hint = ValueHint::AnyPath)]
    dir: Where,
    #[command(flatten)]
    partitions: Partitions,
    /// Also where MongoDB has nothing of tfx.
    #[arg(long)]
    allow_empty: bool,
}

impl All {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let sets = self.dir.sets(context)?;
        self.partitions.possible(&self.dir)?;
        let engines = context.settings()?.engines;
        let (mut sources, mut missing, mut by_partition) = (Vec::new(), Vec::new(), None);
        let source = |store, file: &str, backup| {
            let packing = Packing::Zstd;
            Source { store, file: format!("{file}{}", packing.ending()), packing, backup }
        };
        // What makes events goes first: what a conversion there says is published is in the store of events by then.
        if engines.mongo.is_some() {
            let (store, database) = open(context).await?;
            if !self.allow_empty && !has_ours(&store, &database).await? {
                return Err(nothing_of_ours(&database).hint(
                    "--allow-empty takes a backup all the same; an embedded store is one without MONGO_URI",
                ));
            }
            sources.push(source("mongo", "mongo.archive", store));
        }
        if engines.mongo.is_none() || engines.events.is_none() {
            sources.push(source("embedded", "embedded.tar", embedded(context, &self.dir.scratch())?));
        } else {
            missing.push(
                "the data folders of the services: journals with events that are not delivered, the use of caps"
                    .to_owned(),
            );
        }
        if engines.events.is_some() {
            // Where what is published is in a topic, and soon here.
            let (backup, parallel) = (tables(context)?, self.partitions.parallel);
            by_partition = Some(TableSource { store: CLICKHOUSE, backup, parallel });
            missing.push("the topics: events that ClickHouse has not read yet".to_owned());
        }
        missing.push("settings: .env or the environment".to_owned());
        let meter = Meter::new(context.out.quiet);
        let teller = Meter::teller(meter.as_ref());
        let Partitions { incremental, resume, .. } = self.partitions;
        let kind = SetKind::All;
        let making =
            Making { kind, sources, tables: by_partition, missing, incremental, resume, there: None };
        let made = tokio::select! {
            made = set::make(&sets, making, &teller) => made.map_err(failure),
            () = stopped() => Err(Failure::interrupted()),
        };
        Meter::end(meter.as_ref());
        let made = made.map_err(|e| how_to_go_on(e, (&self.dir, &sets), kind, "tfx backup all"))?;
        came(context, &made);
        let (path, manifest) = (&made.path, &made.manifest);
        for what in &manifest.missing {
            context.out.note(format!("not in it: {what}"));
        }
        let item = json!({
            "set": path, "moment": manifest.moment, "parts": manifest.parts, "bytes": manifest.bytes(),
            "missing": manifest.missing,
        });
        let columns = [
            Column::text("set", "set"),
            Column::time("moment", "moment"),
            Column::made("stores", "parts", super::list::stores),
            Column::number("bytes", "bytes"),
        ];
        context.out.item(&item, &columns, "set")
    }
}

/// What went wrong with a set.
pub(super) fn failure(error: SetError) -> Failure {
    let said = error.to_string();
    match error {
        SetError::Part { part, error } => {
            let why = refused(error);
            Failure { message: format!("{part}: {}", why.message), ..why }
        }
        SetError::Place(PlaceError::Taken(_)) => Failure::new(Kind::Conflict, said),
        SetError::Place(PlaceError::NoFolder(_)) => Failure::usage(said),
        SetError::Backup(e) => super::failure(&e),
        SetError::Io { error, .. } | SetError::Place(PlaceError::Io { error, .. }) => of_io(&error, said),
        SetError::Place(_) => Failure::failed(said),
    }
}
