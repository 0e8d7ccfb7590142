//! Whether a database says what it is there for. A sample is looked at, so that a start does not wait for millions of
//! records; the same sample at the start and after a change, so that both accept the same files.

use super::record::{Record, complete};
use maxminddb::{LookupResult, Reader, WithinOptions};
use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};
use tfx_domain::routing::Geo;

/// Networks looked at from the beginning.
const FIRST: usize = 500;
/// Addresses looked up, spread over all.
const SPREAD: u32 = 1000;

/// Facts that a database can know, by the names of the filters that ask for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KnownFacts {
    country: bool,
    continent: bool,
    region: bool,
    city: bool,
    isp: bool,
    asn: bool,
    connection_type: bool,
}

impl KnownFacts {
    fn add(&mut self, geo: &Geo) {
        self.country |= !geo.country.is_empty();
        self.continent |= !geo.continent.is_empty();
        self.region |= !geo.region.is_empty();
        self.city |= !geo.city.is_empty();
        self.isp |= !geo.isp.is_empty();
        self.asn |= geo.asn.is_some();
        self.connection_type |= !geo.connection_type.is_empty();
    }

    /// What either knows.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            country: self.country || other.country,
            continent: self.continent || other.continent,
            region: self.region || other.region,
            city: self.city || other.city,
            isp: self.isp || other.isp,
            asn: self.asn || other.asn,
            connection_type: self.connection_type || other.connection_type,
        }
    }

    /// The names of what is known.
    pub fn names(self) -> Vec<&'static str> {
        let all = [
            ("country", self.country),
            ("continent", self.continent),
            ("region", self.region),
            ("city", self.city),
            ("isp", self.isp),
            ("asn", self.asn),
            ("connection_type", self.connection_type),
        ];
        all.into_iter().filter_map(|(name, known)| known.then_some(name)).collect()
    }

    /// Whether a database of this setting knows anything that it is there for.
    fn serves(self, setting: &str) -> bool {
        match setting {
            "GEOIP_CITY_DB" => self.country || self.region || self.city,
            "GEOIP_COUNTRY_DB" => self.country,
            "GEOIP_ASN_DB" => self.asn || self.isp,
            "GEOIP_CONNECTION_DB" => self.connection_type,
            _ => self != Self::default(),
        }
    }
}

/// What a sample of a database showed.
#[derive(Debug, Default)]
pub(super) struct SampleFindings {
    /// What it knows.
    pub(super) known: KnownFacts,
    /// True when none of it can be used.
    pub(super) useless: bool,
    /// What is wrong with it.
    pub(super) problem: Option<String>,
}

/// Looks at a sample.
pub(super) fn look(reader: &Reader<Vec<u8>>, setting: &str) -> SampleFindings {
    let mut sample = Sample::default();
    sample.take(reader);
    let Sample { seen, known, unreadable, names, strange, .. } = sample;
    let looked = seen.len();
    let problem = if let Some((count, error)) = unreadable {
        Some(format!("has records that cannot be decoded: {count} of {looked} looked at ({error})"))
    } else if let (true, Some(name)) = (names > 0, &strange) {
        Some(format!(
            "has countries that are no codes of ISO 3166-1: {names} of {looked} records looked at, such as '{name}'"
        ))
    } else if looked == 0 {
        Some("has no records".to_owned())
    } else if !known.serves(setting) {
        Some(match (&strange, setting) {
            (Some(code), "GEOIP_COUNTRY_DB" | "GEOIP_CITY_DB") => {
                format!("knows no country of ISO 3166-1; it says '{code}'")
            }
            _ => format!("says nothing that {setting} is for; it knows: {}", told(known)),
        })
    } else {
        None
    };
    SampleFindings { known, useless: problem.is_some() && !known.serves(setting), problem }
}

fn told(known: KnownFacts) -> String {
    let names = known.names();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

#[derive(Default)]
struct Sample {
    /// Places of the records seen.
    seen: HashSet<usize>,
    known: KnownFacts,
    unreadable: Option<(usize, String)>,
    /// Countries that are not even of two letters.
    names: usize,
    /// The first country that is none; a name rather than a code.
    strange: Option<String>,
}

impl Sample {
    fn take(&mut self, reader: &Reader<Vec<u8>>) {
        match reader.networks(WithinOptions::default()) {
            Ok(networks) => networks.take(FIRST).for_each(|found| match found {
                Ok(found) => self.add(&found),
                Err(e) => self.unreadable(&e),
            }),
            Err(e) => self.unreadable(&e),
        }
        let step = u32::MAX / SPREAD;
        let v4 = (0..SPREAD).map(|n| IpAddr::V4(Ipv4Addr::from(n * step)));
        // 2000::/3 is what is given out of IPv6, most of it below 2c00.
        let v6 =
            (0..SPREAD).map(|n| IpAddr::V6(Ipv6Addr::from((0x2000_0000 + u128::from(n) * 0x4_0000) << 96)));
        let v6 = v6.take(if reader.metadata().ip_version == 6 { SPREAD as usize } else { 0 });
        for ip in v4.chain(v6) {
            match reader.lookup(ip) {
                Ok(found) => self.add(&found),
                Err(e) => self.unreadable(&e),
            }
        }
    }

    fn add(&mut self, found: &LookupResult<'_, Vec<u8>>) {
        let Some(place) = found.offset() else { return };
        if !self.seen.insert(place) {
            return;
        }
        match found.decode::<Record>() {
            Ok(Some(record)) => {
                let mut geo = Geo::default();
                record.fill(&mut geo);
                complete(&mut geo);
                self.known.add(&geo);
                if let Some(said) = record.strange_country() {
                    let is_name = said.chars().count() > 2;
                    if self.strange.is_none() || (is_name && self.names == 0) {
                        self.strange = Some(said.chars().take(50).collect());
                    }
                    self.names += usize::from(is_name);
                }
            }
            Ok(None) => {}
            Err(e) => self.unreadable(&e),
        }
    }

    fn unreadable(&mut self, error: &maxminddb::MaxMindDbError) {
        let (count, _) = self.unreadable.get_or_insert_with(|| (0, error.to_string()));
        *count += 1;
    }
}
