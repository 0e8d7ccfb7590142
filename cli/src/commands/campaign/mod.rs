//! `tfx campaign`: public entries, each with one tracking link.

mod link;
mod wizard;

use super::entity::{
    CostArgs, EntityCommand, Fields, NAMED, Named, Need, NoParent, NothingReady, Noun, Spec, put,
};
use crate::{complete, context::Context, exit::Failure, prompt, when};
use clap::{
    Args, Subcommand,
    builder::{PossibleValue, PossibleValuesParser},
};
use serde_json::{Value, json};
use tfx_domain::entity::Kind;

/// Campaigns.
#[derive(Debug)]
pub(crate) struct Campaign;

impl Noun for Campaign {
    const KIND: Kind = Kind::Campaign;
    type Fields = CampaignFields;
    type Parent = NoParent;
    type Ready = NothingReady;
    const NEEDS: &'static [Need] = &[NAMED];
    const EXAMPLES: &'static str = "Without any flag, on a terminal, it asks its way to a working link.\n\n\
        Examples:\n  \
        tfx campaign create\n  \
        tfx campaign create --name Summer --cost '0.02 EUR'\n  \
        tfx campaign create --name Winter --cost-model cpa --cost 1.50\n  \
        tfx campaign show summer -o yaml | tfx campaign create -f - --slug autumn";

    fn next(created: &Value) -> Vec<String> {
        let slug = created["slug"].as_str().unwrap_or_default();
        vec![
            format!("next: tfx stream create --campaign {slug} --name main --destination DESTINATION"),
            format!("      tfx campaign link {slug}"),
        ]
    }
}

/// The fields of a campaign.
#[derive(Debug, Args)]
pub(crate) struct CampaignFields {
    #[command(flatten)]
    named: Named,
    /// How regular streams are chosen [default: position].
    #[arg(long, value_parser = ["position", "weight"])]
    rotation: Option<String>,
    /// The traffic source its clicks are bought from.
    #[arg(long, value_name = "SOURCE", add = complete::of(Kind::Source))]
    source: Option<String>,
    #[command(flatten)]
    cost: CostArgs,
    /// Where clicks go that no stream takes.
    #[arg(long, value_name = "URL")]
    trafficback: Option<String>,
    /// What becomes of a click that no stream takes because destinations are down: it goes to trafficback, or to one
    /// that is down [default: trafficback].
    #[arg(long, value_name = "WHAT", value_parser = all_down())]
    all_down: Option<String>,
    /// How long a visitor is remembered as no longer unique: 24h, 7d [default: 24h].
    #[arg(long, value_name = "LENGTH", value_parser = when::span)]
    unique_window: Option<u64>,
    /// Its traffic is a test, which reports and lists leave out unless asked [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    test: Option<bool>,
}

/// As files write it, or as flags do.
fn all_down() -> PossibleValuesParser {
    [PossibleValue::new("trafficback"), PossibleValue::new("ignore-health").alias("ignore_health")].into()
}

impl Fields for CampaignFields {
    fn put(&self, spec: &mut Spec) -> Result<(), Failure> {
        self.named.put(spec)?;
        put(spec, "rotation", self.rotation.as_ref())?;
        put(spec, "source", self.source.as_ref())?;
        self.cost.put(spec)?;
        put(spec, "trafficback_url", self.trafficback.as_ref())?;
        put(spec, "all_down", self.all_down.as_ref().map(|what| what.replace('-', "_")).as_ref())?;
        put(spec, "unique_window_s", self.unique_window.as_ref())?;
        put(spec, "test", self.test.as_ref())
    }
}

/// What is done with campaigns.
#[derive(Debug, Subcommand)]
pub(crate) enum CampaignCommand {
    #[command(flatten)]
    Entity(Box<EntityCommand<Campaign>>),
    /// Print the tracking link, with the tokens of the traffic source.
    Link(link::Link),
}

impl CampaignCommand {
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Entity(command) => match *command {
                // Whoever says nothing at all, on a terminal, is led the whole way to a working link.
                EntityCommand::Create(c)
                    if prompt::possible() && c.input_spec.spec(&c.fields)? == Spec::new() =>
                {
                    wizard::run(context).await
                }
                command => command.run(context).await,
            },
            Self::Link(link) => link.run(context).await,
        }
    }
}

/// A link alone, so that a script can take it; an object where objects are asked for.
pub(crate) fn print_url(context: &Context, url: &str) -> Result<(), Failure> {
    use crate::output::{Column, Format};
    match context.out.format {
        Format::Table | Format::Name => context.out.lines([url]),
        _ => context.out.item(&json!({ "url": url }), &[Column::text("url", "url")], "url"),
    }
}
