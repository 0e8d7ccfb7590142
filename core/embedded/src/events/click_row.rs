//! Reading a click event's JSON: only what is counted, borrowed from the payload. Every click pays for this;
//! [`tfx_domain::event::ClickEvent`] itself, with its flattened part, costs several times as much.

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};
use tfx_domain::{
    Timestamp,
    event::Outcome,
    money::Money,
    routing::{DeviceType, RequestKind},
};

/// How a fact is read: what is kept as a text is borrowed.
macro_rules! cell {
    ($a:lifetime bits $type:ty) => {
        $type
    };
    ($a:lifetime list $type:ty) => {
        List<$a>
    };
    ($a:lifetime $text:ident $type:ty) => {
        Text<$a>
    };
}

macro_rules! click_row {
    ($(
        $(#[$meta:meta])*
        $field:ident: $type:ty {
            json: $json:expr, clickhouse: $clickhouse:literal, sqlite: $how:ident($column:ident) since $since:literal
            $(, dimension: $dimension:ident $word:literal)?
        }
    )*) => {
        /// The counted facts of a click. What is required is what makes it a click event.
        #[derive(Debug, Deserialize)]
        pub(super) struct ClickRow<'a> {
            pub(super) schema: u16,
            #[serde(rename = "at")]
            _at: Timestamp,
            #[serde(rename = "status")]
            _status: u16,
            #[serde(rename = "config_revision")]
            _config_revision: u64,
            #[serde(borrow)]
            pub(super) click_id: Text<'a>,
            #[serde(borrow)]
            pub(super) visitor_id: Text<'a>,
            #[serde(default)]
            pub(super) outcome: Outcome,
            #[serde(default)]
            pub(super) request: RequestKind,
            #[serde(default)]
            pub(super) unique_campaign: bool,
            #[serde(default)]
            pub(super) unique_stream: bool,
            #[serde(default)]
            pub(super) unique_destination: bool,
            #[serde(default)]
            pub(super) cost: Option<Money>,
            #[serde(default)]
            pub(super) bot_cost: Option<Money>,
            #[serde(borrow, default)]
            pub(super) cost_refused: Text<'a>,
            $(
                #[serde(default)]
                pub(super) $field: cell!('a $how $type),
            )*
        }
    };
}
tfx_domain::click_facts!(click_row);

impl ClickRow<'_> {
    /// What it cost; of a bot, what it would have cost. Before there was `bot_cost` that stood as the cost of bots.
    pub(super) fn any_cost(&self) -> Option<Money> {
        if self.is_bot { self.bot_cost.or(self.cost) } else { self.cost }
    }
}

/// A text of the payload, borrowed unless it has escapes; absent and null are empty.
#[derive(Debug, Default)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsText;
        impl<'de> Visitor<'de> for AsText {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(AsText)
    }
}

/// A list of texts, kept as its JSON; absent: none.
#[derive(Debug, Default)]
pub(super) struct List<'a>(pub(super) Option<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
                while seq.next_element::<Text<'de>>()?.is_some() {}
                Ok(())
            }
        }
        let raw = <&RawValue>::deserialize(deserializer)?;
        let mut inner = serde_json::Deserializer::from_str(raw.get());
        inner.deserialize_seq(Texts).map_err(D::Error::custom)?;
        Ok(Self(Some(raw)))
    }
}
