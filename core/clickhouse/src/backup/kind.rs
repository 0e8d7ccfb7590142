//! How values of ClickHouse's types lie in its Native format, as far as must be known to pass over them.

/// How the values of a column lie there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// So many bytes each.
    Fixed(u64),
    /// A length and so many bytes.
    Text,
    /// How many there are, and then the elements of all.
    List(Box<Kind>),
    /// Which are none, and then values for all.
    Nullable(Box<Kind>),
    /// Different values once, and then which one each is.
    LowCardinality(Box<Kind>),
    /// All of the first, then all of the second.
    Tuple(Vec<Kind>),
}

impl Kind {
    /// Of the name of a type; none of one that is not known here.
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let (name, arguments) = match text.split_once('(') {
            Some((name, rest)) => (name, split(rest.strip_suffix(')')?)?),
            None => (text, Vec::new()),
        };
        let of = |at: usize| arguments.get(at).and_then(|a| Self::of(a));
        let number = |at: usize| arguments.get(at).and_then(|a| a.trim().parse::<u64>().ok());
        Some(match name {
            "Bool" | "Int8" | "UInt8" | "Enum8" | "Nothing" => Self::Fixed(1),
            "Int16" | "UInt16" | "Enum16" | "Date" | "BFloat16" => Self::Fixed(2),
            "Int32" | "UInt32" | "Float32" | "Date32" | "DateTime" | "IPv4" | "Time" => Self::Fixed(4),
            "Int64" | "UInt64" | "Float64" | "DateTime64" | "Time64" => Self::Fixed(8),
            "Int128" | "UInt128" | "UUID" | "IPv6" | "Point" => Self::Fixed(16),
            "Int256" | "UInt256" => Self::Fixed(32),
            "Decimal" => match number(0)? {
                0..=9 => Self::Fixed(4),
                10..=18 => Self::Fixed(8),
                19..=38 => Self::Fixed(16),
                _ => Self::Fixed(32),
            },
            "FixedString" => Self::Fixed(number(0)?),
            "String" => Self::Text,
            "Array" => Self::List(Box::new(of(0)?)),
            "Map" => Self::List(Box::new(Self::Tuple(vec![of(0)?, of(1)?]))),
            "Nullable" => Self::Nullable(Box::new(of(0)?)),
            // Its different values have one for none, and no mask.
            "LowCardinality" => Self::LowCardinality(Box::new(match of(0)? {
                Self::Nullable(inner) => *inner,
                inner => inner,
            })),
            "Tuple" => Self::Tuple(elements(&arguments)?),
            "Nested" => Self::List(Box::new(Self::Tuple(elements(&arguments)?))),
            "SimpleAggregateFunction" => of(1)?,
            name if name.starts_with("Interval") => Self::Fixed(8),
            _ => return None,
        })
    }
}

/// The types of elements, which may have names.
fn elements(arguments: &[&str]) -> Option<Vec<Kind>> {
    arguments.iter().map(|argument| Kind::of(without_name(argument.trim()))).collect()
}

/// Names are words, or quoted; a type has no space outside of its brackets.
fn without_name(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix('`') {
        return rest.split_once("` ").map_or(text, |(_, kind)| kind);
    }
    match (text.find(' '), text.find('(')) {
        (Some(space), Some(bracket)) if space > bracket => text,
        (Some(space), _) => &text[space + 1..],
        (None, _) => text,
    }
}

/// At the commas that are in no brackets and no quotes.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut begin, mut depth, mut quote, mut escaped) = (Vec::new(), 0, 0_usize, None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(q), c) if q == c => quote = None,
            (None, '\'' | '`') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.checked_sub(1)?,
            (None, ',') if depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    (depth == 0 && quote.is_none()).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_by_how_their_values_lie() {
        use Kind::{Fixed, List, LowCardinality, Nullable, Text, Tuple};
        let list = |kind| List(Box::new(kind));
        for (text, kind) in [
            ("String", Text),
            ("DateTime64(3, 'UTC')", Fixed(8)),
            ("Enum8('click' = 0, 'a, (b' = 1, 'it\\'s' = 2)", Fixed(1)),
            ("Decimal(18, 6)", Fixed(8)),
            ("Decimal(38, 6)", Fixed(16)),
            ("FixedString(7)", Fixed(7)),
            ("LowCardinality(Nullable(String))", LowCardinality(Box::new(Text))),
            ("Nullable(Int32)", Nullable(Box::new(Fixed(4)))),
            ("Array(Array(LowCardinality(String)))", list(list(LowCardinality(Box::new(Text))))),
            ("Map(String, Array(UInt8))", list(Tuple(vec![Text, list(Fixed(1))]))),
            ("Tuple(a DateTime64(3, 'UTC'), `b c` String, UInt16)", Tuple(vec![Fixed(8), Text, Fixed(2)])),
            ("SimpleAggregateFunction(sum, UInt64)", Fixed(8)),
            ("IntervalDay", Fixed(8)),
        ] {
            assert_eq!(Kind::of(text), Some(kind), "{text}");
        }
        for unknown in
            ["AggregateFunction(uniq, UInt64)", "JSON", "Variant(UInt8, String)", "", "Array(", "Array)"]
        {
            assert_eq!(Kind::of(unknown), None, "{unknown}");
        }
    }
}
