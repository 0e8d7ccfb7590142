//! `tfx destination`: where clicks are sent.

use super::entity::{EntityCommand, Fields, NAMED, Named, Need, NoParent, NothingReady, Noun, Spec, put};
use crate::{complete, exit::Failure, input, when};
use clap::Args;
use serde_json::{Value, json};
use tfx_domain::{
    entity::Kind,
    macros::{Scope, UrlTemplate},
    money::{Amount, Currency},
};

/// Destinations.
#[derive(Debug)]
pub(crate) struct Destination;

/// What is done with destinations.
pub(crate) type DestinationCommand = EntityCommand<Destination>;

impl Noun for Destination {
    const KIND: Kind = Kind::Destination;
    type Fields = DestinationFields;
    type Parent = NoParent;
    type Ready = NothingReady;
    const EXAMPLES: &'static str = "Examples:\n  \
        tfx destination create --name Offer --network adnet \\\n    \
        --url 'https://offer.example/?s={click_id}' --payout '25 EUR'\n  \
        tfx destination update offer --cap conversions_daily=100 \\\n    \
        --schedule 'mon-fri 20:00-06:00' --timezone Europe/Berlin";
    const NEEDS: &'static [Need] = &[
        NAMED,
        Need {
            question: "URL, with {click_id} in it",
            flag: "--url",
            met: |spec| spec.contains_key("url"),
            check: offer_url,
            put: |spec, text| {
                spec.insert("url".to_owned(), text.into());
            },
        },
    ];

    fn next(created: &Value) -> Vec<String> {
        let url = created["url"].as_str().unwrap_or_default();
        let carries = ["{click_id}", "{subid}", "{clickid}"].iter().any(|m| url.contains(m));
        if carries {
            return Vec::new();
        }
        vec!["note: the URL has no {click_id}, so the network cannot report which click converted".to_owned()]
    }
}

/// Whether a text is a URL that clicks can be sent to.
pub(crate) fn offer_url(text: &str) -> Result<(), String> {
    UrlTemplate::parse(text, Scope::Redirect).map(|_| ()).map_err(|problems| problems.to_string())
}

/// The fields of a destination.
#[derive(Debug, Args)]
pub(crate) struct DestinationFields {
    #[command(flatten)]
    named: Named,
    /// Where clicks are sent; macros such as {click_id} are filled in.
    #[arg(long)]
    url: Option<String>,
    /// The network that pays.
    #[arg(long, value_name = "NETWORK", add = complete::of(Kind::Network))]
    network: Option<String>,
    /// What a conversion pays when the postback does not say: 25 (of the network's currency) or '25 EUR'.
    #[arg(long, value_name = "AMOUNT", value_parser = input::money, allow_negative_numbers = true)]
    payout: Option<(Amount, Option<Currency>)>,
    /// A limit: clicks_daily, clicks_total, conversions_daily or conversions_total.
    #[arg(long, value_name = "CAP=N", value_parser = input::count)]
    cap: Vec<(String, u64)>,
    /// When it takes clicks: 'mon-fri 09:00-18:00'; several are joined.
    #[arg(long, value_name = "HOURS")]
    schedule: Vec<String>,
    /// The time zone of caps and schedule [default: UTC].
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// For how long it is not shown again to the same visitor: 24h, 7d.
    #[arg(long, value_name = "LENGTH", value_parser = when::span)]
    anti_repeat: Option<u64>,
    /// Its health is probed, at this URL or, without one, at its own.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    health_check: Option<String>,
    /// How its health is probed: HEAD or, for servers that refuse it, GET [default: HEAD].
    #[arg(long, value_name = "METHOD", value_parser = ["HEAD", "GET"], ignore_case = true)]
    health_method: Option<String>,
    /// Statuses that mean healthy: 200,204 [default: 200 to 399].
    #[arg(long, value_name = "STATUS,STATUS", value_delimiter = ',', value_parser = input::within::<u16>(100, 599))]
    health_statuses: Vec<u16>,
    /// Bad probes in a row before it is down [default: 3].
    #[arg(long, value_name = "N", value_parser = input::within::<u32>(1, 100))]
    health_down_after: Option<u32>,
    /// Good probes in a row before it is up again [default: 2].
    #[arg(long, value_name = "N", value_parser = input::within::<u32>(1, 100))]
    health_up_after: Option<u32>,
    /// Whether a second transaction on a click counts [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    allow_upsell: Option<bool>,
}

impl Fields for DestinationFields {
    fn put(&self, spec: &mut Spec) -> Result<(), Failure> {
        self.named.put(spec)?;
        put(spec, "url", self.url.as_ref())?;
        put(spec, "network", self.network.as_ref())?;
        if let Some((amount, currency)) = &self.payout {
            put(spec, "payout.amount", Some(amount))?;
            put(spec, "payout.currency", currency.as_ref())?;
        }
        for (name, most) in &self.cap {
            put(spec, &format!("caps.{name}"), Some(most))?;
        }
        if !self.schedule.is_empty() {
            put(spec, "schedule.windows", Some(&self.schedule))?;
        }
        if let Some(zone) = &self.timezone {
            let of: Vec<&str> = ["caps", "schedule"].into_iter().filter(|f| spec.contains_key(*f)).collect();
            if of.is_empty() {
                return Err(Failure::usage("--timezone says when days begin: it needs --cap or --schedule"));
            }
            for field in of {
                put(spec, &format!("{field}.timezone"), Some(zone))?;
            }
        }
        put(spec, "anti_repeat_s", self.anti_repeat.as_ref())?;
        if let Some(url) = &self.health_check {
            // Without one its own URL comes back, if it had another.
            let url = Some(url).filter(|url| !url.is_empty());
            put(spec, "health_check", Some(&json!({ "url": url })))?;
        }
        let method = self.health_method.as_ref().map(|method| method.to_uppercase());
        put(spec, "health_check.method", method.as_ref())?;
        let statuses = Some(&self.health_statuses).filter(|all| !all.is_empty());
        put(spec, "health_check.expected_statuses", statuses)?;
        put(spec, "health_check.failures", self.health_down_after.as_ref())?;
        put(spec, "health_check.successes", self.health_up_after.as_ref())?;
        put(spec, "allow_upsell", self.allow_upsell.as_ref())
    }
}
