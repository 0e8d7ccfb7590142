//! Whether a condition holds of a group. What is not known makes it neither true nor false: that is said, and never taken
//! for "fine".

use super::condition::{Calculation, Comparison, Condition, Figure, Span, Test, length};
use crate::{
    Timestamp,
    report::{Metric, Unit},
};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// What is known of a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The figures of the report over each span; a ratio without anything to divide by is absent.
    pub figures: BTreeMap<Span, BTreeMap<Metric, Decimal>>,
    /// Whether the destination counts as down; the text says why that is not known.
    pub down: Option<Result<bool, String>>,
    /// When the last postback came; the text says why that is not known.
    pub last_postback: Option<Result<Timestamp, String>>,
    /// Messages that became no event; the text says why that is not known.
    pub ingestion: BTreeMap<Span, Result<u64, String>>,
}

/// Whether a condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Holds,
    /// It does not.
    Not,
    /// That cannot be said, and why.
    NoData(String),
    /// That will never be said any more, and why: what it was about is archived.
    Over(String),
}

/// What a look at a group gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Whether the condition holds.
    pub verdict: Verdict,
    /// The figures that were looked at, for people: `cr 1.2, avg(cr, 7d) 4.1`.
    pub values: String,
}

/// What a look needs beside the facts.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The rule's window, in seconds.
    pub window_s: u64,
    /// With fewer clicks in the window, figures say nothing.
    pub min_clicks: u64,
    /// When it is.
    pub now: Timestamp,
}

impl Observation {
    /// Nothing can be seen any more, and why.
    pub fn over(why: String) -> Self {
        Self { verdict: Verdict::Over(why.clone()), values: why }
    }
}

impl Condition {
    /// Looks at what is known of a group.
    pub fn observe(&self, facts: &Facts, look: &Look) -> Observation {
        let mut looked = Looked { facts, look, values: Vec::new() };
        let verdict = looked.test(self.test());
        let verdict = too_few(self, facts, look).map_or(verdict, Verdict::NoData);
        Observation { verdict, values: looked.values.join(", ") }
    }
}

/// Why the figures are of too few clicks to say anything.
fn too_few(condition: &Condition, facts: &Facts, look: &Look) -> Option<String> {
    if look.min_clicks == 0 || condition.needs().spans.is_empty() {
        return None;
    }
    let clicks = facts.figures.get(&Span::Window).and_then(|f| f.get(&Metric::Clicks)).copied();
    let clicks = clicks.unwrap_or_default();
    let window = length(look.window_s);
    (clicks < Decimal::from(look.min_clicks))
        .then(|| format!("{clicks} clicks in {window}, and {} are the least (min_clicks)", look.min_clicks))
}

/// A look that goes on.
struct Looked<'l> {
    facts: &'l Facts,
    look: &'l Look,
    values: Vec<String>,
}

impl Looked<'_> {
    /// Of two, what one alone decides is decided, whatever is not known of the other.
    fn test(&mut self, test: &Test) -> Verdict {
        use Verdict::{Holds, NoData, Not, Over};
        match test {
            Test::And(a, b) => match (self.test(a), self.test(b)) {
                (Not, _) | (_, Not) => Not,
                (Over(why), _) | (_, Over(why)) => Over(why),
                (NoData(why), _) | (_, NoData(why)) => NoData(why),
                (Holds, Holds) => Holds,
            },
            Test::Or(a, b) => match (self.test(a), self.test(b)) {
                (Holds, _) | (_, Holds) => Holds,
                (Over(why), _) | (_, Over(why)) => Over(why),
                (NoData(why), _) | (_, NoData(why)) => NoData(why),
                (Not, Not) => Not,
            },
            Test::Compare(a, how, b) => match (self.figure(a), self.figure(b)) {
                (Ok(a), Ok(b)) => said(compare(a, *how, b)),
                (Err(why), _) | (_, Err(why)) => NoData(why),
            },
            Test::DestinationDown => match &self.facts.down {
                Some(Ok(down)) => {
                    self.say(format!("destination {}", if *down { "down" } else { "up" }));
                    said(*down)
                }
                Some(Err(why)) => NoData(why.clone()),
                None => NoData("the destination is not known".to_owned()),
            },
            Test::PostbacksSilent(seconds) => match &self.facts.last_postback {
                Some(Ok(last)) => {
                    let silent = self.look.now.duration_since(*last).as_secs();
                    self.say(format!("last postback {}", last.strftime("%Y-%m-%d %H:%M:%S UTC")));
                    said(u64::try_from(silent).is_ok_and(|silent| silent >= *seconds))
                }
                Some(Err(why)) => NoData(why.clone()),
                None => NoData("it is not known when the last postback came".to_owned()),
            },
        }
    }

    fn say(&mut self, value: String) {
        if !self.values.contains(&value) {
            self.values.push(value);
        }
    }

    fn figure(&mut self, figure: &Figure) -> Result<Decimal, String> {
        let value = match figure {
            Figure::Number(number) => return Ok(*number),
            Figure::Negative(inner) => return self.figure(inner).map(|n| -n),
            Figure::Calculated(a, how, b) => {
                let (a, b) = (self.figure(a)?, self.figure(b)?);
                let done = match how {
                    Calculation::Plus => a.checked_add(b),
                    Calculation::Minus => a.checked_sub(b),
                    Calculation::Times => a.checked_mul(b),
                    Calculation::By => a.checked_div(b),
                };
                return done.ok_or_else(|| format!("{figure}: cannot be calculated of {a} and {b}"));
            }
            Figure::Metric(metric, span) => self.metric(*metric, *span),
            Figure::Average(metric, seconds) => self.average(*metric, *seconds),
            Figure::IngestionErrors(span) => match self.facts.ingestion.get(span) {
                Some(Ok(count)) => Ok(Decimal::from(*count)),
                Some(Err(why)) => Err(why.clone()),
                None => Err("ingestion errors are not known".to_owned()),
            },
        };
        match &value {
            Ok(value) => self.say(format!("{figure} {value}")),
            Err(_) => self.say(format!("{figure} no data")),
        }
        value
    }

    fn metric(&self, metric: Metric, span: Span) -> Result<Decimal, String> {
        let known = self.facts.figures.get(&span);
        let known = known.ok_or_else(|| format!("{metric} is not known"))?;
        known.get(&metric).copied().ok_or_else(|| {
            let over = match span {
                Span::Today => "today".to_owned(),
                Span::Window => format!("in {}", length(self.look.window_s)),
                Span::Last(seconds) => format!("in {}", length(seconds)),
                Span::Before(seconds) => format!("in the {} before", length(seconds)),
            };
            format!("{metric} {over}: there is nothing to divide by")
        })
    }

    fn average(&self, metric: Metric, seconds: u64) -> Result<Decimal, String> {
        let whole = self.metric(metric, Span::Before(seconds))?;
        if !metric.is_additive() {
            return Ok(whole);
        }
        let part = whole.checked_mul(Decimal::from(self.look.window_s));
        let part = part.and_then(|p| p.checked_div(Decimal::from(seconds)));
        let places = if metric.unit() == Unit::Money { 6 } else { 2 };
        part.map(|p| p.round_dp(places).normalize()).ok_or_else(|| format!("{metric} is too large"))
    }
}

const fn said(holds: bool) -> Verdict {
    if holds { Verdict::Holds } else { Verdict::Not }
}

fn compare(a: Decimal, how: Comparison, b: Decimal) -> bool {
    match how {
        Comparison::Below => a < b,
        Comparison::AtMost => a <= b,
        Comparison::Above => a > b,
        Comparison::AtLeast => a >= b,
        Comparison::Equal => a == b,
        Comparison::Different => a != b,
    }
}
