//! Files that change are read anew, off the click path; where no setting names any, files that come and go are seen.

use super::{Database, Databases, FOUND, GeoReader, Stamp, lying_in};
use std::{path::PathBuf, pin::pin, sync::Arc, time::Duration};
use tokio::{task::spawn_blocking, time::sleep};

/// Files as they were when they were looked at.
type FileStamps = Vec<(PathBuf, Option<Stamp>)>;

impl GeoReader {
    /// Looks at the files every `interval` until `stop`. A file counts as changed when it looks the same twice in
    /// a row and other than the one that was read: one that is still being copied is left alone.
    pub async fn watch(self: Arc<Self>, interval: Duration, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let mut before = FileStamps::new();
        loop {
            tokio::select! {
                () = sleep(interval) => {}
                () = stop.as_mut() => return,
            }
            let reader = Arc::clone(&self);
            let span = tracing::Span::current();
            let look = move || {
                let _in = span.entered();
                let now = reader.look();
                reader.reread(&before, &now);
                now
            };
            before = match spawn_blocking(look).await {
                Ok(now) => now,
                Err(error) => {
                    tracing::error!(%error, "reading a geo database panicked");
                    FileStamps::new()
                }
            };
        }
    }

    fn look(&self) -> FileStamps {
        let paths = if self.looked_for {
            lying_in(&self.data_dir)
        } else {
            self.current.load().all.iter().map(|d| d.path.clone()).collect()
        };
        let with_stamp = |path: PathBuf| {
            let stamp = Stamp::of(&path).ok();
            (path, stamp)
        };
        paths.into_iter().map(with_stamp).collect()
    }

    fn reread(&self, before: &FileStamps, now: &FileStamps) {
        let current = self.current.load_full();
        let known = |path: &PathBuf| current.all.iter().find(|d| d.path == *path);
        let settled = |file: &(PathBuf, Option<Stamp>)| before.contains(file);
        let changed = |file: &&(PathBuf, Option<Stamp>)| {
            settled(file) && known(&file.0).is_none_or(|d| d.tried != file.1)
        };
        let gone = current.all.iter().any(|d| !now.iter().any(|(path, _)| *path == d.path));
        if !gone && !now.iter().any(|file| changed(&file)) {
            return;
        }
        let one = |file: &(PathBuf, Option<Stamp>)| match known(&file.0) {
            Some(database) if changed(&file) => {
                let mut database = database.clone();
                database.read();
                Some(database)
            }
            Some(database) => Some(database.clone()),
            None if changed(&file) => Some(Database::open(FOUND, file.0.clone())),
            None => None,
        };
        self.current.store(Arc::new(Databases::of(now.iter().filter_map(one).collect())));
    }
}
