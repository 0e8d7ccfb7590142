//! `tfx postback queue`: what sources are still to be told.

use super::super::entity::failed;
use crate::{
    complete,
    context::Context,
    exit::Failure,
    input,
    output::{Column, Format, Listing, text},
    when,
};
use clap::Args;
use serde_json::Value;
use tfx_api::source_postbacks::SourcePostbackQuery;
use tfx_domain::entity::Kind;

/// How many jobs are shown where nobody says it.
const SHOWN: u64 = 20;

/// What is asked of the queue.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx postback queue --source push\n  \
    tfx postback queue --dead\n  \
    tfx postback retry --dead --source push")]
pub(crate) struct Queue {
    /// Only to this source.
    #[arg(long, value_name = "SOURCE", add = complete::of(Kind::Source))]
    source: Option<String>,
    /// List what was given up, and why, not what waits.
    #[arg(long)]
    dead: bool,
    /// List so many at most.
    #[arg(long, value_name = "N", default_value_t = SHOWN, value_parser = input::positive)]
    limit: u64,
    /// Go on where an earlier page of those that were given up ended.
    #[arg(long, value_name = "CURSOR", requires = "dead")]
    cursor: Option<String>,
}

impl Queue {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX).min(1_000);
        let asked = SourcePostbackQuery {
            source: self.source.clone(),
            dead: self.dead,
            limit: Some(limit),
            cursor: self.cursor,
        };
        let named = self.source.unwrap_or_default();
        let queue = context.client()?.tell_queue(&asked).await;
        let queue = queue.map_err(|e| failed(Kind::Source, &named, e))?;
        let out = context.out;
        let whole = serde_json::to_value(&queue).map_err(Failure::failed)?;
        let jobs = Listing {
            columns: if self.dead { dead() } else { waiting() },
            rows: whole["items"].as_array().cloned().unwrap_or_default(),
            name: "job",
        };
        match out.format {
            Format::Json | Format::Yaml => out.item(&whole, &[], "")?,
            Format::Table => {
                out.item(&whole, &summary(), "waiting")?;
                let rows = whole["sources"].as_array().cloned().unwrap_or_default();
                if !rows.is_empty() {
                    out.lines([""])?;
                    // Times there are where something waits.
                    let said = |c: &Column| c.weight > 3 || rows.iter().any(|row| !c.cell(row).is_empty());
                    let columns = sources().into_iter().filter(said).collect();
                    out.rows(&Listing { columns, rows, name: "source" })?;
                }
                if !jobs.rows.is_empty() {
                    out.lines([""])?;
                    out.rows(&jobs)?;
                }
            }
            _ => out.rows(&jobs)?,
        }
        if let Some(why) = &queue.targets_unknown {
            out.note(format!("warning: nothing is sent now, or this cannot be told: {why}"));
        }
        let unsent: std::collections::BTreeSet<&str> = queue
            .sources
            .iter()
            .flat_map(|source| &source.open)
            .filter_map(|target| target.unsent.as_deref())
            .collect();
        for why in unsent {
            out.note(format!("warning: the machine of postback-service cannot send: {why}"));
        }
        if !queue.unread.is_empty() {
            out.note(format!(
                "put in by another version and not to be read by this one: {}",
                queue.unread.join(", ")
            ));
        }
        if !queue.complete {
            out.note("more wait than were looked at; sooner ones may be among the others");
        }
        if let Some(next) = &queue.next {
            out.note(format!("there are more: --cursor {next}"));
        }
        if queue.dead > 0 && !self.dead {
            out.note("tfx postback queue --dead tells why they were given up; tfx postback retry --dead tells them again");
        }
        Ok(())
    }
}

fn summary() -> Vec<Column> {
    vec![
        Column::text("waiting", "waiting"),
        Column::text("given up", "dead"),
        Column::time("oldest", "oldest"),
    ]
}

/// The slug, or the id of one that is gone.
fn source(row: &Value) -> String {
    match text(&row["source"]) {
        slug if slug.is_empty() => text(&row["source_id"]),
        slug => slug,
    }
}

fn sources() -> Vec<Column> {
    vec![
        Column::made("source", "source", source).of_weight(4),
        Column::number("waiting", "waiting").of_weight(4),
        Column::number("given up", "dead").of_weight(4),
        Column::time("oldest", "oldest").of_weight(1),
        Column::time("next try", "next").of_weight(3),
        Column::made("not asked now", "open", |row| {
            let one = |target: &Value| {
                let host = text(&target["host"]);
                match text(&target["open_until"]).as_str() {
                    "" => format!("{host}: cannot be sent to"),
                    until => format!("{host} until {}", when::shown(until)),
                }
            };
            row["open"].as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join("; ")
        })
        .of_weight(2),
    ]
}

fn waiting() -> Vec<Column> {
    vec![
        Column::made("next try", "due", |row| match row["under_way"].as_bool() {
            Some(true) => "under way".to_owned(),
            _ => when::shown(&text(&row["due"])),
        })
        .raw(),
        Column::made("source", "source", source).of_weight(4),
        Column::text("told", "told").of_weight(4),
        Column::number("tries", "tries").of_weight(4),
        Column::id("conversion", "conversion_id").of_weight(2),
        Column::id("click", "click_id").of_weight(1),
        Column::time("since", "came"),
        Column::money("revenue", "revenue"),
        Column::id("job", "job"),
    ]
}

fn dead() -> Vec<Column> {
    vec![
        Column::id("message", "message_id"),
        Column::made("source", "source", source).of_weight(4),
        Column::text("why", "why").of_weight(4),
        Column::time("of", "came").of_weight(2),
        Column::id("click", "click_id").of_weight(1),
        Column::money("revenue", "revenue"),
        Column::id("job", "job"),
    ]
}
