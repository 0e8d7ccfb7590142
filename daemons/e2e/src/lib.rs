//! Whole flows across processes: the real binaries, started, killed and started again; and the tidy test of the house.
//!
//! [`Up`] is a running `tfx up` on free ports with a data folder of its own; [`Browser`] clicks and reports.
//! [`Services`] are the three services as processes of their own, on real [`Engines`], in a [`Namespace`] of those that all
//! tests share, or embedded. A [`Follower`] reads what a command goes on printing, a [`Receiver`] takes
//! what a source is told, a [`Collector`] the traces of clicks.

mod browser;
mod collector;
mod engines;
mod follower;
mod namespace;
mod offer;
mod receiver;
mod reconcile;
mod services;
mod small_disk;
mod up;

pub use browser::{Browser, DEMO_PAYOUT};
pub use collector::{Collector, Told};
pub use engines::{Engine, Engines};
pub use follower::Follower;
pub use namespace::Namespace;
pub use receiver::Receiver;
pub use reconcile::{every_click, totals};
pub use services::{Service, Services};
pub use small_disk::SmallDisk;
pub use up::{Up, free_addresses, program};
