//! Reads conditions by precedence: `or`, `and`, comparisons, `+ -`, `* /`.

use super::{
    condition::{Calculation, Comparison, Condition, Figure, Span, Test},
    scan::{BadCondition, Kind, Token, scan},
};
use crate::{nearest::did_you_mean, report::Metric};
use std::str::FromStr;

/// How deep brackets may go.
const DEEPEST: usize = 20;
/// The shortest and the longest time that figures are taken over.
const SHORTEST_S: u64 = 60;
const LONGEST_S: u64 = 90 * 86_400;

/// What was read so far: a number, or what holds or does not.
enum Part {
    Figure(Figure),
    Test(Test),
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    /// The last figure of this comparison, which `avg(7d)` is of.
    metric: Option<Metric>,
}

impl FromStr for Condition {
    type Err = BadCondition;

    fn from_str(text: &str) -> Result<Self, BadCondition> {
        let text = text.trim();
        let mut parser = Parser { text, tokens: scan(text)?, next: 0, depth: 0, metric: None };
        let part = parser.binary(0)?;
        if *parser.peek() != Kind::End {
            let at = parser.at();
            return Err(parser.bad(at, "the condition is over here; join another with 'and' or 'or'"));
        }
        let test = parser.test(part, 0)?;
        Ok(Self { text: text.to_owned(), test })
    }
}

/// How tightly a sign or word binds.
fn precedence(kind: &Kind) -> Option<(u8, &str)> {
    let word = match kind {
        Kind::Sign(sign) => *sign,
        Kind::Word(word) => word.as_str(),
        _ => return None,
    };
    let binds = match word {
        "or" => 1,
        "and" => 2,
        "<" | "<=" | ">" | ">=" | "=" | "==" | "!=" => 3,
        "+" | "-" => 4,
        "*" | "/" => 5,
        _ => return None,
    };
    Some((binds, word))
}

impl Parser<'_> {
    fn peek(&self) -> &Kind {
        self.tokens.get(self.next).map_or(&Kind::End, |t| &t.kind)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(0, |t| t.at)
    }

    fn bad(&self, at: usize, message: impl Into<String>) -> BadCondition {
        BadCondition { message: message.into(), text: self.text.to_owned(), at }
    }

    fn take(&mut self, word: &str) -> bool {
        let found = match self.peek() {
            Kind::Sign(sign) => *sign == word,
            Kind::Word(found) => found == word,
            _ => false,
        };
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str, hint: &str) -> Result<(), BadCondition> {
        if self.take(word) { Ok(()) } else { Err(self.bad(self.at(), format!("must be '{word}': {hint}"))) }
    }

    fn binary(&mut self, least: u8) -> Result<Part, BadCondition> {
        let begin = self.at();
        let mut left = self.unary()?;
        while let Some((binds, word)) = precedence(self.peek()).filter(|(binds, _)| *binds >= least) {
            let (word, sign_at) = (word.to_owned(), self.at());
            self.next += 1;
            if binds < 3 {
                self.metric = None;
            }
            let right_at = self.at();
            let right = self.binary(binds + 1)?;
            left = match word.as_str() {
                "or" => Part::Test(Test::Or(self.boxed(left, begin)?, self.boxed(right, right_at)?)),
                "and" => Part::Test(Test::And(self.boxed(left, begin)?, self.boxed(right, right_at)?)),
                sign => {
                    let (a, b) = (self.figure(left, sign_at)?, self.figure(right, right_at)?);
                    match calculation(sign) {
                        Some(how) => Part::Figure(Figure::Calculated(Box::new(a), how, Box::new(b))),
                        None => Part::Test(Test::Compare(a, comparison(sign), b)),
                    }
                }
            };
        }
        Ok(left)
    }

    fn boxed(&self, part: Part, at: usize) -> Result<Box<Test>, BadCondition> {
        self.test(part, at).map(Box::new)
    }

    fn test(&self, part: Part, at: usize) -> Result<Test, BadCondition> {
        match part {
            Part::Test(test) => Ok(test),
            Part::Figure(_) => Err(self.bad(at, "must be compared with something, such as clicks > 100")),
        }
    }

    fn figure(&self, part: Part, at: usize) -> Result<Figure, BadCondition> {
        match part {
            Part::Figure(figure) => Ok(figure),
            Part::Test(_) => {
                Err(self.bad(at, "must stand between two numbers; join what holds with 'and' or 'or'"))
            }
        }
    }

    fn unary(&mut self) -> Result<Part, BadCondition> {
        let at = self.at();
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.bad(at, format!("goes deeper than {DEEPEST} brackets and signs")));
        }
        let part = self.primary(at);
        self.depth -= 1;
        part
    }

    fn primary(&mut self, at: usize) -> Result<Part, BadCondition> {
        let kind = self.peek().clone();
        self.next += 1;
        match kind {
            Kind::Number(number) => Ok(Part::Figure(Figure::Number(number))),
            Kind::Sign("-") => {
                let inner = self.unary()?;
                Ok(Part::Figure(Figure::Negative(Box::new(self.figure(inner, at)?))))
            }
            Kind::Sign("(") => {
                let inner = self.binary(0)?;
                self.expect(")", "the bracket is open")?;
                Ok(inner)
            }
            Kind::Word(word) => self.word(&word, at),
            Kind::Length(_) => {
                let hint =
                    "a length of time stands in brackets: avg(7d), clicks(15m); or behind 'silent for'";
                Err(self.bad(at, hint))
            }
            Kind::Sign(_) | Kind::End => {
                Err(self.bad(at, "must be a figure of reports such as cr, a number, or 'destination down'"))
            }
        }
    }

    fn word(&mut self, word: &str, at: usize) -> Result<Part, BadCondition> {
        match word {
            "destination" => {
                self.expect("down", "destination down")?;
                Ok(Part::Test(Test::DestinationDown))
            }
            "postbacks" => {
                self.expect("silent", "postbacks silent for 2h")?;
                self.expect("for", "postbacks silent for 2h")?;
                Ok(Part::Test(Test::PostbacksSilent(self.length()?)))
            }
            "ingestion" => {
                self.expect("errors", "ingestion errors > 0")?;
                Ok(Part::Figure(Figure::IngestionErrors(self.span()?)))
            }
            "avg" => self.average(at).map(Part::Figure),
            name => {
                let metric = self.metric_of(name, at)?;
                let span = if name.ends_with("_today") { Span::Today } else { self.span()? };
                self.metric = Some(metric);
                Ok(Part::Figure(Figure::Metric(metric, span)))
            }
        }
    }

    /// `avg(7d)`, `avg(clicks, 7d)`.
    fn average(&mut self, at: usize) -> Result<Figure, BadCondition> {
        self.expect("(", "avg(7d), or avg(clicks, 7d)")?;
        let place = self.at();
        let metric = match self.peek().clone() {
            Kind::Word(name) => {
                self.next += 1;
                let metric = self.metric_of(&name, place)?;
                self.expect(",", "avg(clicks, 7d)")?;
                Some(metric)
            }
            _ => self.metric,
        };
        let seconds = self.length()?;
        self.expect(")", "the bracket is open")?;
        let which =
            "of which figure? It is of the one before it in its comparison; else write avg(clicks, 7d)";
        metric.map(|metric| Figure::Average(metric, seconds)).ok_or_else(|| self.bad(at, which))
    }

    /// What may stand in brackets behind a figure.
    fn span(&mut self) -> Result<Span, BadCondition> {
        if !self.take("(") {
            return Ok(Span::Window);
        }
        let span = if self.take("today") { Span::Today } else { Span::Last(self.length()?) };
        self.expect(")", "the bracket is open")?;
        Ok(span)
    }

    fn length(&mut self) -> Result<u64, BadCondition> {
        let at = self.at();
        let Kind::Length(seconds) = *self.peek() else {
            return Err(self.bad(at, "must be a length of time, such as 15m, 2h or 7d"));
        };
        self.next += 1;
        if (SHORTEST_S..=LONGEST_S).contains(&seconds) {
            return Ok(seconds);
        }
        Err(self.bad(at, "must be 1m to 90d"))
    }

    fn metric_of(&self, name: &str, at: usize) -> Result<Metric, BadCondition> {
        let bare = name.strip_suffix("_today").unwrap_or(name);
        let bare = if bare == "spend" { "cost" } else { bare };
        bare.parse().map_err(|_| {
            let meant = did_you_mean(bare, Metric::ALL.iter().map(|m| m.as_str()));
            self.bad(at, format!("'{name}' is not a figure of reports{meant}; tfx report --help lists them"))
        })
    }
}

fn calculation(sign: &str) -> Option<Calculation> {
    Some(match sign {
        "+" => Calculation::Plus,
        "-" => Calculation::Minus,
        "*" => Calculation::Times,
        "/" => Calculation::By,
        _ => return None,
    })
}

fn comparison(sign: &str) -> Comparison {
    match sign {
        "<" => Comparison::Below,
        "<=" => Comparison::AtMost,
        ">" => Comparison::Above,
        ">=" => Comparison::AtLeast,
        "!=" => Comparison::Different,
        _ => Comparison::Equal,
    }
}
