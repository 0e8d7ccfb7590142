//! Traffic as it is on an ordinary day, for measurements: a few campaigns, some countries, many words. The same in
//! every run.

use super::random::Random;
use smol_str::{SmolStr, format_smolstr};
use std::time::Duration;
use tfx_domain::{
    Timestamp,
    event::{
        ClickDims, ClickEvent, ConversionEvent, Outcome, PostbackDirection, PostbackLogEvent, PostbackResult,
        SCHEMA,
    },
    id::{CampaignId, ClickId, ConversionId, DestinationId, NetworkId, SourceId, StreamId, VisitorId},
    money::{Amount, Currency, Money},
    postback::ConversionStatus,
    routing::{DeviceType, RequestKind},
};

const USER_AGENT: &str = "Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) \
                          Chrome/126.0.0.0 Mobile Safari/537.36";
const COUNTRIES: [(&str, &str, &str); 8] = [
    ("DE", "BY", "Munich"),
    ("US", "CA", "Los Angeles"),
    ("US", "NY", "New York"),
    ("FR", "IDF", "Paris"),
    ("BR", "SP", "São Paulo"),
    ("IN", "MH", "Mumbai"),
    ("ID", "JK", "Jakarta"),
    ("", "", ""),
];
const SYSTEMS: [(DeviceType, &str, &str); 5] = [
    (DeviceType::Mobile, "Android", "Chrome Mobile"),
    (DeviceType::Mobile, "iOS", "Mobile Safari"),
    (DeviceType::Desktop, "Windows", "Chrome"),
    (DeviceType::Desktop, "Mac OS X", "Safari"),
    (DeviceType::Tablet, "iOS", "Mobile Safari"),
];

/// The id of entity number `n`: 50 of its 80 random bits stay.
fn id<T>(n: usize, make: fn(Timestamp, u128) -> T) -> T {
    make(Timestamp::UNIX_EPOCH, (n as u128) << 30)
}

/// Makes events.
pub struct Sample {
    random: Random,
}

impl Sample {
    /// The same seed makes the same events.
    pub const fn new(seed: u64) -> Self {
        Self { random: Random::new(seed) }
    }

    /// A number below `n`; low ones come more often, as with everything that people choose from.
    fn popular(&mut self, n: usize) -> usize {
        self.random.below(n).min(self.random.below(n))
    }

    fn dims(&mut self, routed: bool) -> ClickDims {
        let (country, region, city) = *self.random.pick(&COUNTRIES);
        let (device_type, os, browser) = *self.random.pick(&SYSTEMS);
        // A campaign has three streams, a stream two destinations, a network some of those.
        let campaign = self.popular(40);
        let stream = campaign * 3 + self.popular(3);
        let destination = stream * 2 + self.popular(2);
        let word = |name: &str, n: usize| -> SmolStr { format_smolstr!("{name} {n}") };
        ClickDims {
            campaign_id: Some(id(campaign, CampaignId::generate)),
            stream_id: routed.then(|| id(stream, StreamId::generate)),
            destination_id: routed.then(|| id(destination, DestinationId::generate)),
            source_id: Some(id(campaign % 8, SourceId::generate)),
            network_id: routed.then(|| id(destination % 6, NetworkId::generate)),
            country: country.into(),
            region: region.into(),
            city: city.into(),
            isp: word("Provider", self.popular(300)),
            connection_type: "cellular".into(),
            device_type,
            os: os.into(),
            browser: browser.into(),
            language: self.random.pick(&["en-us", "de-de", "fr-fr", "pt-br"]).to_owned().into(),
            referrer_host: format_smolstr!("site{}.example", self.popular(2_000)),
            keyword: word("running shoes", self.popular(5_000)),
            subs: vec![word("zone", self.popular(500)), word("creative", self.popular(60))],
            is_bot: self.random.one_in(12),
            ..ClickDims::default()
        }
    }

    /// A click at that time.
    pub fn click(&mut self, at: Timestamp) -> ClickEvent {
        let routed = !self.random.one_in(25);
        let dims = self.dims(routed);
        let click_id = ClickId::generate(at, self.random.wide());
        let unique = self.random.one_in(2);
        let price = Amount::from_micros(1_000 + i64::try_from(self.random.below(50_000)).unwrap_or(0));
        ClickEvent {
            schema: SCHEMA,
            click_id,
            at,
            outcome: if routed { Outcome::Routed } else { Outcome::Trafficback },
            request: if self.random.one_in(30) { RequestKind::Prefetch } else { RequestKind::Visit },
            campaign_slug: "shoes".into(),
            campaign_name: "Shoes, all countries".to_owned(),
            deciding_campaign_slug: SmolStr::default(),
            deciding_campaign_name: String::new(),
            visitor_id: VisitorId(self.random.below(400_000) as u128),
            ip: format_smolstr!("203.0.113.{}", self.random.below(256)),
            continent: "EU".into(),
            asn: Some(64_500),
            user_agent: USER_AGENT.to_owned(),
            device_model: "SM-S911B".into(),
            os_version: "14".into(),
            browser_version: "126.0".into(),
            referrer: format!("https://{}/article", dims.referrer_host),
            params: dims.subs.iter().map(|sub| ("zone".into(), sub.to_string())).collect(),
            external_id: format!("{:016x}", self.random.next()),
            bot_reason: if dims.is_bot { "crawler".into() } else { "".into() },
            unique_campaign: unique,
            unique_stream: unique && routed,
            unique_destination: unique && routed,
            cost: Some(Money { amount: price, currency: Currency::USD }),
            bot_cost: None,
            final_url: format!("https://offer.example/landing?click={click_id}"),
            status: 302,
            bound: false,
            health_ignored: false,
            cost_refused: SmolStr::default(),
            sale_cost: None,
            revenue_share: SmolStr::default(),
            config_revision: 17,
            handed_over: Vec::new(),
            passed: Vec::new(),
            dims,
        }
    }

    /// A line about a postback that came then and was recorded.
    pub fn postback(&mut self, at: Timestamp) -> PostbackLogEvent {
        PostbackLogEvent {
            schema: SCHEMA,
            id: ClickId::generate(at, self.random.wide()),
            at,
            network: "shop".into(),
            network_id: None,
            template: "".into(),
            remote_ip: "192.0.2.1".into(),
            method: "GET".into(),
            params: Vec::new(),
            result: PostbackResult::Recorded,
            reason: String::new(),
            status: 200,
            click_id: None,
            conversion_id: None,
            conversion_status: None,
            revenue: None,
            test: false,
            direction: PostbackDirection::In,
            source: "".into(),
            source_id: None,
            job: String::new(),
            attempt: 0,
            latency_ms: None,
            url: String::new(),
            answer: String::new(),
            body: String::new(),
        }
    }

    /// A conversion of that click, some minutes later.
    pub fn conversion(&mut self, click: &ClickEvent) -> ConversionEvent {
        let at = click.at + Duration::from_secs(60 + u64::try_from(self.random.below(7_200)).unwrap_or(0));
        ConversionEvent {
            schema: SCHEMA,
            conversion_id: ConversionId::generate(at, self.random.wide()),
            version: 1,
            reporter_id: click.dims.network_id.clone().unwrap_or_else(|| id(0, NetworkId::generate)),
            transaction_id: Some(format!("{:016x}", self.random.next())),
            click_id: click.click_id,
            click_at: click.click_id.timestamp(),
            created_at: at,
            updated_at: at,
            conversion_status: if self.random.one_in(3) {
                ConversionStatus::Lead
            } else {
                ConversionStatus::Sale
            },
            raw_status: Some("approved".to_owned()),
            revenue: Money { amount: Amount::from_micros(12_500_000), currency: Currency::USD },
            cost: None,
            dims: click.dims.clone(),
        }
    }
}
