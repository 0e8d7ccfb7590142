//! The guarded client against real sockets: a name server, servers that behave badly, and one that nobody may reach.
#![allow(clippy::unwrap_used)]

mod answers;
mod dns;
mod guard;
mod heads;
mod server;
mod tls;
mod turns;

use bytes::Bytes;
use dns::Dns;
use http::{HeaderMap, Method};
use server::Server;
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};
use tfx_outbound::{Answer, Outbound, OutboundConfig, Request, Unanswered};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

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
fn told(sent: &Result<Answer, Unanswered>) -> String {
    match sent {
        Ok(answer) => answer.status.to_string(),
        Err(unanswered) => unanswered.failure.name().to_owned(),
    }
}

/// A time that is over soon.
const SHORT: Duration = Duration::from_millis(300);

/// Asks a server of this machine.
async fn ask(server: &Server, timeout: Duration) -> Result<Answer, Unanswered> {
    let dns = Dns::new(&[]).await;
    outbound(true, dns.at).send(get(&format!("http://{}/", server.at), timeout)).await
}

/// Writes until nobody reads any more; how much that was.
async fn flood(stream: &mut TcpStream, text: &[u8], sent: &AtomicUsize) {
    while stream.write_all(text).await.is_ok() {
        sent.fetch_add(text.len(), SeqCst);
    }
}
