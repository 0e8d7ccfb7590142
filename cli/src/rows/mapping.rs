//! Which column of a file holds which fact, and what a row says then.

use super::{Form, Row, Rows, times};
use crate::output::{Out, unguarded, without_guards};
use jiff::tz::TimeZone;
use std::{fmt, sync::Arc};
use tfx_api::imports::ImportRow;
use tfx_domain::{entity::TemplateSpec, nearest::did_you_mean, postback::Field, problem::Problems};

/// The columns of an export of ours, in their order.
pub(crate) const OURS: [&str; 7] =
    ["network", "click_id", "transaction_id", "status", "payout", "currency", "time"];
/// Columns that a file of refused rows has before its own.
pub(crate) const REFUSED: [&str; 2] = ["line", "reason"];

/// What a column may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    Of(Field),
    /// When it was reported.
    Time,
    /// Who reported it.
    Network,
}

impl Fact {
    const ALL: [Self; 7] = [
        Self::Network,
        Self::Of(Field::ClickId),
        Self::Of(Field::TransactionId),
        Self::Of(Field::Status),
        Self::Of(Field::Payout),
        Self::Of(Field::Currency),
        Self::Time,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Of(field) => field.as_str(),
            Self::Time => "time",
            Self::Network => "network",
        }
    }

    /// The names that it goes by, those that go before others first.
    fn names(self, template: Option<&TemplateSpec>) -> [Vec<&str>; 3] {
        let own = vec![self.as_str()];
        match self {
            Self::Of(field) => {
                let (names, usual) = (field.names(template), field.names(None));
                let renamed = names.len() == 1 && !usual.contains(&names[0]);
                if renamed { [names, own, Vec::new()] } else { [own, names, Vec::new()] }
            }
            Self::Time => {
                let others = ["created_at", "date", "datetime", "timestamp", "conversion_time", "event_time"];
                [own, others.to_vec(), Vec::new()]
            }
            Self::Network => [own, Vec::new(), Vec::new()],
        }
    }
}

/// `FACT=COLUMN`, several with commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said(Vec<(Fact, String)>);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> =
            self.0.iter().map(|(fact, column)| format!("{}={column}", fact.as_str())).collect();
        f.write_str(&all.join(","))
    }
}

/// Reads `--map`.
///
/// # Errors
/// A fact that there is not, or no `=`.
pub(crate) fn said(text: &str) -> Result<Said, String> {
    let mut all: Vec<(Fact, String)> = Vec::new();
    for part in text.split(',') {
        match (part.split_once('='), all.last_mut()) {
            (Some((fact, column)), _) => {
                let fact = fact.trim();
                let found = Fact::ALL.into_iter().find(|f| f.as_str() == fact);
                let words = || Fact::ALL.map(Fact::as_str).join(", ");
                let meant = || did_you_mean(fact, Fact::ALL.map(Fact::as_str));
                let found = found.ok_or_else(|| format!("'{fact}' is none of {}{}", words(), meant()))?;
                all.push((found, column.to_owned()));
            }
            // A comma of the column's name.
            (None, Some((_, column))) => column.push_str(&format!(",{part}")),
            (None, None) => return Err("must be FACT=COLUMN, such as click_id=\"Sub ID\"".to_owned()),
        }
    }
    Ok(Said(all))
}

/// How rows are read.
pub(crate) struct Mapping {
    pub(crate) said: Vec<Said>,
    pub(crate) template: Option<TemplateSpec>,
    pub(crate) zone: TimeZone,
    /// It is read as an export of ours: no template reads it.
    pub(crate) ours: bool,
    /// It has the columns of one, and is none by what was said, or by how they are spelled.
    pub(crate) looks_like_ours: bool,
    guards: Guards,
    /// Of other files: how many cells lost such an apostrophe, and the line of the first one.
    unguarded: Option<(u64, u64)>,
    last: Option<(Arc<[String]>, Columns)>,
}

/// Which apostrophes before what a spreadsheet would run are none of the file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guards {
    /// JSON has none.
    None,
    /// All that an export of ours writes, also into one that has other columns by now.
    Ours,
    /// Those before what would run: others guard their files so too.
    Formulas,
}

/// Where facts stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    places: [Option<usize>; Fact::ALL.len()],
    /// Those that hold none.
    pub(crate) unread: Vec<String>,
}

impl Columns {
    pub(crate) fn has(&self, fact: Fact) -> bool {
        Fact::ALL.iter().position(|f| *f == fact).is_some_and(|at| self.places[at].is_some())
    }
}

/// Whether a file has all columns of our own exports by their names, wherever they stand and whatever stands beside.
fn is_ours(rows: &Rows) -> bool {
    OURS.iter().all(|ours| rows.header.iter().any(|name| name == ours))
}

/// Whether it has them, however they are spelled.
fn has_ours(rows: &Rows) -> bool {
    OURS.iter().all(|ours| rows.header.iter().any(|name| plain(name) == *ours))
}

fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

impl Mapping {
    /// `by_template`: it was said which one reads the file.
    pub(crate) fn new(said: Vec<Said>, by_template: bool, zone: TimeZone, rows: &Rows) -> Self {
        let (is_said, has_ours) = (by_template || !said.is_empty(), has_ours(rows));
        let ours = !is_said && is_ours(rows);
        let guards = match rows.form {
            Form::Jsonl => Guards::None,
            Form::Csv(_) if has_ours => Guards::Ours,
            Form::Csv(_) => Guards::Formulas,
        };
        let looks_like_ours = has_ours && !ours;
        Self { said, template: None, zone, ours, looks_like_ours, guards, unguarded: None, last: None }
    }

    /// Its rows are read once more.
    pub(crate) fn begins_again(&mut self) {
        self.unguarded = None;
    }

    /// Tells of what was taken off.
    pub(crate) fn tell_unguarded(&self, out: Out) {
        if let Some((cells, line)) = self.unguarded {
            out.note(format!(
                "an apostrophe before what a spreadsheet would run was taken off {cells} cells, the first in line {line}"
            ));
        }
    }

    fn unguard(&mut self, text: &str, line: u64) -> String {
        match self.guards {
            Guards::None => text.to_owned(),
            Guards::Ours => unguarded(text),
            Guards::Formulas => {
                let bare = without_guards(text);
                if bare != text {
                    let (cells, first) = self.unguarded.unwrap_or((0, line));
                    self.unguarded = Some((cells + 1, first));
                }
                bare
            }
        }
    }

    /// Which columns hold what.
    ///
    /// # Errors
    /// Every column that is named and not there, every fact that several could hold, and a click that none does.
    pub(crate) fn columns(&self, names: &[String]) -> Result<Columns, Problems> {
        let mut problems = Problems::default();
        let mut columns = Columns::default();
        let said: Vec<&(Fact, String)> = self.said.iter().flat_map(|Said(all)| all).collect();
        let mut taken: Vec<usize> = Vec::new();
        for (fact, column) in said.iter().filter(|(_, column)| !column.is_empty()) {
            let there: Vec<usize> = places(names, |name| name == column.as_str());
            let there =
                if there.is_empty() { places(names, |name| plain(name) == plain(column)) } else { there };
            match there.as_slice() {
                [] => {
                    let meant = did_you_mean(column, names.iter().map(String::as_str));
                    let all = names.join(", ");
                    problems
                        .add(fact.as_str(), format!("there is no column '{column}'{meant}; there are {all}"));
                }
                [one] => {
                    columns.places[index(*fact)] = Some(*one);
                    taken.push(*one);
                }
                _ => problems.add(fact.as_str(), format!("'{column}' stands there more than once")),
            }
        }
        for fact in Fact::ALL {
            if said.iter().any(|(said, _)| *said == fact) {
                continue;
            }
            for group in fact.names(self.template.as_ref()) {
                // In an export, `Payout` beside `payout` is somebody's own.
                let named = |name: &str| match self.ours {
                    true => name == fact.as_str(),
                    false => group.iter().any(|one| plain(one) == plain(name)),
                };
                let found = places(names, named);
                let found: Vec<usize> = found.into_iter().filter(|at| !taken.contains(at)).collect();
                match found.as_slice() {
                    [] => continue,
                    [one] => columns.places[index(fact)] = Some(*one),
                    several => {
                        let could = several.iter().map(|at| format!("'{}'", names[*at]));
                        let could = could.collect::<Vec<_>>().join(" and ");
                        let fact = fact.as_str();
                        problems.add(fact, format!("{could} could both be it; say --map {fact}=COLUMN"));
                    }
                }
                break;
            }
        }
        if !columns.has(Fact::Of(Field::ClickId)) && !problems.0.iter().any(|p| p.path == "click_id") {
            let all = names.join(", ");
            problems.add("click_id", format!("no column is it; say --map click_id=COLUMN, of {all}"));
        }
        let read = |at: usize| columns.places.contains(&Some(at));
        let own = |name: &String| REFUSED.contains(&name.as_str());
        let unread = names.iter().enumerate().filter(|(at, name)| !read(*at) && !own(name));
        columns.unread = unread.map(|(_, name)| name.clone()).collect();
        problems.into_result(columns)
    }

    /// What a row says.
    ///
    /// # Errors
    /// Why it says nothing.
    pub(crate) fn row(&mut self, row: &Row) -> Result<ImportRow, String> {
        if let Some(why) = &row.problem {
            return Err(why.clone());
        }
        let columns = match &self.last {
            Some((names, columns)) if *names == row.names => columns.clone(),
            _ => {
                let columns = self.columns(&row.names).map_err(|problems| problems.to_string())?;
                self.last = Some((Arc::clone(&row.names), columns.clone()));
                columns
            }
        };
        let mut read = ImportRow::default();
        for (fact, place) in Fact::ALL.into_iter().zip(columns.places) {
            let Some(cell) = place.and_then(|at| row.cells.get(at)) else { continue };
            let text =
                std::str::from_utf8(cell).map_err(|_| format!("{}: it is not UTF-8", fact.as_str()))?;
            let mut text = self.unguard(text, row.line);
            if fact == Fact::Of(Field::Payout) && place.is_some_and(|at| row.numbers.contains(&at)) {
                let format = self.template.as_ref().map(TemplateSpec::amounts).unwrap_or_default();
                text = format.number(&text);
            }
            if text.trim().is_empty() {
                continue;
            }
            match fact {
                Fact::Of(field) => *read.fact(field) = Some(text),
                Fact::Network => read.network = Some(text.trim().to_owned()),
                Fact::Time => {
                    read.at = Some(times::read(&text, &self.zone).map_err(|why| format!("time: {why}"))?);
                }
            }
        }
        Ok(read)
    }
}

fn index(fact: Fact) -> usize {
    Fact::ALL.iter().position(|f| *f == fact).unwrap_or_default()
}

fn places(names: &[String], is_it: impl Fn(&str) -> bool) -> Vec<usize> {
    names.iter().enumerate().filter(|(_, name)| is_it(name)).map(|(at, _)| at).collect()
}
