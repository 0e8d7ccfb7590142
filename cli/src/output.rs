//! How results and errors are printed. Results go to stdout, everything else to stderr.
//!
//! A command builds a [`Listing`] (rows of JSON objects plus the columns a table shows) or hands over one value, and
//! calls [`Out::rows`], [`Out::page`] or [`Out::item`]; the format is the user's. Hints and notes go through
//! [`Out::note`]. Escape codes are written to a terminal only, and not when `--no-color` or `NO_COLOR` is set.
//! Tables show times in the local zone; every other format shows them as they are (RFC 3339). Tables themselves are
//! drawn in [`crate::table`].

pub(crate) use crate::cell::{Column, Listing, at, cents, label, line, money, printable, text};

use crate::{
    exit::{Failure, Kind},
    table,
};
use clap::ValueEnum;
use dialoguer::console::{Term, measure_text_width};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use std::{
    io::{self, BufWriter, IsTerminal, Write},
    time::Duration,
};

/// How often a command that goes on looks whether stdout is still read.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Ends with Ctrl-C, or when whoever reads stdout has gone: nothing is written meanwhile that could fail.
pub(crate) async fn nobody_listens() {
    let hung_up = async {
        loop {
            let stdout = io::stdout();
            let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
            let seen = poll(&mut polled, Some(&Timespec::default()));
            if seen.is_ok() && polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = hung_up => {}
    }
}

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

/// So many rows that cannot be read are named.
const NAMED: usize = 5;

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
        self.rows_or(listing, "--output csv shows them")
    }

    /// Prints rows; `otherwise` says how columns are seen for which a terminal has no room.
    ///
    /// # Errors
    /// A closed pipe or a full disk behind stdout.
    pub(crate) fn rows_or(&self, listing: &Listing, otherwise: &str) -> Result<(), Failure> {
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
                    self.note(format!("too narrow for: {columns} ({otherwise})"));
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

    /// Prints a page of a list. JSON and YAML give `{items, next}`, and `left_out` if there is any; elsewhere a note tells
    /// that there is more. What was left out is noted in any case.
    ///
    /// # Errors
    /// A closed pipe or a full disk behind stdout.
    pub(crate) fn page(
        &self,
        listing: &Listing,
        next: Option<&str>,
        left_out: &[String],
    ) -> Result<(), Failure> {
        if matches!(self.format, Format::Json | Format::Yaml) {
            let mut page = json!({ "items": listing.rows, "next": next });
            if !left_out.is_empty() {
                page["left_out"] = json!(left_out);
            }
            self.item(&page, &[], "")?;
            self.left_out(left_out);
            return Ok(());
        }
        self.rows(listing)?;
        self.left_out(left_out);
        if listing.rows.is_empty() && left_out.is_empty() && self.format == Format::Table {
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
                let columns = self.width().map(usize::from);
                for field in fields {
                    let value = field.cell(item);
                    if !value.is_empty() {
                        let pad = " ".repeat(width - field.title.chars().count());
                        let title = self.bold(&field.title);
                        let indented = format!("{}{value}", " ".repeat(width + 2));
                        let value = columns
                            .map_or(value, |columns| folded(&indented, columns).trim_start().to_owned());
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
        if self.quiet {
            return;
        }
        // Whoever gave names to what it tells of writes to no terminal.
        let mut text = printable(text.as_ref());
        if io::stderr().is_terminal()
            && let Some((_, columns)) = Term::stderr().size_checked()
        {
            text = folded(&text, usize::from(columns));
        }
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Says how many rows cannot be read, and why; of many alike the first ones.
    pub(crate) fn left_out(&self, why: &[String]) {
        let Some(rest) = why.len().checked_sub(1) else { return };
        let rows = if rest == 0 { "1 row cannot be read and is" } else { "rows cannot be read and are" };
        let many = if rest == 0 { String::new() } else { format!("{} ", why.len()) };
        self.note(format!("warning: {many}{rows} left out, because damaged or of a newer program:"));
        for one in why.iter().take(NAMED) {
            self.note(format!("  {}", line(one)));
        }
        if why.len() > NAMED {
            self.note(format!("  and {} more", why.len() - NAMED));
        }
    }

    /// Says what an answer of the API warns of.
    pub(crate) fn warnings(&self, answer: &Value) {
        let all = answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for (i, line) in all.enumerate() {
            self.note(if i == 0 { format!("warning: {line}") } else { line.to_owned() });
        }
    }

    /// Reports a failure: as text, or as an object with `--output json|jsonl`.
    pub(crate) fn failure(&self, failure: &Failure) {
        if matches!(failure.kind, Kind::ClosedPipe | Kind::Verdict(_)) {
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
        if let Some(asked) = &failure.asked {
            let _ = writeln!(err, "asked: {}", printable(asked));
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
        table::draw(listing, self.width(), self.color)
    }

    /// How wide the terminal is; none where there is none.
    pub(crate) fn width(&self) -> Option<u16> {
        let size = io::stdout().is_terminal().then(|| Term::stdout().size_checked()).flatten();
        size.map(|(_, columns)| columns)
    }
}

/// Sentences within so many columns of a terminal, broken between words. Commands, on lines of their own, are to be copied
/// and stay whole.
fn folded(text: &str, columns: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("tfx ") {
            lines.push(line.to_owned());
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let mut words = line[indent..].split(' ');
        let mut now = format!("{}{}", &line[..indent], words.next().unwrap_or_default());
        for word in words {
            if measure_text_width(&now) + 1 + measure_text_width(word) > columns {
                lines.push(std::mem::replace(&mut now, format!("{}{word}", " ".repeat(indent))));
            } else {
                now = format!("{now} {word}");
            }
        }
        lines.push(now);
    }
    lines.join("\n")
}

fn json(out: &mut impl Write, value: &Value) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)
}

fn yaml(out: &mut impl Write, value: &Value) -> io::Result<()> {
    let text = serde_norway::to_string(value).map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}

/// What another spreadsheet takes for the end of a cell.
const CELL_ENDS: [char; 4] = [';', '\t', '\r', '\n'];

/// A cell that a spreadsheet shows and does not run: texts come from strangers (`=HYPERLINK(…)` as a keyword). An
/// apostrophe goes before what would begin a formula there (the table of OWASP's "CSV Injection"), also behind blanks,
/// and behind what another spreadsheet takes for the end of a cell; numbers stay as they are.
fn no_formula(cell: String) -> String {
    const BEGINS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    const ENDS: [char; 4] = CELL_ENDS;
    let is_number = |text: &str| {
        text.strip_prefix(['-', '+'])
            .is_some_and(|n| n.parse::<f64>().is_ok() && n.starts_with(|c: char| c.is_ascii_digit()))
    };
    // What importers strip before they look.
    let skipped = |c: char| c.is_whitespace() || matches!(c, '"' | '\u{feff}' | '\u{200b}');
    let runs = |text: &str| text.trim_start_matches(skipped).starts_with(BEGINS) && !is_number(text);
    if !cell.contains(BEGINS) && !cell.starts_with(&ENDS[1..]) {
        return cell;
    }
    let mut safe = String::with_capacity(cell.len() + 1);
    if cell.starts_with(&ENDS[1..]) || cell.starts_with(ENDS) && runs(cell.trim_start_matches(ENDS)) {
        safe.push('\'');
    }
    for piece in cell.split_inclusive(ENDS) {
        if runs(piece.strip_suffix(ENDS).unwrap_or(piece)) {
            safe.push('\'');
        }
        safe.push_str(piece);
    }
    safe
}

/// A cell of a file that is read again: what [`no_formula`] would mend has an apostrophe before it, and so has what begins
/// with one, so that [`unguarded`] gives back every text.
pub(crate) fn guarded(cell: &str) -> String {
    if !cell.contains('\'') && no_formula(cell.to_owned()) == cell {
        return cell.to_owned();
    }
    let mut safe = String::with_capacity(cell.len() + 1);
    for piece in cell.split_inclusive(CELL_ENDS) {
        let begins = piece.starts_with('\'') || piece.starts_with(CELL_ENDS);
        if begins || no_formula(piece.to_owned()) != piece {
            safe.push('\'');
        }
        safe.push_str(piece);
    }
    safe
}

/// The text that was [`guarded`].
pub(crate) fn unguarded(cell: &str) -> String {
    cell.split_inclusive(CELL_ENDS).map(|piece| piece.strip_prefix('\'').unwrap_or(piece)).collect()
}

/// A cell of a file that somebody else may have written, without the apostrophes that stand before what a spreadsheet would run.
pub(crate) fn without_guards(cell: &str) -> String {
    let bare = |piece: &str| -> Option<String> {
        let rest = piece.strip_prefix('\'')?;
        (no_formula(rest.to_owned()) != rest).then(|| rest.to_owned())
    };
    cell.split_inclusive(CELL_ENDS).map(|piece| bare(piece).unwrap_or_else(|| piece.to_owned())).collect()
}

fn csv(out: &mut impl Write, listing: &Listing) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(out);
    let failed = |e: csv::Error| match e.into_kind() {
        csv::ErrorKind::Io(e) => Failure::from(e),
        other => Failure::failed(format!("{other:?}")),
    };
    writer.write_record(listing.columns.iter().flat_map(Column::csv_names)).map_err(failed)?;
    for row in &listing.rows {
        writer
            .write_record(listing.columns.iter().flat_map(|c| c.csv(row)).map(no_formula))
            .map_err(failed)?;
    }
    Ok(writer.flush()?)
}

#[cfg(test)]
mod tests {
    use super::{folded, guarded, no_formula, unguarded, without_guards};

    #[test]
    fn a_cell_that_is_read_again_runs_nowhere_and_is_the_same() {
        for text in [
            "",
            "T1",
            "=1+1",
            "'=1",
            "'",
            "''=1",
            ";=1",
            ";'=1",
            "\t=1",
            "a\n@b;-1;-x",
            "-5",
            "'-5",
            "red; =1",
            "a;;=b",
            "\r\n=x",
            "it's",
            "a;'b",
        ] {
            let safe = guarded(text);
            assert_eq!(unguarded(&safe), text, "{safe:?}");
            assert_eq!(no_formula(safe.clone()), safe, "{text:?}");
        }
        assert_eq!((guarded("T1").as_str(), guarded("-5").as_str()), ("T1", "-5"));
        // Of others only what a spreadsheet would run.
        for (text, want) in
            [("'=1", "=1"), ("'T1", "'T1"), ("''=1", "''=1"), ("'-5", "'-5"), ("a;'=b", "a;=b")]
        {
            assert_eq!(without_guards(text), want);
            assert_eq!(without_guards(&no_formula(want.to_owned())), want);
        }
    }

    #[test]
    fn notes_are_broken_between_words_and_commands_are_not() {
        let note = "hint: adnet says \"aproved\":\n  tfx template create --map sale=aproved";
        let want = "hint: adnet\nsays\n\"aproved\":\n  tfx template create --map sale=aproved";
        assert_eq!(folded(note, 11), want);
        assert_eq!(folded(note, 80), note);
    }

    #[test]
    fn a_spreadsheet_shows_what_a_stranger_sent_and_does_not_run_it() {
        let table = [
            ("=1+1", "'=1+1"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-", "'-"),
            ("-inf", "'-inf"),
            ("＝1", "'＝1"),
            ("-1e5)", "'-1e5)"),
            // Behind what importers strip.
            (" =1", "' =1"),
            ("\u{a0}\u{feff}=1", "'\u{a0}\u{feff}=1"),
            ("\"=1", "'\"=1"),
            // Behind what ends a cell where a semicolon, a tab or a line break does.
            (";=1", "';'=1"),
            ("red; =1", "red;' =1"),
            ("\t=1", "'\t'=1"),
            ("\r=1", "'\r'=1"),
            ("\n", "'\n"),
            ("a\n@b;-1;-x", "a\n'@b;-1;'-x"),
        ];
        for (text, want) in table {
            assert_eq!(no_formula(text.to_owned()), want, "{text:?}");
        }
        for text in
            ["", "summer", "1=1", "-5", "-0.25", "+49", "-1e5", "a@b.example", "'=1", "a; b", "a - b", "5;-5"]
        {
            assert_eq!(no_formula(text.to_owned()), text);
        }
    }
}
