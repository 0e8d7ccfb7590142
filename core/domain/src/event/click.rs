//! One request on a tracking link, with every fact that routing used.

use crate::{
    Timestamp,
    id::{CampaignId, ClickId, DestinationId, NetworkId, SourceId, StreamId, VisitorId},
    money::Money,
    routing::{DeviceType, RequestKind},
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// What became of a click.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// The facts reports group by; a conversion carries those of its click.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClickDims {
    /// The campaign of the link that was clicked on: it bears the click, its cost and what its conversions bring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<CampaignId>,
    /// The campaign that decided, where the click was handed over to another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deciding_campaign_id: Option<CampaignId>,
    /// The stream that took the click.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<StreamId>,
    /// Where it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_id: Option<DestinationId>,
    /// Where it was bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<SourceId>,
    /// Who would pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_id: Option<NetworkId>,
    /// ISO 3166-1 alpha-2; empty when unknown, as all texts here.
    #[serde(skip_serializing_if = "SmolStr::is_empty")]
    pub country: SmolStr,
    /// ISO 3166-2 without the country.
    #[serde(skip_serializing_if = "SmolStr::is_empty")]
    pub region: SmolStr,
    /// English name.
    #[serde(skip_serializing_if = "SmolStr::is_empty")]
    pub city: SmolStr,
    /// Provider.
    #[serde(skip_serializing_if = "SmolStr::is_empty")]
    pub isp: SmolStr,
    /// Kind of machine.
    pub device_type: DeviceType,
    /// Operating system.
    #[serde(skip_serializing_if = "SmolStr::is_empty")]
    pub os: SmolStr,
    /// Browser.
    #[serde(skip_serializing_if = "SmolStr::is_empty")]
    pub browser: SmolStr,
    /// Most preferred language.
    #[serde(skip_serializing_if = "SmolStr::is_empty")]
    pub language: SmolStr,
    /// Host of the referrer.
    #[serde(skip_serializing_if = "SmolStr::is_empty")]
    pub referrer_host: SmolStr,
    /// The keyword.
    #[serde(skip_serializing_if = "SmolStr::is_empty")]
    pub keyword: SmolStr,
    /// `sub1` … `sub20`, as far as the last that is not empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subs: Vec<SmolStr>,
    /// Whether it was a bot.
    pub is_bot: bool,
    /// Whether it is a test: a click on a campaign that is one, which is nobody's money.
    #[serde(skip_serializing_if = "is_false")]
    pub test: bool,
}

impl ClickDims {
    /// The campaign that decided, be it the link's own.
    pub const fn decided_by(&self) -> Option<&CampaignId> {
        match &self.deciding_campaign_id {
            Some(other) => Some(other),
            None => self.campaign_id.as_ref(),
        }
    }
}

/// Whether a mark is absent, and need not be written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
pub(super) const fn is_false(mark: &bool) -> bool {
    !*mark
}

/// One request on a tracking link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClickEvent {
    /// [`crate::event::SCHEMA`].
    pub schema: u16,
    /// Its identity; also the event's.
    pub click_id: ClickId,
    /// When the click came in, UTC.
    pub at: Timestamp,
    /// What became of it.
    #[serde(default)]
    pub outcome: Outcome,
    /// Whether a person asked.
    #[serde(default)]
    pub request: RequestKind,
    /// What reports group by.
    #[serde(flatten)]
    pub dims: ClickDims,
    /// The slug that was asked for, known or not.
    #[serde(default)]
    pub campaign_slug: SmolStr,
    /// The name of the link's campaign at that time.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub campaign_name: String,
    /// The slug of the campaign that decided, where that is another one.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub deciding_campaign_slug: SmolStr,
    /// Its name at that time.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub deciding_campaign_name: String,
    /// Who, pseudonymously.
    pub visitor_id: VisitorId,
    /// The address, as much of it as the privacy setting keeps.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub ip: SmolStr,
    /// Continent code.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub continent: SmolStr,
    /// Autonomous system number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// Connection type.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub connection_type: SmolStr,
    /// The user agent as sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user_agent: String,
    /// Device model.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub device_model: SmolStr,
    /// Version of the operating system.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub os_version: SmolStr,
    /// Version of the browser.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub browser_version: SmolStr,
    /// The referrer as sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub referrer: String,
    /// Decoded query parameters in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<(SmolStr, String)>,
    /// The source's own id of the click.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub external_id: String,
    /// Why it is a bot; empty if it is none.
    #[serde(default, skip_serializing_if = "SmolStr::is_empty")]
    pub bot_reason: SmolStr,
    /// First of this visitor in the campaign within its window.
    #[serde(default)]
    pub unique_campaign: bool,
    /// First of this visitor in the stream.
    #[serde(default)]
    pub unique_stream: bool,
    /// First of this visitor at the destination.
    #[serde(default)]
    pub unique_destination: bool,
    /// What it cost: visits of people only. Before there was `bot_cost`, bots carried theirs here; no figure of cost
    /// counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// What it would have cost if the bot were a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_cost: Option<Money>,
    /// Where the visitor was sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub final_url: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// True when a binding decided.
    #[serde(default)]
    pub bound: bool,
    /// The revision of the configuration that decided.
    pub config_revision: u64,
    /// Campaigns that handed the click over, the link's first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handed_over: Vec<CampaignId>,
    /// Why each stream asked before did not take it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<PassedStream>,
}

/// A stream that did not take the click.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedStream {
    /// The id of the stream.
    pub stream_id: StreamId,
    /// `routing::Reason` as text.
    pub reason: SmolStr,
}
