//! Whole flows across processes: the real binaries, started, killed and started again; and the tidy test of the house.
//!
//! [`Up`] is a running `tfx up` on free ports with a data folder of its own; [`Browser`] clicks and reports.
//! [`Services`] are the three services as processes on real [`Engines`].

mod browser;
mod engines;
mod services;
mod up;

pub use browser::{Browser, DEMO_PAYOUT};
pub use engines::{Engine, Engines};
pub use services::{Service, Services};
pub use up::Up;
