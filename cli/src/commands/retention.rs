//! `tfx retention`: what grows with time, how long it is kept, and forgetting it now.

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Format, Listing},
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tfx_api::retention::GrowingKind;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum RetentionCommand {
    Show(Show),
    Apply(Apply),
}

/// Show what grows with time: how much there is, for how long it is kept, by which setting, and what deletes it.
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
    if matches!(context.out.format, Format::Json | Format::Jsonl | Format::Yaml) {
        let item = serde_json::to_value(&all).map_err(Failure::failed)?;
        context.out.item(&item, &[], "")?;
    } else {
        let columns = vec![
            Column::text("what", "what"),
            Column::text("where", "store"),
            Column::text("kept", "kept"),
            Column::number("rows", "rows"),
            Column::number("bytes", "bytes"),
            Column::time("oldest", "oldest"),
            Column::text("setting", "setting"),
            Column::text("deleted by", "deletes"),
        ];
        context.out.rows(&Listing { columns, rows: all.kinds.iter().map(row).collect(), name: "what" })?;
    }
    match all.missing.is_empty() {
        true => Ok(()),
        false => Err(Failure::failed(format!("not all could be asked: {}", all.missing.join("; ")))),
    }
}

fn row(kind: &GrowingKind) -> Value {
    let kept = kind.days.map_or_else(|| "no end".to_owned(), |days| format!("{days} days"));
    json!({
        "what": kind.what, "store": kind.store, "kept": kept, "rows": kind.rows, "bytes": kind.bytes,
        "oldest": kind.oldest, "setting": kind.setting, "deletes": kind.deletes,
    })
}

impl Apply {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let applied = context.client()?.apply_retention(self.dry_run).await?;
        let columns = vec![Column::text("what", "what"), Column::number("rows", "rows")];
        let row = |kind: &tfx_api::retention::AppliedKind| json!({ "what": kind.what, "rows": kind.rows });
        context.out.rows(&Listing {
            columns,
            rows: applied.kinds.iter().map(row).collect(),
            name: "what",
        })?;
        if applied.dry_run {
            context.out.note("nothing was forgotten");
        }
        Ok(())
    }
}
