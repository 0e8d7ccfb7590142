//! The language of alert conditions: what can be asked. How it is read: `parse`.
//!
//! ```text
//! cr < 0.5 * avg(7d)            a figure of reports, over the rule's window, and what it was in the 7 days before that
//! spend_today > 200             a figure since midnight; cost(6h): of the last six hours
//! clicks > 100 and roi < -20
//! destination down
//! postbacks silent for 2h
//! ingestion errors > 0
//! ```

pub use super::scan::BadCondition;
use crate::report::Metric;
use rust_decimal::Decimal;
use std::{collections::BTreeSet, fmt};

/// A time that figures are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// The rule's window, up to now.
    Window,
    /// So many seconds up to now.
    Last(u64),
    /// Since midnight in the rule's time zone.
    Today,
    /// So many seconds before the rule's window.
    Before(u64),
}

/// A number.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    /// As it stands there.
    Number(Decimal),
    /// Of the report.
    Metric(Metric, Span),
    /// What a metric usually is: a ratio of so many seconds before the window; of a count or an amount the part of them that
    /// fits the window.
    Average(Metric, u64),
    /// Messages that became no event.
    IngestionErrors(Span),
    /// With the sign turned.
    Negative(Box<Self>),
    /// Two of them.
    Calculated(Box<Self>, Calculation, Box<Self>),
}

/// What is done with two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calculation {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    By,
}

/// How two numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `=`
    Equal,
    /// `!=`
    Different,
}

/// What holds or does not.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Both.
    And(Box<Self>, Box<Self>),
    /// One of them.
    Or(Box<Self>, Box<Self>),
    /// Two numbers.
    Compare(Figure, Comparison, Figure),
    /// The destination counts as down.
    DestinationDown,
    /// No postback has come for so many seconds.
    PostbacksSilent(u64),
}

/// A condition that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub(super) text: String,
    pub(super) test: Test,
}

/// What a condition asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Figures of the report over these.
    pub spans: BTreeSet<Span>,
    /// Whether the destination is down.
    pub health: bool,
    /// When the last postback came.
    pub postbacks: bool,
    /// Messages that became no event, over these.
    pub ingestion: BTreeSet<Span>,
    /// Whether a figure tells of money.
    pub money: bool,
}

impl Condition {
    /// What it asks.
    pub const fn test(&self) -> &Test {
        &self.test
    }

    /// What must be known to say whether it holds.
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        needs.of_test(&self.test);
        needs
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Needs {
    fn of_test(&mut self, test: &Test) {
        match test {
            Test::And(a, b) | Test::Or(a, b) => [a, b].into_iter().for_each(|t| self.of_test(t)),
            Test::Compare(a, _, b) => [a, b].into_iter().for_each(|f| self.of_figure(f)),
            Test::DestinationDown => self.health = true,
            Test::PostbacksSilent(_) => self.postbacks = true,
        }
    }

    fn of_figure(&mut self, figure: &Figure) {
        match figure {
            Figure::Number(_) => {}
            Figure::Metric(metric, span) => {
                self.spans.insert(*span);
                self.money |= metric.tells_money();
            }
            Figure::Average(metric, seconds) => {
                self.spans.insert(Span::Before(*seconds));
                self.money |= metric.tells_money();
            }
            Figure::IngestionErrors(span) => {
                self.ingestion.insert(*span);
            }
            Figure::Negative(inner) => self.of_figure(inner),
            Figure::Calculated(a, _, b) => [a, b].into_iter().for_each(|f| self.of_figure(f)),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Metric(metric, span) => write!(f, "{metric}{}", of_span(*span)),
            Self::Average(metric, seconds) => write!(f, "avg({metric}, {})", length(*seconds)),
            Self::IngestionErrors(span) => write!(f, "ingestion errors{}", of_span(*span)),
            Self::Negative(inner) => write!(f, "-{inner}"),
            Self::Calculated(a, how, b) => {
                let sign = match how {
                    Calculation::Plus => "+",
                    Calculation::Minus => "-",
                    Calculation::Times => "*",
                    Calculation::By => "/",
                };
                write!(f, "({a} {sign} {b})")
            }
        }
    }
}

fn of_span(span: Span) -> String {
    match span {
        Span::Window => String::new(),
        Span::Today => "_today".to_owned(),
        Span::Last(seconds) | Span::Before(seconds) => format!("({})", length(seconds)),
    }
}

/// `90s`, `15m`, `2h`, `7d`: the largest unit that fits.
pub fn length(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    match units.iter().find(|(size, _)| seconds > 0 && seconds.is_multiple_of(*size)) {
        Some((size, unit)) => format!("{}{unit}", seconds / size),
        None => format!("{seconds}s"),
    }
}
