//! Rates of currencies.

use serde::{Deserialize, Serialize};
use tfx_domain::{Date, money::Currency};

/// Rates to set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetRates {
    /// All of them or none; no pair and day twice.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 10_000)))]
    pub rates: Vec<NewRate>,
    /// Only say what they would come to.
    #[serde(default)]
    pub dry_run: bool,
}

/// A rate to set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRate {
    /// What is converted.
    #[cfg_attr(feature = "schema", schemars(with = "Currency"))]
    pub from: String,
    /// What it becomes.
    #[cfg_attr(feature = "schema", schemars(with = "Currency"))]
    pub to: String,
    /// The first day on which it holds, in UTC; else today. It holds until the pair's next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Day>"))]
    pub day: Option<String>,
    /// How much of `to` one unit of `from` is: above 0 and up to 10⁹, to twelve decimals.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::RateText"))]
    pub rate: String,
}

/// A rate to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RemoveRate {
    /// What is converted.
    #[cfg_attr(feature = "schema", schemars(with = "Currency"))]
    pub from: String,
    /// What it becomes.
    #[cfg_attr(feature = "schema", schemars(with = "Currency"))]
    pub to: String,
    /// The day from which it holds.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Day"))]
    pub day: String,
}

/// What changes of rates came to, or would come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RatesAnswer {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Rates that there were none of.
    pub new: usize,
    /// Rates that were others.
    pub changed: usize,
    /// Rates that were so already.
    pub same: usize,
    /// Rates that are there no more.
    pub removed: usize,
}

/// A rate as it is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetRate {
    /// What is converted.
    pub from: Currency,
    /// What it becomes.
    pub to: Currency,
    /// The first day on which it holds, in UTC; it holds until the pair's next one.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Day"))]
    pub day: Date,
    /// How much of `to` one unit of `from` is.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::RateText"))]
    pub rate: String,
}

/// Which rates to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RatesQuery {
    /// Only from this currency.
    pub from: Option<String>,
    /// Only to this one.
    pub to: Option<String>,
    /// The most of a page.
    pub limit: Option<usize>,
    /// Where the page begins.
    pub cursor: Option<String>,
}
