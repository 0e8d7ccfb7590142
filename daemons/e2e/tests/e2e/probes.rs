//! Destinations whose servers are broken in every way: each probe ends, by a name that the log, the history and `tfx
//! health` tell, and none keeps the others waiting.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tfx_domain::entity::Kind;
use tfx_e2e::{Service, Services};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::block_in_place,
    time::sleep,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, rustls::pki_types::PrivateKeyDer};

const LIMIT: Duration = Duration::from_secs(120);

/// How a server deals with a connection.
#[derive(Clone)]
enum Manner {
    /// Says this once it has read the request, and closes.
    Says(&'static str),
    /// Says the first once it has read the request, then the second until nobody reads any more.
    Floods(&'static str, Vec<u8>),
    /// Says the first once it has read the request, then the second every now and then.
    Drips(&'static str, &'static str),
    /// Says it before it reads, and then waits.
    SaysFirst(&'static str),
    /// Closes at once.
    Closes,
    /// A certificate that it signs itself, valid from and to the first of January of these years.
    SelfSigned(i32, i32),
}

/// A server of others on this machine: its port, and how often it was asked.
struct Server {
    port: u16,
    asked: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
}

impl Server {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let [asked, sent] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let (count, bytes) = (Arc::clone(&asked), Arc::clone(&sent));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, SeqCst);
                tokio::spawn(answer(stream, manner.clone(), Arc::clone(&bytes)));
            }
        });
        Self { port, asked, sent }
    }
}

async fn answer(mut stream: TcpStream, manner: Manner, sent: Arc<AtomicUsize>) {
    match manner {
        Manner::Says(text) => {
            head(&mut stream).await;
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Manner::Floods(first, then) => {
            head(&mut stream).await;
            let _ = stream.write_all(first.as_bytes()).await;
            while stream.write_all(&then).await.is_ok() {
                sent.fetch_add(then.len(), SeqCst);
                // Nobody stops answers before the answer but the time: not as many as this machine can send.
                if then.starts_with(b"HTTP") {
                    sleep(Duration::from_millis(1)).await;
                }
            }
        }
        Manner::Drips(first, then) => {
            head(&mut stream).await;
            let _ = stream.write_all(first.as_bytes()).await;
            while stream.write_all(then.as_bytes()).await.is_ok() {
                sleep(Duration::from_millis(50)).await;
            }
        }
        Manner::SaysFirst(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            sleep(Duration::from_millis(300)).await;
            head(&mut stream).await;
        }
        Manner::Closes => {}
        Manner::SelfSigned(from, to) => {
            let _ = acceptor(from, to).accept(stream).await;
        }
    }
}

async fn head(stream: &mut TcpStream) {
    let (mut read, mut part) = (Vec::new(), [0; 1024]);
    while !read.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(n) => read.extend_from_slice(&part[..n]),
        }
    }
}

fn acceptor(from: i32, to: i32) -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    let certificate = params.self_signed(&key).expect("a certificate").der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    TlsAcceptor::from(Arc::new(config.expect("a certificate")))
}

/// A destination: what its URL is made of (`PORT` is its server's), how that server behaves, and the names that a probe of
/// it may end by: a status, or a word for why there is none.
type Row = (&'static str, &'static str, Manner, &'static [&'static str]);

fn table() -> Vec<Row> {
    let ok = "HTTP/1.1 200 OK\r\n";
    let http = "http://localhost:PORT/";
    let https = "https://localhost:PORT/";
    let large = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
    vec![
        ("good", http, Manner::Says("HTTP/1.1 204 x\r\n\r\n"), &["204"]),
        (
            "redirect",
            http,
            Manner::Says("HTTP/1.1 302 x\r\nlocation: http://localhost:TRAP/\r\n\r\n"),
            &["302"],
        ),
        ("error", http, Manner::Says("HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n"), &["503"]),
        ("silent", http, Manner::Drips("", ""), &["timed_out"]),
        ("slow-head", http, Manner::Drips("HTTP/1.1 200 OK\r\n", "x: y\r\n"), &["timed_out"]),
        ("long-head", http, Manner::Floods(ok, b"x: y\r\n".repeat(50)), &["bad_answer"]),
        ("long-line", http, Manner::Floods(ok, vec![b'x'; 1024]), &["bad_answer"]),
        ("continues", http, Manner::Floods("", b"HTTP/1.1 100 Continue\r\n\r\n".repeat(30)), &["timed_out"]),
        (
            "hints",
            http,
            Manner::Floods("", b"HTTP/1.1 103 x\r\nlink: </x>\r\n\r\n".repeat(20)),
            &["timed_out"],
        ),
        ("endless", http, Manner::Floods("HTTP/1.1 200 OK\r\n\r\n", large.clone()), &["200"]),
        (
            "large",
            http,
            Manner::Floods("HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n", large.clone()),
            &["200"],
        ),
        (
            "chunks",
            http,
            Manner::Floods("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", large.clone()),
            &["200"],
        ),
        ("bomb", http, Manner::Floods("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", large), &["200"]),
        ("slow-body", http, Manner::Drips("HTTP/1.1 200 OK\r\n\r\n", "x"), &["200"]),
        ("breaks-off", http, Manner::Says("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"), &["200"]),
        ("half-head", http, Manner::Says("HTTP/1.1 2"), &["closed"]),
        ("closes", http, Manner::Closes, &["closed", "connect"]),
        // Which of the two is seen first is up to the network.
        ("early", http, Manner::SaysFirst("HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n"), &["503", "closed"]),
        ("no-http", http, Manner::Says("SSH-2.0-OpenSSH_9.2\r\n"), &["bad_answer"]),
        ("no-tls", https, Manner::SaysFirst("HTTP/1.1 400 no TLS\r\n\r\n"), &["tls"]),
        ("self-signed", https, Manner::SelfSigned(2020, 4000), &["tls_untrusted"]),
        ("expired", https, Manner::SelfSigned(2020, 2021), &["tls_expired"]),
        ("not-yet", https, Manner::SelfSigned(3000, 4000), &["tls_expired"]),
        ("no-name", "http://nobody.invalid:PORT/", Manner::Closes, &["no_such_name", "lookup"]),
        ("nobody", "http://localhost:1/", Manner::Closes, &["connect"]),
    ]
}

/// Waits until `look` finds something.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(begun.elapsed() < LIMIT, "{what}: not in time: {seen}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Status or failure.
fn outcome(row: &Value) -> String {
    row["status"]
        .as_u64()
        .map_or_else(|| row["failure"].as_str().unwrap_or("?").to_owned(), |s| s.to_string())
}

/// Services that probe every two seconds, and the destinations of the table with their servers.
async fn started() -> (Services, BTreeMap<&'static str, Server>, Server) {
    let mut services = Services::embedded(&[
        ("OUTBOUND_ALLOW_PRIVATE", "true"),
        ("DESTINATION_HEALTHCHECK_INTERVAL_MS", "2000"),
        ("DESTINATION_HEALTHCHECK_TIMEOUT_MS", "1500"),
    ]);
    for service in [Service::Api, Service::Traffic] {
        services.start(service);
        services.until_ready(service, |status, _| status == 200).await;
    }
    let trap = Server::start(Manner::Says("HTTP/1.1 200 OK\r\n\r\n")).await;
    let mut servers = BTreeMap::new();
    for (slug, url, manner, _) in table() {
        let manner = match manner {
            Manner::Says(text) => Manner::Says(text.replace("TRAP", &trap.port.to_string()).leak()),
            other => other,
        };
        let server = Server::start(manner).await;
        let url = url.replace("PORT", &server.port.to_string());
        let check = json!({ "url": url, "method": "GET", "failures": 1, "successes": 1, "expected_statuses": [200, 204] });
        let spec =
            json!({ "slug": slug, "name": slug, "url": "https://offer.example/", "health_check": check });
        services.api().create(Kind::Destination, &spec).await.expect("created");
        servers.insert(slug, server);
    }
    (services, servers, trap)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_probe_ends_by_a_name_that_is_told_and_none_keeps_others_waiting() {
    let (services, servers, trap) = started().await;
    let api = services.api();
    let rows = until("each is known by what it does", async || {
        let list = api.health(None).await.map_err(|e| e.to_string())?;
        let list = serde_json::to_value(list).expect("JSON");
        let rows: BTreeMap<String, Value> = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| (row["slug"].as_str().unwrap_or_default().to_owned(), row.clone()))
            .collect();
        for (slug, _, _, wanted) in table() {
            let row = rows.get(slug).ok_or_else(|| format!("{slug} is not there"))?;
            let good = wanted.iter().all(|w| ["200", "204"].contains(w));
            let state = if good { "up" } else { "down" };
            if !wanted.contains(&outcome(row).as_str()) || row["state"] != state {
                return Err(row.to_string());
            }
        }
        Ok(rows)
    })
    .await;
    // The reason is for people, and stands where the failure does.
    for (slug, row) in &rows {
        let reason = row["reason"].as_str().unwrap_or_default();
        assert_eq!(reason.is_empty(), row["state"] == "up", "{slug}: {row}");
    }
    // None waits for another: each is probed again and again, those that hang too.
    let asked = servers.iter().filter(|(slug, _)| !["no-name", "nobody"].contains(slug));
    let before: Vec<_> = asked.map(|(slug, server)| (slug, server, server.asked.load(SeqCst))).collect();
    for (slug, server, before) in before {
        until(&format!("{slug} is probed again"), async || {
            let more = server.asked.load(SeqCst) - before;
            (more > 1).then_some(()).ok_or_else(|| format!("{more} times"))
        })
        .await;
    }
    assert_eq!(trap.asked.load(SeqCst), 0, "a redirect is followed");
    for slug in ["endless", "large", "chunks", "bomb"] {
        let server = &servers[slug];
        let each = server.sent.load(SeqCst) / server.asked.load(SeqCst);
        assert!(each < 16 << 20, "{slug}: {each} bytes were taken of each answer");
    }

    // By hand: the same words, an exit code, and an end.
    let began = Instant::now();
    let ended = block_in_place(|| services.tfx(&["health", "check", "--all", "--output", "json"]).output());
    let ended = ended.expect("run tfx");
    assert_eq!(ended.status.code(), Some(1), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(began.elapsed() < LIMIT / 2, "{:?}", began.elapsed());
    let told: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    let told = told["items"].as_array().or(told.as_array()).expect("rows").clone();
    assert_eq!(told.len(), table().len());
    for row in &told {
        let slug = row["slug"].as_str().expect("a slug");
        let (.., wanted) = table().into_iter().find(|(s, ..)| *s == slug).expect("a row");
        assert!(wanted.contains(&outcome(row).as_str()), "{slug}: {row}");
    }

    // The history and the log name each that is down.
    let history: Value = serde_json::from_str(&block_in_place(|| {
        services.said(&["health", "history", "--all", "--output", "json"])
    }))
    .expect("JSON");
    let history = history["items"].as_array().or(history.as_array()).expect("rows").clone();
    let log = fs::read_to_string(services.log(Service::Traffic)).expect("the log");
    let changes: Vec<Value> = log
        .lines()
        .filter_map(|l| serde_json::from_str(l).ok())
        .filter(|l: &Value| l["to"].is_string())
        .collect();
    for (slug, row) in rows.iter().filter(|(_, row)| row["state"] == "down") {
        let (.., wanted) = table().into_iter().find(|(s, ..)| s == slug).expect("a row");
        for (where_, all) in [("history", &history), ("log", &changes)] {
            let mine = all.iter().filter(|c| c["destination_id"] == row["destination_id"]);
            let named = mine.clone().any(|c| wanted.contains(&outcome(c).as_str()) && c["reason"] != "");
            assert!(named, "{slug} in the {where_}: {:?}", mine.collect::<Vec<_>>());
        }
    }

    // What cannot be probed at all is refused when it is saved.
    for url in
        ["ftp://localhost/", "localhost:80", "file:///etc/passwd", "//localhost/", "gopher://x/", "http://"]
    {
        let (code, said) =
            block_in_place(|| services.complaint(&["destination", "update", "good", "--health-check", url]));
        assert!(code == Some(2) && said.contains("health_check.url"), "{url}: {code:?} {said}");
    }
}

/// The clock of the store was ahead when probes were claimed and put off, and is set back: all seem to wait for hours.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_stops_no_probes() {
    let (services, servers, _trap) = started().await;
    let good = &servers["good"];
    let asked = |n| async move {
        let before = good.asked.load(SeqCst);
        until("it is probed", async || {
            let more = good.asked.load(SeqCst) - before;
            (more >= n).then_some(()).ok_or_else(|| format!("{more} times"))
        })
        .await;
    };
    asked(2).await;
    let file = std::path::Path::new(services.setting("TFX_DATA_DIR")).join("config.db");
    let ahead = Connection::open(file).expect("the store");
    ahead.busy_timeout(Duration::from_secs(10)).expect("patience");
    let moved = ahead.execute("UPDATE job_lanes SET due_ms = due_ms + 36000000 WHERE kind = 'probe'", []);
    assert!(moved.expect("moved") > 20);
    asked(3).await;
}
