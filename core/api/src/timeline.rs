//! What became of a click: everything that is known of it, in the order of time.

use serde::{Deserialize, Serialize};
pub use tfx_domain::event::PostbackResult;
use tfx_domain::{
    Timestamp,
    id::{ClickId, ConversionId, DestinationId, SourceId, StreamId},
    money::Money,
    postback::ConversionStatus,
};

/// What became of a click.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Timeline {
    /// Which click.
    pub click_id: ClickId,
    /// The oldest first.
    pub steps: Vec<Step>,
    /// False when there is more in the postback log of this click than is read: the newest was.
    pub complete: bool,
    /// Why what belongs here cannot be read: it is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// What a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// The request on the tracking link.
    Click,
    /// A stream that did not take it.
    PassedOver,
    /// Where it went.
    Decision,
    /// A postback that came in.
    Postback,
    /// A conversion of it came into a state.
    Conversion,
    /// Its source was told, or was to be told.
    Told,
    /// Its source is still to be told.
    Waiting,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Step {
    /// When, UTC.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub at: Timestamp,
    /// What kind of thing.
    pub kind: StepKind,
    /// In a sentence.
    pub what: String,
    /// Somebody tried it (`tfx source test`): no conversion stands behind it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// The stream that took it, or passed it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<StreamId>,
    /// Where it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_id: Option<DestinationId>,
    /// The line of the postback log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postback_id: Option<ClickId>,
    /// The slug of the network that sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// What became of a postback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<PostbackResult>,
    /// The HTTP status of the answer; 0 for what happened later to a postback, and where a source gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Which conversion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion_id: Option<ConversionId>,
    /// The status it had before, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ConversionStatus>,
    /// The status it has since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion_status: Option<ConversionStatus>,
    /// What it brings since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revenue: Option<Money>,
    /// The source that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<SourceId>,
    /// Which attempt to tell it; of one that waits, how many there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Milliseconds to its answer, or to the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u32>,
    /// By what name it can be told again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}

impl Step {
    /// A step of which nothing more is known.
    pub fn new(at: Timestamp, kind: StepKind, what: impl Into<String>) -> Self {
        Self {
            at,
            kind,
            what: what.into(),
            test: false,
            stream_id: None,
            destination_id: None,
            postback_id: None,
            network: None,
            result: None,
            status: None,
            conversion_id: None,
            from: None,
            conversion_status: None,
            revenue: None,
            source_id: None,
            attempt: None,
            latency_ms: None,
            job: None,
        }
    }
}
