//! The flags of how a source is told of conversions.

use super::super::entity::{Spec, put};
use crate::{complete, exit::Failure, input, when};
use clap::{Args, builder::PossibleValuesParser};
use serde_json::{Value, json};
use std::path::PathBuf;
use tfx_domain::{
    entity::{PayoutShare, PostbackMethod},
    money::Amount,
    problem::Problems,
    source_postback,
};
use tfx_ops::entropy;

/// What is said of a conversion's status without a network's own words.
pub(super) const STATES: [&str; 4] = ["lead", "sale", "rejected", "rebill"];

/// Where these flags stand in the help. Said of each: those behind them are not of this kind.
const TELLING: &str = "Telling it of conversions";

/// How it is told.
#[derive(Debug, Args)]
pub(super) struct PostbackArgs {
    /// Where it is told of conversions, with macros such as {external_id} and {payout}.
    #[arg(long, help_heading = TELLING, value_name = "URL")]
    postback_url: Option<String>,
    /// The states it is told of: lead,sale,rejected,rebill or words of a network [default: sale].
    #[arg(long, help_heading = TELLING, value_name = "STATUS", value_delimiter = ',', add = complete::words(STATES, ""))]
    postback_on: Vec<String>,
    /// Another URL for one state: 'rejected=https://…'; may be repeated.
    #[arg(long, help_heading = TELLING, value_name = "STATUS=URL", value_parser = input::pair, add = complete::words(STATES, "="))]
    postback_url_for: Vec<(String, String)>,
    /// How it is asked [default: get].
    #[arg(long, help_heading = TELLING, value_name = "METHOD", value_parser = PossibleValuesParser::new(PostbackMethod::ALL.map(PostbackMethod::as_str)))]
    postback_method: Option<String>,
    /// A field of what is posted: 'goal={status}'; may be repeated.
    #[arg(long, help_heading = TELLING, value_name = "NAME=VALUE", value_parser = input::pair, conflicts_with = "postback_body_file")]
    postback_field: Vec<(String, String)>,
    /// Read what is posted from a file, a JSON object with macros in its texts; - is standard input.
    #[arg(long, help_heading = TELLING, value_name = "FILE")]
    postback_body_file: Option<PathBuf>,
    /// What it is told of the revenue: 80% of it, or 1.50 whatever it is [default: 100%].
    #[arg(long, help_heading = TELLING, value_name = "SHARE", value_parser = share)]
    postback_payout: Option<PayoutShare>,
    /// How long after the conversion it is told: 30s, 15m, 2h [default: at once].
    #[arg(long, help_heading = TELLING, value_name = "LENGTH", value_parser = when::span)]
    postback_delay: Option<u64>,
    /// Tell it only of the first conversion of a click [default: false].
    #[arg(long, help_heading = TELLING, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    postback_first_only: Option<bool>,
    /// Sign what it is told, as Standard Webhooks does, with a new key; 'tfx source signing-key' shows it.
    #[arg(long, help_heading = TELLING, conflicts_with = "signing_key_file")]
    sign: bool,
    /// The same with a key from a file, whsec_…; - is standard input.
    #[arg(long, help_heading = TELLING, value_name = "FILE")]
    signing_key_file: Option<PathBuf>,
}

/// `80%` or `1.50`.
fn share(text: &str) -> Result<PayoutShare, String> {
    let wrong = |e| format!("{e}; must be a share such as 80% or an amount such as 1.50");
    let amount = |text: &str| Amount::exact(text.trim()).map_err(|e| wrong(e.to_string()));
    match text.trim().strip_suffix('%') {
        Some(percent) => {
            let percent = amount(percent)?;
            let most = Amount::from_micros(100_000_000);
            match (Amount::ZERO..=most).contains(&percent) {
                true => Ok(PayoutShare::Percent(percent)),
                false => Err("must be from 0% to 100%".to_owned()),
            }
        }
        None => match amount(text)? {
            fixed if fixed < Amount::ZERO => Err("must not be below 0".to_owned()),
            fixed => Ok(PayoutShare::Fixed(fixed)),
        },
    }
}

impl PostbackArgs {
    pub(super) fn repeated(&self) -> Problems {
        let mut problems = input::repeated("postback_urls", &self.postback_url_for);
        problems.0.extend(input::repeated("postback_body", &self.postback_field).0);
        problems
    }

    pub(super) fn put(&self, spec: &mut Spec) -> Result<(), Failure> {
        put(spec, "postback_url", self.postback_url.as_ref())?;
        if !self.postback_on.is_empty() {
            put(spec, "postback_on", Some(&self.postback_on))?;
        }
        // Words of networks may have dots.
        members(spec, "postback_urls", &self.postback_url_for);
        put(spec, "postback_method", self.postback_method.as_ref())?;
        members(spec, "postback_body", &self.postback_field);
        if let Some(path) = &self.postback_body_file {
            let body: Value = serde_json::from_str(&input::text(path)?)
                .map_err(|e| Failure::usage(format!("{} is not JSON: {e}", path.display())))?;
            put(spec, "postback_body", Some(&body))?;
        }
        put(spec, "postback_payout", self.postback_payout.as_ref())?;
        put(spec, "postback_delay_s", self.postback_delay.as_ref())?;
        put(spec, "postback_first_only", self.postback_first_only.as_ref())?;
        if self.sign {
            let halves = [entropy::random_u128(), entropy::random_u128()].map(u128::to_be_bytes);
            put(spec, "postback_signing_key", Some(&source_postback::new_signing_key(halves.concat())))?;
        }
        if let Some(path) = &self.signing_key_file {
            put(spec, "postback_signing_key", Some(&input::text(path)?.trim()))?;
        }
        Ok(())
    }
}

/// Puts members into an object.
fn members(spec: &mut Spec, field: &str, pairs: &[(String, String)]) {
    if pairs.is_empty() {
        return;
    }
    let object = spec.entry(field.to_owned()).or_insert_with(|| json!({}));
    if !object.is_object() {
        *object = json!({});
    }
    if let Value::Object(object) = object {
        object.extend(pairs.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_a_hundred_or_an_amount() {
        let of = |text| share(text).map(|s| json!(s));
        assert_eq!(of("80%"), Ok(json!({"percent": "80"})));
        assert_eq!(of("62.5 %"), Ok(json!({"percent": "62.5"})));
        assert_eq!(of("1.50"), Ok(json!({"fixed": "1.5"})));
        for bad in ["", "%", "101%", "-1%", "-1", "much", "1.5 EUR"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
