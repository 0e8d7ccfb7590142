//! `--follow`: what comes, as it comes, until Ctrl-C or a closed pipe. Services that restart end nothing.

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Format, Out, line, nobody_listens},
    pages::{View, labelled},
};
use dialoguer::console::measure_text_width;
use serde::Serialize;
use serde_json::Value;
use std::{collections::HashMap, time::Duration};
use tfx_api::{ApiError, Page};
use tfx_domain::Timestamp;
use tfx_ops::clock;
use tokio::time::sleep;

/// Pause between looks.
const EVERY: Duration = Duration::from_secs(1);
/// Rows reach the store a little late and out of order: so far behind the newest one is looked for more.
const LOOK_BACK: Duration = Duration::from_secs(60);
/// What comes much later than others does so after something was away. When all has answered for so long, what is older is
/// looked for no more, so that a condition that takes little does not have ever more looked through.
const SETTLED: Duration = Duration::from_secs(600);
/// Every so many looks go through all of that time; the others end at a page of rows that were seen.
const THOROUGH: u64 = 10;
/// Rows asked for at once; the most that api-service gives.
const PAGE: usize = 1_000;

/// Looks again and again at something that may be away for a while.
pub(crate) struct Poller {
    out: Out,
    away: bool,
    came: bool,
}

/// What a look saw.
pub(crate) enum Polled<T> {
    /// Somebody answered with it.
    Came(T),
    /// Nobody answers at the moment.
    Away,
    /// Nobody is there any more to be told.
    End,
}

impl Poller {
    /// Notes about what is away go to `out`.
    pub(crate) const fn new(out: Out) -> Self {
        Self { out, away: false, came: false }
    }

    /// Looks once.
    ///
    /// # Errors
    /// What will not be otherwise in a moment.
    pub(crate) async fn look<T>(
        &mut self,
        ask: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<Polled<T>, Failure> {
        let asked = tokio::select! {
            asked = ask => asked,
            () = nobody_listens() => return Ok(Polled::End),
        };
        match asked {
            Ok(seen) => {
                self.came = true;
                if std::mem::take(&mut self.away) {
                    self.out.note("connected again");
                }
                Ok(Polled::Came(seen))
            }
            Err(error) if self.passing(&error) => {
                if !std::mem::replace(&mut self.away, true) {
                    self.out.note(format!("{error}; trying on"));
                }
                Ok(Polled::Away)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the next look; false at the end.
    pub(crate) async fn pause(&self) -> bool {
        tokio::select! {
            () = sleep(EVERY) => true,
            () = nobody_listens() => false,
        }
    }

    /// Whether it may be otherwise in a moment. An answer that breaks off is one of a service that is stopped, if it
    /// has answered before.
    const fn passing(&self, error: &ApiError) -> bool {
        match error {
            ApiError::Unreachable { .. } | ApiError::Timeout { .. } => true,
            ApiError::Protocol { .. } => self.came,
            ApiError::Problem(p) => p.status >= 500 || p.status == 429,
            ApiError::BadUrl { .. } => false,
        }
    }
}

/// What rows of a list are told apart by.
pub(crate) struct Identity<T> {
    /// Its id.
    pub(crate) id: fn(&T) -> String,
    /// Its time, by which the list is ordered.
    pub(crate) at: fn(&T) -> Timestamp,
}

/// Prints the rows of a list that come, oldest first; with `since` those from then on.
///
/// # Errors
/// A format that has no lines; what will not be otherwise in a moment; a closed pipe.
pub(crate) async fn rows<T: Serialize>(
    context: &Context,
    view: View,
    identity: Identity<T>,
    since: Option<Timestamp>,
    fetch: impl AsyncFn(Timestamp, usize, Option<String>) -> Result<Page<T>, ApiError>,
) -> Result<(), Failure> {
    if matches!(context.out.format, Format::Yaml | Format::Csv) {
        return Err(Failure::usage("--follow prints a line for each row: --output table, jsonl or name"));
    }
    let mut from = since.unwrap_or_else(clock::now);
    let mut newest = from;
    let mut seen: HashMap<String, Timestamp> = HashMap::new();
    let mut answers_since = clock::now();
    let mut poller = Poller::new(context.out);
    let mut lines = Lines::new(&view.columns);
    for n in 0_u64.. {
        let now = clock::now();
        if let Ok(settled) = now.checked_sub(SETTLED)
            && answers_since <= settled
        {
            newest = newest.max(settled);
        }
        // A machine whose clock is ahead hides nobody else's rows.
        from = from.max(newest.min(now).checked_sub(LOOK_BACK).unwrap_or(from));
        seen.retain(|_, at| *at + EVERY >= from);
        let thorough = n.is_multiple_of(THOROUGH);
        match poller.look(unseen(&fetch, &identity, &seen, from, thorough)).await? {
            Polled::End => return Ok(()),
            Polled::Away => answers_since = clock::now(),
            Polled::Came(pages) => {
                for page in pages.iter().rev() {
                    for item in page.items.iter().rev() {
                        let at = (identity.at)(item);
                        if seen.insert((identity.id)(item), at).is_some() {
                            continue;
                        }
                        newest = newest.max(at);
                        let row =
                            labelled(serde_json::to_value(item).map_err(Failure::failed)?, &page.labels);
                        context.out.lines(match context.out.format {
                            Format::Name => vec![line(&(view.name)(&row))],
                            Format::Table => lines.of(&view.columns, &row),
                            _ => vec![row.to_string()],
                        })?;
                    }
                }
            }
        }
        if !poller.pause().await {
            return Ok(());
        }
    }
    Ok(())
}

/// The pages since `from` on which something new stands, newest first.
async fn unseen<T>(
    fetch: &impl AsyncFn(Timestamp, usize, Option<String>) -> Result<Page<T>, ApiError>,
    identity: &Identity<T>,
    seen: &HashMap<String, Timestamp>,
    from: Timestamp,
    thorough: bool,
) -> Result<Vec<Page<T>>, ApiError> {
    let mut pages = Vec::new();
    let mut cursor = None;
    loop {
        let page = fetch(from, PAGE, cursor).await?;
        let news = page.items.iter().any(|item| !seen.contains_key(&(identity.id)(item)));
        cursor = page.next.clone();
        if news {
            pages.push(page);
        }
        if cursor.is_none() || !(news || thorough) {
            return Ok(pages);
        }
    }
}

/// Rows of a table that has no end: a column becomes wider when it must.
struct Lines {
    widths: Vec<usize>,
    titled: bool,
}

impl Lines {
    fn new(columns: &[Column]) -> Self {
        Self { widths: columns.iter().map(|c| measure_text_width(&c.title)).collect(), titled: false }
    }

    /// A row; before the first one the titles.
    fn of(&mut self, columns: &[Column], row: &Value) -> Vec<String> {
        let cells: Vec<String> = columns.iter().map(|c| c.cell(row)).collect();
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(measure_text_width(cell));
        }
        let titles = (!std::mem::replace(&mut self.titled, true))
            .then(|| self.line(columns, columns.iter().map(|c| c.title.to_uppercase())));
        titles.into_iter().chain([self.line(columns, cells.into_iter())]).collect()
    }

    fn line(&self, columns: &[Column], cells: impl Iterator<Item = String>) -> String {
        let padded = cells.zip(columns).zip(&self.widths).map(|((cell, column), width)| {
            let pad = " ".repeat(width.saturating_sub(measure_text_width(&cell)));
            if column.right { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tfx_api::Labels;

    #[test]
    fn titles_stand_once_and_columns_grow() {
        let columns = [Column::text("name", "name"), Column::number("n", "n"), Column::text("x", "x")];
        let mut lines = Lines::new(&columns);
        assert_eq!(lines.of(&columns, &json!({ "name": "a", "n": 10 })), ["NAME   N  X", "a     10"]);
        assert_eq!(lines.of(&columns, &json!({ "name": "longer", "n": 1, "x": "y" })), ["longer   1  y"]);
        assert_eq!(lines.of(&columns, &json!({ "name": "b", "n": 1, "x": "y" })), ["b        1  y"]);
    }

    #[tokio::test]
    async fn every_row_is_found_once_also_late_ones_and_those_below_seen_ones() {
        let at = |ms: i64| Timestamp::from_millisecond(ms).expect("a time");
        let identity = Identity { id: |n: &i64| n.to_string(), at: |_| Timestamp::UNIX_EPOCH };
        // Newest first, in pages of two.
        let look = async |there: &[i64], seen: &[i64], thorough| {
            let seen = seen.iter().map(|n| (n.to_string(), at(*n))).collect();
            let fetch = async |_, _, cursor: Option<String>| {
                let begin: usize = cursor.map_or(0, |c| c.parse().expect("a place"));
                let end = there.len().min(begin + 2);
                let next = (end < there.len()).then(|| end.to_string());
                Ok(Page { items: there[begin..end].to_vec(), next, labels: Labels::new() })
            };
            let pages = unseen(&fetch, &identity, &seen, at(0), thorough).await.expect("pages");
            let rows = pages.into_iter().flat_map(|page| page.items);
            rows.filter(|n| !seen.contains_key(&n.to_string())).collect::<Vec<_>>()
        };
        assert_eq!(look(&[5, 4, 3, 2, 1], &[], false).await, [5, 4, 3, 2, 1]);
        assert_eq!(look(&[6, 5, 4, 3, 2, 1], &[5, 4, 2, 1], false).await, [6, 3]);
        assert_eq!(look(&[5, 4, 3, 2, 1], &[5, 4, 3, 2], false).await, [0; 0]);
        assert_eq!(look(&[5, 4, 3, 2, 1], &[5, 4, 3, 2], true).await, [1]);
    }

    #[test]
    fn what_passes_is_waited_for() {
        let mut poller = Poller::new(Out::new(Format::Table, true, true));
        let broken = ApiError::Protocol { url: String::new(), reason: String::new() };
        assert!(!poller.passing(&broken), "perhaps no api-service at all");
        poller.came = true;
        assert!(poller.passing(&broken), "it was stopped");
        assert!(poller.passing(&ApiError::Timeout { url: String::new(), seconds: 1 }));
        assert!(!poller.passing(&ApiError::BadUrl { url: String::new(), reason: String::new() }));
    }
}
