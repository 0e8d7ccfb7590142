//! A row of a report: a flat object, keyed by the names of dimensions and metrics.
//!
//! ```json
//! {"campaign": "summer", "campaign_id": "cmp_…", "country": "DE", "clicks": 3,
//!  "revenue": {"amount": "12.5", "currency": "USD"}, "roi": 171.67}
//! ```
//!
//! Counts are whole numbers, per cents and ratios numbers, money an exact decimal with its currency. An entity stands
//! with its slug, and its id beside it.

use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt, ops::Deref};
use tfx_domain::{
    money::Currency,
    report::{Dimension, Metric, Unit},
};

/// One row of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportRow {
    /// The value of each dimension.
    pub key: Vec<DimensionValue>,
    /// The figures; a ratio without a denominator is absent.
    pub figures: Figures,
}

/// The value of a dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DimensionValue {
    /// The dimension that this is a value of.
    pub dimension: Dimension,
    /// The id of an entity, else the text; empty: unknown.
    pub value: String,
    /// The slug of an entity; a stream's stands with its campaign: `summer/main`.
    pub slug: Option<String>,
}

impl DimensionValue {
    /// What a person reads: the slug of an entity, else the value.
    pub fn label(&self) -> &str {
        self.slug.as_deref().unwrap_or(&self.value)
    }
}

/// Figures by metric, with the currency of those that are money.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Of all amounts.
    pub currency: Currency,
    /// As they are computed.
    pub of: BTreeMap<Metric, Decimal>,
}

impl Deref for Figures {
    type Target = BTreeMap<Metric, Decimal>;

    fn deref(&self) -> &Self::Target {
        &self.of
    }
}

impl Figures {
    fn put<S: SerializeMap>(&self, map: &mut S) -> Result<(), S::Error> {
        for (metric, value) in &self.of {
            let value = match metric.unit() {
                Unit::Count => json!(value.to_u64()),
                Unit::Money => json!({ "amount": value.to_string(), "currency": self.currency }),
                Unit::Percent | Unit::Ratio => json!(value.to_f64()),
            };
            map.serialize_entry(metric.as_str(), &value)?;
        }
        Ok(())
    }

    /// Takes in a figure as it is written.
    fn take(&mut self, metric: Metric, value: &Value) -> Result<(), String> {
        let read = |text: &str| {
            let decimal = text.parse().or_else(|_| Decimal::from_scientific(text));
            decimal.map_err(|_| format!("{metric} is '{text}', which is no figure"))
        };
        let figure = match (metric.unit(), value) {
            (_, Value::Null) => return Ok(()),
            (Unit::Money, money) => {
                let text = |field: &str| money.get(field).and_then(Value::as_str).unwrap_or_default();
                self.currency =
                    Currency::stored(text("currency")).map_err(|e| format!("{metric}: the currency {e}"))?;
                read(text("amount"))?
            }
            (_, number) => read(&number.to_string())?,
        };
        self.of.insert(metric, figure.normalize());
        Ok(())
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.put(&mut map)?;
        map.end()
    }
}

impl Serialize for ReportRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for value in &self.key {
            map.serialize_entry(&value.dimension, value.label())?;
            if value.slug.is_some() {
                map.serialize_entry(&format!("{}_id", value.dimension), &value.value)?;
            }
        }
        self.figures.put(&mut map)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Figures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ReportRow::deserialize(deserializer).map(|row| row.figures)
    }
}

impl<'de> Deserialize<'de> for ReportRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Flat;
        impl<'de> Visitor<'de> for Flat {
            type Value = ReportRow;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row of a report")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ReportRow, A::Error> {
                let mut row = ReportRow { key: Vec::new(), figures: Figures::default() };
                let mut ids: Vec<(Dimension, String)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    let text = || value.as_str().unwrap_or_default().to_owned();
                    if let Ok(metric) = name.parse::<Metric>() {
                        row.figures.take(metric, &value).map_err(A::Error::custom)?;
                    } else if let Ok(dimension) = name.parse::<Dimension>() {
                        row.key.push(DimensionValue { dimension, value: text(), slug: None });
                    } else if let Some(Ok(dimension)) = name.strip_suffix("_id").map(str::parse) {
                        ids.push((dimension, text()));
                    }
                }
                for (dimension, id) in ids {
                    if let Some(value) = row.key.iter_mut().find(|v| v.dimension == dimension) {
                        value.slug = Some(std::mem::replace(&mut value.value, id));
                    }
                }
                Ok(row)
            }
        }
        deserializer.deserialize_map(Flat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_flat_and_every_figure_is_of_its_kind() {
        let figure = |text: &str| text.parse::<Decimal>().expect("a decimal");
        let value = |dimension: &str, value: &str, slug: Option<&str>| DimensionValue {
            dimension: dimension.parse().expect("a dimension"),
            value: value.to_owned(),
            slug: slug.map(str::to_owned),
        };
        let row = ReportRow {
            key: vec![
                value("campaign", "cmp_0000000000000000001", Some("summer")),
                value("deciding_campaign", "cmp_0000000000000000009", None),
                value("country", "", None),
                value("sub7", "42", None),
            ],
            figures: Figures {
                currency: "EUR".parse().expect("a currency"),
                of: BTreeMap::from([
                    (Metric::Hits, figure("12345678901")),
                    (Metric::Clicks, figure("0")),
                    (Metric::Revenue, figure("123456789012.345678")),
                    (Metric::Roi, figure("-171.67")),
                    (Metric::Cr, figure("5")),
                    (Metric::Epc, figure("0.000001")),
                ]),
            },
        };
        let written = serde_json::to_value(&row).expect("JSON");
        let money = |amount: &str| json!({ "amount": amount, "currency": "EUR" });
        assert_eq!(
            written,
            json!({
                "campaign": "summer", "campaign_id": "cmp_0000000000000000001",
                "deciding_campaign": "cmp_0000000000000000009", "country": "", "sub7": "42",
                "hits": 12_345_678_901_u64, "clicks": 0, "revenue": money("123456789012.345678"), "roi": -171.67,
                "cr": 5.0, "epc": money("0.000001"),
            })
        );
        let text = serde_json::to_string(&row).expect("JSON");
        assert_eq!(serde_json::from_str::<ReportRow>(&text).expect("reads back"), row);
        assert!(serde_json::from_str::<Figures>(r#"{"revenue": "12"}"#).is_err());
    }
}
