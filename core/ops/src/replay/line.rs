//! One line of an access log in the combined format.

use std::net::IpAddr;

/// What a line says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Who asked.
    pub address: IpAddr,
    /// HEAD rather than GET (other methods are sent as GET).
    pub head: bool,
    /// The query of the request's path, as it stands in the log.
    pub query: String,
    /// The referrer; empty for `-`.
    pub referrer: String,
    /// The user agent; empty for `-`.
    pub user_agent: String,
}

impl LogLine {
    /// Parses `address ident user [time] "request" status bytes "referrer" "user agent"`.
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim_end();
        let (address, rest) = line.split_once(' ')?;
        let address = address.parse().ok()?;
        let (_, rest) = rest.split_once('[')?;
        let (_, rest) = rest.split_once("] ")?;
        let (request, rest) = quoted(rest)?;
        let (_, rest) = rest.trim_start().split_once('"')?;
        let (referrer, rest) = until_quote(rest)?;
        let (user_agent, _) = quoted(rest)?;
        let mut words = request.split(' ');
        let method = words.next().unwrap_or_default();
        let target = words.next().unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, q)| q);
        let query = query.split('#').next().unwrap_or_default();
        let given = |text: String| if text == "-" { String::new() } else { text };
        Some(Self {
            address,
            head: method == "HEAD",
            query: query.chars().filter(char::is_ascii_graphic).collect(),
            referrer: given(referrer),
            user_agent: given(user_agent),
        })
    }
}

/// The text between the next pair of quotes, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    until_quote(text.trim_start().strip_prefix('"')?)
}

/// Up to the closing quote; `\"` and `\\` stand for themselves.
fn until_quote(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Some((out, &text[i + 1..])),
            '\\' => out.push(chars.next()?.1),
            _ => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_combined_line_is_read() {
        let line = r#"83.149.9.216 - - [17/May/2015:10:05:03 +0000] "HEAD /a.png?x=1&y=%20 HTTP/1.1" 200 203023 "http://s.example/p/" "Mozilla/5.0 (X \"q\")""#;
        let want = LogLine {
            address: "83.149.9.216".parse().expect("address"),
            head: true,
            query: "x=1&y=%20".to_owned(),
            referrer: "http://s.example/p/".to_owned(),
            user_agent: "Mozilla/5.0 (X \"q\")".to_owned(),
        };
        assert_eq!(LogLine::parse(line), Some(want));
    }

    #[test]
    fn dashes_are_nothing_and_nonsense_is_no_line() {
        let line = r#"::1 - bob [x] "GET /" 200 - "-" "-""#;
        let parsed = LogLine::parse(line).expect("a line");
        assert_eq!((parsed.referrer.as_str(), parsed.user_agent.as_str()), ("", ""));
        for bad in [
            "",
            "x",
            "1.2.3.4 - - [t] GET",
            "host - - [t] \"GET /\" 200 1 \"-\" \"-\"",
            "1.2.3.4 - - [t] \"GET",
        ] {
            assert_eq!(LogLine::parse(bad), None, "{bad}");
        }
    }
}
