//! The words of a condition, each with its place.

use rust_decimal::Decimal;
use std::{fmt, str::FromStr as _};

/// The longest condition, in characters.
pub(super) const LONGEST: usize = 500;

/// A condition that cannot be read: what is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCondition {
    /// What is wrong and what is allowed.
    pub message: String,
    /// The condition as it was written.
    pub text: String,
    /// How many characters stand before the place.
    pub at: usize,
}

impl fmt::Display for BadCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A control character would move the caret.
        let shown: String = self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        write!(f, "{}\n  {shown}\n  {}^", self.message, " ".repeat(self.at))
    }
}

impl std::error::Error for BadCondition {}

/// What a word is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Number(Decimal),
    /// Seconds.
    Length(u64),
    Word(String),
    Sign(&'static str),
    End,
}

/// A word and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: usize,
}

/// The longer first.
const SIGNS: [&str; 14] = ["<=", ">=", "==", "!=", "<", ">", "=", "+", "-", "*", "/", "(", ")", ","];

/// All words, the end among them.
pub(super) fn scan(text: &str) -> Result<Vec<Token>, BadCondition> {
    let chars: Vec<char> = text.chars().collect();
    let bad = |at: usize, message: String| BadCondition { message, text: text.to_owned(), at };
    if chars.len() > LONGEST {
        let message = format!("is longer than {LONGEST} characters");
        return Err(BadCondition { message, text: chars[..60].iter().collect(), at: 60 });
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        let rest = &chars[at..];
        let taken = |of: fn(&char) -> bool| rest.iter().take_while(|c| of(c)).count();
        let (kind, length) = match c {
            c if c.is_whitespace() => {
                at += 1;
                continue;
            }
            '0'..='9' | '.' => {
                let length = taken(|c| c.is_ascii_digit() || *c == '.');
                let digits: String = rest[..length].iter().collect();
                number(&digits, rest.get(length), rest.get(length + 1)).map_err(|message| bad(at, message))?
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = taken(|c| c.is_ascii_alphanumeric() || *c == '_');
                (Kind::Word(rest[..length].iter().collect::<String>().to_lowercase()), length)
            }
            _ => {
                let begins = |sign: &&&str| rest.starts_with(&sign.chars().collect::<Vec<_>>());
                let Some(sign) = SIGNS.iter().find(begins) else {
                    let known = "known are figures, numbers, < <= > >= = != + - * / ( ), and, or";
                    return Err(bad(at, format!("'{}' has no meaning here; {known}", c.escape_debug())));
                };
                (Kind::Sign(sign), sign.len())
            }
        };
        tokens.push(Token { kind, at });
        at += length;
    }
    tokens.push(Token { kind: Kind::End, at });
    Ok(tokens)
}

/// A number, or a length of time where a unit follows.
fn number(digits: &str, unit: Option<&char>, after: Option<&char>) -> Result<(Kind, usize), String> {
    let is_word = |c: Option<&char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || *c == '_');
    if !is_word(unit) {
        let number = Decimal::from_str(digits).map_err(|_| format!("'{digits}' is not a number"))?;
        return Ok((Kind::Number(number), digits.len()));
    }
    let factor = match unit {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some('w') => 604_800,
        _ => 0,
    };
    let seconds = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor));
    match seconds.filter(|_| factor > 0 && !is_word(after)) {
        Some(seconds) => Ok((Kind::Length(seconds), digits.len() + 1)),
        None => Err("must be a number, or a length of time such as 15m, 2h or 7d".to_owned()),
    }
}
