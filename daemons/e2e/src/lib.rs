//! Whole flows across processes: the real binary, started, killed and started again; and the tidy test of the house.
//!
//! [`Up`] is a running `tfx up` on free ports with a data folder of its own; [`Browser`] clicks and reports.

mod browser;
mod up;

pub use browser::{Browser, DEMO_PAYOUT};
pub use up::Up;
