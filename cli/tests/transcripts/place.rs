//! Where lines are typed: a home, a data folder, and perhaps the services running in it.

use serde_json::Value;
use std::{
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The binary under test.
pub(crate) const TFX: &str = env!("CARGO_BIN_EXE_tfx");
/// Far more than anything here takes; a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with everything that tfx reads and writes.
pub(crate) struct Place {
    dir: TempDir,
    services: Option<Services>,
    settings: Vec<(String, String)>,
}

/// `tfx up`, as it says where it is.
struct Services {
    keeper: Child,
    up: Value,
}

/// What became of a line.
pub(crate) struct Done {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

impl Place {
    /// Nothing runs, and nobody answers at the addresses of the services.
    pub(crate) fn empty() -> Self {
        let dir = tempfile::Builder::new().prefix("tfx-transcript-").tempdir().expect("a folder");
        let nowhere = "http://127.0.0.1:1".to_owned();
        let settings = vec![("API_SERVICE_URL".to_owned(), nowhere)];
        let place = Self { dir, services: None, settings };
        std::fs::create_dir_all(place.home()).expect("a home");
        place
    }

    /// With the services, on free ports.
    pub(crate) fn running() -> Self {
        Self::running_with(&[])
    }

    /// The same, with settings of the services.
    pub(crate) fn running_with(settings: &[(&str, &str)]) -> Self {
        let mut place = Self::empty();
        place.start(settings);
        place
    }

    /// Starts the services on the data folder as it is.
    pub(crate) fn start(&mut self, settings: &[(&str, &str)]) {
        // The shell waits for its standard input to end and then ends tfx: also when a test is killed. It keeps no hold of
        // the output, so that the end of tfx is the end of that.
        let script = r#""$0" --output json up & pid=$!; exec >&-; read -r _; kill "$pid"; wait "$pid""#;
        let mut keeper = self
            .command("sh")
            .args(["-c", script, TFX])
            .envs(["API", "TRAFFIC", "POSTBACK"].map(|s| (format!("{s}_SERVICE_ADDR"), "127.0.0.1:0")))
            .env("TRUSTED_PROXY_CIDRS", "127.0.0.1/32")
            .envs(settings.iter().copied())
            .env_remove("API_SERVICE_URL")
            .stdin(Stdio::piped())
            .spawn()
            .expect("tfx up");
        let said = keeper.stdout.take().expect("its output");
        let up = serde_json::Deserializer::from_reader(said).into_iter::<Value>().next();
        let Some(Ok(up)) = up else {
            drop(keeper.stdin.take());
            let mut why = String::new();
            keeper.stderr.take().expect("stderr").read_to_string(&mut why).expect("text");
            panic!("tfx up did not come up: {why}");
        };
        let api = up["api"].as_str().expect("the API's address").trim_end_matches("/api/v1").to_owned();
        self.settings = vec![("API_SERVICE_URL".to_owned(), api)];
        self.services = Some(Services { keeper, up });
    }

    /// Sets a setting for the lines that come.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// The folder in which lines are typed.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where `.config` is.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir().join("home")
    }

    /// Writes a file to be named in lines.
    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.dir().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        std::fs::write(path, text).expect("the file");
    }

    /// A program in this place, with nothing of the environment of the test.
    pub(crate) fn command(&self, program: &str) -> Command {
        let bin = Path::new(TFX).parent().expect("the folder of tfx").display().to_string();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin"))
            .env("HOME", self.home())
            .env("TZ", "UTC")
            .env("COLUMNS", "100")
            .env("TFX_DATA_DIR", self.dir().join("data"))
            .envs(self.settings.iter().map(|(n, v)| (n, v)))
            .current_dir(self.dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Types a line into a shell.
    pub(crate) fn sh(&self, line: &str) -> Done {
        let Output { status, stdout, stderr } =
            self.command("sh").args(["-c", line]).output().expect("a shell");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Done { stdout: text(stdout), stderr: text(stderr), code: status.code() }
    }

    /// Types a line that must succeed, and gives what it printed.
    pub(crate) fn ok(&self, line: &str) -> String {
        let done = self.sh(line);
        assert_eq!(done.code, Some(0), "{line}\n{}{}", done.stdout, done.stderr);
        done.stdout.trim_end().to_owned()
    }

    /// Types a line again and again until it prints this.
    pub(crate) fn until(&self, line: &str, want: &str) {
        let limit = Instant::now() + PATIENCE;
        loop {
            let done = self.sh(line);
            if done.stdout.trim_end() == want {
                return;
            }
            assert!(Instant::now() < limit, "{line}: never {want}; {}{}", done.stdout, done.stderr);
        }
    }

    /// A path of traffic-service.
    pub(crate) fn traffic(&self) -> SocketAddr {
        self.address("tracking_links")
    }

    /// A path of postback-service.
    pub(crate) fn postbacks(&self) -> SocketAddr {
        self.address("postbacks")
    }

    /// A path of api-service.
    pub(crate) fn api(&self) -> SocketAddr {
        self.address("api")
    }

    /// What a setting was set to, last.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Whether services run here.
    pub(crate) fn is_running(&self) -> bool {
        self.services.is_some()
    }

    fn address(&self, of: &str) -> SocketAddr {
        let up = &self.services.as_ref().expect("running services").up;
        let url = up[of].as_str().expect("a URL");
        url.split('/').nth(2).and_then(|host| host.parse().ok()).expect("an address")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(services) = &mut self.services {
            drop(services.keeper.stdin.take());
            let _ = services.keeper.wait();
        }
    }
}
