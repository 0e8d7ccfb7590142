//! Whose address counts: `X-Forwarded-For` is believed only from trusted proxies, from the right.

use http::HeaderMap;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// The address of the client.
///
/// The peer itself, unless it is a trusted proxy; then the rightmost address of `X-Forwarded-For` that is not a
/// trusted proxy too. Everything left of it was written by somebody we do not trust. An entry that is no address
/// ends the walk at the last proxy. Without `X-Forwarded-For`, a trusted proxy's `X-Real-IP` counts.
/// IPv4-mapped IPv6 addresses count as IPv4.
pub fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut at = peer.to_canonical();
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    if trusted.is_empty() || !is_trusted(&at) {
        return at;
    }
    let mut forwarded = headers.get_all("x-forwarded-for").iter().peekable();
    if forwarded.peek().is_none() {
        let real = headers.get("x-real-ip").and_then(|v| v.to_str().ok()).and_then(parse);
        return real.unwrap_or(at);
    }
    for value in forwarded.rev() {
        let Ok(value) = value.to_str() else { return at };
        for entry in value.rsplit(',') {
            let Some(ip) = parse(entry) else { return at };
            at = ip;
            if !is_trusted(&at) {
                return at;
            }
        }
    }
    at
}

/// An address, with or without brackets and port, as proxies write it.
fn parse(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let ip = entry.parse::<IpAddr>().ok();
    let ip = ip.or_else(|| entry.parse::<SocketAddr>().ok().map(|a| a.ip()));
    let ip = ip.or_else(|| entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    ip.map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const PROXIES: &str = "10.0.0.0/8,2001:db8::/32";

    fn of(peer: &str, headers: &[(&'static str, &str)], trusted: &str) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).expect("value"));
        }
        let trusted: Vec<IpNet> =
            trusted.split(',').filter(|t| !t.is_empty()).map(|t| t.parse().expect("net")).collect();
        client_ip(peer.parse().expect("ip"), &map, &trusted).to_string()
    }

    #[test]
    fn forgeries_do_not_change_the_address() {
        const XFF: &str = "x-forwarded-for";
        // What it shows, the headers, the peer, who is trusted, whose address counts.
        type Case<'c> = (&'c str, &'c [(&'static str, &'c str)], &'c str, &'c str, &'c str);
        let table: &[Case<'_>] = &[
            ("nobody is trusted", &[(XFF, "1.1.1.1")], "9.9.9.9", "", "9.9.9.9"),
            ("nobody is trusted, X-Real-IP", &[("x-real-ip", "1.1.1.1")], "9.9.9.9", "", "9.9.9.9"),
            ("the peer is not trusted", &[(XFF, "1.1.1.1")], "9.9.9.9", PROXIES, "9.9.9.9"),
            ("one proxy", &[(XFF, "8.8.8.8")], "10.0.0.1", PROXIES, "8.8.8.8"),
            (
                "the client wrote an entry of its own",
                &[(XFF, "1.1.1.1, 8.8.8.8")],
                "10.0.0.1",
                PROXIES,
                "8.8.8.8",
            ),
            ("the client wrote a trusted one", &[(XFF, "10.0.0.9, 8.8.8.8")], "10.0.0.1", PROXIES, "8.8.8.8"),
            ("two proxies", &[(XFF, "1.1.1.1, 8.8.8.8, 10.0.0.2")], "10.0.0.1", PROXIES, "8.8.8.8"),
            ("two headers", &[(XFF, "1.1.1.1"), (XFF, "8.8.8.8")], "10.0.0.1", PROXIES, "8.8.8.8"),
            (
                "the proxy's entry in a header of its own",
                &[(XFF, "8.8.8.8"), (XFF, "10.1.1.1")],
                "10.0.0.1",
                PROXIES,
                "8.8.8.8",
            ),
            (
                "garbage ends the walk",
                &[(XFF, "8.8.8.8, unknown, 10.0.0.2")],
                "10.0.0.1",
                PROXIES,
                "10.0.0.2",
            ),
            ("garbage at once", &[(XFF, "8.8.8.8, ")], "10.0.0.1", PROXIES, "10.0.0.1"),
            ("ports", &[(XFF, "8.8.8.8:4711")], "10.0.0.1", PROXIES, "8.8.8.8"),
            ("IPv6 with a port", &[(XFF, "[2a00::1]:443")], "10.0.0.1", PROXIES, "2a00::1"),
            ("IPv6 in brackets", &[(XFF, "[2a00::1]")], "2001:db8::1", PROXIES, "2a00::1"),
            ("mapped peer", &[(XFF, "::ffff:8.8.8.8")], "::ffff:10.0.0.1", PROXIES, "8.8.8.8"),
            ("all are proxies", &[(XFF, "10.0.0.3, 10.0.0.2")], "10.0.0.1", PROXIES, "10.0.0.3"),
            ("X-Real-IP of a proxy", &[("x-real-ip", "8.8.8.8")], "10.0.0.1", PROXIES, "8.8.8.8"),
            (
                "X-Real-IP is not asked beside the other",
                &[(XFF, "8.8.8.8"), ("x-real-ip", "1.1.1.1")],
                "10.0.0.1",
                PROXIES,
                "8.8.8.8",
            ),
            ("X-Real-IP is garbage", &[("x-real-ip", "localhost")], "10.0.0.1", PROXIES, "10.0.0.1"),
            ("no header", &[], "10.0.0.1", PROXIES, "10.0.0.1"),
        ];
        for (name, headers, peer, trusted, want) in table {
            assert_eq!(of(peer, headers, trusted), *want, "{name}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_end_the_walk() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_bytes(b"8.8.8.8, \xff").expect("value"));
        let trusted = ["10.0.0.0/8".parse().expect("net")];
        let peer = "10.0.0.1".parse().expect("ip");
        assert_eq!(client_ip(peer, &headers, &trusted), peer);
    }
}
