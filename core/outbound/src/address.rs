//! Which addresses belong to everybody's network, and which to somebody's own.

use ipnet::{Ipv4Net, Ipv6Net};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Why an address is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotPublic {
    /// This machine.
    Loopback,
    /// Networks of one's own (RFC 1918, RFC 4193).
    Private,
    /// What only neighbours reach; the metadata of most clouds (RFC 3927, RFC 4291).
    LinkLocal,
    /// Networks of a provider (RFC 6598); the metadata of some clouds.
    CarrierGrade,
    /// The inner services of a cloud at an address that looks public.
    Metadata,
    /// Documentation and benchmarks (RFC 5737, RFC 3849, RFC 9637, RFC 2544).
    Documentation,
    /// To many, not to one.
    Multicast,
    /// Nothing that a server has: reserved, broadcast, unspecified, tunnels.
    Reserved,
}

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "this machine",
            Self::Private => "a private network",
            Self::LinkLocal => "a link-local address",
            Self::CarrierGrade => "a network of a provider",
            Self::Metadata => "a metadata service",
            Self::Documentation => "a network for documentation and tests",
            Self::Multicast => "a multicast address",
            Self::Reserved => "a reserved address",
        })
    }
}

use NotPublic::{CarrierGrade, Documentation, LinkLocal, Loopback, Metadata, Multicast, Private, Reserved};

/// The special blocks of IPv4, from IANA's registry (iana.org/assignments/iana-ipv4-special-registry) and the pages of
/// the clouds. The first that contains an address decides.
const V4: &[(Ipv4Net, NotPublic)] = &[
    (v4([0, 0, 0, 0], 8), Reserved),
    (v4([10, 0, 0, 0], 8), Private),
    (v4([100, 64, 0, 0], 10), CarrierGrade),
    (v4([127, 0, 0, 0], 8), Loopback),
    (v4([168, 63, 129, 16], 32), Metadata),
    (v4([169, 254, 0, 0], 16), LinkLocal),
    (v4([172, 16, 0, 0], 12), Private),
    (v4([192, 0, 0, 0], 24), Reserved),
    (v4([192, 0, 2, 0], 24), Documentation),
    (v4([192, 88, 99, 0], 24), Reserved),
    (v4([192, 168, 0, 0], 16), Private),
    (v4([198, 18, 0, 0], 15), Documentation),
    (v4([198, 51, 100, 0], 24), Documentation),
    (v4([203, 0, 113, 0], 24), Documentation),
    (v4([224, 0, 0, 0], 4), Multicast),
    (v4([240, 0, 0, 0], 4), Reserved),
];

/// The special blocks of IPv6, from IANA's registry (iana.org/assignments/iana-ipv6-special-registry); all that is not
/// global unicast (2000::/3) is reserved.
const V6: &[(Ipv6Net, NotPublic)] = &[
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), Loopback),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), Reserved),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), Documentation),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), Reserved),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), Documentation),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Private),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), LinkLocal),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), Private),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Multicast),
];

const GLOBAL: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
/// Translators of networks that have IPv6 alone (RFC 6052): the address inside is the one that is asked.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(parts: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = parts;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// An address that a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(pub IpAddr);

impl Address {
    /// Why it is not one that everybody reaches; none: it is.
    pub fn not_public(self) -> Option<NotPublic> {
        match self.0 {
            IpAddr::V4(ip) => of_v4(ip),
            IpAddr::V6(ip) => of_v6(ip),
        }
    }
}

fn of_v4(ip: Ipv4Addr) -> Option<NotPublic> {
    V4.iter().find(|(net, _)| net.contains(&ip)).map(|(_, why)| *why)
}

fn of_v6(ip: Ipv6Addr) -> Option<NotPublic> {
    // Mapped, translated and ISATAP addresses (RFC 5214) lead to the IPv4 address inside them.
    let [.., marker, high, low] = ip.segments();
    let isatap = marker == 0x5efe;
    if ip.to_ipv4_mapped().is_some() || NAT64.contains(&ip) || isatap {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        let inner = of_v4(Ipv4Addr::new(a, b, c, d));
        if inner.is_some() || !isatap {
            return inner;
        }
    }
    let listed = V6.iter().find(|(net, _)| net.contains(&ip)).map(|(_, why)| *why);
    listed.or_else(|| (!GLOBAL.contains(&ip)).then_some(Reserved))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_by_the_network_they_lead_to() {
        let of = |text: &str| Address(text.parse().expect(text)).not_public();
        let table: &[(&str, Option<NotPublic>)] = &[
            ("1.1.1.1", None),
            ("8.8.8.8", None),
            ("11.0.0.1", None),
            ("100.63.255.255", None),
            ("100.128.0.0", None),
            ("172.15.255.255", None),
            ("172.32.0.0", None),
            ("192.0.1.0", None),
            ("192.167.255.255", None),
            ("198.20.0.0", None),
            ("223.255.255.255", None),
            ("2606:4700::1111", None),
            ("2a00:1450::", None),
            ("::ffff:8.8.8.8", None),
            ("64:ff9b::8.8.8.8", None),
            ("0.0.0.0", Some(Reserved)),
            ("0.1.2.3", Some(Reserved)),
            ("10.255.255.255", Some(Private)),
            ("100.64.0.0", Some(CarrierGrade)),
            ("100.100.100.200", Some(CarrierGrade)),
            ("100.127.255.255", Some(CarrierGrade)),
            ("127.0.0.1", Some(Loopback)),
            ("127.255.255.254", Some(Loopback)),
            ("168.63.129.16", Some(Metadata)),
            ("169.254.169.254", Some(LinkLocal)),
            ("172.16.0.0", Some(Private)),
            ("172.31.255.255", Some(Private)),
            ("192.0.0.192", Some(Reserved)),
            ("192.0.2.1", Some(Documentation)),
            ("192.168.255.255", Some(Private)),
            ("198.19.255.255", Some(Documentation)),
            ("198.51.100.7", Some(Documentation)),
            ("203.0.113.9", Some(Documentation)),
            ("224.0.0.1", Some(Multicast)),
            ("239.255.255.255", Some(Multicast)),
            ("240.0.0.1", Some(Reserved)),
            ("255.255.255.255", Some(Reserved)),
            ("::", Some(Reserved)),
            ("::1", Some(Loopback)),
            ("::127.0.0.1", Some(Reserved)),
            ("::ffff:127.0.0.1", Some(Loopback)),
            ("::ffff:10.0.0.1", Some(Private)),
            ("::ffff:0:127.0.0.1", Some(Reserved)),
            ("64:ff9b::10.0.0.1", Some(Private)),
            ("64:ff9b::169.254.169.254", Some(LinkLocal)),
            ("64:ff9b:1::8.8.8.8", Some(Reserved)),
            ("100::1", Some(Reserved)),
            ("2001::1", Some(Reserved)),
            ("2001:0:7f00:1::", Some(Reserved)),
            ("2001:db8::1", Some(Documentation)),
            ("2002:7f00:1::", Some(Reserved)),
            ("2002:808:808::", Some(Reserved)),
            ("3fff::1", Some(Documentation)),
            ("2606:4700::5efe:10.0.0.1", Some(Private)),
            ("2606:4700::200:5efe:8.8.8.8", None),
            ("5f00::1", Some(Reserved)),
            ("fc00::1", Some(Private)),
            ("fd00:ec2::254", Some(Private)),
            ("fe80::1", Some(LinkLocal)),
            ("fec0::1", Some(Private)),
            ("ff02::1", Some(Multicast)),
        ];
        let wrong: Vec<_> =
            table.iter().filter(|(text, why)| of(text) != *why).map(|(text, _)| (*text, of(text))).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
