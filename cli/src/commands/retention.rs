//! `tfx retention`: what grows with time, how long it is kept, and forgetting it now.

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Format, Listing, text},
    room, when,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tfx_api::retention::GrowingKind;

/// What topics are kept in, as the API says it.
const TOPICS: &str = "topics";
/// All of them together, as the API says it.
const EVENTS: &str = "events";
/// From so many columns on there is room for everything.
const WIDE: u16 = 110;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum RetentionCommand {
    Show(Show),
    Apply(Apply),
}

/// Show what grows with time: how much there is, when it goes, and what changes that.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx retention show\n  \
    tfx retention show --output csv")]
pub(crate) struct Show {}

/// Forget now what the services forget by themselves.
///
/// Kind by kind, as the settings say; what is kept for ever stays. Events leave little by little, behind this command: tfx prune
/// waits for them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx retention apply --dry-run\n  \
    tfx retention apply")]
pub(crate) struct Apply {
    /// Only say how much there is.
    #[arg(long)]
    dry_run: bool,
}

impl RetentionCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Show(_) => show(context).await,
            Self::Apply(apply) => apply.run(context).await,
        }
    }
}

async fn show(context: &Context) -> Result<(), Failure> {
    let all = context.client()?.growing().await?;
    match context.out.format {
        Format::Json | Format::Jsonl | Format::Yaml => {
            let item = serde_json::to_value(&all).map_err(Failure::failed)?;
            context.out.item(&item, &[], "")?;
        }
        Format::Table => table(context, all.kinds)?,
        Format::Csv | Format::Name => {
            let columns =
                ["what", "store", "ends", "days", "setting", "command", "deletes", "rows", "bytes", "oldest"];
            let columns = columns.map(|field| Column::text(field, field)).into();
            context.out.rows(&Listing {
                columns,
                rows: all.kinds.iter().map(row).collect(),
                name: "what",
            })?;
        }
    }
    match all.missing.is_empty() {
        true => Ok(()),
        false => Err(Failure::failed(format!("not all could be asked: {}", all.missing.join("; ")))),
    }
}

/// In 80 columns there is no room for the store, and of topics one row stands for those that are kept alike.
fn table(context: &Context, kinds: Vec<GrowingKind>) -> Result<(), Failure> {
    let mut columns = vec![
        Column::text("what", "what"),
        Column::made("how much", "rows", how_much).right(),
        Column::made("oldest", "oldest", |row| when::day(&text(&row["oldest"]))).whole(),
        Column::made("ends", "ends", ends),
    ];
    let narrow = context.out.width().is_some_and(|width| width < WIDE);
    if !narrow {
        columns.insert(1, Column::text("store", "store"));
    }
    let mut rows: Vec<Value> = Vec::new();
    let mut topics: Vec<(GrowingKind, usize)> = Vec::new();
    for kind in kinds {
        if kind.store != TOPICS {
            rows.push(row(&kind));
            continue;
        }
        match topics.iter_mut().find(|(alike, _)| alike.ends == kind.ends) {
            Some((_, many)) => *many += 1,
            None => topics.push((kind, 1)),
        }
    }
    for (mut kind, many) in topics {
        if many > 1 {
            kind.what = format!("{many} topics");
        }
        rows.push(row(&kind));
    }
    context.out.rows(&Listing { columns, rows, name: "what" })?;
    context.out.note("in brackets: the setting or command that changes it, or makes an end of it sooner");
    if narrow {
        context.out.note("too narrow for: store (--output csv shows it)");
    }
    Ok(())
}

fn row(kind: &GrowingKind) -> Value {
    serde_json::to_value(kind).unwrap_or_default()
}

/// Rows; the room of what is not counted in rows.
fn how_much(row: &Value) -> String {
    match (row["rows"].as_u64(), row["bytes"].as_u64()) {
        (Some(rows), _) => rows.to_string(),
        (None, Some(bytes)) => room::shown(bytes),
        (None, None) => String::new(),
    }
}

fn ends(row: &Value) -> String {
    let by = [&row["setting"], &row["command"]].map(text).into_iter().filter(|by| !by.is_empty());
    let by = by.collect::<Vec<_>>().join(", ");
    let ends = text(&row["ends"]);
    if by.is_empty() { ends } else { format!("{ends} ({by})") }
}

impl Apply {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let applied = context.client()?.apply_retention(self.dry_run).await?;
        let rows = Column::made("rows", "rows", |row| match &row["rows"] {
            Value::Null => "not counted".to_owned(),
            rows => text(rows),
        });
        let columns = vec![Column::text("what", "what"), rows.right().raw()];
        let row = |kind: &tfx_api::retention::AppliedKind| json!({ "what": kind.what, "rows": kind.rows });
        context.out.rows(&Listing {
            columns,
            rows: applied.kinds.iter().map(row).collect(),
            name: "what",
        })?;
        if applied.dry_run {
            context.out.note("nothing was forgotten");
        } else if applied.kinds.iter().any(|kind| kind.what == EVENTS) {
            context.out.note("events leave little by little: tfx prune waits for them");
        }
        Ok(())
    }
}
