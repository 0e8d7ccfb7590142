//! From a name to the addresses that may be asked. This is the only look-up of a request: the connection goes to what
//! comes out of here.

use crate::{Address, Failure};
use hickory_resolver::{
    ResolverBuilder, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
};
use hyper_util::client::legacy::connect::dns::Name;
use std::{
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Instant,
    vec,
};
use tokio::task_local;
use tower::Service;

/// Resolves names, and judges what they stand for.
pub(crate) struct Guard {
    /// None: the system says no name servers, and why not.
    resolver: Result<TokioResolver, String>,
    allow_private: bool,
    /// When a name server last answered something, whatever it was.
    answered: Mutex<Option<Instant>>,
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
        Arc::new(Self {
            resolver: resolver.map_err(|e| e.to_string()),
            allow_private,
            answered: Mutex::default(),
        })
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
        let began = Instant::now();
        let silent = |reason: String| Failure::NameServers { host: host.to_owned(), reason };
        let resolver = self.resolver.as_ref().map_err(|e| silent(e.clone()))?;
        let mut look = pin!(resolver.lookup_ip(host));
        // What is there at once comes from memory or `/etc/hosts`, and says nothing of the name servers.
        let (found, asked) = match poll_fn(|cx| Poll::Ready(look.as_mut().poll(cx))).await {
            Poll::Ready(found) => (found, false),
            Poll::Pending => (look.await, true),
        };
        let found = match found {
            Err(NetError::Timeout) => return Err(self.unanswered(host, began)),
            Err(e @ (NetError::Io(_) | NetError::NoConnections | NetError::Busy)) => {
                return Err(silent(e.to_string()));
            }
            found => found,
        };
        if asked {
            *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        let found = found.map_err(|e| match e {
            e if e.is_nx_domain() || e.is_no_records_found() => Failure::NoName { host: host.to_owned() },
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

    /// Why nobody has said what a name stands for since `began`: it is the name if others were answered meanwhile.
    fn unanswered(&self, host: &str, began: Instant) -> Failure {
        let (host, reason) = (host.to_owned(), "the name servers do not answer".to_owned());
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.is_some_and(|at| at > began) {
            return Failure::Lookup { host, reason: format!("{reason} for it") };
        }
        Failure::NameServers { host, reason }
    }
}

task_local! {
    static LOOKING: Looking;
}

/// Which name a request waits for, and since when, if that is what it does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Looking(Arc<Mutex<Option<(String, Instant)>>>);

impl Looking {
    /// Watches the look-ups of a request.
    pub(crate) async fn during<T>(&self, request: impl Future<Output = T>) -> T {
        LOOKING.scope(self.clone(), request).await
    }

    /// Why a request that is given up now had no answer, if it is the name servers that owe one.
    pub(crate) fn failure(&self, guard: &Guard) -> Option<Failure> {
        let (host, began) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(guard.unanswered(&host, began))
    }

    fn set(&self, host: Option<&str>) {
        let looked = host.map(|host| (host.to_owned(), Instant::now()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = looked;
    }
}

/// What the HTTP client asks.
#[derive(Clone)]
pub(crate) struct Resolver(pub(crate) Arc<Guard>);

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = Arc::clone(&self.0);
        let looking = LOOKING.try_with(Clone::clone).unwrap_or_default();
        looking.set(Some(name.as_str()));
        Box::pin(async move {
            let found = guard.addresses(name.as_str()).await;
            looking.set(None);
            found.map(Vec::into_iter)
        })
    }
}
