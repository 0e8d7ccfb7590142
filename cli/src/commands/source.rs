//! `tfx source`: where clicks are bought.

use super::entity::{Anywhere, EntityCommand, Fields, NAMED, Named, Need, Noun, Spec, put};
use crate::{exit::Failure, input};
use clap::Args;
use tfx_domain::{entity::Kind, money::Currency};

/// Traffic sources.
#[derive(Debug)]
pub(crate) struct Source;

/// What is done with traffic sources.
pub(crate) type SourceCommand = EntityCommand<Source>;

impl Noun for Source {
    const KIND: Kind = Kind::Source;
    type Fields = SourceFields;
    type Within = Anywhere;
    const NEEDS: &'static [Need] = &[NAMED];
    const EXAMPLES: &'static str = "Example:\n  \
        tfx source create --name Social --sub sub1=zone \\\n    \
        --postback-url 'https://social.example/pb?id={external_id}&payout={payout}'";
}

/// The fields of a traffic source.
#[derive(Debug, Args)]
pub(crate) struct SourceFields {
    #[command(flatten)]
    named: Named,
    /// Its query parameter for the cost of a click [default: cost].
    #[arg(long, value_name = "PARAM")]
    cost_param: Option<String>,
    /// Its query parameter for its own id of the click [default: external_id].
    #[arg(long, value_name = "PARAM")]
    external_id_param: Option<String>,
    /// Its query parameter for the keyword [default: keyword].
    #[arg(long, value_name = "PARAM")]
    keyword_param: Option<String>,
    /// Its query parameter for a sub id: sub1=zone; may be repeated.
    #[arg(long, value_name = "SUB=PARAM", value_parser = input::pair)]
    sub: Vec<(String, String)>,
    /// The currency of its costs [default: USD].
    #[arg(long, value_name = "CODE")]
    currency: Option<Currency>,
    /// Where conversions are to be reported to, with macros such as {external_id}; kept, this version reports none yet.
    #[arg(long, value_name = "URL")]
    postback_url: Option<String>,
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
        put(spec, "currency", self.currency.as_ref())?;
        put(spec, "postback_url", self.postback_url.as_ref())
    }
}
