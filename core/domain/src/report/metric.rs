//! The metrics of a report. Formulas: `docs/reports.md`.

use serde::{Deserialize, Serialize};

/// How a metric is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// An amount in the report's currency.
    Money,
    /// Per hundred.
    Percent,
    /// A plain ratio.
    Ratio,
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// All requests.
    Hits,
}
