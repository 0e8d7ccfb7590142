//! Whose address counts: `X-Forwarded-For` and `Forwarded` (RFC 7239) are believed only from trusted proxies, from the
//! right.

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr};

/// The address of the client.
///
/// The peer itself, unless it is a trusted proxy; then the rightmost address of the list of proxies that is not a
/// trusted proxy too. Everything left of it was written by somebody we do not trust. An entry that is no address
/// (`unknown`, `_hidden`, garbage) ends the walk at the last proxy; an empty one does not count (RFC 9110, 5.6.1).
///
/// The list is `X-Forwarded-For`; without one, `Forwarded`; without either, a trusted proxy's `X-Real-IP` counts. In
/// this order, because proxies write `X-Forwarded-For` unless told otherwise and hand on a `Forwarded` that a client
/// made up. IPv4-mapped IPv6 addresses count as IPv4.
pub fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    if trusted.is_empty() || !is_trusted(&peer) {
        return peer;
    }
    let of = |name: &str, split: Split, address: fn(&[u8]) -> Option<IpAddr>| {
        let values = headers.get_all(name).iter().rev().map(HeaderValue::as_bytes);
        let entries = values.flat_map(move |value| Entries { rest: Some(value), split });
        walk(peer, entries.map(address), is_trusted)
    };
    of("x-forwarded-for", plain, node)
        .or_else(|| of("forwarded", quoted, forwarded))
        .or_else(|| headers.get("x-real-ip").and_then(|v| node(v.as_bytes())))
        .unwrap_or(peer)
}

/// From entry to entry as far as they are trusted; nothing if there is none.
fn walk(
    peer: IpAddr,
    entries: impl Iterator<Item = Option<IpAddr>>,
    is_trusted: impl Fn(&IpAddr) -> bool,
) -> Option<IpAddr> {
    let mut at = None;
    for entry in entries {
        let Some(ip) = entry else { return at.or(Some(peer)) };
        at = Some(ip);
        if !is_trusted(&ip) {
            break;
        }
    }
    at
}

/// The place of the last comma between two entries.
type Split = fn(&[u8]) -> Option<usize>;

/// The entries of one header that are not empty, from the right.
struct Entries<'h> {
    rest: Option<&'h [u8]>,
    split: Split,
}

impl<'h> Iterator for Entries<'h> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        loop {
            let rest = self.rest?;
            let at = (self.split)(rest);
            self.rest = at.map(|at| &rest[..at]);
            let entry = rest[at.map_or(0, |at| at + 1)..].trim_ascii();
            if !entry.is_empty() {
                return Some(entry);
            }
        }
    }
}

fn plain(list: &[u8]) -> Option<usize> {
    list.iter().rposition(|b| *b == b',')
}

/// As [`plain`], but not within quotes. They are paired from the right, so that one a client left open swallows nothing
/// of what proxies wrote behind it.
fn quoted(list: &[u8]) -> Option<usize> {
    let escaped = |at: usize| list[..at].iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1;
    let mut inside = false;
    for (at, byte) in list.iter().enumerate().rev() {
        match byte {
            b'"' if !(inside && escaped(at)) => inside = !inside,
            b',' if !inside => return Some(at),
            _ => {}
        }
    }
    None
}

/// The address of an entry of `Forwarded`: its one `for`. An entry without it hides its client.
fn forwarded(entry: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in pairs(entry) {
        let at = pair.iter().position(|b| *b == b'=')?;
        let (name, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"for") {
            if found.is_some() {
                return None;
            }
            found = Some(node(&unquoted(value)?)?);
        }
    }
    found
}

/// The pairs of an entry, parted by semicolons outside of quotes; empty ones do not count.
fn pairs(entry: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut inside, mut escaped) = (false, false);
    let between = move |b: &u8| {
        let parts = *b == b';' && !inside;
        inside ^= *b == b'"' && !escaped;
        escaped = inside && *b == b'\\' && !escaped;
        parts
    };
    entry.split(between).map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty())
}

/// What stands in a quoted string, or the token itself.
fn unquoted(value: &[u8]) -> Option<Vec<u8>> {
    let Some(rest) = value.strip_prefix(b"\"") else { return Some(value.to_vec()) };
    let (mut text, mut rest) = (Vec::new(), rest.iter());
    loop {
        match *rest.next()? {
            b'"' => return rest.next().is_none().then_some(text),
            b'\\' => text.push(*rest.next()?),
            byte => text.push(byte),
        }
    }
}

/// An address, with or without brackets and port, as proxies write it. The port may be hidden (`_x`).
fn node(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim();
    let ip = entry.parse::<IpAddr>().ok().or_else(|| {
        let (ip, port) = match entry.strip_prefix('[') {
            Some(rest) => {
                let (ip, port) = rest.split_once(']')?;
                (
                    IpAddr::V6(ip.parse().ok()?),
                    if port.is_empty() { None } else { Some(port.strip_prefix(':')?) },
                )
            }
            None => {
                let (ip, port) = entry.split_once(':')?;
                (IpAddr::V4(ip.parse::<Ipv4Addr>().ok()?), Some(port))
            }
        };
        port.is_none_or(is_port).then_some(ip)
    });
    ip.map(|ip| ip.to_canonical())
}

fn is_port(port: &str) -> bool {
    let hidden = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let number = || port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    port.strip_prefix('_').map_or_else(number, hidden)
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
            ("garbage at once", &[(XFF, "8.8.8.8, garbage")], "10.0.0.1", PROXIES, "10.0.0.1"),
            ("empty entries do not count", &[(XFF, "1.1.1.1,, 8.8.8.8, ,")], "10.0.0.1", PROXIES, "8.8.8.8"),
            (
                "empty entries between proxies",
                &[(XFF, ",8.8.8.8,,10.0.0.2,")],
                "10.0.0.1",
                PROXIES,
                "8.8.8.8",
            ),
            ("an empty header beside", &[(XFF, "8.8.8.8"), (XFF, "")], "10.0.0.1", PROXIES, "8.8.8.8"),
            (
                "a list of nothing is none",
                &[(XFF, ", ,"), ("x-real-ip", "8.8.8.8")],
                "10.0.0.1",
                PROXIES,
                "8.8.8.8",
            ),
            ("a port that is none", &[(XFF, "8.8.8.8:99999")], "10.0.0.1", PROXIES, "10.0.0.1"),
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
    fn forwarded_says_the_same_as_the_other_list() {
        const BOTH: &str = "for=8.8.8.8";
        // What the header says, and whose address counts; the peer is a proxy.
        let table: &[(&[&str], &str)] = &[
            (&[BOTH], "8.8.8.8"),
            (&["For=8.8.8.8;Proto=https;By=10.0.0.1"], "8.8.8.8"),
            (&["proto=https;host=\"a,b;for=1.1.1.1\"; FOR = \"8.8.8.8\" "], "8.8.8.8"),
            (&["for=\"8.8.8.8:4711\""], "8.8.8.8"),
            (&["for=8.8.8.8:4711"], "8.8.8.8"),
            (&["for=\"8.8.8.8:_hidden\""], "8.8.8.8"),
            (&["for=\"[2a00::1]\""], "2a00::1"),
            (&["for=\"[2a00::1]:4711\";by=\"[2001:db8::2]:80\""], "2a00::1"),
            (&["for=\"[2A00:0::1]:_x-1\""], "2a00::1"),
            (&["for=[2a00::1]"], "2a00::1"),
            (&["for=\"[::ffff:8.8.8.8]\""], "8.8.8.8"),
            (&["for=\"8\\.8.8.8\""], "8.8.8.8"),
            (&["for=1.1.1.1, for=8.8.8.8"], "8.8.8.8"),
            (&["for=1.1.1.1", "for=8.8.8.8"], "8.8.8.8"),
            (&["for=8.8.8.8, for=10.0.0.2", "for=\"[2001:db8::9]\""], "8.8.8.8"),
            (&["for=8.8.8.8,, ,for=10.0.0.2,", ""], "8.8.8.8"),
            (&["for=8.8.8.8;", ";"], "10.0.0.1"),
            (&["for=10.0.0.3, for=10.0.0.2"], "10.0.0.3"),
            // Who hides ends the walk.
            (&["for=8.8.8.8, for=unknown"], "10.0.0.1"),
            (&["for=8.8.8.8, for=_hidden, for=10.0.0.2"], "10.0.0.2"),
            (&["for=8.8.8.8, proto=https"], "10.0.0.1"),
            (&["for=\"_SEVKISEK\""], "10.0.0.1"),
            // Clients that write badly on purpose.
            (&["for=\"1.1.1.1, for=8.8.8.8"], "8.8.8.8"),
            (&["for=\"1.1.1.1\\, for=\"[2a00::1]:1\", for=10.0.0.2"], "2a00::1"),
            (&["for=\"\"\", for=8.8.8.8"], "8.8.8.8"),
            (&["\u{e9}\u{e9}, for=8.8.8.8"], "8.8.8.8"),
            (&["for=1.1.1.1;for=8.8.8.8"], "10.0.0.1"),
            (&["for=\"8.8.8.8"], "10.0.0.1"),
            (&["for=\"8.8.8.8\"x"], "10.0.0.1"),
            (&["for=8.8.8.8 1.1.1.1"], "10.0.0.1"),
            (&["for="], "10.0.0.1"),
            (&["for"], "10.0.0.1"),
            (&["8.8.8.8"], "10.0.0.1"),
            (&["for=[2a00::1"], "10.0.0.1"),
            (&["for=\"[8.8.8.8]\""], "10.0.0.1"),
            (&["for=\"[2a00::1]4711\""], "10.0.0.1"),
            (&["for=8.8.8.8:"], "10.0.0.1"),
            (&["for=8.8.8.8:+80"], "10.0.0.1"),
        ];
        for (values, want) in table {
            let headers: Vec<_> = values.iter().map(|v| ("forwarded", *v)).collect();
            assert_eq!(of("10.0.0.1", &headers, PROXIES), *want, "{values:?}");
            assert_eq!(of("9.9.9.9", &headers, PROXIES), "9.9.9.9", "{values:?}");
            assert_eq!(of("10.0.0.1", &headers, ""), "10.0.0.1", "{values:?}");
        }
    }

    #[test]
    fn of_several_headers_the_first_that_says_something_counts() {
        let (xff, fwd, real) = ("x-forwarded-for", "forwarded", "x-real-ip");
        let table: &[(&[(&'static str, &str)], &str)] = &[
            (&[(fwd, "for=1.1.1.1"), (xff, "8.8.8.8")], "8.8.8.8"),
            (&[(fwd, "for=1.1.1.1"), (xff, "8.8.8.8, unknown")], "10.0.0.1"),
            (&[(fwd, "for=8.8.8.8"), (xff, "")], "8.8.8.8"),
            (&[(fwd, "for=8.8.8.8"), (real, "1.1.1.1")], "8.8.8.8"),
            (&[(fwd, "for=unknown"), (real, "1.1.1.1")], "10.0.0.1"),
            (&[(fwd, " , "), (real, "8.8.8.8")], "8.8.8.8"),
        ];
        for (headers, want) in table {
            assert_eq!(of("10.0.0.1", headers, PROXIES), *want, "{headers:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_end_the_walk() {
        let of = |name: &'static str, value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.append(name, HeaderValue::from_bytes(value).expect("value"));
            let trusted = ["10.0.0.0/8".parse().expect("net")];
            client_ip("10.0.0.1".parse().expect("ip"), &headers, &trusted).to_string()
        };
        assert_eq!(of("x-forwarded-for", b"8.8.8.8, \xff"), "10.0.0.1");
        assert_eq!(
            of("x-forwarded-for", b"\xff, 8.8.8.8"),
            "8.8.8.8",
            "what a client wrote before it does not"
        );
        assert_eq!(of("forwarded", b"for=8.8.8.8, for=\xff"), "10.0.0.1");
        assert_eq!(of("x-real-ip", b"\xff"), "10.0.0.1");
    }
}
