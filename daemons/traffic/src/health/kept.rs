//! Which destinations were down when that was known last, on disk: a start while the store is away goes on from there, rather
//! than send clicks to what is known to be down.

use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use tfx_domain::{Timestamp, id::DestinationId};
use tfx_ports::{LogThrottle, clock, files};
use tokio::task::spawn_blocking;

/// The format of the file; another one is not read.
const FORMAT: u32 = 1;
/// What is larger was not written here: some hundred thousand destinations.
const MOST_BYTES: u64 = 8 << 20;

/// What is in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastKnown {
    format: u32,
    /// Since when no other ones are down, UTC.
    pub(crate) at: Timestamp,
    /// In the order of their ids.
    pub(crate) down: Vec<DestinationId>,
}

/// The file.
#[derive(Debug)]
pub(crate) struct HealthFile {
    path: PathBuf,
    /// What was written last, and what is said where that fails.
    written: Mutex<(Option<Vec<DestinationId>>, LogThrottle)>,
}

impl HealthFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, written: Mutex::default() }
    }

    /// What was known last; none if there is no file, or none that can be read.
    pub(crate) fn last_known(&self) -> Option<LastKnown> {
        match read(&self.path) {
            Ok(kept) => Some(kept),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let file = self.path.display();
                tracing::warn!(%file, %error, "the last known health of destinations cannot be read");
                None
            }
        }
    }

    /// Writes which are down, if they are others than before; what cannot be written is tried again the next time.
    pub(crate) async fn keep(&self, down: &[DestinationId]) {
        if self.written.lock().unwrap_or_else(PoisonError::into_inner).0.as_deref() == Some(down) {
            return;
        }
        let kept = LastKnown { format: FORMAT, at: clock::now(), down: down.to_vec() };
        let path = self.path.clone();
        let written = spawn_blocking(move || {
            files::replace(&path, &serde_json::to_vec(&kept)?)?;
            Ok::<_, io::Error>(kept.down)
        });
        let written = written.await.map_err(io::Error::other).flatten();
        let mut last = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        match written {
            Ok(down) => {
                last.0 = Some(down);
                last.1.over();
            }
            Err(error) if last.1.due() => {
                let file = self.path.display();
                tracing::warn!(%file, %error, "which destinations are down is not kept on disk; without the store the next start would not know it");
            }
            Err(_) => {}
        }
    }
}

fn read(path: &Path) -> io::Result<LastKnown> {
    let mut text = Vec::new();
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut text)?;
    let kept: LastKnown = serde_json::from_slice(&text)?;
    if kept.format != FORMAT {
        let (is, reads) = (kept.format, FORMAT);
        return Err(io::Error::other(format!("it is of format {is}, this program reads {reads}")));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_down_comes_back_and_what_is_broken_does_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("health.json");
        let file = HealthFile::new(path.clone());
        assert_eq!(file.last_known(), None);
        let down: Vec<DestinationId> = vec!["dst_0000000000000000001".parse().expect("an id")];
        file.keep(&down).await;
        assert_eq!(HealthFile::new(path.clone()).last_known().map(|k| k.down), Some(down.clone()));
        // What has not changed is not written again; what has is.
        std::fs::remove_file(&path).expect("removed");
        file.keep(&down).await;
        assert_eq!(file.last_known(), None);
        file.keep(&[]).await;
        assert_eq!(file.last_known().map(|k| k.down), Some(Vec::new()));
        for text in ["", "{", r#"{"format":2,"at":"2026-01-01T00:00:00Z","down":[]}"#] {
            std::fs::write(&path, text).expect("written");
            assert_eq!(file.last_known(), None, "{text}");
        }
    }
}
