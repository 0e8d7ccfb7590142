//! How results and errors are printed. Results go to stdout, everything else to stderr.
//!
//! A command builds a [`Listing`] (rows of JSON objects plus the columns a table shows) or hands over one value, and
//! calls [`Out::rows`] or [`Out::item`]; the format is the user's. Hints and notes go through [`Out::note`]. Escape
//! codes are written to a terminal only, and not when `--no-color` or `NO_COLOR` is set.

use crate::exit::{Failure, Kind};
use clap::ValueEnum;
use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;
use std::io::{self, IsTerminal, Write};

/// The form of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// A JSON object per line.
    Jsonl,
    /// YAML.
    Yaml,
    /// Comma-separated, with a header line.
    Csv,
    /// The names only, one per line.
    Name,
}

/// A column of a table: its title, its field (a path such as `cost.amount`), and how it stands.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) title: String,
    pub(crate) field: String,
    pub(crate) right: bool,
}

impl Column {
    /// A column of text.
    pub(crate) fn text(title: &str, field: &str) -> Self {
        Self { title: title.to_owned(), field: field.to_owned(), right: false }
    }

    /// A column of numbers.
    pub(crate) fn number(title: &str, field: &str) -> Self {
        Self { title: title.to_owned(), field: field.to_owned(), right: true }
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
        let mut out = io::stdout().lock();
        match self.format {
            Format::Table => self.table(&mut out, listing)?,
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
                    writeln!(out, "{}", text(at(row, listing.name)))?;
                }
            }
        }
        Ok(out.flush()?)
    }

    /// Prints one thing: as a list of its fields in a table, as itself elsewhere.
    ///
    /// # Errors
    /// A closed pipe or a full disk behind stdout.
    pub(crate) fn item(&self, item: &Value, fields: &[Column], name: &'static str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match self.format {
            Format::Table => {
                let width = fields.iter().map(|f| f.title.chars().count()).max().unwrap_or(0);
                for field in fields {
                    let value = text(at(item, &field.field));
                    if !value.is_empty() {
                        let pad = " ".repeat(width - field.title.chars().count());
                        let title = self.bold(&field.title);
                        writeln!(out, "{title}{pad}  {}", printable(&value))?;
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
            Format::Name => writeln!(out, "{}", text(at(item, name)))?,
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

    fn table(&self, out: &mut impl Write, listing: &Listing) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if !self.color {
            table.force_no_tty();
        }
        if !io::stdout().is_terminal() {
            // A pipe has no width: lines stay whole, so that they can be cut and searched.
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        let header = listing.columns.iter().map(|c| {
            let cell = Cell::new(c.title.to_uppercase()).set_alignment(alignment(c));
            if self.color { cell.add_attribute(Attribute::Bold) } else { cell }
        });
        table.set_header(header);
        for row in &listing.rows {
            let cells = listing
                .columns
                .iter()
                .map(|c| Cell::new(printable(&text(at(row, &c.field)))).set_alignment(alignment(c)));
            table.add_row(cells);
        }
        for line in table.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn alignment(column: &Column) -> CellAlignment {
    if column.right { CellAlignment::Right } else { CellAlignment::Left }
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

/// Visitors write user agents and referrers: no control character of theirs reaches the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
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
        writer.write_record(listing.columns.iter().map(|c| text(at(row, &c.field)))).map_err(failed)?;
    }
    Ok(writer.flush()?)
}
