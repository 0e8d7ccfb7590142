//! How many events there are, by what they tell of.

use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// Stored events, by what they tell of. One that was delivered twice may count twice where the store has not met that yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventCounts {
    /// Clicks that a stream took.
    pub clicks: u64,
    /// Clicks that no stream took.
    pub trafficback: u64,
    /// Conversions, as reports count them; conversions themselves are in another store, and stay.
    pub conversions: u64,
    /// Lines of the postback log.
    pub postbacks: u64,
    /// Everything else.
    pub other: u64,
}

impl EventCounts {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.clicks + self.trafficback + self.conversions + self.postbacks + self.other
    }
}

impl AddAssign for EventCounts {
    fn add_assign(&mut self, more: Self) {
        self.clicks += more.clicks;
        self.trafficback += more.trafficback;
        self.conversions += more.conversions;
        self.postbacks += more.postbacks;
        self.other += more.other;
    }
}
