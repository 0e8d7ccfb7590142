//! Alerts: what a rule asks, whether it holds, and what becomes of that: `cr < 0.5 * avg(7d)`.
//!
//! - [`condition`]: the language of rules
//! - [`holds`]: whether a condition holds of what is known of a group
//! - [`state`]: from one look to the next: pending, firing, cleared; when something is told, and when something is done
//! - [`notice`]: what is told, in the form of each channel
//! - [`channel`]: where it is told
//! - [`Said`]: what is taken off all this when a person is erased
//!
//! What a person writes about a rule is [`crate::entity::AlertSpec`]. Pure as all of the domain: who asks gives the figures
//! and the time.

pub mod channel;
pub mod condition;
mod erased;
pub mod event;
pub mod holds;
pub mod notice;
mod parse;
mod scan;
pub mod state;

pub use channel::Channel;
pub use condition::Condition;
pub use erased::Said;
pub use event::{AlertEvent, AlertJob, Happened, Target, TargetKind};
pub use holds::{Facts, Observation, Verdict};
pub use notice::{GroupPart, Notice, Told};
pub use state::{AlertState, Paused, Phase, Policy, Step, step};

#[cfg(test)]
mod tests;
