//! Percent-encoding as people, networks and scripts really write it, for both services. Nothing here fails.
//!
//! `+` is a space in queries and forms, a `%` that begins no escape stands for itself.
//!
//! # Bytes that are no UTF-8
//!
//! They stay as they came, so that `%E9` and `%E8` are two values: a value with such bytes is kept as text in which
//! those bytes are written `%E9` and a `%` of its own is `%25`; every other value is the decoded text. That a text is
//! written so ([`is_escaped`]) is seen from itself: decoded once more it is no UTF-8. A text that only looks so, from a
//! link that was encoded twice (`%25E9`), keeps one of its two encodings (`%25E9`), so that no two values are the same.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use std::borrow::Cow;

/// Everything but RFC 3986's unreserved characters.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Pairs of a query or a form, in their order.
pub fn pairs(encoded: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    encoded.split(|b| *b == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = match pair.iter().position(|b| *b == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        };
        (decode(name, true), decode(value, true))
    })
}

/// Takes percent-encoding off; `plus` says whether `+` is a space, as in queries but not in paths.
pub fn decode(encoded: &[u8], plus: bool) -> Cow<'_, str> {
    let special = |b: &u8| *b == b'%' || (plus && *b == b'+');
    let Some(first) = encoded.iter().position(special) else { return kept(Cow::Borrowed(encoded)) };
    let mut out = Vec::with_capacity(encoded.len());
    out.extend_from_slice(&encoded[..first]);
    let mut rest = &encoded[first..];
    while let [b, tail @ ..] = rest {
        rest = tail;
        out.push(match (b, tail) {
            (b'+', _) if plus => b' ',
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                _ => b'%',
            },
            _ => *b,
        });
    }
    kept(Cow::Owned(out))
}

/// The text that a value of any bytes is kept as.
pub fn kept(value: Cow<'_, [u8]>) -> Cow<'_, str> {
    match value {
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !is_escaped(text) => Cow::Borrowed(text),
            _ => Cow::Owned(escaped(bytes)),
        },
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) if !is_escaped(&text) => Cow::Owned(text),
            Ok(text) => Cow::Owned(escaped(text.as_bytes())),
            Err(e) => Cow::Owned(escaped(e.as_bytes())),
        },
    }
}

/// Bytes that should be a text, such as a header's, for people and filters: what is no UTF-8 is written `%E9`. Unlike
/// [`kept`] it leaves a `%` alone, since URLs have them.
pub fn readable(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(spelt(bytes, "%")),
    }
}

/// True for a text that stands for other bytes than its own: [`bytes_of`] has them.
pub fn is_escaped(text: &str) -> bool {
    let mut text = Cow::Borrowed(text);
    // Each turn takes one encoding off, and the text gets shorter.
    while text.contains('%') {
        if percent_decode_str(&text).decode_utf8().is_err() {
            return true;
        }
        if text.matches('%').count() != text.matches("%25").count() {
            return false;
        }
        text = Cow::Owned(text.replace("%25", "%"));
    }
    false
}

/// The bytes of a value as they came.
pub fn bytes_of(text: &str) -> Cow<'_, [u8]> {
    if is_escaped(text) { percent_decode_str(text).into() } else { Cow::Borrowed(text.as_bytes()) }
}

/// A value as a query carries it.
pub fn encode(text: &str) -> String {
    percent_encode(&bytes_of(text), RESERVED).collect()
}

/// What an escape in the text stands for, if there is one and the result is a text.
pub(crate) fn decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return None;
    }
    let inner = percent_decode_str(text).decode_utf8().ok()?;
    (inner != text).then(|| inner.into_owned())
}

fn escaped(bytes: &[u8]) -> String {
    spelt(bytes, "%25")
}

fn spelt(bytes: &[u8], percent: &str) -> String {
    let mut out = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        out.push_str(&chunk.valid().replace('%', percent));
        for b in chunk.invalid() {
            out.push_str(percent_encoding::percent_encode_byte(*b));
        }
    }
    out
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_that_are_no_text_stay_as_they_came() {
        for (encoded, text) in [
            ("caf%C3%A9", "café"),
            ("caf%E9", "caf%E9"),
            ("caf%e8", "caf%E8"),
            ("%E9%25", "%E9%25"),
            ("%C3%A9%E9", "é%E9"),
            ("100%25", "100%"),
            ("%zz%", "%zz%"),
            // Encoded twice: a text, kept as one unless it looks like one of those above.
            ("%25D0%25B0", "%D0%B0"),
            ("%25E9", "%25E9"),
            ("%2525E9", "%2525E9"),
            ("a+b%2B", "a b+"),
        ] {
            assert_eq!(decode(encoded.as_bytes(), true), text, "{encoded}");
        }
        assert_eq!(decode(b"a+b", false), "a+b");
        let all: Vec<_> = pairs(b"&&=x&a=1&b&c=%ff").map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(all, ["=x", "a=1", "b=", "c=%FF"]);
    }

    proptest! {
        #[test]
        fn no_two_values_are_kept_as_one(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..12),
                prop::collection::vec(prop::sample::select(b"%259EC3A\xe9\xc3\xa9".to_vec()), 0..12),
            ],
        ) {
            let text = kept(Cow::Borrowed(&bytes)).into_owned();
            let back = bytes_of(&text).into_owned();
            prop_assert_eq!(&back, &bytes, "{}", text);
            // As a link would carry it.
            let encoded = encode(&text);
            prop_assert_eq!(decode(encoded.as_bytes(), true), text);
        }
    }
}
