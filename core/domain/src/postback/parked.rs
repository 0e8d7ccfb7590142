//! A postback whose click is not known yet.

use super::Signed;
use crate::{
    Timestamp,
    id::{ClickId, NetworkId},
};
use serde::{Deserialize, Serialize};

/// What waits for its click, with everything needed to try again: the payload of its job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parked {
    /// The id of its postback log event.
    pub id: ClickId,
    /// Who reported.
    pub network: NetworkId,
    /// The slug of the template asked for; empty: none.
    pub template: String,
    /// The click it waits for.
    pub click_id: ClickId,
    /// What it said, without secrets.
    pub params: Vec<(String, String)>,
    /// When it came in.
    pub received_at: Timestamp,
    /// It is a row of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<FileRow>,
    /// Its network's signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
}

/// What is said of a row of a file, beside its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRow {
    /// When it was reported.
    pub at: Timestamp,
    /// It is in our own words, which no template reads.
    pub ours: bool,
    /// Its click's source is told of it.
    pub tell: bool,
}

impl Parked {
    /// The group of its job: those of one network about one click are taken in order.
    pub fn group(network: &NetworkId, click: ClickId) -> String {
        format!("{network}:{click}")
    }
}
