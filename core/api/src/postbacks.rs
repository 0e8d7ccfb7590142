//! The postback log, and trying a postback without recording it.

use crate::page::EntityRef;
pub use crate::source_postbacks::Directions;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
pub use tfx_domain::event::{PostbackField, PostbackFilter, PostbackLogEvent, PostbackResult, TestTraffic};
use tfx_domain::{
    Timestamp,
    id::{ClickId, ConversionId},
    money::Money,
    postback::ConversionStatus,
};

/// Which postbacks to list, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostbackQuery {
    /// From, inclusive.
    pub since: Option<Timestamp>,
    /// To, exclusive.
    pub until: Option<Timestamp>,
    /// Only to this network's slug, known or not.
    pub network: Option<String>,
    /// Only with this result.
    pub result: Option<PostbackResult>,
    /// Which way they went; not said: those that came in, or those that the result is of.
    pub direction: Option<Directions>,
    /// Whether those about test clicks are among them; left out unless said otherwise.
    pub test: Option<TestTraffic>,
    /// What must hold of each: all of them.
    pub filters: Vec<PostbackFilter>,
    /// At most this many, 1 to 1,000.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// Which postbacks of the log to take again. What has been taken again since is passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PostbackRetry {
    /// From, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub since: Option<Timestamp>,
    /// To, exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub until: Option<Timestamp>,
    /// Only to this network: id or slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Those that stand as one of these, of [`Self::RESULTS`]; none with `ids`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("items" = { "type": "string", "enum": Self::RESULTS.map(PostbackResult::as_str) })))]
    pub results: Vec<PostbackResult>,
    /// Or these, by the ids of their lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 100)))]
    pub ids: Vec<ClickId>,
    /// Only tell what would be taken, and why the others would not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Only those after the `next` of the answer before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ClickId>,
}

impl PostbackRetry {
    /// What can be taken again: of what was recorded and updated, conversions that stand under a word of the network that
    /// means something else by now, or as nothing where a payout is read by now, and of what is named all that says another
    /// status or other money; of what was refused or ignored, what says something by now.
    pub const RESULTS: [PostbackResult; 6] = [
        PostbackResult::Conflict,
        PostbackResult::Unmatched,
        PostbackResult::Recorded,
        PostbackResult::Updated,
        PostbackResult::Rejected,
        PostbackResult::Ignored,
    ];
    /// Those of them that were accepted.
    pub const ACCEPTED: [PostbackResult; 4] = {
        let [conflict, unmatched, recorded, updated, ..] = Self::RESULTS;
        [conflict, unmatched, recorded, updated]
    };
    /// The most lines that an answer tells of.
    pub const TOLD: usize = 100;
}

/// What became of postbacks that were taken again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PostbackRetryAnswer {
    /// How many came to which result; with `dry_run` all under `would_be_taken`.
    pub taken: BTreeMap<String, u64>,
    /// How many stay as they are: the click is not there, the network is not active, the log has not all of it, or it is
    /// still refused.
    pub left: u64,
    /// How many were taken again before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub before: u64,
    /// The first hundred of those that stay as they are, and with `ids` or `dry_run` of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<TakenAgain>,
    /// Ask again with this as `after`: there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ClickId>,
    /// Then ask with this as `until`, without `after`: so far back nothing was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub older: Option<Timestamp>,
}

const fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// One postback that was to be taken again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TakenAgain {
    /// The id of its line in the log.
    pub id: ClickId,
    /// When it came.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub at: Timestamp,
    /// The slug of its network.
    pub network: String,
    /// What it stands as in that line.
    pub was: PostbackResult,
    /// What became of it, or of a dry run would; none: it stays, or nothing was to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<PostbackResult>,
    /// Of a dry run: the status that its conversion would come into; none: it would change nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ConversionStatus>,
    /// Of a dry run: what that would bring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revenue: Option<Money>,
    /// Why it stays, or would become that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Which network to look at, and how far back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LintQuery {
    /// Only this network: id or slug.
    pub network: Option<String>,
    /// From, inclusive.
    pub since: Option<Timestamp>,
    /// To, exclusive.
    pub until: Option<Timestamp>,
    /// Read at most so many lines of the postback log, the newest.
    pub most: Option<usize>,
}

/// What is wrong between what networks send and how they are configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Lint {
    /// The most frequent first; what one command mends stands together.
    pub findings: Vec<Finding>,
    /// How many lines of the postback log were read.
    pub postbacks: u64,
    /// False when the log has more lines in that time than are read; the newest were.
    pub complete: bool,
}

/// Something to be mended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// The network's slug; empty where it is about a source.
    pub network: String,
    /// The source's slug; empty where it is about a network.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The entity whose configuration it is, by its kind and name: `campaign summer`; empty where it is of the log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub entity: String,
    /// The slug of the template that read it, or would have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What kind: `unmapped_word`, `known_transaction`, `foreign_click`, `retry`, `mapped_since`, `given_up`, `refused`,
    /// `sale_after_rejection`, `unlisted_currency`, `empty`, `former_secret`, `left_macro`, `no_payout`.
    pub kind: FindingKind,
    /// The word, the newest transaction id, the parameter that is wrong, or the currency.
    pub what: String,
    /// The newest few transaction ids or addresses that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub few: Vec<String>,
    /// How many different ones there are.
    #[serde(default)]
    pub different: u64,
    /// How many postbacks.
    pub postbacks: u64,
    /// The last of them.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub last: Timestamp,
    /// Why, in a sentence.
    pub because: String,
    /// The command that mends it, and all other words of its template.
    pub command: String,
    /// What the newest of them said, as a query, its secret masked; empty where it is not about postbacks of networks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub example: String,
}

impl Finding {
    /// One of a kind, of which nothing more is said.
    pub const fn new(kind: FindingKind, last: Timestamp) -> Self {
        Self {
            network: String::new(),
            source: String::new(),
            entity: String::new(),
            template: None,
            kind,
            what: String::new(),
            few: Vec::new(),
            different: 0,
            postbacks: 0,
            last,
            because: String::new(),
            command: String::new(),
            example: String::new(),
        }
    }
}

/// What is to be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A status word that nobody knows.
    UnmappedWord,
    /// A transaction id that is another click's.
    KnownTransaction,
    /// A click that was sent to another network.
    ForeignClick,
    /// A conflict that would be none any more.
    Retry,
    /// Conversions that stand under a word that was mapped since.
    MappedSince,
    /// A source was not told, and nobody tries it any more.
    GivenUp,
    /// A source was not told, since what it finds its click by is empty.
    Empty,
    /// Postbacks that were refused, and would be today.
    Refused,
    /// Sales of what is rejected.
    SaleAfterRejection,
    /// An entity has a currency that there is not.
    UnlistedCurrency,
    /// Postbacks with the secret that a network had before, which works for a while.
    FormerSecret,
    /// A destination of a network whose URL does not carry the click's id: no conversion can come of it.
    NoClickId,
    /// A network with neither a secret nor addresses: all that it reports is refused.
    NoSecret,
    /// A source that cannot tell of which click it is told.
    NoExternalId,
    /// A template whose postbacks must be signed, and its network has no key: all of them are answered 503.
    NoSigningKey,
    /// A template whose network has a key that is not written as it says: all that comes through it is answered 503.
    UnreadableKey,
    /// A network that signs, and a template of it that does not say how: what comes through it is answered 503.
    NoSignature,
    /// Macros that a network left as they are, in place of what is about money.
    LeftMacro,
    /// Sales that brought nothing, whose postbacks may name a payout.
    NoPayout,
}

/// A postback to try. Nothing is stored. A secret is not asked for; one that is given must be right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PostbackTest {
    /// The network: id or slug.
    pub network: String,
    /// The template: slug within the network, or id; none: the network's `default`, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What the network would send.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(length(max = 1000)))]
    pub params: Vec<(String, String)>,
}

/// A postback as a network would send it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PostbackRequest {
    /// `GET`, or `POST` where the body is signed.
    pub method: String,
    /// Where it goes; its secret stands in it.
    pub url: String,
    /// Its headers, by their names.
    pub headers: BTreeMap<String, String>,
    /// Its body, a form; empty: none.
    pub body: String,
    /// Whether it is signed.
    pub signed: bool,
}

/// What would become of a postback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PostbackTestAnswer {
    /// What it would be answered: recorded, updated, duplicate, stale, ignored, parked, conflict or
    /// rejected.
    pub result: PostbackResult,
    /// The HTTP status it would get.
    pub status: u16,
    /// Why, in a sentence.
    pub reason: String,
    /// Commands that would mend what it says: map its word, change the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// The parameter that is wrong, when it would be rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// The network.
    pub network: EntityRef,
    /// The template used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<EntityRef>,
    /// What it was understood to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub understood: Option<Understood>,
    /// Whether its click is known; absent when it names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub click_found: Option<bool>,
    /// The conversion it would meet, as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingConversion>,
}

/// What a postback was understood to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Understood {
    /// The click.
    pub click_id: ClickId,
    /// The network's transaction id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction_id: Option<String>,
    /// The status.
    pub status: ConversionStatus,
    /// The network's word for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_status: Option<String>,
    /// What it would bring; absent while the click is not known and the postback names no payout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revenue: Option<Money>,
    /// What makes it the same conversion again.
    pub key: String,
}

/// A conversion that a tried postback would meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExistingConversion {
    /// Its id.
    pub id: ConversionId,
    /// Its status.
    pub status: ConversionStatus,
    /// What it brings.
    pub revenue: Money,
}
