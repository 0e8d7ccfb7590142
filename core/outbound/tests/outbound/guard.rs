//! Nobody reaches the network of whoever runs this, however it is spelled.

use crate::{LONG, dns::Dns, get, outbound, server::Server, told};
use std::time::Duration;

/// Spellings of hosts, with what becomes of a request to them. `PORT` is the port of a server on this machine.
const SPELLINGS: &[(&str, &str)] = &[
    // This machine, by numbers.
    ("http://127.0.0.1:PORT/", "refused_address"),
    ("http://127.0.0.1.:PORT/", "refused_address"),
    ("http://127.1:PORT/", "refused_address"),
    ("http://127.0.1:PORT/", "refused_address"),
    ("http://127.255.255.254:PORT/", "refused_address"),
    ("http://2130706433:PORT/", "refused_address"),
    ("http://0x7f000001:PORT/", "refused_address"),
    ("http://0x7F.0.0.1:PORT/", "refused_address"),
    ("http://0x7f.1:PORT/", "refused_address"),
    ("http://0177.0.0.1:PORT/", "refused_address"),
    ("http://0177.0.0.01:PORT/", "refused_address"),
    ("http://017700000001:PORT/", "refused_address"),
    ("http://0x7f.0x0.0x0.0x1:PORT/", "refused_address"),
    ("http://127.0.0.0x1:PORT/", "refused_address"),
    ("http://00000177.0.0.1:PORT/", "refused_address"),
    ("http://１２７.０.０.１:PORT/", "refused_address"),
    ("http://①②⑦.⓪.⓪.①:PORT/", "refused_address"),
    ("http://127。0。0。1:PORT/", "refused_address"),
    ("http://%31%32%37.0.0.1:PORT/", "refused_address"),
    ("http://0:PORT/", "refused_address"),
    ("http://0.0.0.0:PORT/", "refused_address"),
    ("http://0x0:PORT/", "refused_address"),
    ("http:127.0.0.1:PORT/", "refused_address"),
    ("http:////127.0.0.1:PORT/", "refused_address"),
    ("http:\\\\127.0.0.1:PORT\\", "refused_address"),
    ("HTTP://127.0.0.1:PORT/", "refused_address"),
    (" http://127.0.0.1:PORT/", "refused_address"),
    ("ht\ntp://127.0.0.1:PORT/", "refused_address"),
    ("http://127.0.0.1\t:PORT/", "refused_address"),
    // By IPv6.
    ("http://[::1]:PORT/", "refused_address"),
    ("http://[0:0:0:0:0:0:0:1]:PORT/", "refused_address"),
    ("http://[0000:0000::0001]:PORT/", "refused_address"),
    ("http://[::]:PORT/", "refused_address"),
    ("http://[::ffff:127.0.0.1]:PORT/", "refused_address"),
    ("http://[::ffff:7f00:1]:PORT/", "refused_address"),
    ("http://[0:0:0:0:0:FFFF:7F00:0001]:PORT/", "refused_address"),
    ("http://[::127.0.0.1]:PORT/", "refused_address"),
    ("http://[::ffff:0:127.0.0.1]:PORT/", "refused_address"),
    ("http://[64:ff9b::127.0.0.1]:PORT/", "refused_address"),
    ("http://[64:ff9b::7f00:1]:PORT/", "refused_address"),
    ("http://[64:ff9b:1::7f00:1]:PORT/", "refused_address"),
    ("http://[2002:7f00:1::]:PORT/", "refused_address"),
    ("http://[2001:0:7f00:1::1]:PORT/", "refused_address"),
    ("http://[2606:4700::5efe:127.0.0.1]:PORT/", "refused_address"),
    // Behind what is no host.
    ("http://good.example@127.0.0.1:PORT/", "refused_address"),
    ("http://good.example:80@127.0.0.1:PORT/", "refused_address"),
    ("http://good.example%40@127.0.0.1:PORT/", "refused_address"),
    ("http://127.0.0.1:PORT#@good.example/", "refused_address"),
    ("http://127.0.0.1:PORT?@good.example/", "refused_address"),
    ("http://127.0.0.1:PORT\\@good.example/", "refused_address"),
    // The networks of others' machines.
    ("http://10.0.0.1/", "refused_address"),
    ("http://10.1/", "refused_address"),
    ("http://167772161/", "refused_address"),
    ("http://172.16.0.1/", "refused_address"),
    ("http://0xac100001/", "refused_address"),
    ("http://192.168.0.1/", "refused_address"),
    ("http://3232235521/", "refused_address"),
    ("http://100.64.0.1/", "refused_address"),
    ("http://169.254.169.254/latest/meta-data/", "refused_address"),
    ("http://2852039166/", "refused_address"),
    ("http://0xa9fea9fe/", "refused_address"),
    ("http://0251.0376.0251.0376/", "refused_address"),
    ("http://[::ffff:169.254.169.254]/", "refused_address"),
    ("http://[fd00:ec2::254]/", "refused_address"),
    ("http://168.63.129.16/", "refused_address"),
    ("http://100.100.100.200/", "refused_address"),
    ("http://[fe80::1]/", "refused_address"),
    ("http://[fc00::1]/", "refused_address"),
    ("http://[fec0::1]/", "refused_address"),
    ("http://192.0.2.1/", "refused_address"),
    ("http://198.18.0.1/", "refused_address"),
    ("http://224.0.0.1/", "refused_address"),
    ("http://255.255.255.255/", "refused_address"),
    // By names.
    ("http://loop.test:PORT/", "refused_address"),
    ("http://LOOP.test:PORT/", "refused_address"),
    ("http://loop.test.:PORT/", "refused_address"),
    ("http://good.example@loop.test:PORT/", "refused_address"),
    ("http://six.test:PORT/", "refused_address"),
    ("http://mapped.test:PORT/", "refused_address"),
    ("http://nat64.test:PORT/", "refused_address"),
    ("http://metadata.test/", "refused_address"),
    ("http://unspecified.test:PORT/", "refused_address"),
    ("http://localhost:PORT/", "refused_address"),
    ("http://nobody.test:PORT/", "no_such_name"),
    ("http://localhost\u{3002}:PORT/", "refused_address"),
    // What cannot be asked at all.
    ("http://127.0.0.256:PORT/", "url"),
    ("http://0x7f.0.0.0.1:PORT/", "url"),
    ("http://[::1%25lo]:PORT/", "url"),
    ("http://127.0.0.1:99999/", "url"),
    ("http://:PORT/", "url"),
    ("http://", "url"),
    ("http://a b/", "url"),
    ("http://\u{0}/", "url"),
    ("//127.0.0.1:PORT/", "url"),
    ("127.0.0.1:PORT", "url"),
    ("file:///etc/passwd", "url"),
    ("gopher://127.0.0.1:PORT/_x", "url"),
    ("ftp://127.0.0.1:PORT/", "url"),
    ("unix:/run/docker.sock", "url"),
    ("data:text/plain,x", "url"),
    ("javascript:1", "url"),
    ("", "url"),
];

#[tokio::test]
async fn no_spelling_leads_to_a_network_of_ones_own() {
    let trap = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let dns = Dns::new(&[
        ("loop.test", &[&["127.0.0.1"]]),
        ("six.test", &[&["::1"]]),
        ("mapped.test", &[&["::ffff:127.0.0.1"]]),
        ("nat64.test", &[&["64:ff9b::7f00:1"]]),
        ("metadata.test", &[&["169.254.169.254"]]),
        ("unspecified.test", &[&["0.0.0.0", "::"]]),
    ])
    .await;
    let outbound = outbound(false, dns.at);
    let port = trap.at.port().to_string();
    let mut wrong = Vec::new();
    for (spelling, expected) in SPELLINGS {
        let sent = outbound.send(get(&spelling.replace("PORT", &port), LONG)).await;
        if told(&sent) != *expected {
            wrong.push((spelling, sent));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(trap.connections(), 0, "nobody was asked");
}

#[tokio::test]
async fn a_name_that_stands_for_both_is_asked_at_its_public_address_alone() {
    let trap = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let dns = Dns::new(&[("both.test", &[&["127.0.0.1", "8.8.8.8"]])]).await;
    let url = format!("http://both.test:{}/", trap.at.port());
    let sent = outbound(false, dns.at).send(get(&url, Duration::from_secs(2))).await;
    assert!(matches!(told(&sent).as_str(), "connect" | "timed_out"), "{sent:?}");
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_name_that_changes_after_the_look_up_leads_nowhere_else() {
    let trap = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let dns = Dns::new(&[("rebinding.test", &[&["8.8.8.8"], &["127.0.0.1"]])]).await;
    let outbound = outbound(false, dns.at);
    let url = format!("http://rebinding.test:{}/", trap.at.port());
    let first = outbound.send(get(&url, Duration::from_secs(2))).await;
    assert!(matches!(told(&first).as_str(), "connect" | "timed_out"), "{first:?}");
    assert_eq!(dns.asked("rebinding.test"), 1, "it is looked up once, and that is where the connection goes");
    assert_eq!(told(&outbound.send(get(&url, LONG)).await), "refused_address");
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_leads_nowhere() {
    let trap = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let (dns, inner) = (Dns::new(&[]).await, trap.at);
    for status in [301, 302, 303, 307, 308] {
        let text = format!("HTTP/1.1 {status} x\r\nlocation: http://{inner}/\r\ncontent-length: 0\r\n\r\n");
        let server = Server::saying(text).await;
        let sent = outbound(true, dns.at).send(get(&format!("http://{}/", server.at), LONG)).await;
        assert_eq!(told(&sent), status.to_string());
    }
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_laptop_asks_itself_when_that_is_allowed() {
    let server = Server::saying("HTTP/1.1 204 x\r\n\r\n").await;
    let dns = Dns::new(&[("loop.test", &[&["127.0.0.1"]])]).await;
    let url = format!("http://loop.test:{}/", server.at.port());
    assert_eq!(told(&outbound(true, dns.at).send(get(&url, LONG)).await), "204");
}
