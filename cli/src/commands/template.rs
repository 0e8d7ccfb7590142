//! `tfx template`: how a network's postback maps to ours.

use super::entity::{EntityCommand, Fields, NAMED, Named, Need, NothingReady, Noun, Parent, Spec, put};
use crate::{complete, exit::Failure, input, prompt, when};
use clap::{Args, builder::PossibleValuesParser};
use serde_json::Value;
use std::collections::BTreeMap;
use tfx_domain::{
    entity::{Kind, SignatureAlgorithm, SignatureEncoding, SignedTimeUnit, SigningKeyForm},
    money::{Amount, Currency, DecimalMark, Scale},
    postback::ConversionStatus,
    problem::Problems,
};

/// Postback templates.
#[derive(Debug)]
pub(crate) struct Template;

/// What is done with postback templates.
pub(crate) type TemplateCommand = EntityCommand<Template>;

impl Noun for Template {
    const KIND: Kind = Kind::Template;
    type Fields = TemplateFields;
    type Parent = InNetwork;
    type Ready = NothingReady;
    const EXAMPLES: &'static str = "Example:\n  \
        tfx template create --network adnet --name Main --click-id-param s1 \\\n    \
        --map sale=approved,paid --map rejected=trash --ignore ping";
    const NEEDS: &'static [Need] = &[
        Need {
            question: "Network (slug or id)",
            flag: "--network",
            met: |spec| spec.contains_key("network"),
            check: prompt::anything,
            put: |spec, text| {
                spec.insert("network".to_owned(), text.into());
            },
        },
        NAMED,
    ];

    fn next(created: &Value) -> Vec<String> {
        let slug = created["slug"].as_str().unwrap_or_default();
        let network = crate::output::label(created, &created["network"]);
        vec![
            format!(
                "next: tfx postback test {network} --template {slug} 'QUERY' tries it on what the network sends"
            ),
            format!("      tfx network postback-url {network} --template {slug}"),
        ]
    }
}

/// Of one network.
#[derive(Debug, Args)]
pub(crate) struct InNetwork {
    /// Only of this network.
    #[arg(long, value_name = "NETWORK", add = complete::of(Kind::Network))]
    network: Option<String>,
}

impl Parent for InNetwork {
    fn parent(&self) -> Option<&str> {
        self.network.as_deref()
    }
}

/// The fields of a template.
#[derive(Debug, Args)]
pub(crate) struct TemplateFields {
    /// The network it belongs to.
    #[arg(long, value_name = "NETWORK", add = complete::of(Kind::Network))]
    network: Option<String>,
    /// The slug 'default' serves postbacks that name no template.
    #[command(flatten)]
    named: Named,
    /// What the network calls the click id.
    #[arg(long, value_name = "PARAM")]
    click_id_param: Option<String>,
    /// What the network calls the transaction id.
    #[arg(long, value_name = "PARAM")]
    transaction_param: Option<String>,
    /// What the network calls the payout.
    #[arg(long, value_name = "PARAM")]
    payout_param: Option<String>,
    /// What the network calls the currency.
    #[arg(long, value_name = "PARAM")]
    currency_param: Option<String>,
    /// What the network calls the status.
    #[arg(long, value_name = "PARAM")]
    status_param: Option<String>,
    /// The network's words for one of our statuses: sale=approved,paid; sale+=paid adds to those that are there; may be
    /// repeated.
    #[arg(long, value_name = "STATUS=WORDS", value_parser = input::pair)]
    map: Vec<(String, String)>,
    /// The network's words for what is not recorded.
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    ignore: Vec<String>,
    /// The status of a postback that names none [default: sale].
    #[arg(long, value_name = "STATUS")]
    default_status: Option<ConversionStatus>,
    /// The currency of a payout that names none [default: the network's].
    #[arg(long, value_name = "CODE")]
    default_currency: Option<Currency>,
    /// The payout of a postback that names none [default: the destination's].
    #[arg(long, value_name = "AMOUNT", value_parser = Amount::exact, allow_negative_numbers = true)]
    default_payout: Option<Amount>,
    /// The mark before the decimals of its amounts, with which 1,234.50 or 1.234,50 and currencies around the number are
    /// understood [default: a point, and nothing but digits beside it].
    #[arg(long, value_name = "MARK", value_parser = PossibleValuesParser::new(DecimalMark::ALL.map(DecimalMark::as_str)))]
    decimal: Option<String>,
    /// What its amounts are multiplied by: 0.01 for cents [default: 1].
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true)]
    scale: Option<Scale>,
    /// The network's own macro for click_id, transaction_id, payout, currency or status, for the URL that it is given:
    /// 'click_id={sub1}'; may be repeated.
    #[arg(long = "macro", value_name = "FACT=MACRO", value_parser = input::pair)]
    macros: Vec<(String, String)>,
    #[command(flatten)]
    signature: SignatureFields,
}

/// How the network signs.
const SIGNATURE: &str = "Signature, with the network's signing key";

/// The fields of a signature.
#[derive(Debug, Args)]
struct SignatureFields {
    /// Where the signature stands: header:NAME, header:NAME:PART for a part of a header, or param:NAME.
    #[arg(long, value_name = "PLACE", help_heading = SIGNATURE)]
    signature_in: Option<String>,
    /// The text that is signed, with {body}, {url}, {query}, {sorted}, {time}, {param:NAME} and {header:NAME} for what is sent.
    #[arg(long, value_name = "TEXT", help_heading = SIGNATURE)]
    signed: Option<String>,
    /// The hash of the HMAC [default: sha256].
    #[arg(long, value_name = "HASH", help_heading = SIGNATURE, value_parser = PossibleValuesParser::new(SignatureAlgorithm::WORDS))]
    signature_algorithm: Option<String>,
    /// How the signature is written [default: hex].
    #[arg(long, value_name = "FORM", help_heading = SIGNATURE, value_parser = PossibleValuesParser::new(SignatureEncoding::WORDS))]
    signature_encoding: Option<String>,
    /// What stands before it: sha256= [default: nothing].
    #[arg(long, value_name = "TEXT", help_heading = SIGNATURE)]
    signature_prefix: Option<String>,
    /// How the key is written [default: text].
    #[arg(long, value_name = "FORM", help_heading = SIGNATURE, value_parser = PossibleValuesParser::new(SigningKeyForm::WORDS))]
    signature_key: Option<String>,
    /// Where the time stands at which it was signed [default: it is not asked for].
    #[arg(long, value_name = "PLACE", help_heading = SIGNATURE)]
    signed_at: Option<String>,
    /// How that time is written [default: s].
    #[arg(long, value_name = "UNIT", help_heading = SIGNATURE, value_parser = PossibleValuesParser::new(SignedTimeUnit::WORDS))]
    signed_at_unit: Option<String>,
    /// How far that time may be from ours [default: 5m].
    #[arg(long, value_name = "LENGTH", help_heading = SIGNATURE, value_parser = when::span)]
    signed_within: Option<u64>,
}

impl SignatureFields {
    fn put(&self, spec: &mut Spec) -> Result<(), Failure> {
        put(spec, "signature.in", self.signature_in.as_ref())?;
        put(spec, "signature.signed", self.signed.as_ref())?;
        put(spec, "signature.algorithm", self.signature_algorithm.as_ref())?;
        put(spec, "signature.encoding", self.signature_encoding.as_ref())?;
        put(spec, "signature.prefix", self.signature_prefix.as_ref())?;
        put(spec, "signature.key", self.signature_key.as_ref())?;
        put(spec, "signature.time.in", self.signed_at.as_ref())?;
        put(spec, "signature.time.unit", self.signed_at_unit.as_ref())?;
        put(spec, "signature.time.within_s", self.signed_within.as_ref())
    }
}

impl Fields for TemplateFields {
    fn put(&self, spec: &mut Spec) -> Result<(), Failure> {
        put(spec, "network", self.network.as_ref())?;
        self.named.put(spec)?;
        put(spec, "params.click_id", self.click_id_param.as_ref())?;
        put(spec, "params.transaction_id", self.transaction_param.as_ref())?;
        put(spec, "params.payout", self.payout_param.as_ref())?;
        put(spec, "params.currency", self.currency_param.as_ref())?;
        put(spec, "params.status", self.status_param.as_ref())?;
        for (status, words) in mapped(&self.map, |_| true) {
            put(spec, &format!("statuses.{status}"), Some(&words))?;
        }
        if !self.ignore.is_empty() {
            put(spec, "ignore", Some(&self.ignore))?;
        }
        put(spec, "defaults.status", self.default_status.as_ref())?;
        put(spec, "defaults.currency", self.default_currency.as_ref())?;
        put(spec, "defaults.payout", self.default_payout.as_ref())?;
        put(spec, "decimal", self.decimal.as_ref())?;
        put(spec, "scale", self.scale.as_ref())?;
        for (fact, own) in &self.macros {
            put(spec, &format!("macros.{fact}"), Some(own))?;
        }
        self.signature.put(spec)?;
        Ok(())
    }

    fn repeated(&self) -> Problems {
        input::repeated("macros", &self.macros)
    }

    fn adds(&self) -> bool {
        self.map.iter().any(|(status, _)| status.ends_with('+'))
    }

    /// `--map sale+=paid` beside what the template maps.
    fn add(&self, patch: &mut Spec, now: &Value) -> Result<(), Failure> {
        for (status, added) in mapped(&self.map, |status| status.ends_with('+')) {
            let there = mapped(&self.map, |said| said == status).remove(status);
            let there = there.unwrap_or_else(|| {
                let there = now["statuses"][status].as_array().into_iter().flatten();
                there.filter_map(Value::as_str).map(str::to_owned).collect()
            });
            let all: Vec<&String> = there.iter().chain(added.iter().filter(|w| !there.contains(w))).collect();
            put(patch, &format!("statuses.{status}"), Some(&all))?;
        }
        Ok(())
    }
}

/// The words of each status that is said so, in their order; a list may be JSON, for words with commas.
fn mapped(map: &[(String, String)], asked: impl Fn(&str) -> bool) -> BTreeMap<&str, Vec<String>> {
    let mut all: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (status, words) in map.iter().filter(|(status, _)| asked(status)) {
        let listed =
            || words.split(',').map(str::trim).filter(|w| !w.is_empty()).map(str::to_owned).collect();
        let words: Vec<String> = serde_json::from_str(words).unwrap_or_else(|_| listed());
        all.entry(status.trim_end_matches('+').trim()).or_default().extend(words);
    }
    all
}
