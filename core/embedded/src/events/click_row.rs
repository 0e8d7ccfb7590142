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
    pub(super) campaign_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) deciding_campaign_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) stream_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) destination_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) source_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) network_id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) country: Text<'a>,
    #[serde(borrow, default)]
    pub(super) region: Text<'a>,
    #[serde(borrow, default)]
    pub(super) city: Text<'a>,
    #[serde(borrow, default)]
    pub(super) isp: Text<'a>,
    #[serde(default)]
    pub(super) device_type: DeviceType,
    #[serde(borrow, default)]
    pub(super) os: Text<'a>,
    #[serde(borrow, default)]
    pub(super) browser: Text<'a>,
    #[serde(borrow, default)]
    pub(super) language: Text<'a>,
    #[serde(borrow, default)]
    pub(super) referrer_host: Text<'a>,
    #[serde(borrow, default)]
    pub(super) keyword: Text<'a>,
    #[serde(borrow, default, deserialize_with = "texts")]
    pub(super) subs: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) is_bot: bool,
    #[serde(default)]
    pub(super) test: bool,
}

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

/// A list of texts, kept as its JSON.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
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
    Ok(Some(raw))
}
