//! From a decision to the event that records it. Every text comes from a stranger: lengths are bounded here, and
//! what reports group by keeps no control characters.

use super::{
    CampaignPlan, Decision, Given, Reason, RequestKind, Resolution, Snapshot, Unique, Visitor,
    filter::host_of,
    params::{MAX_PARAMS, ParamNames, param},
};
use crate::{
    Timestamp,
    entity::{Cost, Due},
    event::{ClickDims, ClickEvent, Outcome, PassedStream, SCHEMA},
    id::ClickId,
    macros::{Facts, Link, Named, UrlTemplate},
    money::{Amount, Money},
    said::Fact,
};
use rand::Rng;
use smol_str::{SmolStr, ToSmolStr, format_smolstr};
use std::borrow::Cow;

/// Longest text that reports group by, in characters.
const MAX_DIM: usize = 256;
/// Longest user agent and longest value of a parameter, in bytes.
const MAX_VALUE: usize = 1024;
/// Longest referrer, in bytes.
const MAX_REFERRER: usize = 2048;
/// As much of a refused cost is recorded, in characters.
const MAX_COST: usize = 64;
/// Longest name of a parameter, in bytes.
const MAX_PARAM_NAME: usize = 128;
/// Dearest click a link may claim, in units of the source's currency; anything dearer is a forgery or a mistake.
const MAX_CLICK_COST: Amount = Amount::from_micros(100_000 * 1_000_000);

/// A decided click: its facts are borrowed, for its URL, and become its event once it is answered.
///
/// The campaign that was clicked on bears the click, even if it handed it over: the source, its parameters and the
/// cost are its own, since that is where it was bought. The one that decided is known beside it
/// (`docs/decisions/0015-the-link-bears-the-click.md`).
#[derive(Debug)]
pub struct Click<'a> {
    click_id: ClickId,
    at: Timestamp,
    /// The slug that was asked for.
    slug: &'a str,
    revision: u64,
    visitor: &'a Visitor,
    decision: &'a Decision<'a>,
    /// As much of the address as may be kept.
    ip: SmolStr,
    cost: Option<Money>,
    /// What it would have cost if the bot were a person.
    bot_cost: Option<Money>,
    cost_refused: Option<RefusedCost<'a>>,
    /// What its conversions will cost.
    due: Due,
}

/// What a link says of its cost, and nobody can take for one: no number, or not one that a click costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedCost<'a> {
    /// The slug of the source whose parameter it is.
    pub source: &'a str,
    /// What the parameter is called.
    pub parameter: &'a str,
    value: &'a str,
}

impl RefusedCost<'_> {
    /// What was said, as far as it is shown.
    pub fn value(&self) -> SmolStr {
        self.value.chars().filter(|c| !c.is_control()).take(MAX_COST).collect()
    }
}

/// What a click was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Where the visitor was sent; empty if nowhere.
    pub final_url: String,
    /// The HTTP status.
    pub status: u16,
}

impl<'a> Click<'a> {
    /// The click that was decided so. `ip` is as much of the address as may be kept.
    pub fn new(
        snapshot: &Snapshot,
        slug: &'a str,
        visitor: &'a Visitor,
        decision: &'a Decision<'a>,
        click_id: ClickId,
        at: Timestamp,
        ip: SmolStr,
    ) -> Self {
        let (would, cost_refused) = decision.campaign.map(|c| cost(c, visitor)).unwrap_or_default();
        let (cost, bot_cost) = if visitor.bot.is_some() { (None, would) } else { (would, None) };
        let revision = snapshot.revision;
        let due = decision.campaign.filter(|_| is_person(visitor)).and_then(terms);
        let due = due.map(Cost::of_conversions).unwrap_or_default();
        Self { click_id, at, slug, revision, visitor, decision, ip, cost, bot_cost, cost_refused, due }
    }

    /// What was decided.
    pub const fn decision(&self) -> &'a Decision<'a> {
        self.decision
    }

    /// Whose click it is.
    pub const fn visitor(&self) -> &'a Visitor {
        self.visitor
    }

    /// What its link says of its cost, if nobody can take it for one.
    pub const fn refused_cost(&self) -> Option<RefusedCost<'a>> {
        self.cost_refused
    }

    /// What macros take their values from.
    pub fn facts(&self) -> Facts<'_> {
        let Self { visitor, decision, .. } = self;
        let (stream, destination) = decision.taker();
        let named = |plan: &'a CampaignPlan| Named {
            id: plan.campaign.id.as_str(),
            slug: plan.campaign.spec.slug.as_str(),
            name: &plan.campaign.spec.name,
        };
        let entry = decision.campaign;
        // The link may call it by a slug of before.
        let campaign = Named { slug: self.slug, ..entry.map(named).unwrap_or_default() };
        let (geo, device) = (&visitor.geo, &visitor.device);
        Facts {
            click_id: self.click_id,
            at: self.at,
            campaign,
            decided_by: decision.other().map_or(campaign, named),
            stream_id: stream.map_or("", |s| s.stream.id.as_str()),
            destination_id: destination.map_or("", |d| d.destination.id.as_str()),
            source_id: entry.and_then(|c| c.source.as_ref()).map_or("", |s| s.id.as_str()),
            network_id: destination
                .and_then(|d| d.destination.spec.network.as_ref())
                .map_or("", |id| id.as_str()),
            cost: self.cost,
            country: &geo.country,
            region: &geo.region,
            city: &geo.city,
            isp: &geo.isp,
            ip: &self.ip,
            user_agent: &visitor.user_agent,
            device_type: device.device_type,
            device_model: &device.model,
            os: &device.os,
            os_version: &device.os_version,
            browser: &device.browser,
            language: visitor.language.as_deref().unwrap_or_default(),
            referrer: &visitor.referrer,
            is_bot: visitor.bot.is_some(),
            link: Link::Given(Given::new(visitor, decision.names())),
        }
    }

    /// What a template's URL is for this click.
    pub fn url(&self, template: &UrlTemplate, rng: &mut impl Rng) -> String {
        template.render(&self.facts(), None, rng)
    }

    /// The event that records it: everything about it, and nothing to be filled in later.
    pub fn event(self, unique: Unique, answered: Answered) -> ClickEvent {
        let Self { visitor, decision, .. } = self;
        let (entry, names) = (decision.campaign, decision.names());
        let (outcome, bound) = match decision.taken {
            Resolution::Stream { bound, .. } => (Outcome::Routed, bound),
            Resolution::Trafficback { .. } => (Outcome::Trafficback, false),
            Resolution::NotFound => (Outcome::NotFound, false),
            Resolution::Loop => (Outcome::Loop, false),
        };
        let (geo, device) = (&visitor.geo, &visitor.device);
        let other = decision.other();
        ClickEvent {
            schema: SCHEMA,
            click_id: self.click_id,
            at: self.at,
            outcome,
            request: visitor.kind,
            dims: dims(visitor, decision, names),
            campaign_slug: dim(self.slug),
            campaign_name: entry.map(|c| c.campaign.spec.name.clone()).unwrap_or_default(),
            deciding_campaign_slug: other.map(|c| dim(c.campaign.spec.slug.as_str())).unwrap_or_default(),
            deciding_campaign_name: other.map(|c| c.campaign.spec.name.clone()).unwrap_or_default(),
            visitor_id: visitor.id,
            ip: self.ip,
            continent: geo.continent.clone(),
            asn: geo.asn,
            user_agent: clip(&visitor.user_agent, MAX_VALUE).to_owned(),
            device_model: dim(&device.model),
            os_version: dim(&device.os_version),
            browser_version: dim(&device.browser_version),
            referrer: clip(&visitor.referrer, MAX_REFERRER).to_owned(),
            params: params(visitor),
            external_id: clip(param(visitor, &names.external_id, Fact::Text), MAX_VALUE).to_owned(),
            bot_reason: visitor.bot.as_deref().map(dim).unwrap_or_default(),
            unique_campaign: unique.campaign,
            unique_stream: unique.stream,
            unique_destination: unique.destination,
            cost: self.cost,
            bot_cost: self.bot_cost,
            cost_refused: self
                .cost_refused
                .map(|r| format_smolstr!("{}={}", r.parameter, r.value()))
                .unwrap_or_default(),
            sale_cost: self.due.sale,
            revenue_share: self.due.percent.map(|p| p.to_smolstr()).unwrap_or_default(),
            final_url: answered.final_url,
            status: answered.status,
            bound,
            health_ignored: decision.health_ignored,
            config_revision: self.revision,
            handed_over: decision.handed_over.iter().map(|&id| id.clone()).collect(),
            passed: passed(decision),
        }
    }

    /// The event in short: of a click that nobody has a campaign for.
    pub fn short_event(self, answered: Answered) -> ClickEvent {
        let mut event = self.event(Unique::default(), answered);
        event.shorten();
        event
    }
}

fn dims(visitor: &Visitor, decision: &Decision<'_>, names: &ParamNames) -> ClickDims {
    let entry = decision.campaign;
    let (stream, destination) = decision.taker();
    let (geo, device) = (&visitor.geo, &visitor.device);
    let mut subs: Vec<SmolStr> = Vec::new();
    for (i, name) in names.subs.iter().enumerate() {
        let value = dim(param(visitor, name, Fact::Text));
        if !value.is_empty() {
            subs.resize(i, SmolStr::default());
            subs.push(value);
        }
    }
    ClickDims {
        campaign_id: entry.map(|c| c.campaign.id.clone()),
        deciding_campaign_id: decision.other().map(|c| c.campaign.id.clone()),
        stream_id: stream.map(|s| s.stream.id.clone()),
        destination_id: destination.map(|d| d.destination.id.clone()),
        source_id: entry.and_then(|c| c.source.as_ref()).map(|s| s.id.clone()),
        network_id: destination.and_then(|d| d.destination.spec.network.clone()),
        country: geo.country.clone(),
        region: geo.region.clone(),
        city: dim(&geo.city),
        isp: dim(&geo.isp),
        connection_type: dim(&geo.connection_type),
        device_type: device.device_type,
        os: dim(&device.os),
        browser: dim(&device.browser),
        language: visitor.language.as_deref().map(dim).unwrap_or_default(),
        referrer_host: dim(&host_of(&visitor.referrer).to_lowercase()),
        keyword: dim(param(visitor, &names.keyword, Fact::Text)),
        subs,
        is_bot: visitor.bot.is_some(),
        test: entry.is_some_and(|c| c.campaign.spec.test),
    }
}

fn params(visitor: &Visitor) -> Vec<(SmolStr, String)> {
    let clipped = |(name, value): &(SmolStr, String)| {
        let name =
            if name.len() <= MAX_PARAM_NAME { name.clone() } else { clip(name, MAX_PARAM_NAME).into() };
        (name, clip(value, MAX_VALUE).to_owned())
    };
    visitor.params.iter().take(MAX_PARAMS).map(clipped).collect()
}

/// How a campaign's clicks are paid: as it says, else as its source does.
fn terms(entry: &CampaignPlan) -> Option<&Cost> {
    entry.campaign.spec.cost.as_ref().or_else(|| entry.source.as_ref()?.spec.cost.as_ref())
}

fn is_person(visitor: &Visitor) -> bool {
    visitor.kind == RequestKind::Visit && visitor.bot.is_none()
}

/// What the click costs, or would if the bot were a person: what the source's parameter says, else what the campaign or
/// the source says. Where clicks are not paid by the click, the parameter says nothing. Nothing for what is no visit, and nothing for a click that comes back from trafficback: it was paid when it came
/// first. Beside it what the parameter says that is no cost.
fn cost<'a>(entry: &'a CampaignPlan, visitor: &'a Visitor) -> (Option<Money>, Option<RefusedCost<'a>>) {
    if visitor.kind != RequestKind::Visit || visitor.hops > 0 {
        return (None, None);
    }
    let terms = terms(entry);
    let of_campaign = terms.and_then(Cost::of_click);
    if terms.is_some_and(|terms| !terms.model.is_of_clicks()) {
        return (None, None);
    }
    let Some(source) = &entry.source else { return (of_campaign, None) };
    let parameter = &entry.names.cost;
    let value = param(visitor, parameter, Fact::Amount).trim();
    if value.is_empty() {
        return (of_campaign, None);
    }
    match value.parse().ok().filter(|amount| (Amount::ZERO..=MAX_CLICK_COST).contains(amount)) {
        Some(amount) => (Some(Money { amount, currency: source.spec.currency }), None),
        None => (of_campaign, Some(RefusedCost { source: source.spec.slug.as_str(), parameter, value })),
    }
}

fn passed(decision: &Decision<'_>) -> Vec<PassedStream> {
    let text = |p: &super::Passed<'_>| match &p.reason {
        // The usual one is rendered once, when the snapshot is made.
        Reason::Filter { index, .. } => p.stream.labels.get(*index).cloned().unwrap_or_default(),
        other => other.to_smolstr(),
    };
    let one = |p: &super::Passed<'_>| PassedStream { stream_id: p.stream.stream.id.clone(), reason: text(p) };
    decision.passed.iter().map(one).collect()
}

/// At most `max` bytes, whole characters.
fn clip(text: &str, max: usize) -> &str {
    if text.len() <= max { text } else { &text[..text.floor_char_boundary(max)] }
}

/// At most [`MAX_DIM`] characters, without control characters.
fn dim(text: &str) -> SmolStr {
    if is_groupable(text) { text.into() } else { cut(text).collect() }
}

/// The same, borrowed where nothing is left out: a text as events and URLs have it.
pub(crate) fn groupable(text: &str) -> Cow<'_, str> {
    if is_groupable(text) { Cow::Borrowed(text) } else { Cow::Owned(cut(text).collect()) }
}

fn is_groupable(text: &str) -> bool {
    text.len() <= MAX_DIM && !text.chars().any(char::is_control)
}

fn cut(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !c.is_control()).take(MAX_DIM)
}
