//! What was sent, for the log, without what looks like a secret. An answer may repeat what stands in the source's URL or
//! body, so it is looked for there too.

use crate::masks::Masks;
use tfx_domain::{entity::SourceSpec, postback::ConversionStatus, source_postback::mask};
use url::Url;

/// The longest URL and body that are kept.
const LONGEST: usize = 2048;

/// What is not shown of what one source is sent.
pub(super) struct Hidden(Masks);

impl Hidden {
    /// What looks like a secret in what a source wrote for a state.
    pub(super) fn of(source: Option<&SourceSpec>, status: &ConversionStatus) -> Self {
        let Some(source) = source else { return Self(Masks::default()) };
        let mut secrets = source.tell_url(status).map(mask::secrets_of_url).unwrap_or_default();
        secrets.extend(source.postback_body.iter().flat_map(mask::secrets_of_body));
        Self(Masks::of(secrets.iter().map(String::as_str)))
    }

    pub(super) fn text(&self, text: &str) -> String {
        self.0.masked(text)
    }

    /// Of an answer, which may end in the middle of a secret.
    pub(super) fn answer(&self, text: &str) -> String {
        self.0.masked_beginning(text)
    }

    /// As it is sent, not as it was filled in.
    pub(super) fn url(&self, url: &str) -> String {
        cut(as_sent(mask::url(url, |text| self.text(text))))
    }

    pub(super) fn body(&self, body: &str, content_type: &str) -> String {
        if content_type != "application/json" {
            return cut(self.text(&mask::fields(body)));
        }
        match serde_json::from_str(body) {
            Ok(mut json) => {
                mask::json(&mut json);
                cut(self.text(&json.to_string()))
            }
            Err(_) => cut(self.text(body)),
        }
    }
}

/// A URL as a server gets it: its host in ASCII, what no URL holds encoded, dots in its path resolved, without what stands
/// behind `#`. What masks a secret stands in every URL as it is.
pub(super) fn as_sent(url: String) -> String {
    let Ok(mut sent) = Url::parse(&url) else { return url };
    sent.set_fragment(None);
    sent.into()
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn hidden(fields: &Value) -> Hidden {
        let mut spec = json!({ "slug": "push", "name": "Push" });
        spec.as_object_mut().expect("object").extend(fields.as_object().expect("object").clone());
        let spec: SourceSpec = tfx_domain::entity::parse(spec).expect("a source");
        Hidden::of(Some(&spec), &ConversionStatus::Sale)
    }

    #[test]
    fn what_looks_like_a_secret_is_not_kept() {
        let none = Hidden::of(None, &ConversionStatus::Sale);
        let table = [
            ("https://s.example/pb?cid=1&payout=2.5", "https://s.example/pb?cid=1&payout=2.5"),
            ("https://user:pw@s.example/pb", "https://***@s.example/pb"),
            (
                "https://s.example/?access_token=abc&x=1&KEY=k",
                "https://s.example/?access_token=***&x=1&KEY=***",
            ),
            ("https://s.example?sig=abc", "https://s.example/?sig=***"),
            // As it is sent.
            (
                "https://Bücher.example:443/ü?q=a b\"é",
                "https://xn--bcher-kva.example/%C3%BC?q=a%20b%22%C3%A9",
            ),
            ("https://s.example/a/../b\\c?x={y}|z#behind", "https://s.example/b/c?x={y}|z"),
            ("https://ü:p@s.example/?token=ü&a=ü", "https://***@s.example/?token=***&a=%C3%BC"),
            (
                "https://s.example/?access_key=a&s2s_key=b&pass=c&hash=d&to%6ben=e",
                "https://s.example/?access_key=***&s2s_key=***&pass=***&hash=***&to%6ben=***",
            ),
            ("https://s.example/a@b?keyword=shoes", "https://s.example/a@b?keyword=shoes"),
            ("https://s.example/?flag", "https://s.example/?flag"),
        ];
        for (url, want) in table {
            assert_eq!(none.url(url), want);
        }
        assert_eq!(none.url(&format!("https://s.example/{}", "é".repeat(5_000))).len(), LONGEST);
        assert_eq!(none.body("id=1&api-key=x", "application/x-www-form-urlencoded"), "id=1&api-key=***");
        assert_eq!(
            none.body(r#"{"auth":{"token":"x"},"id":"1"}"#, "application/json"),
            r#"{"auth":"***","id":"1"}"#
        );
    }

    #[test]
    fn what_stands_in_a_template_as_a_key_does_is_found_wherever_it_stands() {
        const TOKEN: &str = "bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
        let url = format!("https://api.example/{TOKEN}/send?text={{status}}-9f8e7d6c5b4a&offer=summer-2024");
        let hidden = hidden(&json!({
            "postback_url": url, "postback_method": "post_json",
            "postback_body": { "to": ["550e8400-e29b-41d4-a716-446655440000"], "pass": "hunter2hunter" },
        }));
        assert_eq!(
            hidden.url(&url.replace("{status}", "sale")),
            "https://api.example/***/send?text=sale***&offer=summer-2024"
        );
        let answer = format!("no {TOKEN}, hunter2hunter, 550e8400-e29b-41d4-a716-446655440000");
        assert_eq!(hidden.text(&answer), "no ***, ***, ***");
        let body = r#"{"to":["550e8400-e29b-41d4-a716-446655440000"],"x":"y"}"#;
        assert_eq!(hidden.body(body, "application/json"), r#"{"to":["***"],"x":"y"}"#);
        assert_eq!(hidden.body(&"é".repeat(5_000), "text/plain").len(), LONGEST);
    }
}
