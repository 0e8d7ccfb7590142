//! From a name to the addresses that may be asked. This is the only look-up of a request: the connection goes to what
//! comes out of here.

use crate::{Address, Failure, name_servers::NameServers};
use hickory_resolver::{TokioResolver, net::NetError};
use hyper_util::client::legacy::connect::dns::Name;
use std::{
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
    vec,
};
use tokio::{task_local, time::timeout};
use tower::Service;

/// For so long a look-up may take before it is asked whether the name servers answer at all.
const DOUBT: Duration = Duration::from_millis(100);

/// Resolves names, and judges what they stand for.
pub(crate) struct Guard {
    servers: Arc<NameServers>,
    allow_private: bool,
}

impl Guard {
    /// Asks these name servers; none: the system's (`/etc/resolv.conf`, `/etc/hosts`).
    pub(crate) fn new(name_servers: &[SocketAddr], allow_private: bool) -> Arc<Self> {
        Arc::new(Self { servers: Arc::new(NameServers::new(name_servers)), allow_private })
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
        let silent = |reason: String| Failure::NameServers { host: host.to_owned(), reason };
        let resolver = self.servers.resolver().map_err(silent)?;
        let began = Instant::now();
        let mut look = pin!(resolver.lookup_ip(host));
        // What is there at once comes from memory or `/etc/hosts`, and says nothing of the name servers.
        let (found, asked) = match poll_fn(|cx| Poll::Ready(look.as_mut().poll(cx))).await {
            Poll::Ready(found) => (found, false),
            Poll::Pending => (self.patiently(&resolver, began, look).await, true),
        };
        let found = match found {
            Ok(found) => found,
            Err(NetError::Timeout) => return Err(self.unanswered(host, began)),
            Err(e @ (NetError::Io(_) | NetError::NoConnections | NetError::Busy)) => {
                return Err(silent(e.to_string()));
            }
            Err(e) if e.is_no_records_found() => {
                if asked {
                    self.servers.answered();
                }
                return Err(Failure::NoName { host: host.to_owned() });
            }
            // A resolver that cannot ask anybody says so of every name.
            Err(e) if self.servers.control(&resolver, began).await => {
                return Err(Failure::Lookup { host: host.to_owned(), reason: e.to_string() });
            }
            Err(e) => return Err(silent(format!("the name servers answer for no name: {e}"))),
        };
        if asked {
            self.servers.answered();
        }
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

    /// Waits for a look-up. Where it takes long, a control is asked for beside it: who gives up waiting wants to know at once
    /// whose fault it is.
    async fn patiently<T>(
        &self,
        resolver: &TokioResolver,
        began: Instant,
        mut look: impl Future<Output = T> + Unpin,
    ) -> T {
        let control = || {
            let (servers, resolver) = (Arc::clone(&self.servers), resolver.clone());
            tokio::spawn(async move { servers.control(&resolver, began).await });
        };
        if self.servers.are_unknown() {
            control();
        }
        if let Ok(found) = timeout(DOUBT, &mut look).await {
            return found;
        }
        control();
        look.await
    }

    /// Why nobody has said what a name stands for since `began`: it is the name if others were answered meanwhile.
    fn unanswered(&self, host: &str, began: Instant) -> Failure {
        let (host, reason) = (host.to_owned(), "the name servers do not answer".to_owned());
        if self.servers.answer_others(began) {
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
