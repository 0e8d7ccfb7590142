//! From a name to the addresses that may be asked. This is the only look-up of a request: the connection goes to what
//! comes out of here.

use crate::{Address, Failure};
use hickory_resolver::{
    ResolverBuilder, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// Resolves names, and judges what they stand for.
pub(crate) struct Guard {
    /// None: the system says no name servers, and why not.
    resolver: Result<TokioResolver, String>,
    allow_private: bool,
}

impl Guard {
    /// Asks these name servers; none: the system's (`/etc/resolv.conf`, `/etc/hosts`).
    pub(crate) fn new(name_servers: &[SocketAddr], allow_private: bool) -> Arc<Self> {
        let resolver = if name_servers.is_empty() {
            TokioResolver::builder_tokio().and_then(ResolverBuilder::build)
        } else {
            let servers = name_servers.iter().map(|server| {
                let [mut udp, mut tcp] = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                (udp.port, tcp.port) = (server.port(), server.port());
                NameServerConfig::new(server.ip(), true, vec![udp, tcp])
            });
            let config = ResolverConfig::from_name_servers(servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build()
        };
        Arc::new(Self { resolver: resolver.map_err(|e| e.to_string()), allow_private })
    }

    /// Whether an address may be asked.
    pub(crate) fn check(&self, host: &str, ip: IpAddr) -> Result<(), Failure> {
        match Address(ip).not_public() {
            Some(why) if !self.allow_private => {
                Err(Failure::Refused { host: host.to_owned(), address: ip, why })
            }
            _ => Ok(()),
        }
    }

    /// The addresses of a name that may be asked; an error names one that may not if there is no other.
    async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>, Failure> {
        let lookup = |reason: String| Failure::Lookup { host: host.to_owned(), reason };
        let resolver = self.resolver.as_ref().map_err(|e| lookup(e.clone()))?;
        let found = resolver.lookup_ip(host).await.map_err(|e| match e {
            e if e.is_nx_domain() || e.is_no_records_found() => Failure::NoName { host: host.to_owned() },
            NetError::Timeout => lookup("the name servers do not answer".to_owned()),
            e => lookup(e.to_string()),
        })?;
        let mut refused = None;
        let mut open = Vec::new();
        for ip in found.iter() {
            match self.check(host, ip) {
                Ok(()) => open.push(SocketAddr::new(ip, 0)),
                Err(e) => refused = Some(e),
            }
        }
        match refused {
            Some(refused) if open.is_empty() => Err(refused),
            None if open.is_empty() => Err(Failure::NoName { host: host.to_owned() }),
            _ => Ok(open),
        }
    }
}

/// What the HTTP client asks.
pub(crate) struct Resolver(pub(crate) Arc<Guard>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Arc::clone(&self.0);
        Box::pin(async move {
            let found = guard.addresses(name.as_str()).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
