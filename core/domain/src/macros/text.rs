//! Templates of texts that are no URLs: values in the body of a postback to a traffic source. Nothing is encoded here;
//! whoever sends the text does.

use super::{
    ConversionFacts, Facts, Scope,
    encode::Encoder,
    parse::{LONGEST, MOST_MACROS, Segment, split_macros},
    value::Sources,
};
use crate::problem::Problems;
use percent_encoding::percent_decode_str;
use rand::Rng;

/// The longest value of a macro, in bytes as they stand in a URL.
const LONGEST_VALUE: usize = 8192;

/// A parsed template of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTemplate(Vec<Segment>);

impl TextTemplate {
    /// Parses and checks a template, with the macros of a postback to a source.
    ///
    /// # Errors
    /// Every unknown or misplaced macro; more than 4,096 bytes or 64 macros.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        problems.require(text.len() <= LONGEST, "", "must be at most 4096 bytes");
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut segments = Vec::new();
        split_macros(text, Scope::Outbound, str::to_owned, &mut segments, &mut problems);
        let template = Self(segments);
        problems.require(template.macros() <= MOST_MACROS, "", "must have at most 64 macros");
        problems.into_result(template)
    }

    /// As [`super::UrlTemplate::needs_click`].
    pub(crate) fn needs_click(&self) -> bool {
        self.0.iter().any(Segment::needs_click)
    }

    /// How many macros it has.
    pub(crate) fn macros(&self) -> usize {
        self.0.iter().filter(|s| matches!(s, Segment::Macro { .. })).count()
    }

    /// As [`super::UrlTemplate::empty`].
    pub(crate) fn empty(&self, click: &Facts<'_>, told: Option<ConversionFacts<'_>>) -> Vec<String> {
        let known = &Sources { click, told };
        self.0.iter().filter_map(|segment| segment.empty(known)).collect()
    }

    /// Whether it is one macro that stands for a number: an amount or a time.
    pub fn is_number(&self) -> bool {
        matches!(self.0.as_slice(), [Segment::Macro { value, .. }] if value.is_number())
    }

    /// The text for a conversion. Missing values become empty texts.
    pub fn render(&self, click: &Facts<'_>, told: Option<ConversionFacts<'_>>, rng: &mut impl Rng) -> String {
        let known = &Sources { click, told };
        let mut text = String::new();
        for segment in &self.0 {
            match segment {
                Segment::Literal(literal) => text.push_str(literal),
                Segment::Macro { value, .. } => {
                    // Values are written as URLs have them, which keeps bytes that are no text; here they are decoded.
                    let mut encoded = String::new();
                    let _ = value.write(known, rng, &mut Encoder::new(&mut encoded, false, LONGEST_VALUE));
                    text.push_str(&percent_decode_str(&encoded).decode_utf8_lossy());
                }
            }
        }
        text
    }
}
