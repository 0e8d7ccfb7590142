//! Pages that send the visitor on. Every URL in them is text from outside and escaped for where it stands.

use std::fmt::Write as _;

/// Sends on without a script.
pub(crate) fn meta_refresh(url: &str) -> String {
    page("", &refresh(url), url)
}

/// Sends on without a script and without a referrer: the second page of `double_meta`.
pub(crate) fn no_referrer(url: &str) -> String {
    page(r#"<meta name="referrer" content="no-referrer">"#, &refresh(url), url)
}

/// Sends on by script; without scripts, as [`meta_refresh`].
pub(crate) fn script(url: &str) -> String {
    let go =
        format!("<script>location.replace({})</script><noscript>{}</noscript>", in_script(url), refresh(url));
    page("", &go, url)
}

fn page(before: &str, go: &str, url: &str) -> String {
    let link = in_attribute(url);
    format!(
        "<!doctype html><html><head><meta charset=\"utf-8\"><meta name=\"robots\" content=\"noindex\">{before}{go}\
         <title>Redirecting</title></head><body><a href=\"{link}\">Continue</a></body></html>"
    )
}

fn refresh(url: &str) -> String {
    format!(r#"<meta http-equiv="refresh" content="0;url={}">"#, in_attribute(url))
}

fn in_attribute(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A string of JavaScript that can end neither itself nor the script around it.
fn in_script(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    out.push('"');
    for unit in text.encode_utf16() {
        match u8::try_from(unit).map(char::from) {
            Ok(c) if c.is_ascii_alphanumeric() || "-._~:/?#[]@!$()*+,;=%".contains(c) => out.push(c),
            _ => {
                let _ = write!(out, "\\u{unit:04x}"); // a text takes everything
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_url_leaves_its_place() {
        let hostile = "https://x.example/?a=\"></script><script>alert('1')</script>&b=\u{2028}\\";
        for page in [meta_refresh(hostile), no_referrer(hostile), script(hostile)] {
            assert!(!page.contains("alert('"), "{page}");
            assert!(!page.contains("\"></script><"), "{page}");
            assert!(!page.contains("&b="), "{page}");
        }
        let script = script(hostile);
        let inside =
            script.split("replace(").nth(1).and_then(|s| s.split(")</script>").next()).expect("script");
        assert_eq!(serde_json::from_str::<String>(inside).expect("a string"), hostile);
    }

    #[test]
    fn only_the_second_page_hides_the_referrer() {
        let url = "https://x.example/";
        assert!(no_referrer(url).contains("no-referrer"));
        assert!(!meta_refresh(url).contains("no-referrer") && !script(url).contains("no-referrer"));
    }
}
