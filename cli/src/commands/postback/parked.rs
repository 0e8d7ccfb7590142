//! `tfx postback parked`: postbacks that wait for their click, or were given up since it did not come.

use super::super::entity::failed;
use crate::{
    complete,
    context::Context,
    exit::Failure,
    input,
    output::{Column, Format, Listing, line, text},
    prompt, when,
};
use clap::{ArgGroup, Args, Subcommand, builder::NonEmptyStringValueParser};
use serde_json::{Value, json};
use tfx_api::{
    ApiError, Client,
    parked::{ParkedAnswer, ParkedChoice, ParkedQuery},
};
use tfx_domain::{entity::Kind, id::ClickId};

/// How many are shown where nobody says it.
const SHOWN: u64 = 20;

/// What is done with them.
#[derive(Debug, Subcommand)]
pub(crate) enum ParkedCommand {
    /// List postbacks that wait for their click, the oldest first; with --dead those that were given up.
    List(List),
    /// Show what waits or was given up: by the id of its line in the log, of its click, or of its job.
    Show(Show),
    Retry(Retry),
    Drop(Drop),
}

/// Which of them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx postback parked list --network adnet\n  \
    tfx postback parked list --dead --output jsonl")]
pub(crate) struct List {
    /// Only of this network.
    #[arg(long, value_name = "NETWORK", add = complete::of(Kind::Network))]
    network: Option<String>,
    /// Only of this click.
    #[arg(long, value_name = "CLICK_ID")]
    click: Option<ClickId>,
    /// Those that were given up, since their click did not come in time. They are kept for 30 days and taken when it comes.
    #[arg(long)]
    dead: bool,
    /// List so many at most.
    #[arg(long, value_name = "N", default_value_t = SHOWN, value_parser = input::positive)]
    limit: u64,
    /// Go on where an earlier page ended.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

/// Which one.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The id of its line in the log, of its click, or of its job.
    #[arg(value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    id: String,
}

/// Which of them are meant.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("which").required(true))]
struct Choice {
    /// These: ids of lines of the log, of clicks, of jobs.
    #[arg(value_name = "ID", group = "which", value_parser = NonEmptyStringValueParser::new())]
    ids: Vec<String>,
    /// All that wait.
    #[arg(long, group = "which")]
    all: bool,
    /// With --all: those that were given up, not those that wait.
    #[arg(long, conflicts_with = "ids")]
    dead: bool,
    /// With --all: only of this network.
    #[arg(long, value_name = "NETWORK", conflicts_with = "ids", add = complete::of(Kind::Network))]
    network: Option<String>,
    /// Only say how many there are.
    #[arg(long)]
    dry_run: bool,
}

/// Try now what waits for its click; have wait again what was given up.
///
/// Each is tried when it is due by itself, after pauses that double up to ten minutes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx postback parked retry 01KYKZ6QK0ABCDEFGHJKMNPQRS\n  \
    tfx postback parked retry --all --dead --network adnet")]
pub(crate) struct Retry {
    #[command(flatten)]
    choice: Choice,
}

/// Drop postbacks that wait for their click, or were given up: they bring nothing then.
///
/// A line of the log says of each what it said and who dropped it; tfx postback replay takes it from there again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx postback parked drop 01KYKZ6QK0ABCDEFGHJKMNPQRS\n  \
    tfx postback parked drop --all --network closed --dry-run")]
pub(crate) struct Drop {
    #[command(flatten)]
    choice: Choice,
}

impl ParkedCommand {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Show(show) => show.run(context).await,
            Self::Retry(retry) => retry.run(context).await,
            Self::Drop(dropping) => dropping.run(context).await,
        }
    }
}

fn columns(dead: bool) -> Vec<Column> {
    let mut all = vec![
        Column::id("postback", "id"),
        Column::made("network", "network", network).of_weight(4),
        Column::time("came", "came").of_weight(3),
    ];
    match dead {
        true => all.extend([Column::text("why", "why").of_weight(2), Column::time("given up", "died")]),
        false => all.extend([
            Column::made("next try", "due", |row| match row["under_way"].as_bool() {
                Some(true) => "under way".to_owned(),
                _ => when::shown(&text(&row["due"])),
            })
            .raw()
            .of_weight(4),
            Column::number("tries", "tries").of_weight(2),
        ]),
    }
    all.extend([Column::id("click", "click_id").of_weight(1), Column::made("said", "params", said)]);
    all
}

/// The longest value that is listed, in bytes, as in the log; `show` has all of it.
const LONGEST: usize = 1_024;

/// What it said, long values cut.
fn said(row: &Value) -> String {
    let one = |pair: &Value| {
        let value = text(&pair[1]);
        match value.len() > LONGEST {
            true => format!("{}={}…", text(&pair[0]), &value[..value.floor_char_boundary(LONGEST)]),
            false => format!("{}={value}", text(&pair[0])),
        }
    };
    row["params"].as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join(" ")
}

/// The slug, or the id of one that is gone.
fn network(row: &Value) -> String {
    match text(&row["network"]) {
        slug if slug.is_empty() => text(&row["network_id"]),
        slug => slug,
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX).min(1_000);
        let asked = ParkedQuery {
            network: self.network.clone(),
            click: self.click,
            dead: self.dead,
            limit: Some(limit),
            cursor: self.cursor,
        };
        let named = self.network.unwrap_or_default();
        let list = context.client()?.parked(&asked).await.map_err(|e| failed(Kind::Network, &named, e))?;
        let out = context.out;
        let whole = serde_json::to_value(&list).map_err(Failure::failed)?;
        let rows = whole["items"].as_array().cloned().unwrap_or_default();
        let listing = Listing { columns: columns(self.dead), rows, name: "id" };
        match out.format {
            Format::Json | Format::Yaml => out.item(&whole, &[], "")?,
            Format::Table => {
                let summary = [
                    Column::number("waiting", "waiting"),
                    Column::number("given up", "dead"),
                    Column::time("oldest", "oldest"),
                ];
                out.item(&whole, &summary, "waiting")?;
                if !listing.rows.is_empty() {
                    out.lines([""])?;
                    out.rows(&listing)?;
                }
            }
            _ => out.rows(&listing)?,
        }
        if !list.unread.is_empty() {
            let unread = list.unread.join(", ");
            out.note(format!("put in by another version and not to be read by this one: {unread}"));
        }
        if !list.complete {
            out.note("more wait than were looked at; older ones may be among the others");
        }
        if let Some(next) = &list.next {
            out.note(format!("there are more: --cursor {next}"));
        }
        if list.dead > 0 && !self.dead {
            out.note("those given up are taken when their clicks come: tfx postback parked list --dead");
        }
        Ok(())
    }
}

impl Show {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let found = context.client()?.parked_by(&self.id).await.map_err(unknown)?;
        let rows: Vec<Value> =
            serde_json::to_value(&found).map_err(Failure::failed)?.as_array().cloned().unwrap_or_default();
        // An id of a click may be that of several.
        let out = context.out;
        for (n, row) in rows.iter().enumerate() {
            if n > 0 && out.format == Format::Table {
                out.lines([""])?;
            }
            let mut fields = columns(!row["died"].is_null());
            fields.insert(1, Column::id("job", "job"));
            fields.insert(3, Column::text("template", "template"));
            out.item(row, &fields, "id")?;
        }
        Ok(())
    }
}

fn unknown(error: ApiError) -> Failure {
    let hint = "tfx postback parked list, and with --dead, tell what there is; tfx click show --timeline what came of it";
    match error.code() {
        Some("not_found") => Failure::from(error).hint(hint),
        _ => error.into(),
    }
}

impl Choice {
    /// Has it done page by page.
    async fn done(
        self,
        client: &Client,
        dry_run: bool,
        call: impl AsyncFn(&Client, &ParkedChoice) -> Result<ParkedAnswer, ApiError>,
    ) -> Result<ParkedAnswer, Failure> {
        let named = self.network.clone().unwrap_or_default();
        let mut asked = ParkedChoice {
            ids: self.ids,
            all: self.all,
            dead: self.dead,
            network: self.network,
            dry_run,
            cursor: None,
        };
        let mut sum = ParkedAnswer::default();
        loop {
            let some = call(client, &asked).await.map_err(|e| match asked.ids.is_empty() {
                true => failed(Kind::Network, &named, e),
                false => unknown(e),
            })?;
            sum.done += some.done;
            sum.not_now.extend(some.not_now);
            asked.cursor = some.next;
            if asked.cursor.is_none() {
                return Ok(sum);
            }
        }
    }
}

fn print(context: &Context, answer: &ParkedAnswer, title: &'static str) -> Result<(), Failure> {
    let item = json!({ "done": answer.done, "not_now": answer.not_now });
    let fields = [
        Column::number(title, "done"),
        Column::made("left", "not_now", |row| row["not_now"].as_array().map_or(0, Vec::len).to_string()),
    ];
    context.out.item(&item, &fields, "done")?;
    for one in &answer.not_now {
        context.out.note(line(&format!("{}: {}", one.job, one.why)));
    }
    Ok(())
}

impl Retry {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let dry_run = self.choice.dry_run;
        let call = async |client: &Client, asked: &ParkedChoice| client.retry_parked(asked).await;
        let answer = self.choice.done(&client, dry_run, call).await?;
        print(context, &answer, if dry_run { "would be tried" } else { "tried now" })?;
        context.out.note(match (dry_run, answer.done) {
            (true, _) => "nothing was done",
            (false, 0) => "nothing waits that could be tried",
            (false, _) => {
                "tfx postback log --follow shows what comes of it; whose click is not there waits on"
            }
        });
        Ok(())
    }
}

impl Drop {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let asks = !context.yes && !self.choice.dry_run;
        if asks && !prompt::possible() {
            return Err(Failure::usage("dropping postbacks needs a yes: give --yes")
                .hint("--dry-run says how many would be dropped"));
        }
        let client = context.client()?;
        let call = async |client: &Client, asked: &ParkedChoice| client.drop_parked(asked).await;
        if self.choice.dry_run || asks {
            let found = self.choice.clone().done(&client, true, call).await?;
            if self.choice.dry_run {
                print(context, &found, "would be dropped")?;
                context.out.note("nothing was dropped");
                return Ok(());
            }
            let question = format!("Drop {} postbacks? They bring nothing then", found.done);
            if found.done == 0 || !prompt::confirm(&question, false)? {
                context.out.note("nothing was dropped");
                return Ok(());
            }
        }
        let answer = self.choice.done(&client, false, call).await?;
        print(context, &answer, "dropped")?;
        if answer.done > 0 {
            context.out.note("tfx postback log --result rejected tells what they said; tfx postback replay ID takes one again");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_in_lists() {
        let row = serde_json::json!({ "params": [["x", "é".repeat(30_000)], ["payout", "5"]] });
        let shown = said(&row);
        assert!(shown.len() < 1_100 && shown.starts_with("x=éé") && shown.ends_with("… payout=5"), "{shown}");
    }
}
