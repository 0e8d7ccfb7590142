//! Lists of the addresses that networks report from, in files on this machine. A file that changes is read again; one that cannot be
//! read any more counts as it was read last, and one that never could lets nobody in.
//!
//! A file may lie where it is waited for without an end, on a share whose server is away. So each is read by a thread of its own,
//! which nobody waits for but a moment, when a network names a new one.

use ipnet::IpNet;
use std::{
    collections::HashMap,
    fs,
    net::IpAddr,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant, SystemTime},
};
use tfx_ports::files::read_plain;

/// How often it is looked whether a file has changed.
const EVERY: Duration = Duration::from_secs(2);
/// The configuration waits so long for files that are new in it.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// A look that takes longer is told.
const SLOW: Duration = Duration::from_millis(500);
/// The largest file.
const MOST_BYTES: u64 = 4 << 20;

/// Reads a list.
type Reader = fn(&str) -> Result<Vec<IpNet>, String>;

/// The files that networks name.
#[derive(Debug)]
pub(crate) struct AddressFiles {
    files: Mutex<HashMap<String, Arc<ListFile>>>,
    read: Reader,
}

/// A file that is followed as long as it is here.
#[derive(Debug)]
struct ListFile {
    path: String,
    known: Mutex<Known>,
    /// It was looked at.
    looked: Condvar,
}

/// What is known of a file.
#[derive(Debug, Default)]
struct Known {
    /// What was read last; none: nothing ever was.
    good: Option<Arc<[IpNet]>>,
    problem: Option<String>,
    /// Whether it was ever looked at.
    looked: bool,
    /// Since when it is looked at, while it is.
    looking: Option<Instant>,
}

/// A file as it was looked at last.
type Stamp = (SystemTime, u64);

/// Whether an address stands in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    Yes,
    No,
    /// The file was never read.
    Unknown,
}

impl Default for AddressFiles {
    fn default() -> Self {
        Self { files: Mutex::default(), read }
    }
}

impl AddressFiles {
    /// Follows these, and no others; what is new is read at once, if that takes no longer than a moment. Blocks for it.
    pub(crate) fn follow<'p>(&self, paths: impl Iterator<Item = &'p str>) {
        let mut new = Vec::new();
        {
            let mut files = self.files();
            let mut before = std::mem::take(&mut *files);
            for path in paths {
                let file = before.remove(path).or_else(|| files.get(path).cloned());
                let file = file.unwrap_or_else(|| {
                    let file = Arc::new(ListFile::new(path));
                    new.push(Arc::clone(&file));
                    file
                });
                files.insert(path.to_owned(), file);
            }
        }
        new.iter().for_each(|file| file.watched(self.read));
        let until = Instant::now() + FIRST_LOOK;
        new.iter().for_each(|file| file.looked_at(until));
    }

    /// Whether the address stands in that file.
    pub(crate) fn lists(&self, path: &str, ip: IpAddr) -> Listed {
        let file = self.files().get(path).cloned();
        match file.and_then(|file| file.known().good.clone()) {
            None => Listed::Unknown,
            Some(nets) if nets.iter().any(|net| net.contains(&ip)) => Listed::Yes,
            Some(_) => Listed::No,
        }
    }

    /// What is wrong with them, for `/readyz`.
    pub(crate) fn problems(&self) -> Vec<String> {
        let files = self.files();
        let mut all: Vec<String> = files.values().filter_map(|file| file.problem()).collect();
        all.sort();
        all
    }

    fn files(&self) -> MutexGuard<'_, HashMap<String, Arc<ListFile>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ListFile {
    fn new(path: &str) -> Self {
        Self { path: path.to_owned(), known: Mutex::default(), looked: Condvar::new() }
    }

    /// Has it followed by a thread that ends when nobody names it any more.
    fn watched(self: &Arc<Self>, read: Reader) {
        let (file, span) = (Arc::downgrade(self), tracing::Span::current());
        let watch = move || span.in_scope(|| watch(&file, read));
        if let Err(e) = thread::Builder::new().name("addresses".to_owned()).spawn(watch) {
            self.note(Err(format!("there is no thread for it: {e}")));
        }
    }

    /// Waits until it was looked at; says so if that is not to be waited for.
    fn looked_at(&self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.looked.wait_timeout_while(self.known(), left, |known| !known.looked);
        let (known, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let looked = known.looked;
        drop(known);
        if !looked {
            tracing::warn!(
                file = self.path,
                "a list of addresses cannot be read at once; nobody is let in by it until it is"
            );
        }
    }

    /// Reads it if it has changed, or could not be read.
    fn look(&self, seen: &mut Option<Stamp>, read: Reader) {
        let is_good = {
            let mut known = self.known();
            known.looking = Some(Instant::now());
            known.looked && known.problem.is_none()
        };
        let now = fs::metadata(&self.path).and_then(|m| Ok((m.modified()?, m.len()))).ok();
        let changed = !is_good || now.is_none() || now != *seen;
        *seen = now;
        if changed {
            self.note(read(&self.path));
        }
        let mut known = self.known();
        (known.looked, known.looking) = (true, None);
        self.looked.notify_all();
    }

    /// Keeps what was read; tells when that begins to fail, and when it works again.
    fn note(&self, read: Result<Vec<IpNet>, String>) {
        let path = self.path.as_str();
        let mut known = self.known();
        let problem = match read {
            Ok(nets) => {
                tracing::info!(file = path, ranges = nets.len(), "a list of addresses was read");
                known.good = Some(nets.into());
                None
            }
            Err(why) => {
                Some(format!("the list of addresses {path} cannot be read: {why}; {}", known.meanwhile()))
            }
        };
        if let Some(problem) = problem.as_ref().filter(|problem| known.problem.as_ref() != Some(problem)) {
            tracing::warn!(file = path, "{problem}");
        }
        known.problem = problem;
    }

    fn problem(&self) -> Option<String> {
        let known = self.known();
        match known.looking.map(|since| since.elapsed()) {
            Some(time) if time >= SLOW => Some(format!(
                "the list of addresses {} cannot be read: its disk or server has not answered for {} s; {}",
                self.path,
                time.as_secs().max(1),
                known.meanwhile()
            )),
            _ => known.problem.clone(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn meanwhile(&self) -> &'static str {
        if self.good.is_some() { "it counts as it was read last" } else { "nobody is let in by it" }
    }
}

/// Looks at a file every now and then, as long as it is followed.
fn watch(file: &Weak<ListFile>, read: Reader) {
    let mut seen = None;
    while let Some(followed) = file.upgrade() {
        followed.look(&mut seen, read);
        drop(followed);
        thread::sleep(EVERY);
    }
}

/// Addresses and ranges, one a line; what stands behind a # is for people. What a line says instead is told to nobody: the file may be
/// another than was meant.
fn read(path: &str) -> Result<Vec<IpNet>, String> {
    let bytes = read_plain(Path::new(path), MOST_BYTES).map_err(|e| e.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
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

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_file_counts_as_it_was_read_last_and_one_that_never_was_lets_nobody_in() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("adnet.txt").display().to_string();
        let files = AddressFiles::default();
        let [inside, outside] = ["192.0.2.7", "198.51.100.1"].map(ip);
        files.follow([path.as_str()].into_iter());
        let file = Arc::clone(&files.files()[&path]);
        let mut seen = None;
        let mut look = || file.look(&mut seen, read);
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

    /// A share whose server is away answers nobody, and nobody waits for it.
    #[test]
    fn a_file_that_is_waited_for_without_an_end_holds_up_nothing() {
        let waits: Reader = |path| match path {
            "/share/away" => loop {
                thread::park();
            },
            _ => Ok(vec!["192.0.2.0/24".parse().expect("a range")]),
        };
        let files = AddressFiles { read: waits, ..AddressFiles::default() };
        files.follow(["/share/away", "/here"].into_iter());
        let lists = |path| files.lists(path, ip("192.0.2.7"));
        assert_eq!((lists("/share/away"), lists("/here")), (Listed::Unknown, Listed::Yes));
        let told = files.problems();
        assert!(
            told.len() == 1 && told[0].contains("/share/away") && told[0].contains("has not answered"),
            "{told:?}"
        );
        files.follow(["/here"].into_iter());
        assert_eq!(files.problems(), Vec::<String>::new());
    }
}
