//! The macros: their names, their arguments, and where each takes its value from.

use super::{ConversionFacts, Facts, Scope, encode::Encoder};
use crate::{
    Timestamp,
    entity::sub_index,
    nearest::nearest,
    postback::ConversionStatus,
    routing::{groupable, timetable},
};
use jiff::{
    fmt::{StdFmtWrite, strtime::BrokenDownTime},
    tz::TimeZone,
};
use rand::{Rng, RngExt};
use smol_str::SmolStr;
use std::fmt::{self, Write as _};

/// The longest text that `{date:…}` may give.
const LONGEST_DATE: usize = 100;

/// A macro without arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    ClickId,
    ExternalId,
    CampaignId,
    CampaignSlug,
    CampaignName,
    DecidingCampaignId,
    DecidingCampaignSlug,
    DecidingCampaignName,
    StreamId,
    DestinationId,
    SourceId,
    NetworkId,
    Keyword,
    Cost,
    Currency,
    Country,
    Region,
    City,
    Isp,
    Ip,
    UserAgent,
    DeviceType,
    DeviceModel,
    Os,
    OsVersion,
    Browser,
    Language,
    Referrer,
    IsBot,
    Timestamp,
    TransactionId,
    Status,
    Payout,
    Revenue,
    Profit,
}

/// Names of facts; an alias stands after its name. Listed for people in `docs/macros.md`.
const FACTS: [(&str, Fact); 38] = [
    ("click_id", Fact::ClickId),
    ("subid", Fact::ClickId),
    ("clickid", Fact::ClickId),
    ("external_id", Fact::ExternalId),
    ("campaign_id", Fact::CampaignId),
    ("campaign_slug", Fact::CampaignSlug),
    ("campaign_name", Fact::CampaignName),
    ("deciding_campaign_id", Fact::DecidingCampaignId),
    ("deciding_campaign_slug", Fact::DecidingCampaignSlug),
    ("deciding_campaign_name", Fact::DecidingCampaignName),
    ("stream_id", Fact::StreamId),
    ("destination_id", Fact::DestinationId),
    ("source_id", Fact::SourceId),
    ("network_id", Fact::NetworkId),
    ("keyword", Fact::Keyword),
    ("cost", Fact::Cost),
    ("currency", Fact::Currency),
    ("country", Fact::Country),
    ("region", Fact::Region),
    ("city", Fact::City),
    ("isp", Fact::Isp),
    ("ip", Fact::Ip),
    ("user_agent", Fact::UserAgent),
    ("device_type", Fact::DeviceType),
    ("device_model", Fact::DeviceModel),
    ("os", Fact::Os),
    ("os_version", Fact::OsVersion),
    ("browser", Fact::Browser),
    ("language", Fact::Language),
    ("referrer", Fact::Referrer),
    ("is_bot", Fact::IsBot),
    ("timestamp", Fact::Timestamp),
    ("transaction_id", Fact::TransactionId),
    ("tid", Fact::TransactionId),
    ("status", Fact::Status),
    ("payout", Fact::Payout),
    ("revenue", Fact::Revenue),
    ("profit", Fact::Profit),
];

impl Fact {
    /// True for the facts of a conversion, which a redirect does not have.
    const fn of_conversion(self) -> bool {
        matches!(self, Self::TransactionId | Self::Status | Self::Payout | Self::Revenue | Self::Profit)
    }
}

/// What values are taken from.
pub(super) struct Sources<'a> {
    pub(super) click: &'a Facts<'a>,
    pub(super) told: Option<ConversionFacts<'a>>,
}

/// What a macro stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Fact(Fact),
    /// `sub1` … `sub20`: 0 … 19.
    Sub(usize),
    Param(SmolStr),
    Date {
        format: Box<str>,
        zone: TimeZone,
    },
    Random {
        min: u64,
        max: u64,
    },
    StatusWord(Box<[(ConversionStatus, Box<str>)]>),
}

impl Value {
    /// Reads what stands between the braces, without the underscore of a raw macro.
    pub(super) fn parse(text: &str, scope: Scope) -> Result<Self, String> {
        let value = match text.split_once(':') {
            None => plain(text)?,
            Some(("param", name)) => param(name)?,
            Some(("date", arguments)) => date(arguments)?,
            Some(("random", arguments)) => random(arguments)?,
            Some(("status", words)) => status_words(words)?,
            Some(_) => return Err(unknown(text)),
        };
        let needs_conversion = match &value {
            Self::Fact(fact) => fact.of_conversion(),
            Self::StatusWord(_) => true,
            Self::Sub(_) | Self::Param(_) | Self::Date { .. } | Self::Random { .. } => false,
        };
        if needs_conversion && scope == Scope::Redirect {
            return Err(format!("{{{text}}} is known only in a traffic source's postback URL"));
        }
        Ok(value)
    }

    /// Whether it is known of a click alone, and not of its conversion.
    pub(super) const fn of_click_alone(&self) -> bool {
        use Fact::{
            CampaignName, CampaignSlug, DecidingCampaignName, DecidingCampaignSlug, DeviceModel, Ip,
            OsVersion, Referrer, UserAgent,
        };
        let facts = matches!(
            self,
            Self::Fact(
                CampaignName
                    | CampaignSlug
                    | DecidingCampaignName
                    | DecidingCampaignSlug
                    | DeviceModel
                    | Ip
                    | OsVersion
                    | Referrer
                    | UserAgent
            )
        );
        facts || matches!(self, Self::Param(_))
    }

    /// As it is written between braces, without its arguments but for the name of a parameter.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Fact(fact) => FACTS.iter().find(|(_, f)| f == fact).map_or("", |(name, _)| name).to_owned(),
            Self::Sub(index) => format!("sub{}", index + 1),
            Self::Param(name) => format!("param:{name}"),
            Self::Date { .. } => "date".to_owned(),
            Self::Random { .. } => "random".to_owned(),
            Self::StatusWord(_) => "status".to_owned(),
        }
    }

    /// Whether nothing stands for it.
    pub(super) fn is_empty(&self, known: &Sources<'_>) -> bool {
        let mut text = String::new();
        let mut out = Encoder::new(&mut text, false, LONGEST_DATE);
        let written = self.write_known(known, &mut out);
        // What does not fit is not empty.
        let fits = written.is_ok() && !out.is_cut();
        fits && text.is_empty() && !matches!(self, Self::Random { .. })
    }

    /// Whether it stands for a number, if for anything: an amount or a time.
    pub(super) const fn is_number(&self) -> bool {
        use Fact::{Cost, Payout, Profit, Revenue, Timestamp};
        matches!(self, Self::Fact(Cost | Payout | Revenue | Profit | Timestamp) | Self::Random { .. })
    }

    /// Writes the value as it is; nothing if it is missing.
    pub(super) fn write(
        &self,
        known: &Sources<'_>,
        rng: &mut impl Rng,
        out: &mut Encoder<'_>,
    ) -> fmt::Result {
        match self {
            Self::Random { min, max } => write!(out, "{}", rng.random_range(*min..=*max)),
            _ => self.write_known(known, out),
        }
    }

    /// The same of a value that nobody draws.
    fn write_known(&self, known: &Sources<'_>, out: &mut Encoder<'_>) -> fmt::Result {
        let Sources { click, told } = known;
        match self {
            Self::Fact(fact) if fact.of_conversion() => {
                told.map_or(Ok(()), |told| write_conversion(*fact, click, &told, out))
            }
            Self::Fact(fact) => write_click(*fact, known, out),
            Self::Sub(index) => out.write_kept(&click.link.sub(*index)),
            Self::Param(name) => out.write_kept(click.link.param(name)),
            Self::Date { format, zone } => write_date(format, zone, click.at, out),
            Self::Random { .. } => Ok(()),
            Self::StatusWord(words) => {
                let is =
                    |told: &ConversionFacts<'_>, (status, _): &&(_, _)| *status == told.conversion.status;
                let word = told.and_then(|told| words.iter().find(|word| is(&told, word)));
                out.write_str(word.map_or("", |(_, word)| word))
            }
        }
    }
}

fn plain(name: &str) -> Result<Value, String> {
    if let Some((_, fact)) = FACTS.iter().find(|(n, _)| *n == name) {
        return Ok(Value::Fact(*fact));
    }
    if let Some(index) = sub_index(name) {
        return Ok(Value::Sub(index));
    }
    match name {
        "param" => Err("{param} needs the name of a query parameter, such as {param:utm_source}".to_owned()),
        "date" => Err(date_form(name)),
        "random" => Err(random_form(name)),
        _ => Err(unknown(name)),
    }
}

/// Says what was probably meant.
fn unknown(name: &str) -> String {
    let squeezed = |t: &str| t.replace([' ', '_', '-'], "").to_ascii_lowercase();
    let meant = nearest(name, FACTS.iter().map(|(n, _)| *n));
    let subs = || sub_index(&squeezed(name)).map(|i| format!("sub{}", i + 1));
    match meant.map(str::to_owned).or_else(subs) {
        Some(meant) => format!("{{{name}}} is not a macro; did you mean {{{meant}}}?"),
        None => format!("{{{name}}} is not a macro"),
    }
}

/// The names of all macros of a scope, for a message.
pub(super) fn known(scope: Scope) -> String {
    let facts = FACTS.iter().filter(|(_, f)| scope == Scope::Outbound || !f.of_conversion());
    let mut names: Vec<&str> = facts.map(|(n, _)| *n).collect();
    names.extend(["sub1 to sub20", "param:NAME", "date:FORMAT,TZ", "random:MIN,MAX"]);
    if scope == Scope::Outbound {
        names.push("status:lead=0 sale=1");
    }
    names.join(", ")
}

fn param(name: &str) -> Result<Value, String> {
    if (1..=64).contains(&name.chars().count()) {
        return Ok(Value::Param(name.into()));
    }
    Err("{param:NAME} needs a name of 1 to 64 characters".to_owned())
}

fn date_form(arguments: &str) -> String {
    format!(
        "'{arguments}' is not a date format; write one such as {{date:%Y-%m-%d}} or {{date:%H:%M,Europe/Berlin}}"
    )
}

fn date(arguments: &str) -> Result<Value, String> {
    // What follows the last comma is a time zone unless it belongs to the format.
    let (format, zone) = match arguments.rsplit_once(',') {
        Some((format, zone)) if !zone.contains('%') => (format, timetable::zone(zone.trim())?),
        _ => (arguments, TimeZone::UTC),
    };
    let mut sample = String::new();
    let written = write_date(format, &zone, Timestamp::UNIX_EPOCH, &mut sample);
    if written.is_err() || !format.contains('%') {
        return Err(date_form(arguments));
    }
    if sample.len() > LONGEST_DATE || format.len() > LONGEST_DATE {
        return Err(format!("a date must be at most {LONGEST_DATE} characters"));
    }
    Ok(Value::Date { format: format.into(), zone })
}

fn write_date(format: &str, zone: &TimeZone, at: Timestamp, out: &mut impl fmt::Write) -> fmt::Result {
    let local = at.to_zoned_datetime(zone.clone());
    BrokenDownTime::from(&local).format(format, StdFmtWrite(out)).map_err(|_| fmt::Error)
}

fn random_form(arguments: &str) -> String {
    format!(
        "'{arguments}' is not a range; write two whole numbers, the smaller first, such as {{random:1000,9999}}"
    )
}

fn random(arguments: &str) -> Result<Value, String> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match arguments.split_once(',').and_then(|(min, max)| Some((number(min)?, number(max)?))) {
        Some((min, max)) if min <= max => Ok(Value::Random { min, max }),
        _ => Err(random_form(arguments)),
    }
}

fn status_words(text: &str) -> Result<Value, String> {
    let mut words: Vec<(ConversionStatus, Box<str>)> = Vec::new();
    for pair in text.split_whitespace() {
        let form = || format!("'{pair}' is not of the form status=word, such as {{status:lead=0 sale=1}}");
        let (status, word) = pair.split_once('=').ok_or_else(form)?;
        let status: ConversionStatus = status.parse().map_err(|_| form())?;
        if words.iter().any(|(s, _)| *s == status) {
            return Err(format!("{{status:…}} names {status} twice"));
        }
        words.push((status, word.into()));
    }
    if words.is_empty() {
        return Err("{status:…} needs a word for each status, such as {status:lead=0 sale=1}".to_owned());
    }
    Ok(Value::StatusWord(words.into()))
}

fn write_click(fact: Fact, known: &Sources<'_>, out: &mut Encoder<'_>) -> fmt::Result {
    let Sources { click, told } = known;
    let text: &str = match fact {
        Fact::ClickId => return write!(out, "{}", click.click_id),
        Fact::Timestamp => return write!(out, "{}", click.at.as_second()),
        Fact::Cost => return click.cost.map_or(Ok(()), |c| write!(out, "{}", c.amount)),
        // In an outbound postback the money that counts is what the source is told.
        Fact::Currency => {
            let money = told.map(|told| told.payout).or(click.cost);
            return money.map_or(Ok(()), |m| out.write_str(m.currency.as_str()));
        }
        Fact::ExternalId => return out.write_kept(click.link.external_id()),
        Fact::Keyword => return out.write_kept(&click.link.keyword()),
        Fact::CampaignId => click.campaign.id,
        Fact::CampaignSlug => return out.write_str(&groupable(click.campaign.slug)),
        Fact::CampaignName => click.campaign.name,
        Fact::DecidingCampaignId => click.decided_by.id,
        Fact::DecidingCampaignSlug => click.decided_by.slug,
        Fact::DecidingCampaignName => click.decided_by.name,
        Fact::StreamId => click.stream_id,
        Fact::DestinationId => click.destination_id,
        Fact::SourceId => click.source_id,
        Fact::NetworkId => click.network_id,
        Fact::Country => click.country,
        Fact::Region => click.region,
        Fact::City => return out.write_str(&groupable(click.city)),
        Fact::Isp => return out.write_str(&groupable(click.isp)),
        Fact::Ip => click.ip,
        Fact::UserAgent => click.user_agent,
        Fact::DeviceType => click.device_type.as_str(),
        Fact::DeviceModel => return out.write_str(&groupable(click.device_model)),
        Fact::Os => return out.write_str(&groupable(click.os)),
        Fact::OsVersion => return out.write_str(&groupable(click.os_version)),
        Fact::Browser => return out.write_str(&groupable(click.browser)),
        Fact::Language => return out.write_str(&groupable(click.language)),
        Fact::Referrer => click.referrer,
        Fact::IsBot if click.is_bot => "true",
        Fact::IsBot => "false",
        Fact::TransactionId | Fact::Status | Fact::Payout | Fact::Revenue | Fact::Profit => "",
    };
    out.write_str(text)
}

fn write_conversion(
    fact: Fact,
    click: &Facts<'_>,
    told: &ConversionFacts<'_>,
    out: &mut impl fmt::Write,
) -> fmt::Result {
    let ConversionFacts { conversion, payout } = told;
    let revenue = conversion.revenue;
    match fact {
        Fact::TransactionId => out.write_str(conversion.transaction_id.as_deref().unwrap_or("")),
        Fact::Status => out.write_str(conversion.status.as_str()),
        Fact::Payout => write!(out, "{}", payout.amount),
        Fact::Revenue => write!(out, "{}", revenue.amount),
        Fact::Profit => match click.cost {
            None => write!(out, "{}", revenue.amount),
            Some(cost) if cost.currency == revenue.currency => {
                write!(out, "{}", revenue.amount - cost.amount)
            }
            // No rate is known here; a wrong figure would be worse than none.
            Some(_) => Ok(()),
        },
        _ => Ok(()),
    }
}
