//! The three services as processes of their own, on ports that stay the same when one is started again.

use crate::{Engines, up::binary};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tfx_api::Client;

/// The bearer token of `/internal/*` and `/metrics`.
const INTERNAL: &str = "internal-token-of-the-tests";

/// One of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// api-service.
    Api,
    /// traffic-service.
    Traffic,
    /// postback-service.
    Postback,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Api, Self::Traffic, Self::Postback];

    const fn program(self) -> &'static str {
        match self {
            Self::Api => "api-service",
            Self::Traffic => "traffic-service",
            Self::Postback => "postback-service",
        }
    }

    const fn address(self) -> &'static str {
        match self {
            Self::Api => "API_SERVICE_ADDR",
            Self::Traffic => "TRAFFIC_SERVICE_ADDR",
            Self::Postback => "POSTBACK_SERVICE_ADDR",
        }
    }

    const fn url(self) -> &'static str {
        match self {
            Self::Api => "API_SERVICE_URL",
            Self::Traffic => "TRAFFIC_SERVICE_URL",
            Self::Postback => "POSTBACK_SERVICE_URL",
        }
    }
}

/// The three services on one data folder of their own. Killed when dropped.
#[derive(Debug)]
pub struct Services {
    /// None: embedded.
    engines: Option<Arc<Engines>>,
    dir: TempDir,
    settings: BTreeMap<String, String>,
    running: BTreeMap<Service, Child>,
    http: reqwest::Client,
}

impl Services {
    /// Ports and a folder; nothing runs yet. `more` is set beside what leads to the engines, and wins.
    ///
    /// # Panics
    /// There is no port or no room for a folder.
    pub fn new(engines: Arc<Engines>, more: &[(&str, &str)]) -> Self {
        Self::with(Some(engines), more)
    }

    /// The same on the embedded stores.
    ///
    /// # Panics
    /// There is no port or no room for a folder.
    pub fn embedded(more: &[(&str, &str)]) -> Self {
        Self::with(None, more)
    }

    fn with(engines: Option<Arc<Engines>>, more: &[(&str, &str)]) -> Self {
        let place = engines.as_ref().map_or_else(std::env::temp_dir, |e| e.folder().to_owned());
        let dir = tempfile::Builder::new().prefix("services-").tempdir_in(place).expect("a folder");
        let mut settings = BTreeMap::new();
        settings.extend(engines.iter().flat_map(|e| e.settings()));
        settings.insert("TFX_DATA_DIR".to_owned(), dir.path().display().to_string());
        settings.insert("INTERNAL_TOKEN".to_owned(), INTERNAL.to_owned());
        // All are held until each has one.
        let ports = Service::ALL.map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        for (service, port) in Service::ALL.iter().zip(&ports) {
            let address = port.local_addr().expect("bound").to_string();
            settings.insert(service.url().to_owned(), format!("http://{address}"));
            settings.insert(service.address().to_owned(), address);
        }
        settings.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
        Self { engines, dir, settings, running: BTreeMap::new(), http: http.build().expect("a client") }
    }

    /// Changes a setting, for what is started from then on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(name.to_owned(), value.to_owned());
    }

    /// The value of a setting.
    ///
    /// # Panics
    /// It has none.
    pub fn setting(&self, name: &str) -> &str {
        self.settings.get(name).unwrap_or_else(|| panic!("{name} is not set"))
    }

    /// Where a service answers.
    pub fn url(&self, service: Service) -> &str {
        self.setting(service.url())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(binary(program));
        let place = self.engines.as_ref().map_or(self.dir.path(), |e| e.folder());
        command.env_clear().envs(&self.settings).current_dir(place).stdin(Stdio::null());
        command
    }

    /// Where a service writes its log.
    pub fn log(&self, service: Service) -> PathBuf {
        self.dir.path().join(format!("{}.log", service.program()))
    }

    /// Starts a service; does not wait for it.
    ///
    /// # Panics
    /// It runs already, or its program is not built.
    pub fn start(&mut self, service: Service) {
        let log = File::options().append(true).create(true).open(self.log(service)).expect("a log");
        let both = (log.try_clone().expect("a handle"), log);
        let child = self.command(service.program()).stdout(both.0).stderr(both.1).spawn().expect("run it");
        if let Some(engines) = &self.engines {
            engines.ends_with_them(child.id());
        }
        assert!(self.running.insert(service, child).is_none(), "{service:?} runs already");
    }

    /// SIGKILL: it gets no chance to do anything.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill(&mut self, service: Service) {
        let mut child = self.running.remove(&service).expect("it runs");
        child.kill().expect("kill");
        child.wait().expect("reap");
    }

    /// Stops the time of a service (SIGSTOP).
    ///
    /// # Panics
    /// It does not run.
    pub fn pause(&self, service: Service) {
        self.signal(service, "-STOP");
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Panics
    /// It does not run.
    pub fn resume(&self, service: Service) {
        self.signal(service, "-CONT");
    }

    fn signal(&self, service: Service, signal: &str) {
        let pid = self.running[&service].id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("kill");
        assert!(sent.success(), "{service:?} takes no {signal}");
    }

    /// Runs a service that is to end by itself: its exit code and what it said.
    ///
    /// # Panics
    /// It cannot be run.
    pub fn refused(&self, service: Service) -> (Option<i32>, String) {
        let ended = self.command(service.program()).output().expect("run it");
        (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
    }

    /// What `/readyz` of a service says, once it says what `wanted` wants.
    ///
    /// # Panics
    /// It does not within a minute, with what it said last.
    pub async fn until_ready(&self, service: Service, wanted: impl Fn(u16, &Value) -> bool) -> Value {
        let (url, limit) =
            (format!("{}/readyz", self.url(service)), Instant::now() + Duration::from_secs(60));
        loop {
            let mut said = "it does not answer".to_owned();
            if let Ok(answer) = self.http.get(&url).send().await {
                let status = answer.status().as_u16();
                let report: Value = answer.json().await.unwrap_or_default();
                if wanted(status, &report) {
                    return report;
                }
                said = format!("{status} {report}");
            }
            assert!(Instant::now() < limit, "{service:?}: {said}\n{}", self.tail(service));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A document for operators: `/internal/event-producer/stats`.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn counters(&self, service: Service) -> Value {
        let url = format!("{}/internal/event-producer/stats", self.url(service));
        let answer = self.http.get(url).bearer_auth(INTERNAL).send().await.expect("an answer");
        answer.json().await.expect("a document")
    }

    /// The value of a metric without labels beyond those of its service.
    ///
    /// # Panics
    /// There is no answer, or no such metric.
    pub async fn metric(&self, service: Service, name: &str) -> f64 {
        let text = self.metrics(service).await;
        let line = text.lines().find(|l| l.strip_prefix(name).is_some_and(|r| r.starts_with(['{', ' '])));
        let value = line.and_then(|l| l.rsplit(' ').next()).and_then(|v| v.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in {text}"))
    }

    /// The sum of a metric over all its labels; 0 if there is none.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn metric_sum(&self, service: Service, name: &str) -> f64 {
        let text = self.metrics(service).await;
        let lines = text.lines().filter(|l| l.strip_prefix(name).is_some_and(|r| r.starts_with(['{', ' '])));
        lines.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    async fn metrics(&self, service: Service) -> String {
        let url = format!("{}/metrics", self.url(service));
        let answer = self.http.get(url).bearer_auth(INTERNAL).send().await.expect("an answer");
        answer.text().await.expect("a text")
    }

    /// Processor seconds of a service since it was started.
    ///
    /// # Panics
    /// It does not run.
    pub fn processor_seconds(&self, service: Service) -> f64 {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", self.running[&service].id())).expect("it runs");
        // The name may hold anything; behind it come the state and numbers, of which the 11th and 12th are times.
        let times = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
        times.map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / 100.0
    }

    /// The administrator's token.
    ///
    /// # Panics
    /// There is none yet.
    pub fn token(&self) -> String {
        let token = fs::read_to_string(self.dir.path().join("admin.token")).expect("the token");
        token.trim().to_owned()
    }

    /// A client of the API.
    ///
    /// # Panics
    /// There is no token yet.
    pub fn api(&self) -> Client {
        Client::new(self.url(Service::Api), Some(&self.token())).expect("a client")
    }

    /// `tfx`, set up for these services.
    pub fn tfx(&self, args: &[&str]) -> Command {
        let mut command = self.command("tfx");
        command.args(args);
        command
    }

    /// What `tfx` prints.
    ///
    /// # Panics
    /// It fails.
    pub fn said(&self, args: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.tfx(args).output().expect("run tfx");
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "tfx {}: {status}: {stderr}", args.join(" "));
        String::from_utf8(stdout).expect("text")
    }

    /// The exit code of a `tfx` that fails, and what it complains of.
    ///
    /// # Panics
    /// It does not fail.
    pub fn complaint(&self, args: &[&str]) -> (Option<i32>, String) {
        let ended = self.tfx(args).output().expect("run tfx");
        assert!(!ended.status.success(), "tfx {} works", args.join(" "));
        (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
    }

    fn tail(&self, service: Service) -> String {
        let text = fs::read_to_string(self.log(service)).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for child in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
