//! A URL for the log, without what looks like a secret: a login before the host, and parameters that are named so.

/// Parts of names whose values are not shown.
const SECRET: [&str; 9] =
    ["token", "secret", "password", "passwd", "apikey", "api_key", "api-key", "signature", "auth"];
/// Names that are such by themselves.
const NAMES: [&str; 4] = ["key", "sign", "sig", "pwd"];
/// The longest URL that is kept.
const LONGEST: usize = 2048;

pub(super) fn masked(url: &str) -> String {
    let (before, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let mut out = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{before}://***@{host}"),
        None => format!("{before}://{authority}"),
    };
    match tail.split_once('?') {
        None => out.push_str(tail),
        Some((path, query)) => {
            out.push_str(path);
            out.push('?');
            let shown: Vec<String> = query.split('&').map(parameter).collect();
            out.push_str(&shown.join("&"));
        }
    }
    out.truncate(out.floor_char_boundary(LONGEST));
    out
}

fn parameter(pair: &str) -> String {
    let Some((name, _)) = pair.split_once('=') else { return pair.to_owned() };
    let lower = name.to_ascii_lowercase();
    if NAMES.contains(&lower.as_str()) || SECRET.iter().any(|part| lower.contains(part)) {
        return format!("{name}=***");
    }
    pair.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_not_kept() {
        let table = [
            ("https://s.example/pb?cid=1&payout=2.5", "https://s.example/pb?cid=1&payout=2.5"),
            ("https://user:pw@s.example/pb", "https://***@s.example/pb"),
            (
                "https://s.example/?access_token=abc&x=1&KEY=k",
                "https://s.example/?access_token=***&x=1&KEY=***",
            ),
            ("https://s.example?sig=abc", "https://s.example?sig=***"),
            ("https://s.example/a@b?keyword=shoes", "https://s.example/a@b?keyword=shoes"),
            ("https://s.example/?flag", "https://s.example/?flag"),
        ];
        for (url, want) in table {
            assert_eq!(masked(url), want);
        }
        assert_eq!(masked(&format!("https://s.example/{}", "é".repeat(5_000))).len(), LONGEST);
    }
}
