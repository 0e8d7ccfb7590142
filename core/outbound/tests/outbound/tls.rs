//! Certificates that nobody should trust.

use crate::{LONG, dns::Dns, get, outbound, server::Server, told};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// A server whose certificate signs itself.
async fn server(with: impl FnOnce(&mut CertificateParams)) -> Server {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["good.test".to_owned()]).unwrap();
    with(&mut params);
    let certificate = CertificateDer::from(params.self_signed(&key).unwrap());
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Server::new(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // The client goes away.
            let _ = acceptor.accept(stream).await;
        }
    })
    .await
}

#[tokio::test]
async fn what_is_wrong_with_tls_is_said() {
    let dns = Dns::new(&[("good.test", &[&["127.0.0.1"]])]).await;
    let outbound = outbound(true, dns.at);
    let expired = |p: &mut CertificateParams| {
        p.not_before = date_time_ymd(2020, 1, 1);
        p.not_after = date_time_ymd(2021, 1, 1);
    };
    let plain = Server::new(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 no TLS here\r\n\r\n").await;
        let _ = stream.read(&mut [0]).await;
    })
    .await;
    let table = [
        (server(|_| {}).await, "tls_untrusted"),
        (server(expired).await, "tls_expired"),
        (server(|p| p.not_before = date_time_ymd(3000, 1, 1)).await, "tls_expired"),
        (plain, "tls"),
        (Server::new(|_| async {}).await, "connect"),
    ];
    for (server, expected) in table {
        let sent = outbound.send(get(&format!("https://good.test:{}/", server.at.port()), LONG)).await;
        assert_eq!(told(&sent), expected, "{sent:?}");
    }
}
