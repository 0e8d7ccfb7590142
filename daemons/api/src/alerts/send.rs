//! Sends a notice to a channel, once, and says what its answer means.

use crate::{
    logins::mail::{Attempt, Mailer},
    outside::Outside,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tfx_domain::{
    alert::{Channel, Notice},
    source_postback::mask,
};
use tfx_outbound::{Answer, Apart, Failure, Request};
use tfx_settings::{AlertSettings, Settings};

/// For one attempt.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest pause that a channel may ask for.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// Of an answer.
const KEEP: usize = 1_024;
/// Requests to one host at the same time.
const AT_ONCE: usize = 4;

/// Sends notices.
pub(super) struct Sender {
    outside: Outside,
    mailer: Option<Mailer>,
    settings: AlertSettings,
}

/// What became of an attempt.
#[derive(Debug)]
pub(super) enum Outcome {
    Sent,
    /// Again, after so long at least.
    Again(String, Duration),
    /// Nothing was sent, through no fault of the channel: it uses up no try.
    Ours(String),
    Refused(String),
}

impl Outcome {
    /// The same, with secrets masked in what is said of it.
    fn without(self, secrets: &[String]) -> Self {
        let masked = |said: String| {
            secrets
                .iter()
                .filter(|s| !s.is_empty())
                .fold(said, |said, secret| said.replace(secret, mask::MASK))
        };
        match self {
            Self::Sent => Self::Sent,
            Self::Again(said, at_least) => Self::Again(masked(said), at_least),
            Self::Ours(said) => Self::Ours(masked(said)),
            Self::Refused(said) => Self::Refused(masked(said)),
        }
    }
}

/// What Telegram says.
#[derive(Default, Deserialize)]
struct TelegramAnswer {
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: TelegramParameters,
}

#[derive(Default, Deserialize)]
struct TelegramParameters {
    #[serde(default)]
    retry_after: u64,
}

impl Sender {
    pub(super) fn new(settings: &Settings, apart: &Arc<Apart>) -> Self {
        let outside = Outside::new(apart, settings, AT_ONCE);
        let mail = settings.logins.as_ref().and_then(|logins| logins.mail.clone());
        Self {
            mailer: mail.map(|mail| Mailer::new(mail, outside.clone())),
            outside,
            settings: settings.alerts.clone(),
        }
    }

    /// Why nothing can be sent to a channel as things are set; none: it can.
    pub(super) fn lacks(&self, channel: &Channel) -> Option<&'static str> {
        match channel {
            Channel::Telegram(_) if self.settings.telegram_token.is_none() => {
                Some("ALERT_TELEGRAM_TOKEN is not set, so nothing is sent to Telegram")
            }
            Channel::Mail(_) if self.mailer.is_none() => Some(
                "no mail is sent: AUTH_ADMIN_EMAIL, AUTH_EMAIL_FROM and AUTH_RESEND_API_KEY say with what",
            ),
            _ => None,
        }
    }

    /// Sends it once; `place` tells the channels of a notice apart.
    pub(super) async fn send(&self, channel: &Channel, notice: &Notice, place: usize) -> Outcome {
        if let Some(why) = self.lacks(channel) {
            return Outcome::Refused(why.to_owned());
        }
        // Who answers may repeat where it was sent.
        let (url, secrets) = match channel {
            Channel::Mail(to) => return self.mail(to, notice, place).await,
            Channel::Webhook(url) | Channel::Slack(url) => (url.clone(), mask::secrets_behind_server(url)),
            Channel::Telegram(_) => {
                let token = self.settings.telegram_token.as_ref().map_or("", |token| token.expose());
                (format!("{}/bot{token}/sendMessage", self.settings.telegram_url), vec![token.to_owned()])
            }
        };
        let body: Bytes = notice.body(channel).map(|body| body.to_string()).unwrap_or_default().into();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::try_from(notice.id.to_string()) {
            headers.insert(HeaderName::from_static("webhook-id"), id);
        }
        let (wait, timeout, keep) = (TIMEOUT, TIMEOUT, KEEP);
        let request = Request { method: Method::POST, url, headers, body, wait, timeout, keep };
        let outcome = match self.outside.send(request).await {
            Ok(answer) => judged(channel, &answer),
            Err(failure) if failure.is_ours() => Outcome::Ours(failure.to_string()),
            Err(failure @ (Failure::Url { .. } | Failure::Refused { .. })) => {
                Outcome::Refused(failure.to_string())
            }
            Err(failure) => Outcome::Again(failure.to_string(), Duration::ZERO),
        };
        outcome.without(&secrets)
    }

    async fn mail(&self, to: &str, notice: &Notice, place: usize) -> Outcome {
        let Some(mailer) = &self.mailer else { return Outcome::Refused("no mail is sent".to_owned()) };
        let key = format!("alert-{}-{place}", notice.id);
        match mailer.once(to, &notice.title(), &notice.text(), &key).await {
            Attempt::Sent => Outcome::Sent,
            Attempt::Again(why, at_least) => Outcome::Again(why, at_least),
            Attempt::Refused(why) => Outcome::Refused(why),
        }
    }
}

/// 2xx is taken; what passes is tried again; the rest a person has to mend.
fn judged(channel: &Channel, answer: &Answer) -> Outcome {
    let status = answer.status;
    if (200..300).contains(&status) {
        return Outcome::Sent;
    }
    let telegram: TelegramAnswer = match channel {
        Channel::Telegram(_) => serde_json::from_slice(&answer.body).unwrap_or_default(),
        _ => TelegramAnswer::default(),
    };
    let body = String::from_utf8_lossy(&answer.body);
    let said = if telegram.description.is_empty() { body.trim() } else { telegram.description.as_str() };
    let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
    let told = if said.is_empty() {
        format!("it answered {status}")
    } else {
        format!("it answered {status}: {said}")
    };
    let asked = answer.retry_after.trim().parse().unwrap_or(telegram.parameters.retry_after);
    match status {
        408 | 425 | 429 | 500.. => Outcome::Again(told, Duration::from_secs(asked).min(LONGEST_PAUSE)),
        300..=399 => Outcome::Refused(format!("{told}; redirects are not followed")),
        _ => Outcome::Refused(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_repeats_of_a_secret_is_not_told() {
        let secrets = ["12:canary".to_owned(), String::new()];
        let said = Outcome::Refused("it answered 404: no /bot12:canary/sendMessage".to_owned());
        let told = format!("{:?}", said.without(&secrets));
        assert_eq!(told, r#"Refused("it answered 404: no /bot***/sendMessage")"#);
        let secrets = mask::secrets_behind_server("https://h.example/services/plainwords?to=otherword");
        for said in ["no /services/plainwords?to=otherword", "no 'plainwords'", "to: otherword"] {
            let told = format!("{:?}", Outcome::Refused(said.to_owned()).without(&secrets));
            assert!(!told.contains("word"), "{told}");
        }
    }

    #[test]
    fn answers_mean_what_their_documentation_says() {
        let slack = Channel::Slack("https://hooks.slack.example/x".to_owned());
        let telegram = Channel::Telegram("-100".to_owned());
        let of = |channel: &Channel, status: u16, retry: &str, body: &str| {
            let body = body.as_bytes().to_vec();
            let answer =
                Answer { status, retry_after: retry.to_owned(), body, latency: Duration::ZERO, ended: true };
            format!("{:?}", judged(channel, &answer))
        };
        assert_eq!(of(&slack, 200, "", "ok"), "Sent");
        assert_eq!(of(&slack, 404, "", "no_service"), r#"Refused("it answered 404: no_service")"#);
        assert_eq!(of(&slack, 429, "30", ""), r#"Again("it answered 429", 30s)"#);
        let busy = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 7","parameters":{"retry_after":7}}"#;
        assert_eq!(
            of(&telegram, 429, "", busy),
            r#"Again("it answered 429: Too Many Requests: retry after 7", 7s)"#
        );
        let gone = r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#;
        assert_eq!(
            of(&telegram, 400, "", gone),
            r#"Refused("it answered 400: Bad Request: chat not found")"#
        );
    }
}
