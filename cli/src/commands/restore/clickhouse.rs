//! `tfx restore clickhouse`: tables from a set, back into ClickHouse.

use super::archive::refused;
use crate::{
    commands::backup::{CLICKHOUSE, Where, bucket, failure, of_io, stopped, tables},
    context::Context,
    exit::{Failure, Kind},
    output::{Column, Listing},
    progress::Meter,
    prompt,
};
use clap::{Args, ValueHint};
use serde_json::{Value, json};
use tfx_domain::problem::Problems;
use tfx_ops::backup::{
    self, RestoreFailed, Restored, Stage, StoredTable,
    set::{self, FoundSet, MissingRows, SetState, Sets, TablesLook, TablesWanted},
};
use tokio::task::spawn_blocking;

/// Restore ClickHouse from a set of tfx backup clickhouse or tfx backup all.
///
/// Every file is read and compared with the manifest before anything is changed. Tables that are missing are made as they were;
/// rows come beside those that are there, and one that is there already counts once, by its id. What is missing besides (queues,
/// views, columns of this version) tfx migrate up clickhouse makes afterwards.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx restore clickhouse /backups/20261129T031000Z --dry-run\n  \
    tfx restore clickhouse /backups/20261129T031000Z\n  \
    tfx restore clickhouse /backups/20261129T031000Z --tables 'click_e*'\n  \
    tfx restore clickhouse /backups/20261129T031000Z --only-whole --dry-run")]
pub(crate) struct ClickHouse {
    /// The set: a folder that is named by its moment, or s3://BUCKET/PREFIX/MOMENT.
    #[arg(value_name = "SET|s3://…", value_hint = ValueHint::AnyPath)]
    set: Where,
    /// Check the set and say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Only these tables, with * for anything.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    tables: Vec<String>,
    /// Of a set with files that are missing or damaged, restore what is whole. What will be missing is said before, table by table;
    /// exits 1 where something is.
    #[arg(long)]
    only_whole: bool,
    /// Also where ClickHouse reads topics or answers queries.
    #[arg(long)]
    force: bool,
}

impl ClickHouse {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let set = self.found(context).await?;
        let store = tables(context)?;
        let meter = Meter::new(context.out.quiet);
        let teller = Meter::teller(meter.as_ref());
        let asked = TablesWanted { patterns: self.tables.clone(), only_whole: self.only_whole };
        let looked = tokio::select! {
            looked = set::look_at_tables(&store, CLICKHOUSE, &set, &asked, &teller) => looked.map_err(refused),
            () = stopped() => Err(Failure::interrupted().hint("nothing was changed")),
        };
        Meter::end(meter.as_ref());
        let look = looked?;
        tell(context, &set, &look);
        if self.dry_run {
            return planned(context, &look);
        }
        if let Some(why) = in_the_way(&look) {
            return Err(why);
        }
        if !look.standing.running.is_empty() && !self.force {
            let why = look.standing.running.join("; ");
            return Err(Failure::new(Kind::Conflict, format!("the installation runs on it: {why}")).hint(
                "reports would show half of it meanwhile: restore before tfx migrate up, or DETACH the queues; --force \
                 restores all the same, and events that are there count once",
            ));
        }
        if !look.missing.is_empty() && !context.yes {
            if !prompt::possible() {
                return Err(Failure::usage("a part of a backup is restored with a yes only: give --yes")
                    .hint("--dry-run says what would be missing; nothing was changed"));
            }
            if !prompt::confirm("Restore the rest, without these rows?", false)? {
                context.out.note("nothing was changed");
                return Ok(());
            }
        }
        let restored = tokio::select! {
            restored = set::restore_tables(&store, &set, &look, &teller) => ended(&look, restored),
            () = stopped() => Err(Failure::interrupted().hint("what was restored stays; run it again: what is there counts once")),
        };
        Meter::end(meter.as_ref());
        let listing = restored?;
        context.out.rows(&listing)?;
        let wanted = &look.wanted.tables;
        let open = look.standing.half.iter().flatten();
        super::still_open(context, open.filter(|table| wanted.iter().all(|w| w.name != **table)));
        context.out.note(
            "tfx migrate up clickhouse makes queues, views and columns of this version that are missing",
        );
        match look.missing.is_empty() {
            true => Ok(()),
            false => Err(Failure::failed(format!("it was restored in part: {} are missing", lacking(&look)))
                .hint("an earlier set may have them whole: what is there already counts once")),
        }
    }

    async fn found(&self, context: &Context) -> Result<FoundSet, Failure> {
        let named = |e: std::io::Error| Failure::usage(format!("{} cannot be read: {e}", self.set));
        let (sets, name) = match &self.set {
            Where::Path(path) => {
                // `.` at the end, and links that lead to a set.
                let path = path.canonicalize().map_err(named)?;
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                (Sets::folder(path.parent().unwrap_or(&path)), name)
            }
            Where::Bucket(url) => {
                let (above, name) = url.above().ok_or_else(|| {
                    Failure::usage(format!("{url} names no set"))
                        .hint("tfx backup list tells which there are")
                })?;
                (Sets::bucket(bucket(context, url)?, &above.key), name.to_owned())
            }
        };
        let found = spawn_blocking(move || set::one(&sets, &name)).await.map_err(Failure::failed)?;
        found.map_err(|e| match &self.set {
            Where::Path(_) => named(e),
            Where::Bucket(url) => of_io(&e, format!("{url} cannot be read: {e}")),
        })
    }
}

/// How much is missing.
fn lacking(look: &TablesLook) -> String {
    let rows: u64 = look.missing.iter().map(|of| of.rows).sum();
    let partitions: usize = look.missing.iter().map(|of| of.partitions.len()).sum();
    let (tables, many) = (look.missing.len(), if partitions == 1 { "partition" } else { "partitions" });
    let of = if tables == 1 { "table" } else { "tables" };
    format!("{rows} rows ({partitions} {many} of {tables} {of})")
}

fn tell(context: &Context, set: &FoundSet, look: &TablesLook) {
    let TablesLook { wanted, left_out, missing, standing } = look;
    let rows: u64 = wanted.tables.iter().map(StoredTable::rows).sum();
    let (tables, server, by) = (wanted.tables.len(), &wanted.server, &wanted.made_by);
    let whole = match &set.state {
        _ if !missing.is_empty() => "what is whole of the backup",
        SetState::Whole(_) => "the backup is whole",
        SetState::Half(why) | SetState::Left { why, .. } => {
            context.out.note(format!("the set is not whole: {why}"));
            "what is wanted of it is"
        }
    };
    context.out.note(format!(
        "{whole}: {tables} tables, {rows} rows, of {} in {server}, made by {by}",
        wanted.database
    ));
    if let Some(place) = &wanted.there {
        context.out.note(format!(
            "its rows are on the disk {} of ClickHouse as {}, which nothing here has read",
            place.disk, place.name
        ));
    }
    for what in &wanted.left_out {
        context.out.note(format!("not in it: {what}"));
    }
    for MissingRows { table, partitions, rows, of, why } in missing {
        let partitions = backup::named(partitions, 10);
        context.out.note(format!("missing: {table}: {rows} of {of} rows ({partitions})"));
        why.iter().for_each(|why| context.out.note(format!("  {why}")));
    }
    for table in left_out {
        context.out.note(format!("left out: {table}, not named by --tables"));
    }
    if let Some(open) = &standing.half {
        let open = backup::named(open, 5);
        context
            .out
            .note(format!("an earlier restore did not come to its end ({open}): this one begins anew"));
    }
    for table in standing.tables.iter().filter(|table| !table.passed_over.is_empty()) {
        let partitions = table.passed_over.join(", ");
        context.out.note(format!(
            "{}: rows without ids are there already, as many as in the backup, and stay as they are ({partitions})",
            table.name
        ));
    }
}

/// What of it cannot be restored; nothing is, then.
fn in_the_way(look: &TablesLook) -> Option<Failure> {
    let mut problems = Problems::default();
    for table in &look.standing.tables {
        if let Some(problem) = &table.problem {
            problems.add(&table.name, problem);
        }
    }
    (!problems.is_empty()).then(|| {
        let why = Failure::new(Kind::Conflict, "not every table can be restored").with(problems);
        why.hint("nothing was changed")
    })
}

/// What would be done.
fn planned(context: &Context, look: &TablesLook) -> Result<(), Failure> {
    let row = |table: &StoredTable| {
        let missing = look.missing.iter().find(|of| of.table == table.name).map_or(0, |of| of.rows);
        let standing = look.standing.tables.iter().find(|t| t.name == table.name);
        json!({
            "table": table.name, "partitions": table.partitions.len(), "rows": table.rows(), "bytes": table.bytes(),
            "there": standing.and_then(|t| t.there), "passed_over": standing.map(|t| &t.passed_over),
            "problem": standing.and_then(|t| t.problem.as_ref()), "missing": missing,
        })
    };
    let mut columns = vec![
        Column::text("table", "table"),
        Column::number("partitions", "partitions"),
        Column::number("rows", "rows"),
        Column::number("bytes", "bytes"),
        Column::number("rows there", "there"),
    ];
    if !look.missing.is_empty() {
        columns.push(Column::number("rows missing", "missing"));
    }
    context.out.rows(&Listing {
        columns,
        rows: look.wanted.tables.iter().map(row).collect(),
        name: "table",
    })?;
    for why in &look.standing.running {
        context.out.note(format!("warning: the installation runs on it: {why}"));
    }
    for table in &look.standing.tables {
        if let Some(problem) = &table.problem {
            context.out.note(format!("warning: {}: {problem}", table.name));
        }
    }
    if !look.missing.is_empty() {
        context.out.note(format!("warning: {} would be missing", lacking(look)));
    }
    context.out.note("nothing was changed");
    Ok(())
}

/// What was done, or how far it came.
fn ended(look: &TablesLook, restored: Result<Vec<Restored>, RestoreFailed>) -> Result<Listing, Failure> {
    let parts = restored.map_err(|RestoreFailed { error, parts }| {
        let mut problems = Problems::default();
        for part in &parts {
            let of = look.wanted.tables.iter().find(|t| t.name == part.from).map_or(0, StoredTable::rows);
            let so_far = match part.stage {
                Stage::Untouched => "not begun".to_owned(),
                Stage::Begun => format!("begun: {} of {of} rows", part.documents),
                Stage::Done => format!("done: {} rows", part.documents),
            };
            problems.add(&part.to, so_far);
        }
        let why = failure(&error);
        let message = format!("the restore ended before its end: {}", why.message);
        Failure { message, ..why }
            .with(problems)
            .hint("what was restored stays; run it again when that is mended: what is there counts once")
    })?;
    let rows =
        parts.iter().map(serde_json::to_value).collect::<Result<Vec<Value>, _>>().map_err(Failure::failed)?;
    let columns =
        vec![Column::text("from", "from"), Column::text("to", "to"), Column::number("rows", "documents")];
    Ok(Listing { columns, rows, name: "to" })
}
