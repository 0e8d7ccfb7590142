//! `--follow`: what comes, as it comes, until Ctrl-C or a closed pipe. Services that restart end nothing.

use crate::{
    context::Context,
    exit::Failure,
    output::{Column, Format, Out, line, nobody_listens},
    pages::{View, labelled},
};
use dialoguer::console::measure_text_width;
use futures_util::{StreamExt as _, stream};
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};
use tfx_api::{ApiError, Page};
use tfx_domain::Timestamp;
use tfx_ops::clock;
use tokio::time::{Instant, sleep};

/// Pause between looks.
const EVERY: Duration = Duration::from_secs(1);
/// So late a row may reach the store and is still found: services keep their events while the store is away.
const LATE: SignedDuration = SignedDuration::from_hours(1);
/// So many rows are remembered, the newest, so that none is printed twice. Where more come in [`LATE`], a row must be less
/// late.
const REMEMBERED: usize = 50_000;
/// Time between looks through all that is remembered; the others end at a page of rows that were seen.
const THOROUGH: Duration = Duration::from_secs(10);
/// And so many times what such a look took.
const SHARE: u32 = 20;
/// Rows asked for at once; the most that api-service gives.
const PAGE: usize = 1_000;

/// So many rows are made at once, where that takes a while.
const AT_ONCE: usize = 8;
/// How often it is said how many wait for that.
const WAITING: Duration = Duration::from_secs(5);

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
    let shown = async |item: &T| Ok(Some(serde_json::to_value(item).map_err(Failure::failed)?));
    each(context, view, identity, since, fetch, shown).await
}

/// As [`rows`], each as `shown` makes it, a few at once; what it makes nothing of is not printed.
///
/// # Errors
/// As [`rows`], and those of `shown`.
pub(crate) async fn each<T>(
    context: &Context,
    view: View,
    identity: Identity<T>,
    since: Option<Timestamp>,
    fetch: impl AsyncFn(Timestamp, usize, Option<String>) -> Result<Page<T>, ApiError>,
    shown: impl AsyncFn(&T) -> Result<Option<Value>, Failure>,
) -> Result<(), Failure> {
    if matches!(context.out.format, Format::Yaml | Format::Csv) {
        return Err(Failure::usage("--follow prints a line for each row: --output table, jsonl or name"));
    }
    let mut memory = Memory::new(clock::now(), since);
    let mut thorough_at = Instant::now();
    let mut poller = Poller::new(context.out);
    let mut lines = Lines::new(&view.columns, context.out.width());
    let mut told: BTreeSet<String> = BTreeSet::new();
    loop {
        memory.forget(clock::now());
        let began = Instant::now();
        let thorough = began >= thorough_at;
        match poller.look(memory.unseen(&fetch, &identity, thorough)).await? {
            Polled::End => return Ok(()),
            Polled::Away => memory.answers_since = clock::now(),
            Polled::Came(pages) => {
                if thorough {
                    thorough_at = Instant::now() + THOROUGH.max(began.elapsed() * SHARE);
                }
                let mut coming = Vec::new();
                for page in pages.iter().rev() {
                    let new: Vec<_> =
                        page.left_out.iter().filter(|w| told.insert((*w).clone())).cloned().collect();
                    context.out.left_out(&new);
                    let mut comes = |item: &T| memory.comes((identity.id)(item), (identity.at)(item));
                    coming.extend(
                        page.items.iter().rev().filter(|item| comes(item)).map(|item| (item, &page.labels)),
                    );
                }
                let mut waiting = coming.len();
                let mut said = Instant::now();
                let making: Vec<_> = coming.iter().map(|(item, _)| shown(*item)).collect();
                let mut made = stream::iter(making).buffered(AT_ONCE);
                let mut labels = coming.iter().map(|(_, labels)| *labels);
                while let (Some(row), Some(labels)) = (made.next().await, labels.next()) {
                    waiting -= 1;
                    if waiting > 0 && said.elapsed() > WAITING {
                        said = Instant::now();
                        context.out.note(format!("{waiting} more that came wait behind these"));
                    }
                    let Some(row) = row? else { continue };
                    let row = labelled(row, labels);
                    context.out.lines(match context.out.format {
                        Format::Name => vec![line(&(view.name)(&row))],
                        Format::Table => {
                            let (lines, left_out) = lines.of(&view.columns, &row);
                            if !left_out.is_empty() {
                                let columns = left_out.join(", ");
                                context.out.note(format!(
                                    "too narrow for: {columns} (--columns chooses, --output jsonl shows all)"
                                ));
                            }
                            lines
                        }
                        _ => vec![row.to_string()],
                    })?;
                }
                memory.looked = true;
                if let Some(note) = memory.shorten(clock::now()) {
                    context.out.note(note);
                }
            }
        }
        if !poller.pause().await {
            return Ok(());
        }
    }
}

/// Which rows were seen, and from when on rows are looked for.
struct Memory {
    /// Rows from then on are looked for.
    from: Timestamp,
    /// Rows from then on were asked for; older ones come if they were not there at the first look.
    asked: Timestamp,
    seen: HashMap<String, Timestamp>,
    /// Whether there was a look.
    looked: bool,
    /// When all has answered since: what came while it did not may still be on its way.
    answers_since: Timestamp,
    /// Whether it was told that rows must be less late.
    told: bool,
}

impl Memory {
    fn new(now: Timestamp, since: Option<Timestamp>) -> Self {
        let from = since.unwrap_or_else(|| now.checked_sub(LATE).unwrap_or(now));
        let asked = since.unwrap_or(now);
        Self { from, asked, seen: HashMap::new(), looked: false, answers_since: now, told: false }
    }

    /// Looks no more for what would be too late, and forgets it.
    fn forget(&mut self, now: Timestamp) {
        if let Ok(settled) = now.checked_sub(LATE)
            && self.answers_since <= settled
        {
            self.from = self.from.max(settled);
        }
        let from = self.from;
        // The time of a row may differ a little from the one the list is in the order of.
        self.seen.retain(|_, at| *at + EVERY >= from);
    }

    /// Remembers a row; whether it is to be printed.
    fn comes(&mut self, id: String, at: Timestamp) -> bool {
        self.seen.insert(id, at).is_none() && (self.looked || at >= self.asked)
    }

    /// Looks for the newest only where there are too many to remember; says so once.
    fn shorten(&mut self, now: Timestamp) -> Option<String> {
        let over = self.seen.len().checked_sub(REMEMBERED).filter(|over| *over > 0)?;
        let mut times: Vec<Timestamp> = self.seen.values().copied().collect();
        let (_, oldest, _) = times.select_nth_unstable(over);
        self.from = self.from.max(*oldest);
        let late = now.duration_since(self.from).as_secs().max(0);
        let note = format!(
            "so many rows come that one which arrives more than {late} seconds after its time is not shown; --where makes \
             them fewer"
        );
        (late < LATE.as_secs() && !std::mem::replace(&mut self.told, true)).then_some(note)
    }

    /// The pages on which something new stands, newest first.
    async fn unseen<T>(
        &self,
        fetch: &impl AsyncFn(Timestamp, usize, Option<String>) -> Result<Page<T>, ApiError>,
        identity: &Identity<T>,
        thorough: bool,
    ) -> Result<Vec<Page<T>>, ApiError> {
        let mut pages = Vec::new();
        let mut cursor = None;
        let mut rows = 0;
        loop {
            let page = fetch(self.from, PAGE, cursor).await?;
            let news = page.items.iter().any(|item| !self.seen.contains_key(&(identity.id)(item)));
            // All that was asked for is printed, however much it is; of the rest only so much is remembered.
            rows += page.items.len();
            let asked = page.items.last().is_none_or(|item| (identity.at)(item) >= self.asked);
            let enough = rows >= REMEMBERED && !asked;
            cursor = page.next.clone();
            if news || !page.left_out.is_empty() {
                pages.push(page);
            }
            if cursor.is_none() || enough || !(news || thorough) {
                return Ok(pages);
            }
        }
    }
}

/// A text is not left out for want of more room than this.
const ENOUGH: usize = 24;

/// Rows of a table that has no end: a column becomes wider when it must. On a terminal there are as many as it has room
/// for beside the first row; of those that weigh alike the last ones go.
struct Lines {
    widths: Vec<usize>,
    room: Option<usize>,
    /// Those that are shown; chosen with the first row.
    shown: Option<Vec<usize>>,
}

impl Lines {
    fn new(columns: &[Column], room: Option<u16>) -> Self {
        let widths = columns.iter().map(|c| measure_text_width(&c.title)).collect();
        Self { widths, room: room.map(usize::from), shown: None }
    }

    /// A row; before the first one the titles. And the titles of what there is no room for, once.
    fn of(&mut self, columns: &[Column], row: &Value) -> (Vec<String>, Vec<String>) {
        let cells: Vec<String> = columns.iter().map(|c| c.cell(row)).collect();
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(measure_text_width(cell));
        }
        if let Some(shown) = &self.shown {
            return (vec![self.line(columns, shown, &cells)], Vec::new());
        }
        let shown = self.fitting(columns);
        let titles: Vec<String> = columns.iter().map(|c| c.title.to_uppercase()).collect();
        let lines = vec![self.line(columns, &shown, &titles), self.line(columns, &shown, &cells)];
        let left_out = (0..columns.len()).filter(|i| !shown.contains(i));
        let left_out = left_out.map(|i| columns[i].title.clone()).collect();
        self.shown = Some(shown);
        (lines, left_out)
    }

    fn fitting(&self, columns: &[Column]) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..columns.len()).collect();
        let Some(room) = self.room else { return shown };
        let needs = |i: &usize| match columns[*i].whole || *i == 0 {
            true => self.widths[*i],
            false => self.widths[*i].min(ENOUGH.max(measure_text_width(&columns[*i].title))),
        };
        while shown.len() > 1 && shown.iter().map(needs).sum::<usize>() + 2 * (shown.len() - 1) > room {
            let lightest = (1..shown.len()).rev().min_by_key(|place| columns[shown[*place]].weight);
            let Some(place) = lightest else { break };
            shown.remove(place);
        }
        shown
    }

    fn line(&self, columns: &[Column], shown: &[usize], cells: &[String]) -> String {
        let padded = shown.iter().map(|i| {
            let (cell, pad) =
                (&cells[*i], " ".repeat(self.widths[*i].saturating_sub(measure_text_width(&cells[*i]))));
            if columns[*i].right { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
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
        let mut lines = Lines::new(&columns, None);
        let mut of = |row: Value| lines.of(&columns, &row).0;
        assert_eq!(of(json!({ "name": "a", "n": 10 })), ["NAME   N  X", "a     10"]);
        assert_eq!(of(json!({ "name": "longer", "n": 1, "x": "y" })), ["longer   1  y"]);
        assert_eq!(of(json!({ "name": "b", "n": 1, "x": "y" })), ["b        1  y"]);
    }

    #[test]
    fn on_a_terminal_what_weighs_least_has_no_place() {
        let columns = [
            Column::text("name", "name"),
            Column::id("id", "id"),
            Column::text("why", "why").of_weight(2),
            Column::text("more", "more"),
        ];
        let row = json!({ "name": "a", "id": "0123456789", "why": "because of this and of that and more", "more": "x" });
        let mut lines = Lines::new(&columns, Some(36));
        let (shown, left_out) = lines.of(&columns, &row);
        assert_eq!(shown, ["NAME  WHY", "a     because of this and of that and more"]);
        assert_eq!(left_out, ["id", "more"]);
        assert_eq!(lines.of(&columns, &row).1, [""; 0], "told once");
        let (shown, left_out) = Lines::new(&columns, Some(80)).of(&columns, &row);
        assert_eq!(
            (shown[0].as_str(), left_out.len()),
            ("NAME  ID          WHY                                   MORE", 0)
        );
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).expect("a time")
    }

    /// A row is its time in seconds.
    const ROWS: Identity<i64> = Identity { id: i64::to_string, at: |n| at(*n) };

    /// What a look at these rows, newest first and in pages of two, would print, newest first.
    async fn look(memory: &mut Memory, there: &[i64], thorough: bool) -> Vec<i64> {
        let fetch = async |from: Timestamp, _, cursor: Option<String>| {
            let there: Vec<i64> = there.iter().copied().filter(|n| at(*n) >= from).collect();
            let begin: usize = cursor.map_or(0, |c| c.parse().expect("a place"));
            let end = there.len().min(begin + 2);
            let next = (end < there.len()).then(|| end.to_string());
            Ok(Page { items: there[begin..end].to_vec(), next, left_out: Vec::new(), labels: Labels::new() })
        };
        let pages = memory.unseen(&fetch, &ROWS, thorough).await.expect("pages");
        let rows = pages.into_iter().flat_map(|page| page.items);
        let new = rows.filter(|n| memory.comes(n.to_string(), at(*n))).collect();
        memory.looked = true;
        new
    }

    #[tokio::test]
    async fn every_row_is_found_once_also_late_ones_and_those_below_seen_ones() {
        let memory = &mut Memory::new(at(0), Some(at(0)));
        assert_eq!(look(memory, &[5, 4, 2, 1], true).await, [5, 4, 2, 1]);
        assert_eq!(look(memory, &[6, 5, 4, 3, 2, 1], false).await, [6, 3]);
        assert_eq!(look(memory, &[6, 5, 4, 3, 2, 1, 0], false).await, [0; 0]);
        assert_eq!(look(memory, &[6, 5, 4, 3, 2, 1, 0], true).await, [0]);
        assert_eq!(look(memory, &[6, 5, 4, 3, 2, 1, 0, -1], true).await, [0; 0], "before what was asked for");
    }

    #[tokio::test]
    async fn a_row_may_be_an_hour_late_and_what_was_there_before_does_not_come() {
        let memory = &mut Memory::new(at(10_000), None);
        assert_eq!(look(memory, &[10_001, 9_999, 7_000], true).await, [10_001], "that one came meanwhile");
        // 50 minutes late, while younger ones come.
        assert_eq!(look(memory, &[10_002, 10_001, 9_999, 7_001, 7_000], true).await, [10_002, 7_001]);
        // Two hours later, younger ones having come all the time.
        memory.forget(at(17_200));
        assert_eq!(
            look(memory, &[17_199, 13_601], true).await,
            [17_199, 13_601],
            "59 minutes and 59 seconds"
        );
        assert_eq!(look(memory, &[17_199, 13_601, 13_000], true).await, [0; 0], "more than an hour");
        assert!(!memory.seen.contains_key("10002"), "forgotten");
    }

    #[tokio::test]
    async fn what_came_while_nobody_answered_may_still_come() {
        let memory = &mut Memory::new(at(0), Some(at(0)));
        memory.answers_since = at(9_000);
        memory.forget(at(9_001));
        assert_eq!(look(memory, &[9_000, 100], true).await, [9_000, 100]);
        memory.forget(at(12_601));
        assert_eq!(memory.from, at(9_001));
    }

    #[test]
    fn where_more_come_than_can_be_remembered_it_is_told_once_and_none_comes_twice() {
        let mut memory = Memory::new(at(0), Some(at(0)));
        let rows = REMEMBERED as i64 + 500;
        for n in 0..rows {
            assert!(memory.comes(
                n.to_string(),
                Timestamp::from_millisecond(at(0).as_millisecond() + n).expect("a time")
            ));
        }
        let note = memory.shorten(at(51)).expect("told");
        assert!(note.contains("more than 50 seconds"), "{note}");
        memory.forget(at(51));
        assert!(memory.from > at(0) && memory.seen.len() > REMEMBERED);
        assert_eq!(memory.shorten(at(51)), None, "once");
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
