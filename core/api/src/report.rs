//! Reports.

mod row;
#[cfg(feature = "schema")]
mod schema;

pub use row::{DimensionValue, Figures, ReportRow};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
pub use tfx_domain::report::{Attribution, Converted, Dimension, LeftOut, Metric, ReportFilter};
use tfx_domain::{Timestamp, event::TestTraffic, moment, money::Currency};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ReportRequest {
    /// From, inclusive; else the beginning of today in `timezone`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "moment::optional")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub since: Option<Timestamp>,
    /// To, exclusive; else now.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "moment::optional")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub until: Option<Timestamp>,
    /// IANA name of the time zone of hours, days, weeks and months; `UTC` unless said otherwise.
    pub timezone: String,
    /// What rows are grouped by, in order, at most 6. None: one row.
    #[cfg_attr(feature = "schema", schemars(length(max = 6), extend("uniqueItems" = true)))]
    pub dimensions: Vec<Dimension>,
    /// What must hold of every counted event; entities by id or slug.
    #[cfg_attr(feature = "schema", schemars(length(max = 50)))]
    pub filters: Vec<ReportFilter>,
    /// When conversions count.
    pub attribution: Attribution,
    /// Whether test traffic counts; left out unless said otherwise.
    pub test: TestTraffic,
    /// Of all amounts; else USD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Which figures, in order; none: the usual ones.
    #[cfg_attr(feature = "schema", schemars(extend("uniqueItems" = true)))]
    pub metrics: Vec<Metric>,
    /// The order of rows; none: by key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
    /// At most this many rows, 1 to 100,000; else 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 100_000)))]
    pub limit: Option<usize>,
}

impl Default for ReportRequest {
    fn default() -> Self {
        Self {
            since: None,
            until: None,
            timezone: "UTC".to_owned(),
            dimensions: Vec::new(),
            filters: Vec::new(),
            attribution: Attribution::default(),
            test: TestTraffic::default(),
            currency: None,
            metrics: Vec::new(),
            sort: None,
            limit: None,
        }
    }
}

/// An order of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sort {
    /// The name of a metric or of one of the report's dimensions.
    pub by: String,
    /// Largest first.
    #[serde(default)]
    pub desc: bool,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReportAnswer {
    /// From, inclusive.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub since: Timestamp,
    /// To, exclusive.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub until: Timestamp,
    /// Of hours, days, weeks and months.
    pub timezone: String,
    /// When conversions count.
    pub attribution: Attribution,
    /// Of all amounts.
    pub currency: Currency,
    /// The columns of each row's key.
    pub dimensions: Vec<Dimension>,
    /// The figures, in order.
    pub metrics: Vec<Metric>,
    /// The rows.
    pub rows: Vec<ReportRow>,
    /// How many rows there are, those beyond the limit included.
    pub row_count: usize,
    /// The same figures over all rows, those beyond the limit included.
    pub totals: Figures,
    /// Amounts in other currencies for which there is no rate: left out of the figures, revenue and costs apart.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unconverted: BTreeMap<Currency, LeftOut>,
    /// Amounts in other currencies that are in the figures, by currency and rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub converted: Vec<Converted>,
    /// How many requests and conversions of test traffic the figures leave out, because it was not asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tests_left_out: u64,
    /// Visits of people whose link says a cost that nobody can take for one: the campaign's counts, or none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub costs_refused: u64,
    /// A sentence about what the figures leave out, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What cannot be in the rows: places that no geo database knows, what a restore has not brought back yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}
