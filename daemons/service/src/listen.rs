//! Binding an address, with an error that says what to change.

use std::io;
use tokio::net::TcpListener;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {hint}; set {setting} to another address")]
pub struct BindError {
    addr: String,
    setting: &'static str,
    hint: String,
    #[source]
    source: io::Error,
}

/// Listens on `addr` (`host:port`), the value of `setting`.
///
/// # Errors
/// The address is taken, not ours or not allowed; the message names it and the setting.
pub async fn bind(setting: &'static str, addr: &str) -> Result<TcpListener, BindError> {
    TcpListener::bind(addr).await.map_err(|source| {
        let hint = match source.kind() {
            io::ErrorKind::AddrInUse => "another program uses it".to_owned(),
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
            io::ErrorKind::PermissionDenied => "not allowed (ports below 1024 need privileges)".to_owned(),
            _ => source.to_string(),
        };
        BindError { addr: addr.to_owned(), setting, hint, source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_port_names_the_address_and_the_setting() {
        let first = bind("TRAFFIC_SERVICE_ADDR", "127.0.0.1:0").await.expect("free port");
        let addr = first.local_addr().expect("bound").to_string();
        let refused = bind("TRAFFIC_SERVICE_ADDR", &addr).await.expect_err("busy").to_string();
        for part in [addr.as_str(), "another program uses it", "TRAFFIC_SERVICE_ADDR"] {
            assert!(refused.contains(part), "{refused}");
        }
    }
}
