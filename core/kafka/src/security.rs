//! TLS and logins: options that cannot work are found before anything connects, and who cannot connect is told which
//! option to look at. librdkafka tells of both late, in OpenSSL's words, or not at all.

use std::{collections::BTreeMap, fs, path::Path};

/// Options by name.
type Options = BTreeMap<String, String>;

const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];

/// Those that need no more than a name and a password.
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

/// Options that name a file, what it holds, and how one knows.
const FILES: [(&str, &str, &str); 4] = [
    ("ssl.ca.location", "certificate", "CERTIFICATE-----"),
    ("ssl.certificate.location", "certificate", "CERTIFICATE-----"),
    ("ssl.key.location", "private key", "PRIVATE KEY-----"),
    ("ssl.crl.location", "list of revoked certificates", "X509 CRL-----"),
];

/// What is said of a broker that hangs up on its first request.
pub(crate) const HUNG_UP: &str = "it hung up at once";

fn protocol(options: &Options) -> String {
    options.get("security.protocol").map_or("plaintext".to_owned(), |p| p.to_ascii_lowercase())
}

/// Fails for a protocol that there is not.
pub(crate) fn check_protocol(options: &Options) -> Result<(), String> {
    let known = PROTOCOLS.contains(&&*protocol(options));
    if known { Ok(()) } else { Err(format!("security.protocol is none of {}", PROTOCOLS.join(", "))) }
}

/// What cannot work of options that there are. Shows names and paths, never another value.
pub(crate) fn check(options: &Options) -> Result<(), String> {
    let protocol = protocol(options);
    let (tls, sasl) = (protocol.ends_with("ssl"), protocol.starts_with("sasl"));
    // An option without effect is a protection that somebody believes in.
    for (begins, on, wants) in
        [("ssl.", tls, "ssl or sasl_ssl"), ("sasl.", sasl, "sasl_ssl (or sasl_plaintext)")]
    {
        if let Some(option) = options.keys().find(|o| !on && o.starts_with(begins)) {
            return Err(format!(
                "{option} has no effect while security.protocol is {protocol}: set that to {wants}"
            ));
        }
    }
    if sasl {
        login(options)?;
    }
    FILES.iter().try_for_each(|(option, what, mark)| match options.get(*option) {
        Some(path) if *option != "ssl.ca.location" || path != "probe" => {
            file(Path::new(path), what, mark).map_err(|why| format!("{option}: {path} {why}"))
        }
        _ => Ok(()),
    })
}

fn login(options: &Options) -> Result<(), String> {
    let mechanism = options.get("sasl.mechanism").or_else(|| options.get("sasl.mechanisms"));
    if !mechanism.is_some_and(|m| MECHANISMS.contains(&&**m)) {
        let is = if mechanism.is_some() { "is not one that is known here" } else { "is missing" };
        return Err(format!("sasl.mechanism {is}; there are {}", MECHANISMS.join(", ")));
    }
    let missing =
        ["sasl.username", "sasl.password"].into_iter().find(|o| options.get(*o).is_none_or(String::is_empty));
    missing.map_or(Ok(()), |option| Err(format!("{option} is missing: a login has a name and a password")))
}

fn file(path: &Path, what: &str, mark: &str) -> Result<(), String> {
    if path.is_dir() {
        return Ok(()); // of authorities, by their hashes
    }
    let bytes = fs::read(path).map_err(|e| format!("cannot be read: {e}"))?;
    let holds = bytes.windows(mark.len()).any(|w| w == mark.as_bytes());
    if holds { Ok(()) } else { Err(format!("holds no {what} in PEM")) }
}

/// What to look at when brokers do not let us in.
pub(crate) fn of_login(cause: &str) -> &'static str {
    if cause.contains("Unsupported SASL mechanism") {
        "check sasl.mechanism in EVENT_KAFKA_OPTIONS"
    } else {
        "check sasl.username, sasl.password and sasl.mechanism in EVENT_KAFKA_OPTIONS"
    }
}

/// What to look at when brokers cannot be reached for that cause.
pub(crate) fn of_absence(options: &Options, cause: &str) -> Option<&'static str> {
    let (says, protocol) = (|text: &str| cause.contains(text), protocol(options));
    let (tls, sasl) = (protocol.ends_with("ssl"), protocol.starts_with("sasl"));
    if says("certificate verify failed") {
        Some(
            "check in EVENT_KAFKA_OPTIONS that ssl.ca.location holds the authority of the brokers' certificate, and that \
             the certificate is for the host that EVENT_BROKERS names and has not expired",
        )
    } else if says("alert") || says("unexpected message") {
        Some(
            "check in EVENT_KAFKA_OPTIONS whether ssl.certificate.location and ssl.key.location are as the brokers want",
        )
    } else if tls && (says("SSL_HANDSHAKE") || says("SSL handshake failed")) {
        Some(
            "check whether the port in EVENT_BROKERS speaks TLS, as security.protocol in EVENT_KAFKA_OPTIONS says",
        )
    } else if !tls && (says(HUNG_UP) || says("Invalid response size")) {
        Some(
            "check whether the port in EVENT_BROKERS is one that speaks TLS or wants a login: security.protocol in \
             EVENT_KAFKA_OPTIONS says neither or not both",
        )
    } else if !sasl && says(HUNG_UP) {
        Some("check whether the brokers want a login: security.protocol in EVENT_KAFKA_OPTIONS says none")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &str) -> Options {
        let pair = |p: &str| p.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).expect("a pair");
        pairs.split_whitespace().map(pair).collect()
    }

    #[test]
    fn what_cannot_work_is_named_and_no_secret_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("written");
            path.display().to_string()
        };
        let ca = path("ca.pem", "-----BEGIN CERTIFICATE-----\n");
        let none = path("none.pem", "canary");
        let user = "sasl.username=tfx sasl.password=canary";
        let right = [
            String::new(),
            "security.protocol=SSL".into(),
            format!("security.protocol=ssl ssl.ca.location={ca}"),
            format!("security.protocol=ssl ssl.ca.location={}", folder.path().display()),
            format!("security.protocol=ssl ssl.ca.location=probe ssl.certificate.location={ca}"),
            format!("security.protocol=SASL_SSL sasl.mechanisms=SCRAM-SHA-256 {user}"),
            format!("security.protocol=sasl_plaintext sasl.mechanism=PLAIN {user}"),
        ];
        for pairs in right {
            check(&options(&pairs)).unwrap_or_else(|why| panic!("{pairs}: {why}"));
        }
        let wrong = [
            (user.into(), "sasl.password has no effect while security.protocol is plaintext"),
            (format!("security.protocol=ssl {user}"), "security.protocol is ssl: set that to sasl_ssl"),
            (format!("ssl.ca.location={ca}"), "ssl.ca.location has no effect"),
            (
                format!("security.protocol=sasl_ssl {user}"),
                "sasl.mechanism is missing; there are PLAIN, SCRAM",
            ),
            (
                format!("security.protocol=sasl_ssl sasl.mechanism=GSSAPI {user}"),
                "is not one that is known here",
            ),
            (
                "security.protocol=sasl_ssl sasl.mechanism=PLAIN sasl.password=canary".into(),
                "sasl.username is missing",
            ),
            (
                "security.protocol=sasl_ssl sasl.mechanism=PLAIN sasl.username=canary".into(),
                "sasl.password is missing",
            ),
            (
                "security.protocol=ssl ssl.ca.location=/nowhere/ca.pem".into(),
                "ssl.ca.location: /nowhere/ca.pem cannot be read: No such file",
            ),
            (format!("security.protocol=ssl ssl.ca.location={none}"), "holds no certificate in PEM"),
            (format!("security.protocol=ssl ssl.key.location={ca}"), "holds no private key in PEM"),
        ];
        let why = check_protocol(&options("security.protocol=tls")).expect_err("no such");
        assert!(why.starts_with("security.protocol is none of plaintext, ssl"), "{why}");
        for (pairs, says) in wrong {
            let why = check(&options(&pairs)).expect_err(&pairs);
            assert!(why.contains(says) && !why.contains("canary"), "{pairs}: {why}");
        }
    }

    #[test]
    fn who_cannot_connect_is_told_where_to_look() {
        let table = [
            ("ssl", "SSL handshake failed: certificate verify failed", "ssl.ca.location"),
            ("ssl", "SSL receive failed: tlsv13 alert certificate required", "ssl.certificate.location"),
            ("ssl", "Connection setup timed out in state SSL_HANDSHAKE", "speaks TLS"),
            ("ssl", "SSL handshake failed: Disconnected", "speaks TLS"),
            ("plaintext", "Disconnected: it hung up at once", "speaks TLS or wants a login"),
            ("sasl_plaintext", "Receive failed: Invalid response size 352518912", "speaks TLS"),
            ("ssl", "Disconnected: it hung up at once", "want a login"),
        ];
        for (protocol, cause, says) in table {
            let advice = of_absence(&options(&format!("security.protocol={protocol}")), cause);
            assert!(advice.is_some_and(|a| a.contains(says) && a.contains("EVENT_KAFKA_OPTIONS")), "{cause}");
        }
        for cause in ["Connect failed: Connection refused", "Disconnected"] {
            assert_eq!(of_absence(&options("security.protocol=plaintext"), cause), None);
        }
    }
}
