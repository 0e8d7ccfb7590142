//! `tfx source`: where clicks are bought.

mod postback;
mod ready;
mod signing_key;
mod test;

use super::entity::{CostArgs, EntityCommand, Fields, NAMED, Named, Need, NoParent, Noun, Spec, put};
use crate::{context::Context, exit::Failure, input};
use clap::{Args, Subcommand};
use serde_json::Value;
use tfx_domain::{entity::Kind, money::Currency, problem::Problems};

/// Traffic sources.
#[derive(Debug)]
pub(crate) struct Source;

impl Noun for Source {
    const KIND: Kind = Kind::Source;
    type Fields = SourceFields;
    type Parent = NoParent;
    type Ready = ready::SourcePreset;
    const NEEDS: &'static [Need] = &[NAMED];
    const EXAMPLES: &'static str = "Examples:\n  \
        tfx source create --preset propellerads --account aid=123 --account tid=456\n  \
        tfx source create --name Propeller --cost-param 'cost={bid}' \\\n    \
        --external-id-param 'click={SUBID}' --param 'zoneid={zoneid}'\n  \
        tfx source create --name Social --external-id-param 'cid={clickid}' \\\n    \
        --postback-url 'https://social.example/pb?id={external_id}&sum={payout}' \\\n    \
        --postback-on lead,sale --postback-payout 80%\n  \
        tfx source test social";

    fn next(created: &Value) -> Vec<String> {
        let told = created["postback_url"].is_string() || created["postback_urls"].is_object();
        let slug = created["slug"].as_str().unwrap_or_default();
        let next = format!("next: tfx source test {slug} shows what it will be told");
        if told { vec![next] } else { Vec::new() }
    }
}

/// The fields of a traffic source.
#[derive(Debug, Args)]
pub(crate) struct SourceFields {
    #[command(flatten)]
    named: Named,
    /// Its query parameter for the cost of a click, with its token for links: bid or 'bid={bid}' [default: cost].
    #[arg(long, value_name = "PARAM[=TOKEN]")]
    cost_param: Option<String>,
    /// Its query parameter for its own id of the click: 'click={SUBID}' [default: external_id].
    #[arg(long, value_name = "PARAM[=TOKEN]")]
    external_id_param: Option<String>,
    /// Its query parameter for the keyword: 'kw={keyword}' [default: keyword].
    #[arg(long, value_name = "PARAM[=TOKEN]")]
    keyword_param: Option<String>,
    /// Its query parameter for a sub id: sub1=zone or 'sub1=zone={zone}'; may be repeated.
    #[arg(long, value_name = "SUB=PARAM[=TOKEN]", value_parser = input::pair)]
    sub: Vec<(String, String)>,
    /// A parameter that links carry besides, with its token: 'zoneid={zoneid}'; may be repeated.
    #[arg(long, value_name = "PARAM=TOKEN", value_parser = input::pair)]
    param: Vec<(String, String)>,
    /// The currency of its costs [default: USD].
    #[arg(long, value_name = "CODE")]
    currency: Option<Currency>,
    #[command(flatten)]
    cost: CostArgs,
    #[command(flatten)]
    postback: postback::PostbackArgs,
}

impl Fields for SourceFields {
    fn put(&self, spec: &mut Spec) -> Result<(), Failure> {
        self.named.put(spec)?;
        put(spec, "params.cost", self.cost_param.as_ref())?;
        put(spec, "params.external_id", self.external_id_param.as_ref())?;
        put(spec, "params.keyword", self.keyword_param.as_ref())?;
        for (sub, param) in &self.sub {
            put(spec, &format!("params.subs.{sub}"), Some(param))?;
        }
        if !self.param.is_empty() {
            let others: Vec<String> =
                self.param.iter().map(|(name, token)| format!("{name}={token}")).collect();
            put(spec, "params.others", Some(&others))?;
        }
        put(spec, "currency", self.currency.as_ref())?;
        self.cost.put(spec)?;
        self.postback.put(spec)
    }

    fn repeated(&self) -> Problems {
        let mut problems = input::repeated("params.subs", &self.sub);
        problems.0.extend(self.postback.repeated().0);
        problems
    }
}

/// What is done with traffic sources.
#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    #[command(flatten)]
    Entity(Box<EntityCommand<Source>>),
    /// Show what a source would be told, as it would be sent; --send really sends it.
    Test(test::Test),
    /// Print the key that signs what the source is told.
    SigningKey(signing_key::SigningKey),
}

impl SourceCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Entity(command) => command.run(context).await,
            Self::Test(command) => command.run(context).await,
            Self::SigningKey(command) => command.run(context).await,
        }
    }
}
