//! A report as rows and columns: figures as people and programs read them.

use super::{
    compare::{Change, Compared},
    eyes::{self, History},
    markdown,
};
use crate::{
    exit::Failure,
    output::{Column, Format, Listing, Out, cents},
    when,
};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tfx_api::report::{Attribution, Figures, Metric, ReportAnswer};
use tfx_domain::{money::Currency, report::Unit};

/// Which time and what counting the figures are of.
pub(super) fn caption(answer: &ReportAnswer) -> String {
    let zone = TimeZone::get(&answer.timezone).unwrap_or(TimeZone::UTC);
    let (since, until) = (when::clock_time(answer.since, &zone), when::clock_time(answer.until, &zone));
    let at = match answer.attribution {
        Attribution::Click => "their click's time",
        Attribution::Conversion => "their own time",
    };
    format!("{since} to {until} ({}), amounts in {}, conversions at {at}", answer.timezone, answer.currency)
}

/// A report with what it is compared and drawn with.
pub(super) struct Shown<'a> {
    pub(super) answer: &'a ReportAnswer,
    pub(super) compared: Option<&'a Compared>,
    pub(super) history: Option<&'a History>,
    /// Of which bars are drawn.
    pub(super) bars: Option<Metric>,
    /// The columns that were chosen.
    pub(super) chosen: &'a [String],
    pub(super) markdown: bool,
}

impl Shown<'_> {
    /// Prints it in the form that was asked for.
    ///
    /// # Errors
    /// A column that there is not; a closed pipe.
    pub(super) fn print(&self, out: Out) -> Result<(), Failure> {
        let item = || match self.compared {
            Some(compared) => compared.json(self.answer),
            None => serde_json::to_value(self.answer),
        };
        match out.format {
            Format::Json | Format::Yaml => return out.item(&item().map_err(Failure::failed)?, &[], ""),
            Format::Jsonl => {
                let rows = item().map_err(Failure::failed)?["rows"].as_array().cloned().unwrap_or_default();
                return out.rows(&Listing { columns: Vec::new(), rows, name: "" });
            }
            _ => {}
        }
        let people = out.format == Format::Table;
        let rows = self.rows(people);
        let listing = Listing { columns: self.columns(people)?, rows, name: "label" };
        if self.markdown {
            return out.lines(markdown::lines(&listing));
        }
        out.rows_or(&listing, "choose with --columns; --output csv shows them")
    }

    fn rows(&self, people: bool) -> Vec<Value> {
        let answer = self.answer;
        let most = self.bars.map(|metric| {
            let each = answer.rows.iter().filter_map(|row| row.figures.get(&metric)).map(Decimal::abs);
            (metric, each.max().unwrap_or_default())
        });
        let each = answer.rows.iter().enumerate().map(|(i, row)| {
            let mut cells =
                json!({ "label": row.key.first().map_or("", |k| k.label()), "currency": answer.currency });
            for value in &row.key {
                let label = if people && value.label().is_empty() { "-" } else { value.label() };
                cells[value.dimension.to_string()] = json!(label);
            }
            match self.compared {
                Some(compared) => {
                    cells["compared"] = json!(compared.state(i));
                    for metric in &answer.metrics {
                        changed(&mut cells, *metric, compared.change(i, &row.figures, *metric), people);
                    }
                }
                None => figures(&mut cells, &row.figures, people),
            }
            if let Some((metric, most)) = most {
                cells["bar"] = json!(row.figures.get(&metric).map(|value| eyes::bar(*value, most)));
            }
            if let Some(history) = self.history {
                cells["spark"] = json!(history.spark(&row.key));
            }
            cells
        });
        let mut rows: Vec<Value> = each.collect();
        if people {
            let mut total = json!({});
            if let Some(first) = answer.dimensions.first() {
                total[first.to_string()] = json!("TOTAL");
            }
            match self.compared {
                Some(compared) => {
                    for metric in &answer.metrics {
                        changed(&mut total, *metric, compared.of_totals(&answer.totals, *metric), people);
                    }
                }
                None => figures(&mut total, &answer.totals, true),
            }
            // One row without dimensions is its own total.
            if answer.dimensions.is_empty() {
                let only = rows.first().map_or(Value::Null, |row| row["spark"].clone());
                total["spark"] = only;
                rows.clear();
            }
            rows.push(total);
        }
        rows
    }

    /// The columns, in order: what rows are grouped by, figures, and in CSV the currency of all amounts; or those that were
    /// chosen. Behind them what is to be seen at a glance.
    fn columns(&self, people: bool) -> Result<Vec<Column>, Failure> {
        let answer = self.answer;
        let mut all: Vec<Column> = answer
            .dimensions
            .iter()
            .map(|d| Column::text(&d.to_string(), &d.to_string()).of_weight(u8::MAX))
            .collect();
        if self.compared.is_some_and(|compared| !people || compared.differs()) {
            all.push(Column::text("compared", "compared").whole().of_weight(u8::MAX));
        }
        for metric in &answer.metrics {
            let name = metric.as_str();
            all.push(Column::number(&heading(*metric, answer.currency), name).of_weight(weight(*metric)));
            if self.compared.is_some() && !people {
                let more = [format!("{name}_previous"), format!("{name}_change_percent")];
                all.extend(more.iter().map(|name| Column::number(name, name)));
            }
        }
        // Amounts stand alone, so that they can be summed.
        let in_csv = !people && answer.metrics.iter().any(|m| m.unit() == Unit::Money);
        if in_csv || self.chosen.iter().any(|c| c == "currency") {
            all.push(Column::text("currency", "currency"));
        }
        let mut columns = if self.chosen.is_empty() { all } else { chosen(&all, self.chosen)? };
        if let Some(metric) = self.bars {
            columns.push(Column::text(&format!("{} bar", metric.label()), "bar").whole().of_weight(u8::MAX));
        }
        if let Some(history) = self.history {
            let title = format!("{} by {}", history.metric.label(), history.step);
            columns.push(Column::text(&title, "spark").whole().of_weight(u8::MAX));
        }
        Ok(columns)
    }
}

/// Those that were chosen, in their order.
fn chosen(all: &[Column], chosen: &[String]) -> Result<Vec<Column>, Failure> {
    let known: Vec<String> = all.iter().map(|c| c.field.clone()).collect();
    let unknown: Vec<String> =
        chosen.iter().filter(|c| !known.contains(c)).map(|name| format!("'{name}'")).collect();
    if !unknown.is_empty() {
        let (unknown, known) = (unknown.join(", "), known.join(", "));
        return Err(Failure::usage(format!(
            "--columns: {unknown} is no column of this report; it has {known} (--by, --metrics)"
        )));
    }
    Ok(chosen.iter().filter_map(|name| all.iter().find(|c| c.field == *name).cloned()).collect())
}

/// What a figure weighs where there is not room for all: money first, then what it is made of.
const fn weight(metric: Metric) -> u8 {
    match metric {
        Metric::Revenue | Metric::Cost | Metric::Profit => 5,
        Metric::Roi => 4,
        Metric::Clicks => 3,
        Metric::Conversions => 2,
        Metric::RevenueHold | Metric::RevenueConfirmed | Metric::ProfitConfirmed | Metric::BotCost => 1,
        _ => 0,
    }
}

fn heading(metric: Metric, currency: Currency) -> String {
    match metric.unit() {
        Unit::Money => format!("{} {currency}", metric.label()),
        // The sign stands in each cell.
        Unit::Percent => metric.label().trim_end_matches(" %").to_owned(),
        _ => metric.label().to_owned(),
    }
}

fn figures(cells: &mut Value, figures: &Figures, people: bool) {
    for (metric, value) in figures.iter() {
        cells[metric.as_str()] = json!(shown(*metric, *value, people));
    }
}

/// A figure as it is written.
fn shown(metric: Metric, value: Decimal, people: bool) -> String {
    let figure = value.to_string();
    match metric.unit() {
        Unit::Money if people => cents(&figure),
        Unit::Percent if people => format!("{figure}%"),
        _ => figure,
    }
}

/// A figure with how it differs from before: in one cell for people, in three of CSV.
fn changed(cells: &mut Value, metric: Metric, change: Change, people: bool) {
    let name = metric.as_str();
    let now = change.now.map(|value| shown(metric, value, people)).unwrap_or_default();
    if people {
        cells[name] = json!(format!("{now} {}", change.mark()).trim());
        return;
    }
    cells[name] = json!(now);
    cells[format!("{name}_previous")] = json!(change.before.map(|value| shown(metric, value, false)));
    cells[format!("{name}_change_percent")] = json!(change.percent().map(|percent| percent.to_string()));
}
