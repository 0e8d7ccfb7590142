//! What strangers can take of a running system: open files, memory, its time to stop. And what its log says of itself.

#![cfg(target_os = "linux")]

use reqwest::{Client, redirect};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tfx_domain::id::ClickId;
use tfx_e2e::{Up, program};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const TOKEN: &str = "internal-token-of-the-tests";

fn client() -> Client {
    Client::builder().redirect(redirect::Policy::none()).no_proxy().build().expect("client")
}

/// `host:port` of what `tfx up` said.
fn address(up: &Up, field: &str) -> String {
    let url = up.get(field).strip_prefix("http://").expect("a URL");
    url.split('/').next().expect("a host").to_owned()
}

/// Lets a command live with this many open files.
fn with_files(command: &Command, soft: u32, hard: u32) -> Command {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!(r#"ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$0" "$@""#)]);
    limited.arg(command.get_program()).args(command.get_args());
    limited.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.current_dir(std::env::temp_dir());
    limited
}

/// A click, its sale, and the report of both.
async fn all_goes_on(up: &Up, txid: &str) {
    let http = client();
    let click = http.get(up.get("demo_link")).header("user-agent", "Mozilla/5.0 (iPhone)");
    let answer = click.timeout(Duration::from_secs(20)).send().await.expect("an answer");
    let location = answer.headers()["location"].to_str().expect("text").to_owned();
    let id = location.split(['?', '&']).find_map(|p| p.strip_prefix("click_id=")).expect("a click id");
    let url = up.get("demo_postback").replace("{click_id}", id).replace("txid=T1", &format!("txid={txid}"));
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = http.get(&url).timeout(Duration::from_secs(20)).send().await.expect("an answer");
        let said: Value = answer.json().await.expect("JSON");
        if said["result"] == "recorded" || said["result"] == "duplicate" {
            return;
        }
        assert!(Instant::now() < limit, "the sale is not recorded: {said}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Opens connections that say nothing, as far as they are let in.
async fn idle(address: &str, many: usize) -> Vec<TcpStream> {
    let mut all = Vec::with_capacity(many);
    for _ in 0..many {
        all.push(TcpStream::connect(address).await.expect("the listener lives"));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_stop_nobody_under_a_limit_of_1024_files() {
    // With a hard limit above it, the soft one is raised; with none above it, idle ones make place.
    for (soft, hard) in [(1024, 4096), (1024, 1024)] {
        let dir = tempfile::tempdir().expect("dir");
        let settings = [("INTERNAL_TOKEN", TOKEN), ("EVENT_JOURNAL_MAX_BYTES", "1048576")];
        let up = Up::run(with_files(&Up::command(dir.path(), &settings), soft, hard)).expect("it starts");
        let mut held = Vec::new();
        for field in ["tracking_links", "postbacks", "api"] {
            held.extend(idle(&address(&up, field), 1000).await);
            all_goes_on(&up, field).await;
        }
        up.api().whoami().await.expect("the API answers");
        let open = fs::read_dir(format!("/proc/{}/fd", up.pid())).expect("its files").count();
        assert!(open <= hard as usize - 100, "{open} files of {hard} are open");
        drop(held);
        assert_eq!(up.terminate().0, Some(0));
    }
}

/// Memory of a process in MiB.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

/// Of the memory of an attack, what may stay, MiB; and when the rest must be back with the system.
const KEPT: u64 = 24;
const GIVEN_BACK: Duration = Duration::from_secs(30);

/// Begins what never ends, on many connections; as far as it is taken within a second each.
async fn begun(address: &str, many: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let mut all = Vec::with_capacity(many);
    for _ in 0..many {
        let mut stream = TcpStream::connect(address).await.expect("the listener lives");
        let _ = timeout(Duration::from_secs(1), stream.write_all(bytes)).await;
        all.push(stream);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_heads_that_never_end_take_little_memory() {
    let dir = tempfile::tempdir().expect("dir");
    let up = Up::start(dir.path(), &[("INTERNAL_TOKEN", TOKEN)]);
    all_goes_on(&up, "before").await;
    let (pid, before) = (up.pid(), resident(up.pid()));
    let secret = up.get("demo_postback").split("secret=").nth(1).expect("a secret");
    let secret = secret.split('&').next().expect("a secret");
    let rest = "x".repeat(1 << 20);
    let post = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1048576\r\n\r\n{}",
            &rest[1..]
        )
    };
    let head = format!("GET /c/demo HTTP/1.1\r\nHost: x\r\nX: {}", &rest[..60_000]);
    let attacks = [
        ("1,500 bodies to postback-service", "postbacks", 1500, post("/postback/demo")),
        ("1,500 bodies with a secret", "postbacks", 1500, post(&format!("/postback/demo?secret={secret}"))),
        ("1,500 bodies to api-service", "api", 1500, post("/api/v1/campaigns")),
        ("4,000 heads", "tracking_links", 4000, head),
    ];
    for (name, field, many, bytes) in attacks {
        let held = begun(&address(&up, field), many, bytes.as_bytes()).await;
        all_goes_on(&up, name.split(' ').next_back().expect("a word")).await;
        let during = resident(pid);
        assert!(during < before + 320, "{name}: {during} MiB, before {before} MiB");
        drop(held);
        let left = Instant::now();
        while resident(pid) > before + KEPT {
            let now = resident(pid);
            assert!(left.elapsed() < GIVEN_BACK, "{name}: {now} MiB are kept, before {before} MiB");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let (after, took) = (resident(pid), left.elapsed().as_secs_f32());
        println!("{name}: {before} MiB before, {during} during, {after} {took:.1} s after they left");
    }
    assert_eq!(up.terminate().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_keeps_its_grace_when_somebody_has_locked_a_file() {
    let dir = tempfile::tempdir().expect("dir");
    let settings = [("SHUTDOWN_GRACE_MS", "3000"), ("EVENT_BATCH_TIMEOUT_MS", "1")];
    let up = Up::start(dir.path(), &settings);
    all_goes_on(&up, "before").await;
    let locked: Vec<_> = ["events.db", "config.db"]
        .map(|file| {
            let other = rusqlite::Connection::open(dir.path().join(file)).expect("open");
            other.execute_batch("BEGIN IMMEDIATE").expect("locked");
            other
        })
        .into();
    let http = client();
    for _ in 0..20 {
        let click = http.get(up.get("demo_link")).header("user-agent", "Mozilla/5.0 (iPhone)");
        assert_eq!(click.send().await.expect("an answer").status(), 302);
    }
    let (code, took) = up.terminate();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_millis(3500), "{took:?}");
    drop(locked);
    // What was not delivered waited in the journal.
    let up = Up::start(dir.path(), &[]);
    let limit = Instant::now() + Duration::from_secs(20);
    loop {
        let mut stored = 0;
        tfx_e2e::every_click(&up.api(), |_| stored += 1).await;
        if stored == 21 {
            break;
        }
        assert!(Instant::now() < limit, "{stored} of 21 clicks are stored");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(up.terminate().0, Some(0));
}

/// Starts a program with its log in a file.
fn logging(mut command: Command, dir: &Path) -> Child {
    let file = fs::File::create(dir.join("log")).expect("a file");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn().expect("run it")
}

fn lines(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join("log")).expect("the log");
    let json = text.lines().filter(|l| l.starts_with('{'));
    json.map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_of_the_log_names_its_service_and_starts_say_with_what() {
    let dir = tempfile::tempdir().expect("dir");
    let data = dir.path().join("data");
    let mut command = Up::command(&data, &[("LOG_LEVEL", "info"), ("INTERNAL_TOKEN", TOKEN)]);
    command.args(["--quiet"]);
    let mut child = logging(command, dir.path());
    let mut said = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut said).expect("read");
    let said: Value = serde_json::from_str(&said).expect("a JSON line");
    let http = client();
    for (field, path) in
        [("tracking_links", "/c/none"), ("postbacks", "/postback/none"), ("api", "/api/v1/whoami")]
    {
        let base = said[field].as_str().expect("a URL");
        let base = format!("http://{}", base.trim_start_matches("http://").split('/').next().expect("host"));
        http.get(format!("{base}{path}")).send().await.expect("an answer");
    }
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success() && child.wait().expect("ends").success());

    let lines = lines(dir.path());
    let names: BTreeSet<&str> = lines.iter().map(|l| l["service"].as_str().expect("a service")).collect();
    assert_eq!(Vec::from_iter(names), ["api-service", "postback-service", "tfx", "traffic-service"]);
    let start = lines.iter().find(|l| l["message"] == "starting").expect("a start");
    assert_eq!(start["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&start["store"], &start["events"], &start["analytics"]),
        (&"sqlite".into(), &"sqlite".into(), &"sqlite".into())
    );
    assert_eq!(start["data_dir"], data.to_str().expect("path"));
    let requests: Vec<&Value> = lines.iter().filter(|l| l["message"] == "request").collect();
    for (path, service) in [
        ("/c/none", "traffic-service"),
        ("/postback/none", "postback-service"),
        ("/api/v1/whoami", "api-service"),
    ] {
        let line = requests.iter().find(|l| l["path"] == path).expect("a line");
        assert_eq!(line["service"], service);
        let click = line["click_id"].as_str().map(|id| id.parse::<ClickId>().is_ok());
        assert_eq!(click, (path == "/c/none").then_some(true), "{line}");
    }
    for request in requests {
        let latency = request["latency_ms"].as_number().expect("a number").to_string();
        assert!(latency.split('.').nth(1).is_none_or(|d| d.len() <= 3), "{latency}");
    }
    for service in ["traffic-service", "postback-service"] {
        let flushed = lines.iter().find(|l| l["message"] == "events flushed" && l["service"] == service);
        let flushed = flushed.expect("a line");
        for counter in ["write_calls_total", "delivered_total", "write_failure_total", "dropped_total"] {
            assert!(flushed[counter].is_u64(), "{counter} in {flushed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_ready_logs_why() {
    let dir = tempfile::tempdir().expect("dir");
    let mut command = program("traffic-service");
    command
        .env("TFX_DATA_DIR", dir.path().join("data"))
        .env("MONGO_URI", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300");
    let mut child = logging(command, dir.path());
    let limit = Instant::now() + Duration::from_secs(40);
    let address = loop {
        if let Some(line) = lines_so_far(dir.path()).iter().find(|l| l["message"] == "listening") {
            break line["addr"].as_str().expect("an address").to_owned();
        }
        assert!(Instant::now() < limit, "it does not listen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let mut stream = TcpStream::connect(&address).await.expect("connect");
    let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let _ = child.kill();
    child.wait().expect("reaped");
    let lines = lines(dir.path());
    let why = lines.iter().find(|l| l["message"] == "not ready").expect("a line");
    assert_eq!((&why["service"], &why["level"]), (&"traffic-service".into(), &"ERROR".into()));
    assert!(why["error"].as_str().is_some_and(|e| e.contains("config: ")), "{why}");
}

/// The lines that are whole.
fn lines_so_far(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join("log")).expect("the log");
    text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
}
