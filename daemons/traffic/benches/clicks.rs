//! Clicks per second of traffic-service on the embedded store against a bare axum server that answers 302, each on one
//! core, the load (wrk) on another, in turns in the same run; and the processor time a click takes.
//!
//! `cargo bench -p tfx-traffic --bench clicks` needs wrk and taskset (Debian: wrk, util-linux) and two cores. Every
//! click that wrk counts must be stored in the end, once. `GEOIP_COUNTRY_DB` adds a geo database.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use axum::{Router, response::Response, routing::any};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tfx_domain::{
    entity::{CampaignSpec, DestinationSpec, Entity, SourceSpec, Spec, StreamSpec},
    report::{Attribution, ReportQuery},
};
use tfx_ports::{
    audit::{AuditEntry, Caller},
    clock,
    config::{ConfigStore, Record},
    entropy,
};
use tfx_service::Shutdown;
use tfx_settings::{Settings, SettingsSource};
use tfx_wiring::{DataDir, FolderLock};
use tokio::net::TcpListener;

const ROUNDS: usize = 3;
const SECONDS: u64 = 5;
const CONNECTIONS: u64 = 64;
/// Who clicks: in turns, as they are common.
const LOAD: &str = r#"
local agents = {
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
  "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)" }
local n = 0
request = function()
  n = n + 1
  local path = "/c/bench?sub1=banner-" .. (n % 50) .. "&keyword=running%20shoes&bid=0.0" .. (n % 9 + 1) .. "&ext=" .. n
  return wrk.format("GET", path, { ["User-Agent"] = agents[n % 6 + 1],
    ["X-Forwarded-For"] = (n % 200 + 20) .. "." .. (n % 251) .. ".7." .. (n % 13),
    ["Accept-Language"] = "de-DE,de;q=0.9,en;q=0.8", ["Referer"] = "https://news.example.org/sports?page=2" })
end
"#;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bare"] => serve_bare(),
        ["full", dir, policy] => serve_full(Path::new(dir), policy),
        _ => compare(),
    }
}

fn compare() {
    for tool in ["wrk", "taskset"] {
        let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(found.is_ok(), "{tool} is missing: apt-get install wrk util-linux");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let script = dir.path().join("load.lua");
    fs::write(&script, LOAD).expect("write");
    let mut figures: Vec<(&str, Vec<Figure>)> = Vec::new();
    for round in 0..ROUNDS {
        for name in ["bare axum 302", "fail_open", "fail_closed"] {
            let folder = dir.path().join(format!("{name}-{round}"));
            let figure = match name {
                "bare axum 302" => measure(&["bare"], &script, None),
                policy => {
                    measure(&["full", folder.to_str().expect("a path"), policy], &script, Some(&folder))
                }
            };
            match figures.iter_mut().find(|(n, _)| *n == name) {
                Some((_, all)) => all.push(figure),
                None => figures.push((name, vec![figure])),
            }
        }
    }
    let bare = median(&figures[0].1);
    println!(
        "{CONNECTIONS} connections, {SECONDS} s, median of {ROUNDS} rounds in turns; one core for the server"
    );
    println!(
        "{:<14} {:>10} {:>7} {:>12} {:>7} {:>9} {:>7}",
        "", "clicks/s", "ratio", "CPU s/100k", "ratio", "p99 ms", "ratio"
    );
    for (name, all) in &figures {
        let f = median(all);
        println!(
            "{name:<14} {:>10.0} {:>7.2} {:>12.2} {:>7.2} {:>9.2} {:>7.2}",
            f.per_second,
            f.per_second / bare.per_second,
            f.cpu_per_100k,
            f.cpu_per_100k / bare.cpu_per_100k,
            f.p99_ms,
            f.p99_ms / bare.p99_ms
        );
    }
}

#[derive(Debug, Clone, Copy)]
struct Figure {
    per_second: f64,
    cpu_per_100k: f64,
    p99_ms: f64,
}

/// Of each figure by itself.
fn median(all: &[Figure]) -> Figure {
    let of = |pick: fn(&Figure) -> f64| {
        let mut values: Vec<f64> = all.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Figure {
        per_second: of(|f| f.per_second),
        cpu_per_100k: of(|f| f.cpu_per_100k),
        p99_ms: of(|f| f.p99_ms),
    }
}

fn measure(arguments: &[&str], script: &Path, folder: Option<&Path>) -> Figure {
    let mut server = Server::start(arguments);
    wrk(&server.url, script, 1); // warm
    let stored = folder.map(|_| server.settled());
    let cpu = server.cpu();
    let load = wrk(&server.url, script, SECONDS);
    let used = server.cpu() - cpu;
    if let Some(before) = stored {
        let deadline = Instant::now() + Duration::from_secs(60);
        // What wrk sent at its very end was answered, but it did not count that.
        while server.stored() - before < load.requests {
            assert!(
                Instant::now() < deadline,
                "{} answered, {} stored",
                load.requests,
                server.stored() - before
            );
            thread::sleep(Duration::from_millis(50));
        }
        let extra = server.stored() - before - load.requests;
        assert!(extra <= CONNECTIONS, "{extra} clicks more than were sent");
    }
    Figure {
        per_second: load.requests as f64 / load.seconds,
        cpu_per_100k: used * 1e5 / load.requests as f64,
        p99_ms: load.p99_ms,
    }
}

struct Load {
    requests: u64,
    seconds: f64,
    p99_ms: f64,
}

fn wrk(url: &str, script: &Path, seconds: u64) -> Load {
    let done = r#"done = function(s, l) io.write(string.format("FIGURES %d %d %d %d\n", s.requests, s.duration, l:percentile(99), s.errors.status)) end"#;
    let whole = script.with_extension("whole.lua");
    fs::write(&whole, format!("{LOAD}\n{done}")).expect("write");
    let connections = CONNECTIONS.to_string();
    let output = Command::new("taskset")
        .args(["-c", "1", "wrk", "-t1", "-c", &connections, "-d", &format!("{seconds}s"), "-s"])
        .arg(&whole)
        .arg(url)
        .output()
        .expect("wrk");
    let text = String::from_utf8_lossy(&output.stdout);
    let line =
        text.lines().find_map(|l| l.strip_prefix("FIGURES ")).unwrap_or_else(|| panic!("wrk said {text}"));
    let numbers: Vec<u64> = line.split(' ').map(|n| n.parse().expect("a number")).collect();
    assert_eq!(numbers[3], 0, "answers that were no redirects");
    Load { requests: numbers[0], seconds: numbers[1] as f64 / 1e6, p99_ms: numbers[2] as f64 / 1e3 }
}

/// A server in a process of its own, on core 0.
struct Server {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
    url: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new("taskset")
            .args(["-c", "0"])
            .arg(env::current_exe().expect("this program"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server");
        let mut answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut url = String::new();
        answers.read_line(&mut url).expect("where it is");
        Self { child, answers, url: url.trim().to_owned() }
    }

    /// Asks the server how many clicks are stored.
    fn stored(&mut self) -> u64 {
        self.child.stdin.as_mut().expect("piped").write_all(b"stored?\n").expect("ask");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer");
        line.trim().parse().expect("a number")
    }

    /// The same, when everything so far is stored.
    fn settled(&mut self) -> u64 {
        let mut before = self.stored();
        loop {
            thread::sleep(Duration::from_millis(500));
            let now = self.stored();
            if now == before {
                return now;
            }
            before = now;
        }
    }

    /// Processor seconds so far.
    fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("stat");
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
        let ticks: f64 = [11, 12].iter().map(|i| fields[*i].parse::<f64>().expect("ticks")).sum();
        ticks / 100.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tfx_service::memory::runtime().expect("a runtime")
}

#[global_allocator]
static ALLOCATOR: tfx_service::memory::Allocator = tfx_service::memory::Allocator;

fn serve_bare() {
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("http://{}", listener.local_addr().expect("bound"));
        let redirect = || async {
            let mut response = Response::new(axum::body::Body::empty());
            *response.status_mut() = StatusCode::FOUND;
            let to = HeaderValue::from_static(
                "https://offer.example/?click=01JZ9V5Q8E4T6ZC3N8M1K2X7YB&sub=banner-7",
            );
            response.headers_mut().insert(header::LOCATION, to);
            response
        };
        axum::serve(listener, Router::new().route("/c/{slug}", any(redirect))).await.expect("served");
    });
}

fn serve_full(dir: &Path, policy: &str) {
    runtime().block_on(async {
        let mut source = SettingsSource::of([
            ("TFX_DATA_DIR", dir.to_str().expect("a path")),
            ("EVENT_WRITE_FAILURE_POLICY", policy),
            ("TRUSTED_PROXY_CIDRS", "127.0.0.1/32"),
        ]);
        if let Some(file) = env::var_os("GEOIP_COUNTRY_DB").map(PathBuf::from) {
            source.set("GEOIP_COUNTRY_DB", file.display().to_string());
        }
        let settings = Arc::new(Settings::read(&source).expect("settings"));
        let data_dir =
            Arc::new(DataDir::open(&settings.data_dir, FolderLock::Exclusive).expect("the folder"));
        let stores = tfx_wiring::embedded(&data_dir).expect("stores");
        configure(&*stores.config).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("http://{}", listener.local_addr().expect("bound"));
        let analytics = Arc::clone(&stores.analytics);
        let handle = tokio::runtime::Handle::current();
        thread::spawn(move || {
            for _ in std::io::stdin().lines() {
                let query = ReportQuery {
                    since: tfx_domain::Timestamp::UNIX_EPOCH,
                    until: clock::now() + Duration::from_secs(60),
                    timezone: "UTC".to_owned(),
                    dimensions: Vec::new(),
                    filters: Vec::new(),
                    attribution: Attribution::Click,
                    test: tfx_domain::event::TestTraffic::Include,
                    max_groups: tfx_domain::report::MAX_GROUPS,
                    apart: std::collections::BTreeMap::new(),
                };
                let rows = handle.block_on(analytics.report(&query)).expect("a report");
                println!("{}", rows.first().map_or(0, |r| r.hits));
            }
        });
        let (_keep, shutdown) = Shutdown::new();
        tfx_traffic::run(settings, data_dir, stores, listener, shutdown).await.expect("served");
    });
}

/// A campaign as people have them: five streams with filters, macros in the URL, a cost parameter.
async fn configure(store: &dyn ConfigStore) {
    let params = json!({ "cost": "bid", "external_id": "ext" });
    let source =
        create::<SourceSpec>(store, json!({ "slug": "push", "name": "Push", "params": params })).await;
    let url = "https://offer.example/?click={click_id}&sub={sub1}&kw={keyword}&os={os}&cc={country}";
    let offer =
        create::<DestinationSpec>(store, json!({ "slug": "offer", "name": "Offer", "url": url })).await;
    let spec = json!({ "slug": "bench", "name": "Bench", "source": source });
    let campaign = create::<CampaignSpec>(store, spec).await;
    let streams = [
        ("tv", json!([{ "field": "device_type", "is": ["tv"] }])),
        ("old", json!([{ "field": "os", "is": ["Windows"] }, { "field": "os_version", "is": ["< 8"] }])),
        ("test", json!([{ "field": "sub1", "is": ["glob:test*"] }, { "field": "bot", "is": ["false"] }])),
        ("lan", json!([{ "field": "ip", "is": ["10.0.0.0/8", "192.168.0.0/16"] }])),
        ("rest", json!([{ "field": "language", "is": ["de", "en"] }])),
    ];
    for (slug, filters) in streams {
        let spec = json!({ "campaign": campaign, "slug": slug, "name": slug, "filters": filters,
            "destinations": [{ "destination": offer }] });
        create::<StreamSpec>(store, spec).await;
    }
}

async fn create<S: Spec>(store: &dyn ConfigStore, spec: Value) -> String {
    let spec: S = serde_json::from_value(spec).expect("a spec");
    let now = clock::now();
    let id = S::new_id(now, entropy::random_u128());
    let entity = Entity { id, version: 1, created_at: now, updated_at: now, spec };
    let record = Record::from_entity(&entity).expect("a record");
    let id = record.id.clone();
    let audit = AuditEntry {
        at: now,
        caller: Caller::named("bench"),
        action: "create".to_owned(),
        kind: S::KIND.noun().to_owned(),
        id: id.clone(),
        version: 1,
        changes: json!({}),
    };
    store.create(record, audit).await.expect("created");
    id
}
