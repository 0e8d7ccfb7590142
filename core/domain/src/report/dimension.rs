//! What reports group and filter by.

use crate::{
    event::{ClickDims, EventField, FactText, JsonType},
    nearest::did_you_mean,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

macro_rules! dimensions {
    ($(
        $(#[$meta:meta])*
        $field:ident: $type:ty {
            json: $json:expr, clickhouse: $clickhouse:literal, sqlite: $how:ident($column:ident) since $since:literal
            $(, dimension: $dimension:ident $word:literal)?
        }
    )*) => {
        /// One dimension: a fact of a click, or something else that is known of each row.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum Dimension {
            $($(
                #[doc = concat!("[`ClickDims::", stringify!($field), "`].")]
                $dimension,
            )?)*
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

        const NAMED: &[(Dimension, &str)] = &[
            $($((Dimension::$dimension, $word),)?)*
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
            /// The field of [`ClickDims`] that it is; none: it is made of something else.
            pub fn fact(self) -> Option<&'static EventField> {
                let name = match self {
                    $($(Self::$dimension => stringify!($field),)?)*
                    Self::Sub(_)
                    | Self::Status
                    | Self::Bot
                    | Self::Hour
                    | Self::Day
                    | Self::Week
                    | Self::Month
                    | Self::HourOfDay
                    | Self::Weekday => return None,
                };
                ClickDims::FIELDS.iter().find(|f| f.name == name)
            }

            /// What a click says of the fact that it is; empty if it is none.
            pub(super) fn of(self, dims: &ClickDims) -> &str {
                match self {
                    $($(Self::$dimension => dims.$field.fact_text(),)?)*
                    _ => "",
                }
            }
        }
    };
}
crate::click_facts!(dimensions);

impl Dimension {
    /// The names of all but the sub ids.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(_, name)| *name)
    }

    /// True for hour, day, week, month, hour of day and weekday.
    pub const fn is_time(self) -> bool {
        matches!(self, Self::Hour | Self::Day | Self::Week | Self::Month | Self::HourOfDay | Self::Weekday)
    }

    /// What a click says of it; empty: nothing, or it is none of a click's facts.
    pub fn said_by(self, dims: &ClickDims) -> &str {
        match self {
            Self::Sub(n) => dims.subs.get(usize::from(n).saturating_sub(1)).map_or("", |sub| sub.as_str()),
            other => other.of(dims),
        }
    }

    /// True where values are of those facts that [`ClickDims::without_person`] takes off.
    pub fn tells_of_a_person(self) -> bool {
        let fact = |f: &EventField| !matches!(f.json, JsonType::Id(_) | JsonType::Mark);
        matches!(self, Self::Sub(_)) || self.fact().is_some_and(fact)
    }

    /// True where values are ids of entities, compared as they are; other texts are compared without regard to case.
    pub fn is_id(self) -> bool {
        self.fact().is_some_and(|f| matches!(f.json, JsonType::Id(_)))
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
