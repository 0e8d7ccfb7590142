//! Routing: a click in, a decision out. `docs/routing.md` explains it to people.
//!
//! [`decide`] is a pure function of snapshot, request, time, counters and random source, so that the daemon,
//! `tfx explain`, the replay and the tests run the very same code. It does no I/O and takes no lock of its own.

mod candidates;
mod compile;
mod cycle;
mod decide;
mod decision;
pub mod filter;
mod params;
mod record;
mod returns;
mod snapshot;
mod standing;
mod state;
pub mod timetable;
mod version;
mod visitor;

pub(crate) use compile::bare_host;
pub(crate) use cycle::circle;
pub use cycle::find_cycle;
pub use decide::decide;
pub use decision::{Decision, NoCandidate, Passed, Reason, Resolution, Unique};
pub use params::{Given, ParamNames};
pub(crate) use record::groupable;
pub use record::{Answered, Click, RefusedCost};
pub use returns::Returns;
pub use snapshot::{CampaignPlan, Config, DestinationPlan, Globals, Snapshot, StreamPlan, Unread};
pub use standing::{CapState, ScheduleState, Standing, caps, standings};
pub use state::{CapUse, Counters, Health, NoCounters, Roi, Scope};
pub use visitor::{Device, DeviceType, Geo, RequestKind, Visitor};
