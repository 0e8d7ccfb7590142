//! What traffic sources are told of conversions (`docs/postbacks.md`, "Telling the source").
//!
//! A source asks for states ([`Asked`]); what a report did says which of them a conversion came into ([`tells`]). Each is
//! told once, whatever happens: stores keep the names of what was told, and put a [`Tell`] into their queue in the
//! transaction of the state. [`form`] makes a request of it, with the source as it is when it is sent.

mod body;
mod render;

pub use body::Body;
pub use render::{Form, Message, Unsendable, form};

use crate::{
    Timestamp,
    entity::Source,
    event::PostbackResult,
    id::{ClickId, ConversionId, SourceId},
    macros::{Facts, Link, Named},
    money::Money,
    postback::{Conversion, ConversionStatus, Decided, Incoming},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Conversions of one source are told in so many lanes, each one after the other: as many requests to it are under way at
/// most, over all instances.
pub const LANES: u64 = 16;

/// What a source asks for when a report comes in, and what the click knows that a conversion does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Who is told.
    pub source: SourceId,
    /// The states that it asks for; none: it cannot be read, so whoever sends decides.
    pub on: Option<Vec<ConversionStatus>>,
    /// How long after the state.
    pub delay: Duration,
    /// Only the first conversion of a click.
    pub first_only: bool,
    /// The source's own id of the click.
    pub external_id: String,
    /// What the click cost.
    pub cost: Option<Money>,
}

impl Asked {
    /// What a source asks for; nothing if it is told of nothing.
    pub fn of(source: &Source, external_id: &str, cost: Option<Money>) -> Option<Self> {
        let on: Vec<ConversionStatus> = source.spec.tells_of().into_iter().cloned().collect();
        (!on.is_empty()).then(|| Self {
            source: source.id.clone(),
            on: Some(on),
            delay: Duration::from_secs(source.spec.postback_delay_s.into()),
            first_only: source.spec.postback_first_only,
            external_id: external_id.to_owned(),
            cost,
        })
    }

    fn wants(&self, status: &ConversionStatus) -> bool {
        self.on.as_ref().is_none_or(|on| on.contains(status))
    }
}

/// A state of a conversion that a source is to be told of: what is kept until it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tell {
    /// Who is told.
    pub source: SourceId,
    /// The conversion in that state.
    pub conversion: Conversion,
    /// Not before this; none: as soon as may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Only if it is the first conversion of its click that is told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first_only: bool,
    /// What the source asks for could not be read: whoever sends looks whether it asks for this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsure: bool,
    /// The source's own id of the click.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub external_id: String,
    /// What the click cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
}

/// What is to be told of what a report did. Test traffic is told to nobody.
pub fn tells(report: &Incoming, decided: &Decided) -> Vec<Tell> {
    let Some(asked) = &report.tell else { return Vec::new() };
    let reached =
        matches!(decided.result, PostbackResult::Recorded | PostbackResult::Updated) && decided.moved;
    let states = decided.displaced.iter().chain(reached.then_some(&decided.conversion));
    let wanted = states.filter(|c| asked.wants(&c.status) && !c.click.test);
    wanted.map(|c| Tell::new(asked, c, report.at)).collect()
}

impl Tell {
    /// Of a state that it came into at a time.
    pub fn new(asked: &Asked, conversion: &Conversion, at: Timestamp) -> Self {
        let not_before =
            (!asked.delay.is_zero()).then(|| at.saturating_add(asked.delay).unwrap_or(Timestamp::MAX));
        Self {
            source: asked.source.clone(),
            conversion: conversion.clone(),
            not_before,
            first_only: asked.first_only,
            unsure: asked.on.is_none(),
            external_id: asked.external_id.clone(),
            cost: asked.cost,
        }
    }

    /// Its key in the queue: begins with the source; of one conversion in the order of its states.
    pub fn key(&self) -> String {
        let Conversion { id, version, status, .. } = &self.conversion;
        format!("{}/{id}/{version:06}-{status}", self.source)
    }

    /// What the keys of all states of its conversion begin with.
    pub fn first_key(&self) -> String {
        format!("{}/{}/", self.source, self.conversion.id)
    }

    /// Those that are told one after the other: always those of one conversion. Begins with the source.
    pub fn group(&self) -> String {
        let hash = self.conversion.id.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{}/{}", self.source, hash % LANES)
    }

    /// What is told once, ever.
    pub fn name(&self) -> String {
        told_name(&self.conversion.id, &self.conversion.status)
    }

    /// What one conversion has, ever, where only the first of a click is told.
    pub fn first_name(&self) -> Option<String> {
        self.first_only.then(|| first_name(&self.source, self.conversion.click_id))
    }

    /// The click as far as it is known without the click.
    pub fn facts(&self) -> Facts<'_> {
        let Conversion { click_id, click, .. } = &self.conversion;
        let campaign = Named { id: text(&click.campaign_id), ..Named::default() };
        let deciding = click.deciding_campaign_id.as_ref();
        Facts {
            click_id: *click_id,
            at: click_id.timestamp(),
            campaign,
            decided_by: deciding.map_or(campaign, |id| Named { id: id.as_str(), ..Named::default() }),
            stream_id: text(&click.stream_id),
            destination_id: text(&click.destination_id),
            source_id: text(&click.source_id),
            network_id: text(&click.network_id),
            cost: self.cost,
            country: &click.country,
            region: &click.region,
            city: &click.city,
            isp: &click.isp,
            ip: "",
            user_agent: "",
            device_type: click.device_type,
            device_model: "",
            os: &click.os,
            os_version: "",
            browser: &click.browser,
            language: &click.language,
            referrer: "",
            is_bot: click.is_bot,
            link: Link::Recorded {
                external_id: &self.external_id,
                keyword: &click.keyword,
                subs: &click.subs,
                params: &[],
            },
        }
    }
}

fn text<T: AsRef<str>>(id: &Option<T>) -> &str {
    id.as_ref().map_or("", AsRef::as_ref)
}

/// What an id of a message holds; the signature is over `id.time.body`, so no full stop is in it.
const IN_ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// The id of what is told of a state, the same however often it is sent.
pub fn message_id(conversion: &ConversionId, status: &ConversionStatus) -> String {
    format!("{conversion}-{}", utf8_percent_encode(status.as_str(), IN_ID))
}

fn told_name(conversion: &ConversionId, status: &ConversionStatus) -> String {
    format!("{conversion}/{status}")
}

fn first_name(source: &SourceId, click: ClickId) -> String {
    format!("{source}/{click}")
}

/// A key of these bytes, 24 to 64 of them, as it is written.
pub fn new_signing_key(bytes: impl AsRef<[u8]>) -> String {
    format!("whsec_{}", BASE64_STANDARD.encode(bytes))
}

/// The bytes of a key as Standard Webhooks writes it: `whsec_` and 24 to 64 bytes in base64.
pub fn signing_key(text: &str) -> Option<Vec<u8>> {
    let key = BASE64_STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
    (24..=64).contains(&key.len()).then_some(key)
}

#[cfg(test)]
mod tests;
