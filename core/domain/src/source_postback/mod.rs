//! What traffic sources are told of conversions (`docs/postbacks.md`, "Telling the source").
//!
//! A source asks for states ([`Subscription`]); what a report did says which of them a conversion came into ([`tells`]). Each is
//! told once, whatever happens: stores keep the names of what was told, and put a [`SourcePostback`] into their queue in the
//! transaction of the state. [`form`] makes a request of it, with the source as it is when it is sent.

mod body;
pub mod mask;
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
use std::{collections::BTreeSet, time::Duration};

/// What a source asks for when a report comes in, and what the click knows that a conversion does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Who is told.
    pub source: SourceId,
    /// The states that it asks for; none: it is not known or cannot be read, so whoever sends decides, about the rest too.
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

impl Subscription {
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

    /// Of a source that is not known or cannot be read: everything, until whoever sends can read what it asks for.
    pub fn unsure(source: SourceId, external_id: &str, cost: Option<Money>) -> Self {
        let external_id = external_id.to_owned();
        Self { source, on: None, delay: Duration::ZERO, first_only: false, external_id, cost }
    }

    fn wants(&self, status: &ConversionStatus) -> bool {
        self.on.as_ref().is_none_or(|on| on.contains(status))
    }
}

/// A state of a conversion that a source is to be told of: what is kept until it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourcePostback {
    /// Who is told.
    pub source: SourceId,
    /// The conversion in that state.
    pub conversion: Conversion,
    /// Not before this; none: as soon as may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The source asked only for the first conversion of a click.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first_only: bool,
    /// Another conversion of its click is the first that the source is told of. The store says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_first: bool,
    /// What the source asks for was not known or could not be read: whoever sends looks whether it asks for this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsure: bool,
    /// The source's own id of the click.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub external_id: String,
    /// What the click cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
}

/// What is to be told of what a report did, the state that it made before the one that gave way to it: where only the first
/// conversion of a click is told, that is the sale. Test traffic is told to nobody.
pub fn tells(report: &Incoming, decided: &Decided) -> Vec<SourcePostback> {
    let Some(asked) = &report.tell else { return Vec::new() };
    let reached =
        matches!(decided.result, PostbackResult::Recorded | PostbackResult::Updated) && decided.moved;
    let states = reached.then_some(&decided.conversion).into_iter().chain(&decided.displaced);
    let wanted = states.filter(|c| asked.wants(&c.status) && !c.click.test);
    wanted.map(|c| SourcePostback::new(asked, c, report.at)).collect()
}

impl SourcePostback {
    /// Of a state that it came into at a time.
    pub fn new(asked: &Subscription, conversion: &Conversion, at: Timestamp) -> Self {
        let not_before =
            (!asked.delay.is_zero()).then(|| at.saturating_add(asked.delay).unwrap_or(Timestamp::MAX));
        Self {
            source: asked.source.clone(),
            conversion: conversion.clone(),
            not_before,
            first_only: asked.first_only,
            not_first: false,
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

    /// What the keys of all states of a conversion begin with.
    pub fn keys_of(source: &SourceId, conversion: &ConversionId) -> String {
        format!("{source}/{conversion}/")
    }

    /// Those that are told one after the other: the states of one conversion. Begins with the source.
    pub fn group(&self) -> String {
        format!("{}/{}", self.source, self.conversion.id)
    }

    /// What is told once, ever: this coming into its state. Into one that it left it may come again.
    pub fn name(&self) -> String {
        format!("{}/{:06}", self.conversion.id, self.conversion.version)
    }

    /// What is told while a conversion stands as it does now: what it brings now, if it is still in the state that is to be
    /// told. A state that was left is told behind those before it, as it was. It is not if what came after denies it or is
    /// the same once more, or `went_ahead` of it: was told while this one was given up.
    ///
    /// # Errors
    /// It has passed.
    pub fn as_of(&self, now: &Conversion, went_ahead: bool) -> Result<Self, Unsendable> {
        use ConversionStatus::Rejected;
        let then = &self.conversion;
        let stands = match now.since_version {
            0 => now.status == then.status,
            since => since <= then.version,
        };
        if now.version <= then.version {
            return Ok(self.clone());
        }
        if stands {
            let conversion = Conversion { version: then.version, ..now.clone() };
            return Ok(Self { conversion, ..self.clone() });
        }
        let denied = now.status == Rejected || then.status == Rejected || now.status == then.status;
        match denied || went_ahead {
            true => Err(Unsendable::Passed(now.status.clone())),
            false => Ok(self.clone()),
        }
    }

    /// What the names of all states of its conversion begin with.
    pub fn names(&self) -> String {
        format!("{}/", self.conversion.id)
    }

    /// What one conversion of a click has, ever: the first that its source is told of.
    pub fn first_name(&self) -> String {
        first_name(&self.source, self.conversion.click_id)
    }

    /// Whether its source was told of another state of its conversion. `names` are those that the store keeps of the
    /// conversion, `jobs` the keys of what waits or was given up of it: a name of which there is no job was told.
    pub fn is_any_told<'n>(&self, names: impl IntoIterator<Item = &'n str>, jobs: &[String]) -> bool {
        self.told(names, jobs).any(|version| version != self.conversion.version)
    }

    /// Whether its source was told of a later state of its conversion; `names` and `jobs` as of [`Self::is_any_told`].
    pub fn is_later_told<'n>(&self, names: impl IntoIterator<Item = &'n str>, jobs: &[String]) -> bool {
        self.told(names, jobs).any(|version| version > self.conversion.version)
    }

    /// The versions of its conversion that its source was told of.
    fn told<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        jobs: &[String],
    ) -> impl Iterator<Item = u64> {
        let version = |text: &str| text.parse::<u64>().ok();
        let (keys, all) = (Self::keys_of(&self.source, &self.conversion.id), self.names());
        let of = |key: &String| version(key.strip_prefix(&keys)?.split_once('-')?.0);
        let open: BTreeSet<u64> = jobs.iter().filter_map(of).collect();
        let names = names.into_iter().filter_map(|name| version(name.strip_prefix(&all)?));
        names.filter(|version| !open.contains(version)).collect::<Vec<_>>().into_iter()
    }

    /// It gave way to another, which is no news to a source that never heard of it: it is told only if a state before was.
    pub const fn only_if_told(&self) -> bool {
        self.conversion.displaced
    }

    /// When it is to be told at the earliest, given how long its source waits now.
    pub fn not_before(&self, delay: Duration) -> Option<Timestamp> {
        if !self.unsure || delay.is_zero() {
            return self.not_before;
        }
        Some(self.conversion.updated_at.saturating_add(delay).unwrap_or(Timestamp::MAX))
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
            cost: self.conversion.cost.or(self.cost),
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
pub fn message_id(conversion: &Conversion) -> String {
    let Conversion { id, version, status, .. } = conversion;
    format!("{id}-{version}-{}", utf8_percent_encode(status.as_str(), IN_ID))
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
