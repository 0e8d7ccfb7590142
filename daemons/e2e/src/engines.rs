//! Real engines of one's own: `deploy/local/stack` in a new folder. They and whatever was started on them end with the
//! process that asked for them, however that ends: a shell waits for the end of its input, which only that process
//! holds, and takes everything down.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// Ends what was named to it line by line, if it still runs in the folder, and the engines behind it.
const REAPER: &str = r#"trap '' INT TERM HUP
while read -r pid; do all="$all $pid"; done
for pid in $all; do [ "$(readlink "/proc/$pid/cwd")" = "$2" ] && kill -9 "$pid"; done
for engine in clickhouse broker mongo; do "$1" stop $engine --kill --dir "$2"; done
"$1" down --purge --dir "$2"
rm -rf "$2""#;

/// One of the engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// MongoDB.
    Mongo,
    /// The broker. It keeps topics in memory: a pause leaves them, a stop does not.
    Broker,
    /// ClickHouse.
    ClickHouse,
}

impl Engine {
    const fn name(self) -> &'static str {
        match self {
            Self::Mongo => "mongo",
            Self::Broker => "broker",
            Self::ClickHouse => "clickhouse",
        }
    }
}

/// Engines of one's own.
#[derive(Debug)]
pub struct Engines {
    folder: PathBuf,
    reaper: Mutex<Child>,
}

impl Engines {
    /// Starts all three and waits until they answer.
    ///
    /// # Panics
    /// They do not come up.
    pub fn start() -> Self {
        Self::start_only(&[Engine::Mongo, Engine::Broker, Engine::ClickHouse])
    }

    /// Starts these and waits until they answer.
    ///
    /// # Panics
    /// They do not come up.
    pub fn start_only(only: &[Engine]) -> Self {
        let folder = tempfile::Builder::new().prefix("tfx-engines-").tempdir().expect("a folder").keep();
        let folder = fs::canonicalize(folder).expect("its path");
        let reaper = Command::new("sh")
            .args(["-c", REAPER, "reaper"])
            .args([stack().as_os_str(), folder.as_os_str()])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        let engines = Self { folder, reaper: Mutex::new(reaper) };
        let names: Vec<_> = only.iter().map(|engine| engine.name()).collect();
        engines.run(&["up", "--only", &names.join(",")]);
        engines
    }

    /// Where they are, and where whatever runs on them is to run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A process that is to end with them. It must run in their folder.
    ///
    /// # Panics
    /// Nobody is there to end it.
    pub fn ends_with_them(&self, pid: u32) {
        let mut reaper = self.reaper.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(reaper.stdin.as_mut().expect("piped"), "{pid}").expect("told");
    }

    /// Starts what does not run, lets go on what is paused, waits until all answer.
    ///
    /// # Panics
    /// They do not.
    pub fn up(&self) {
        self.run(&["up"]);
    }

    /// Ends one: gently, or at once (SIGKILL).
    ///
    /// # Panics
    /// It does not run.
    pub fn stop(&self, engine: Engine, at_once: bool) {
        let kill: &[&str] = if at_once { &["--kill"] } else { &[] };
        self.run(&[&["stop", engine.name()], kill].concat());
    }

    /// Starts one again on its port and data.
    ///
    /// # Panics
    /// It does not come up.
    pub fn restart(&self, engine: Engine) {
        self.run(&["start", engine.name()]);
    }

    /// Stops the time of one (SIGSTOP).
    ///
    /// # Panics
    /// It does not run.
    pub fn pause(&self, engine: Engine) {
        self.run(&["pause", engine.name()]);
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Panics
    /// It does not answer then.
    pub fn resume(&self, engine: Engine) {
        self.run(&["resume", engine.name()]);
    }

    /// The settings by which the product reaches them.
    ///
    /// # Panics
    /// They are not up.
    pub fn settings(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.folder.join("env")).expect("the settings of the stack");
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let mut settings: Vec<_> = pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        settings.push(("EVENT_TOPIC_REPLICATION".to_owned(), "1".to_owned())); // One broker.
        settings
    }

    fn run(&self, args: &[&str]) {
        let mut command = Command::new(stack());
        command.args(args).arg("--dir").arg(&self.folder).stdin(Stdio::null());
        let ended = command.output().expect("deploy/local/stack");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "deploy/local/stack {}: {}: {said}", args.join(" "), ended.status);
    }
}

fn stack() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/local/stack")
}
