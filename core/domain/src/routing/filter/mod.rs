//! Filters: which facts of a click they ask, and what they compare with.
//!
//! A fact that is not known is none of the values a filter names: `is` does not pass, `is_not` does.

mod compile;
mod ip;
mod pattern;
mod text;
mod when;

pub(super) use compile::plan;
pub use compile::{FIELDS, compile};
pub use pattern::{MAX_PATTERNS, patterns};
pub(super) use text::host_of;
pub use when::ClickLimit;

use super::{
    CampaignPlan, Counters, DeviceType, Scope, StreamPlan, Visitor,
    candidates::seen_within,
    params::{ParamNames, param},
    timetable::Timetable,
    version::VersionTest,
};
use crate::{Timestamp, said::Fact};
use ip::IpSet;
use smol_str::{SmolStr, ToSmolStr, format_smolstr};
use text::TextTest;
use when::DateRange;

/// Longer texts are compared as far as this many bytes.
const MAX_TEXT: usize = 4096;

/// A filter ready to be asked.
#[derive(Debug, Clone)]
pub struct Filter {
    /// True for `is_not`.
    negate: bool,
    test: Test,
}

/// The fact and what it must be.
#[derive(Debug, Clone)]
enum Test {
    Code(Code, Vec<SmolStr>),
    /// Country, if said, and region.
    Region(Vec<(Option<SmolStr>, SmolStr)>),
    Asn(Vec<u32>),
    Ip(IpSet),
    IpVersion {
        v4: bool,
        v6: bool,
    },
    DeviceType(Vec<DeviceType>),
    Version(VersionOf, Vec<VersionTest>),
    /// Lower-case.
    Language(Vec<SmolStr>),
    Text(Text, TextTest),
    Bot {
        yes: bool,
        no: bool,
    },
    Unique(Vec<Within>),
    ClickLimit(ClickLimit),
    Date(Vec<DateRange>),
    Schedule(Vec<Timetable>),
}

#[derive(Debug, Clone, Copy)]
enum Code {
    Country,
    Continent,
}

#[derive(Debug, Clone, Copy)]
enum VersionOf {
    Os,
    Browser,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Campaign,
    Stream,
    Destination,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Text {
    City,
    Isp,
    ConnectionType,
    DeviceModel,
    Os,
    Browser,
    Referrer,
    UserAgent,
    Keyword,
    ExternalId,
    Sub(usize),
    Param(SmolStr),
    Header(SmolStr),
}

impl Text {
    /// True for what only a geo database knows: unknown is not the same as empty.
    const fn is_geo(&self) -> bool {
        matches!(self, Self::City | Self::Isp | Self::ConnectionType)
    }

    fn of<'v>(&self, visitor: &'v Visitor, names: &ParamNames) -> &'v str {
        let text: &str = match self {
            Self::City => &visitor.geo.city,
            Self::Isp => &visitor.geo.isp,
            Self::ConnectionType => &visitor.geo.connection_type,
            Self::DeviceModel => &visitor.device.model,
            Self::Os => &visitor.device.os,
            Self::Browser => &visitor.device.browser,
            Self::Referrer => &visitor.referrer,
            Self::UserAgent => &visitor.user_agent,
            Self::Keyword => param(visitor, &names.keyword, Fact::Text),
            Self::ExternalId => param(visitor, &names.external_id, Fact::Text),
            Self::Sub(i) => param(visitor, &names.subs[*i], Fact::Text),
            Self::Param(name) => param(visitor, name, Fact::Text),
            Self::Header(name) => visitor.headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v),
        };
        if text.len() <= MAX_TEXT { text } else { &text[..text.floor_char_boundary(MAX_TEXT)] }
    }
}

/// Everything a filter may ask about.
pub(super) struct Facts<'a, C> {
    pub(super) visitor: &'a Visitor,
    pub(super) names: &'a ParamNames,
    pub(super) now: Timestamp,
    pub(super) counters: &'a C,
    pub(super) campaign: &'a CampaignPlan,
    pub(super) stream: &'a StreamPlan,
}

impl<C: Counters> Facts<'_, C> {
    /// Whether this person is new there. A bot never is.
    fn is_new(&self, within: Within) -> bool {
        let visitor = self.visitor;
        if visitor.bot.is_some() {
            return false;
        }
        let window = self.campaign.campaign.spec.unique_window_s;
        let new = |scope| !seen_within(self.counters.last_seen(visitor.id, scope), self.now, window);
        match within {
            Within::Campaign => new(Scope::Campaign(&self.campaign.campaign.id)),
            Within::Stream => new(Scope::Stream(&self.stream.stream.id)),
            // Which destination it will be is not known yet: one he has not seen must be left.
            Within::Destination => {
                self.stream.stream.spec.destinations.iter().any(|d| new(Scope::Destination(&d.destination)))
            }
        }
    }
}

impl Filter {
    /// Whether the click passes.
    pub(super) fn passes<C: Counters>(&self, facts: &Facts<'_, C>) -> bool {
        self.holds(facts) != self.negate
    }

    fn holds<C: Counters>(&self, facts: &Facts<'_, C>) -> bool {
        let visitor = facts.visitor;
        let (geo, device) = (&visitor.geo, &visitor.device);
        match &self.test {
            Test::Code(which, codes) => {
                let code = match which {
                    Code::Country => &geo.country,
                    Code::Continent => &geo.continent,
                };
                !code.is_empty() && codes.iter().any(|c| c.eq_ignore_ascii_case(code))
            }
            Test::Region(regions) => {
                !geo.region.is_empty()
                    && regions.iter().any(|(country, region)| {
                        region.eq_ignore_ascii_case(&geo.region)
                            && country.as_ref().is_none_or(|c| c.eq_ignore_ascii_case(&geo.country))
                    })
            }
            Test::Asn(numbers) => geo.asn.is_some_and(|n| numbers.contains(&n)),
            Test::Ip(set) => set.contains(visitor.ip),
            Test::IpVersion { v4, v6 } => {
                if visitor.ip.to_canonical().is_ipv4() {
                    *v4
                } else {
                    *v6
                }
            }
            Test::DeviceType(types) => types.contains(&device.device_type),
            Test::Version(of, tests) => {
                let said = match of {
                    VersionOf::Os => &device.os_version,
                    VersionOf::Browser => &device.browser_version,
                };
                tests.iter().any(|t| t.passes(said))
            }
            Test::Language(asked) => {
                visitor.language.as_ref().is_some_and(|l| asked.iter().any(|a| speaks(l, a)))
            }
            Test::Text(of, test) => {
                let text = of.of(visitor, facts.names);
                !(of.is_geo() && text.is_empty()) && test.passes(text)
            }
            Test::Bot { yes, no } => {
                if visitor.bot.is_some() {
                    *yes
                } else {
                    *no
                }
            }
            Test::Unique(scopes) => scopes.iter().any(|s| facts.is_new(*s)),
            Test::ClickLimit(limit) => {
                limit.under(facts.now, |since| facts.counters.stream_clicks(&facts.stream.stream.id, since))
            }
            Test::Date(ranges) => ranges.iter().any(|r| r.contains(facts.now)),
            Test::Schedule(tables) => tables.iter().any(|t| t.contains(facts.now)),
        }
    }

    /// The fact of this click that the filter asks about, to explain its answer. Empty: not known, or not a fact
    /// of the request (dates, limits, uniqueness).
    pub fn found(&self, visitor: &Visitor, names: &ParamNames) -> SmolStr {
        let (geo, device) = (&visitor.geo, &visitor.device);
        match &self.test {
            Test::Code(Code::Country, _) => geo.country.clone(),
            Test::Code(Code::Continent, _) => geo.continent.clone(),
            Test::Region(_) if geo.region.is_empty() => SmolStr::default(),
            Test::Region(_) => format_smolstr!("{}-{}", geo.country, geo.region),
            Test::Asn(_) => geo.asn.map(|n| format_smolstr!("AS{n}")).unwrap_or_default(),
            Test::Ip(_) => visitor.ip.to_canonical().to_smolstr(),
            Test::IpVersion { .. } => {
                SmolStr::new_static(if visitor.ip.to_canonical().is_ipv4() { "4" } else { "6" })
            }
            Test::DeviceType(_) => SmolStr::new_static(device.device_type.as_str()),
            Test::Version(VersionOf::Os, _) => device.os_version.clone(),
            Test::Version(VersionOf::Browser, _) => device.browser_version.clone(),
            Test::Language(_) => visitor.language.clone().unwrap_or_default(),
            Test::Text(of, _) => of.of(visitor, names).into(),
            Test::Bot { .. } => SmolStr::new_static(if visitor.bot.is_some() { "true" } else { "false" }),
            Test::Unique(_) | Test::ClickLimit(_) | Test::Date(_) | Test::Schedule(_) => SmolStr::default(),
        }
    }

    /// The limit on clicks that it is.
    pub(super) const fn click_limit(&self) -> Option<&ClickLimit> {
        match &self.test {
            Test::ClickLimit(limit) => Some(limit),
            _ => None,
        }
    }

    /// The header it asks for, lower-case.
    pub(super) fn header(&self) -> Option<&SmolStr> {
        match &self.test {
            Test::Text(Text::Header(name), _) => Some(name),
            _ => None,
        }
    }
}

/// `en` is spoken by `en-us`; `en-us` only by itself (and what refines it).
fn speaks(language: &str, asked: &str) -> bool {
    let bytes = language.as_bytes();
    bytes.len() >= asked.len()
        && bytes[..asked.len()].eq_ignore_ascii_case(asked.as_bytes())
        && matches!(bytes.get(asked.len()), None | Some(b'-' | b'_'))
}
