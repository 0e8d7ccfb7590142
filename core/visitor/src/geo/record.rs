//! What one database says of an address, in MaxMind's schema or in the flat ones of free databases.
//!
//! A field of another form than expected is unknown and leaves the others as they are. Only fields about the visitor
//! count: `registered_country` and `represented_country` tell of who has the network.

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use smol_str::{SmolStr, StrExt as _, ToSmolStr as _};
use std::fmt;
use tfx_domain::{country, routing::Geo};

/// A record of any of the databases; what it does not hold is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    /// MaxMind: a map with code and names; flat: a code or a name.
    country: FieldValue,
    continent: FieldValue,
    city: FieldValue,
    /// MaxMind: a list.
    subdivisions: FieldValue,
    // Flat.
    country_code: FieldValue,
    continent_code: FieldValue,
    /// A number, or `AS3320`.
    asn: FieldValue,
    as_name: FieldValue,
    // Both.
    autonomous_system_number: FieldValue,
    autonomous_system_organization: FieldValue,
    isp: FieldValue,
    connection_type: FieldValue,
}

impl Record {
    /// Puts what it says where nothing stands yet. Of two databases that know different countries, the places within
    /// the first one's count.
    pub(super) fn fill(&self, geo: &mut Geo) {
        let known = self.country();
        let elsewhere = known.is_some_and(|c| !geo.country.is_empty() && geo.country != c.code);
        if !elsewhere {
            if let Some(country) = known {
                geo.country = SmolStr::new_static(country.code);
            }
            fill(&mut geo.continent, self.continent().unwrap_or_default());
            let region = self.subdivisions.code().to_uppercase_smolstr();
            fill(&mut geo.region, region);
            fill(&mut geo.city, self.city.name().clone());
        }
        let isp = [&self.isp.text, &self.autonomous_system_organization.text, &self.as_name.text];
        fill(&mut geo.isp, isp.into_iter().find(|name| !name.is_empty()).cloned().unwrap_or_default());
        geo.asn = geo.asn.or_else(|| self.autonomous_system_number.number().or_else(|| self.asn.number()));
        fill(&mut geo.connection_type, self.connection_type.text.to_lowercase_smolstr());
    }

    /// The country, if it is one.
    fn country(&self) -> Option<country::Country> {
        self.said_countries().find_map(|code| country::find(code))
    }

    fn said_countries(&self) -> impl Iterator<Item = &SmolStr> {
        [&self.country.code, &self.country.text, &self.country_code.text]
            .into_iter()
            .filter(|c| !c.is_empty())
    }

    /// The country that it says, if it is none that we know.
    pub(super) fn strange_country(&self) -> Option<&SmolStr> {
        let said = self.said_countries().next().or(Some(&self.country.name).filter(|n| !n.is_empty()));
        said.filter(|_| self.country().is_none())
    }

    /// What the database says, else what the country is on (see [`complete`]).
    fn continent(&self) -> Option<SmolStr> {
        let said = [&self.continent.code, &self.continent.text, &self.continent_code.text];
        said.into_iter().find_map(|code| country::parse_continent(code).ok())
    }
}

/// Puts in what follows from the rest.
pub(super) fn complete(geo: &mut Geo) {
    if let Some(country) = country::find(&geo.country) {
        fill(&mut geo.continent, SmolStr::new_static(country.continent));
    }
}

fn fill(to: &mut SmolStr, said: SmolStr) {
    if to.is_empty() {
        *to = said;
    }
}

/// What stands in a field: a text, a number, or a map with a code and names; of a list its first.
#[derive(Debug, Default)]
struct FieldValue {
    text: SmolStr,
    code: SmolStr,
    name: SmolStr,
}

impl FieldValue {
    fn code(&self) -> &SmolStr {
        if self.code.is_empty() { &self.text } else { &self.code }
    }

    fn name(&self) -> &SmolStr {
        if self.name.is_empty() { &self.text } else { &self.name }
    }

    /// `3320` or `AS3320`; 0 is nobody's.
    fn number(&self) -> Option<u32> {
        let digits = self.text.trim_start_matches(['A', 'S', 'a', 's']);
        digits.parse().ok().filter(|n| *n > 0)
    }
}

impl<'de> Deserialize<'de> for FieldValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SaidVisitor)
    }
}

struct SaidVisitor;

impl<'de> Visitor<'de> for SaidVisitor {
    type Value = FieldValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<FieldValue, E> {
        Ok(FieldValue { text: text.trim().into(), ..FieldValue::default() })
    }

    fn visit_u64<E>(self, number: u64) -> Result<FieldValue, E> {
        Ok(FieldValue { text: number.to_smolstr(), ..FieldValue::default() })
    }

    fn visit_u128<E>(self, _: u128) -> Result<FieldValue, E> {
        Ok(FieldValue::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<FieldValue, E> {
        Ok(FieldValue::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<FieldValue, E> {
        Ok(FieldValue::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<FieldValue, E> {
        Ok(FieldValue::default())
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<FieldValue, E> {
        Ok(FieldValue::default())
    }

    fn visit_unit<E>(self) -> Result<FieldValue, E> {
        Ok(FieldValue::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<FieldValue, A::Error> {
        let first = list.next_element::<FieldValue>()?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first.unwrap_or_default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FieldValue, A::Error> {
        let mut said = FieldValue::default();
        while let Some(key) = map.next_key::<SmolStr>()? {
            match key.as_str() {
                "iso_code" | "code" => said.code = map.next_value::<FieldValue>()?.text,
                // MaxMind's names: a map by language.
                "names" => said.name = map.next_value::<FieldValue>()?.name,
                "en" => said.name = map.next_value::<FieldValue>()?.text,
                "name" if said.name.is_empty() => said.name = map.next_value::<FieldValue>()?.text,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn geo(records: &[Value]) -> Geo {
        let mut geo = Geo::default();
        for r in records {
            serde_json::from_value::<Record>(r.clone()).expect("record").fill(&mut geo);
        }
        complete(&mut geo);
        geo
    }

    #[test]
    fn maxminds_and_the_flat_schema_say_the_same() {
        let maxmind = json!({
            "city": { "geoname_id": 1, "names": { "de": "München", "en": "Munich" } },
            "continent": { "code": "EU", "names": { "en": "Europe" } },
            "country": { "iso_code": "DE", "names": { "en": "Germany" } },
            "registered_country": { "iso_code": "FR" },
            "subdivisions": [{ "iso_code": "BY", "names": { "en": "Bavaria" } }, { "iso_code": "X" }],
            "location": { "latitude": 48.1 },
        });
        let flat = json!({
            "country_code": "de", "continent_code": "EU", "city": "Munich", "subdivisions": [{ "iso_code": "BY" }],
        });
        assert_eq!(geo(&[maxmind]), geo(&[flat]));
    }

    #[test]
    fn a_country_is_a_code_that_there_is_and_the_visitors_own() {
        let table: &[(Value, &str, &str)] = &[
            (json!({ "country_code": "DE" }), "DE", "EU"),
            (json!({ "country": "DE" }), "DE", "EU"),
            (json!({ "country": "us" }), "US", "NA"),
            (json!({ "country": { "iso_code": "JP" } }), "JP", "AS"),
            (json!({ "country": { "code": "BR" } }), "BR", "SA"),
            (json!({ "country": "Germany", "country_code": "DE", "continent": "Europe" }), "DE", "EU"),
            (json!({ "country": "GERMANY" }), "", ""),
            (json!({ "country": { "names": { "en": "Germany" } } }), "", ""),
            (json!({ "country": "XX" }), "", ""),
            (json!({ "country": "EU", "continent": { "code": "EU" } }), "", "EU"),
            (json!({ "country": "QQ", "continent_code": "Europe" }), "", ""),
            (json!({ "country_code": "" }), "", ""),
            (json!({ "country_code": "DE", "continent_code": "as" }), "DE", "AS"),
            (json!({ "country_code": "DE", "continent_code": "XX" }), "DE", "EU"),
            (json!({ "registered_country": { "iso_code": "US" } }), "", ""),
            (json!({ "represented_country": { "iso_code": "US" }, "traits": {} }), "", ""),
            (
                json!({ "registered_country": { "iso_code": "US" }, "country": { "iso_code": "FR" } }),
                "FR",
                "EU",
            ),
            (json!({ "country": 276 }), "", ""),
            (json!({ "country": ["AT"], "city": 5, "isp": true, "asn": 1.5 }), "AT", "EU"),
            (json!({ "country_code": "AT", "city": { "names": ["x"] }, "asn": { "a": [1] } }), "AT", "EU"),
        ];
        for (record, country, continent) in table {
            let geo = geo(std::slice::from_ref(record));
            assert_eq!((geo.country.as_str(), geo.continent.as_str()), (*country, *continent), "{record}");
        }
    }

    #[test]
    fn the_first_database_that_knows_wins() {
        let city = json!({ "country": { "iso_code": "DE" } });
        let country = json!({ "country_code": "FR", "continent_code": "AS", "city": "Paris" });
        let asn = json!({ "autonomous_system_number": 3320, "autonomous_system_organization": "Telekom" });
        let connection = json!({ "connection_type": "Cable/DSL" });
        let got = geo(&[city.clone(), country, asn, connection]);
        let want = Geo {
            country: "DE".into(),
            continent: "EU".into(),
            isp: "Telekom".into(),
            asn: Some(3320),
            connection_type: "cable/dsl".into(),
            ..Geo::default()
        };
        assert_eq!(got, want);
        let agreed =
            geo(&[city, json!({ "country_code": "DE", "city": "Bonn", "asn": "AS64500", "as_name": "Net" })]);
        assert_eq!((agreed.city.as_str(), agreed.asn, agreed.isp.as_str()), ("Bonn", Some(64500), "Net"));
        assert_eq!(geo(&[json!({ "country": {}, "x": [1] })]), Geo::default());
    }

    #[test]
    fn a_country_that_is_none_is_told() {
        let table = [
            (json!({ "country": "GERMANY" }), Some("GERMANY")),
            (json!({ "country": { "names": { "en": "Germany" } } }), Some("Germany")),
            (json!({ "country_code": "AP" }), Some("AP")),
            (json!({ "country": "Germany", "country_code": "DE" }), None),
            (json!({ "country": "" }), None),
            (json!({ "autonomous_system_number": 1 }), None),
        ];
        for (record, want) in table {
            let record: Record = serde_json::from_value(record).expect("record");
            assert_eq!(record.strange_country().map(SmolStr::as_str), want);
        }
    }
}
