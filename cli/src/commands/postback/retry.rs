//! `tfx postback retry`: takes postbacks again that stand as a conflict or unmatched, or under a word that was mapped since,
//! and tells sources again what was given up, or now what waits for its next try.

use super::{super::entity::failed, replay};
use crate::{
    complete,
    context::Context,
    exit::Failure,
    output::{Column, text},
    when::Window,
};
use clap::{Args, builder::PossibleValuesParser};
use serde_json::json;
use tfx_api::{
    Client,
    postbacks::{PostbackResult, PostbackRetry, PostbackRetryAnswer},
    source_postbacks::SourcePostbackRetry,
};
use tfx_domain::entity::Kind;

/// Which postbacks.
#[derive(Debug, Args)]
#[command(after_help = "Without an ID and --dead it takes postbacks again that came in: conflicts,\n\
    those whose click did not come, and those recorded under a word of the network\n\
    that is mapped now, or as nothing where a payout is read now, while their\n\
    conversion still stands so. What was taken again is not taken twice; each is a\n\
    new line of the log, as what it became.\n\n\
    Examples:\n  \
    tfx network update adnet --transaction-scope click\n  \
    tfx postback retry --network adnet --result conflict\n  \
    tfx postback retry --dead --source push")]
pub(crate) struct Retry {
    /// Tell these again, which were given up, or now, which wait for their next try: ids of a message, a conversion, a job,
    /// or a line of the log.
    #[arg(value_name = "ID", conflicts_with_all = ["dead", "source", "network", "result", "since", "until"])]
    ids: Vec<String>,
    /// Tell again everything that was given up.
    #[arg(long, conflicts_with_all = ["network", "result", "since", "until"])]
    dead: bool,
    /// With --dead: only what this source was to be told.
    #[arg(long, value_name = "SOURCE", requires = "dead", add = complete::of(Kind::Source))]
    source: Option<String>,
    /// Only to this network.
    #[arg(long, value_name = "NETWORK", add = complete::of(Kind::Network))]
    network: Option<String>,
    /// Only those with this result; may be repeated [default: all that can be taken again].
    #[arg(long, value_parser = PossibleValuesParser::new(PostbackRetry::ACCEPTED.map(PostbackResult::as_str)))]
    result: Vec<String>,
    #[command(flatten)]
    window: Window,
}

impl Retry {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        if self.dead || !self.ids.is_empty() {
            return self.tell_again(context, &client).await;
        }
        let (since, until) = self.window.bounds()?;
        let asked =
            |r: &PostbackResult| self.result.is_empty() || self.result.iter().any(|w| w == r.as_str());
        let results = PostbackRetry::ACCEPTED.into_iter().filter(asked).collect();
        let named = self.network.clone().unwrap_or_default();
        let request =
            PostbackRetry { since, until, network: self.network, results, ..PostbackRetry::default() };
        let mut all = PostbackRetryAnswer::default();
        replay::ask(&client, request, &named, &mut all).await?;
        let taken: Vec<String> = all.taken.iter().map(|(result, n)| format!("{n} {result}")).collect();
        let item = json!({ "taken": all.taken, "left": all.left, "said": taken.join(", ") });
        let fields = [
            Column::made("taken again", "taken", |row| match text(&row["said"]) {
                said if said.is_empty() => "none".to_owned(),
                said => said,
            }),
            Column::number("left as they are", "left"),
        ];
        context.out.item(&item, &fields, "left")?;
        if all.left > 0 {
            context.out.note(
                "left: its click is not there, its network is not active, or the log has not kept all it said; of each: \
                 tfx postback replay --result conflict --dry-run",
            );
        }
        Ok(())
    }

    /// What was given up is due again.
    async fn tell_again(self, context: &Context, client: &Client) -> Result<(), Failure> {
        let named = self.source.clone().unwrap_or_default();
        let mut asked =
            SourcePostbackRetry { ids: self.ids, dead: self.dead, source: self.source, before: None };
        let (mut revived, mut left, mut hurried, mut not_now) = (0, 0, 0, Vec::new());
        loop {
            let some = client.tell_again(&asked).await.map_err(|e| match e.code() {
                Some("not_found") if !asked.ids.is_empty() => Failure::from(e)
                    .hint("tfx postback queue lists what waits, and with --dead what was given up"),
                _ => failed(Kind::Source, &named, e),
            })?;
            revived += some.revived;
            left += some.left;
            hurried += some.hurried;
            not_now.extend(some.not_now);
            // What is given up anew meanwhile was told again.
            asked.before = some.before;
            if !some.more || some.revived + some.left == 0 {
                break;
            }
        }
        let item = json!({ "revived": revived, "hurried": hurried, "left": left, "not_now": not_now });
        let fields = [
            Column::number("told again", "revived"),
            Column::number("tried now", "hurried"),
            Column::number("left", "left"),
            Column::made("not now", "not_now", |row| {
                row["not_now"].as_array().map_or(0, Vec::len).to_string()
            }),
        ];
        context.out.item(&item, &fields, "revived")?;
        for one in &not_now {
            context.out.note(format!("{}: {}", one.job, one.why));
        }
        if left > 0 {
            context.out.note("left: their conversions are in a newer state, which was told or denies them");
        }
        context.out.note(match revived + left + hurried {
            0 if not_now.is_empty() => "nothing was given up",
            _ => "tfx postback log --direction out --follow shows what comes of it",
        });
        Ok(())
    }
}
