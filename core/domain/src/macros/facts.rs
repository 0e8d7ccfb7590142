//! What macros take their values from, borrowed: of a click that is there, or of one that was recorded.

use crate::{
    Timestamp,
    event::ClickEvent,
    id::ClickId,
    money::Money,
    postback::Conversion,
    routing::{DeviceType, Given},
    said::{self, Fact},
};
use smol_str::SmolStr;
use std::borrow::Cow;

/// The facts of a click. What is not known is empty, and is an empty text in a URL.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The id of the click.
    pub click_id: ClickId,
    /// When it came in.
    pub at: Timestamp,
    /// The campaign of the link, which bears the click.
    pub campaign: Named<'a>,
    /// The campaign that decided: that of the link, or the last to which the click was handed over.
    pub decided_by: Named<'a>,
    /// The stream that took it.
    pub stream_id: &'a str,
    /// Where it was sent.
    pub destination_id: &'a str,
    /// The source of the link's campaign.
    pub source_id: &'a str,
    /// The destination's network.
    pub network_id: &'a str,
    /// What it cost.
    pub cost: Option<Money>,
    /// Country code.
    pub country: &'a str,
    /// Subdivision code.
    pub region: &'a str,
    /// City.
    pub city: &'a str,
    /// Name of the provider.
    pub isp: &'a str,
    /// The address, as much of it as the privacy setting keeps.
    pub ip: &'a str,
    /// The user agent as sent.
    pub user_agent: &'a str,
    /// Kind of machine.
    pub device_type: DeviceType,
    /// Device model.
    pub device_model: &'a str,
    /// Operating system.
    pub os: &'a str,
    /// Version of the operating system.
    pub os_version: &'a str,
    /// Browser.
    pub browser: &'a str,
    /// The most preferred language.
    pub language: &'a str,
    /// The referrer as sent.
    pub referrer: &'a str,
    /// Whether it is a bot.
    pub is_bot: bool,
    /// What the link says.
    pub link: Link<'a>,
}

/// A conversion, as a traffic source is told of it.
#[derive(Debug, Clone, Copy)]
pub struct ConversionFacts<'a> {
    /// What there is to tell.
    pub conversion: &'a Conversion,
    /// What the source is told of its revenue.
    pub payout: Money,
}

impl<'a> From<&'a Conversion> for ConversionFacts<'a> {
    /// All of the revenue.
    fn from(conversion: &'a Conversion) -> Self {
        Self { conversion, payout: conversion.revenue }
    }
}

/// What a campaign is called.
#[derive(Debug, Clone, Copy, Default)]
pub struct Named<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its slug.
    pub slug: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// What the parameters of a link say.
#[derive(Debug, Clone, Copy)]
pub enum Link<'a> {
    /// Whole, as it came, while the click is there.
    Given(Given<'a>),
    /// As much of it as was recorded.
    Recorded {
        /// The source's own id of the click.
        external_id: &'a str,
        /// The keyword.
        keyword: &'a str,
        /// `sub1` is the first.
        subs: &'a [SmolStr],
        /// All parameters, in their order.
        params: &'a [(SmolStr, String)],
    },
}

impl<'a> Link<'a> {
    pub(super) fn external_id(&self) -> &'a str {
        match self {
            Self::Given(given) => given.external_id(),
            Self::Recorded { external_id, .. } => external_id,
        }
    }

    pub(super) fn keyword(&self) -> Cow<'a, str> {
        match self {
            Self::Given(given) => given.keyword(),
            Self::Recorded { keyword, .. } => Cow::Borrowed(keyword),
        }
    }

    /// `sub1` is 0.
    pub(super) fn sub(&self, index: usize) -> Cow<'a, str> {
        match self {
            Self::Given(given) => given.sub(index),
            Self::Recorded { subs, .. } => Cow::Borrowed(subs.get(index).map_or("", SmolStr::as_str)),
        }
    }

    pub(super) fn param(&self, name: &str) -> &'a str {
        match self {
            Self::Given(given) => given.param(name),
            Self::Recorded { params, .. } => said::first(params, name, Fact::Text).unwrap_or(""),
        }
    }
}

impl<'a> From<&'a ClickEvent> for Facts<'a> {
    /// Of a click that was recorded.
    fn from(click: &'a ClickEvent) -> Self {
        let dims = &click.dims;
        let campaign = Named {
            id: dims.campaign_id.as_ref().map_or("", |id| id.as_str()),
            slug: &click.campaign_slug,
            name: &click.campaign_name,
        };
        // Where nothing was handed over, the link's campaign decided.
        let decided_by = dims.deciding_campaign_id.as_ref().map_or(campaign, |id| Named {
            id: id.as_str(),
            slug: &click.deciding_campaign_slug,
            name: &click.deciding_campaign_name,
        });
        Self {
            click_id: click.click_id,
            at: click.at,
            campaign,
            decided_by,
            stream_id: dims.stream_id.as_ref().map_or("", |id| id.as_str()),
            destination_id: dims.destination_id.as_ref().map_or("", |id| id.as_str()),
            source_id: dims.source_id.as_ref().map_or("", |id| id.as_str()),
            network_id: dims.network_id.as_ref().map_or("", |id| id.as_str()),
            cost: click.cost,
            country: &dims.country,
            region: &dims.region,
            city: &dims.city,
            isp: &dims.isp,
            ip: &click.ip,
            user_agent: &click.user_agent,
            device_type: dims.device_type,
            device_model: &click.device_model,
            os: &dims.os,
            os_version: &click.os_version,
            browser: &dims.browser,
            language: &dims.language,
            referrer: &click.referrer,
            is_bot: dims.is_bot,
            link: Link::Recorded {
                external_id: &click.external_id,
                keyword: &dims.keyword,
                subs: &dims.subs,
                params: &click.params,
            },
        }
    }
}
