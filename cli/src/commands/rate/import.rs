//! `tfx rate import`: many rates out of a table.

use super::print;
use crate::{context::Context, exit::Failure, input};
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
/// Its first line names the columns from, to, day and rate, in any order. Rates that are not in the file stay as they are.
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
        let rates = read(&input::text(&self.file)?).map_err(|problems| {
            Failure::usage(format!("{} cannot be imported", self.file.display())).with(problems)
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

/// The rates of a CSV text, or everything that is wrong with it, line by line.
fn read(text: &str) -> Result<Vec<NewRate>, Problems> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut problems = Problems::default();
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_lowercase).collect(),
        Err(e) => return Err(Problems::one("line 1", e.to_string())),
    };
    let places = COLUMNS.map(|column| header.iter().position(|name| name == column));
    let [Some(from), Some(to), Some(day), Some(rate)] = places else {
        return Err(Problems::one("line 1", "must name the columns: from,to,day,rate"));
    };
    let mut rates = Vec::new();
    let mut lines = HashMap::<RateKey, u64>::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(e) => {
                problems.add("", e.to_string());
                break;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            let many = format!("has {} columns, the first line {}", record.len(), header.len());
            problems.add(format!("line {line}"), many);
            continue;
        }
        let path = format!("line {line}, ");
        let cell = |place: usize| record.get(place).unwrap_or_default();
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
    problems.require(rates.len() <= MOST_AT_ONCE, "rates", &most);
    problems.into_result(rates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_in_any_order_and_every_problem_is_told_with_its_line() {
        let read = |text: &str| read(text).map_err(|problems| problems.to_string());
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
            "line 4: has 2 columns, the first line 4",
            "line 6, to: 'XXY'",
            "line 7: is of the same pair and day as line 5",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(read("EUR,USD,2026-01-31,1.1\n").is_err_and(|e| e.contains("from,to,day,rate")));
        assert!(read("from,to,day,rate\n").is_err_and(|e| e.contains("has no rates")));
        assert!(read("").is_err());
    }
}
