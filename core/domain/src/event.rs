//! What is written to the event log: one event, complete by itself, for every click, conversion and postback.
//!
//! JSON field names are the schema: they may be added to, never renamed. [`SCHEMA`] counts changes of meaning.

mod click;
mod conversion;
mod counts;
mod erased;
mod facts;
mod fields;
mod health;
mod log_filter;
mod postback_log;
mod short;
mod test_traffic;

pub use click::{ClickEvent, Outcome, PassedStream};
pub use conversion::ConversionEvent;
pub use counts::EventCounts;
pub use erased::PersonNames;
pub use facts::{ClickDims, FactText};
pub use fields::{ClickHousePlace, EventField, EventKind, JsonType, RowColumn};
pub use health::HealthEvent;
pub use log_filter::{PostbackField, PostbackFilter};
pub use postback_log::{PostbackDirection, PostbackLogEvent, PostbackResult};
pub use test_traffic::TestTraffic;

use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, ToSmolStr, format_smolstr};

/// The version of the event schema, in every event's `schema` field.
pub const SCHEMA: u16 = 1;

/// The topics of the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Clicks that a stream took.
    ClickEvents,
    /// Every new state of a conversion.
    ConversionEvents,
    /// Every postback received or sent.
    PostbackLogEvents,
    /// Clicks that no stream took: trafficback, not found, loop hits.
    TrafficbackEvents,
    /// Changes of a destination's health.
    DestinationHealthEvents,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ClickEvents,
        Self::ConversionEvents,
        Self::PostbackLogEvents,
        Self::TrafficbackEvents,
        Self::DestinationHealthEvents,
    ];

    /// A number that never changes, for files.
    pub const fn code(self) -> u8 {
        match self {
            Self::ClickEvents => 1,
            Self::ConversionEvents => 2,
            Self::PostbackLogEvents => 3,
            Self::TrafficbackEvents => 4,
            Self::DestinationHealthEvents => 5,
        }
    }

    /// The topic of that number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.code() == code)
    }

    /// The name without the product's prefix: `click_events`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClickEvents => "click_events",
            Self::ConversionEvents => "conversion_events",
            Self::PostbackLogEvents => "postback_log_events",
            Self::TrafficbackEvents => "trafficback_events",
            Self::DestinationHealthEvents => "destination_health_events",
        }
    }
}

/// An event of any kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A click; its outcome decides the topic.
    Click(Box<ClickEvent>),
    /// A new state of a conversion.
    Conversion(Box<ConversionEvent>),
    /// A postback.
    PostbackLog(Box<PostbackLogEvent>),
    /// A change of a destination's health.
    Health(Box<HealthEvent>),
}

impl Event {
    /// Where it goes.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Click(c) if c.outcome == Outcome::Routed => Topic::ClickEvents,
            Self::Click(_) => Topic::TrafficbackEvents,
            Self::Conversion(_) => Topic::ConversionEvents,
            Self::PostbackLog(_) => Topic::PostbackLogEvents,
            Self::Health(_) => Topic::DestinationHealthEvents,
        }
    }

    /// What counts it once however often it is delivered.
    pub fn id(&self) -> SmolStr {
        match self {
            Self::Click(c) => c.click_id.to_smolstr(),
            Self::Conversion(c) => format_smolstr!("{}.{}", c.conversion_id, c.version),
            Self::PostbackLog(p) => p.id.to_smolstr(),
            Self::Health(h) => h.id.to_smolstr(),
        }
    }

    /// What keeps order and place: events of one click, or of one destination's health, go to one partition.
    pub fn key(&self) -> SmolStr {
        match self {
            Self::Click(c) => c.click_id.to_smolstr(),
            Self::Conversion(c) => c.click_id.to_smolstr(),
            Self::PostbackLog(p) => p.click_id.map_or_else(|| p.id.to_smolstr(), |c| c.to_smolstr()),
            Self::Health(h) => h.destination_id.to_smolstr(),
        }
    }

    /// The JSON that is written.
    ///
    /// # Errors
    /// Never for the types here; kept as a result so that a failure is counted, not a panic.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Self::Click(c) => serde_json::to_vec(c),
            Self::Conversion(c) => serde_json::to_vec(c),
            Self::PostbackLog(p) => serde_json::to_vec(p),
            Self::Health(h) => serde_json::to_vec(h),
        }
    }
}
