//! Clicks. Their shape is the event's: [`tfx_domain::event::ClickEvent`].

use serde::{Deserialize, Serialize};
use tfx_domain::{Timestamp, id::VisitorId};
pub use tfx_domain::{
    event::{ClickEvent, TestTraffic},
    report::ReportFilter,
};

/// Which clicks to list, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClickQuery {
    /// From, inclusive.
    pub since: Option<Timestamp>,
    /// To, exclusive.
    pub until: Option<Timestamp>,
    /// Only of this campaign: id or slug.
    pub campaign: Option<String>,
    /// Only of this visitor.
    pub visitor: Option<VisitorId>,
    /// Only those that no stream took (`false`: only those that one took).
    pub unrouted: Option<bool>,
    /// Whether test clicks are among them; left out unless said otherwise.
    pub test: Option<TestTraffic>,
    /// What must hold of each: all of them.
    pub filters: Vec<ReportFilter>,
    /// IANA name of the zone in which conditions on days, hours and the like are meant; UTC unless said otherwise.
    pub timezone: Option<String>,
    /// At most this many, 1 to 1,000.
    pub limit: Option<usize>,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}
