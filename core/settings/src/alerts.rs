//! Alerts: how often rules are looked at, and how their channels are told.

use crate::{Secret, http, source::Reader, vars};
use std::time::Duration;

/// Alerts.
#[derive(Debug, Clone)]
pub struct AlertSettings {
    /// `ALERT_INTERVAL_MS`.
    pub interval: Duration,
    /// `ALERT_MAX_ATTEMPTS`.
    pub max_attempts: u32,
    /// `ALERT_RETRY_BACKOFF_MS`.
    pub backoff: Duration,
    /// `ALERT_TELEGRAM_TOKEN`; none: nothing is sent to Telegram.
    pub telegram_token: Option<Secret>,
    /// `ALERT_TELEGRAM_API_URL`, without a final slash.
    pub telegram_url: String,
}

impl AlertSettings {
    pub(crate) fn read(r: &mut Reader<'_>) -> Self {
        let telegram_token = r.secret(&vars::ALERT_TELEGRAM_TOKEN);
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b':' | b'_' | b'-');
        if telegram_token.as_ref().is_some_and(|token| !token.expose().bytes().all(plain)) {
            r.problem(
                &vars::ALERT_TELEGRAM_TOKEN,
                "is none of a bot; @BotFather tells it: digits, a colon and letters",
            );
        }
        Self {
            interval: r.millis(&vars::ALERT_INTERVAL_MS, 100, 1_800_000),
            max_attempts: r.number(&vars::ALERT_MAX_ATTEMPTS, 1, 1_000),
            backoff: r.millis(&vars::ALERT_RETRY_BACKOFF_MS, 10, 3_600_000),
            telegram_token,
            telegram_url: http::base_url(r, &vars::ALERT_TELEGRAM_API_URL),
        }
    }
}
