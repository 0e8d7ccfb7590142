//! Servers of others that are broken in every way, on this machine: what is sent to them ends by a name.

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, rustls::pki_types::PrivateKeyDer};

pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// How a server deals with a connection.
#[derive(Clone)]
pub(crate) enum Manner {
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
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) asked: Arc<AtomicUsize>,
    pub(crate) sent: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn start(manner: Manner) -> Self {
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

/// A server of others: what its URL is made of (`PORT` is its own), how it behaves, and the names that a request to it may
/// end by: a status, or a word for why there is none.
pub(crate) type Row = (&'static str, &'static str, Manner, &'static [&'static str]);

pub(crate) fn table() -> Vec<Row> {
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
        (
            "continues",
            http,
            Manner::Floods("", b"HTTP/1.1 100 Continue\r\n\r\n".repeat(30)),
            &["interim_answers"],
        ),
        (
            "hints",
            http,
            Manner::Floods("", b"HTTP/1.1 103 x\r\nlink: </x>\r\n\r\n".repeat(20)),
            &["interim_answers"],
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

/// The servers of the table by their names, each with its URL, and one that a redirect leads to.
pub(crate) async fn start_all() -> (BTreeMap<&'static str, (Server, String)>, Server) {
    let trap = Server::start(Manner::Says("HTTP/1.1 200 OK\r\n\r\n")).await;
    let mut servers = BTreeMap::new();
    for (slug, url, manner, _) in table() {
        let manner = match manner {
            Manner::Says(text) => Manner::Says(text.replace("TRAP", &trap.port.to_string()).leak()),
            other => other,
        };
        let server = Server::start(manner).await;
        let url = url.replace("PORT", &server.port.to_string());
        servers.insert(slug, (server, url));
    }
    (servers, trap)
}

/// Waits until `look` finds something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(begun.elapsed() < LIMIT, "{what}: not in time: {seen}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}
