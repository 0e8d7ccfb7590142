//! Files that change are read anew, off the click path.

use super::{Database, Databases, GeoReader, Stamp};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tfx_service::Shutdown;
use tokio::{task::spawn_blocking, time::sleep};

impl GeoReader {
    /// Looks at the files every `interval` until the shutdown. A file counts as changed when it looks the same twice in
    /// a row and other than the one that was read: one that is still being copied is left alone.
    pub(crate) async fn watch(self: Arc<Self>, interval: Duration, shutdown: Shutdown) {
        let paths: Vec<PathBuf> = self.current.load().all.iter().map(|d| d.path.clone()).collect();
        if paths.is_empty() {
            return;
        }
        let mut before: Vec<Option<Stamp>> = Vec::new();
        loop {
            tokio::select! {
                () = sleep(interval) => {}
                () = shutdown.wait() => return,
            }
            let looked = paths.clone();
            let look = move || looked.iter().map(|p| Stamp::of(p).ok()).collect::<Vec<_>>();
            let Ok(now) = spawn_blocking(look).await else { continue };
            let settled: Vec<bool> =
                now.iter().enumerate().map(|(i, stamp)| before.get(i) == Some(stamp)).collect();
            before = now;
            let reader = Arc::clone(&self);
            let seen = before.clone();
            let read = move || reader.reread(&seen, &settled);
            if let Err(error) = spawn_blocking(read).await {
                tracing::error!(%error, "reading a geo database panicked");
            }
        }
    }

    fn reread(&self, seen: &[Option<Stamp>], settled: &[bool]) {
        let current = self.current.load_full();
        let changed = |i: usize, d: &Database| settled[i] && d.tried != seen[i];
        if !current.all.iter().enumerate().any(|(i, d)| changed(i, d)) {
            return;
        }
        let mut all = current.all.clone();
        for (_, database) in all.iter_mut().enumerate().filter(|(i, d)| changed(*i, d)) {
            database.read(true);
        }
        self.current.store(Arc::new(Databases::of(all)));
    }
}
