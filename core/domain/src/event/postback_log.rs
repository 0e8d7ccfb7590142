//! Every postback that came in, whatever became of it, and every attempt to tell a traffic source of a conversion.

use super::fields::{EventField, described};
use crate::{
    Timestamp,
    id::{ClickId, ConversionId, NetworkId, SourceId},
    money::Money,
    postback::ConversionStatus,
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Which way a postback went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PostbackDirection {
    /// From a network to us; lines that say nothing are such.
    #[default]
    In,
    /// From us to a traffic source.
    Out,
}

impl PostbackDirection {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::In, Self::Out];

    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

fn is_in(direction: &PostbackDirection) -> bool {
    *direction == PostbackDirection::In
}

/// What became of a postback. Received = the sum of [`PostbackResult::IN`]; what became of what a source was to
/// be told = the sum of [`PostbackResult::OUT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PostbackResult {
    /// A new conversion.
    Recorded,
    /// A conversion changed its status or payout.
    Updated,
    /// Known already, or a second sale on a click that takes one.
    Duplicate,
    /// A step backwards; nothing changed.
    Stale,
    /// A status the template ignores.
    Ignored,
    /// Its click is not known yet.
    Parked,
    /// Its click never came.
    Unmatched,
    /// Refused: see `reason`.
    Rejected,
    /// It would change the conversion of another click, or speaks of another network's click; nothing changed.
    Conflict,
    /// Told: the source has answered that it has it.
    Sent,
    /// Not told yet, and tried again later.
    Retry,
    /// Not told, and given up.
    Dead,
    /// Not told, and rightly so: it holds no more, or its source asks for another of its click alone.
    Passed,
    /// Not told: what says to its source which click it is about is empty.
    Empty,
}

impl PostbackResult {
    /// All of them. A store may keep the place in it: what is new comes last.
    pub const ALL: [Self; 14] = [
        Self::Recorded,
        Self::Updated,
        Self::Duplicate,
        Self::Stale,
        Self::Ignored,
        Self::Parked,
        Self::Unmatched,
        Self::Rejected,
        Self::Conflict,
        Self::Sent,
        Self::Retry,
        Self::Dead,
        Self::Passed,
        Self::Empty,
    ];

    /// Those of postbacks that came in.
    pub const IN: [Self; 9] = [
        Self::Recorded,
        Self::Updated,
        Self::Duplicate,
        Self::Stale,
        Self::Ignored,
        Self::Parked,
        Self::Unmatched,
        Self::Rejected,
        Self::Conflict,
    ];

    /// Those of what a source was to be told.
    pub const OUT: [Self; 5] = [Self::Sent, Self::Retry, Self::Dead, Self::Passed, Self::Empty];

    /// Of which postbacks it is.
    pub const fn direction(self) -> PostbackDirection {
        match self {
            Self::Sent | Self::Retry | Self::Dead | Self::Passed | Self::Empty => PostbackDirection::Out,
            Self::Recorded
            | Self::Updated
            | Self::Duplicate
            | Self::Stale
            | Self::Ignored
            | Self::Parked
            | Self::Unmatched
            | Self::Rejected
            | Self::Conflict => PostbackDirection::In,
        }
    }

    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Updated => "updated",
            Self::Duplicate => "duplicate",
            Self::Stale => "stale",
            Self::Ignored => "ignored",
            Self::Parked => "parked",
            Self::Unmatched => "unmatched",
            Self::Rejected => "rejected",
            Self::Conflict => "conflict",
            Self::Sent => "sent",
            Self::Retry => "retry",
            Self::Dead => "dead",
            Self::Passed => "passed",
            Self::Empty => "empty",
        }
    }
}

described! {
    /// One postback that came in, or one attempt to send one.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct PostbackLogEvent {
        /// [`crate::event::SCHEMA`].
        pub schema: u16 = of(U16).required(),
        /// A ULID, as click ids are.
        pub id: ClickId = of(Ulid).required().column("String CODEC(ZSTD(1))"),
        /// When the postback came in or was sent, UTC; for what became of a parked one later, when that was decided.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
        pub at: Timestamp = of(Time).required().column("DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))"),
        /// The network's slug as asked for, known or not; empty where it goes to a source.
        pub network: SmolStr = of(Text).required().column("LowCardinality(String)"),
        /// The network, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub network_id: Option<NetworkId> = of(Id("net")).column("LowCardinality(String)"),
        /// The template's slug, if one was asked for.
        #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
        pub template: SmolStr = of(Text).column("LowCardinality(String)"),
        /// Where it came from.
        pub remote_ip: SmolStr = of(Text).required().column("String"),
        /// GET or POST.
        pub method: SmolStr = of(Text).required().column("LowCardinality(String)"),
        /// What it said, secrets masked, each value cut at 1 KiB.
        #[serde(default)]
        pub params: Vec<(String, String)> = of(Pairs),
        /// What became of it.
        pub result: PostbackResult = of(Word).required().column("LowCardinality(String)"),
        /// Why, when that is not plain.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pub reason: String = of(Text).column("String"),
        /// The HTTP status of the answer; 0 for what happened later to a parked one, and where a source gave none.
        pub status: u16 = of(U16).required().column("UInt16"),
        /// The click it named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub click_id: Option<ClickId> = of(Ulid).column("String"),
        /// The conversion it made or met.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub conversion_id: Option<ConversionId> = of(Id("cnv")).column("String"),
        /// The status that it gave this conversion, or of which a source was told; none where it changed nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub conversion_status: Option<ConversionStatus> = of(Status),
        /// What the conversion brings since then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub revenue: Option<Money> = of(Money),
        /// Whether the click it named is a test.
        #[serde(default, skip_serializing_if = "super::click::is_false")]
        pub test: bool = of(Mark).column("Bool"),
        /// Which way it went.
        #[serde(default, skip_serializing_if = "is_in")]
        pub direction: PostbackDirection = of(Word).column("LowCardinality(String) DEFAULT 'in'"),
        /// The slug of the source that was told.
        #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
        pub source: SmolStr = of(Text).column("LowCardinality(String)"),
        /// The source that was told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub source_id: Option<SourceId> = of(Id("src")).column("LowCardinality(String)"),
        /// Of what was told: its key in the queue, by which it can be told again.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pub job: String = of(Text).column("String"),
        /// Which attempt it was, from 1; 0: none was made, or it came in.
        #[serde(default, skip_serializing_if = "is_zero")]
        pub attempt: u16 = of(U16).column("UInt16"),
        /// Milliseconds to the head of the answer, or to the failure.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub latency_ms: Option<u32> = of(U32),
        /// Where it was sent, without what looks like a secret.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pub url: String = of(Text),
        /// How the body of the answer began, the first KiB.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pub answer: String = of(Text),
        /// What was sent with a POST, without what looks like a secret, the first 2 KiB.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pub body: String = of(Text),
    }
}

fn is_zero(n: &u16) -> bool {
    *n == 0
}
