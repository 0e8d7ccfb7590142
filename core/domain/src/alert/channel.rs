//! Where alerts are told: `webhook:URL`, `slack:URL`, `telegram:CHAT`, `mail:ADDRESS`.

use crate::{access::address, source_postback::mask};

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// JSON is posted there.
    Webhook(String),
    /// A text is posted there in the form of Slack's incoming webhooks.
    Slack(String),
    /// A chat of Telegram, which a bot writes into.
    Telegram(String),
    /// A mail address.
    Mail(String),
}

const FORMS: &str =
    "must be webhook:URL, slack:URL, telegram:CHAT or mail:ADDRESS, such as mail:anna@example.com";

impl Channel {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence; it does not repeat what may be a secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (kind, to) = text.split_once(':').ok_or(FORMS)?;
        match kind {
            "webhook" => url(to).map(Self::Webhook),
            "slack" => url(to).map(Self::Slack),
            "telegram" if is_chat(to) => Ok(Self::Telegram(to.to_owned())),
            "telegram" => Err("must name a chat: its number, such as -1001234567890, or @channel".to_owned()),
            "mail" => address(to).map(Self::Mail).map_err(|must| format!("the address {must}")),
            _ => Err(FORMS.to_owned()),
        }
    }

    /// Its kind in one word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Slack(_) => "slack",
            Self::Telegram(_) => "telegram",
            Self::Mail(_) => "mail",
        }
    }

    /// As it may be shown to everybody: of a URL the server alone, since the rest is what it takes to write there.
    pub fn shown(&self) -> String {
        match self {
            Self::Webhook(url) | Self::Slack(url) => {
                let mut shown = format!("{}:{url}", self.kind()).into();
                mask::field("channels", &mut shown);
                shown.as_str().unwrap_or_default().to_owned()
            }
            Self::Telegram(to) | Self::Mail(to) => format!("{}:{to}", self.kind()),
        }
    }
}

fn url(text: &str) -> Result<String, String> {
    let wrong = || "must hold a URL that begins with http:// or https://".to_owned();
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(wrong)?;
    let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if rest.is_empty() || rest.starts_with('/') || !plain || text.len() > 2_000 {
        return Err(wrong());
    }
    Ok(text.to_owned())
}

/// A number, negative for groups, or the name of a channel.
fn is_chat(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let number = (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let name = text.strip_prefix('@').is_some_and(|name| {
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    number || name
}
