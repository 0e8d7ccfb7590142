//! Writing values into a URL: encoded, bounded, and never able to break a header line.

use crate::query::{self, RESERVED};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode_byte, utf8_percent_encode};
use std::fmt::{self, Write as _};

/// What a URL can never contain as it is. (Non-ASCII is always encoded.)
const NEVER: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A literal part of a template: what cannot stand in a URL is encoded, `%` and delimiters are the author's.
pub(super) fn literal(text: &str) -> String {
    utf8_percent_encode(text, NEVER).collect()
}

/// Appends one value to a URL, at most `left` bytes of it, cut between characters.
pub(super) struct Encoder<'a> {
    url: &'a mut String,
    set: &'static AsciiSet,
    left: usize,
    cut: bool,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(url: &'a mut String, raw: bool, left: usize) -> Self {
        Self { url, set: if raw { NEVER } else { RESERVED }, left, cut: false }
    }

    /// Whether not all of the value went in.
    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    fn end(&mut self) {
        self.left = 0;
        self.cut = true;
    }
}

impl fmt::Write for Encoder<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // An encoded byte takes three: most values fit without counting.
        let (text, whole) = if text.len() <= self.left / 3 { (text, true) } else { self.cut(text) };
        let before = self.url.len();
        self.url.extend(utf8_percent_encode(text, self.set));
        // After a cut nothing follows, or a value would have a hole.
        if whole {
            self.left -= self.url.len() - before;
        } else {
            self.end();
        }
        Ok(())
    }
}

impl Encoder<'_> {
    /// A value of a link as it came, also if it is no UTF-8.
    pub(super) fn write_kept(&mut self, text: &str) -> fmt::Result {
        if !query::is_escaped(text) {
            return self.write_str(text);
        }
        for chunk in query::bytes_of(text).utf8_chunks() {
            self.write_str(chunk.valid())?;
            for byte in chunk.invalid() {
                if self.left < 3 {
                    self.end();
                    return Ok(());
                }
                self.url.push_str(percent_encode_byte(*byte));
                self.left -= 3;
            }
        }
        Ok(())
    }

    /// The longest beginning that fits, and whether it is all of it.
    fn cut<'t>(&self, text: &'t str) -> (&'t str, bool) {
        let mut used = 0;
        for (at, c) in text.char_indices() {
            let length: usize = utf8_percent_encode(c.encode_utf8(&mut [0; 4]), self.set).map(str::len).sum();
            used += length;
            if used > self.left {
                return (&text[..at], false);
            }
        }
        (text, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(pieces: &[&str], raw: bool, left: usize) -> String {
        let mut url = String::new();
        let mut encoder = Encoder::new(&mut url, raw, left);
        for piece in pieces {
            encoder.write_str(piece).expect("writes");
        }
        url
    }

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(encoded(&["aZ09-._~"], false, 100), "aZ09-._~");
        assert_eq!(encoded(&["a b&c=d/é%\r\n"], false, 100), "a%20b%26c%3Dd%2F%C3%A9%25%0D%0A");
        assert_eq!(encoded(&["a b&c=d/é%\r\n\0"], true, 100), "a%20b&c=d/%C3%A9%%0D%0A%00");
    }

    #[test]
    fn bytes_that_are_no_text_go_on_as_they_came() {
        let kept = |text: &str, raw: bool, left| {
            let mut url = String::new();
            Encoder::new(&mut url, raw, left).write_kept(text).expect("writes");
            url
        };
        assert_eq!(kept("caf%E9 %25", false, 100), "caf%E9%20%25");
        assert_eq!(kept("caf%E9/x", true, 100), "caf%E9/x");
        // From a link that was encoded twice.
        assert_eq!(kept("%25E9", false, 100), "%25E9");
        assert_eq!(kept("%D0%B0", false, 100), "%25D0%25B0");
        assert_eq!(kept("caf%E9x", false, 5), "caf");
    }

    #[test]
    fn a_value_is_cut_between_characters_and_nothing_follows_the_cut() {
        assert_eq!(encoded(&["aé", "b"], false, 7), "a%C3%A9");
        assert_eq!(encoded(&["aé", "b"], false, 6), "a");
        assert_eq!(encoded(&["abc", "d"], false, 4), "abcd");
        assert_eq!(encoded(&["abc"], false, 0), "");
    }
}
