//! `--columns`: any field of a list's rows by its path, in the order that is asked for.

use crate::{exit::Failure, output::Column};
use clap::Args;
use tfx_domain::{
    event::{ClickDims, ClickEvent, EventField, JsonType, PostbackLogEvent},
    nearest::did_you_mean,
};

/// Of a conversion only.
const CONVERSION: &str = "id version network key sale_claim transaction_id click_id status raw_status revenue \
    revenue.amount revenue.currency cost cost.amount cost.currency created_at updated_at";
/// Of a change of health.
const HEALTH: &str = "id at destination_id from to in_a_row status failure reason latency_ms";
/// Of what happened to an alert.
const ALERT: &str = "id at alert_id alert group happened text";
/// The columns that are asked for.
#[derive(Debug, Args)]
pub(crate) struct Columns {
    /// The columns of a table or CSV, in order: any field of a row by its path, such as sub1 [default: the usual ones].
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    columns: Vec<String>,
}

/// What a list has rows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    Clicks,
    Conversions,
    Postbacks,
    Health,
    Alerts,
}

impl Rows {
    /// Every field by its path.
    fn fields(self) -> Vec<String> {
        match self {
            Self::Clicks => paths(ClickEvent::FIELDS).chain(facts()).collect(),
            Self::Conversions => {
                let own = CONVERSION.split_whitespace().map(str::to_owned);
                own.chain(facts().map(|f| format!("click.{f}"))).collect()
            }
            Self::Postbacks => paths(PostbackLogEvent::FIELDS).collect(),
            Self::Health => HEALTH.split_whitespace().map(str::to_owned).collect(),
            Self::Alerts => ALERT.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

/// The facts of a click; a conversion has them under `click`.
fn facts() -> impl Iterator<Item = String> {
    let facts = ClickDims::FIELDS.iter().filter(|f| f.json != JsonType::Texts).map(|f| f.name.to_owned());
    facts.chain((1..=20).map(|n| format!("sub{n}")))
}

/// The fields of an event by their paths, but for the version of its schema and the facts of a click.
fn paths(fields: &'static [EventField]) -> impl Iterator<Item = String> {
    let fields = fields.iter().filter(|f| f.name != "schema" && f.json != JsonType::Facts);
    fields.flat_map(|field| {
        let parts: &[&str] = if field.json == JsonType::Money { &[".amount", ".currency"] } else { &[] };
        let parts = parts.iter().map(move |part| format!("{}{part}", field.name));
        std::iter::once(field.name.to_owned()).chain(parts)
    })
}

impl Columns {
    /// The usual columns of a list, or those that were asked for. A conversion's facts of its click go by their own
    /// names too, where it has none of that name.
    ///
    /// # Errors
    /// Every field that there is not, with those there are.
    pub(crate) fn of(&self, rows: Rows, usual: Vec<Column>) -> Result<Vec<Column>, Failure> {
        if self.columns.is_empty() {
            return Ok(usual);
        }
        let known = rows.fields();
        let mut unknown = Vec::new();
        let mut chosen = Vec::new();
        for name in self.columns.iter().map(|n| n.trim()) {
            let under_click = format!("click.{name}");
            let field = [name, &under_click].into_iter().find(|f| known.iter().any(|k| k == f));
            match field {
                Some(field) => chosen.push(column(name, field, &usual)),
                None => {
                    let meant = did_you_mean(name, known.iter().map(String::as_str));
                    unknown.push(format!("'{name}'{meant}"));
                }
            }
        }
        if unknown.is_empty() {
            return Ok(chosen);
        }
        let (unknown, known) = (unknown.join(", "), known.join(" "));
        Err(Failure::usage(format!("--columns: there is no field {unknown}; there are {known}")))
    }
}

/// A column as the list usually shows it, or made for its field.
fn column(name: &str, field: &str, usual: &[Column]) -> Column {
    if let Some(column) = usual.iter().find(|c| c.field == field) {
        return column.clone();
    }
    match field.rsplit('.').next().unwrap_or(field) {
        "updated_at" | "created_at" | "at" => Column::time(name, field),
        "campaign_id"
        | "deciding_campaign_id"
        | "stream_id"
        | "destination_id"
        | "source_id"
        | "network_id" => Column::label(name, field),
        "cost" | "bot_cost" | "revenue" => Column::money(name, field),
        "params" => Column::made(name, field, |row| crate::commands::pairs(&row["params"])),
        "click_id" | "id" | "visitor_id" | "conversion_id" => Column::id(name, field),
        "amount" => Column::number(name, field),
        _ => Column::text(name, field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(columns: &[&str]) -> Columns {
        Columns { columns: columns.iter().map(|c| (*c).to_owned()).collect() }
    }

    #[test]
    fn any_field_is_a_column_in_the_order_asked_for() {
        let usual = || vec![Column::label("campaign", "click.campaign_id"), Column::text("status", "status")];
        let row = json!({
            "status": "sale", "revenue": { "amount": "2.5", "currency": "USD" },
            "click": { "campaign_id": "cmp_1", "subs": ["a", "b"], "country": "DE" }, "labels": { "cmp_1": "summer" },
        });
        let columns = ["click.sub2", "country", "revenue.amount", "status", "click.campaign_id", "sub9"];
        let chosen = asked(&columns).of(Rows::Conversions, usual()).expect("known");
        let cells: Vec<String> = chosen.iter().flat_map(|c| c.csv(&row)).collect();
        assert_eq!(cells, ["b", "DE", "2.5", "sale", "summer", ""]);
        assert_eq!(asked(&[]).of(Rows::Conversions, usual()).expect("usual").len(), 2);
    }

    #[test]
    fn unknown_fields_are_told_all_at_once_with_what_there_is() {
        let wrong = asked(&["contry", "at", "nonsense"]).of(Rows::Clicks, Vec::new()).expect_err("unknown");
        for part in ["'contry' (did you mean 'country'?), 'nonsense'", "user_agent", "sub20"] {
            assert!(wrong.message.contains(part), "{part}: {}", wrong.message);
        }
    }
}
