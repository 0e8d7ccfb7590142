//! Conditions on the postback log.

use super::{PostbackDirection, PostbackLogEvent, PostbackResult};
use crate::{
    id::{ClickId, ConversionId},
    nearest::did_you_mean,
    report::{one_of, split_condition, write_condition},
};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, str::FromStr};

/// What a condition on the postback log is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PostbackField {
    /// The network's slug as asked for.
    Network,
    /// The template's slug as asked for.
    Template,
    /// What became of it.
    Result,
    /// The HTTP status of the answer.
    Status,
    /// The id of the click it named.
    Click,
    /// The id of the conversion it made or met.
    Conversion,
    /// Where it came from.
    Ip,
    /// `true` or `false`: whether the click it named is a test.
    Test,
    /// `in` or `out`.
    Direction,
    /// The slug of the source that was told.
    Source,
    /// The key of what was told.
    Job,
    /// `param:NAME`: a parameter that it said.
    Param(String),
}

/// What stands before the name of a parameter.
const PARAM: &str = "param:";

const NAMED: [(PostbackField, &str); 11] = [
    (PostbackField::Network, "network"),
    (PostbackField::Template, "template"),
    (PostbackField::Result, "result"),
    (PostbackField::Status, "status"),
    (PostbackField::Click, "click"),
    (PostbackField::Conversion, "conversion"),
    (PostbackField::Ip, "ip"),
    (PostbackField::Test, "test"),
    (PostbackField::Direction, "direction"),
    (PostbackField::Source, "source"),
    (PostbackField::Job, "job"),
];

impl PostbackField {
    /// Whether it can have that value at all. Slugs are those that were asked for, known or not, and an address is kept as
    /// far as the privacy setting lets it.
    fn check(&self, value: &str) -> Result<(), String> {
        let shown = || -> String { value.chars().take(50).collect() };
        match self {
            Self::Result => one_of(value, &PostbackResult::ALL.map(PostbackResult::as_str)).map(|_| ()),
            Self::Test => one_of(value, &["true", "false"]).map(|_| ()),
            // None is 0: a source that did not answer.
            Self::Status if value.parse().is_ok_and(|s: u16| s == 0 || (100..1000).contains(&s)) => Ok(()),
            Self::Status => Err(format!("'{}' is not an HTTP status such as 200", shown())),
            Self::Click => value.parse::<ClickId>().map(|_| ()).map_err(|e| format!("'{}' {e}", shown())),
            Self::Conversion => {
                value.parse::<ConversionId>().map(|_| ()).map_err(|e| format!("'{}' {e}", shown()))
            }
            Self::Direction => {
                one_of(value, &PostbackDirection::ALL.map(PostbackDirection::as_str)).map(|_| ())
            }
            Self::Network | Self::Template | Self::Ip | Self::Source | Self::Job | Self::Param(_) => Ok(()),
        }
    }

    /// The names of all but the parameters, which stand behind `param:`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(_, name)| *name)
    }
}

impl fmt::Display for PostbackField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Param(name) => write!(f, "{PARAM}{name}"),
            other => f.write_str(NAMED.iter().find(|(field, _)| field == other).map_or("", |(_, name)| name)),
        }
    }
}

impl FromStr for PostbackField {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix(PARAM).filter(|name| !name.is_empty()) {
            return Ok(Self::Param(name.to_owned()));
        }
        if let Some((field, _)) = NAMED.iter().find(|(_, name)| *name == text) {
            return Ok(field.clone());
        }
        let known = NAMED.map(|(_, name)| name);
        let meant = did_you_mean(text, known);
        Err(format!("'{text}' is not a field{meant}; known are {}, param:NAME", known.join(", ")))
    }
}

impl TryFrom<String> for PostbackField {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PostbackField> for String {
    fn from(field: PostbackField) -> Self {
        field.to_string()
    }
}

/// A condition, compared with the whole value without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostbackFilter {
    /// Which fact.
    pub field: PostbackField,
    /// One of these; the empty text is what is not there.
    pub values: Vec<String>,
    /// True for none of these.
    #[serde(default)]
    pub negate: bool,
}

impl FromStr for PostbackFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, values, negate) = split_condition(text)?;
        let field: PostbackField = name.parse()?;
        for value in values.iter().filter(|v| !v.is_empty()) {
            field.check(value)?;
        }
        Ok(Self { field, values, negate })
    }
}

impl fmt::Display for PostbackFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_condition(f, &self.field, &self.values, self.negate)
    }
}

impl PostbackFilter {
    /// Whether it holds of a postback. Of a parameter that was said more than once, one value is enough.
    pub fn takes(&self, postback: &PostbackLogEvent) -> bool {
        let one = |value: &str| self.values.iter().any(|v| v.to_lowercase() == value.to_lowercase());
        let id = |id: Option<String>| Cow::Owned(id.unwrap_or_default());
        let value: Cow<'_, str> = match &self.field {
            PostbackField::Network => Cow::Borrowed(&postback.network),
            PostbackField::Template => Cow::Borrowed(&postback.template),
            PostbackField::Result => Cow::Borrowed(postback.result.as_str()),
            PostbackField::Status => Cow::Owned(postback.status.to_string()),
            PostbackField::Click => id(postback.click_id.map(|c| c.to_string())),
            PostbackField::Conversion => id(postback.conversion_id.as_ref().map(ToString::to_string)),
            PostbackField::Ip => Cow::Borrowed(&postback.remote_ip),
            PostbackField::Test => Cow::Borrowed(if postback.test { "true" } else { "false" }),
            PostbackField::Direction => Cow::Borrowed(postback.direction.as_str()),
            PostbackField::Source => Cow::Borrowed(&postback.source),
            PostbackField::Job => Cow::Borrowed(&postback.job),
            PostbackField::Param(name) => {
                let mut said = postback.params.iter().filter(|(n, _)| n == name).peekable();
                let found = if said.peek().is_none() { one("") } else { said.any(|(_, value)| one(value)) };
                return found != self.negate;
            }
        };
        one(&value) != self.negate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_no_line_of_the_log_can_have_is_refused() {
        for bad in [
            "result=recieved",
            "result!=recorded,nope",
            "status=two",
            "status=99",
            "test=yes",
            "click=42",
            "conversion=42",
        ] {
            assert!(bad.parse::<PostbackFilter>().is_err(), "{bad}");
        }
        let meant = "result=duplicat".parse::<PostbackFilter>().expect_err("no result");
        assert!(meant.contains("did you mean 'duplicate'"), "{meant}");
        for good in
            ["result=", "result=Recorded", "status=0,200,503", "network=nobody", "ip=10.0", "param:x=y"]
        {
            assert!(good.parse::<PostbackFilter>().is_ok(), "{good}");
        }
    }

    #[test]
    fn conditions_take_what_they_name() {
        let log: PostbackLogEvent = serde_json::from_value(json!({
            "schema": 1, "id": "01KG0Z3V5T8Q2M4N6P7R9SABCD", "at": "2026-02-01T10:00:00Z", "network": "adnet",
            "remote_ip": "198.51.100.1", "method": "GET", "result": "parked", "status": 200,
            "click_id": "01KG0Z3V5T8Q2M4N6P7R9SABCE",
            "params": [["txid", "T 1"], ["tag", "a"], ["tag", "B"], ["none", ""]],
        }))
        .expect("a postback");
        let takes = |text: &str| text.parse::<PostbackFilter>().expect(text).takes(&log);
        for yes in [
            "network=ADNET,other",
            "template=",
            "result=parked",
            "result!=recorded,duplicate",
            "status=200",
            "click=01KG0Z3V5T8Q2M4N6P7R9SABCE",
            "click!=",
            "conversion=",
            "ip=198.51.100.1",
            "test=false",
            "direction=in",
            "source=",
            "param:txid=t 1",
            "param:tag=b",
            "param:none=",
            "param:missing=",
        ] {
            assert!(takes(yes), "{yes}");
        }
        for no in [
            "network=adne",
            "template!=",
            "result=rejected",
            "status=404",
            "click=",
            "test=true",
            "direction=out",
            "param:txid=",
            "param:tag!=a",
            "param:missing!=",
            "param:TXID=t 1",
        ] {
            assert!(!takes(no), "{no}");
        }
    }

    #[test]
    fn unknown_fields_are_told_with_what_there_is() {
        let wrong = "netwrok=a".parse::<PostbackFilter>().expect_err("unknown");
        assert!(wrong.contains("did you mean 'network'") && wrong.contains("param:NAME"), "{wrong}");
        assert!(
            "param:=a".parse::<PostbackFilter>().is_err() && "network".parse::<PostbackFilter>().is_err()
        );
        for text in ["network=a,b", "param:x!=", "ip=::1"] {
            assert_eq!(text.parse::<PostbackFilter>().map(|f| f.to_string()), Ok(text.to_owned()));
        }
    }
}
