//! Somebody who reads what a command prints while it goes on.

use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// A running command, and the JSON lines that it printed so far. Killed when dropped.
#[derive(Debug)]
pub struct Follower {
    child: Child,
    rows: Arc<Mutex<Vec<Value>>>,
}

impl Follower {
    /// Runs a command and reads so many lines at most, then goes away.
    ///
    /// # Panics
    /// It cannot be run.
    pub fn start(mut command: Command, most: usize) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("run it");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let rows = Arc::<Mutex<Vec<Value>>>::default();
        let read = Arc::clone(&rows);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok).take(most) {
                let row = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
                read.lock().expect("nobody panics while holding it").push(row);
            }
        });
        Self { child, rows }
    }

    /// What was read so far.
    ///
    /// # Panics
    /// A line was no JSON.
    pub fn rows(&self) -> Vec<Value> {
        self.rows.lock().expect("nobody panics while holding it").clone()
    }

    /// SIGINT: Ctrl-C.
    ///
    /// # Panics
    /// It does not run.
    pub fn interrupt(&self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().expect("kill");
        assert!(sent.success(), "it does not run");
    }

    /// Its exit code and what it complained of, once it has ended.
    ///
    /// # Panics
    /// It does not end within half a minute.
    pub async fn ended(mut self) -> (Option<i32>, String) {
        let limit = Instant::now() + Duration::from_secs(30);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                break status;
            }
            assert!(Instant::now() < limit, "it does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let mut said = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        (status.code(), said)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
