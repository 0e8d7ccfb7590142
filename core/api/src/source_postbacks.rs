//! What traffic sources are told of conversions: the queue, and trying it.

use serde::{Deserialize, Serialize};
use tfx_domain::{
    Timestamp,
    event::{PostbackDirection, PostbackResult},
    id::{ClickId, ConversionId, SourceId},
    money::Money,
    postback::ConversionStatus,
};

/// Which lines of the postback log are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Directions {
    /// Postbacks of networks, which came in.
    #[default]
    In,
    /// Attempts to tell sources, which went out.
    Out,
    /// What came in and what went out.
    All,
}

impl Directions {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::In, Self::Out, Self::All];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::All => "all",
        }
    }

    /// As stores are asked; none: both.
    pub const fn wanted(self) -> Option<PostbackDirection> {
        match self {
            Self::In => Some(PostbackDirection::In),
            Self::Out => Some(PostbackDirection::Out),
            Self::All => None,
        }
    }
}

/// `POST /internal/sources/{id}/test` of postback-service: makes what a source would be told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SourceTest {
    /// A click whose facts are filled in; none: made-up ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click: Option<ClickId>,
    /// Or a conversion as it stands, and its click. The signature is whole then, for who may see secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion: Option<ConversionId>,
    /// The state that is told; none: the conversion's, else the first that the source asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ConversionStatus>,
    /// Really send it, once, marked as a test in the log.
    #[serde(default)]
    pub send: bool,
}

/// What a source would be told, and what it answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SourceTestAnswer {
    /// The state.
    pub status: ConversionStatus,
    /// Whether the source asks for it.
    pub asked: bool,
    /// Whether the click was found; absent when none was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_found: Option<bool>,
    /// GET or POST.
    pub method: String,
    /// Where to, with everything filled in. Here, in the body and in what the server answers, secrets are masked for who has
    /// no `read:secrets`.
    pub url: String,
    /// Headers that are sent, a signature masked, unless it is of a conversion and for who has `read:secrets`.
    pub headers: Vec<(String, String)>,
    /// What it carries; empty: nothing.
    pub body: String,
    /// The macros that nothing stands for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub empty: Vec<String>,
    /// What is to be known before it is relied on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What became of it; absent: it was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Attempt>,
}

/// One attempt to tell a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attempt {
    /// `sent`; `retry` for what would be tried again, `dead` for what would not.
    pub result: PostbackResult,
    /// The HTTP status of the answer; 0: there was none.
    pub status: u16,
    /// Why it was not taken, in a sentence; empty: it was.
    pub reason: String,
    /// Milliseconds to the head of the answer, or to the failure.
    pub latency_ms: u32,
    /// How the body of the answer began.
    pub answer: String,
}

/// `GET /internal/tells` of postback-service: the targets that it knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Targets {
    /// Those that failed of late, or are asked now, by host and port.
    pub items: Vec<Target>,
}

/// A server as one source is told by it, as one postback-service sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Target {
    /// Whose postbacks go there; none: of a service of another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<SourceId>,
    /// Host and port.
    pub host: String,
    /// Requests under way.
    pub under_way: u64,
    /// Failures in a row.
    pub failures: u64,
    /// Nothing is sent before this, and then a single probe; none: it is sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub open_until: Option<Timestamp>,
    /// Why the last request failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why the machine of postback-service could send nothing to it last; none: it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsent: Option<String>,
}

/// What waits to be told, source by source, and what was given up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SourcePostbackQueue {
    /// Waiting or under way.
    pub waiting: u64,
    /// Given up and kept.
    pub dead: u64,
    /// When the oldest of those that wait came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub oldest: Option<Timestamp>,
    /// By source.
    pub sources: Vec<SourcePostbackShare>,
    /// Those that wait, the soonest first; or those that were given up, the first that was.
    #[serde(default)]
    pub items: Vec<SourcePostbackJob>,
    /// Give it as `cursor` to get more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// False where more wait than are looked at: sooner ones may be among the others.
    #[serde(default)]
    pub complete: bool,
    /// The names of those among them that this program cannot read: another version has put them in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
    /// Why it is not known which targets are open: postback-service does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets_unknown: Option<String>,
}

/// What waits to be told to one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SourcePostbackShare {
    /// Who is told.
    pub source_id: SourceId,
    /// Its slug; empty: it is gone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Waiting or under way.
    pub waiting: u64,
    /// Given up and kept.
    pub dead: u64,
    /// When the oldest of those that wait came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub oldest: Option<Timestamp>,
    /// When the next is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub next: Option<Timestamp>,
    /// Its targets whose circuit is open, or that nothing can be sent to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<Target>,
}

/// What is asked of the queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourcePostbackQuery {
    /// Only of this source: id or slug.
    pub source: Option<String>,
    /// Those that were given up, not those that wait.
    pub dead: bool,
    /// At most so many jobs, 1 to 1,000.
    pub limit: Option<usize>,
    /// The `next` of the page before, of those that were given up.
    pub cursor: Option<String>,
}

/// A postback to a source that waits, is under way, or was given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SourcePostbackJob {
    /// Its name: `tfx postback retry` takes it.
    pub job: String,
    /// What receivers see as `webhook-id`, the same however often it is sent.
    pub message_id: String,
    /// Who is told.
    pub source_id: SourceId,
    /// Its slug; empty: it is gone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The conversion.
    pub conversion_id: ConversionId,
    /// Its click.
    pub click_id: ClickId,
    /// The state it is told of.
    pub told: ConversionStatus,
    /// What the conversion brings; the source is told its share of that.
    pub revenue: Money,
    /// When the conversion came into that state.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub came: Timestamp,
    /// When it is tried next; none: it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub due: Option<Timestamp>,
    /// Whether it, or one that it waits for, is being sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub under_way: bool,
    /// How often it, or the first that it waits for, was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries: Option<u32>,
    /// Why it was given up.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// What is to be told again of what was given up, or now of what waits for its next try.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SourcePostbackRetry {
    /// These: the name of a job, the id of a message or of a conversion, a line of the postback log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 100)))]
    pub ids: Vec<String>,
    /// Or all that were given up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dead: bool,
    /// Of these only those to this source: id or slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// With `dead`: only those that were given up before this. The `before` of the first answer, so that what is given up
    /// anew meanwhile does not come up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub before: Option<Timestamp>,
}

/// One that is not tried now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotNow {
    /// Its name.
    pub job: String,
    /// Why, and what can be done: it is under way, its server is left alone, its source is told later.
    pub why: String,
}

/// What is told again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SourcePostbackRetryAnswer {
    /// How many that were given up are due again.
    pub revived: u64,
    /// How many that waited for their next try are due now, with the tries that they have.
    #[serde(default)]
    pub hurried: u64,
    /// Those that wait and are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_now: Vec<NotNow>,
    /// How many are not: their conversions are in another state by now, which denies what they say or was told.
    #[serde(default)]
    pub left: u64,
    /// True when there are more: ask again, with `before`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Before what time they were given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub before: Option<Timestamp>,
}

/// The key that signs what a source is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SigningKey {
    /// `whsec_…`.
    pub key: String,
}
