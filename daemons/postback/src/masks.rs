//! What must not be shown, wherever a stranger or a network's mistake put it: secrets of networks and tokens of this
//! installation.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands in place of a secret.
const MASK: &str = "***";
/// What does not stand in a URL as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What is shorter is no secret, and would hide half of what is said.
const SHORTEST: usize = 8;
/// What is cut off may end with the beginning of a secret; one that is shorter is none.
const BEGINNING: usize = 4;

/// Finds secrets in what is logged.
#[derive(Debug, Default)]
pub(crate) struct Masks {
    find: Option<AhoCorasick>,
    /// What is looked for.
    patterns: Vec<String>,
}

impl Masks {
    /// Of these. Each is found as it is, as it stands in a URL and in JSON, in letters of any case.
    pub(crate) fn of<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut patterns: Vec<String> = Vec::new();
        for secret in secrets.into_iter().filter(|s| s.len() >= SHORTEST) {
            patterns.push(secret.to_owned());
            patterns.push(utf8_percent_encode(secret, ENCODED).to_string());
            let json = serde_json::Value::from(secret).to_string();
            let json = json.trim_matches('"');
            patterns.push(json.to_owned());
            // As PHP writes it.
            patterns.push(json.replace('/', "\\/"));
            patterns.extend(in_base64(secret));
        }
        patterns.retain(|pattern| pattern.len() >= SHORTEST);
        patterns.sort_unstable();
        patterns.dedup();
        if patterns.is_empty() {
            return Self::default();
        }
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::LeftmostLongest).ascii_case_insensitive(true);
        let built = builder.build(&patterns);
        if let Err(error) = &built {
            tracing::error!(%error, "secrets cannot be looked for in what is logged");
        }
        Self { find: built.ok(), patterns }
    }

    /// Whether a secret stands in it.
    pub(crate) fn hides(&self, text: &str) -> bool {
        self.find.as_ref().is_some_and(|find| find.is_match(text))
    }

    /// The text without its secrets.
    pub(crate) fn masked(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for found in self.find.iter().flat_map(|find| find.find_iter(text)) {
            out.push_str(&text[from..found.start()]);
            out.push_str(MASK);
            from = found.end();
        }
        out.push_str(&text[from..]);
        out
    }

    /// As [`Self::masked`], of what may have been cut off in the middle of a secret.
    pub(crate) fn masked_beginning(&self, text: &str) -> String {
        let mut out = self.masked(text);
        let cut_off = |pattern: &String| {
            let lengths = (BEGINNING..pattern.len()).rev();
            lengths.filter_map(|length| out.len().checked_sub(length)).find(|at| {
                let end = out.as_bytes().get(*at..).unwrap_or_default();
                out.is_char_boundary(*at) && end.eq_ignore_ascii_case(&pattern.as_bytes()[..end.len()])
            })
        };
        if let Some(at) = self.patterns.iter().filter_map(cut_off).min() {
            out.replace_range(at.., MASK);
        }
        out
    }

    /// The path of a request for its log line; none: as it is.
    pub(crate) fn path(&self, path: &str) -> Option<String> {
        let decoded = percent_decode_str(path).decode_utf8_lossy();
        (self.hides(path) || self.hides(&decoded)).then(|| self.masked(&decoded))
    }
}

/// What every text that holds the secret has in it in base64, wherever in it that stands: its bytes but for those that share a
/// letter with what stands beside them.
fn in_base64(secret: &str) -> impl Iterator<Item = String> {
    [STANDARD_NO_PAD, URL_SAFE_NO_PAD].into_iter().flat_map(move |alphabet| {
        (0..3).map(move |before| {
            let mut bytes = vec![0; before];
            bytes.extend_from_slice(secret.as_bytes());
            let encoded = alphabet.encode(&bytes);
            // Six bits a letter; of those before, and of the last, not all bits are the secret's.
            let (from, to) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            encoded.get(from..to).unwrap_or_default().to_owned()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_it_stands() {
        let masks = Masks::of(["s3cret-x", "s3cret-x-longer", "a/b+cd=e", "short"]);
        let table = [
            ("s3cret-x", "***"),
            ("before s3cret-x after s3cret-x", "before *** after ***"),
            ("s3cret-x-longer", "***"),
            ("https://n.example/?s=a%2Fb%2Bcd%3De&x=1", "https://n.example/?s=***&x=1"),
            ("short", "short"),
            ("s3cret-", "s3cret-"),
            (r#"{"k":"a\/b+cd=e"}"#, r#"{"k":"***"}"#),
            ("A/B+CD=E S3CRET-X", "*** ***"),
            ("a%2fb%2bcd%3de", "***"),
            ("ä", "ä"),
        ];
        for (text, want) in table {
            assert_eq!(masks.masked(text), want);
            assert_eq!(masks.hides(text), text != want, "{text}");
        }
        assert_eq!(masks.path("/postback/s3cre%74-x").as_deref(), Some("/postback/***"));
        assert_eq!(masks.path("/postback/adnet"), None);
        assert_eq!(Masks::default().masked("s3cret-x"), "s3cret-x");
    }

    #[test]
    fn a_secret_is_found_in_base64_wherever_it_stands_in_that() {
        let masks = Masks::of(["s3cret-x?ü"]);
        for before in ["", "a", "user:", "adnet:"] {
            for after in ["", "!", "??", ":more"] {
                let text = format!("{before}s3cret-x?ü{after}");
                for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                    let encoded = alphabet.encode(&text);
                    assert!(masks.hides(&format!("Basic {encoded}=")), "{text}: {encoded}");
                }
            }
        }
        assert!(!masks.hides(&STANDARD_NO_PAD.encode("another text")));
    }

    #[test]
    fn what_is_cut_off_ends_with_no_beginning_of_a_secret() {
        let masks = Masks::of(["AbCd1234EfGh5678IjKl", "schlüssel-ü1"]);
        let table = [
            ("x key=AbCd1234EfGh5678Ij", "x key=***"),
            ("x key=abcd", "x key=***"),
            ("x key=AbC", "x key=AbC"),
            ("AbCd1234EfGh5678IjKl!", "***!"),
            ("schlüssel-", "***"),
            ("schlü", "***"),
            ("schl\u{fffd}", "schl\u{fffd}"),
            ("", ""),
        ];
        for (text, want) in table {
            assert_eq!(masks.masked_beginning(text), want, "{text}");
        }
    }
}
