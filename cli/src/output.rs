//! How results and errors are printed. Results go to stdout, everything else to stderr.
//!
//! A command builds a [`Listing`] (rows of JSON objects plus the columns a table shows) or hands over one value, and
//! calls [`Out::rows`], [`Out::page`] or [`Out::item`]; the format is the user's. Hints and notes go through
//! [`Out::note`]. Escape codes are written to a terminal only, and not when `--no-color` or `NO_COLOR` is set.
//! Tables show times in the local zone; every other format shows them as they are (RFC 3339). Tables themselves are
//! drawn in [`crate::table`].

use crate::{
    exit::{Failure, Kind},
    table, when,
};
use clap::ValueEnum;
use dialoguer::console::Term;
use serde_json::{Value, json};
use std::io::{self, BufWriter, IsTerminal, Write};

/// The form of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // For people.
    #[default]
    Table,
    // One document.
    Json,
    // An object per line.
    Jsonl,
    Yaml,
    // With a header line.
    Csv,
    // What other commands take as a reference, one per line.
    Name,
}

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

    /// A column made of the whole row; `field` is its name in CSV.
    pub(crate) fn made(title: &str, field: &str, of: fn(&Value) -> String) -> Self {
        Self { show: Show::Made(of), ..Self::text(title, field) }
    }

    /// The same, standing right.
    pub(crate) fn right(mut self) -> Self {
        (self.right, self.whole) = (true, true);
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
            Show::Made(of) => of(row),
        };
        line(&said)
    }

    /// What it says in CSV. A line break is quoted there, so it may stay.
    fn csv(&self, row: &Value) -> String {
        match self.show {
            Show::Made(of) if !self.raw => printable(&of(row)),
            Show::Label => label(row, at(row, &self.field)),
            _ => printable(&text(at(row, &self.field))),
        }
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

/// The user's choices about output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    pub(crate) format: Format,
    pub(crate) quiet: bool,
    /// Escape codes on stdout.
    pub(crate) color: bool,
}

impl Out {
    pub(crate) fn new(format: Format, quiet: bool, no_color: bool) -> Self {
        let wanted = !no_color && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let able = std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        Self { format, quiet, color: wanted && able && io::stdout().is_terminal() }
    }

    /// Prints rows.
    ///
    /// # Errors
    /// A closed pipe or a full disk behind stdout.
    pub(crate) fn rows(&self, listing: &Listing) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        match self.format {
            Format::Table => {
                let drawn = self.table(listing);
                for line in &drawn.lines {
                    writeln!(out, "{line}")?;
                }
                out.flush()?;
                if !drawn.left_out.is_empty() {
                    let columns = drawn.left_out.join(", ");
                    self.note(format!("too narrow for: {columns} (--output json or csv shows everything)"));
                }
            }
            Format::Json => json(&mut out, &Value::Array(listing.rows.clone()))?,
            Format::Jsonl => {
                for row in &listing.rows {
                    writeln!(out, "{row}")?;
                }
            }
            Format::Yaml => yaml(&mut out, &Value::Array(listing.rows.clone()))?,
            Format::Csv => csv(&mut out, listing)?,
            Format::Name => {
                for row in &listing.rows {
                    writeln!(out, "{}", line(&text(at(row, listing.name))))?;
                }
            }
        }
        Ok(out.flush()?)
    }

    /// Prints a page of a list. JSON and YAML give `{items, next}`; elsewhere a note tells that there is more.
    ///
    /// # Errors
    /// A closed pipe or a full disk behind stdout.
    pub(crate) fn page(&self, listing: &Listing, next: Option<&str>) -> Result<(), Failure> {
        if matches!(self.format, Format::Json | Format::Yaml) {
            let page = json!({ "items": listing.rows, "next": next });
            return self.item(&page, &[], "");
        }
        self.rows(listing)?;
        if listing.rows.is_empty() && self.format == Format::Table {
            self.note("there is nothing to list");
        }
        if let Some(next) = next {
            self.note(format!("there are more: --cursor {next}, or --all"));
        }
        Ok(())
    }

    /// Prints lines of text, whatever the format.
    ///
    /// # Errors
    /// A closed pipe or a full disk behind stdout.
    pub(crate) fn lines<S: AsRef<str>>(&self, lines: impl IntoIterator<Item = S>) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        for line in lines {
            writeln!(out, "{}", line.as_ref())?;
        }
        Ok(out.flush()?)
    }

    /// Prints one thing: as a list of its fields in a table, as itself elsewhere.
    ///
    /// # Errors
    /// A closed pipe or a full disk behind stdout.
    pub(crate) fn item(&self, item: &Value, fields: &[Column], name: &'static str) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        match self.format {
            Format::Table => {
                let width = fields.iter().map(|f| f.title.chars().count()).max().unwrap_or(0);
                for field in fields {
                    let value = field.cell(item);
                    if !value.is_empty() {
                        let pad = " ".repeat(width - field.title.chars().count());
                        let title = self.bold(&field.title);
                        writeln!(out, "{title}{pad}  {value}")?;
                    }
                }
            }
            Format::Json => json(&mut out, item)?,
            Format::Jsonl => writeln!(out, "{item}")?,
            Format::Yaml => yaml(&mut out, item)?,
            Format::Csv => {
                let rows = vec![item.clone()];
                csv(&mut out, &Listing { columns: fields.to_vec(), rows, name })?;
            }
            Format::Name => writeln!(out, "{}", line(&text(at(item, name))))?,
        }
        Ok(out.flush()?)
    }

    /// Says something beside the result, unless `--quiet`.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
        }
    }

    /// Reports a failure: as text, or as an object with `--output json|jsonl`.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.kind == Kind::ClosedPipe {
            return;
        }
        let mut err = io::stderr().lock();
        if matches!(self.format, Format::Json | Format::Jsonl)
            && let Ok(object) = serde_json::to_value(failure)
        {
            let _ = writeln!(err, "{}", serde_json::json!({ "error": object }));
            return;
        }
        let _ = writeln!(err, "error: {}", printable(&failure.message));
        for p in &failure.problems.0 {
            let path = if p.path.is_empty() { String::new() } else { format!("{}: ", p.path) };
            let _ = writeln!(err, "  - {}{}", printable(&path), printable(&p.message));
        }
        if let Some(hint) = &failure.hint {
            let _ = writeln!(err, "hint: {}", printable(hint));
        }
    }

    fn bold(&self, text: &str) -> String {
        if self.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A table as wide as the terminal; as wide as it needs to be in a pipe, where lines are cut and searched.
    fn table(&self, listing: &Listing) -> table::Drawn {
        let width = io::stdout().is_terminal().then(|| Term::stdout().size_checked()).flatten();
        table::draw(listing, width.map(|(_, columns)| columns), self.color)
    }
}

/// The value at a dotted path.
pub(crate) fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    let mut at = value;
    for step in path.split('.') {
        match at.get(step) {
            Some(inner) => at = inner,
            None => return &Value::Null,
        }
    }
    at
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

/// An amount with its currency, from `{amount, currency}`: `12.50 USD`. Two decimals at least.
pub(crate) fn money(value: &Value) -> String {
    let amount = value.get("amount").or_else(|| value.get("per_click")).map(text).unwrap_or_default();
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

/// Visitors write user agents and referrers: no control character of theirs reaches the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// The same on one line: what a visitor sent makes no row and no field of its own.
pub(crate) fn line(text: &str) -> String {
    printable(text).replace('\n', "\u{fffd}")
}

fn json(out: &mut impl Write, value: &Value) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)
}

fn yaml(out: &mut impl Write, value: &Value) -> io::Result<()> {
    let text = serde_norway::to_string(value).map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}

fn csv(out: &mut impl Write, listing: &Listing) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(out);
    let failed = |e: csv::Error| match e.into_kind() {
        csv::ErrorKind::Io(e) => Failure::from(e),
        other => Failure::failed(format!("{other:?}")),
    };
    writer.write_record(listing.columns.iter().map(|c| c.field.as_str())).map_err(failed)?;
    for row in &listing.rows {
        writer.write_record(listing.columns.iter().map(|c| c.csv(row))).map_err(failed)?;
    }
    Ok(writer.flush()?)
}
