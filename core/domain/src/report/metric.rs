//! The metrics of a report: names, labels, units. Formulas for people: `docs/reports.md`; for machines: `compute`.

use crate::nearest::did_you_mean;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// How a metric is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// An amount in the report's currency, to six decimals.
    Money,
    /// Per hundred, to two decimals.
    Percent,
    /// A plain ratio, to four decimals.
    Ratio,
}

/// One list makes the enum, the order of columns, the names, the labels and the units.
macro_rules! metrics {
    ($($(#[$doc:meta])+ $variant:ident, $name:literal, $label:literal, $unit:ident;)+) => {
        /// A metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum Metric {
            $($(#[$doc])+ $variant,)+
        }

        impl Metric {
            /// All of them, in the order of columns.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in JSON and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The heading of its column.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }

            /// How it is read.
            pub const fn unit(self) -> Unit {
                match self {
                    $(Self::$variant => Unit::$unit,)+
                }
            }
        }
    };
}

metrics! {
    /// All requests on tracking links: clicks + bots + prefetches + trafficbacks.
    Hits, "hits", "Hits", Count;
    /// Visits of people that a stream took.
    Clicks, "clicks", "Clicks", Count;
    /// Clicks of visitors new to the campaign within its window.
    UniqueCampaign, "unique_campaign", "Unique", Count;
    /// Clicks of visitors new to the stream.
    UniqueStream, "unique_stream", "Unique (stream)", Count;
    /// Clicks of visitors new to the destination.
    UniqueDestination, "unique_destination", "Unique (dest.)", Count;
    /// Requests of bots, whatever became of them.
    Bots, "bots", "Bots", Count;
    /// Prefetches and HEAD requests, whatever became of them.
    Prefetches, "prefetches", "Prefetches", Count;
    /// Visits of people that no stream took.
    Trafficbacks, "trafficbacks", "Trafficback", Count;
    /// Leads + sales + rebills: everything that pays or may pay.
    Conversions, "conversions", "Conv.", Count;
    /// Conversions on hold, and those with a custom status.
    Leads, "leads", "Leads", Count;
    /// Confirmed conversions.
    Sales, "sales", "Sales", Count;
    /// Conversions the network refused.
    Rejected, "rejected", "Rejected", Count;
    /// Later payments on the same customer.
    Rebills, "rebills", "Rebills", Count;
    /// Revenue of leads and custom statuses.
    RevenueHold, "revenue_hold", "Rev. hold", Money;
    /// Revenue of sales and rebills.
    RevenueConfirmed, "revenue_confirmed", "Rev. conf.", Money;
    /// Revenue on hold and confirmed.
    Revenue, "revenue", "Revenue", Money;
    /// What the visits of people cost.
    Cost, "cost", "Cost", Money;
    /// What the requests of bots would have cost.
    BotCost, "bot_cost", "Bot cost", Money;
    /// Revenue − cost.
    Profit, "profit", "Profit", Money;
    /// Confirmed revenue − cost.
    ProfitConfirmed, "profit_confirmed", "Profit conf.", Money;
    /// Profit / cost × 100.
    Roi, "roi", "ROI %", Percent;
    /// Confirmed profit / cost × 100.
    RoiConfirmed, "roi_confirmed", "ROI conf. %", Percent;
    /// Conversions / clicks × 100.
    Cr, "cr", "CR %", Percent;
    /// (Sales + rebills) / clicks × 100.
    CrConfirmed, "cr_confirmed", "CR conf. %", Percent;
    /// Sales / (sales + leads + rejected) × 100.
    ApprovalRate, "approval_rate", "Approval %", Percent;
    /// Revenue / clicks.
    Epc, "epc", "EPC", Money;
    /// Revenue / clicks new to the campaign.
    Epuc, "epuc", "EPUC", Money;
    /// Cost / clicks.
    Cpc, "cpc", "CPC", Money;
    /// Cost / conversions.
    Cpa, "cpa", "CPA", Money;
    /// Revenue / clicks × 1000.
    Ecpm, "ecpm", "eCPM", Money;
    /// Revenue / cost.
    Roas, "roas", "ROAS", Ratio;
}

impl Metric {
    /// Whether it is money, or tells of it: what comes back for what was spent.
    pub const fn tells_money(self) -> bool {
        matches!(self.unit(), Unit::Money) || matches!(self, Self::Roi | Self::RoiConfirmed | Self::Roas)
    }

    /// True when the value of all rows together is the sum of their values; false for ratios.
    pub const fn is_additive(self) -> bool {
        match self.unit() {
            Unit::Count => true,
            Unit::Money => !matches!(self, Self::Epc | Self::Epuc | Self::Cpc | Self::Cpa | Self::Ecpm),
            Unit::Percent | Unit::Ratio => false,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|m| m.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|m| m.as_str()).collect();
            let meant = did_you_mean(text, known.iter().copied());
            format!("'{text}' is not a metric{meant}; known are {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_has_one_name_everywhere() {
        for m in Metric::ALL {
            assert_eq!(serde_json::to_value(m).expect("a word"), m.as_str());
            assert_eq!(m.as_str().parse(), Ok(*m));
        }
        let error = "clics".parse::<Metric>().expect_err("unknown");
        assert!(
            error.starts_with("'clics' is not a metric (did you mean 'clicks'?); known are hits, clicks, "),
            "{error}"
        );
    }
}
