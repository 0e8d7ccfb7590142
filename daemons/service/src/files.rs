//! Open files: the soft limit is raised at the start, and a part is kept for everything that is no connection.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// More is of no use, and some systems allow a billion.
const ENOUGH: u64 = 1 << 20;
/// The share of stores, journal, geo databases and calls to others.
const KEPT: u64 = 4;

/// How many services share this process.
static SERVICES: AtomicUsize = AtomicUsize::new(1);

/// Raises the soft limit of open files to the hard one. `services` are going to share them.
pub fn raise(services: usize) {
    SERVICES.store(services.max(1), Relaxed);
    let now = getrlimit(Resource::Nofile);
    let wanted = now.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if now.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: now.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, wanted, "the limit of open files cannot be raised");
        }
    }
}

/// How many connections one service may have open without taking files from the rest.
pub(crate) fn for_connections() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(ENOUGH).min(ENOUGH);
    share(limit, SERVICES.load(Relaxed))
}

fn share(limit: u64, services: usize) -> usize {
    let connections = usize::try_from(limit - limit / KEPT).unwrap_or(usize::MAX);
    (connections / services).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_kept_and_the_rest_shared() {
        assert_eq!(share(1024, 3), 256);
        assert_eq!(share(1024, 1), 768);
        assert_eq!(share(0, 3), 1);
    }
}
