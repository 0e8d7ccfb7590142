//! Why a click goes where it goes: asked of traffic-service, or read from a stored click.

use crate::page::EntityRef;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr};
pub use tfx_domain::event::Outcome;
use tfx_domain::{
    Timestamp,
    entity::StreamKind,
    id::{ClickId, VisitorId},
    moment,
    money::Money,
    routing::{DeviceType, RequestKind, Standing},
};

/// A click to decide without recording it. What is not said is as for a person without any past.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ExplainRequest {
    /// The campaign: id or slug (api-service passes the slug on).
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub slug: String,
    /// Where it comes from; else 127.0.0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Country code, instead of what the geo database says of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Continent code, instead of what the country is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continent: Option<String>,
    /// Region code, instead of what the geo database says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// City, instead of what the geo database says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Provider, instead of what the geo database says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isp: Option<String>,
    /// Autonomous system, instead of what the geo database says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// Connection type, instead of what the geo database says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_type: Option<String>,
    /// The `Accept-Language` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The `Referer` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    /// Query parameters, decoded, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<(String, String)>,
    /// Other headers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// When; else now.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "moment::optional")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub at: Option<Timestamp>,
    /// Destinations taken to be down: ids or slugs (api-service passes ids on).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 200)))]
    pub unhealthy: Vec<String>,
    /// Destinations, by id or slug, of whose caps that much is taken to be used: of each cap alike.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 200)))]
    pub cap_used: BTreeMap<String, u64>,
    /// How often it came back from trafficback; else 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hops: Option<u8>,
    /// Who, to use the bindings and uniqueness that traffic-service remembers; else somebody new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor: Option<VisitorId>,
    /// Makes draws by weight repeatable; else random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// What is decided, and why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExplainAnswer {
    /// What becomes of the click.
    pub outcome: Outcome,
    /// The stored click this tells of; none for a click that was only asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_id: Option<ClickId>,
    /// When the click came in, UTC; none for a click that was only asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub at: Option<Timestamp>,
    /// The slug that was asked for, known or not.
    pub slug: String,
    /// The campaign of the link, which bears the click; none if the slug is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<EntityRef>,
    /// The campaign that decides, if it was handed over to another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deciding_campaign: Option<EntityRef>,
    /// Campaigns that handed the click over, the link's first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handed_over: Vec<EntityRef>,
    /// The stream that takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<EntityRef>,
    /// Where it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<EntityRef>,
    /// The URL it is sent to; empty if to none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// True when a binding decides.
    pub bound: bool,
    /// True when destinations that are down may take it too: no stream took it, and the campaign that decides has
    /// `all_down: ignore_health`. Streams that health kept from taking it stand in `asked` from before and from after.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub health_ignored: bool,
    /// True when no stream took it and destinations that are down might have: the campaign that decides has
    /// `all_down: trafficback`, and `ignore_health` would ask once more without looking at health.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub down_left_out: bool,
    /// What it costs: visits of people only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// What each sale of it costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_cost: Option<Money>,
    /// How many hundredths of what its conversions bring they cost; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revenue_share: String,
    /// What the link says it costs and nobody can take for a cost, as `bid=abc`; the campaign's counts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cost_refused: String,
    /// First of this visitor in the campaign, the stream, at the destination.
    pub unique: UniqueFacts,
    /// What is known of the visitor.
    pub visitor: VisitorFacts,
    /// Every stream that was asked, in order; the one that took the click last.
    pub asked: Vec<StreamTrace>,
    /// The revision of the configuration that decides.
    pub config_revision: u64,
    /// What is not as it would be for a real click: geo facts that no database knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Of a recorded click: the conflicts that it is a part of, each with the command that mends it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<String>,
}

/// Whether the visitor is new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UniqueFacts {
    /// In the campaign.
    pub campaign: bool,
    /// In the stream.
    pub stream: bool,
    /// At the destination.
    pub destination: bool,
}

/// What is known of a visitor. Empty: unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct VisitorFacts {
    /// Who, pseudonymously.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<VisitorId>,
    /// Whether a person asked.
    pub request: RequestKind,
    /// The address, as much of it as is kept.
    pub ip: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// ISO 3166-2 without the country.
    pub region: String,
    /// English name.
    pub city: String,
    /// Continent code.
    pub continent: String,
    /// Provider.
    pub isp: String,
    /// Autonomous system number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// Connection type.
    pub connection_type: String,
    /// The user agent.
    pub user_agent: String,
    /// Kind of machine.
    pub device_type: DeviceType,
    /// Device model.
    pub device_model: String,
    /// Operating system.
    pub os: String,
    /// Its version.
    pub os_version: String,
    /// Browser.
    pub browser: String,
    /// Its version.
    pub browser_version: String,
    /// Most preferred language.
    pub language: String,
    /// The referrer.
    pub referrer: String,
    /// Why it is a bot, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bot: Option<String>,
}

impl ExplainRequest {
    /// The geo facts that it supposes, by their names in filters.
    pub fn supposed_geo(&self) -> Vec<&'static str> {
        let all = [
            ("country", self.country.is_some()),
            ("continent", self.continent.is_some()),
            ("region", self.region.is_some()),
            ("city", self.city.is_some()),
            ("isp", self.isp.is_some()),
            ("asn", self.asn.is_some()),
            ("connection_type", self.connection_type.is_some()),
        ];
        all.into_iter().filter_map(|(name, said)| said.then_some(name)).collect()
    }
}

/// A stream that was asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StreamTrace {
    /// Its id.
    pub stream_id: String,
    /// Its slug; empty if it does not exist any more.
    #[serde(default)]
    pub slug: String,
    /// The slug of its campaign.
    #[serde(default)]
    pub campaign: String,
    /// When it is asked.
    #[serde(default)]
    pub kind: StreamKind,
    /// Its place.
    #[serde(default)]
    pub position: u32,
    /// Its weight, where streams are drawn by it: a regular one of a campaign with `rotation: weight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// True for the stream that took the click.
    pub taken: bool,
    /// Why not: `routing::Reason` as text (`filter[0] country`); empty when it took the click.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The same for people, with the filter's words and what was found: "country is US, CA; country was DE".
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Its destinations, where they were looked at; none of a recorded click, whose moment is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
}

/// A destination that was looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Candidate {
    /// Its slug.
    pub slug: String,
    /// Whether the click goes there.
    pub chosen: bool,
    /// How it stands.
    pub standing: Standing,
}
