//! The one guarded HTTP client for everything that is sent to servers of others: probes, postbacks to traffic sources,
//! mail.
//!
//! Whoever may write a URL into the configuration could otherwise have this machine ask its own network: a database, a
//! neighbour, the metadata of a cloud. So each name is resolved once, every address is judged ([`Address`]), and the
//! connection goes to the very address that was judged. Redirects are not followed: they are answers like others. Time,
//! heads and bodies are bounded, and no server is asked more at once than it may be.

mod address;
mod apart;
mod client;
mod failure;
mod name_servers;
mod resolve;

pub use address::{Address, NotPublic};
pub use apart::Apart;
pub use client::{Answer, Outbound, OutboundConfig, Request, server_of};
pub use failure::{Failure, TlsFault, Unanswered};
