//! URL templates: `https://offer.example/?c={click_id}&s={sub1}`.
//!
//! Parsed and checked when saved, rendered on the click path. Values are percent-encoded; `{_name}` is raw and
//! allowed only outside scheme, host and port. No value can change scheme, host or port or break a header line.
//! All macros: `docs/macros.md`.

mod encode;
mod facts;
mod parse;
mod text;
mod value;

use crate::problem::Problems;
use encode::Encoder;
use parse::Segment;
use rand::Rng;
use value::Sources;

pub use facts::{ConversionFacts, Facts, Link, Named};
pub use text::TextTemplate;

/// The longest URL that is rendered, in bytes: what common servers and proxies take in one header line.
const MAX_URL: usize = 8192;

/// Where a template is used, which decides the macros it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Destination and trafficback URLs: the facts of a click.
    Redirect,
    /// A traffic source's postback URL: those and the facts of a conversion.
    Outbound,
}

/// A parsed URL template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlTemplate {
    source: String,
    host: String,
    /// Begins with a literal that holds scheme, host and port.
    segments: Vec<Segment>,
    /// The bytes of all literals, at most half of [`MAX_URL`].
    literals: usize,
    /// How many segments are macros.
    macros: usize,
}

impl UrlTemplate {
    /// Parses and checks a template.
    ///
    /// # Errors
    /// Every unknown macro, misplaced macro, and whatever else keeps it from being an absolute http(s) URL.
    pub fn parse(text: &str, scope: Scope) -> Result<Self, Problems> {
        let parse::Parsed { host, segments } = parse::parse(text, scope)?;
        let mut template = Self { source: text.to_owned(), host, segments, literals: 0, macros: 0 };
        for segment in &template.segments {
            match segment {
                Segment::Literal(text) => template.literals += text.len(),
                Segment::Macro { .. } => template.macros += 1,
            }
        }
        Ok(template)
    }

    /// The text it was parsed from.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The literal host (no macro can stand in it), lower-case, without port; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it has a macro of what is known of a click alone, and not of its conversion.
    pub fn needs_click(&self) -> bool {
        self.segments.iter().any(Segment::needs_click)
    }

    /// The names of its macros that nothing stands for.
    pub(crate) fn empty(&self, click: &Facts<'_>, told: Option<ConversionFacts<'_>>) -> Vec<String> {
        let known = &Sources { click, told };
        self.segments.iter().filter_map(|segment| segment.empty(known)).collect()
    }

    /// The URL with nothing where its macros stand: what is asked when no click is there.
    pub fn without_values(&self) -> String {
        let literal = |segment: &Segment| match segment {
            Segment::Literal(text) => Some(text.to_string()),
            Segment::Macro { .. } => None,
        };
        self.segments.iter().filter_map(literal).collect()
    }

    /// The URL for one click, at most 8 KiB. Missing values become empty texts. Values that fit together are whole; else
    /// the long ones share what the short ones leave.
    pub fn render(&self, click: &Facts<'_>, told: Option<ConversionFacts<'_>>, rng: &mut impl Rng) -> String {
        let known = &Sources { click, told };
        // Most values are ids and short words; a long one makes the text grow once or twice.
        let mut url = String::with_capacity((self.literals + self.macros * 32).min(MAX_URL));
        let room = MAX_URL.saturating_sub(self.literals);
        let mut left = room;
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => url.push_str(text),
                Segment::Macro { value, raw } => {
                    let before = url.len();
                    let mut out = Encoder::new(&mut url, *raw, left);
                    // The encoder takes everything, and a date's format was tried when parsed; should writing
                    // fail all the same, the value is a missing one.
                    let _ = value.write(known, rng, &mut out);
                    if out.is_cut() {
                        return self.shared(room, known, rng);
                    }
                    left = left.saturating_sub(url.len() - before);
                }
            }
        }
        url
    }

    /// The URL of values that do not fit together into `room`: short ones are whole, and each long one has as much as the
    /// other long ones, so that a referrer of 8 KiB does not push out the click id behind it.
    fn shared(&self, room: usize, known: &Sources<'_>, rng: &mut impl Rng) -> String {
        let mut values = String::new();
        let mut lengths = Vec::with_capacity(self.macros);
        for segment in &self.segments {
            if let Segment::Macro { value, raw } = segment {
                let before = values.len();
                let _ = value.write(known, rng, &mut Encoder::new(&mut values, *raw, room));
                lengths.push(values.len() - before);
            }
        }
        let share = share(&lengths, room);
        let mut url = String::with_capacity(MAX_URL);
        let (mut at, mut lengths) = (0, lengths.iter());
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => url.push_str(text),
                Segment::Macro { value, raw } => {
                    let length = lengths.next().copied().unwrap_or_default();
                    if length <= share {
                        // Not written anew: a number that was drawn is what was measured.
                        url.push_str(&values[at..at + length]);
                    } else {
                        let _ = value.write(known, rng, &mut Encoder::new(&mut url, *raw, share));
                    }
                    at += length;
                }
            }
        }
        url
    }
}

/// How much each of these lengths may have at most for all to fit into `room`.
fn share(lengths: &[usize], room: usize) -> usize {
    let mut ascending = lengths.to_vec();
    ascending.sort_unstable();
    let mut left = room;
    for (done, length) in ascending.iter().enumerate() {
        let each = left / (ascending.len() - done);
        if *length > each {
            return each;
        }
        left -= length;
    }
    room
}

#[cfg(test)]
mod tests;
