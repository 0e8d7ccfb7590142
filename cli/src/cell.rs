//! What stands in a cell: columns, and the words that values of JSON are shown in.

use crate::when;
use serde_json::Value;
use tfx_domain::layout::is_layout;

/// A column of a table: its title, its field (a path such as `cost.amount`), how it stands and how it reads.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) title: String,
    pub(crate) field: String,
    pub(crate) right: bool,
    /// Never broken over lines: what is copied from a table.
    pub(crate) whole: bool,
    /// CSV has the field itself, not what people read.
    raw: bool,
    /// Where there is not room for all, columns of less weight go first.
    pub(crate) weight: u8,
    show: Show,
}

/// How a column reads.
#[derive(Debug, Clone, Copy)]
enum Show {
    /// The value of the field.
    Plain,
    /// A time: local in tables.
    Time,
    /// The slug of the entity whose id the field holds, from the row's `labels`.
    Label,
    /// An amount with its currency; CSV has them in two columns.
    Money,
    /// Something made of the row.
    Made(fn(&Value) -> String),
}

impl Column {
    /// A column of text.
    pub(crate) fn text(title: &str, field: &str) -> Self {
        Self {
            title: title.to_owned(),
            field: field.to_owned(),
            right: false,
            whole: false,
            raw: false,
            weight: 0,
            show: Show::Plain,
        }
    }

    /// A column of ids.
    pub(crate) fn id(title: &str, field: &str) -> Self {
        Self { whole: true, ..Self::text(title, field) }
    }

    /// A column of numbers.
    pub(crate) fn number(title: &str, field: &str) -> Self {
        Self { right: true, whole: true, ..Self::text(title, field) }
    }

    /// A column of times.
    pub(crate) fn time(title: &str, field: &str) -> Self {
        Self { show: Show::Time, whole: true, raw: true, ..Self::text(title, field) }
    }

    /// A column of entities: the field holds ids, people read slugs.
    pub(crate) fn label(title: &str, field: &str) -> Self {
        Self { show: Show::Label, ..Self::text(title, field) }
    }

    /// A column of amounts: the field holds `{amount, currency}`.
    pub(crate) fn money(title: &str, field: &str) -> Self {
        Self { show: Show::Money, right: true, whole: true, ..Self::text(title, field) }
    }

    /// A column made of the whole row; `field` is its name in CSV.
    pub(crate) fn made(title: &str, field: &str, of: fn(&Value) -> String) -> Self {
        Self { show: Show::Made(of), ..Self::text(title, field) }
    }

    /// The same, standing right.
    pub(crate) fn right(mut self) -> Self {
        (self.right, self.whole) = (true, true);
        self
    }

    /// The same, never broken over lines.
    pub(crate) fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// The same, of so much weight where there is not room for all.
    pub(crate) fn of_weight(mut self, weight: u8) -> Self {
        self.weight = weight;
        self
    }

    /// The same, but CSV has the field itself.
    pub(crate) fn raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// What a cell says to people: one line, without control characters.
    pub(crate) fn cell(&self, row: &Value) -> String {
        let said = match self.show {
            Show::Plain => text(at(row, &self.field)),
            Show::Time => when::shown(&text(at(row, &self.field))),
            Show::Label => label(row, at(row, &self.field)),
            Show::Money => money(at(row, &self.field)),
            Show::Made(of) => of(row),
        };
        line(&said)
    }

    /// The names of its columns in CSV.
    pub(crate) fn csv_names(&self) -> Vec<String> {
        match self.show {
            Show::Money => vec![self.field.clone(), format!("{}_currency", self.field)],
            _ => vec![self.field.clone()],
        }
    }

    /// What it says in each of them. A line break is quoted there, so it may stay.
    pub(crate) fn csv(&self, row: &Value) -> Vec<String> {
        let value = at(row, &self.field);
        vec![match self.show {
            Show::Made(of) if !self.raw => printable(&of(row)),
            Show::Label => label(row, value),
            Show::Money => return vec![amount(value), text(at(value, "currency"))],
            _ => printable(&text(value)),
        }]
    }
}
/// Rows with the columns that tables show. JSON and YAML show the rows as they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Value>,
    /// Which field `--output name` prints.
    pub(crate) name: &'static str,
}
/// The value at a dotted path.
pub(crate) fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    let mut at = value;
    for step in path.split('.') {
        match at.get(step).or_else(|| sub(at, step)) {
            Some(inner) => at = inner,
            None => return &Value::Null,
        }
    }
    at
}

/// `sub3` is the third of `subs`.
fn sub<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let number: usize = name.strip_prefix("sub")?.parse().ok()?;
    value.get("subs")?.get(number.checked_sub(1)?)
}

/// A value as one text: nothing for null, the bare text of a string, JSON for what has parts.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.clone(),
        Value::Array(items) if items.iter().all(|i| !i.is_object() && !i.is_array()) => {
            items.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// The slug that goes with an id in the row's `labels`, else the id.
pub(crate) fn label(row: &Value, id: &Value) -> String {
    let id = text(id);
    row.get("labels").and_then(|l| l.get(&id)).map_or(id, text)
}

/// The amount of `{amount, currency}`; of what clicks cost by the click `{per_click, currency}`, by a share `{percent}`.
fn amount(value: &Value) -> String {
    value.get("amount").or_else(|| value.get("per_click")).map(text).unwrap_or_default()
}

/// An amount with its currency, from `{amount, currency}`: `12.50 USD`. Two decimals at least.
pub(crate) fn money(value: &Value) -> String {
    if let Some(percent) = value.get("percent") {
        return format!("{}%", text(percent));
    }
    let amount = amount(value);
    if amount.is_empty() {
        return amount;
    }
    format!("{} {}", cents(&amount), text(at(value, "currency")))
}

/// A decimal with two decimals at least.
pub(crate) fn cents(amount: &str) -> String {
    match amount.split_once('.') {
        None => format!("{amount}.00"),
        Some((_, decimals)) if decimals.len() < 2 => format!("{amount}0"),
        Some(_) => amount.to_owned(),
    }
}

/// Visitors write user agents and referrers: nothing of theirs reaches the terminal that moves it, breaks a line, or turns what
/// stands beside it around.
pub(crate) fn printable(text: &str) -> String {
    let changes = |c: char| c.is_control() && c != '\n' || is_layout(c);
    text.chars().map(|c| if changes(c) { '\u{fffd}' } else { c }).collect()
}

/// The same on one line: what a visitor sent makes no row and no field of its own.
pub(crate) fn line(text: &str) -> String {
    printable(text).replace('\n', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cell_is_one_line_for_people_and_the_field_itself_in_csv() {
        let row =
            json!({ "keyword": "red\u{1b}[31m\nstatus  paid", "at": "2026-01-31T09:30:00Z", "bot": true });
        let keyword = Column::text("keyword", "keyword");
        assert_eq!(keyword.cell(&row), "red\u{fffd}[31m\u{fffd}status  paid");
        assert_eq!(keyword.csv(&row), ["red\u{fffd}[31m\nstatus  paid"]);
        assert_eq!(Column::time("at", "at").csv(&row), ["2026-01-31T09:30:00Z"]);
        let bot = Column::made("bot", "bot", |row| if row["bot"] == true { "bot" } else { "" }.to_owned());
        assert_eq!((bot.cell(&row), bot.csv(&row)), ("bot".to_owned(), vec!["bot".to_owned()]));
        assert_eq!(bot.raw().csv(&row), ["true"]);
    }

    #[test]
    fn nothing_of_a_stranger_turns_a_line_around_or_breaks_it() {
        for c in [
            '\u{202e}', '\u{2066}', '\u{2069}', '\u{200f}', '\u{61c}', '\u{2028}', '\u{2029}', '\u{85}', '\r',
        ] {
            assert_eq!(line(&format!("a{c}b")), "a\u{fffd}b", "{c:?}");
        }
        assert_eq!(line("שלום é 😀 a\u{200d}b"), "שלום é 😀 a\u{200d}b");
    }

    #[test]
    fn an_amount_and_its_currency_are_one_cell_for_people_and_two_in_csv() {
        let row = json!({ "cost": { "amount": "0.5", "currency": "USD" }, "per": { "per_click": "2", "currency": "EUR" } });
        for (field, cell, csv) in
            [("cost", "0.50 USD", ["0.5", "USD"]), ("per", "2.00 EUR", ["2", "EUR"]), ("none", "", ["", ""])]
        {
            let column = Column::money("money", field);
            assert_eq!(
                (column.cell(&row), column.csv(&row)),
                (cell.to_owned(), csv.map(str::to_owned).to_vec())
            );
            assert_eq!(column.csv_names(), [field.to_owned(), format!("{field}_currency")]);
        }
    }
}
