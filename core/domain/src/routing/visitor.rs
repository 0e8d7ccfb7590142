//! The facts of one request, as routing sees them. Reading them out of HTTP is the daemon's work.

use crate::id::VisitorId;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{net::IpAddr, sync::Arc};

/// One request on a tracking link.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Who it is, pseudonymously.
    pub id: VisitorId,
    /// Where it comes from, after trusted proxies are taken off.
    pub ip: IpAddr,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// What the user agent says.
    pub device: Arc<Device>,
    /// What the geo databases say.
    pub geo: Arc<Geo>,
    /// The most preferred language, lower-case: `en-us`.
    pub language: Option<SmolStr>,
    /// The `Referer` header, or empty.
    pub referrer: String,
    /// Decoded query parameters in their order, the link's own marker parameters left out.
    pub params: Vec<(SmolStr, String)>,
    /// Those headers that some filter of the snapshot asks for (see `Snapshot::header_names`), lower-case names.
    pub headers: Vec<(SmolStr, String)>,
    /// Why this is a bot, if it is one.
    pub bot: Option<SmolStr>,
    /// Whether a person asked for the page.
    pub kind: RequestKind,
    /// How often this click came back from a trafficback URL of ours (the hop marker).
    pub hops: u8,
}

impl Visitor {
    /// The first parameter of that name.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// True for a visit of a person. Only that consumes: uniqueness, bindings, caps. Bots, prefetches and HEAD
    /// are routed and change nothing.
    pub fn counts(&self) -> bool {
        self.bot.is_none() && self.kind == RequestKind::Visit
    }
}

/// Whether a person asked for the page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// A GET (or POST) of a person or a bot.
    #[default]
    Visit,
    /// Fetched ahead or for a preview (`Sec-Purpose`, `Purpose`, `X-Moz`): redirected, counts for nothing.
    Prefetch,
    /// A HEAD request: redirected, counts for nothing.
    Head,
}

/// What a user agent says of itself. Unknown facts are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// What kind of machine.
    pub device_type: DeviceType,
    /// The model, as far as it is said: `iPhone`, `SM-G991B`.
    pub model: SmolStr,
    /// `Windows`, `Android`, `iOS`, `Mac OS X`, `Linux`, …
    pub os: SmolStr,
    /// `14.2`.
    pub os_version: SmolStr,
    /// `Chrome`, `Firefox`, `Safari`, …
    pub browser: SmolStr,
    /// `120.0`.
    pub browser_version: SmolStr,
}

/// What kind of machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeviceType {
    /// A computer.
    Desktop,
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A television or a box beside one.
    Tv,
    /// A game console.
    Console,
    /// Something else that says what it is.
    Other,
    /// It does not say.
    #[default]
    Unknown,
}

impl DeviceType {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Desktop, Self::Mobile, Self::Tablet, Self::Tv, Self::Console, Self::Other, Self::Unknown];

    /// The word used in filters, events and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Tv => "tv",
            Self::Console => "console",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

/// Where an address is, as far as the geo databases say. Unknown facts are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Geo {
    /// ISO 3166-1 alpha-2, upper-case.
    pub country: SmolStr,
    /// ISO 3166-2 subdivision code without the country: `CA`, `BY`.
    pub region: SmolStr,
    /// English name.
    pub city: SmolStr,
    /// Two letters, upper-case: `EU`.
    pub continent: SmolStr,
    /// Name of the provider.
    pub isp: SmolStr,
    /// Number of the autonomous system.
    pub asn: Option<u32>,
    /// `cable/dsl`, `cellular`, `corporate`, `satellite`; lower-case.
    pub connection_type: SmolStr,
}
