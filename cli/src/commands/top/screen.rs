//! The screen: what goes on above, the rows below, keys at the foot. Colours only help: signs and words say the same.

use super::{
    figures::{Answers, Rates},
    state::{Aged, METRICS, Top, WINDOWS},
};
use crate::{
    commands::report::spark,
    output::{cents, line},
    when,
};
use ratatui::{
    Frame, Terminal,
    backend::TestBackend,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Style, Stylize as _},
    text::{Line, Span},
    widgets::{Block, Cell, Clear, Paragraph, Row, Table, TableState},
};
use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use std::collections::BTreeMap;
use tfx_api::report::{Metric, ReportAnswer, ReportRow};
use tfx_domain::{Timestamp, report::Unit};

/// A smaller terminal shows nothing that could be read.
const LEAST: (u16, u16) = (40, 17);
/// From so many columns on sources stand beside the rows.
const WIDE: u16 = 110;
/// Stands for what is not known.
const UNKNOWN: &str = "–";
const KEYS: [(&str, &str); 12] = [
    ("q, Ctrl-C", "quit"),
    ("?", "these keys"),
    ("p, space", "pause the screen, and go on"),
    ("s", "sort by the next figure"),
    ("r", "the least first, or the most"),
    ("d, Tab", "group by the next dimension; Shift-Tab by the one before"),
    ("w", "15 minutes, an hour, 24 hours, 7 days"),
    ("/", "filter by a part of the name; Enter keeps it, Esc drops it"),
    ("↑ ↓, k j", "select a row; Home and End: the first and the last"),
    ("Enter, →", "into the row: its parts by the next dimension"),
    ("Esc, ←", "out again"),
    ("", "any key closes this"),
];

/// How it is drawn.
#[derive(Clone, Copy)]
struct Look {
    now: Timestamp,
    color: bool,
    /// With a row that is selected, and keys.
    live: bool,
}

impl Look {
    fn hue(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }
}

/// Draws it on a terminal.
pub(super) fn draw(top: &Top, frame: &mut Frame<'_>, now: Timestamp, color: bool) {
    whole(top, frame, Look { now, color, live: true });
}

/// Its lines for a pipe, without keys.
pub(super) fn plain(top: &Top, columns: u16, rows: u16, now: Timestamp) -> Vec<String> {
    lines(columns, rows, |frame| whole(top, frame, Look { now, color: false, live: false }))
}

/// What is drawn, as text.
fn lines(columns: u16, rows: u16, drawn: impl FnOnce(&mut Frame<'_>)) -> Vec<String> {
    let Ok(mut terminal) = Terminal::new(TestBackend::new(columns, rows));
    let Ok(_) = terminal.draw(drawn);
    let cells = terminal.backend().buffer().content().chunks(usize::from(columns));
    let text =
        |row: &[ratatui::buffer::Cell]| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    let mut lines: Vec<String> = cells.map(|row| text(row).trim_end().to_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

fn whole(top: &Top, frame: &mut Frame<'_>, look: Look) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!("too small: {} columns and {} lines at least", LEAST.0, LEAST.1);
        return frame.render_widget(Paragraph::new(text), area);
    }
    let foot = u16::from(look.live);
    let fixed = [1, 1, 4, 1, 1, 1, 1, 1, 1].map(Constraint::Length);
    let [head, services, rates, answers, outcomes, times, waits, log, health] =
        Layout::vertical(fixed).areas(area);
    let above = health.bottom() - area.top();
    let below = Rect { y: area.top() + above, height: area.height - above - foot, ..area };
    frame.render_widget(headline(top, look, area.width), head);
    frame.render_widget(of_services(top, look), services);
    of_rates(top, frame, rates, look);
    let [kinds, clicks, latency] = of_answers(top, look);
    frame.render_widget(kinds, answers);
    frame.render_widget(clicks, outcomes);
    frame.render_widget(latency, times);
    let [waiting, reading, down] = of_events(top, look);
    frame.render_widget(waiting, waits);
    frame.render_widget(reading, log);
    frame.render_widget(down, health);
    if area.width >= WIDE {
        let [left, _, right] =
            Layout::horizontal([Constraint::Min(70), Constraint::Length(2), Constraint::Length(38)])
                .areas(below);
        rows(top, frame, left, look);
        sources(top, frame, right, look);
    } else {
        rows(top, frame, below, look);
    }
    if look.live {
        frame.render_widget(footer(top), Rect { y: area.bottom() - 1, height: 1, ..area });
        if top.help {
            help(frame, area);
        }
    }
}

fn headline(top: &Top, look: Look, width: u16) -> Line<'static> {
    let at = when::clock_time(look.now, when::local());
    let left = format!("tfx top  {}  every {} s", line(&top.api), top.every_s);
    let mut spans = vec![Span::from(left.clone()).bold()];
    let mut used = left.chars().count() + at.len();
    if top.paused {
        spans.push(Span::from("  "));
        spans.push(Span::from(" PAUSED ").reversed());
        used += 10;
    }
    spans.push(Span::from(" ".repeat(usize::from(width).saturating_sub(used))));
    spans.push(Span::from(at));
    Line::from(spans)
}

/// How old a thing is and why, if it is not of the last look; that and why it is not known, if it never was.
fn stale<T>(of: &Aged<T>, now: Timestamp) -> Option<String> {
    let why = line(of.why.as_deref()?);
    Some(match &of.last {
        Some((at, _)) => format!("{} old: {why}", age(now.duration_since(*at).as_secs().max(0))),
        None => format!("not known: {why}"),
    })
}

fn age(seconds: i64) -> String {
    match seconds {
        s if s < 120 => format!("{s} s"),
        s if s < 7_200 => format!("{} min", s / 60),
        s => format!("{} h", s / 3_600),
    }
}

/// A name, and what is said of it.
fn said(name: &str, mut spans: Vec<Span<'static>>, stale: Option<String>, look: Look) -> Line<'static> {
    spans.insert(0, Span::from(format!("{name:<13}")).bold());
    spans.extend(stale.map(|why| Span::styled(format!("  {why}"), look.hue(Color::Yellow))));
    Line::from(spans)
}

fn of_services(top: &Top, look: Look) -> Line<'static> {
    let each = top.seen.value().into_iter().flat_map(|seen| &seen.services).flat_map(|service| {
        let well = service.state == "ok";
        let hue = if well { look.hue(Color::Green) } else { look.hue(Color::Red).bold() };
        let name = service.name.strip_suffix("-service").unwrap_or(service.name);
        [Span::from(format!("{name} ")), Span::styled(format!("{}   ", line(&service.state)), hue)]
    });
    said("services", each.collect(), stale(&top.seen, look.now), look)
}

fn of_rates(top: &Top, frame: &mut Frame<'_>, area: Rect, look: Look) {
    let currency = top.rows.value().map(|rows| format!(" {}", rows.currency)).unwrap_or_default();
    let all: [(String, fn(&Rates) -> Decimal); 4] = [
        ("clicks/s".to_owned(), |r| r.clicks),
        ("conversions/s".to_owned(), |r| r.conversions),
        (format!("revenue{currency}/s"), |r| r.revenue),
        (format!("cost{currency}/s"), |r| r.cost),
    ];
    let places: [Rect; 4] = Layout::horizontal([Constraint::Ratio(1, 4); 4]).areas(area);
    let aged = top.rates.why.is_some();
    for ((title, of), place) in all.into_iter().zip(places) {
        let value = top.rates.value().copied().flatten().map(|rates| of(&rates).to_string());
        let mut figure = vec![Span::from(value.clone().unwrap_or_else(|| UNKNOWN.to_owned())).bold()];
        // What is of earlier says so.
        if let (true, Some(_), Some((at, _))) = (aged, value, &top.rates.last) {
            let old = age(look.now.duration_since(*at).as_secs().max(0));
            figure.push(Span::styled(format!("  {old} ago"), look.hue(Color::Yellow)));
        }
        let course: Vec<Option<f64>> = top.course(of).iter().map(Decimal::to_f64).collect();
        let wide = usize::from(place.width.saturating_sub(2));
        let course = spark(&course[course.len().saturating_sub(wide)..]);
        let text = vec![Line::from(figure), Line::styled(course, look.hue(Color::Cyan))];
        frame.render_widget(Paragraph::new(text).block(Block::bordered().title(title)), place);
    }
}

/// A figure a second for each name.
fn each(of: &BTreeMap<String, f64>) -> String {
    of.iter().map(|(name, rate)| format!("{name} {rate}  ")).collect()
}

fn of_answers(top: &Top, look: Look) -> [Line<'static>; 3] {
    let (answers, old) = (top.answers.value().and_then(Option::as_ref), stale(&top.answers, look.now));
    let text = |of: fn(&Answers) -> String| answers.map_or_else(|| UNKNOWN.to_owned(), of);
    let times = text(|a| {
        let ms = |ms: Option<f64>| ms.map_or_else(|| UNKNOWN.to_owned(), |ms| ms.to_string());
        let came: BTreeMap<_, _> = a.postbacks.clone().into_iter().filter(|(_, rate)| *rate > 0.0).collect();
        let came = if came.is_empty() { "0".to_owned() } else { each(&came) };
        format!("p50 {}  p95 {}  p99 {} │ postbacks/s {came}", ms(a.p50_ms), ms(a.p95_ms), ms(a.p99_ms))
    });
    [
        said("answers/s", vec![Span::from(text(|a| each(&a.by_kind)))], old, look),
        said("by outcome", vec![Span::from(text(|a| each(&a.clicks)))], None, look),
        said("latency ms", vec![Span::from(times)], None, look),
    ]
}

/// What waits for the reports, and who is down.
fn of_events(top: &Top, look: Look) -> [Line<'static>; 3] {
    let alarm = |text: String, bad: bool| {
        Span::styled(text, if bad { look.hue(Color::Red).bold() } else { Style::new() })
    };
    let unknown = || vec![Span::from(UNKNOWN)];
    let waits = top.outbox.value().map_or_else(unknown, |e| {
        let oldest = age(i64::try_from(e.oldest_age_ms / 1_000).unwrap_or(i64::MAX));
        vec![
            alarm(format!("{} wait", e.outbox_events), e.oldest_age_ms > 60_000),
            Span::from(format!(", oldest {oldest}")),
            alarm(format!(", {} refused, {} dropped", e.refused, e.dropped), e.refused + e.dropped > 0),
        ]
    });
    let known = |figure: Option<u64>| figure.map_or_else(|| UNKNOWN.to_owned(), |n| n.to_string());
    let log = top.event_log.value().map_or_else(unknown, |log| {
        if !log.used {
            return vec![Span::from("none: events go straight into the store")];
        }
        let more = if log.more_errors { "+" } else { "" };
        let broken = format!("{}{more} became no event within the hour", known(log.errors));
        let lag = Span::from(format!("{} wait for the reports, ", known(log.lag)));
        vec![lag, alarm(broken, log.errors.is_some_and(|n| n > 0))]
    });
    let down = top.destinations.value().map_or_else(unknown, |d| {
        let names = line(&d.names.join(", "));
        let names = if names.is_empty() { names } else { format!(": {names}") };
        vec![alarm(format!("{} of {} watched are down{names}", d.down, d.watched), d.down > 0)]
    });
    [
        said("outbox", waits, stale(&top.outbox, look.now), look),
        said("event log", log, stale(&top.event_log, look.now), look),
        said("destinations", down, stale(&top.destinations, look.now), look),
    ]
}

/// What rows there are.
fn title(top: &Top) -> String {
    let q = &top.question;
    let window = WINDOWS.iter().find(|(seconds, _)| *seconds == q.window_s).map_or("", |(_, name)| name);
    let mut title =
        format!("{}, last {window}, {}{}", q.by, if top.least_first { "↑" } else { "↓" }, top.sort);
    for of in &q.of {
        title.push_str(&format!("  {}={}", of.dimension, line(of.label())));
    }
    if !top.filter.is_empty() {
        title.push_str(&format!("  /{}", line(&top.filter)));
    }
    let without =
        top.rows.value().map(|rows| rows.unconverted.keys().map(ToString::to_string).collect::<Vec<_>>());
    if let Some(without) = without.filter(|w| !w.is_empty()) {
        title.push_str(&format!("  without {}", without.join(", ")));
    }
    title
}

fn rows(top: &Top, frame: &mut Frame<'_>, area: Rect, look: Look) {
    let [above, below] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let old = stale(&top.rows, look.now).map(|why| Span::styled(format!("  {why}"), look.hue(Color::Yellow)));
    let text: Vec<Span<'_>> = std::iter::once(Span::from(title(top)).bold()).chain(old).collect();
    frame.render_widget(Line::from(text).underlined(), above);
    let shown = top.shown();
    if top.rows.value().is_none() || shown.is_empty() {
        let text = match top.rows.value() {
            None if top.rows.why.is_some() => UNKNOWN,
            None => "…",
            Some(_) if top.filter.is_empty() => "nothing came in",
            Some(_) => "nothing that the filter takes",
        };
        return frame.render_widget(Paragraph::new(text), below);
    }
    let widths = [Constraint::Min(14)].into_iter().chain([9, 6, 11, 11, 11, 9].map(Constraint::Length));
    let heads = METRICS.map(|m| Cell::from(Line::from(heading(m)).alignment(Alignment::Right)));
    let header = [Cell::from(top.question.by.to_string().to_uppercase())].into_iter().chain(heads);
    let body = shown.iter().map(|row| {
        let figures = METRICS.map(|m| Cell::from(Line::from(figure(row, m)).alignment(Alignment::Right)));
        Row::new([Cell::from(name(row))].into_iter().chain(figures))
    });
    let table =
        Table::new(body, widths).header(Row::new(header).bold()).row_highlight_style(Style::new().reversed());
    if look.live {
        let mut state = TableState::default().with_selected(Some(top.selected));
        frame.render_stateful_widget(table.highlight_symbol("▸"), below, &mut state);
    } else {
        frame.render_widget(table, below);
    }
}

/// Sources beside the rows, in the same order.
fn sources(top: &Top, frame: &mut Frame<'_>, area: Rect, look: Look) {
    let [above, below] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let old =
        stale(&top.sources, look.now).map(|why| Span::styled(format!("  {why}"), look.hue(Color::Yellow)));
    let text: Vec<Span<'_>> = std::iter::once(Span::from("source").bold()).chain(old).collect();
    frame.render_widget(Line::from(text).underlined(), above);
    let Some(answer): Option<&ReportAnswer> = top.sources.value() else {
        return frame.render_widget(Paragraph::new(UNKNOWN), below);
    };
    let mut rows: Vec<&ReportRow> = answer.rows.iter().collect();
    top.order(&mut rows);
    let two = [Metric::Clicks, Metric::Profit];
    let cells = |text: &dyn Fn(Metric) -> String| {
        two.map(|m| Cell::from(Line::from(text(m)).alignment(Alignment::Right)))
    };
    let header = Row::new([Cell::from("SOURCE")].into_iter().chain(cells(&|m| heading(m).to_owned()))).bold();
    let body = rows
        .iter()
        .map(|row| Row::new([Cell::from(name(row))].into_iter().chain(cells(&|m| figure(row, m)))));
    let widths = [Constraint::Min(14), Constraint::Length(9), Constraint::Length(11)];
    frame.render_widget(Table::new(body, widths).header(header), below);
}

fn name(row: &ReportRow) -> String {
    let label = row.key.first().map(|k| line(k.label())).unwrap_or_default();
    if label.is_empty() { "-".to_owned() } else { label }
}

const fn heading(metric: Metric) -> &'static str {
    match metric {
        Metric::Clicks => "CLICKS",
        Metric::Conversions => "CONV.",
        Metric::Revenue => "REVENUE",
        Metric::Cost => "COST",
        Metric::Profit => "PROFIT",
        _ => "ROI",
    }
}

/// A figure; a ratio without a denominator is none.
fn figure(row: &ReportRow, metric: Metric) -> String {
    let Some(value) = row.figures.get(&metric) else { return UNKNOWN.to_owned() };
    match metric.unit() {
        Unit::Money => cents(&value.to_string()),
        Unit::Percent => format!("{value}%"),
        _ => value.to_string(),
    }
}

fn footer(top: &Top) -> Line<'static> {
    if top.writing {
        return Line::from(format!("filter: {}▏  Enter keeps it, Esc drops it", line(&top.filter)));
    }
    let keys =
        ["q quit", "? keys", "p pause", "s sort", "r turn", "d by", "w time", "/ find", "⏎ in", "Esc out"];
    Line::from(keys.join("  "))
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let text: Vec<Line<'_>> =
        KEYS.iter().map(|(key, does)| Line::from(format!(" {key:<10} {does}"))).collect();
    let (width, height) = (area.width.min(78), u16::try_from(KEYS.len()).unwrap_or_default() + 2);
    let place = Rect {
        x: (area.width - width) / 2,
        y: area.height.saturating_sub(height) / 2,
        width,
        height: height.min(area.height),
    };
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(text).block(Block::bordered().title("keys")), place);
}

#[cfg(test)]
mod tests;
