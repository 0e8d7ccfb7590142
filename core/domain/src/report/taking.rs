//! Conditions as people write them, and which single clicks and conversions they take: those that a report with the
//! same conditions counts.

use super::{Dimension, ReportFilter, time_label};
use crate::{
    Timestamp,
    event::{ClickDims, ClickEvent},
    id::NetworkId,
    postback::Conversion,
};
use jiff::tz::TimeZone;
use smol_str::SmolStr;
use std::{fmt, str::FromStr};

/// What must hold of each item of a list: all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// On facts, as those of a report.
    pub filters: Vec<ReportFilter>,
    /// IANA name of the zone in which days, hours and the like are meant.
    pub timezone: String,
}

impl Default for Conditions {
    fn default() -> Self {
        Self { filters: Vec::new(), timezone: "UTC".to_owned() }
    }
}

/// `FIELD=VALUE,VALUE` or `FIELD!=VALUE,VALUE`: the field, the values, and whether it must be none of them. An empty
/// value asks for what is not known.
///
/// # Errors
/// What a condition looks like.
pub fn split_condition(text: &str) -> Result<(&str, Vec<String>, bool), String> {
    let (name, values) = text.split_once('=').ok_or("must be FIELD=VALUES or FIELD!=VALUES")?;
    let (name, negate) = name.strip_suffix('!').map_or((name, false), |n| (n, true));
    Ok((name.trim(), values.split(',').map(|v| v.trim().to_owned()).collect(), negate))
}

/// The reverse of [`split_condition`].
pub fn write_condition(
    f: &mut fmt::Formatter<'_>,
    field: &impl fmt::Display,
    values: &[String],
    negate: bool,
) -> fmt::Result {
    write!(f, "{field}{}={}", if negate { "!" } else { "" }, values.join(","))
}

impl FromStr for ReportFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, values, negate) = split_condition(text)?;
        Ok(Self { dimension: name.parse()?, values, negate })
    }
}

impl fmt::Display for ReportFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_condition(f, &self.dimension, &self.values, self.negate)
    }
}

impl ReportFilter {
    /// Whether it holds of a click, whose time is that of its id.
    pub fn takes_click(&self, click: &ClickEvent, zone: &TimeZone) -> bool {
        self.takes(&click.dims, click.dims.network_id.as_ref(), "", (click.click_id.timestamp(), zone))
    }

    /// Whether it holds of a conversion; its network is the one that reported it, its time that of the first report.
    pub fn takes_conversion(&self, c: &Conversion, zone: &TimeZone) -> bool {
        self.takes(&c.click, Some(&c.network), c.status.as_str(), (c.created_at, zone))
    }

    fn takes(
        &self,
        dims: &ClickDims,
        network: Option<&NetworkId>,
        status: &str,
        at: (Timestamp, &TimeZone),
    ) -> bool {
        let time: SmolStr;
        let value = if self.dimension.is_time() {
            time = time_label(self.dimension, at.0, at.1);
            time.as_str()
        } else {
            value(self.dimension, dims, network, status)
        };
        let unknown_device = self.dimension == Dimension::DeviceType && value == "unknown";
        let same = |asked: &String| {
            if self.dimension.is_id() {
                asked == value
            } else {
                asked.to_lowercase() == value.to_lowercase() || (unknown_device && asked.is_empty())
            }
        };
        self.values.iter().any(same) != self.negate
    }
}

/// As it stands in the key of a report's row; times have none here.
fn value<'a>(
    dimension: Dimension,
    dims: &'a ClickDims,
    network: Option<&'a NetworkId>,
    status: &'a str,
) -> &'a str {
    match dimension {
        Dimension::DecidingCampaign => dims.decided_by().map_or("", |id| id.as_str()),
        Dimension::Network => network.map_or("", NetworkId::as_str),
        Dimension::Sub(n) => {
            usize::from(n).checked_sub(1).and_then(|n| dims.subs.get(n)).map_or("", |s| s.as_str())
        }
        Dimension::Status => status,
        Dimension::Bot if dims.is_bot => "true",
        Dimension::Bot => "false",
        fact => fact.of(dims),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, id::CampaignId, routing::DeviceType};

    #[test]
    fn a_condition_may_be_negated_and_may_ask_for_the_unknown() {
        let of = |t: &str| t.parse::<ReportFilter>().map(|f| (f.dimension, f.values, f.negate));
        let texts = |t: &[&str]| t.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
        assert_eq!(of("country=US,CA"), Ok((Dimension::Country, texts(&["US", "CA"]), false)));
        assert_eq!(of("bot!=true"), Ok((Dimension::Bot, texts(&["true"]), true)));
        assert_eq!(of("keyword="), Ok((Dimension::Keyword, texts(&[""]), false)));
        assert!(of("county=US").is_err_and(|e| e.contains("country")) && of("country").is_err());
        for text in ["country=US,CA", "bot!=true", "sub3=", "campaign=a"] {
            assert_eq!(text.parse::<ReportFilter>().map(|f| f.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn conditions_take_what_a_report_with_them_counts() {
        let campaign = CampaignId::generate(Timestamp::UNIX_EPOCH, 255);
        let dims = ClickDims {
            campaign_id: Some(campaign.clone()),
            country: "DE".into(),
            city: "KÖLN".into(),
            device_type: DeviceType::Mobile,
            subs: vec!["a".into(), "".into(), "C".into()],
            referrer_host: "example.com".into(),
            is_bot: true,
            ..ClickDims::default()
        };
        let takes = |condition: &str| {
            let filter: ReportFilter = condition.parse().expect(condition);
            filter.takes(&dims, None, "sale", (Timestamp::UNIX_EPOCH, &TimeZone::UTC))
        };
        for yes in [
            "country=de",
            "country=US,DE",
            "country!=US",
            "city=köln",
            "device_type=MOBILE",
            "sub1=A",
            "sub3=c",
            "sub2=",
            "sub20=",
            "region=",
            "os!=iOS",
            "bot=true",
            "referrer=Example.com",
            "status=sale",
            "network=",
            "campaign!=",
            "weekday=4 Thu",
            "hour_of_day=00,05",
            "day=1970-01-01",
            &format!("campaign={campaign}"),
            &format!("deciding_campaign={campaign}"),
        ] {
            assert!(takes(yes), "{yes}");
        }
        for no in [
            "country=D",
            "country=",
            "country!=DE,US",
            "city=koln",
            "device_type=",
            "sub1=",
            "sub1=a b",
            "bot=false",
            "status=",
            "network!=",
            "weekday!=4 Thu",
            "hour_of_day=01",
            "month=",
            "campaign=cmp_other",
            &format!("campaign={campaign}").to_uppercase().replace("CAMPAIGN", "campaign"),
        ] {
            assert!(!takes(no), "{no}");
        }
        let unknown: ReportFilter = "device_type=".parse().expect("a condition");
        assert!(
            unknown.takes(&ClickDims::default(), None, "", (Timestamp::UNIX_EPOCH, &TimeZone::UTC)),
            "unknown by its word and by none"
        );
    }
}
