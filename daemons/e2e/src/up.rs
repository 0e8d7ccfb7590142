//! A running `tfx up`.

use serde_json::Value;
use std::{
    io::{self, BufRead, BufReader, Read},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tfx_api::Client;

/// Where each service is told to listen.
const ADDRESSES: [&str; 3] = ["API_SERVICE_ADDR", "TRAFFIC_SERVICE_ADDR", "POSTBACK_SERVICE_ADDR"];

/// A program of ours beside the running test.
///
/// # Panics
/// It is not built.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of the test");
    let profile = test.parent().and_then(Path::parent).expect("target/PROFILE/deps");
    let path = profile.join(name);
    assert!(
        path.is_file(),
        "{} is missing: 'cargo build --bins' builds it, and so does 'cargo test --workspace'",
        path.display()
    );
    path
}

/// A running `tfx up --demo`; killed when dropped.
#[derive(Debug)]
pub struct Up {
    child: Child,
    /// What it printed when it was ready.
    pub said: Value,
    /// Its administrator's token.
    pub token: String,
}

impl Up {
    /// Starts it on free ports and waits until it says where it is.
    ///
    /// # Panics
    /// It does not come up; with what it said.
    pub fn start(data_dir: &Path, settings: &[(&str, &str)]) -> Self {
        Self::try_start(data_dir, settings).unwrap_or_else(|said| panic!("tfx up did not come up: {said}"))
    }

    /// Starts it on free ports, or tells what it said when it did not come up.
    ///
    /// # Errors
    /// Its exit code and what it wrote to stderr.
    ///
    /// # Panics
    /// The binary cannot be run.
    pub fn try_start(data_dir: &Path, settings: &[(&str, &str)]) -> Result<Self, String> {
        Self::run(Self::command(data_dir, settings))
    }

    /// The command that starts it on free ports.
    ///
    /// # Panics
    /// The binary is not built.
    pub fn command(data_dir: &Path, settings: &[(&str, &str)]) -> Command {
        let mut command = program("tfx");
        command.args(["up", "--demo", "--output", "jsonl"]).env("TFX_DATA_DIR", data_dir);
        command.envs(settings.iter().copied());
        command
    }

    /// Runs such a command.
    ///
    /// # Errors
    /// Its exit code and what it wrote to stderr.
    ///
    /// # Panics
    /// The binary cannot be run.
    pub fn run(mut command: Command) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("run tfx");
        let stdout = child.stdout.take().expect("piped");
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line).expect("read its output");
        if read == 0 {
            let mut said = String::new();
            child.stderr.take().expect("piped").read_to_string(&mut said).expect("read its errors");
            let status = child.wait().expect("wait");
            return Err(format!("{status}: {said}"));
        }
        // What it says later must not fill the pipe and stop it.
        let mut errors = child.stderr.take().expect("piped");
        std::thread::spawn(move || io::copy(&mut errors, &mut io::sink()));
        let said: Value = serde_json::from_str(&line).expect("a JSON line");
        let token = std::fs::read_to_string(text(&said, "token_file")).expect("token file").trim().to_owned();
        Ok(Self { child, said, token })
    }

    /// A text it said.
    pub fn get(&self, field: &str) -> &str {
        text(&self.said, field)
    }

    /// A client of its API.
    ///
    /// # Panics
    /// It said no URL.
    pub fn api(&self) -> Client {
        let url = self.get("api").trim_end_matches("/api/v1");
        Client::new(url, Some(&self.token)).expect("client")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: the process gets no chance to do anything.
    ///
    /// # Panics
    /// It cannot be killed.
    pub fn kill(mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("reap");
    }

    /// SIGTERM, and how it ended and when.
    ///
    /// # Panics
    /// It does not end within 30 s.
    pub fn terminate(mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        let sent = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().expect("kill");
        assert!(sent.success());
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return (status.code(), begun.elapsed());
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// A program of ours that knows nothing of who runs the tests: no environment, no profile, no `.env`. It listens on a
/// free port unless it is told otherwise.
///
/// # Panics
/// It is not built.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(binary(name));
    command.env_clear().env("HOME", "/nonexistent").current_dir(std::env::temp_dir());
    for name in ADDRESSES {
        command.env(name, "127.0.0.1:0");
    }
    command
}

/// Addresses that nobody listens at, one for each service: for processes that are to come back where they were.
///
/// # Panics
/// There is no port.
pub fn free_addresses() -> [String; 3] {
    // All are held until each has one.
    let held = ADDRESSES.map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    held.map(|listener| listener.local_addr().expect("bound").to_string())
}
