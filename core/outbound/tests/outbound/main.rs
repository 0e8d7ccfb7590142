//! The guarded client against real sockets: a name server, servers that behave badly, and one that nobody may reach.
#![allow(clippy::unwrap_used)]

mod answers;
mod dns;
mod guard;
mod server;
mod tls;

use bytes::Bytes;
use http::{HeaderMap, Method};
use std::{net::SocketAddr, time::Duration};
use tfx_outbound::{Answer, Failure, Outbound, OutboundConfig, Request};

/// A client that asks `name_server`.
fn outbound(allow_private: bool, name_server: SocketAddr) -> Outbound {
    Outbound::new(&OutboundConfig {
        allow_private,
        per_host: 2,
        name_servers: vec![name_server],
        user_agent: "TraffoFlex/test".to_owned(),
    })
}

fn get(url: &str, timeout: Duration) -> Request {
    Request {
        method: Method::GET,
        url: url.to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        wait: LONG,
        timeout,
        keep: 1024,
    }
}

/// Nobody has to wait that long here.
const LONG: Duration = Duration::from_secs(20);

/// The name of what became of it: the status, or the failure.
fn told(sent: &Result<Answer, Failure>) -> String {
    match sent {
        Ok(answer) => answer.status.to_string(),
        Err(failure) => failure.name().to_owned(),
    }
}
