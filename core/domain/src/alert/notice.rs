//! What is told of an alert, in the form of each channel.

use super::channel::Channel;
use crate::{
    Timestamp,
    id::{AlertId, ClickId},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most characters of a text: of those of Telegram, which takes the fewest.
const LONGEST: usize = 3_500;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// It fires.
    Firing,
    /// It is over.
    Cleared,
    /// It fired and is over, both in quiet hours.
    Passed,
    /// It goes on to fire, and what it is about was paused.
    Paused,
    /// It goes on to fire, and its pause is taken back.
    Returned,
    /// There is no data.
    NoData,
    /// There is data again.
    Data,
    /// Somebody tries whether notices come.
    Test,
}

impl Told {
    /// The word in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Cleared => "cleared",
            Self::Passed => "passed",
            Self::Paused => "paused",
            Self::Returned => "returned",
            Self::NoData => "no_data",
            Self::Data => "data",
            Self::Test => "test",
        }
    }

    /// How a text about it begins.
    const fn heading(self) -> &'static str {
        match self {
            Self::Firing => "FIRING",
            Self::Cleared => "Cleared",
            Self::Passed => "Fired and cleared in quiet hours",
            Self::Paused => "PAUSED",
            Self::Returned => "PAUSE TAKEN BACK",
            Self::NoData => "NO DATA",
            Self::Data => "Data again",
            Self::Test => "Test",
        }
    }
}

/// One value of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GroupPart {
    /// Of which dimension.
    pub dimension: String,
    /// The value, an id for entities; empty: not known.
    pub value: String,
    /// What people call it.
    pub label: String,
}

/// A group as people read it: `campaign=summer country=US`; empty: of everything.
pub fn group_text(group: &[GroupPart]) -> String {
    let one = |part: &GroupPart| {
        let label = if part.label.is_empty() { "-" } else { &part.label };
        format!("{}={label}", part.dimension)
    };
    group.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// What is told of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notice {
    /// The same whenever it is sent again.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub id: ClickId,
    /// The rule.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub alert: AlertId,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What is told.
    pub told: Told,
    /// Of which group.
    pub group: Vec<GroupPart>,
    /// The condition.
    pub when: String,
    /// The figures of the look, or why there are none.
    pub values: String,
    /// Since when it is so; of what is over, when it fired.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub since: Timestamp,
    /// When that was found.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Moment"))]
    pub at: Timestamp,
    /// What is done about it, would be, or is taken back.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action: String,
}

impl Notice {
    /// One line: of mails the subject.
    pub fn title(&self) -> String {
        let group = group_text(&self.group);
        let of = if group.is_empty() { String::new() } else { format!(": {group}") };
        cut(&format!("{} {}{of}", self.told.heading(), self.name), 200)
    }

    /// The text for people.
    pub fn text(&self) -> String {
        let time = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        let mut lines = vec![self.title(), format!("when {}", self.when)];
        lines.extend(Some(self.values.clone()).filter(|v| !v.is_empty()));
        lines.push(match self.told {
            Told::Firing | Told::Paused | Told::Returned | Told::NoData => {
                format!("since {}", time(self.since))
            }
            Told::Cleared | Told::Passed => format!("from {} to {}", time(self.since), time(self.at)),
            Told::Data | Told::Test => format!("at {}", time(self.at)),
        });
        lines.extend(Some(self.action.clone()).filter(|a| !a.is_empty()));
        lines.push(format!("tfx alert show {} (notice {})", self.slug, self.id));
        cut(&lines.join("\n"), LONGEST)
    }

    /// What is posted to a channel; none: it is a mail.
    pub fn body(&self, channel: &Channel) -> Option<Value> {
        match channel {
            Channel::Webhook(_) => {
                let mut body = serde_json::to_value(self).ok()?;
                body["text"] = self.text().into();
                Some(body)
            }
            // https://docs.slack.dev/messaging/formatting-message-text#escaping
            Channel::Slack(_) => {
                let text = self.text().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                Some(json!({ "text": text }))
            }
            // https://core.telegram.org/bots/api#sendmessage
            Channel::Telegram(chat) => Some(json!({
                "chat_id": chat, "text": self.text(), "link_preview_options": { "is_disabled": true },
            })),
            Channel::Mail(_) => None,
        }
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
