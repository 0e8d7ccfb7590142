//! `tfx revision`: the configuration as it was: what changed when, by whom, and what is different between then and now.

use crate::{
    changes, complete,
    context::Context,
    exit::Failure,
    output::{Column, Format, Listing, text},
    pages::{Paging, View},
    when,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tfx_domain::entity::Kind;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum RevisionCommand {
    List(List),
    Show(Show),
    Diff(Diff),
}

/// List revisions, newest first.
///
/// Each change of the configuration makes one; their numbers grow by one with each entity that changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx revision list --limit 10\n  \
    tfx revision list --all --output jsonl")]
pub(crate) struct List {
    #[command(flatten)]
    paging: Paging,
}

/// Show who made a revision, when, and each entity that changed with it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx revision show 12\n  \
    tfx revision show 12 --set --output yaml")]
pub(crate) struct Show {
    /// Its number, as 'tfx revision list' shows it.
    #[arg(value_name = "N", add = complete::revisions())]
    number: u64,
    /// Show everything as it was, as one document.
    #[arg(long)]
    set: bool,
}

/// Show what is different between two revisions, entity by entity and field by field.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx revision diff 12\n  \
    tfx revision diff 12 15 --output json")]
pub(crate) struct Diff {
    /// The one.
    #[arg(value_name = "A", add = complete::revisions())]
    from: u64,
    /// The other [default: as it is now].
    #[arg(value_name = "B", add = complete::revisions())]
    to: Option<u64>,
}

impl RevisionCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show(show) => show.run(context).await,
            Self::Diff(diff) => diff.run(context).await,
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let columns = vec![
            Column::number("revision", "revision"),
            Column::time("when", "at"),
            Column::made("who", "by", who).of_weight(1),
            Column::made("what", "did", what).of_weight(2),
        ];
        let view = View { columns, name: |row| text(&row["revision"]) };
        self.paging
            .print(context, view, async |limit, cursor| client.revisions(limit, cursor.as_ref()).await)
            .await
    }
}

impl Show {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        if self.set {
            let shown = client.revision_set(self.number).await.map_err(unknown)?;
            let item = serde_json::to_value(&shown).map_err(Failure::failed)?;
            return context.out.item(
                &item,
                &[Column::number("revision", "revision"), Column::text("set", "set")],
                "revision",
            );
        }
        let shown = client.revision(self.number).await.map_err(unknown)?;
        let item = serde_json::to_value(&shown).map_err(Failure::failed)?;
        if !matches!(context.out.format, Format::Table | Format::Csv) {
            return context.out.item(&item, &[], "revision");
        }
        if context.out.format == Format::Table {
            let by =
                if shown.by.is_empty() { "nobody: kept since then".to_owned() } else { shown.by.clone() };
            context.out.lines([format!(
                "revision {}, {}, {by}",
                shown.revision,
                when::shown(&shown.at.to_string())
            )])?;
        }
        if shown.changes.is_empty() {
            context.out.note("what stood there then is the first that is kept; what was before it is not");
            return Ok(());
        }
        let columns = vec![
            Column::text("did", "action"),
            Column::text("kind", "kind").whole(),
            Column::text("what", "reference").of_weight(1),
            Column::number("version", "version"),
            Column::text("id", "id").whole(),
        ];
        let rows = item["changes"].as_array().cloned().unwrap_or_default();
        context.out.rows(&Listing { columns, rows, name: "id" })
    }
}

impl Diff {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let found = context.client()?.revision_diff(self.from, self.to).await.map_err(unknown)?;
        if context.out.format != Format::Table {
            let item = serde_json::to_value(&found).map_err(Failure::failed)?;
            return context.out.item(
                &item,
                &[Column::number("from", "from"), Column::number("to", "to")],
                "to",
            );
        }
        changes::print(context.out, &found.changes)?;
        let (from, to) = (found.from, found.to);
        context.out.note(match found.changes.is_empty() {
            true => format!("nothing is different between revision {from} and {to}"),
            false => format!("from revision {from} to {to}: {}", changes::summary(&found.changes)),
        });
        Ok(())
    }
}

/// What the API says, with what shows those that are kept.
fn unknown(e: tfx_api::ApiError) -> Failure {
    Failure::from(e).hint_if_missing("'tfx revision list' shows those that are kept")
}

fn who(row: &Value) -> String {
    match text(&row["by"]) {
        by if by.is_empty() => "kept since".to_owned(),
        by => by,
    }
}

/// `create 3 campaigns, 1 stream; archive 1 source`.
fn what(row: &Value) -> String {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for sum in row["did"].as_array().into_iter().flatten() {
        let (action, noun, count) = (text(&sum["action"]), text(&sum["kind"]), text(&sum["count"]));
        let plural = Kind::ALL.into_iter().find(|kind| kind.noun() == noun).map(Kind::plural);
        let things = match plural.filter(|_| json!(1) != sum["count"]) {
            Some(plural) => format!("{count} {plural}"),
            None => format!("{count} {noun}"),
        };
        match all.last_mut().filter(|(last, _)| *last == action) {
            Some((_, same)) => same.push(things),
            None => all.push((action, vec![things])),
        }
    }
    all.into_iter()
        .map(|(action, things)| format!("{action} {}", things.join(", ")))
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_reads_as_a_line() {
        let sum =
            |action: &str, kind: &str, count: u64| json!({ "action": action, "kind": kind, "count": count });
        let row = json!({ "by": "", "did": [sum("archive", "source", 1), sum("create", "campaign", 3), sum("create", "stream", 1)] });
        assert_eq!(what(&row), "archive 1 source; create 3 campaigns, 1 stream");
        assert_eq!((what(&json!({ "did": [] })), who(&row)), (String::new(), "kept since".to_owned()));
    }
}
