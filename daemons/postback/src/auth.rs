//! Who may report: the network's secret, compared in constant time, and its addresses.

use std::net::IpAddr;
use tfx_domain::entity::NetworkSpec;
use tfx_service::internal::same;

/// Checks a postback against its network.
///
/// # Errors
/// Why it is refused, for the log. The answer does not tell which it was.
pub(crate) fn check(network: &NetworkSpec, ip: IpAddr, given: &[String]) -> Result<(), &'static str> {
    let from_anywhere = network.allowed_ips.is_empty();
    if !from_anywhere && !network.allowed_ips.iter().any(|net| net.contains(&ip)) {
        return Err("the address is not allowed");
    }
    match &network.postback_secret {
        Some(_) if given.is_empty() => Err("the secret is missing"),
        // Every one given is compared, whichever is right.
        Some(secret) if given.iter().fold(false, |ok, g| same(g, &secret.0) | ok) => Ok(()),
        Some(_) => Err("the secret is wrong"),
        // Without either, anybody could report sales.
        None if from_anywhere => Err("the network has neither a secret nor allowed addresses"),
        None => Ok(()),
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
            let checked = check(&network(*secret, ips), ip.parse().expect("ip"), &given);
            assert_eq!(checked.is_ok(), *ok, "{secret:?} {ips:?} {ip} {given:?}");
        }
    }
}
