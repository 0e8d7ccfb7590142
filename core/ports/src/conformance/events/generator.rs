//! A few thousand events with every awkward case, the same in every run.

use super::{
    kit::{
        campaign, click, conversion, conversion_id, destination, envelope, money, network, source, stream,
    },
    periods::{around, boundaries, whole},
    plain::Plain,
};
use crate::{conformance::random::Random, sink::Envelope};
use std::{collections::BTreeSet, time::Duration};
use tfx_domain::{
    Timestamp,
    event::{
        ClickDims, ClickEvent, ConversionEvent, Event, Outcome, PassedStream, PostbackDirection,
        PostbackLogEvent, PostbackResult, SCHEMA,
    },
    id::{ClickId, VisitorId},
    money::Money,
    routing::{DeviceType, RequestKind},
};

const CLICKS: usize = 2_400;
const CONVERSIONS: usize = 700;
const POSTBACKS: usize = 300;

pub(super) const CAMPAIGNS: usize = 4;
pub(super) const STREAMS: usize = 6;
pub(super) const DESTINATIONS: usize = 5;
pub(super) const VISITORS: usize = 40;
pub(super) const NETWORK_SLUGS: [&str; 5] = ["shop", "Shop", "größe", "no such network", ""];

/// Values that differ only in case, only in space, that look like numbers, like syntax, and like nothing.
pub(super) const TEXTS: [&str; 24] = [
    "",
    "",
    "",
    "Shoes",
    "shoes",
    "SHOES",
    " shoes",
    "shoes ",
    "München",
    "MÜNCHEN",
    "Москва",
    "москва",
    "日本",
    "a\"b\\c",
    "it's",
    "%",
    "sh_es",
    "0",
    "00",
    "1e3",
    "1000",
    "null",
    "unknown",
    "\u{1F600} \u{10ffff}",
];

/// What there is, and how it is delivered.
pub(super) struct Generated {
    /// Every event once.
    pub(super) plain: Plain,
    /// In batches, out of order, some events twice.
    pub(super) batches: Vec<Vec<Envelope>>,
}

pub(super) fn generate() -> Generated {
    let mut maker = Maker { random: Random::new(20_261_125), boundaries: boundaries(), ids: BTreeSet::new() };
    let mut plain = Plain::default();
    let mut envelopes = Vec::new();
    let clicks: Vec<ClickEvent> = (0..CLICKS).map(|n| maker.click(n)).collect();
    let mut add = |event: Event| {
        envelopes.push(envelope(&event));
        plain.take(event);
    };
    for n in 0..CONVERSIONS {
        // Some of clicks that are not there, as after a loss of old data.
        let of = if maker.random.one_in(20) { maker.click(n) } else { maker.random.pick(&clicks).clone() };
        maker.versions(n, &of).into_iter().for_each(|e| add(Event::Conversion(Box::new(e))));
    }
    clicks.into_iter().for_each(|c| add(Event::Click(Box::new(c))));
    (0..POSTBACKS).for_each(|n| add(Event::PostbackLog(Box::new(maker.postback(n)))));

    let random = &mut maker.random;
    let again: Vec<_> = envelopes.iter().filter(|_| random.one_in(8)).cloned().collect();
    envelopes.extend(again);
    for i in (1..envelopes.len()).rev() {
        envelopes.swap(i, random.below(i + 1));
    }
    let mut batches: Vec<Vec<Envelope>> = envelopes.chunks(400).map(<[_]>::to_vec).collect();
    batches.push(batches[1].clone());
    Generated { plain, batches }
}

struct Maker {
    random: Random,
    boundaries: Vec<Timestamp>,
    /// Those that are taken.
    ids: BTreeSet<ClickId>,
}

impl Maker {
    fn time(&mut self) -> Timestamp {
        if self.random.one_in(2) {
            let boundary = *self.random.pick(&self.boundaries);
            return *self.random.pick(&around(boundary));
        }
        let (since, until) = whole();
        let span = usize::try_from(until.duration_since(since).as_millis()).expect("small");
        since + Duration::from_millis(u64::try_from(self.random.below(span)).expect("small"))
    }

    fn some<T>(&mut self, of: usize, id: fn(usize) -> T) -> Option<T> {
        (!self.random.one_in(5)).then(|| id(1 + self.random.below(of)))
    }

    fn text(&mut self) -> smol_str::SmolStr {
        (*self.random.pick(&TEXTS)).into()
    }

    fn word(&mut self, words: &[&'static str]) -> smol_str::SmolStr {
        (*self.random.pick(words)).into()
    }

    /// Nothing, nought, the least, the most, and amounts that binary fractions cannot hold.
    fn money(&mut self) -> Money {
        let micros = [0, 0, 1, 3, 100_000, 1_234_567, 99_999_999_999, 1_000_000_000_000_000];
        let micros = *self.random.pick(&micros);
        let currency = *self.random.pick(&["USD", "USD", "EUR", "JPY", "XAU"]);
        money(micros, currency)
    }

    fn dims(&mut self) -> ClickDims {
        let mut subs: Vec<_> = (0..self.random.below(21)).map(|_| self.text()).collect();
        while subs.last().is_some_and(smol_str::SmolStr::is_empty) {
            subs.pop();
        }
        ClickDims {
            campaign_id: self.some(CAMPAIGNS, campaign),
            deciding_campaign_id: if self.random.one_in(4) { self.some(CAMPAIGNS, campaign) } else { None },
            stream_id: self.some(STREAMS, stream),
            destination_id: self.some(DESTINATIONS, destination),
            source_id: self.some(3, source),
            network_id: self.some(2, network),
            country: self.word(&["", "DE", "US", "BR", "NP"]),
            region: self.word(&["", "BY", "CA", "by"]),
            city: self.text(),
            isp: self.text(),
            connection_type: self.word(&["", "cellular", "cable/dsl", "Cellular"]),
            device_type: *self.random.pick(&DeviceType::ALL),
            os: self.word(&["", "Windows", "iOS", "IOS", "Mac OS X"]),
            browser: self.word(&["", "Chrome", "chrome", "Firefox"]),
            language: self.word(&["", "de", "en-us", "pt-br"]),
            referrer_host: self.word(&["", "example.com", "www.example.com", "пример.example", "[::1]"]),
            keyword: if self.random.one_in(50) { "ключ".repeat(64).into() } else { self.text() },
            subs,
            is_bot: self.random.one_in(6),
            test: self.random.one_in(5),
        }
    }

    /// A time and an id at it that no other click has; some are the first or the last of their millisecond.
    fn place(&mut self) -> (Timestamp, u128) {
        loop {
            let at = self.time();
            let random = match self.random.below(40) {
                0 => 0,
                1 => u128::MAX,
                _ => self.random.wide(),
            };
            if self.ids.insert(ClickId::generate(at, random)) {
                return (at, random);
            }
        }
    }

    fn click(&mut self, n: usize) -> ClickEvent {
        let (at, random) = self.place();
        let outcomes = [Outcome::Routed, Outcome::Trafficback, Outcome::NotFound, Outcome::Loop];
        let outcome = if self.random.one_in(4) { *self.random.pick(&outcomes) } else { Outcome::Routed };
        let requests = [RequestKind::Prefetch, RequestKind::Head];
        let request = if self.random.one_in(8) { *self.random.pick(&requests) } else { RequestKind::Visit };
        let dims = self.dims();
        let reasons = [PassedStream::HANDED_OVER, "inactive", "handed_over "];
        let passed = (0..if self.random.one_in(2) { 2 } else { 0 })
            .map(|_| PassedStream {
                stream_id: stream(1 + self.random.below(2)),
                reason: (*self.random.pick(&reasons)).into(),
            })
            .collect();
        ClickEvent {
            // A click counts at its id's time, whatever else it says.
            at: if self.random.one_in(30) { self.time() } else { at },
            outcome,
            request,
            dims,
            passed,
            visitor_id: VisitorId(self.random.below(VISITORS) as u128),
            user_agent: format!("agent/{n}"),
            unique_campaign: self.random.one_in(2),
            unique_stream: self.random.one_in(2),
            unique_destination: self.random.one_in(2),
            // Bots of before there was bot_cost have a cost.
            cost: (!self.random.one_in(3)).then(|| self.money()),
            bot_cost: self.random.one_in(6).then(|| self.money()),
            cost_refused: if self.random.one_in(5) { "bid=0,5".into() } else { "".into() },
            sale_cost: None,
            revenue_share: "".into(),
            config_revision: self.random.next(),
            ..click(at, random)
        }
    }

    /// The versions of a conversion; some of them never arrive.
    fn versions(&mut self, n: usize, click: &ClickEvent) -> Vec<ConversionEvent> {
        let words = ["lead", "sale", "sale", "rejected", "rebill", "trial", "größe", "on \"hold\"", "sales"];
        let later = match self.random.below(4) {
            0 => Duration::ZERO,
            1 => Duration::from_millis(self.random.below(7_200_000) as u64),
            _ => Duration::from_secs(self.random.below(40 * 86_400) as u64),
        };
        let created_at = click.click_id.timestamp() + later;
        let highest = 1 + self.random.below(4);
        let mut versions = Vec::new();
        for version in 1..=highest {
            let mut revenue = self.money();
            if self.random.one_in(30) {
                revenue = money(-500_000, "USD");
            }
            versions.push(ConversionEvent {
                version: version as u64 * if self.random.one_in(10) { 3_000_000_000 } else { 1 },
                created_at,
                updated_at: created_at + Duration::from_secs(version as u64),
                // Mostly the click's own.
                reporter_id: network(if n.is_multiple_of(5) { 2 } else { 1 }),
                conversion_status: self.random.pick(&words).parse().expect("a status"),
                revenue,
                cost: self.random.one_in(3).then(|| self.money()),
                ..conversion(n, click)
            });
        }
        // A version is said once.
        versions.sort_by_key(|e| e.version);
        versions.dedup_by_key(|e| e.version);
        if versions.len() > 1 && self.random.one_in(4) {
            versions.remove(self.random.below(versions.len()));
        }
        versions
    }

    fn postback(&mut self, n: usize) -> PostbackLogEvent {
        let at = self.time();
        let result = *self.random.pick(&PostbackResult::ALL);
        let network_slug = *self.random.pick(&NETWORK_SLUGS);
        PostbackLogEvent {
            schema: SCHEMA,
            id: ClickId::generate(at, self.random.wide()),
            at,
            network: network_slug.into(),
            network_id: self.some(2, network),
            template: self.text(),
            remote_ip: "2001:db8::7".into(),
            method: "POST".into(),
            params: (0..self.random.below(5)).map(|i| (format!("p{i}\n"), self.text().repeat(i))).collect(),
            result,
            reason: self.text().to_string(),
            status: u16::try_from(200 + n).expect("small"),
            click_id: self.random.one_in(2).then(|| ClickId::generate(at, self.random.wide())),
            conversion_id: self.some(50, conversion_id),
            conversion_status: self.random.one_in(2).then(|| "sale".parse().expect("a status")),
            revenue: None,
            test: self.random.one_in(4),
            direction: result.direction(),
            source: if result.direction() == PostbackDirection::Out { self.text() } else { "".into() },
            source_id: self.some(5, source),
            job: self.text().to_string(),
            attempt: u16::try_from(n % 7).expect("small"),
            latency_ms: self.random.one_in(2).then_some(u32::MAX),
            url: self.text().to_string(),
            answer: self.text().to_string(),
            body: self.text().to_string(),
        }
    }
}
