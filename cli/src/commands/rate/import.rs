//! `tfx rate import`: many rates out of a table.

use super::print;
use crate::{
    context::Context,
    exit::Failure,
    rows::{Form, Rows, name_of},
};
use clap::Args;
use std::{collections::HashMap, path::PathBuf};
use tfx_api::rates::{NewRate, SetRates};
use tfx_domain::{
    problem::Problems,
    rate::{MOST_AT_ONCE, RateKey, WrittenKey, read_value},
};

/// The columns, whatever their order.
const COLUMNS: [&str; 4] = ["from", "to", "day", "rate"];

/// Set many rates out of a CSV file, all or none.
///
/// Its first line names the columns from, to, day and rate, in any order; between cells stands , ; tab or |. Rates that are not in the file stay as they are.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    tfx rate import rates.csv --dry-run\n  \
    tfx rate list --all --output csv | tfx --profile other rate import -\n\n\
    A file:\n  \
    from,to,day,rate\n  \
    EUR,USD,2026-01-01,1.0842\n  \
    JPY,USD,2026-01-01,0.0064")]
pub(crate) struct Import {
    /// The file; - reads standard input.
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// Only say what it would come to.
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let mut rows = Rows::open(&self.file, None)?;
        let rates = read(&mut rows).map_err(|problems| {
            Failure::usage(format!("{} cannot be imported", name_of(&self.file))).with(problems)
        })?;
        let asked = SetRates { rates, dry_run: self.dry_run };
        let done = context.client()?.set_rates(&asked).await?;
        let (new, changed, same) = (done.new, done.changed, done.same);
        let sentence = match self.dry_run {
            true => {
                format!("nothing was done; {new} would be new, {changed} would change, {same} are so already")
            }
            false => format!("{new} rates are new, {changed} changed, {same} were so already"),
        };
        print(context, done, &sentence)
    }
}

/// Where the columns stand.
fn places(header: &[String]) -> Result<[usize; COLUMNS.len()], Problems> {
    let mut problems = Problems::default();
    let places = COLUMNS.map(|column| {
        let mut found = header.iter().enumerate().filter(|(_, name)| name.to_lowercase() == column);
        let first = found.next().map(|(at, _)| at);
        if found.next().is_some() {
            problems.add("the header", format!("names the column {column} more than once"));
        }
        first.unwrap_or(usize::MAX)
    });
    if places.contains(&usize::MAX) {
        problems.add("the header", format!("must name the columns: {}", COLUMNS.join(",")));
    }
    problems.into_result(places)
}

/// The rates of a file, or everything that is wrong with it, line by line.
fn read(rows: &mut Rows) -> Result<Vec<NewRate>, Problems> {
    if rows.form == Form::Jsonl {
        return Err(Problems::one("", "is JSON, and rates are read from CSV"));
    }
    let [from, to, day, rate] = places(&rows.header)?;
    let mut problems = Problems::default();
    let mut rates = Vec::new();
    let mut lines = HashMap::<RateKey, u64>::new();
    let mut many = 0;
    while many <= MOST_AT_ONCE {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => break,
            Err(broken) => {
                problems.add("", broken.message);
                break;
            }
        };
        many += 1;
        let line = row.line;
        let text = row.cells.iter().map(|cell| str::from_utf8(cell).map(str::trim)).collect();
        let cells: Vec<&str> = match (&row.problem, text) {
            (None, Ok(cells)) => cells,
            (why, text) => {
                let why = why.clone().or(text.err().map(|_| "is not UTF-8".to_owned()));
                problems.add(format!("line {line}"), why.unwrap_or_default());
                continue;
            }
        };
        let path = format!("line {line}, ");
        let cell = |place: usize| cells.get(place).copied().unwrap_or_default();
        let key = WrittenKey { from: cell(from), to: cell(to), day: cell(day) }.read(&path, &mut problems);
        read_value(cell(rate), &format!("{path}rate"), &mut problems);
        if let Some(before) = key.and_then(|key| lines.insert(key, line)) {
            problems.add(format!("line {line}"), format!("is of the same pair and day as line {before}"));
        }
        let [from, to, day, rate] = [from, to, day, rate].map(|place| cell(place).to_owned());
        rates.push(NewRate { from, to, day: Some(day), rate });
    }
    if rates.is_empty() && problems.is_empty() {
        problems.add("", "has no rates");
    }
    let most = format!("must be at most {MOST_AT_ONCE} at once: split the file");
    problems.require(many <= MOST_AT_ONCE, "rates", &most);
    problems.into_result(rates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_in_any_order_and_every_problem_is_told_with_its_line() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("rates.csv");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("written");
            let mut rows = Rows::open(&path, None).map_err(|failure| failure.message)?;
            super::read(&mut rows).map_err(|problems| problems.to_string())
        };
        let rates = read("\u{feff}Rate, day,to,from\n1.10, 2026-01-31 ,usd,EUR\r\n").expect("rates");
        let rate = |from: &str, to: &str, rate: &str| NewRate {
            from: from.to_owned(),
            to: to.to_owned(),
            day: Some("2026-01-31".to_owned()),
            rate: rate.to_owned(),
        };
        assert_eq!(rates, [rate("EUR", "usd", "1.10")]);
        let bad = "from,to,day,rate\nEUR,USD,2026-01-31,\"1,1\"\nEUR,EUR,31.01.2026,0\nEUR,USD\n\
                   EUR,USD,2026-02-01,1\nEUR,XXY,2026-02-01,1\nEUR,USD,2026-02-01,2\n";
        let told = read(bad).expect_err("problems");
        for part in [
            "line 2, rate: '1,1' must be a decimal number",
            "line 3, to: must be another currency",
            "line 3, day: '31.01.2026' must be a day",
            "line 3, rate: '0' must be above 0",
            "line 4: it has 2 cells, and the header has 4",
            "line 6, to: 'XXY'",
            "line 7: is of the same pair and day as line 5",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(read("EUR,USD,2026-01-31,1.1\n").is_err_and(|e| e.contains("from,to,day,rate")));
        assert!(read("from,to,day,rate\n").is_err_and(|e| e.contains("has no rates")));
        assert!(read("").is_err());
        // Between cells may stand what spreadsheets of other countries put there; nothing is passed over behind a quote.
        assert_eq!(read("from;to;day;rate\nEUR;usd;2026-01-31;1.10\n"), Ok(vec![rate("EUR", "usd", "1.10")]));
        let open = read("from,to,day,rate\nEUR,USD,2026-01-01,\"1.1\nEUR,USD,2026-01-02,1.2\n");
        assert!(open.is_err_and(|e| e.contains("line 2: the quote that opens here does not close")));
        let double = read("from,to,day,rate,Rate\nEUR,USD,2026-01-01,1.1,2.2\n");
        assert!(double.is_err_and(|e| e.contains("the header: names the column rate more than once")));
        assert!(read("{\"from\": \"EUR\"}\n").is_err_and(|e| e.contains("is JSON")));
    }
}
