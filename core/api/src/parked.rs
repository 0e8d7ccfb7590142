//! Postbacks that wait for their click, and those that were given up since it did not come.

use crate::source_postbacks::NotNow;
use serde::{Deserialize, Serialize};
use tfx_domain::{
    Timestamp,
    id::{ClickId, NetworkId},
};

/// Which of them are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParkedQuery {
    /// Only of this network: id or slug.
    pub network: Option<String>,
    /// Only of this click.
    pub click: Option<ClickId>,
    /// Those that were given up, not those that wait.
    pub dead: bool,
    /// At most so many, 1 to 1,000.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// What waits for its click, and how much was given up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ParkedList {
    /// How many wait, of all networks.
    pub waiting: u64,
    /// How many were given up and are kept in case their click comes, of all networks.
    pub dead: u64,
    /// Since when the oldest of those that wait does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub oldest: Option<Timestamp>,
    /// Those that were asked for, the oldest first; of those that were given up the first that was.
    pub items: Vec<ParkedPostback>,
    /// Give it as `cursor` to get more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// False where more wait than are looked at: older ones may be among the others.
    #[serde(default)]
    pub complete: bool,
    /// The names of those among them that this program cannot read: another version has put them in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// A postback that waits for its click, or was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ParkedPostback {
    /// The id of its line in the postback log, and its name.
    pub id: ClickId,
    /// The name of its job.
    pub job: String,
    /// Who reported.
    pub network_id: NetworkId,
    /// The network's slug; empty: it is gone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub network: String,
    /// The slug of the template that it asked for; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub template: String,
    /// The click that it waits for.
    pub click_id: ClickId,
    /// What it said, without secrets.
    pub params: Vec<(String, String)>,
    /// When it came in.
    #[cfg_attr(feature = "schema", schemars(with = "tfx_domain::schema::Moment"))]
    pub came: Timestamp,
    /// When it is tried next; none: it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub due: Option<Timestamp>,
    /// Whether it, or one of its click before it, is tried at this moment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub under_way: bool,
    /// How often it, or the first of its click, was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries: Option<u32>,
    /// Why it was given up.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// When it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<tfx_domain::schema::Moment>"))]
    pub died: Option<Timestamp>,
}

/// Which of them are tried now, or dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ParkedChoice {
    /// These, whether they wait or were given up: ids of lines of the log, of clicks (all of that click), names of jobs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = 100)))]
    pub ids: Vec<String>,
    /// Or all that wait.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// With `all`: those that were given up, not those that wait.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dead: bool,
    /// With `all`: only of this network, id or slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Only tell how many.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// With `all`: go on behind the `next` of the answer before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ParkedAnswer {
    /// How many are tried now, or were dropped; with `dry_run`: would be.
    pub done: u64,
    /// Those that are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_now: Vec<NotNow>,
    /// Ask again with this as `cursor`: there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `POST /internal/postbacks/parked/drop` of postback-service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropParked {
    /// The names of their jobs, and what these hold.
    pub jobs: Vec<(String, String)>,
    /// Who wants it, for the log.
    pub by: String,
}
