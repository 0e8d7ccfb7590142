//! Sets of addresses: single ones, ranges and CIDR blocks, searched by halves.

use ipnet::IpNet;
use std::net::IpAddr;

/// Addresses as numbers, sorted and apart from each other; IPv4 and IPv6 do not mix.
#[derive(Debug, Clone, Default)]
pub(super) struct IpSet {
    v4: Vec<(u128, u128)>,
    v6: Vec<(u128, u128)>,
}

impl IpSet {
    /// Adds an address, a range `a-b` or a CIDR block. Call [`Self::finish`] after the last.
    ///
    /// # Errors
    /// A sentence naming what is not of the form.
    pub(super) fn add(&mut self, text: &str) -> Result<(), String> {
        let text = text.trim();
        if text.starts_with("file:") {
            return Err("list files are not read; write the addresses themselves as CIDR blocks, such as 192.0.2.0/24".to_owned());
        }
        let refuse = || {
            format!(
                "'{text}' is not an address, a range (192.0.2.1-192.0.2.9) or a CIDR block (192.0.2.0/24)"
            )
        };
        let address = |t: &str| t.trim().parse::<IpAddr>().map_err(|_| refuse());
        let (from, to) = if text.contains('/') {
            let net: IpNet = text.parse().map_err(|_| refuse())?;
            (net.network(), net.broadcast())
        } else if let Some((from, to)) = text.split_once('-') {
            (address(from)?, address(to)?)
        } else {
            let one = address(text)?;
            (one, one)
        };
        match (number(from), number(to)) {
            ((v6, from), (to_v6, to)) if v6 == to_v6 && from <= to => {
                if v6 { &mut self.v6 } else { &mut self.v4 }.push((from, to));
                Ok(())
            }
            ((v6, _), (to_v6, _)) if v6 != to_v6 => Err(format!("'{text}' mixes IPv4 and IPv6")),
            _ => Err(format!("'{text}' holds no address; the lower one comes first")),
        }
    }

    /// Sorts and joins.
    pub(super) fn finish(&mut self) {
        for set in [&mut self.v4, &mut self.v6] {
            set.sort_unstable();
            set.dedup_by(|next, kept| {
                let joined = next.0 <= kept.1.saturating_add(1);
                if joined {
                    kept.1 = kept.1.max(next.1);
                }
                joined
            });
        }
    }

    /// Whether the address is in the set.
    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        let (v6, n) = number(ip);
        let set = if v6 { &self.v6 } else { &self.v4 };
        let after = set.partition_point(|(from, _)| *from <= n);
        after > 0 && set[after - 1].1 >= n
    }
}

/// Whether it is IPv6, and the address as a number. An IPv4 address in IPv6 clothes is IPv4.
fn number(ip: IpAddr) -> (bool, u128) {
    match ip.to_canonical() {
        IpAddr::V4(v4) => (false, u128::from(v4.to_bits())),
        IpAddr::V6(v6) => (true, v6.to_bits()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(operands: &[&str]) -> IpSet {
        let mut set = IpSet::default();
        for o in operands {
            set.add(o).expect(o);
        }
        set.finish();
        set
    }

    #[test]
    fn addresses_ranges_and_blocks() {
        let set =
            set(&["192.0.2.7", "10.0.0.5-10.0.1.5", "198.51.100.9/24", "2001:db8::/32", "10.0.1.0-10.0.2.0"]);
        let table = [
            ("192.0.2.7", true),
            ("::ffff:192.0.2.7", true),
            ("192.0.2.8", false),
            ("10.0.0.4", false),
            ("10.0.0.255", true),
            ("10.0.2.0", true),
            ("10.0.2.1", false),
            ("198.51.100.0", true),
            ("198.51.101.0", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
        ];
        for (ip, want) in table {
            assert_eq!(set.contains(ip.parse().expect(ip)), want, "{ip}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in
            ["", "1.2.3", "1.2.3.4/33", "1.2.3.9-1.2.3.4", "1.2.3.4-::1", "file:bots.txt", "::/129", "a-b"]
        {
            assert!(IpSet::default().add(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn joining_ranges_changes_nothing(ranges in proptest::collection::vec((0u8..60, 0u8..60), 1..8), n in 0u8..64) {
            let mut set = IpSet::default();
            for (a, b) in &ranges {
                set.add(&format!("10.0.0.{}-10.0.0.{}", a.min(b), a.max(b))).expect("valid");
            }
            set.finish();
            let want = ranges.iter().any(|(a, b)| (*a.min(b)..=*a.max(b)).contains(&n));
            prop_assert_eq!(set.contains(IpAddr::from([10, 0, 0, n])), want);
        }
    }
}
