//! A line of a log: read, chosen, shown. What is no JSON of ours is shown as it is, and nothing that a stranger put into it
//! reaches a terminal as an escape code.

use crate::{output::line, when};
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use tfx_domain::Timestamp;

/// How bad; in the order of what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    fn of(word: &str) -> Option<Self> {
        <Self as ValueEnum>::from_str(word, true).ok()
    }

    /// As wide as the others.
    const fn word(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO ",
            Self::Warn => "WARN ",
            Self::Error => "ERROR",
        }
    }

    /// Its colour on a terminal.
    const fn color(self) -> &'static str {
        match self {
            Self::Trace | Self::Debug => "2",
            Self::Info => "32",
            Self::Warn => "33",
            Self::Error => "31",
        }
    }
}

/// What the place that a line came from knows of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Origin {
    /// When it was written.
    pub(crate) at: Option<Timestamp>,
    /// Whose it is.
    pub(crate) service: Option<String>,
}

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// What its place in the order of time is.
    pub(super) at: Option<Timestamp>,
    /// None: it does not say.
    level: Option<Level>,
    service: Option<String>,
    pub(crate) request_id: Option<String>,
    /// Its fields; none: it is no JSON of ours.
    fields: Option<Map<String, Value>>,
    /// As it is.
    text: String,
}

impl Line {
    /// Of any bytes.
    pub(crate) fn of(bytes: &[u8], known: Origin) -> Self {
        let text = String::from_utf8_lossy(bytes).trim_end_matches(['\n', '\r']).to_owned();
        let fields = serde_json::from_str::<Map<String, Value>>(&text).ok();
        // MongoDB writes JSON too.
        let fields = fields.filter(|f| f.contains_key("timestamp") && f.contains_key("level"));
        let word = |name: &str| fields.as_ref()?.get(name)?.as_str();
        let at = word("timestamp").and_then(|at| at.parse().ok()).or(known.at);
        let level = word("level").and_then(Level::of);
        let service = word("service").map(str::to_owned).or(known.service);
        let request_id = word("request_id").map(str::to_owned);
        Self { at, level, service, request_id, fields, text }
    }

    /// Whose it is.
    pub(crate) fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// Its fields; none: it is no JSON of ours.
    pub(crate) const fn fields(&self) -> Option<&Map<String, Value>> {
        self.fields.as_ref()
    }

    /// One object.
    pub(super) fn json(&self) -> Value {
        match &self.fields {
            Some(fields) => Value::Object(fields.clone()),
            None => json!({ "timestamp": self.at, "service": self.service, "line": self.text }),
        }
    }

    /// For people.
    pub(super) fn shown(&self, color: bool) -> String {
        let Some(fields) = &self.fields else {
            let whose = self.service.as_deref().map(|s| format!("{}  ", line(s))).unwrap_or_default();
            return format!("{whose}{}", line(&self.text));
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let at = match self.at {
            Some(at) => {
                at.to_zoned_datetime(when::local().clone()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
            }
            None => line(text("timestamp")),
        };
        let level = match self.level {
            Some(level) if color => format!("\u{1b}[{}m{}\u{1b}[0m", level.color(), level.word()),
            Some(level) => level.word().to_owned(),
            None => line(text("level")),
        };
        let service = line(self.service.as_deref().unwrap_or("-"));
        let mut out = format!("{at}  {level}  {service:16}  {}", line(text("message")));
        let told = ["timestamp", "level", "service", "message", "target"];
        for (name, value) in fields.iter().filter(|(name, _)| !told.contains(&name.as_str())) {
            out.push_str(&format!("  {}={}", line(name), line(&value_text(value))));
        }
        out
    }
}

/// A value as it is read: a text with blanks, or none, in quotes.
fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => text.clone(),
        other => other.to_string(),
    }
}

/// Which lines are shown.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub(super) service: Option<String>,
    pub(super) since: Option<Timestamp>,
    pub(super) level: Option<Level>,
    pub(super) request_id: Option<String>,
    /// In capitals, as it is written.
    pub(super) click: Option<String>,
}

impl Filter {
    /// Whether it is shown, but for what belongs to a click: see [`Self::names_click`].
    pub(super) fn takes(&self, line: &Line) -> bool {
        let service = self.service.as_deref().is_none_or(|wanted| line.service.as_deref() == Some(wanted));
        let since = self.since.is_none_or(|since| line.at.is_none_or(|at| at >= since));
        // What says no level may be the worst of all: the last words of a process.
        let level = self.level.is_none_or(|least| line.level.is_none_or(|level| level >= least));
        let request = self.request_id.as_deref().is_none_or(|id| match &line.fields {
            Some(_) => line.request_id.as_deref() == Some(id),
            None => line.text.contains(id),
        });
        service && since && level && request
    }

    /// Whether the click that is looked for stands in it, wherever.
    pub(super) fn names_click(&self, line: &Line) -> bool {
        self.click.as_deref().is_none_or(|id| line.text.to_ascii_uppercase().contains(id))
    }

    /// Whether it is only about some of all lines.
    pub(super) const fn is_narrow(&self) -> bool {
        self.since.is_some() || self.level.is_some() || self.request_id.is_some() || self.click.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = r#"{"timestamp":"2026-11-25T02:30:19.996737Z","level":"INFO","service":"traffic-service","message":"request","request_id":"ec4e","method":"GET","path":"/c/n one","status":404,"target":"x"}"#;

    fn line(text: &str) -> Line {
        Line::of(text.as_bytes(), Origin::default())
    }

    #[test]
    fn a_line_of_ours_is_read_and_any_other_is_shown_as_it_is() {
        let ours = line(REQUEST);
        let shown = ours.shown(false);
        assert!(shown.contains("INFO   traffic-service   request"), "{shown}");
        assert!(shown.contains(r#"path="/c/n one""#) && shown.contains("status=404"), "{shown}");
        assert!(!shown.contains("target"), "{shown}");
        for other in ["plain text", "{", "[1]", "{}", r#"{"t":{"$date":"x"},"s":"I","msg":"mongod"}"#, ""] {
            assert_eq!(line(other).shown(false), other);
        }
    }

    #[test]
    fn escape_codes_of_strangers_reach_no_terminal() {
        let evil = "\u{1b}]0;x\u{7}\u{1b}[31m\r\u{9b}2J";
        let field = Value::from(evil).to_string();
        let as_json = format!(
            r#"{{"timestamp":{field},"level":{field},"service":{field},"message":{field},{field}:{field}}}"#
        );
        for text in [evil, as_json.as_str()] {
            for color in [false, true] {
                let shown = line(text).shown(color);
                assert!(!shown.chars().any(char::is_control), "{shown:?}");
            }
        }
        let bytes = Line::of(b"\xff\x1b[31m\x00\xfe", Origin::default()).shown(true);
        assert!(!bytes.chars().any(char::is_control), "{bytes:?}");
    }

    #[test]
    fn filters_choose() {
        let ours = line(REQUEST);
        let at = |text: &str| text.parse::<Timestamp>().ok();
        let yes = |filter: Filter| filter.takes(&ours);
        let some = |text: &str| Some(text.to_owned());
        assert!(yes(Filter::default()));
        assert!(yes(Filter { service: some("traffic-service"), ..Filter::default() }));
        assert!(!yes(Filter { service: some("api-service"), ..Filter::default() }));
        assert!(yes(Filter { level: Some(Level::Info), ..Filter::default() }));
        assert!(!yes(Filter { level: Some(Level::Warn), ..Filter::default() }));
        assert!(yes(Filter { since: at("2026-11-25T02:30:19Z"), ..Filter::default() }));
        assert!(!yes(Filter { since: at("2026-11-25T02:30:20Z"), ..Filter::default() }));
        assert!(yes(Filter { request_id: some("ec4e"), ..Filter::default() }));
        assert!(!yes(Filter { request_id: some("ec4"), ..Filter::default() }));
        let plain = line("thread panicked ec4e");
        assert!(
            Filter { level: Some(Level::Error), request_id: some("ec4e"), ..Filter::default() }.takes(&plain)
        );
        assert!(Filter { click: some("C/N ONE"), ..Filter::default() }.names_click(&ours));
    }
}
