//! `tfx postback retry`: takes postbacks again that stand as a conflict or unmatched.

use super::super::entity::failed;
use crate::{
    complete,
    context::Context,
    exit::Failure,
    output::{Column, text},
    when::Window,
};
use clap::{Args, builder::PossibleValuesParser};
use serde_json::json;
use tfx_api::postbacks::{PostbackResult, PostbackRetry, PostbackRetryAnswer};
use tfx_domain::entity::Kind;

/// Which postbacks.
#[derive(Debug, Args)]
#[command(after_help = "What was taken again is not taken twice; each is a new\n\
    line of the log, as what it became.\n\n\
    Example:\n  \
    tfx network update adnet --transaction-scope click\n  \
    tfx postback retry --network adnet --result conflict")]
pub(crate) struct Retry {
    /// Only to this network.
    #[arg(long, value_name = "NETWORK", add = complete::of(Kind::Network))]
    network: Option<String>,
    /// Only those that stand so; may be repeated [default: all that can be taken again].
    #[arg(long, value_parser = PossibleValuesParser::new(PostbackRetry::RESULTS.map(PostbackResult::as_str)))]
    result: Vec<String>,
    #[command(flatten)]
    window: Window,
}

impl Retry {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (since, until) = self.window.bounds()?;
        let asked =
            |r: &PostbackResult| self.result.is_empty() || self.result.iter().any(|w| w == r.as_str());
        let results = PostbackRetry::RESULTS.into_iter().filter(asked).collect();
        let named = self.network.clone().unwrap_or_default();
        let mut request = PostbackRetry { since, until, network: self.network, results, after: None };
        let client = context.client()?;
        let mut all = PostbackRetryAnswer::default();
        loop {
            let some = client.postback_retry(&request).await.map_err(|e| failed(Kind::Network, &named, e))?;
            for (result, n) in some.taken {
                *all.taken.entry(result).or_default() += n;
            }
            all.left += some.left;
            request.after = some.next;
            if some.next.is_none() {
                // Of a long log the newest come first; what is older follows.
                match some.older.filter(|older| request.until.is_none_or(|until| *older < until)) {
                    Some(older) => request.until = Some(older),
                    None => break,
                }
            }
        }
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
                "left: its click is not there, its network is not active, or the log has not kept all it said",
            );
        }
        Ok(())
    }
}
