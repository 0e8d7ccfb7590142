//! The facts of a click that reports group by: the one table of them.
//!
//! A new fact is one entry here, what fills it (`routing::record`), and a migration of each store
//! (`docs/decisions/0030-one-list-of-event-fields.md`).

use super::fields::{ClickHousePlace, EventField, JsonType, RowColumn};
use crate::{
    id::{CampaignId, DestinationId, NetworkId, SourceId, StreamId},
    routing::DeviceType,
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Calls a macro with the facts of a click: whoever has something for each of them makes it from here.
///
/// `clickhouse`: the type of its column. `sqlite`: how the embedded store keeps it ([`RowColumn`]), and the migration
/// of `events.db` that brought the column. `dimension`: what reports call it.
#[macro_export]
macro_rules! click_facts {
    ($then:ident) => {
        $then! {
            /// The campaign of the link that was clicked on: it bears the click, its cost and what its conversions bring.
            #[serde(skip_serializing_if = "Option::is_none")]
            campaign_id: Option<CampaignId> {
                json: JsonType::Id("cmp"), clickhouse: "LowCardinality(String)", sqlite: numbered(campaign) since 1,
                dimension: Campaign "campaign"
            }
            /// The campaign that decided, where the click was handed over to another one.
            #[serde(skip_serializing_if = "Option::is_none")]
            deciding_campaign_id: Option<CampaignId> {
                json: JsonType::Id("cmp"), clickhouse: "LowCardinality(String)", sqlite: numbered(deciding) since 2,
                dimension: DecidingCampaign "deciding_campaign"
            }
            /// The stream that took the click.
            #[serde(skip_serializing_if = "Option::is_none")]
            stream_id: Option<StreamId> {
                json: JsonType::Id("str"), clickhouse: "LowCardinality(String)", sqlite: numbered(stream) since 1,
                dimension: Stream "stream"
            }
            /// Where it was sent.
            #[serde(skip_serializing_if = "Option::is_none")]
            destination_id: Option<DestinationId> {
                json: JsonType::Id("dst"), clickhouse: "LowCardinality(String)", sqlite: numbered(destination) since 1,
                dimension: Destination "destination"
            }
            /// Where it was bought.
            #[serde(skip_serializing_if = "Option::is_none")]
            source_id: Option<SourceId> {
                json: JsonType::Id("src"), clickhouse: "LowCardinality(String)", sqlite: numbered(source) since 1,
                dimension: Source "source"
            }
            /// Who would pay.
            #[serde(skip_serializing_if = "Option::is_none")]
            network_id: Option<NetworkId> {
                json: JsonType::Id("net"), clickhouse: "LowCardinality(String)", sqlite: numbered(network) since 1,
                dimension: Network "network"
            }
            /// ISO 3166-1 alpha-2; empty when unknown, as all texts here.
            #[serde(skip_serializing_if = "SmolStr::is_empty")]
            country: SmolStr {
                json: JsonType::Text, clickhouse: "LowCardinality(String)", sqlite: numbered(country) since 1,
                dimension: Country "country"
            }
            /// ISO 3166-2 without the country.
            #[serde(skip_serializing_if = "SmolStr::is_empty")]
            region: SmolStr {
                json: JsonType::Text, clickhouse: "LowCardinality(String)", sqlite: numbered(region) since 1,
                dimension: Region "region"
            }
            /// English name.
            #[serde(skip_serializing_if = "SmolStr::is_empty")]
            city: SmolStr {
                json: JsonType::Text, clickhouse: "LowCardinality(String)", sqlite: numbered(city) since 1,
                dimension: City "city"
            }
            /// Provider.
            #[serde(skip_serializing_if = "SmolStr::is_empty")]
            isp: SmolStr {
                json: JsonType::Text, clickhouse: "LowCardinality(String)", sqlite: numbered(isp) since 1,
                dimension: Isp "isp"
            }
            /// How it is connected: `cellular`, `cable/dsl`, `corporate`, `satellite`.
            #[serde(skip_serializing_if = "SmolStr::is_empty")]
            connection_type: SmolStr {
                json: JsonType::Text,
                clickhouse: "LowCardinality(String) DEFAULT JSONExtractString(event, 'connection_type')",
                sqlite: numbered(connection) since 5,
                dimension: ConnectionType "connection_type"
            }
            /// Kind of machine.
            device_type: DeviceType {
                json: JsonType::Word, clickhouse: "LowCardinality(String)", sqlite: bits(facts) since 1,
                dimension: DeviceType "device_type"
            }
            /// Operating system.
            #[serde(skip_serializing_if = "SmolStr::is_empty")]
            os: SmolStr {
                json: JsonType::Text, clickhouse: "LowCardinality(String)", sqlite: numbered(os) since 1,
                dimension: Os "os"
            }
            /// Browser.
            #[serde(skip_serializing_if = "SmolStr::is_empty")]
            browser: SmolStr {
                json: JsonType::Text, clickhouse: "LowCardinality(String)", sqlite: numbered(browser) since 1,
                dimension: Browser "browser"
            }
            /// Most preferred language.
            #[serde(skip_serializing_if = "SmolStr::is_empty")]
            language: SmolStr {
                json: JsonType::Text, clickhouse: "LowCardinality(String)", sqlite: numbered(language) since 1,
                dimension: Language "language"
            }
            /// Host of the referrer.
            #[serde(skip_serializing_if = "SmolStr::is_empty")]
            referrer_host: SmolStr {
                json: JsonType::Text, clickhouse: "LowCardinality(String)", sqlite: numbered(referrer) since 1,
                dimension: ReferrerHost "referrer"
            }
            /// The keyword.
            #[serde(skip_serializing_if = "SmolStr::is_empty")]
            keyword: SmolStr {
                json: JsonType::Text, clickhouse: "String", sqlite: text(keyword) since 1,
                dimension: Keyword "keyword"
            }
            /// `sub1` … `sub20`, as far as the last that is not empty.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            subs: Vec<SmolStr> {
                json: JsonType::Texts, clickhouse: "Array(String)", sqlite: list(subs) since 1
            }
            /// Whether it was a bot.
            is_bot: bool {
                json: JsonType::Mark, clickhouse: "Bool", sqlite: bits(facts) since 1
            }
            /// Whether it is a test: a click on a campaign that is one, which is nobody's money.
            #[serde(skip_serializing_if = "super::click::is_false")]
            test: bool {
                json: JsonType::Mark, clickhouse: "Bool", sqlite: bits(facts) since 2
            }
        }
    };
}

/// A fact as reports show it, where it is one text.
pub trait FactText {
    /// Empty: it is not known.
    fn fact_text(&self) -> &str;
}

impl FactText for SmolStr {
    fn fact_text(&self) -> &str {
        self
    }
}

impl FactText for DeviceType {
    fn fact_text(&self) -> &str {
        self.as_str()
    }
}

macro_rules! ids {
    ($($id:ident)*) => {$(
        impl FactText for Option<$id> {
            fn fact_text(&self) -> &str {
                self.as_ref().map_or("", |id| id.as_str())
            }
        }
    )*};
}
ids!(CampaignId StreamId DestinationId SourceId NetworkId);

macro_rules! row_column {
    (numbered $column:ident) => {
        RowColumn::Numbered(stringify!($column))
    };
    (text $column:ident) => {
        RowColumn::Text(stringify!($column))
    };
    (list $column:ident) => {
        RowColumn::List(stringify!($column))
    };
    (bits $column:ident) => {
        RowColumn::Bits
    };
}

macro_rules! facts {
    ($(
        $(#[$meta:meta])*
        $field:ident: $type:ty {
            json: $json:expr, clickhouse: $clickhouse:literal, sqlite: $how:ident($column:ident) since $since:literal
            $(, dimension: $dimension:ident $word:literal)?
        }
    )*) => {
        /// The facts reports group by; a conversion carries those of its click.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(default)]
        pub struct ClickDims {
            $($(#[$meta])* pub $field: $type,)*
        }

        impl ClickDims {
            /// What its fields are, in their order.
            pub const FIELDS: &'static [EventField] = &[$(EventField {
                name: stringify!($field),
                json: $json,
                required: false,
                kept: ClickHousePlace::Column($clickhouse),
                row: row_column!($how $column),
                since: $since,
            },)*];
        }
    };
}
click_facts!(facts);

impl ClickDims {
    /// The campaign that decided, be it the link's own.
    pub const fn decided_by(&self) -> Option<&CampaignId> {
        match &self.deciding_campaign_id {
            Some(other) => Some(other),
            None => self.campaign_id.as_ref(),
        }
    }
}
