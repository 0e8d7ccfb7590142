//! `tfx stream`: routing rules in a campaign.

mod action;
mod filter;

use super::entity::{EntityCommand, Fields, NAMED, Named, Need, NothingReady, Noun, Parent, Spec, put};
use crate::{complete, exit::Failure, input, output::label, prompt};
use clap::Args;
use serde_json::{Value, json};
use tfx_domain::entity::{FilterRule, Kind};

/// Streams.
#[derive(Debug)]
pub(crate) struct Stream;

/// What is done with streams.
pub(crate) type StreamCommand = EntityCommand<Stream>;

impl Noun for Stream {
    const KIND: Kind = Kind::Stream;
    type Fields = StreamFields;
    type Parent = InCampaign;
    type Ready = NothingReady;
    const EXAMPLES: &'static str = "Examples:\n  \
        tfx stream create --campaign summer --name US --filter country=US,CA \\\n    \
        --filter 'bot!=true' --destination offer=70 --destination other=30\n  \
        tfx stream create --campaign summer --name Rest --kind default \\\n    \
        --action status:404";
    const NEEDS: &'static [Need] = &[
        Need {
            question: "Campaign (slug or id)",
            flag: "--campaign",
            met: |spec| spec.contains_key("campaign"),
            check: prompt::anything,
            put: |spec, text| {
                spec.insert("campaign".to_owned(), text.into());
            },
        },
        NAMED,
        Need {
            question: "Destination (slug or id)",
            flag: "--destination (or an --action without one)",
            met: |spec| spec.contains_key("destinations") || action::needs_none(spec.get("action")),
            check: prompt::anything,
            put: |spec, text| {
                spec.insert("destinations".to_owned(), json!([{ "destination": text }]));
            },
        },
    ];

    fn next(created: &Value) -> Vec<String> {
        let campaign = label(created, &created["campaign"]);
        vec![
            format!("next: tfx explain {campaign} --country US shows where a click would go, and why"),
            format!("      tfx campaign link {campaign}"),
        ]
    }
}

/// Of one campaign.
#[derive(Debug, Args)]
pub(crate) struct InCampaign {
    /// Only of this campaign.
    #[arg(long, value_name = "CAMPAIGN", add = complete::of(Kind::Campaign))]
    campaign: Option<String>,
}

impl Parent for InCampaign {
    fn parent(&self) -> Option<&str> {
        self.campaign.as_deref()
    }
}

/// The fields of a stream.
#[derive(Debug, Args)]
pub(crate) struct StreamFields {
    /// The campaign it belongs to.
    #[arg(long, value_name = "CAMPAIGN", add = complete::of(Kind::Campaign))]
    campaign: Option<String>,
    #[command(flatten)]
    named: Named,
    /// When it is asked: forced before, default after the regular ones [default: regular].
    #[arg(long, value_parser = ["forced", "regular", "default"])]
    kind: Option<String>,
    /// Its place among the streams of its kind [default: the last].
    #[arg(long, value_name = "N", value_parser = input::number::<u32>)]
    position: Option<u32>,
    /// Its share under 'rotation weight' [default: 100].
    #[arg(long, value_name = "N", value_parser = input::number::<u32>)]
    weight: Option<u32>,
    /// Who may enter: 'country=US,CA', 'bot!=true', 'os_version>=14.2', 'param:zone=7'; may be repeated.
    #[arg(long, value_name = "FIELD=VALUES", value_parser = filter::parse, add = complete::filters())]
    filter: Vec<FilterRule>,
    /// Whether all filters must pass or any [default: all].
    #[arg(long = "match", value_parser = ["all", "any"])]
    match_mode: Option<String>,
    /// Where it leads: offer or, with a share, offer=70; may be repeated.
    #[arg(long, value_name = "DESTINATION[=WEIGHT]", value_parser = destination, add = complete::of(Kind::Destination))]
    destination: Vec<(String, Option<u32>)>,
    /// How a destination is chosen [default: weight].
    #[arg(long, value_parser = ["weight", "position", "roi"])]
    select: Option<String>,
    /// What a visitor keeps who was here before [default: none].
    #[arg(long, value_parser = ["none", "stream", "destination"])]
    bind: Option<String>,
    /// What is done: redirect, redirect:301, meta_refresh, double_meta, js, text:…, html:…, status:404, campaign:SLUG.
    #[arg(long, value_name = "ACTION", value_parser = action::parse)]
    action: Option<Value>,
}

/// The filter that lets in only these countries: `US,CA`.
///
/// # Errors
/// What is not a country.
pub(crate) fn country(codes: &str) -> Result<FilterRule, String> {
    filter::parse(&format!("country={codes}"))
}

fn destination(text: &str) -> Result<(String, Option<u32>), String> {
    match text.split_once('=') {
        None => Ok((text.to_owned(), None)),
        Some((slug, weight)) => {
            let weight =
                weight.parse().map_err(|_| "the weight must be a whole number: offer=70".to_owned())?;
            Ok((slug.to_owned(), Some(weight)))
        }
    }
}

impl Fields for StreamFields {
    fn put(&self, spec: &mut Spec) -> Result<(), Failure> {
        put(spec, "campaign", self.campaign.as_ref())?;
        self.named.put(spec)?;
        put(spec, "kind", self.kind.as_ref())?;
        put(spec, "position", self.position.as_ref())?;
        put(spec, "weight", self.weight.as_ref())?;
        if !self.filter.is_empty() {
            put(spec, "filters", Some(&self.filter))?;
        }
        put(spec, "match", self.match_mode.as_ref())?;
        if !self.destination.is_empty() {
            let one = |(slug, weight): &(String, Option<u32>)| match weight {
                Some(weight) => json!({ "destination": slug, "weight": weight }),
                None => json!({ "destination": slug }),
            };
            put(spec, "destinations", Some(&self.destination.iter().map(one).collect::<Vec<_>>()))?;
        }
        put(spec, "select", self.select.as_ref())?;
        put(spec, "bind", self.bind.as_ref())?;
        put(spec, "action", self.action.as_ref())
    }
}
