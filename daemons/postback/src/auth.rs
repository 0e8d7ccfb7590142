//! Who may report: the network's secret, compared in constant time, and its addresses.

use crate::addresses::{AddressFiles, Listed};
use std::net::IpAddr;
use tfx_domain::{Timestamp, entity::NetworkSpec, postback::advice};
use tfx_service::internal::same;

/// By what a postback was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The network's secret, or its address where it has none.
    Usual,
    /// The secret before that, which works until then.
    Former(Timestamp),
}

/// Checks a postback against its network, as of now.
///
/// # Errors
/// Why it is refused, for the log. The answer does not tell which it was.
pub(crate) fn check(
    network: &NetworkSpec,
    ip: IpAddr,
    given: &[String],
    files: &AddressFiles,
    now: Timestamp,
) -> Result<Admission, String> {
    let refused = |why: &str| Err(why.to_owned());
    let from_anywhere = network.allowed_ips.is_empty() && network.allowed_ips_file.is_none();
    if !from_anywhere && listed(network, files, ip) != Listed::Yes {
        return refused("the address is not allowed");
    }
    let Some(present) = &network.postback_secret else {
        // Without either, anybody could report sales.
        return if from_anywhere {
            refused("the network has neither a secret nor allowed addresses")
        } else {
            Ok(Admission::Usual)
        };
    };
    if given.is_empty() {
        return refused("the secret is missing");
    }
    let former = network.former_secret.as_ref();
    // Every one given is compared with both, whichever is right, and as often where there is one.
    let stand_in = former.map_or(present, |former| &former.secret);
    let (is_present, is_former) = given.iter().fold((false, false), |(one, other), given| {
        (same(given, &present.0) | one, same(given, &stand_in.0) | other)
    });
    match former.filter(|_| is_former) {
        _ if is_present => Ok(Admission::Usual),
        Some(former) if former.works(now) => Ok(Admission::Former(former.until)),
        Some(former) => Err(advice::ended_secret(former.until)),
        None => refused("the secret is wrong"),
    }
}

/// Whether the address is one of the network's.
pub(crate) fn listed(network: &NetworkSpec, files: &AddressFiles, ip: IpAddr) -> Listed {
    match &network.allowed_ips_file {
        _ if network.allowed_ips.iter().any(|net| net.contains(&ip)) => Listed::Yes,
        Some(path) => files.lists(path, ip),
        None => Listed::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_and_address_must_both_be_right() {
        let network = |secret: Option<&str>, ips: &[&str]| -> NetworkSpec {
            let json =
                serde_json::json!({"slug": "n", "name": "N", "postback_secret": secret, "allowed_ips": ips});
            serde_json::from_value(json).expect("network")
        };
        let table: &[(Option<&str>, &[&str], &str, &[&str], bool)] = &[
            (Some("s3cret-x"), &[], "1.1.1.1", &["s3cret-x"], true),
            (Some("s3cret-x"), &[], "1.1.1.1", &["wrong", "s3cret-x"], true),
            (Some("s3cret-x"), &[], "1.1.1.1", &["s3cret-x "], false),
            (Some("s3cret-x"), &[], "1.1.1.1", &["s3cret-"], false),
            (Some("s3cret-x"), &[], "1.1.1.1", &[""], false),
            (Some("s3cret-x"), &[], "1.1.1.1", &[], false),
            (Some("s3cret-x"), &["1.1.1.0/24"], "1.1.1.1", &["s3cret-x"], true),
            (Some("s3cret-x"), &["1.1.1.0/24"], "1.1.2.1", &["s3cret-x"], false),
            (Some("s3cret-x"), &["1.1.1.0/24"], "1.1.1.1", &["wrong"], false),
            (None, &["1.1.1.0/24"], "1.1.1.1", &[], true),
            (None, &["1.1.1.0/24"], "::1", &[], false),
            (None, &[], "1.1.1.1", &[], false),
        ];
        for (secret, ips, ip, given, ok) in table {
            let given: Vec<String> = given.iter().map(|g| (*g).to_owned()).collect();
            let now = Timestamp::UNIX_EPOCH;
            let checked =
                check(&network(*secret, ips), ip.parse().expect("ip"), &given, &AddressFiles::default(), now);
            assert_eq!(checked.is_ok(), *ok, "{secret:?} {ips:?} {ip} {given:?}");
        }
    }

    #[test]
    fn a_former_secret_works_until_its_end_and_is_told_apart_afterwards() {
        let network: NetworkSpec = serde_json::from_value(serde_json::json!({
            "slug": "n", "name": "N", "postback_secret": "present-x",
            "former_secret": { "secret": "former-x", "until": "2026-01-02T00:00:00Z" },
        }))
        .expect("network");
        let ended = "the secret is its former one, which ended 2026-01-02T00:00:00Z";
        let until: Timestamp = "2026-01-02T00:00:00Z".parse().expect("time");
        let (before, at_its_end) = ("2026-01-01T23:59:59.999Z", "2026-01-02T00:00:00Z");
        let table: &[(&str, &[&str], Result<Admission, &str>)] = &[
            (before, &["present-x"], Ok(Admission::Usual)),
            (before, &["former-x"], Ok(Admission::Former(until))),
            (before, &["former-x", "present-x"], Ok(Admission::Usual)),
            (before, &["wrong-xx", "former-x"], Ok(Admission::Former(until))),
            (before, &["wrong-xx"], Err("the secret is wrong")),
            (before, &[], Err("the secret is missing")),
            (at_its_end, &["former-x"], Err(ended)),
            (at_its_end, &["former-x", "present-x"], Ok(Admission::Usual)),
            (at_its_end, &["wrong-xx"], Err("the secret is wrong")),
        ];
        for (now, given, want) in table {
            let given: Vec<String> = given.iter().map(|g| (*g).to_owned()).collect();
            let checked = check(
                &network,
                [1, 1, 1, 1].into(),
                &given,
                &AddressFiles::default(),
                now.parse().expect("time"),
            );
            assert_eq!(checked, want.map_err(str::to_owned), "{now} {given:?}");
        }
    }
}
