//! The query of a link, within limits that keep one request's event small: what is over them is cut off. How it is
//! decoded: `tfx_domain::query`.

use smol_str::SmolStr;
use std::borrow::Cow;
use tfx_domain::query::pairs;

/// The marker that counts how often a click came back from a trafficback URL of ours.
pub const HOP_MARKER: &str = "_tfx_hops";

/// Most parameters that are read.
const MAX_PARAMS: usize = 200;
/// Longest name, bytes.
const MAX_NAME: usize = 256;
/// Longest value, bytes.
const MAX_VALUE: usize = 8192;

/// The parameters of a link, and its hop marker.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// Decoded, in their order, without the marker.
    pub(crate) params: Vec<(SmolStr, String)>,
    /// The largest marker; 0 without one.
    pub(crate) hops: u8,
}

/// Reads a query string.
pub(crate) fn parse(query: &str) -> Query {
    let mut out = Query::default();
    if query.is_empty() {
        return out;
    }
    for (name, given) in pairs(query.as_bytes()) {
        if name == HOP_MARKER {
            // Whoever writes more than fits means: too often. Whoever writes no number did not get it from us.
            let digits = !given.is_empty() && given.bytes().all(|b| b.is_ascii_digit());
            let hops = if digits { given.parse().unwrap_or(u8::MAX) } else { 0 };
            out.hops = out.hops.max(hops);
        } else if out.params.len() < MAX_PARAMS {
            let value = cut(given, MAX_VALUE).into_owned();
            out.params.push((SmolStr::new(&*cut(name, MAX_NAME)), value));
        }
    }
    out
}

/// At most `max` bytes, whole characters.
pub(crate) fn cut(text: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return text;
    }
    let end = text.floor_char_boundary(max);
    match text {
        Cow::Borrowed(t) => Cow::Borrowed(&t[..end]),
        Cow::Owned(mut t) => {
            t.truncate(end);
            Cow::Owned(t)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(query: &str) -> Vec<(String, String)> {
        parse(query).params.into_iter().map(|(n, v)| (n.to_string(), v)).collect()
    }

    #[test]
    fn whatever_is_written_is_read() {
        let table: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("a=1&b=2", &[("a", "1"), ("b", "2")]),
            ("a=1&a=2", &[("a", "1"), ("a", "2")]),
            ("a", &[("a", "")]),
            ("a=", &[("a", "")]),
            ("=1", &[("", "1")]),
            ("&&a=1&", &[("a", "1")]),
            ("a=b=c", &[("a", "b=c")]),
            ("q=x+y%20z", &[("q", "x y z")]),
            ("q=%2B%26%3d", &[("q", "+&=")]),
            ("q=100%", &[("q", "100%")]),
            ("q=%4", &[("q", "%4")]),
            ("q=%zz%41", &[("q", "%zzA")]),
            ("q=%%41", &[("q", "%A")]),
            ("q=%ff%fe", &[("q", "%FF%FE")]),
            ("q=%C3%A4%F0%9F%98%80", &[("q", "ä😀")]),
            ("q=%0d%0aSet-Cookie:x", &[("q", "\r\nSet-Cookie:x")]),
            ("q=%00", &[("q", "\0")]),
            ("%61%62=1", &[("ab", "1")]),
        ];
        for (query, want) in table {
            let want: Vec<_> = want.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(read(query), want, "{query}");
        }
    }

    #[test]
    fn the_hop_marker_is_taken_out_and_counts_at_its_worst() {
        let table = [
            ("a=1&_tfx_hops=2", 2, 1),
            ("_tfx_hops=1&_tfx_hops=3&_tfx_hops=2", 3, 0),
            ("_tfx_hops=99999", 255, 0),
            ("_tfx_hops=-1&_tfx_hops=x&_tfx_hops=", 0, 0),
            ("%5ftfx_hops=2", 2, 0),
            ("x=_tfx_hops", 0, 1),
        ];
        for (query, hops, params) in table {
            let q = parse(query);
            assert_eq!((q.hops, q.params.len()), (hops, params), "{query}");
        }
    }

    #[test]
    fn one_request_cannot_make_an_event_of_any_size() {
        let many: String = (0..5000).map(|i| format!("p{i}=1&")).collect();
        assert_eq!(parse(&many).params.len(), MAX_PARAMS);
        assert_eq!(parse(&format!("{many}_tfx_hops=3")).hops, 3, "the marker is found behind the limit");
        let q = parse(&format!("{}={}", "ä".repeat(1000), "ä".repeat(60_000)));
        assert_eq!(q.params[0].0.len(), MAX_NAME);
        assert_eq!(q.params[0].1.len(), MAX_VALUE);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_none_grows_beyond_three_times(text in "[%a-f0-9+&=ä\\x00-\\x7f]{0,200}") {
            let q = parse(&text);
            let size: usize = q.params.iter().map(|(n, v)| n.len() + v.len()).sum();
            prop_assert!(size <= 3 * text.len());
        }
    }
}
