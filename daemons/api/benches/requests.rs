//! Requests per second of api-service, by each kind of credential, beside a bare axum server that asks the same store the
//! same and knows nobody: no credential, no limit, no rule of the configuration, no audit line's caller.
//!
//! `cargo bench -p tfx-api-service --bench requests` needs wrk and taskset (Debian: wrk, util-linux) and two cores, one for
//! the server and one for the load; with `make engines` it measures MongoDB too. Read is a page of 20 of 100 campaigns,
//! write a new campaign each time, which must all be there in the end.
//!
//! Then what a person waits for: from the start of `tfx` to the first byte of `campaign list`, beside the start of a program
//! that does nothing. It takes `target/release/tfx`: `cargo build --release --bin tfx`.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::cast_precision_loss, reason = "figures are small")]

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::header;
use serde_json::{Value, json};
use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};
use tfx_api::{
    Client,
    logins::{CodeProof, CodeRequest},
    tokens::NewToken,
};
use tfx_domain::{
    access::Scope,
    entity::{CampaignSpec, Entity, Kind, Spec, Status},
};
use tfx_ports::{
    audit::{AuditEntry, Caller},
    clock,
    config::{ConfigStore, Record, RecordQuery},
    entropy,
    page::PageRequest,
};
use tfx_service::Shutdown;
use tfx_settings::{Settings, SettingsSource};
use tfx_wiring::{DataDir, FolderLock};
use tokio::net::TcpListener;

const ROUNDS: usize = 3;
const SECONDS: u64 = 4;
const CONNECTIONS: u64 = 32;
const CAMPAIGNS: usize = 100;
const ADMIN: &str = "admin@example.com";
/// Who asks.
const CREDENTIALS: [&str; 4] = ["bare axum, nobody", "admin token", "API token", "session"];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bare", dir] => serve(Path::new(dir), true),
        ["full", dir] => serve(Path::new(dir), false),
        _ => compare(),
    }
}

fn compare() {
    for tool in ["wrk", "taskset"] {
        let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(found.is_ok(), "{tool} is missing: apt-get install wrk util-linux");
    }
    println!(
        "{CONNECTIONS} connections, {SECONDS} s, medians of {ROUNDS} rounds in turns; one core for the server"
    );
    println!("{:<30} {:>9} {:>7} {:>9} {:>7}", "", "reads/s", "ratio", "writes/s", "ratio");
    for (store, engine) in [("SQLite", None), ("MongoDB", mongo_uri())] {
        if store == "MongoDB" && engine.is_none() {
            println!("MongoDB is not there: make engines");
            continue;
        }
        let mut figures = CREDENTIALS.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (credential, all) in CREDENTIALS.into_iter().zip(&mut figures) {
                all.push(measure(credential, engine.as_deref()));
            }
        }
        let figures =
            figures.map(|all| [0, 1].map(|which| median(all.iter().map(|f: &[f64; 2]| f[which]).collect())));
        for (credential, [reads, writes]) in CREDENTIALS.into_iter().zip(figures) {
            let name = format!("{store}, {credential}");
            let [bare_reads, bare_writes] = figures[0];
            println!(
                "{name:<30} {reads:>9.0} {:>7.2} {writes:>9.0} {:>7.2}",
                reads / bare_reads,
                writes / bare_writes
            );
        }
    }
    first_byte();
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Reads and writes a second.
fn measure(credential: &str, engine: Option<&str>) -> [f64; 2] {
    let dir = tempfile::tempdir().expect("a folder");
    let server =
        Server::start(if credential == CREDENTIALS[0] { "bare" } else { "full" }, dir.path(), engine);
    let token = server.token(credential, dir.path());
    let read = format!(
        r#"request = function() return wrk.format("GET", "/api/v1/campaigns?limit=20", {{ ["Authorization"] = "Bearer {token}" }}) end"#
    );
    let write = format!(
        r#"local n = 0
        request = function() n = n + 1
          return wrk.format("POST", "/api/v1/campaigns",
            {{ ["Authorization"] = "Bearer {token}", ["Content-Type"] = "application/json" }},
            '{{"slug":"w' .. n .. '","name":"Written"}}') end"#
    );
    wrk(&server.url, dir.path(), &read, 1); // warm
    let (reads, _) = wrk(&server.url, dir.path(), &read, SECONDS);
    let before = server.campaigns();
    let (writes, answered) = wrk(&server.url, dir.path(), &write, SECONDS);
    let made = server.campaigns() - before;
    // What was sent at the very end was answered, but wrk did not count that.
    assert!((answered..=answered + CONNECTIONS).contains(&made), "{answered} answered, {made} made");
    [reads, writes]
}

/// Requests a second, and how many were answered.
fn wrk(url: &str, dir: &Path, script: &str, seconds: u64) -> (f64, u64) {
    let file = dir.join("load.lua");
    let done = r#"done = function(s, l) io.write(string.format("FIGURES %d %d %d\n", s.requests, s.duration, s.errors.status)) end"#;
    fs::write(&file, format!("{script}\n{done}\n")).expect("write");
    let output = Command::new("taskset")
        .args(["-c", "1", "wrk", "-t1", "-c", &CONNECTIONS.to_string(), "-d", &format!("{seconds}s"), "-s"])
        .args([file.as_os_str(), url.as_ref()])
        .output()
        .expect("wrk");
    let text = String::from_utf8_lossy(&output.stdout);
    let line =
        text.lines().find_map(|l| l.strip_prefix("FIGURES ")).unwrap_or_else(|| panic!("wrk said {text}"));
    let numbers: Vec<u64> = line.split(' ').map(|n| n.parse().expect("a number")).collect();
    assert_eq!(numbers[2], 0, "answers that were refusals");
    (numbers[0] as f64 / (numbers[1] as f64 / 1e6), numbers[0])
}

/// A server in a process of its own, on core 0.
struct Server {
    child: Child,
    url: String,
    runtime: tokio::runtime::Runtime,
    stores: tfx_wiring::Stores,
    /// Of MongoDB: where, and which.
    database: Option<(String, String)>,
}

impl Server {
    fn start(which: &str, dir: &Path, engine: Option<&str>) -> Self {
        let database = format!("tfx_bench_{:012x}", entropy::random_u128() >> 80);
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(env::current_exe().expect("this program")).args([which]).arg(dir);
        let mut settings = vec![("TFX_DATA_DIR", dir.to_str().expect("a path"))];
        if let Some(uri) = engine {
            command.env("MONGO_URI", uri).env("MONGO_DATABASE", &database);
            settings.extend([("MONGO_URI", uri), ("MONGO_DATABASE", &database)]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the server");
        let mut url = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut url).expect("where it is");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let settings = Settings::read(&SettingsSource::of(settings)).expect("settings");
        let data_dir = DataDir::open(dir, FolderLock::Shared).expect("the folder");
        let stores = runtime.block_on(tfx_wiring::open(&settings, &data_dir)).expect("stores");
        let database = engine.map(|uri| (uri.to_owned(), database));
        Self { child, url: url.trim().to_owned(), runtime, stores, database }
    }

    /// What opens the server.
    fn token(&self, credential: &str, dir: &Path) -> String {
        let admin = fs::read_to_string(dir.join("admin.token")).unwrap_or_default().trim().to_owned();
        let api = || Client::new(&self.url, Some(&admin)).expect("a client");
        match credential {
            "API token" => {
                let scopes = vec![Scope::Read, Scope::ReadMoney, Scope::write(Kind::Campaign)];
                let new = NewToken { name: "bench".to_owned(), scopes, expires_at: None };
                self.runtime
                    .block_on(api().create_token(&new))
                    .expect("a token")
                    .token
                    .expect("shown this once")
            }
            "session" => self.runtime.block_on(async {
                let api = api();
                let asked = api.ask_code(&CodeRequest { email: ADMIN.to_owned() }).await.expect("a code");
                let code = asked.code.expect("it is in the answer");
                let proof = CodeProof { email: ADMIN.to_owned(), code };
                api.prove_code(&proof).await.expect("a session").token
            }),
            _ => admin,
        }
    }

    /// How many campaigns there are.
    fn campaigns(&self) -> u64 {
        self.runtime.block_on(async {
            let (mut found, mut cursor) = (0, None);
            loop {
                let page = list(&*self.stores.config, PageRequest { cursor, limit: 1_000 }).await;
                found += page.items.len() as u64;
                match page.next {
                    Some(next) => cursor = Some(next),
                    None => return found,
                }
            }
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What the load left half done is given up first: a transaction of one who died locks the database for a minute.
        thread::sleep(Duration::from_secs(1));
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some((uri, name)) = &self.database {
            self.runtime.block_on(async {
                let client = mongodb::Client::with_uri_str(uri).await.expect("a client");
                client.database(name).drop().await.expect("dropped");
            });
        }
    }
}

async fn list(config: &dyn ConfigStore, page: PageRequest) -> tfx_ports::page::Page<Record> {
    let statuses = vec![Status::Active, Status::Paused];
    config.list(&RecordQuery { kind: Kind::Campaign, parent: None, statuses, page }).await.expect("a page")
}

/// Where MongoDB of `make engines` is.
fn mongo_uri() -> Option<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/engines/env");
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("MONGO_URI=")).map(str::to_owned)
}

#[global_allocator]
static ALLOCATOR: tfx_service::memory::Allocator = tfx_service::memory::Allocator;

fn serve(dir: &Path, bare: bool) {
    tfx_service::memory::runtime().expect("a runtime").block_on(async {
        let mut source = SettingsSource::of([
            ("TFX_DATA_DIR", dir.to_str().expect("a path")),
            ("AUTH_ADMIN_EMAIL", ADMIN),
            ("AUTH_ENV", "test"),
            ("AUTH_DEV_RETURN_OTP", "true"),
            ("AUTH_JWT_SECRET", "a-secret-of-more-than-32-bytes-0123456789"),
            ("API_RATE_LIMIT_PER_MINUTE", "10000000"),
            ("API_WRITE_RATE_LIMIT_PER_MINUTE", "10000000"),
        ]);
        for name in ["MONGO_URI", "MONGO_DATABASE"] {
            if let Ok(value) = env::var(name) {
                source.set(name, value);
            }
        }
        let settings = Arc::new(Settings::read(&source).expect("settings"));
        let data_dir = Arc::new(DataDir::open(dir, FolderLock::Shared).expect("the folder"));
        let stores = tfx_wiring::open(&settings, &data_dir).await.expect("stores");
        for n in 0..CAMPAIGNS {
            create(&*stores.config, &format!("campaign-{n}")).await;
        }
        data_dir.admin_token().expect("a token");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("http://{}", listener.local_addr().expect("bound"));
        if bare {
            let router = Router::new().route("/api/v1/campaigns", get(bare_list).post(bare_create));
            let state = (Arc::clone(&stores.config), Arc::new(AtomicU64::new(0)));
            axum::serve(listener, router.with_state(state)).await.expect("served");
        } else {
            let (_keep, shutdown) = Shutdown::new();
            tfx_api_service::run(settings, data_dir, stores, listener, shutdown).await.expect("served");
        }
    });
}

type Bare = (Arc<dyn ConfigStore>, Arc<AtomicU64>);

async fn bare_list(State((config, _)): State<Bare>) -> Response {
    let page = list(&*config, PageRequest { cursor: None, limit: 20 }).await;
    shown(&json!({ "items": page.items, "next": page.next }))
}

async fn bare_create(State((config, made)): State<Bare>, body: axum::body::Bytes) -> Response {
    let _: Value = serde_json::from_slice(&body).expect("JSON");
    let record = create(&*config, &format!("written-{}", made.fetch_add(1, Relaxed))).await;
    shown(&json!(record))
}

fn shown(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], Body::from(value.to_string())).into_response()
}

async fn create(store: &dyn ConfigStore, slug: &str) -> Record {
    let spec: CampaignSpec = serde_json::from_value(json!({ "slug": slug, "name": slug })).expect("a spec");
    let now = clock::now();
    let id = CampaignSpec::new_id(now, entropy::random_u128());
    let entity = Entity { id, version: 1, created_at: now, updated_at: now, spec };
    let record = Record::from_entity(&entity).expect("a record");
    let audit = AuditEntry {
        at: now,
        caller: Caller::named("bench"),
        action: "create".to_owned(),
        kind: Kind::Campaign.noun().to_owned(),
        id: record.id.clone(),
        version: 1,
        changes: json!({}),
    };
    store.create(record.clone(), audit).await.expect("created");
    record
}

/// From the start of `tfx` to the first byte of `campaign list`.
fn first_byte() {
    const TIMES: usize = 51;
    let tfx = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/tfx");
    if !tfx.exists() {
        println!("{} is not there: cargo build --release --bin tfx", tfx.display());
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start("full", dir.path(), None);
    let token = server.token("admin token", dir.path());
    let run = |program: &PathBuf, arguments: &[&str]| {
        let begun = Instant::now();
        let mut child = Command::new(program)
            .args(arguments)
            .env("API_SERVICE_URL", &server.url)
            .env("TFX_TOKEN", &token)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program");
        let mut first = [0; 1];
        let read = child.stdout.take().expect("piped").read(&mut first).expect("readable");
        let took = begun.elapsed();
        let done = child.wait().expect("it ends");
        assert!(done.success() || read == 1, "{}", program.display());
        took
    };
    let [mut nothing, mut list] = [Vec::new(), Vec::new()];
    for _ in 0..TIMES {
        nothing.push(run(&PathBuf::from("true"), &[]));
        list.push(run(&tfx, &["campaign", "list"]));
    }
    let [nothing, list] =
        [nothing, list].map(|all| median(all.iter().map(Duration::as_secs_f64).collect()) * 1e3);
    println!("first byte of 'tfx campaign list': {list:.1} ms; a program that does nothing: {nothing:.1} ms");
}
