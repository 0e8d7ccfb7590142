//! Whether a text says anything: one rule for every fact of a postback and every parameter of a click.
//!
//! Networks and sources send what they could not fill in: nothing, a word of their language for nothing, or their macro
//! as it stands in the template. Taken for a value it would be one transaction for all sales. So what says nothing
//! counts as not sent, and the next parameter of that name is asked. Why a rule of shapes and not a list:
//! `docs/decisions/0012-what-says-nothing.md`; the table for people: `docs/postbacks.md`.

mod shape;

use crate::query;

/// What a text is to be, which decides the few words that are nothing for one and something for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// An id: of a click, of a transaction. No id is made of zeros alone, or has a macro in it.
    Id,
    /// An amount of money; 0 is one.
    Amount,
    /// One of a few words: a status, a currency.
    Word,
    /// A text of any kind: a sub id, a keyword. It may be `NA` (Namibia), `none`, `$TSLA`.
    Text,
}

/// Why a text says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It is empty, or has neither letter nor digit.
    Empty,
    /// It is a word for nothing.
    Word,
    /// It is a macro that nobody filled in.
    Macro,
}

/// Why `text` says nothing; `None` if it says something.
pub fn silence(text: &str, fact: Fact) -> Option<Silence> {
    let text = text.trim_matches(blank);
    // Most values begin with a letter or digit and with none that a word for nothing begins with.
    match text.chars().next() {
        Some(c) if c.is_alphanumeric() && !"nNuUeEbB0".contains(c) && !may_hold_macro(text, fact) => None,
        _ => judged(text, fact, 0),
    }
}

/// True if `text` says something.
pub fn says(text: &str, fact: Fact) -> bool {
    silence(text, fact).is_none()
}

/// The first value of a name that says something.
pub fn first<'v, N: AsRef<str>>(params: &'v [(N, String)], name: &str, fact: Fact) -> Option<&'v str> {
    let values = params.iter().filter(|(n, _)| n.as_ref() == name).map(|(_, v)| v.as_str());
    values.into_iter().find(|v| says(v, fact))
}

/// An id is none while a part of it is a macro: `order-{order_id}` would be one order for all sales.
fn may_hold_macro(text: &str, fact: Fact) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    fact == Fact::Id && (!text.bytes().all(plain) || text.contains("undefined"))
}

/// The longest text that can be words for nothing.
const LONGEST_WORD: usize = 32;
/// How often a text may be quoted or encoded over.
const DEEPEST: u8 = 4;

fn judged(text: &str, fact: Fact, depth: u8) -> Option<Silence> {
    let text = text.trim_matches(blank);
    if !text.chars().any(says_something) {
        return Some(Silence::Empty);
    }
    if is_word(text, fact) {
        return Some(Silence::Word);
    }
    if shape::is_macro(text, fact) || fact == Fact::Id && shape::holds_macro(text) {
        return Some(Silence::Macro);
    }
    if depth == DEEPEST {
        return None;
    }
    if let Some(inner) = unquoted(text) {
        return judged(inner, fact, depth + 1);
    }
    // Encoded once too often, or with the entities of HTML.
    match query::decoded(text) {
        Some(inner) => judged(&inner, fact, depth + 1),
        None if text.contains('&') => {
            let inner = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
            if inner == text { None } else { judged(&inner, fact, depth + 1) }
        }
        None => None,
    }
}

/// Blanks, also those that nobody sees.
fn blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// Signs of ASCII, dashes and blanks say nothing by themselves. Control characters are told apart where they are
/// refused.
fn says_something(c: char) -> bool {
    !(c.is_ascii_punctuation() || matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}' | '…') || blank(c))
}

/// A word for nothing, or several in a row, as scripts join them: `undefined-undefined`.
fn is_word(text: &str, fact: Fact) -> bool {
    const WORDS: [&str; 16] = [
        "null",
        "nil",
        "undefined",
        "undef",
        "nan",
        "n/a",
        "#n/a",
        "n.a.",
        "not set",
        "notset",
        "not_set",
        "not-set",
        "unset",
        "nullptr",
        "%s",
        "%d",
    ];
    // Words that people search for and name things by.
    const NOT_IN_TEXTS: [&str; 7] = ["na", "n-a", "n_a", "none", "empty", "blank", "nothing"];
    if fact == Fact::Id && is_zero(text) {
        return true;
    }
    if text.len() > LONGEST_WORD {
        return false;
    }
    let same = |word: &&str| text.eq_ignore_ascii_case(word);
    // As MySQL and Python write it.
    if matches!(text, "\\N" | "None")
        || WORDS.iter().any(same)
        || fact != Fact::Text && NOT_IN_TEXTS.iter().any(same)
    {
        return true;
    }
    const JOINED: [&str; 5] = ["null", "nil", "none", "undefined", "nan"];
    let mut parts = text.split(['-', '_', ',', ' ', '|', ':', ';', '/', '.', '+']);
    parts.clone().nth(1).is_some() && parts.all(|p| JOINED.iter().any(|w| p.eq_ignore_ascii_case(w)))
}

/// Zeros alone, whatever stands between them: `0`, `0000`, an empty UUID.
fn is_zero(text: &str) -> bool {
    text.contains('0') && text.bytes().all(|b| matches!(b, b'0' | b'-' | b'.' | b'{' | b'}'))
}

/// What stands in quotes.
fn unquoted(text: &str) -> Option<&str> {
    const QUOTES: [(&str, &str); 6] =
        [("\\\"", "\\\""), ("\"", "\""), ("'", "'"), ("“", "”"), ("‘", "’"), ("«", "»")];
    QUOTES.iter().find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
}

#[cfg(test)]
mod tests;
