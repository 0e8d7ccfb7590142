//! Importing conversions: rows of a file, each taken as a postback of its network is.

use serde::{Deserialize, Serialize};
use tfx_domain::{
    Timestamp,
    event::PostbackResult,
    id::{ClickId, ConversionId},
    money::Money,
    postback::{ConversionStatus, Field},
};

/// The most rows of a request.
pub const MOST_ROWS: usize = 1_000;

/// Rows to be imported, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// Whose rows they are that name no network: its id or slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The template that reads them: its slug within the network, or its id; none: the network's `default`, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// They are in our own words, as `tfx conversion export` writes them: no template reads them, a status is ours.
    #[serde(default)]
    pub ours: bool,
    /// Rows whose click is not known wait for it, as postbacks do; else they are refused.
    #[serde(default)]
    pub park: bool,
    /// Sources are told of what is imported, as of what networks report.
    #[serde(default)]
    pub tell_sources: bool,
    /// Only say what would become of them.
    #[serde(default)]
    pub dry_run: bool,
    /// What the file is called, for the audit log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 200)))]
    pub file: String,
    /// At most 1,000.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1000)))]
    pub rows: Vec<ImportRow>,
}

/// What a row says, each fact as it stands there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportRow {
    /// Who reported it: id or slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// When it was reported; none: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub at: Option<Timestamp>,
    /// The click.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_id: Option<String>,
    /// The network's transaction id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// The network's word for its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What it pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payout: Option<String>,
    /// Of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

impl ImportRow {
    /// Where a fact is kept.
    pub fn fact(&mut self, field: Field) -> &mut Option<String> {
        match field {
            Field::ClickId => &mut self.click_id,
            Field::TransactionId => &mut self.transaction_id,
            Field::Payout => &mut self.payout,
            Field::Currency => &mut self.currency,
            Field::Status => &mut self.status,
        }
    }
}

/// What became of each row, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImportAnswer {
    /// Whether it was only foreseen.
    pub dry_run: bool,
    /// As many as were asked for.
    pub rows: Vec<ImportedRow>,
}

/// What became of a row, or would.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImportedRow {
    /// `rejected`, `unmatched` and `conflict` were not taken: the row cannot be read, its click is not known, or it speaks of
    /// what is another's. Nor was a `duplicate` or `stale` row of which `there` says that it differs.
    pub result: PostbackResult,
    /// Why, when that is not plain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The conversion it made or met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion_id: Option<ConversionId>,
    /// The status that it gave this conversion; none where it changed nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ConversionStatus>,
    /// What the conversion brings since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revenue: Option<Money>,
    /// What stands, where a row that could be read changed nothing; none also of servers of before there was this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub there: Option<There>,
}

/// A conversion that stands, whatever a row said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct There {
    /// The row says otherwise, and that was not taken: of another transaction, click or payout, or of an outcome that did not
    /// come to be. An earlier stage of what stands does not.
    pub differs: bool,
    /// The network's transaction id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// The click.
    pub click_id: ClickId,
    /// Its status.
    pub status: ConversionStatus,
    /// What it brings.
    pub revenue: Money,
    /// When it was first reported.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub created_at: Timestamp,
    /// Whether its click is a test.
    pub test: bool,
}

impl ImportedRow {
    /// Whether what it says was not taken, and is to be looked at.
    pub fn is_refused(&self) -> bool {
        use PostbackResult::{Conflict, Rejected, Unmatched};
        matches!(self.result, Rejected | Unmatched | Conflict)
            || self.there.as_ref().is_some_and(|t| t.differs)
    }
}
