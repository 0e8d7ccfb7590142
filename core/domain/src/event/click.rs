//! One request on a tracking link, with every fact that routing used.

use super::{
    ClickDims,
    fields::{ClickHousePlace, EventField, described},
};
use crate::{
    Timestamp,
    entity::Due,
    id::{CampaignId, ClickId, StreamId, VisitorId},
    money::Money,
    routing::RequestKind,
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// What became of a click.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A stream took it.
    #[default]
    Routed,
    /// It went to a trafficback URL.
    Trafficback,
    /// There was nowhere to go: 404.
    NotFound,
    /// It was stopped as a loop: 508.
    Loop,
}

impl Outcome {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Routed => "routed",
            Self::Trafficback => "trafficback",
            Self::NotFound => "not_found",
            Self::Loop => "loop",
        }
    }
}

impl ClickEvent {
    /// What its conversions cost.
    pub fn due(&self) -> Due {
        Due { sale: self.sale_cost, percent: self.revenue_share.parse().ok() }
    }
}

/// Whether a mark is absent, and need not be written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
pub(super) const fn is_false(mark: &bool) -> bool {
    !*mark
}

described! {
    /// One request on a tracking link.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct ClickEvent {
        /// [`crate::event::SCHEMA`].
        pub schema: u16 = of(U16).required(),
        /// Its identity; also the event's.
        pub click_id: ClickId = of(Ulid).required().column("String CODEC(ZSTD(1))"),
        /// When the click came in, UTC.
        #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
        pub at: Timestamp = of(Time).required().column("DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))"),
        /// What became of it.
        #[serde(default)]
        pub outcome: Outcome = of(Word).kept(ClickHousePlace::Columns(&[
            ("kind", "Enum8('click' = 0, 'bot' = 1, 'prefetch' = 2, 'trafficback' = 3)"),
            ("outcome", "LowCardinality(String)"),
        ])),
        /// Whether a person asked.
        #[serde(default)]
        pub request: RequestKind = of(Word).column("LowCardinality(String)"),
        /// What reports group by.
        #[serde(flatten)]
        pub dims: ClickDims = of(Facts),
        /// The slug that was asked for, known or not.
        #[serde(default)]
        pub campaign_slug: SmolStr = of(Text).kept(ClickHousePlace::Alias),
        /// The name of the link's campaign at that time.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pub campaign_name: String = of(Text),
        /// The slug of the campaign that decided, where that is another one.
        #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
        pub deciding_campaign_slug: SmolStr = of(Text),
        /// Its name at that time.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pub deciding_campaign_name: String = of(Text),
        /// Who, pseudonymously.
        pub visitor_id: VisitorId = of(Visitor).required().column("String"),
        /// The address, as much of it as the privacy setting keeps.
        #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
        pub ip: SmolStr = of(Text).kept(ClickHousePlace::Alias),
        /// Continent code.
        #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
        pub continent: SmolStr = of(Text),
        /// Autonomous system number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub asn: Option<u32> = of(U32),
        /// The user agent as sent.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pub user_agent: String = of(Text).kept(ClickHousePlace::Alias),
        /// Device model.
        #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
        pub device_model: SmolStr = of(Text),
        /// Version of the operating system.
        #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
        pub os_version: SmolStr = of(Text),
        /// Version of the browser.
        #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
        pub browser_version: SmolStr = of(Text),
        /// The referrer as sent.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pub referrer: String = of(Text).kept(ClickHousePlace::Alias),
        /// Decoded query parameters in their order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub params: Vec<(SmolStr, String)> = of(Pairs),
        /// The source's own id of the click.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pub external_id: String = of(Text).kept(ClickHousePlace::Alias),
        /// Why it is a bot; empty if it is none.
        #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
        pub bot_reason: SmolStr = of(Text),
        /// First of this visitor in the link's campaign within its window.
        #[serde(default)]
        pub unique_campaign: bool = of(Mark).column("Bool"),
        /// First of this visitor in the stream, within the window of the campaign that decided.
        #[serde(default)]
        pub unique_stream: bool = of(Mark).column("Bool"),
        /// First of this visitor at the destination, within that window too.
        #[serde(default)]
        pub unique_destination: bool = of(Mark).column("Bool"),
        /// What it cost: visits of people only. Before there was `bot_cost`, bots carried theirs here; no figure of cost
        /// counts it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub cost: Option<Money> = of(Money).kept(ClickHousePlace::Columns(&[
            ("cost", "Decimal(18, 6)"),
            ("cost_currency", "LowCardinality(String)"),
        ])),
        /// What it would have cost if the bot were a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub bot_cost: Option<Money> = of(Money).kept(ClickHousePlace::Folded),
        /// What the link says it cost and nobody can take for a cost, as `bid=abc`; the campaign's counted.
        #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
        pub cost_refused: SmolStr =
            of(Text).column("String DEFAULT JSONExtractString(event, 'cost_refused')"),
        /// What each sale of it costs, by the model that held when it came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub sale_cost: Option<Money> = of(Money),
        /// How many hundredths of what its conversions bring they cost, by that model; empty: none.
        #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
        pub revenue_share: SmolStr = of(Text),
        /// Where the visitor was sent.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        pub final_url: String = of(Text).kept(ClickHousePlace::Alias),
        /// The HTTP status of the answer.
        pub status: u16 = of(U16).required().column("UInt16"),
        /// True when a binding decided.
        #[serde(default)]
        pub bound: bool = of(Mark),
        /// True when it could go to what is down too: no stream took it, and the campaign that decided wants that then.
        #[serde(default, skip_serializing_if = "is_false")]
        pub health_ignored: bool = of(Mark),
        /// The revision of the configuration that decided.
        pub config_revision: u64 = of(U64).required(),
        /// Campaigns that handed the click over, the link's first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub handed_over: Vec<CampaignId> = of(Campaigns),
        /// Why each stream asked before did not take it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub passed: Vec<PassedStream> = of(Passed),
    }
}

/// A stream that did not take the click.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PassedStream {
    /// The id of the stream.
    pub stream_id: StreamId,
    /// `routing::Reason` as text.
    pub reason: SmolStr,
}

impl PassedStream {
    /// The reason of a stream that handed the click over to another campaign.
    pub const HANDED_OVER: &str = "handed_over";

    /// Whether it handed the click over.
    pub fn handed_over(&self) -> bool {
        self.reason == Self::HANDED_OVER
    }
}
