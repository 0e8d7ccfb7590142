//! `tfx backup clickhouse`: the tables of ClickHouse, a file for each partition, as a set of its own.

use super::{
    Where,
    all::failure,
    list::stores,
    stopped,
    store::{CLICKHOUSE, tables},
};
use crate::{context::Context, exit::Failure, input, output::Column, progress::Meter};
use clap::{Args, ValueHint};
use serde_json::json;
use tfx_ops::backup::{
    StoredTable,
    set::{self, Made, Making, SetKind, Sets, TableSource},
};

/// Back up ClickHouse: clicks, conversions as reports count them, the postback log, what broke.
///
/// Each partition of each table as it is at one moment, while the services run, into a file of its own, in ClickHouse's Native
/// format within zstd, with the statements that make the tables. The folder has its name only when everything in it is durable
/// and was read back.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx backup clickhouse /backups\n  \
    tfx backup clickhouse /backups --incremental --resume\n  \
    tfx backup clickhouse /backups --server-side backups")]
pub(crate) struct ClickHouse {
    /// The folder of sets, or s3://BUCKET/PREFIX; this one is called TIME.clickhouse in it.
    #[arg(value_name = "DIR|s3://…", value_hint = ValueHint::AnyPath)]
    dir: Where,
    #[command(flatten)]
    partitions: Partitions,
    /// The server itself writes the rows, to a disk of its own that `backups` allows; here come only their names.
    #[arg(long, value_name = "DISK", conflicts_with_all = ["incremental", "resume"])]
    server_side: Option<String>,
}

/// How partitions are taken.
#[derive(Debug, Args)]
pub(crate) struct Partitions {
    /// Read no partition of ClickHouse again that the newest set in DIR has as it is now: the file, compared with its
    /// checksum, is in both then.
    #[arg(long)]
    pub(crate) incremental: bool,
    /// Go on with a backup that was killed or failed, if there is one: partitions that it has as they are now stay. In a folder
    /// only.
    #[arg(long)]
    pub(crate) resume: bool,
    /// So many partitions of ClickHouse are read at a time.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = input::within::<usize>(1, 16))]
    pub(crate) parallel: usize,
}

impl Partitions {
    /// Whether that can be done there.
    pub(super) fn possible(&self, dir: &Where) -> Result<(), Failure> {
        if self.resume && dir.path().is_none() {
            return Err(Failure::usage("--resume goes on in a folder only").hint(
                "nobody can tell in a bucket whether a run has ended; with --incremental nothing is read again that the newest \
                 whole set has",
            ));
        }
        Ok(())
    }
}

impl ClickHouse {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        self.partitions.possible(&self.dir)?;
        let sets = self.dir.sets(context)?;
        let Partitions { incremental, resume, parallel } = self.partitions;
        let tables = Some(TableSource { store: CLICKHOUSE, backup: tables(context)?, parallel });
        let missing = vec![
            "MongoDB, settings, data folders of the services".to_owned(),
            "the topics: events that ClickHouse has not read yet".to_owned(),
        ];
        let (kind, there) = (SetKind::ClickHouse, self.server_side);
        let making = Making { kind, tables, missing, incremental, resume, there, ..Making::default() };
        let meter = Meter::new(context.out.quiet);
        let teller = Meter::teller(meter.as_ref());
        let made = tokio::select! {
            made = set::make(&sets, making, &teller) => made.map_err(failure),
            () = stopped() => Err(Failure::interrupted()),
        };
        Meter::end(meter.as_ref());
        let made = made.map_err(|e| how_to_go_on(e, (&self.dir, &sets), kind, "tfx backup clickhouse"))?;
        came(context, &made);
        let (path, manifest, origins) = (&made.path, &made.manifest, &made.origins);
        let of_tables = made.catalogue.as_ref().map(|c| c.tables.as_slice()).unwrap_or_default();
        let rows: u64 = of_tables.iter().map(StoredTable::rows).sum();
        let item = json!({
            "set": path, "moment": manifest.moment, "tables": of_tables.len(), "rows": rows,
            "bytes": manifest.bytes(), "parts": manifest.parts, "missing": manifest.missing,
            "partitions": { "read": origins.read, "linked": origins.linked, "resumed": origins.resumed },
            "damaged": origins.damaged,
            "base": made.base,
            "left_out": made.catalogue.as_ref().map(|c| &c.left_out),
        });
        let columns = [
            Column::text("set", "set"),
            Column::made("stores", "parts", stores),
            Column::number("tables", "tables"),
            Column::number("rows", "rows"),
            Column::number("bytes", "bytes"),
            Column::time("moment", "moment"),
        ];
        context.out.item(&item, &columns, "set")
    }
}

/// Says how partitions came into a set, and what of ClickHouse is not in it.
pub(super) fn came(context: &Context, made: &Made) {
    let Some(catalogue) = &made.catalogue else { return };
    for what in &catalogue.left_out {
        context.out.note(format!("left out: {what}"));
    }
    if let Some(place) = &catalogue.there {
        context.out.note(format!(
            "the rows are on the disk {} of ClickHouse as {}: what becomes of them there is not seen here",
            place.disk, place.name
        ));
        return;
    }
    let origins = &made.origins;
    if origins.resumed > 0 {
        context
            .out
            .note(format!("{} partitions are of the backup that had not come to its end", origins.resumed));
    }
    if let Some(base) = &made.base {
        context.out.note(format!(
            "{} partitions are as they were in {base} and were not read again, {} were read",
            origins.linked, origins.read
        ));
        for file in &origins.damaged {
            context.out.note(format!(
                "warning: {file} in {base} is not what was written, so its partition was read again; tfx backup verify tells more"
            ));
        }
    }
}

/// What to do about a set that was not made.
pub(super) fn how_to_go_on(
    why: Failure,
    (dir, sets): (&Where, &Sets),
    kind: SetKind,
    command: &str,
) -> Failure {
    if set::can_resume(sets, kind).unwrap_or(false) {
        return why
            .hint(format!("there is no set; {command} {dir} --resume goes on with what is whole of it"));
    }
    why.hint("there is no set: nothing was kept")
}
