//! `--chart`: a report as a picture. Times are lines, one for each value beside them; anything else is bars. What cannot be
//! drawn so that it says something is refused. How PNG gets its letters is in [`png`].

mod png;

use super::{compare::is_moment, eyes::times};
use crate::exit::Failure;
use jiff::tz::TimeZone;
use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use rust_decimal::prelude::ToPrimitive;
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
};
use tfx_api::report::{Metric, ReportAnswer, ReportRow};
use tfx_ops::files;

/// In pixels.
const SIZE: (u32, u32) = (960, 540);
/// Letters are so high: the one size in which PNG has them.
const LETTERS: u32 = 16;
/// More bars are too thin to be told apart.
const BARS: usize = 20;
/// And more lines.
const LINES: usize = 8;
/// Characters of a name.
const NAME: usize = 24;
/// Okabe and Ito's colours, which most people tell apart, without the yellow.
const COLORS: [RGBColor; LINES] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
    RGBColor(0, 0, 0),
];

/// A file whose name says its form.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    path: PathBuf,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Svg,
    Png,
}

/// `FILE.svg` or `FILE.png`.
///
/// # Errors
/// It is neither.
pub(super) fn file(text: &str) -> Result<Chart, String> {
    let path = PathBuf::from(text);
    let form = match path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase).as_deref() {
        Some("svg") => Form::Svg,
        Some("png") => Form::Png,
        _ => return Err("must end in .svg or .png".to_owned()),
    };
    Ok(Chart { path, form })
}

/// What is drawn.
#[derive(Debug, PartialEq)]
enum Plan {
    /// A figure at each time, of each line.
    Lines { times: Vec<String>, lines: Vec<(String, Vec<Option<f64>>)> },
    /// A figure of each row.
    Bars(Vec<(String, f64)>),
}

impl Chart {
    /// Draws the metric and writes the file, in place of one that is there. Tells what the picture cannot say.
    ///
    /// # Errors
    /// It cannot be charted; the file cannot be written.
    pub(super) fn write(
        &self,
        answer: &ReportAnswer,
        metric: Metric,
        caption: &str,
    ) -> Result<Option<String>, Failure> {
        let plan = plan(answer, metric)?;
        let title = format!(
            "{} by {}",
            metric.label(),
            answer.dimensions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
        );
        let texts = [title.as_str(), caption];
        let undrawn = |e: String| Failure::failed(format!("the chart cannot be drawn: {e}"));
        let (bytes, note) = match self.form {
            Form::Svg => {
                let mut svg = String::new();
                let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
                draw(&area, &plan, texts).map_err(undrawn)?;
                drop(area);
                (svg.into_bytes(), None)
            }
            Form::Png => {
                let mut pixels = vec![0; (SIZE.0 * SIZE.1 * 3) as usize];
                let area = png::Canvas::new(&mut pixels, SIZE).into_drawing_area();
                draw(&area, &plan, texts).map_err(undrawn)?;
                drop(area);
                let lacking = plan.names().any(|name| !png::has_letters_of(name));
                let note = lacking
                    .then(|| "PNG has letters of Latin alone: '?' stands for others; SVG has all".to_owned());
                (png::encoded(&pixels, SIZE).map_err(|e| undrawn(e.to_string()))?, note)
            }
        };
        files::replace(&self.path, &bytes)
            .map_err(|e| Failure::failed(format!("{} cannot be written: {e}", self.path.display())))?;
        Ok(note)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Plan {
    /// Every name that is drawn.
    fn names(&self) -> impl Iterator<Item = &str> {
        let (lines, bars) = match self {
            Self::Lines { lines, .. } => (lines.as_slice(), [].as_slice()),
            Self::Bars(bars) => ([].as_slice(), bars.as_slice()),
        };
        lines.iter().map(|(name, _)| name.as_str()).chain(bars.iter().map(|(name, _)| name.as_str()))
    }
}

/// How a report is drawn.
fn plan(answer: &ReportAnswer, metric: Metric) -> Result<Plan, Failure> {
    let cannot = |why: String, hint: &str| Err(Failure::usage(format!("--chart: {why}")).hint(hint));
    if answer.row_count > answer.rows.len() {
        let why = format!("{} of {} rows make no picture of all", answer.rows.len(), answer.row_count);
        return cannot(
            why,
            "--where makes them fewer; without --limit all are drawn, if they are few enough",
        );
    }
    if answer.rows.is_empty() {
        return cannot(
            "there are no rows".to_owned(),
            "a longer time (--since 30d), or other conditions (--where)",
        );
    }
    let value = |row: &ReportRow| row.figures.get(&metric).and_then(ToPrimitive::to_f64);
    let of = |row: &'_ ReportRow, dimension| row.key.iter().find(|k| k.dimension == dimension).cloned();
    let name = |text: &str| short(if text.is_empty() { "-" } else { text });
    match answer.dimensions.as_slice() {
        [] => cannot("a single figure makes no picture".to_owned(), "--by day, or --by campaign"),
        [time, rest @ ..] if is_moment(*time) && rest.len() <= 1 => {
            let zone = TimeZone::get(&answer.timezone).unwrap_or(TimeZone::UTC);
            let times = times(*time, answer.since, answer.until, &zone);
            if times.len() < 2 {
                return cannot("a single time makes no line".to_owned(), "a longer time, or --by hour");
            }
            let mut lines: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
            let nothing = metric.is_additive().then_some(0.0);
            for row in &answer.rows {
                let Some(at) = of(row, *time).and_then(|k| times.iter().position(|t| *t == k.value)) else {
                    continue;
                };
                let of = rest
                    .first()
                    .and_then(|d| of(row, *d))
                    .map_or_else(|| metric.label().to_owned(), |k| name(k.label()));
                lines.entry(of).or_insert_with(|| vec![nothing; times.len()])[at] = value(row);
            }
            if lines.len() > LINES {
                let why = format!("{} lines are too many to be told apart; {LINES} at the most", lines.len());
                return cannot(why, "--where chooses some");
            }
            Ok(Plan::Lines { times, lines: lines.into_iter().collect() })
        }
        [_] => {
            let bars: Vec<(String, f64)> =
                answer.rows.iter().filter_map(|row| Some((name(row.key[0].label()), value(row)?))).collect();
            if bars.len() > BARS {
                let why = format!("{} bars are too many to be read; {BARS} at the most", bars.len());
                return cannot(why, "--where chooses some");
            }
            if bars.is_empty() {
                return cannot(format!("no row has {metric}"), "another of --metrics");
            }
            Ok(Plan::Bars(bars))
        }
        _ => cannot(
            "these dimensions make no picture".to_owned(),
            "one dimension, or a time with one more: --by day,campaign",
        ),
    }
}

/// A name that does not take all of the room.
fn short(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    name.chars().take(NAME - 3).chain("...".chars()).collect()
}

fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    plan: &Plan,
    texts: [&str; 2],
) -> Result<(), String> {
    let text = |e: DrawingAreaErrorKind<B::ErrorType>| e.to_string();
    area.fill(&WHITE).map_err(text)?;
    let letters = || ("sans-serif", LETTERS).into_font();
    for (line, said) in (0_i32..).zip(texts) {
        let style = letters().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Top));
        area.draw_text(said, &style, (16, 12 + line * 20)).map_err(text)?;
    }
    let (_, below) = area.split_vertically(60);
    match plan {
        Plan::Lines { times, lines } => {
            let all = || lines.iter().flat_map(|(_, values)| values).flatten().copied();
            let (low, high) = range(all());
            let last = times.len().saturating_sub(1);
            let mut chart = ChartBuilder::on(&below)
                .margin(16)
                .margin_right(48)
                .x_label_area_size(28)
                .y_label_area_size(90)
                .build_cartesian_2d(0.0..as_f64(last), low..high)
                .map_err(text)?;
            let at = |x: &f64| {
                let near = (x - x.round()).abs() < 0.01;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a place among few"
                )]
                let time = near.then(|| times.get(x.round() as usize)).flatten();
                time.map(|t| t.trim_end_matches(":00+00:00").to_owned()).unwrap_or_default()
            };
            chart
                .configure_mesh()
                .light_line_style(WHITE)
                .x_labels(times.len().min(8))
                .x_label_formatter(&at)
                .y_label_formatter(&|y| figure(*y))
                .label_style(letters())
                .draw()
                .map_err(text)?;
            for (i, (name, values)) in lines.iter().enumerate() {
                let color = COLORS[i % COLORS.len()];
                let points: Vec<(f64, f64)> =
                    values.iter().enumerate().filter_map(|(x, y)| Some((as_f64(x), (*y)?))).collect();
                let drawn =
                    chart.draw_series(LineSeries::new(points, color.stroke_width(2))).map_err(text)?;
                drawn
                    .label(name)
                    .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 14, y + 4)], color.filled()));
            }
            if lines.len() > 1 {
                chart
                    .configure_series_labels()
                    .position(SeriesLabelPosition::UpperLeft)
                    .background_style(WHITE)
                    .border_style(RGBColor(200, 200, 200))
                    .label_font(letters())
                    .draw()
                    .map_err(text)?;
            }
        }
        Plan::Bars(bars) => {
            let (low, high) = range(bars.iter().map(|(_, value)| *value));
            let rows = i32::try_from(bars.len()).unwrap_or(i32::MAX);
            let mut chart = ChartBuilder::on(&below)
                .margin(16)
                .margin_right(48)
                .x_label_area_size(28)
                .y_label_area_size(220)
                .build_cartesian_2d(low..high, (0..rows - 1).into_segmented())
                .map_err(text)?;
            // The first row stands on top.
            let row = |at: i32| usize::try_from(rows - 1 - at).ok().and_then(|i| bars.get(i));
            let name = |at: &SegmentValue<i32>| match at {
                SegmentValue::CenterOf(at) => row(*at).map(|(name, _)| name.clone()).unwrap_or_default(),
                _ => String::new(),
            };
            chart
                .configure_mesh()
                .light_line_style(WHITE)
                .disable_y_mesh()
                .x_labels(8)
                .x_label_formatter(&|x| figure(*x))
                .y_labels(bars.len())
                .y_label_formatter(&name)
                .label_style(letters())
                .draw()
                .map_err(text)?;
            let boxes = (0..rows).filter_map(|at| {
                let corners = [(0.0, SegmentValue::Exact(at)), (row(at)?.1, SegmentValue::Exact(at + 1))];
                let mut bar = Rectangle::new(corners, COLORS[0].filled());
                bar.set_margin(3, 3, 0, 0);
                Some(bar)
            });
            chart.draw_series(boxes).map_err(text)?;
        }
    }
    area.present().map_err(text)
}

/// From nothing to a little more than the most; also below, if there is something.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((0.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let room = (high - low) * 0.05;
    match room > 0.0 {
        true => (if low < 0.0 { low - room } else { 0.0 }, high + room),
        false => (0.0, 1.0),
    }
}

/// A figure of an axis.
fn figure(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[expect(clippy::cast_precision_loss, reason = "places among few")]
const fn as_f64(place: usize) -> f64 {
    place as f64
}

#[cfg(test)]
mod tests;
