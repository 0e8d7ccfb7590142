//! What one database says of an address, in MaxMind's schema or in the flat one of free databases.

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use smol_str::{SmolStr, StrExt as _};
use std::fmt;
use tfx_domain::routing::Geo;

/// A record of any of the databases; what it does not hold is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    // MaxMind: maps with codes and names.
    country: Place,
    registered_country: Place,
    continent: Place,
    /// MaxMind: a map; flat: a name.
    city: Place,
    subdivisions: Vec<Place>,
    // Flat.
    country_code: Place,
    continent_code: Place,
    // Both.
    autonomous_system_number: Option<u32>,
    autonomous_system_organization: Place,
    isp: Place,
    connection_type: Place,
}

impl Record {
    /// Puts what it says where nothing stands yet.
    pub(super) fn fill(self, geo: &mut Geo) {
        let fill = |to: &mut SmolStr, said: SmolStr| {
            if to.is_empty() {
                *to = said;
            }
        };
        let country = [self.country.code(), self.country_code.text, self.registered_country.code()]
            .into_iter()
            .find(|c| !c.is_empty());
        fill(&mut geo.country, country.unwrap_or_default().to_ascii_uppercase_smolstr());
        let continent =
            if self.continent.code.is_empty() { self.continent_code.text } else { self.continent.code() };
        fill(&mut geo.continent, continent.to_ascii_uppercase_smolstr());
        let region = self.subdivisions.into_iter().next().map(|p| p.code()).unwrap_or_default();
        fill(&mut geo.region, region.to_ascii_uppercase_smolstr());
        fill(&mut geo.city, self.city.name());
        let isp =
            if self.isp.text.is_empty() { self.autonomous_system_organization.text } else { self.isp.text };
        fill(&mut geo.isp, isp);
        geo.asn = geo.asn.or(self.autonomous_system_number.filter(|n| *n > 0));
        fill(&mut geo.connection_type, self.connection_type.text.to_lowercase_smolstr());
    }
}

/// A place: a text, or a map with a code and names.
#[derive(Debug, Default)]
struct Place {
    text: SmolStr,
    code: SmolStr,
    name: SmolStr,
}

impl Place {
    fn code(&self) -> SmolStr {
        if self.code.is_empty() { self.text.clone() } else { self.code.clone() }
    }

    fn name(self) -> SmolStr {
        if self.name.is_empty() { self.text } else { self.name }
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlaceVisitor)
    }
}

struct PlaceVisitor;

impl<'de> Visitor<'de> for PlaceVisitor {
    type Value = Place;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name or a map")
    }

    fn visit_str<E>(self, text: &str) -> Result<Place, E> {
        Ok(Place { text: text.into(), ..Place::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Place, A::Error> {
        let mut place = Place::default();
        while let Some(key) = map.next_key::<SmolStr>()? {
            match key.as_str() {
                "iso_code" | "code" => place.code = map.next_value()?,
                "names" => place.name = map.next_value::<Names>()?.en,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(place)
    }
}

#[derive(Deserialize)]
struct Names {
    #[serde(default)]
    en: SmolStr,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geo(records: &[serde_json::Value]) -> Geo {
        let mut geo = Geo::default();
        for r in records {
            serde_json::from_value::<Record>(r.clone()).expect("record").fill(&mut geo);
        }
        geo
    }

    #[test]
    fn maxminds_and_the_flat_schema_say_the_same() {
        let maxmind = serde_json::json!({
            "city": { "geoname_id": 1, "names": { "de": "München", "en": "Munich" } },
            "continent": { "code": "EU", "names": { "en": "Europe" } },
            "country": { "iso_code": "DE", "names": { "en": "Germany" } },
            "registered_country": { "iso_code": "FR" },
            "subdivisions": [{ "iso_code": "BY", "names": { "en": "Bavaria" } }, { "iso_code": "X" }],
            "location": { "latitude": 48.1 },
        });
        let flat = serde_json::json!({
            "country_code": "de", "continent_code": "EU", "city": "Munich", "subdivisions": [{ "iso_code": "BY" }],
        });
        assert_eq!(geo(&[maxmind]), geo(&[flat]));
    }

    #[test]
    fn the_first_database_that_knows_wins() {
        let city = serde_json::json!({ "country": { "iso_code": "DE" } });
        let country = serde_json::json!({ "country_code": "FR", "continent_code": "EU" });
        let asn = serde_json::json!({ "autonomous_system_number": 3320, "autonomous_system_organization": "Telekom" });
        let connection = serde_json::json!({ "connection_type": "Cable/DSL" });
        let geo = geo(&[city, country, asn, connection]);
        let want = Geo {
            country: "DE".into(),
            continent: "EU".into(),
            isp: "Telekom".into(),
            asn: Some(3320),
            connection_type: "cable/dsl".into(),
            ..Geo::default()
        };
        assert_eq!(geo, want);
        assert_eq!(super::tests::geo(&[serde_json::json!({ "country": {}, "x": [1] })]), Geo::default());
    }
}
