//! What the screen shows and what keys do to it, without a terminal and without a network.

use super::{
    figures::{Answers, Rates},
    look::{Look, Seen},
};
use crate::commands::status::{Destinations, EventLog, Events};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rust_decimal::Decimal;
use std::collections::VecDeque;
use tfx_api::report::{Dimension, DimensionValue, Metric, ReportAnswer, ReportRow};
use tfx_domain::Timestamp;

/// Looks that are remembered for the history of rates.
const REMEMBERED: usize = 240;
/// What rows are grouped by, in the order of the keys d and Tab.
pub(super) const BY: [Dimension; 7] = [
    Dimension::Campaign,
    Dimension::Source,
    Dimension::Stream,
    Dimension::Destination,
    Dimension::Country,
    Dimension::DeviceType,
    Dimension::Sub(1),
];
/// The figures of a row.
pub(super) const METRICS: [Metric; 6] =
    [Metric::Clicks, Metric::Conversions, Metric::Revenue, Metric::Cost, Metric::Profit, Metric::Roi];
/// How far back rows reach: seconds, and how that is called.
pub(super) const WINDOWS: [(i64, &str); 4] =
    [(900, "15 min"), (3_600, "hour"), (86_400, "24 h"), (604_800, "7 days")];

/// Something that is known as of some time, and perhaps why it is not known anew.
#[derive(Debug, Clone)]
pub(super) struct Aged<T> {
    pub(super) last: Option<(Timestamp, T)>,
    pub(super) why: Option<String>,
}

impl<T> Default for Aged<T> {
    fn default() -> Self {
        Self { last: None, why: None }
    }
}

impl<T> Aged<T> {
    fn take(&mut self, at: Timestamp, seen: Result<T, String>) {
        match seen {
            Ok(value) => (self.last, self.why) = (Some((at, value)), None),
            Err(why) => self.why = Some(why),
        }
    }

    pub(super) fn value(&self) -> Option<&T> {
        self.last.as_ref().map(|(_, value)| value)
    }
}

/// A part of what was seen, or why it was not: that bears its name.
fn part<T>(
    seen: &mut Result<Seen, String>,
    name: &str,
    of: impl FnOnce(&mut Seen) -> Option<T>,
) -> Result<T, String> {
    let seen = seen.as_mut().map_err(|why| why.clone())?;
    of(seen).ok_or_else(|| {
        let named = seen.unknown.iter().filter_map(|text| text.split_once(": "));
        let why = named.filter(|(what, _)| what.contains(name)).map(|(_, why)| why.to_owned());
        why.into_iter().next().unwrap_or_else(|| "nobody tells".to_owned())
    })
}

/// What is asked next.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    pub(super) by: Dimension,
    pub(super) window_s: i64,
    /// What rows must be of, from where one was drilled into.
    pub(super) of: Vec<DimensionValue>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    /// Another question is asked at once.
    Ask,
    Quit,
    /// Ctrl-C.
    Interrupt,
}

/// Something that happened.
#[derive(Debug)]
pub(super) enum Event {
    Key(KeyEvent),
    Look(Box<Look>),
}

/// All of it.
#[derive(Debug)]
pub(super) struct Top {
    /// Where api-service is.
    pub(super) api: String,
    pub(super) every_s: u64,
    pub(super) seen: Aged<Seen>,
    pub(super) outbox: Aged<Events>,
    pub(super) event_log: Aged<EventLog>,
    pub(super) destinations: Aged<Destinations>,
    pub(super) rows: Aged<ReportAnswer>,
    pub(super) sources: Aged<ReportAnswer>,
    pub(super) answers: Aged<Option<Answers>>,
    pub(super) rates: Aged<Option<Rates>>,
    pub(super) history: VecDeque<Rates>,
    pub(super) question: Question,
    pub(super) sort: Metric,
    pub(super) least_first: bool,
    pub(super) filter: String,
    /// The filter is being written.
    pub(super) writing: bool,
    pub(super) selected: usize,
    pub(super) paused: bool,
    pub(super) help: bool,
}

impl Top {
    pub(super) fn new(api: String, every_s: u64) -> Self {
        Self {
            api,
            every_s,
            seen: Aged::default(),
            outbox: Aged::default(),
            event_log: Aged::default(),
            destinations: Aged::default(),
            rows: Aged::default(),
            sources: Aged::default(),
            answers: Aged::default(),
            rates: Aged::default(),
            history: VecDeque::new(),
            question: Question { by: Dimension::Campaign, window_s: WINDOWS[1].0, of: Vec::new() },
            sort: Metric::Clicks,
            least_first: false,
            filter: String::new(),
            writing: false,
            selected: 0,
            paused: false,
            help: false,
        }
    }

    /// Takes in what happened.
    pub(super) fn update(&mut self, event: Event) -> Effect {
        match event {
            Event::Key(key) if key.is_release() => Effect::Nothing,
            Event::Key(key) => self.key(key),
            Event::Look(look) => {
                // While it is paused, the screen stays.
                if !self.paused {
                    self.look(*look);
                }
                Effect::Nothing
            }
        }
    }

    fn look(&mut self, look: Look) {
        let Look { at, mut seen, rows, sources, answers, rates, asked } = look;
        self.outbox.take(at, part(&mut seen, "outbox", |seen| seen.events.take()));
        self.event_log.take(at, part(&mut seen, "event log", |seen| seen.event_log.take()));
        self.destinations.take(at, part(&mut seen, "destinations", |seen| seen.destinations.take()));
        self.seen.take(at, seen);
        // An answer to an earlier question is none to this one.
        if asked == self.question {
            self.rows.take(at, rows);
        }
        self.sources.take(at, sources);
        self.answers.take(at, answers);
        if let Ok(Some(rates)) = &rates {
            self.history.push_back(*rates);
            if self.history.len() > REMEMBERED {
                self.history.pop_front();
            }
        }
        self.rates.take(at, rates);
        self.selected = self.selected.min(self.shown().len().saturating_sub(1));
    }

    fn key(&mut self, key: KeyEvent) -> Effect {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Effect::Interrupt;
        }
        if self.writing {
            return self.write(key.code);
        }
        if self.help {
            self.help = false;
            return Effect::Nothing;
        }
        match key.code {
            KeyCode::Char('q') => return Effect::Quit,
            KeyCode::Char('?') => self.help = true,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('s') => self.sort = next(&METRICS, self.sort),
            KeyCode::Char('r') => self.least_first = !self.least_first,
            KeyCode::Char('/') => self.writing = true,
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Home | KeyCode::Char('g') => self.selected = 0,
            KeyCode::End | KeyCode::Char('G') => self.selected = self.shown().len().saturating_sub(1),
            KeyCode::Tab | KeyCode::Char('d') => return self.ask(|q| q.by = other(q, false)),
            KeyCode::BackTab => return self.ask(|q| q.by = other(q, true)),
            KeyCode::Char('w') => {
                let windows = WINDOWS.map(|(seconds, _)| seconds);
                return self.ask(|q| q.window_s = next(&windows, q.window_s));
            }
            KeyCode::Enter | KeyCode::Right => return self.drill(),
            KeyCode::Esc | KeyCode::Left | KeyCode::Backspace => return self.back(),
            _ => {}
        }
        Effect::Nothing
    }

    /// A letter of the filter.
    fn write(&mut self, code: KeyCode) -> Effect {
        match code {
            KeyCode::Enter => self.writing = false,
            KeyCode::Esc => (self.writing, self.filter) = (false, String::new()),
            KeyCode::Backspace => _ = self.filter.pop(),
            KeyCode::Char(c) if self.filter.chars().count() < 40 => self.filter.push(c),
            _ => {}
        }
        self.selected = 0;
        Effect::Nothing
    }

    fn step(&mut self, by: isize) {
        let last = self.shown().len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(by).min(last);
    }

    /// Another question: the rows of the one before are no answer to it.
    fn ask(&mut self, change: impl FnOnce(&mut Question)) -> Effect {
        change(&mut self.question);
        (self.rows, self.selected, self.paused) = (Aged::default(), 0, false);
        Effect::Ask
    }

    /// Into the row that is selected.
    fn drill(&mut self) -> Effect {
        let row = self.shown().get(self.selected).and_then(|row| row.key.first()).cloned();
        // What is not known is no value to ask for.
        let Some(row) = row.filter(|row| !row.value.is_empty()) else { return Effect::Nothing };
        if self.question.of.len() + 1 >= BY.len() {
            return Effect::Nothing;
        }
        self.filter.clear();
        self.ask(|q| {
            q.of.push(row);
            q.by = other(q, false);
        })
    }

    fn back(&mut self) -> Effect {
        if !self.filter.is_empty() {
            self.filter.clear();
            return Effect::Nothing;
        }
        if self.question.of.is_empty() {
            return Effect::Nothing;
        }
        self.ask(|q| q.by = q.of.pop().map_or(q.by, |from| from.dimension))
    }

    /// The rows as they are shown: those that the filter takes, in order.
    pub(super) fn shown(&self) -> Vec<&ReportRow> {
        let wanted = self.filter.to_lowercase();
        let label = |row: &ReportRow| row.key.first().map(|k| k.label().to_lowercase()).unwrap_or_default();
        let mut rows: Vec<&ReportRow> = self.rows.value().into_iter().flat_map(|a| &a.rows).collect();
        rows.retain(|row| label(row).contains(&wanted));
        self.order(&mut rows);
        rows
    }

    /// The largest first; what has no figure comes last.
    pub(super) fn order(&self, rows: &mut [&ReportRow]) {
        let figure = |row: &ReportRow| row.figures.get(&self.sort).copied();
        rows.sort_by(|a, b| match (figure(a), figure(b)) {
            (Some(a), Some(b)) if self.least_first => a.cmp(&b),
            (Some(a), Some(b)) => b.cmp(&a),
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
    }

    /// The history of one rate, oldest first.
    pub(super) fn course(&self, of: fn(&Rates) -> Decimal) -> Vec<Decimal> {
        self.history.iter().map(of).collect()
    }
}

/// The one after this, around.
fn next<T: Copy + PartialEq>(all: &[T], now: T) -> T {
    let at = all.iter().position(|one| *one == now).map_or(0, |at| at + 1);
    all[at % all.len()]
}

/// The next dimension that was not drilled through.
fn other(question: &Question, back: bool) -> Dimension {
    let mut all = BY.to_vec();
    if back {
        all.reverse();
    }
    let at = all.iter().position(|d| *d == question.by).map_or(0, |at| at + 1);
    all.rotate_left(at % BY.len());
    all.into_iter().find(|d| question.of.iter().all(|of| of.dimension != *d)).unwrap_or(question.by)
}
