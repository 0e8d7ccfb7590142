//! Who a visitor is, pseudonymously, and how much of an address is kept. Also what proves that a link is ours.
//!
//! Everything is keyed by the installation's own key (`visitor.key`), so that nobody else can compute it, and each use
//! has a key of its own.

use crate::hex;
use siphasher::sip128::{Hash128, Hasher128, SipHasher13, SipHasher24};
use smol_str::{SmolStr, format_smolstr};
use std::{
    hash::Hasher,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};
use tfx_domain::id::VisitorId;
use tfx_settings::IpPrivacy;

/// The cookie that carries a visitor's id.
pub const COOKIE: &str = "tfx_v";

/// Keyed hashes of an installation.
#[derive(Clone)]
pub struct Identity {
    visitors: SipHasher13,
    addresses: SipHasher24,
    links: SipHasher24,
    seen: [u8; 16],
    privacy: IpPrivacy,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("privacy", &self.privacy).finish_non_exhaustive()
    }
}

impl Identity {
    /// From the installation's key.
    pub fn new(key: &[u8; 32], privacy: IpPrivacy) -> Self {
        // SipHash takes 16 bytes of key: the first half is the key, the second goes in with the purpose.
        let (mut first, second) = ([0; 16], &key[16..]);
        first.copy_from_slice(&key[..16]);
        let derived = |purpose: &[u8]| {
            let mut hasher = SipHasher24::new_with_key(&first);
            hasher.write(second);
            hasher.write(purpose);
            number(hasher.finish128()).to_le_bytes()
        };
        Self {
            visitors: SipHasher13::new_with_key(&derived(b"visitor")),
            addresses: SipHasher24::new_with_key(&derived(b"address")),
            links: SipHasher24::new_with_key(&derived(b"link")),
            seen: derived(b"seen"),
            privacy,
        }
    }

    /// The key of what is remembered of visitors.
    pub fn seen_key(&self) -> [u8; 16] {
        self.seen
    }

    /// The id of somebody without a cookie.
    pub fn visitor(&self, ip: IpAddr, user_agent: &[u8]) -> VisitorId {
        let mut hasher = self.visitors;
        write_ip(&mut hasher, ip);
        hasher.write(user_agent);
        VisitorId(number(hasher.finish128()))
    }

    /// As much of an address as the privacy setting keeps.
    pub fn kept(&self, ip: IpAddr) -> SmolStr {
        self.kept_as(self.privacy, ip)
    }

    fn kept_as(&self, privacy: IpPrivacy, ip: IpAddr) -> SmolStr {
        match (privacy, ip.to_canonical()) {
            (IpPrivacy::Full, ip) => format_smolstr!("{ip}"),
            (IpPrivacy::Truncated, IpAddr::V4(ip)) => {
                let [a, b, c, _] = ip.octets();
                format_smolstr!("{}", Ipv4Addr::new(a, b, c, 0))
            }
            (IpPrivacy::Truncated, IpAddr::V6(ip)) => {
                let [a, b, c, ..] = ip.segments();
                format_smolstr!("{}", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
            (IpPrivacy::Hashed, ip) => {
                let mut hasher = self.addresses;
                write_ip(&mut hasher, ip);
                format_smolstr!("{:032x}", number(hasher.finish128()))
            }
        }
    }

    /// The forms in which an address may be stored that was kept as the settings said at some time. One that many share, cut
    /// short, is among them only where addresses are kept so now.
    pub fn stored_forms(&self, ip: IpAddr) -> Vec<SmolStr> {
        let mut forms: Vec<SmolStr> = [IpPrivacy::Full, IpPrivacy::Hashed, self.privacy]
            .into_iter()
            .map(|privacy| self.kept_as(privacy, ip))
            .collect();
        forms.dedup();
        forms
    }

    /// How many leading bits of the address are kept, if its stored form is that of many: `IP_STORAGE=truncated`.
    pub fn shared_bits(&self, ip: IpAddr) -> Option<u8> {
        match (self.privacy, ip.to_canonical()) {
            (IpPrivacy::Truncated, IpAddr::V4(_)) => Some(24),
            (IpPrivacy::Truncated, IpAddr::V6(_)) => Some(48),
            (IpPrivacy::Full | IpPrivacy::Hashed, _) => None,
        }
    }

    /// What proves that a text was written by this installation.
    pub fn seal(&self, text: &str) -> u128 {
        let mut hasher = self.links;
        hasher.write(text.as_bytes());
        number(hasher.finish128())
    }
}

fn number(hash: Hash128) -> u128 {
    u128::from(hash.h1) << 64 | u128::from(hash.h2)
}

fn write_ip(hasher: &mut impl Hasher, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => hasher.write(&ip.octets()),
        IpAddr::V6(ip) => hasher.write(&ip.octets()),
    }
}

/// The visitor id in a `Cookie` header: the first well-formed one. Whatever else stands there is passed over.
pub(crate) fn of_cookie(header: &[u8]) -> Option<VisitorId> {
    header.split(|b| *b == b';').find_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"=")?;
        hex(value).map(VisitorId)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn identity(privacy: IpPrivacy) -> Identity {
        Identity::new(&[7; 32], privacy)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("ip")
    }

    #[test]
    fn a_visitor_is_the_same_by_address_and_user_agent_and_differs_by_installation() {
        let here = identity(IpPrivacy::Full);
        let one = here.visitor(ip("1.2.3.4"), b"UA");
        assert_eq!(one, here.visitor(ip("1.2.3.4"), b"UA"));
        assert_ne!(one, here.visitor(ip("1.2.3.5"), b"UA"));
        assert_ne!(one, here.visitor(ip("1.2.3.4"), b"UB"));
        let mut key = [7; 32];
        for i in [0, 31] {
            key[i] = 8;
            assert_ne!(one, Identity::new(&key, IpPrivacy::Full).visitor(ip("1.2.3.4"), b"UA"), "byte {i}");
            key[i] = 7;
        }
    }

    #[test]
    fn an_address_is_kept_as_far_as_the_setting_says() {
        let v6 = "2001:db8:1:2:3:4:5:6";
        assert_eq!(identity(IpPrivacy::Truncated).kept(ip("::ffff:1.2.3.4")), "1.2.3.0");
        assert_eq!(identity(IpPrivacy::Full).kept(ip("1.2.3.4")), "1.2.3.4");
        assert_eq!(identity(IpPrivacy::Truncated).kept(ip("1.2.3.4")), "1.2.3.0");
        assert_eq!(identity(IpPrivacy::Truncated).kept(ip(v6)), "2001:db8:1::");
        let hashed = identity(IpPrivacy::Hashed);
        assert_eq!(hashed.kept(ip("1.2.3.4")).len(), 32);
        assert_ne!(hashed.kept(ip("1.2.3.4")), hashed.kept(ip("1.2.3.5")));
        assert_ne!(
            hashed.kept(ip("1.2.3.4")),
            Identity::new(&[8; 32], IpPrivacy::Hashed).kept(ip("1.2.3.4"))
        );
    }

    #[test]
    fn only_a_well_formed_cookie_counts() {
        let id = "0123456789abcdef0123456789abcdef";
        let good = Some(VisitorId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        let table = [
            (format!("tfx_v={id}"), good),
            (format!("a=b; tfx_v={id}; c=d"), good),
            (format!("a=b;tfx_v={}", id.to_uppercase()), good),
            (format!("tfx_v=garbage; tfx_v={id}"), good),
            (format!("tfx_v={id}0"), None),
            (format!("xtfx_v={id}"), None),
            (format!("tfx_v ={id}"), None),
            (format!("tfx_v=\"{id}\""), None),
            ("tfx_v=+123456789abcdef0123456789abcdef".to_owned(), None),
            (";;;=;tfx_v;tfx_v=".to_owned(), None),
            (String::new(), None),
        ];
        for (header, want) in table {
            assert_eq!(of_cookie(header.as_bytes()), want, "{header}");
        }
        assert_eq!(of_cookie(b"tfx_v=\xff\xfe; \x80"), None);
    }

    proptest! {
        #[test]
        fn no_cookie_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = of_cookie(&bytes);
        }
    }
}
