//! What a row of a report looks like in JSON Schema: every name that a dimension or a metric can put into it. Compiled for
//! the API's description alone (feature `schema`).

use super::{Figures, ReportRow};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use tfx_domain::{
    money::Money,
    report::{Dimension, Metric, Unit},
};

impl JsonSchema for Figures {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Figures")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let about = "The figures that were asked for; a ratio without a denominator is absent";
        object(about, &figures(generator))
    }
}

impl JsonSchema for ReportRow {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("ReportRow")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = Map::new();
        let subs = (1..=20).map(|n| format!("sub{n}"));
        for name in Dimension::names().map(str::to_owned).chain(subs) {
            let dimension = name.parse::<Dimension>();
            if dimension.is_ok_and(Dimension::is_id) {
                let id = json!({ "type": "string", "description": "Its id, where it has a slug" });
                properties.insert(format!("{name}_id"), id);
            }
            let about = "The value by which the row is grouped; empty: not known";
            properties.insert(name, json!({ "type": "string", "description": about }));
        }
        properties.extend(figures(generator));
        let about = "The value of each dimension that was asked for, and the figures";
        object(about, &properties)
    }
}

fn object(about: &str, properties: &Map<String, Value>) -> Schema {
    json_schema!({
        "description": about, "type": "object", "properties": properties, "additionalProperties": false,
    })
}

fn figures(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let money = generator.subschema_for::<Money>().to_value();
    let figure = |metric: &Metric| {
        let mut schema = match metric.unit() {
            Unit::Count => json!({ "type": ["integer", "null"], "minimum": 0 }),
            Unit::Money => money.clone(),
            Unit::Percent | Unit::Ratio => json!({ "type": ["number", "null"] }),
        };
        schema["description"] = metric.label().into();
        (metric.as_str().to_owned(), schema)
    };
    Metric::ALL.iter().map(figure).collect()
}
