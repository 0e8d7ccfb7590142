//! Logins: by a code that is sent by mail. Without `AUTH_ADMIN_EMAIL` there are none, and a laptop needs no mail.

use crate::{Secret, http, source::Reader, vars};
use std::time::Duration;

/// The fewest bytes of a secret that signs sessions.
const SECRET_BYTES: usize = 32;

/// How people log in.
#[derive(Debug, Clone)]
pub struct Logins {
    /// `AUTH_ADMIN_EMAIL`: approved by verifying it.
    pub admin: String,
    /// `AUTH_JWT_SECRET`: the first signs, all are believed; none: a key of the installation does.
    pub secrets: Vec<Secret>,
    /// `AUTH_OTP_TTL_SECONDS`.
    pub code_ttl: Duration,
    /// `AUTH_OTP_RATE_LIMIT_MINUTES`.
    pub window: Duration,
    /// `AUTH_SESSION_TTL_HOURS`.
    pub session_ttl: Duration,
    /// `AUTH_DEV_RETURN_OTP`: the code is in the answer.
    pub code_in_answer: bool,
    /// How codes are sent; none: they are in the answers alone.
    pub mail: Option<Mail>,
}

/// Resend, which sends mail.
#[derive(Debug, Clone)]
pub struct Mail {
    /// `AUTH_EMAIL_FROM`.
    pub from: String,
    /// `AUTH_RESEND_API_KEY`.
    pub key: Secret,
    /// `AUTH_RESEND_API_URL`, without a final slash.
    pub url: String,
    /// `AUTH_RESEND_MAX_ATTEMPTS`.
    pub attempts: u32,
    /// `AUTH_RESEND_RETRY_BACKOFF_MS`.
    pub backoff: Duration,
}

impl Logins {
    /// None without `AUTH_ADMIN_EMAIL`. What may never be is refused in any case.
    pub(crate) fn read(r: &mut Reader<'_>) -> Option<Self> {
        let env = r.text(&vars::AUTH_ENV).unwrap_or_default();
        let known = ["local", "dev", "test", "staging", "production"];
        if !known.contains(&env.as_str()) {
            r.problem(&vars::AUTH_ENV, format!("is '{env}'; allowed is {}", vars::AUTH_ENV.unit));
        }
        let at_home = known[..3].contains(&env.as_str());
        let code_in_answer: bool = r.parse(&vars::AUTH_DEV_RETURN_OTP);
        if code_in_answer && !at_home {
            r.problem(
                &vars::AUTH_DEV_RETURN_OTP,
                format!("is 'true' with AUTH_ENV '{env}': whoever asks would be let in; allowed is that in local, dev and test"),
            );
        }
        let code_ttl = code_ttl(r);
        let window = Duration::from_secs(60 * r.number(&vars::AUTH_OTP_RATE_LIMIT_MINUTES, 1, 1_440));
        let session_ttl = Duration::from_secs(3_600 * r.number(&vars::AUTH_SESSION_TTL_HOURS, 1, 720));
        let (url, attempts) =
            (http::base_url(r, &vars::AUTH_RESEND_API_URL), r.number(&vars::AUTH_RESEND_MAX_ATTEMPTS, 1, 20));
        let backoff = r.millis(&vars::AUTH_RESEND_RETRY_BACKOFF_MS, 1, 60_000);
        let admin = r.text(&vars::AUTH_ADMIN_EMAIL)?;
        let admin = tfx_domain::access::address(&admin).unwrap_or_else(|must| {
            r.problem(&vars::AUTH_ADMIN_EMAIL, format!("is '{admin}'; it {must}"));
            String::new()
        });
        let secrets = secrets(r, at_home);
        let (key, from) = (r.secret(&vars::AUTH_RESEND_API_KEY), r.text(&vars::AUTH_EMAIL_FROM));
        if key.is_none() && !(at_home && code_in_answer) {
            let or = if at_home { ", or AUTH_DEV_RETURN_OTP=true" } else { "" };
            let needed = format!("is required{or}: codes are sent with it to whoever logs in");
            r.problem(&vars::AUTH_RESEND_API_KEY, needed);
        }
        if from.is_none() && (key.is_some() || !at_home) {
            r.problem(
                &vars::AUTH_EMAIL_FROM,
                "is required: who codes are from, such as TraffoFlex <login@example.com>",
            );
        }
        if let Some(from) = from.as_ref().filter(|from| !is_sender(from)) {
            r.problem(
                &vars::AUTH_EMAIL_FROM,
                format!("is '{from}'; it must be login@example.com or TraffoFlex <login@example.com>"),
            );
        }
        let here =
            ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|own| url.starts_with(own));
        if !at_home && key.is_some() && url.starts_with("http://") && !here {
            r.problem(
                &vars::AUTH_RESEND_API_URL,
                format!("is without encryption with AUTH_ENV '{env}': key and codes could be read on the way; allowed is https"),
            );
        }
        let mail = key.zip(from).map(|(key, from)| Mail { from, key, url, attempts, backoff });
        Some(Self { admin, secrets, code_ttl, window, session_ttl, code_in_answer, mail })
    }
}

/// An address, or a name with an address, on one line.
fn is_sender(text: &str) -> bool {
    let is_address = |text: &str| text.trim() == text && tfx_domain::access::address(text).is_ok();
    match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, inner)) => {
            is_address(inner) && !name.contains(['<', '>']) && !name.chars().any(char::is_control)
        }
        None => is_address(text),
    }
}

/// In seconds, else in minutes as the original had it.
fn code_ttl(r: &mut Reader<'_>) -> Duration {
    let minutes: u64 = r.number(&vars::AUTH_OTP_TTL_MINUTES, 1, 10);
    if r.text(&vars::AUTH_OTP_TTL_SECONDS).is_none() {
        return Duration::from_secs(60 * minutes);
    }
    Duration::from_secs(r.number(&vars::AUTH_OTP_TTL_SECONDS, 30, 600))
}

fn secrets(r: &mut Reader<'_>, at_home: bool) -> Vec<Secret> {
    let text = r.secret(&vars::AUTH_JWT_SECRET);
    let all: Vec<String> = text
        .iter()
        .flat_map(|text| text.expose().split(','))
        .map(|one| one.trim().to_owned())
        .filter(|one| !one.is_empty())
        .collect();
    if all.len() > 2 {
        r.problem(&vars::AUTH_JWT_SECRET, "are more than two; the first signs, the second is the one before");
    }
    if !at_home && all.is_empty() {
        r.problem(
            &vars::AUTH_JWT_SECRET,
            "is required; allowed is 32 or more bytes, such as 'openssl rand -hex 32' makes",
        );
    }
    if !at_home && all.iter().any(|one| one.len() < SECRET_BYTES) {
        r.problem(&vars::AUTH_JWT_SECRET, "is shorter than 32 bytes; 'openssl rand -hex 32' makes one");
    }
    all.into_iter().map(Secret::from).collect()
}
