//! What reports group and filter by.

use crate::nearest::did_you_mean;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// One dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Dimension {
    /// The campaign that was clicked on.
    Campaign,
    /// The campaign that decided: another one if the click was handed over.
    DecidingCampaign,
    /// Stream.
    Stream,
    /// Destination.
    Destination,
    /// Traffic source.
    Source,
    /// Affiliate network of the destination.
    Network,
    /// Country code.
    Country,
    /// Region code.
    Region,
    /// City.
    City,
    /// Provider.
    Isp,
    /// Kind of machine.
    DeviceType,
    /// Operating system.
    Os,
    /// Browser.
    Browser,
    /// Language.
    Language,
    /// Host of the referrer.
    ReferrerHost,
    /// Keyword.
    Keyword,
    /// `sub1` … `sub20`: 1 … 20.
    Sub(u8),
    /// Status of the conversion; clicks stand under the empty text.
    Status,
    /// `true` or `false`.
    Bot,
    /// Hour.
    Hour,
    /// Day.
    Day,
    /// ISO week.
    Week,
    /// Month.
    Month,
    /// Hour of the day, `00` to `23`.
    HourOfDay,
    /// Day of the week, `1 Mon` to `7 Sun`.
    Weekday,
}

const NAMED: [(Dimension, &str); 24] = [
    (Dimension::Campaign, "campaign"),
    (Dimension::DecidingCampaign, "deciding_campaign"),
    (Dimension::Stream, "stream"),
    (Dimension::Destination, "destination"),
    (Dimension::Source, "source"),
    (Dimension::Network, "network"),
    (Dimension::Country, "country"),
    (Dimension::Region, "region"),
    (Dimension::City, "city"),
    (Dimension::Isp, "isp"),
    (Dimension::DeviceType, "device_type"),
    (Dimension::Os, "os"),
    (Dimension::Browser, "browser"),
    (Dimension::Language, "language"),
    (Dimension::ReferrerHost, "referrer"),
    (Dimension::Keyword, "keyword"),
    (Dimension::Status, "status"),
    (Dimension::Bot, "bot"),
    (Dimension::Hour, "hour"),
    (Dimension::Day, "day"),
    (Dimension::Week, "week"),
    (Dimension::Month, "month"),
    (Dimension::HourOfDay, "hour_of_day"),
    (Dimension::Weekday, "weekday"),
];

impl Dimension {
    /// The names of all but the sub ids.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(_, name)| *name)
    }

    /// True for hour, day, week, month, hour of day and weekday.
    pub const fn is_time(self) -> bool {
        matches!(self, Self::Hour | Self::Day | Self::Week | Self::Month | Self::HourOfDay | Self::Weekday)
    }

    /// True where values are ids of entities, compared as they are; other texts are compared without regard to case.
    pub const fn is_id(self) -> bool {
        matches!(
            self,
            Self::Campaign
                | Self::DecidingCampaign
                | Self::Stream
                | Self::Destination
                | Self::Source
                | Self::Network
        )
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sub(n) => write!(f, "sub{n}"),
            other => {
                let name = NAMED.iter().find(|(d, _)| d == other).map_or("", |(_, n)| n);
                f.write_str(name)
            }
        }
    }
}

impl FromStr for Dimension {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((d, _)) = NAMED.iter().find(|(_, n)| *n == text) {
            return Ok(*d);
        }
        if let Some(n) = crate::entity::sub_index(text) {
            return Ok(Self::Sub(u8::try_from(n + 1).unwrap_or(20)));
        }
        let known: Vec<&str> = NAMED.iter().map(|(_, n)| *n).collect();
        let meant = did_you_mean(text, known.iter().copied());
        Err(format!("'{text}' is not a dimension{meant}; known are {}, sub1 to sub20", known.join(", ")))
    }
}

impl TryFrom<String> for Dimension {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Dimension> for String {
    fn from(d: Dimension) -> Self {
        d.to_string()
    }
}
