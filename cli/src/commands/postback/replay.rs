//! `tfx postback replay`: takes postbacks of the log again, as the configuration is now.

use super::super::entity::failed;
use crate::{
    complete,
    context::Context,
    exit::Failure,
    output::{Column, Format, Listing, text},
    when::Window,
};
use clap::{ArgGroup, Args, builder::PossibleValuesParser};
use serde_json::{Value, json};
use tfx_api::{
    Client,
    postbacks::{PostbackResult, PostbackRetry, PostbackRetryAnswer},
};
use tfx_domain::{entity::Kind, id::ClickId};

/// The most ids of one call.
const IDS: usize = 100;

/// Which postbacks.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true), after_help = "\
    What was refused is read again by the same code, counted from when it came in.\n\
    What was taken again is not taken twice; what its network sent again since then\n\
    is a duplicate. What was recorded is taken again where it is named and says\n\
    another status or other money now. What came with a wrong secret or\n\
    signature, or for a network that was not known, is never taken. Exits 1 if one\n\
    that was named stays as it is.\n\n\
    Examples:\n  \
    tfx postback replay --result rejected --network adnet --since 2d --dry-run\n  \
    tfx postback replay --result rejected --network adnet --since 2d\n  \
    tfx postback replay 01KYKZ6QK0ABCDEFGHJKMNPQRS")]
pub(crate) struct Replay {
    /// These, by the ids of their lines in the log.
    #[arg(value_name = "ID", group = "which", conflicts_with_all = ["network", "since", "until"])]
    ids: Vec<ClickId>,
    /// All with this result; may be repeated.
    #[arg(long, group = "which", value_parser = PossibleValuesParser::new(PostbackRetry::RESULTS.map(PostbackResult::as_str)))]
    result: Vec<String>,
    /// Only to this network.
    #[arg(long, value_name = "NETWORK", add = complete::of(Kind::Network))]
    network: Option<String>,
    #[command(flatten)]
    window: Window,
    /// Only tell what would be taken, and why the others would not.
    #[arg(long)]
    dry_run: bool,
}

impl Replay {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let (since, until) = self.window.bounds()?;
        let asked = |r: &PostbackResult| self.result.iter().any(|w| w == r.as_str());
        let of_all = PostbackRetry {
            since,
            until,
            network: self.network.clone(),
            results: PostbackRetry::RESULTS.into_iter().filter(asked).collect(),
            dry_run: self.dry_run,
            ..PostbackRetry::default()
        };
        let named = self.network.unwrap_or_default();
        let mut all = PostbackRetryAnswer::default();
        for ids in self.ids.chunks(IDS) {
            let request = PostbackRetry { ids: ids.to_vec(), ..of_all.clone() };
            ask(&client, request, &named, &mut all).await?;
        }
        if self.ids.is_empty() {
            ask(&client, of_all, &named, &mut all).await?;
        }
        print(context, &all, self.dry_run)?;
        if all.left > 0 && !self.ids.is_empty() {
            return Err(Failure::failed(format!("{} of those named stay as they are", all.left)));
        }
        Ok(())
    }
}

/// Asks until there is nothing more, and adds up the answers. `network` is what the user called it.
///
/// # Errors
/// What the calls end with.
pub(super) async fn ask(
    client: &Client,
    mut request: PostbackRetry,
    network: &str,
    sum: &mut PostbackRetryAnswer,
) -> Result<(), Failure> {
    loop {
        let some = client.postback_retry(&request).await.map_err(|e| match request.ids.is_empty() {
            true => failed(Kind::Network, network, e),
            false => Failure::from(e)
                .hint_if_missing("tfx postback log --output name lists the ids of what came in"),
        })?;
        for (result, n) in some.taken {
            *sum.taken.entry(result).or_default() += n;
        }
        sum.left += some.left;
        sum.before += some.before;
        sum.lines.extend(some.lines);
        request.after = some.next;
        if some.next.is_none() {
            // Of a long log the newest come first; what is older follows.
            match some.older.filter(|older| request.until.is_none_or(|until| *older < until)) {
                Some(older) => request.until = Some(older),
                None => return Ok(()),
            }
        }
    }
}

fn print(context: &Context, all: &PostbackRetryAnswer, dry_run: bool) -> Result<(), Failure> {
    let out = context.out;
    let taken: Vec<String> = all.taken.iter().map(|(result, n)| format!("{n} {result}")).collect();
    let sums = match dry_run {
        true => all.taken.values().sum::<u64>().to_string(),
        false => taken.join(", "),
    };
    let item = json!({
        "taken": all.taken, "left": all.left, "before": all.before, "lines": all.lines, "said": sums,
    });
    let fields = [
        Column::made(if dry_run { "would be taken" } else { "taken again" }, "taken", |row| {
            match text(&row["said"]) {
                said if said.is_empty() => "none".to_owned(),
                said => said,
            }
        }),
        Column::number("left as they are", "left"),
        Column::number("taken before", "before"),
    ];
    let rows = item["lines"].as_array().cloned().unwrap_or_default();
    let lines = Listing { columns: lines(), rows, name: "id" };
    match out.format {
        Format::Table => {
            out.item(&item, &fields, "left")?;
            if !lines.rows.is_empty() {
                out.lines([""])?;
                out.rows(&lines)?;
            }
        }
        Format::Json | Format::Yaml => out.item(&item, &fields, "left")?,
        _ => out.rows(&lines)?,
    }
    let told = all.lines.iter().filter(|l| l.result.is_none()).count() as u64;
    if all.left > told {
        out.note(format!(
            "{} more stay as they are; narrow it to see why: --network, --since",
            all.left - told
        ));
    }
    if dry_run {
        out.note("nothing was taken");
    }
    Ok(())
}

fn lines() -> Vec<Column> {
    vec![
        Column::id("postback", "id"),
        Column::time("came", "at").of_weight(1),
        Column::text("network", "network").of_weight(2),
        Column::text("was", "was").of_weight(2),
        Column::made("became", "result", |row: &Value| match text(&row["result"]) {
            result if result.is_empty() => "-".to_owned(),
            result => result,
        })
        .of_weight(4),
        Column::text("status", "status").of_weight(3),
        Column::money("revenue", "revenue").of_weight(4),
        Column::text("why", "why").of_weight(4),
    ]
}
