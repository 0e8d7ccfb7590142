//! What the geo databases of traffic-service know, and what to say where one is missing.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// The fields of filters, reports and explanations that hang on a geo database, and the setting that names one.
pub const FIELDS: [(&str, &str); 7] = [
    ("country", "GEOIP_COUNTRY_DB"),
    ("continent", "GEOIP_COUNTRY_DB"),
    ("region", "GEOIP_CITY_DB"),
    ("city", "GEOIP_CITY_DB"),
    ("isp", "GEOIP_ASN_DB"),
    ("asn", "GEOIP_ASN_DB"),
    ("connection_type", "GEOIP_CONNECTION_DB"),
];

/// True for a field that hangs on a geo database.
pub fn is_geo(field: &str) -> bool {
    FIELDS.iter().any(|(name, _)| *name == field)
}

/// How the geo databases are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GeoStatus {
    /// The fields that are known of some address, by their names in filters.
    pub known: Vec<String>,
    /// What is wrong with a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Where databases are looked for that no setting names.
    pub data_dir: String,
}

impl GeoStatus {
    /// What to say to somebody who asks for these fields: nothing if all are known.
    pub fn warnings<'f>(&self, asked: impl IntoIterator<Item = &'f str>) -> Vec<String> {
        let asked: Vec<&str> = asked.into_iter().collect();
        let is_missing =
            |field: &&(&str, &str)| asked.contains(&field.0) && !self.known.iter().any(|k| k == field.0);
        let missing: Vec<_> = FIELDS.iter().filter(is_missing).collect();
        if missing.is_empty() {
            return Vec::new();
        }
        let names = joined(missing.iter().map(|(field, _)| *field));
        let settings = joined(missing.iter().map(|(_, setting)| *setting));
        let mut first =
            format!("no geo database knows {names}: unknown for every click, so that no 'is' on it passes");
        if let Some(problem) = &self.problem {
            let _ = write!(first, " ({problem})");
        }
        let mut out = vec![
            first,
            format!("set {settings} for traffic-service, or put a database (*.mmdb) into {}", self.data_dir),
        ];
        if settings.contains("GEOIP_COUNTRY_DB") {
            out.push("a free one of countries:".to_owned());
            out.extend(commands(&self.data_dir));
        }
        out
    }
}

/// The two commands that fetch a database of countries that is in the public domain.
fn commands(data_dir: &str) -> [String; 2] {
    const NAME: &str = "geo-whois-asn-country";
    [
        format!("  npm pack @ip-location-db/{NAME}-mmdb"),
        format!(
            "  tar -xzf ip-location-db-{NAME}-mmdb-*.tgz -C '{data_dir}' --strip-components=1 package/{NAME}.mmdb"
        ),
    ]
}

fn joined<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut seen: Vec<&str> = Vec::new();
    names.for_each(|name| {
        if !seen.contains(&name) {
            seen.push(name);
        }
    });
    seen.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_database_knows_is_told_with_the_setting_and_the_commands() {
        let none = GeoStatus { data_dir: "/data".to_owned(), ..GeoStatus::default() };
        assert_eq!(none.warnings(["device_type", "keyword"]), Vec::<String>::new());
        let said = none.warnings(["country", "os", "continent"]).join("\n");
        for part in [
            "country, continent",
            "set GEOIP_COUNTRY_DB for",
            "/data",
            "npm pack @ip-location-db/geo-whois-asn-country-mmdb\n",
            "tar -xzf",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let countries = GeoStatus { known: vec!["country".to_owned(), "continent".to_owned()], ..none };
        assert_eq!(countries.warnings(["country", "continent"]), Vec::<String>::new());
        let said = countries.warnings(["country", "city", "asn"]).join("\n");
        assert!(
            said.contains("no geo database knows city, asn:") && said.contains("GEOIP_CITY_DB, GEOIP_ASN_DB"),
            "{said}"
        );
    }
}
