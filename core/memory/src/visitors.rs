//! Who was seen where, on disk: written at the end of a run and every few minutes, read at the next start, so that
//! nobody is new again while the analytics store is away. What the file does not have comes back from the store
//! ([`super::restore`]).
//!
//! ```text
//! magic "tfx-seen" | format u32 | names of streams, of destinations: count u32, each length u8 | text
//! | (key u64, entry u64)*, the latest last | keyed hash u64 of everything before
//! ```
//!
//! All numbers are little-endian. A key is a keyed hash, so the file says nothing about a person to anybody else.

use crate::{Memory, names::Names};
use siphasher::sip128::{Hasher128 as _, SipHasher13};
use std::{
    fs::{self, File, OpenOptions},
    hash::{Hash, Hasher as _},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    pin::pin,
    str::FromStr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{task::spawn_blocking, time::sleep};

const MAGIC: &[u8; 8] = b"tfx-seen";
const FORMAT: u32 = 1;
/// How often it is written.
const EVERY: Duration = Duration::from_secs(300);
/// More than this would take too long at a stop; the store has it.
const MAX_ENTRIES: usize = 1 << 25;

/// Writes and hashes.
struct Hashing<W> {
    out: W,
    hasher: SipHasher13,
}

impl<W: Write> Hashing<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.write(bytes);
        self.out.write_all(bytes)
    }

    fn names<I: Clone + Eq + Hash>(&mut self, names: &Names<I>, text: impl Fn(&I) -> &str) -> io::Result<()> {
        let names = names.all();
        self.put(&u32::try_from(names.len()).unwrap_or(0).to_le_bytes())?;
        for name in &names {
            let text = text(name).as_bytes();
            self.put(&[u8::try_from(text.len()).map_err(io::Error::other)?])?;
            self.put(text)?;
        }
        Ok(())
    }
}

/// Takes from the front of bytes.
struct Rest<'b>(&'b [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn names<I: FromStr + Clone + Eq + Hash>(&mut self, names: &Names<I>) -> io::Result<()> {
        for number in 1..=u32::from_le_bytes(self.take()?) {
            let [length] = self.take()?;
            let (text, rest) = self.0.split_at_checked(length.into()).ok_or(io::ErrorKind::UnexpectedEof)?;
            self.0 = rest;
            let name = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
            let name = name.ok_or_else(|| io::Error::other("a name in it is none"))?;
            if names.number(&name) != number {
                return Err(io::Error::other("its names are not in their order"));
            }
        }
        Ok(())
    }
}

impl Memory {
    /// Reads who was seen, before anybody clicks.
    pub fn recall_visitors(&self, file: &Path) {
        match self.read_visitors(file) {
            Ok(entries) => tracing::info!(entries, "visitors of earlier runs are known"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let file = file.display();
                tracing::warn!(%file, %error, "the kept visitors cannot be read; they come back from the analytics store");
            }
        }
    }

    fn read_visitors(&self, file: &Path) -> io::Result<usize> {
        let bytes = fs::read(file)?;
        let (content, hash) = bytes.split_last_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut hasher = self.seen.hasher();
        hasher.write(content);
        if hasher.finish128().h1 != u64::from_le_bytes(*hash) {
            return Err(io::Error::other("it is damaged, or of another installation"));
        }
        let mut rest = Rest(content);
        if rest.take()? != *MAGIC || u32::from_le_bytes(rest.take()?) != FORMAT {
            return Err(io::Error::other(format!("it is not of format {FORMAT}")));
        }
        rest.names(&self.streams)?;
        rest.names(&self.destinations)?;
        let (entries, _) = rest.0.as_chunks::<16>();
        for entry in entries {
            let mut entry = Rest(entry);
            self.seen.put_back(u64::from_le_bytes(entry.take()?), u64::from_le_bytes(entry.take()?));
        }
        Ok(entries.len())
    }

    fn write_visitors(&self, file: &Path) -> io::Result<()> {
        if !self.visited.swap(false, Relaxed) || self.entries() > MAX_ENTRIES {
            return Ok(());
        }
        let temporary = file.with_extension("new");
        let mut options = OpenOptions::new();
        let out = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        let mut to = Hashing { out: BufWriter::new(out), hasher: self.seen.hasher() };
        to.put(MAGIC)?;
        to.put(&FORMAT.to_le_bytes())?;
        // Entries first: their names are known then.
        let entries = self.seen.all();
        to.names(&self.streams, |id| id.as_str())?;
        to.names(&self.destinations, |id| id.as_str())?;
        for (key, entry) in entries {
            to.put(&key.to_le_bytes())?;
            to.put(&entry.to_le_bytes())?;
        }
        let hash = to.hasher.finish128().h1;
        to.out.write_all(&hash.to_le_bytes())?;
        to.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, file)?;
        file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

/// Keeps who was seen every now and then, until `stop`.
pub async fn keep_visitors(memory: Arc<Memory>, file: PathBuf, stop: impl Future<Output = ()> + Send) {
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = sleep(EVERY) => {}
            () = stop.as_mut() => return,
        }
        save_visitors(&memory, file.clone()).await;
    }
}

/// Keeps who was seen until now.
pub async fn save_visitors(memory: &Arc<Memory>, file: PathBuf) {
    let memory = Arc::clone(memory);
    let name = file.clone();
    let write = spawn_blocking(move || memory.write_visitors(&file)).await;
    if let Err(error) = write.map_err(io::Error::other).and_then(|written| written) {
        let file = name.display();
        tracing::warn!(%file, %error, "visitors are not kept on disk; after a restart they come back from the analytics store");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UsageFile;
    use tfx_domain::{
        Timestamp,
        id::{StreamId, VisitorId},
        routing::{Counters as _, Scope},
    };

    fn memory(dir: &Path, key: u8) -> Memory {
        Memory::new(1000, UsageFile::new(dir.join("usage.json")), [key; 16])
    }

    #[test]
    fn who_was_seen_and_bound_is_known_again_and_a_damaged_file_is_left_alone() {
        let dir = tempfile::tempdir().expect("dir");
        let file = dir.path().join("visitors.seen");
        let before = memory(dir.path(), 1);
        let stream: StreamId = "str_0000000000000000001".parse().expect("id");
        let campaign = "cmp_0000000000000000001".parse().expect("id");
        let (in_campaign, at) =
            (Scope::Campaign(&campaign), Timestamp::from_second(1_772_000_000).expect("time"));
        for person in 1..=500 {
            let key = before.seen.key(VisitorId(person), in_campaign);
            before.seen.visit(key, at, before.streams.number(&stream));
        }
        before.visited.store(true, Relaxed);
        before.write_visitors(&file).expect("written");

        let after = memory(dir.path(), 1);
        after.recall_visitors(&file);
        for person in 1..=500 {
            assert_eq!(after.last_seen(VisitorId(person), in_campaign), Some(at));
            assert_eq!(after.bound_stream(VisitorId(person), &campaign), Some(stream.clone()));
        }
        assert_eq!(after.last_seen(VisitorId(501), in_campaign), None);

        let other = memory(dir.path(), 2);
        assert!(other.read_visitors(&file).is_err(), "of another installation");
        let whole = fs::read(&file).expect("bytes");
        for at in [0, 7, 8, 12, 13, 40, whole.len() / 2, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            fs::write(&file, &bytes).expect("write");
            let memory = memory(dir.path(), 1);
            assert!(memory.read_visitors(&file).is_err(), "byte {at}");
            fs::write(&file, &whole[..at]).expect("write");
            assert!(memory.read_visitors(&file).is_err(), "cut at {at}");
            assert_eq!(memory.entries(), 0);
        }
    }
}
