//! `tfx source`: where clicks are bought.

use super::entity::{EntityCommand, Fields, NAMED, Named, Need, NoParent, Noun, Spec, put};
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
    type Parent = NoParent;
    const NEEDS: &'static [Need] = &[NAMED];
    const EXAMPLES: &'static str = "Examples:\n  \
        tfx source create --name Propeller --cost-param 'cost={bid}' \\\n    \
        --external-id-param 'click={SUBID}' --param 'zoneid={zoneid}'\n  \
        tfx source create --name Social --sub sub1=zone \\\n    \
        --postback-url 'https://social.example/pb?id={external_id}&payout={payout}'";
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
        if !self.param.is_empty() {
            let others: Vec<String> =
                self.param.iter().map(|(name, token)| format!("{name}={token}")).collect();
            put(spec, "params.others", Some(&others))?;
        }
        put(spec, "currency", self.currency.as_ref())?;
        put(spec, "postback_url", self.postback_url.as_ref())
    }
}
