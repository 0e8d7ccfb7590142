//! Mail through Resend: codes, tried again where that may help, told in the log with what to do where it does not (the code
//! itself is in no log); and other texts, once.

use crate::outside::Outside;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use tfx_domain::Timestamp;
use tfx_outbound::{Answer, Request};
use tfx_ports::clock;
use tfx_settings::{Mail, shown};

/// For one attempt.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest pause that Resend may ask for.
const LONGEST: Duration = Duration::from_secs(60);
/// Of an error answer.
const KEEP: usize = 4_096;

/// Sends mail.
pub(crate) struct Mailer {
    mail: Mail,
    outside: Outside,
}

/// What Resend says of an error.
#[derive(Deserialize)]
struct ResendError {
    #[serde(default)]
    name: String,
    #[serde(default)]
    message: String,
}

/// What became of an attempt.
pub(crate) enum Attempt {
    Sent,
    /// Again, after so long at least.
    Again(String, Duration),
    Refused(String),
}

impl Attempt {
    /// The same, with what is said of it changed.
    fn masked(self, mask: impl Fn(String) -> String) -> Self {
        match self {
            Self::Sent => Self::Sent,
            Self::Again(said, at_least) => Self::Again(mask(said), at_least),
            Self::Refused(said) => Self::Refused(mask(said)),
        }
    }
}

impl Mailer {
    pub(crate) fn new(mail: Mail, outside: Outside) -> Self {
        Self { mail, outside }
    }

    /// Sends a code; `key` is the same for all attempts, so that none of them is a second mail.
    ///
    /// # Errors
    /// Why it is not sent, with what to do.
    pub(crate) async fn send(
        &self,
        to: &str,
        code: &str,
        (valid, until): (Duration, Timestamp),
        key: &str,
    ) -> Result<(), String> {
        let valid = match valid.as_secs() {
            seconds @ 0..120 => format!("{seconds} seconds"),
            seconds => format!("{} minutes", seconds / 60),
        };
        let text = format!(
            "Your code for TraffoFlex is {code}\n\nIt is valid for {valid} from when it was asked for and can be used once. If you did not \
             ask for it, nothing needs to be done.\n"
        );
        let body = self.body(to, "Your code for TraffoFlex", &text);
        let mut pause = self.mail.backoff;
        let mut why = String::new();
        // Who answers may repeat what was sent.
        let without_code = |said: String| said.replace(code, "***");
        for attempt in 1..=self.mail.attempts {
            match self.attempt(&body, key).await {
                Attempt::Sent => return Ok(()),
                Attempt::Refused(why) => return Err(without_code(why)),
                Attempt::Again(reason, at_least) => {
                    why = without_code(reason);
                    let pause_now = pause.max(at_least);
                    if clock::now().checked_add(pause_now).is_ok_and(|then| then >= until) {
                        return Err(format!("{why}; its time would be over before it could be sent again"));
                    }
                    if attempt < self.mail.attempts {
                        tokio::time::sleep(pause_now).await;
                        pause = (pause * 2).min(LONGEST);
                    }
                }
            }
        }
        Err(format!("{why}; given up after {} attempts (AUTH_RESEND_MAX_ATTEMPTS)", self.mail.attempts))
    }

    /// Sends a text once; `key` is the same for all attempts.
    pub(crate) async fn once(&self, to: &str, subject: &str, text: &str, key: &str) -> Attempt {
        self.attempt(&self.body(to, subject, text), key).await
    }

    fn body(&self, to: &str, subject: &str, text: &str) -> bytes::Bytes {
        json!({ "from": self.mail.from, "to": [to], "subject": subject, "text": text }).to_string().into()
    }

    async fn attempt(&self, body: &bytes::Bytes, key: &str) -> Attempt {
        let bearer = HeaderValue::try_from(format!("Bearer {}", self.mail.key.expose()));
        let (Ok(mut bearer), Ok(key)) = (bearer, HeaderValue::from_str(key)) else {
            return Attempt::Refused(
                "AUTH_RESEND_API_KEY has characters that cannot stand in a header".to_owned(),
            );
        };
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (header::AUTHORIZATION, bearer),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::HeaderName::from_static("idempotency-key"), key),
        ]);
        // Some write the whole of it, as the original has it.
        let url = format!("{}/emails", self.mail.url.trim_end_matches("/emails"));
        let (method, body) = (Method::POST, body.clone());
        let (wait, timeout, keep) = (TIMEOUT, TIMEOUT, KEEP);
        match self.outside.send(Request { method, url, headers, body, wait, timeout, keep }).await {
            Ok(answer) => judged(&answer).masked(|said| said.replace(self.mail.key.expose(), "***")),
            Err(e) => Attempt::Again(
                format!("Resend at {} (AUTH_RESEND_API_URL): {e}", shown(&self.mail.url)),
                Duration::ZERO,
            ),
        }
    }
}

/// By <https://resend.com/docs/api-reference/errors>: 409 while the same is under way, 429 and 5xx may pass; a quota of a
/// day or a month does not within a login, and what is wrong with key, address or domain a person has to mend.
fn judged(answer: &Answer) -> Attempt {
    if (200..300).contains(&answer.status) {
        return Attempt::Sent;
    }
    let ResendError { name, message } = serde_json::from_slice(&answer.body)
        .unwrap_or(ResendError { name: String::new(), message: String::new() });
    let short = |text: &str| text.chars().filter(|c| !c.is_control()).take(300).collect::<String>();
    let said = [short(&name), short(&message)].into_iter().filter(|text| !text.is_empty());
    let said: Vec<String> =
        std::iter::once(format!("Resend answered {}", answer.status)).chain(said).collect();
    let told = said.join(": ");
    let at_least = answer.retry_after.trim().parse().map_or(Duration::ZERO, Duration::from_secs);
    let quota = name.ends_with("quota_exceeded");
    match answer.status {
        429 if !quota => Attempt::Again(told, at_least.min(LONGEST)),
        409 if name == "concurrent_idempotent_requests" => Attempt::Again(told, at_least.min(LONGEST)),
        500.. => {
            // What is not Resend's own answer is of something before it.
            let whose = if name.is_empty() {
                "; is AUTH_RESEND_API_URL the address of Resend, and is it up?"
            } else {
                ""
            };
            Attempt::Again(format!("{told}{whose}"), at_least.min(LONGEST))
        }
        429 => Attempt::Refused(format!("{told}; the plan at Resend sends no more for now")),
        401 | 403 if name.contains("api_key") || message.contains("API key") => {
            Attempt::Refused(format!("{told}; set AUTH_RESEND_API_KEY to a key that may send"))
        }
        403 => Attempt::Refused(format!("{told}; verify the domain of AUTH_EMAIL_FROM at Resend")),
        400 | 422 => {
            Attempt::Refused(format!("{told}; is AUTH_EMAIL_FROM an address such as Name <a@example.com>?"))
        }
        300..400 | 404 | 405 => {
            Attempt::Refused(format!("{told}; is AUTH_RESEND_API_URL the address of Resend?"))
        }
        _ => Attempt::Refused(told),
    }
}
