//! traffic-service.

use crate::{shown, source::Reader, vars};
use std::{path::PathBuf, str::FromStr, time::Duration};
use tfx_domain::macros::{Scope, UrlTemplate};

/// How much of an address is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IpPrivacy {
    /// All of it.
    #[default]
    Full,
    /// IPv4 without its last byte, IPv6 without its last 80 bits.
    Truncated,
    /// A keyed hash.
    Hashed,
}

impl FromStr for IpPrivacy {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "full" => Ok(Self::Full),
            "truncated" => Ok(Self::Truncated),
            "hashed" => Ok(Self::Hashed),
            _ => Err(()),
        }
    }
}

/// Geo databases in MaxMind format.
#[derive(Debug, Clone, Default)]
pub struct GeoSettings {
    /// `GEOIP_CITY_DB`.
    pub city: Option<PathBuf>,
    /// `GEOIP_COUNTRY_DB`.
    pub country: Option<PathBuf>,
    /// `GEOIP_ASN_DB`.
    pub asn: Option<PathBuf>,
    /// `GEOIP_CONNECTION_DB`.
    pub connection: Option<PathBuf>,
}

/// traffic-service.
#[derive(Debug, Clone)]
pub struct TrafficSettings {
    /// `TRAFFIC_BARE_SLUGS`.
    pub bare_slugs: bool,
    /// `TRAFFICBACK_URL`.
    pub trafficback_url: Option<UrlTemplate>,
    /// `TRAFFICBACK_MAX_HOPS`.
    pub trafficback_max_hops: u8,
    /// `GEOIP_*`.
    pub geo: GeoSettings,
    /// `IP_STORAGE`.
    pub ip_privacy: IpPrivacy,
    /// `VISITOR_MEMORY`.
    pub visitor_memory: usize,
    /// `DESTINATION_CAP_CACHE_TTL_MS`.
    pub cap_cache_ttl: Duration,
    /// `DESTINATION_ROI_WINDOW_S`.
    pub roi_window: Duration,
    /// `DESTINATION_HEALTHCHECK_INTERVAL_MS`.
    pub probe_interval: Duration,
    /// `DESTINATION_HEALTHCHECK_TIMEOUT_MS`, the interval at most.
    pub probe_timeout: Duration,
}

impl TrafficSettings {
    pub(crate) fn read(r: &mut Reader<'_>) -> Self {
        let trafficback_url = r.text(&vars::TRAFFICBACK_URL).and_then(|text| {
            UrlTemplate::parse(&text, Scope::Redirect)
                .map_err(|problems| {
                    r.problem(&vars::TRAFFICBACK_URL, format!("is '{}': {problems}", shown(&text)));
                })
                .ok()
        });
        let path = |r: &Reader<'_>, var| r.text(var).map(PathBuf::from);
        let probe_interval = r.millis(&vars::DESTINATION_HEALTHCHECK_INTERVAL_MS, 1_000, 3_600_000);
        let probe_timeout = r.millis(&vars::DESTINATION_HEALTHCHECK_TIMEOUT_MS, 100, 60_000);
        Self {
            bare_slugs: r.parse(&vars::TRAFFIC_BARE_SLUGS),
            trafficback_url,
            trafficback_max_hops: r.number(&vars::TRAFFICBACK_MAX_HOPS, 1, 20),
            geo: GeoSettings {
                city: path(r, &vars::GEOIP_CITY_DB),
                country: path(r, &vars::GEOIP_COUNTRY_DB),
                asn: path(r, &vars::GEOIP_ASN_DB),
                connection: path(r, &vars::GEOIP_CONNECTION_DB),
            },
            ip_privacy: r.parse(&vars::IP_STORAGE),
            visitor_memory: r.number(&vars::VISITOR_MEMORY, 1000, 100_000_000),
            cap_cache_ttl: r.millis(&vars::DESTINATION_CAP_CACHE_TTL_MS, 100, 3_600_000),
            roi_window: Duration::from_secs(r.number(&vars::DESTINATION_ROI_WINDOW_S, 3600, 31_536_000)),
            probe_interval,
            probe_timeout: probe_timeout.min(probe_interval),
        }
    }
}
