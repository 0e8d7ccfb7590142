//! The name servers: which ones the system says at this moment, and whether they answer anybody. What a name stands for is
//! asked in `resolve`.

use hickory_resolver::{
    ResolverBuilder, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::RecordType,
    system_conf::parse_resolv_conf,
};
use std::{
    fs,
    hash::{BuildHasher as _, RandomState},
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// Where the system says its name servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Names that the system knows itself.
const HOSTS: &str = "/etc/hosts";
/// A change of these files is seen within that.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the name servers have to answer for a name that nobody has.
const CONTROL_WITHIN: Duration = Duration::from_secs(4);
/// How often they are asked for one though nothing is wrong, as long as they never answered one.
const CONTROL_EVERY: Duration = Duration::from_secs(60);

/// The name servers to ask.
pub(crate) struct NameServers {
    from: Origin,
    seen: Mutex<Seen>,
    /// When the last control was asked for; held meanwhile.
    control: tokio::sync::Mutex<Option<Instant>>,
}

enum Origin {
    Given(Result<TokioResolver, String>),
    System(Mutex<System>),
}

/// When somebody last had an answer, whatever it said of the name.
#[derive(Default)]
struct Seen {
    /// Who asked for a control.
    control: Option<Instant>,
    /// When a control was last asked for because none was ever answered.
    tried: Option<Instant>,
    /// Who asked for another name. What is between may have answered from memory.
    others: Option<Instant>,
}

/// The name servers of the system, as its files said them last.
struct System {
    resolv_conf: PathBuf,
    looked: Instant,
    stamps: [Stamp; 2],
    resolver: Result<TokioResolver, String>,
}

/// Differs where a file was changed or replaced; none: there is none.
type Stamp = Option<(i64, i64, u64, u64)>;

impl NameServers {
    /// Asks these; none: the system's.
    pub(crate) fn new(given: &[SocketAddr]) -> Self {
        let from = if given.is_empty() {
            Origin::System(Mutex::new(System::read(RESOLV_CONF.into())))
        } else {
            Origin::Given(of(given))
        };
        Self { from, seen: Mutex::default(), control: tokio::sync::Mutex::default() }
    }

    /// What asks them.
    ///
    /// # Errors
    /// The system says none, and why not.
    pub(crate) fn resolver(&self) -> Result<TokioResolver, String> {
        match &self.from {
            Origin::Given(resolver) => resolver.clone(),
            Origin::System(system) => system.lock().unwrap_or_else(PoisonError::into_inner).resolver(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// They said what a name stands for, or that nobody has it.
    pub(crate) fn answered(&self) {
        self.seen().others = Some(Instant::now());
    }

    /// Whether they have answered for another name since then. A control says it; where none was ever answered, as in a
    /// network that knows its own names alone, any other name does.
    pub(crate) fn answer_others(&self, since: Instant) -> bool {
        let seen = self.seen();
        seen.control.or(seen.others).is_some_and(|at| at > since)
    }

    /// Whether a control is to be asked for though nothing is wrong, so that it is known whether they answer one.
    pub(crate) fn are_unknown(&self) -> bool {
        let mut seen = self.seen();
        let due = seen.control.is_none() && seen.tried.is_none_or(|at| at.elapsed() >= CONTROL_EVERY);
        if due {
            seen.tried = Some(Instant::now());
        }
        due
    }

    /// The same as [`Self::answer_others`], after a control was asked for since then: a name that nobody has, and of which
    /// nobody on the way to those who would know can have heard. `com` is everybody's, and never all in the memory of a
    /// resolver.
    pub(crate) async fn control(&self, resolver: &TokioResolver, since: Instant) -> bool {
        let mut last = self.control.lock().await;
        if last.is_none_or(|asked| asked <= since) && !self.answer_others(since) {
            let asked = Instant::now();
            let name = format!("tfx-{:016x}.com.", RandomState::new().hash_one(asked));
            let found = timeout(CONTROL_WITHIN, resolver.lookup(name, RecordType::A)).await;
            let said = |found: Result<_, NetError>| found.map_or_else(|e| e.is_no_records_found(), |_| true);
            if found.is_ok_and(said) {
                self.seen().control = Some(Instant::now());
            }
            *last = Some(asked);
        }
        self.answer_others(since)
    }
}

impl System {
    fn read(resolv_conf: PathBuf) -> Self {
        // What changes meanwhile is seen by the next look.
        let stamps = stamps(&resolv_conf);
        let resolver = fs::read(&resolv_conf).map_err(|e| e.to_string()).and_then(|text| {
            let (config, options) = parse_resolv_conf(text).map_err(|e| e.to_string())?;
            let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
            *builder.options_mut() = options;
            built(builder)
        });
        Self { resolv_conf, looked: Instant::now(), stamps, resolver }
    }

    fn resolver(&mut self) -> Result<TokioResolver, String> {
        if self.looked.elapsed() >= LOOK_EVERY {
            self.look();
        }
        self.resolver.clone()
    }

    fn look(&mut self) {
        self.looked = Instant::now();
        if stamps(&self.resolv_conf) != self.stamps {
            *self = Self::read(self.resolv_conf.clone());
        }
    }
}

fn stamps(resolv_conf: &Path) -> [Stamp; 2] {
    [resolv_conf, HOSTS.as_ref()].map(|path| {
        let file = fs::metadata(path).ok()?;
        Some((file.mtime(), file.mtime_nsec(), file.size(), file.ino()))
    })
}

fn of(given: &[SocketAddr]) -> Result<TokioResolver, String> {
    let servers = given.iter().map(|server| {
        let [mut udp, mut tcp] = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        (udp.port, tcp.port) = (server.port(), server.port());
        NameServerConfig::new(server.ip(), true, vec![udp, tcp])
    });
    let config = ResolverConfig::from_name_servers(servers.collect());
    built(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
}

fn built(builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<TokioResolver, String> {
    builder.build().map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_that_the_system_says_later_are_asked() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("resolv.conf");
        fs::write(&file, "").expect("written");
        let mut system = System::read(file.clone());
        let mut asked = || {
            system.look();
            system.resolver.clone().map(|resolver| resolver.options().timeout.as_secs())
        };
        assert!(asked().is_err_and(|e| e.contains("no nameservers")));
        let text = |timeout: u64| format!("nameserver 192.0.2.1\noptions timeout:{timeout}\n");
        fs::write(&file, text(2)).expect("written");
        assert_eq!(asked(), Ok(2));
        // Replaced by one of the same length, as by who writes beside and renames.
        let beside = dir.path().join("new");
        fs::write(&beside, text(3)).expect("written");
        fs::rename(&beside, &file).expect("renamed");
        assert_eq!(asked(), Ok(3));
        fs::remove_file(&file).expect("removed");
        assert!(asked().is_err());
        fs::write(&file, text(4)).expect("written");
        assert_eq!(asked(), Ok(4));
    }
}
