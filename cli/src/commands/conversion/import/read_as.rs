//! How a file of rows is read: which column holds what, what stands between cells, where its times are meant.

use crate::{
    exit::Failure,
    output::Out,
    rows::{
        Form, Rows,
        mapping::{self, Fact, Mapping, OURS, Said},
        name_of,
    },
    when,
};
use clap::Args;
use jiff::tz::TimeZone;
use std::path::Path;
use tfx_domain::problem::Problems;

/// How a file is read.
#[derive(Debug, Args)]
pub(crate) struct ReadAs {
    /// Which column holds what: click_id="Sub ID",payout=Amount; a fact without a column is not read.
    #[arg(long, value_name = "FACT=COLUMN,…", value_parser = mapping::said)]
    pub(super) map: Vec<Said>,
    /// What stands between cells: one character, or tab [default: found in the header].
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// Where times are meant that have no offset: Europe/Berlin, UTC [default: this machine's].
    #[arg(long, value_name = "ZONE", value_parser = when::zone)]
    pub(super) timezone: Option<TimeZone>,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [one] if !one.is_ascii_alphanumeric() && !matches!(one, b'"' | b'\r' | b'\n') => Ok(*one),
        _ => Err("must be one character that is no letter, digit or quote, or tab".to_owned()),
    }
}

impl ReadAs {
    /// Opens a file, and says what is found out about it; with the template that was said to read it.
    ///
    /// # Errors
    /// It cannot be read, or may be an export of ours or not: its amounts would be other ones.
    pub(crate) fn open(
        &self,
        file: &Path,
        template: Option<&str>,
        out: Out,
    ) -> Result<(Rows, Mapping), Failure> {
        let rows = Rows::open(file, self.delimiter)?;
        if let (Form::Csv(found), None) = (rows.form, self.delimiter)
            && found != b','
        {
            let shown = if found == b'\t' { "tab".to_owned() } else { char::from(found).to_string() };
            out.note(format!("between its cells stands {shown}"));
        }
        let zone = self.timezone.clone().unwrap_or_else(|| when::local().clone());
        let mapping = Mapping::new(self.map.clone(), template.is_some(), zone, &rows);
        if mapping.ours {
            out.note("an export of tfx: statuses and amounts are read as ours");
        } else if mapping.looks_like_ours && template.is_none() && self.map.is_empty() {
            return Err(Failure::usage(format!(
                "{} has the columns of an export of tfx, spelled otherwise: its statuses and amounts may be ours or a network's",
                name_of(file)
            ))
            .hint(format!(
                "an export's are called {}; of a network's file --map click_id=COLUMN or --template says so",
                OURS.join(", ")
            )));
        }
        Ok((rows, mapping))
    }

    /// Holds the header of CSV against what is asked for, and says which columns are not read.
    ///
    /// # Errors
    /// Every problem with the columns.
    pub(crate) fn check(
        &self,
        rows: &Rows,
        mapping: &Mapping,
        imports: bool,
        out: Out,
    ) -> Result<bool, Failure> {
        if rows.form == Form::Jsonl {
            return Ok(true);
        }
        let wrong = |problems: Problems| {
            Failure::usage("the columns cannot be told")
                .with(problems)
                .hint("--map FACT=COLUMN says which is which")
        };
        let columns = mapping.columns(&rows.header).map_err(wrong)?;
        if mapping.looks_like_ours {
            out.note(
                "it looks like an export of tfx and is read as a file of its network, by whose template its statuses and amounts \
                 are read then; the export's apostrophes are taken off",
            );
        }
        if !columns.unread.is_empty() {
            out.note(format!("not read: {}", columns.unread.join(", ")));
        }
        if imports && !columns.has(Fact::Time) {
            out.note("no column says when: each row counts from now");
        }
        Ok(columns.has(Fact::Network))
    }
}
