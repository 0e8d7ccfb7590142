//! What every daemon shares: listener, health, logs, limits, metrics, drain, the configuration in
//! memory. It knows no adapter and no domain rule.
//!
//! A daemon builds an [`axum::Router`], binds with [`bind`] and calls [`serve`].

pub mod client_ip;
pub mod config;
pub mod events;
pub mod files;
pub mod health;
pub mod internal;
pub mod logs;
pub mod memory;
pub mod metrics;
pub mod problem;
pub mod request_id;
pub mod shutdown;
#[cfg(feature = "testing")]
pub mod testing;
pub mod traces;

mod budget;
mod handle;
mod line;
mod lines;
mod listen;
mod program;
mod serve;
mod settings_audit;
mod strangers;

pub use client_ip::client_ip;
pub use config::Configuration;
pub use handle::{NoMemory, Room};
pub use listen::{BindError, bind};
pub use problem::{LogClick, LogPath, ProblemResponse};
pub use program::{program, started};
pub use serve::{serve, serve_roomier};
pub use settings_audit::{SettingsAudit, tell_settings};
pub use shutdown::{Shutdown, Trigger};
pub use strangers::Strangers;
pub use tfx_ports::LogThrottle;

use std::net::SocketAddr;

/// The other end of the connection, as an extension of every request that [`serve`] hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);
