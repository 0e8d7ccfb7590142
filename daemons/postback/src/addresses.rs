//! Lists of the addresses that networks report from, in files on this machine. A file that changes is read again; one that cannot be
//! read any more counts as it was read last, and one that never could lets nobody in.

use ipnet::IpNet;
use std::{
    collections::HashMap,
    fs::{self, File},
    io::Read as _,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tfx_service::Shutdown;

/// How often it is looked whether a file has changed.
const EVERY: Duration = Duration::from_secs(2);
/// The largest file.
const MOST_BYTES: u64 = 4 << 20;

/// The files that networks name.
#[derive(Debug, Default)]
pub(crate) struct AddressFiles(Mutex<HashMap<String, ListFile>>);

/// A file as it is known.
#[derive(Debug, Default)]
struct ListFile {
    /// What was read last; none: nothing ever was.
    good: Option<Arc<[IpNet]>>,
    /// What it was like when it was looked at last.
    seen: Option<(SystemTime, u64)>,
    problem: Option<String>,
}

/// Whether an address stands in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    Yes,
    No,
    /// The file was never read.
    Unknown,
}

impl AddressFiles {
    /// Follows these, and no others; what is new is read at once. May block.
    pub(crate) fn follow<'p>(&self, paths: impl Iterator<Item = &'p str>) {
        let mut files = self.files();
        let mut before = std::mem::take(&mut *files);
        for path in paths {
            let file = before.remove(path).unwrap_or_default();
            files.entry(path.to_owned()).or_insert(file);
        }
        files.iter_mut().for_each(|(path, file)| file.look(path));
    }

    /// Whether the address stands in that file.
    pub(crate) fn lists(&self, path: &str, ip: IpAddr) -> Listed {
        let good = self.files().get(path).and_then(|file| file.good.clone());
        match good {
            None => Listed::Unknown,
            Some(nets) if nets.iter().any(|net| net.contains(&ip)) => Listed::Yes,
            Some(_) => Listed::No,
        }
    }

    /// What is wrong with them, for `/readyz`.
    pub(crate) fn problems(&self) -> Vec<String> {
        let files = self.files();
        let mut all: Vec<String> = files.values().filter_map(|file| file.problem.clone()).collect();
        all.sort();
        all
    }

    /// Reads again what changes, until the shutdown.
    pub(crate) async fn work(self: Arc<Self>, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = shutdown.wait() => return,
            }
            let files = Arc::clone(&self);
            let look = move || files.files().iter_mut().for_each(|(path, file)| file.look(path));
            if tokio::task::spawn_blocking(look).await.is_err() {
                return;
            }
        }
    }

    fn files(&self) -> MutexGuard<'_, HashMap<String, ListFile>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ListFile {
    /// Reads it if it has changed; tells when that begins to fail, and when it works again.
    fn look(&mut self, path: &str) {
        let seen = fs::metadata(path).and_then(|m| Ok((m.modified()?, m.len())));
        if self.problem.is_none() && self.seen.is_some() && seen.as_ref().ok() == self.seen.as_ref() {
            return;
        }
        self.seen = seen.ok();
        let problem = match read(path) {
            Ok(nets) => {
                tracing::info!(file = path, ranges = nets.len(), "a list of addresses was read");
                self.good = Some(nets.into());
                None
            }
            Err(why) => {
                let meanwhile = if self.good.is_some() {
                    "it counts as it was read last"
                } else {
                    "nobody is let in by it"
                };
                Some(format!("the list of addresses {path} cannot be read: {why}; {meanwhile}"))
            }
        };
        if let Some(problem) = problem.as_ref().filter(|problem| self.problem.as_ref() != Some(problem)) {
            tracing::warn!(file = path, "{problem}");
        }
        self.problem = problem;
    }
}

/// Addresses and ranges, one a line; what stands behind a # is for people. What a line says instead is told to nobody: the file may be
/// another than was meant.
fn read(path: &str) -> Result<Vec<IpNet>, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    if !file.metadata().is_ok_and(|m| m.is_file()) {
        return Err("it is no file".to_owned());
    }
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(|e| e.to_string())?;
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("it has more than {MOST_BYTES} bytes"));
    }
    let mut nets = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let one = |line: &str| line.parse::<IpAddr>().map(IpNet::from);
        let net = line.parse().or_else(|_| one(line));
        nets.push(
            net.map_err(|_| format!("line {} is no address and no range such as 192.0.2.0/24", n + 1))?,
        );
    }
    if nets.is_empty() {
        return Err("it lists nothing".to_owned());
    }
    Ok(nets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_as_it_was_read_last_and_one_that_never_was_lets_nobody_in() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("adnet.txt").display().to_string();
        let files = AddressFiles::default();
        let look = || files.follow([path.as_str()].into_iter());
        let [inside, outside] =
            ["192.0.2.7", "198.51.100.1"].map(|ip| ip.parse::<IpAddr>().expect("an address"));
        look();
        assert_eq!(files.lists(&path, inside), Listed::Unknown);
        assert!(files.problems()[0].contains("nobody is let in"), "{:?}", files.problems());
        fs::write(&path, "# of AdNet\n192.0.2.0/24 # all of it\n\n2001:db8::1\n").expect("written");
        look();
        assert_eq!((files.lists(&path, inside), files.lists(&path, outside)), (Listed::Yes, Listed::No));
        assert_eq!(files.problems(), Vec::<String>::new());
        for broken in ["192.0.2.0/24\nroot:x:0\n", "", "# nothing\n", "192.0.2.0/99\n", "\u{0}\u{0}"] {
            fs::write(&path, broken).expect("written");
            look();
            assert_eq!(files.lists(&path, inside), Listed::Yes, "{broken:?}");
            let told = files.problems()[0].clone();
            assert!(told.contains("as it was read last") && !told.contains("root"), "{told}");
        }
        fs::remove_file(&path).expect("gone");
        look();
        assert_eq!((files.lists(&path, inside), files.problems().len()), (Listed::Yes, 1));
        fs::write(&path, "198.51.100.1\n").expect("written");
        look();
        assert_eq!((files.lists(&path, inside), files.lists(&path, outside)), (Listed::No, Listed::Yes));
        files.follow(std::iter::empty());
        assert_eq!(files.lists(&path, outside), Listed::Unknown, "no network names it");
    }
}
