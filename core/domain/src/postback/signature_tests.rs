//! Signatures as networks publish them, and whatever else is none.

use super::*;
use crate::{
    entity::{TemplateSpec, parse},
    query,
};
use serde_json::{Value, json};

fn network(key: &str, former: Option<(&str, &str)>) -> NetworkSpec {
    let mut spec = json!({ "slug": "adnet", "name": "A", "signing_key": key });
    if let Some((secret, until)) = former {
        spec["former_signing_key"] = json!({ "secret": secret, "until": until });
    }
    parse(spec).expect("a network")
}

fn template(signature: &Value) -> Result<TemplateSpec, crate::problem::Problems> {
    parse(
        json!({ "network": "net_0000000000000000000", "slug": "default", "name": "D", "signature": signature }),
    )
}

fn format(signature: &Value) -> SignatureFormat {
    template(signature).expect("a template").signature.expect("a signature")
}

const URL: &str = "https://publisher.com/complete";

/// A request as it comes: its body is a form.
struct Came {
    query: String,
    body: Vec<u8>,
    headers: Vec<(String, String)>,
}

fn came(query: &str, body: &str, headers: &[(&str, &str)]) -> Came {
    let headers = headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), (*v).to_owned())).collect();
    Came { query: query.to_owned(), body: body.as_bytes().to_vec(), headers }
}

/// The parameters that are signed, and the names of those that are not.
fn signed_params(request: &Request<'_>, format: &SignatureFormat) -> (Vec<(String, String)>, Vec<String>) {
    let (mut signed, mut left_out) = (Vec::new(), Vec::new());
    for ((name, value), is_signed) in request.params.iter().zip(request.which_are_signed(format)) {
        if is_signed {
            signed.push((name.clone(), value.clone()));
        } else {
            left_out.push(name.clone());
        }
    }
    (signed, left_out)
}

impl Came {
    fn with<T>(&self, look: impl FnOnce(&Request<'_>) -> T) -> T {
        let owned = |text: &[u8]| -> Vec<(String, String)> {
            query::pairs(text).map(|(n, v)| (n.into_owned(), v.into_owned())).collect()
        };
        let mut params = owned(self.query.as_bytes());
        let of_query = params.len();
        if !self.body.starts_with(b"{") {
            params.extend(owned(&self.body));
        }
        let header = |name: &str| -> Vec<String> {
            self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect()
        };
        look(&Request {
            url: URL,
            query: &self.query,
            body: Some(&self.body),
            params: &params,
            of_query,
            header: &header,
        })
    }

    fn verify(
        &self,
        format: &SignatureFormat,
        network: &NetworkSpec,
        now: &str,
    ) -> Result<Verified, Unsigned> {
        self.with(|request| verify(format, network, request, now.parse().expect("a time")))
    }
}

/// Examples that networks and their clients publish, each with its address.
#[test]
fn signatures_are_those_that_networks_publish() {
    // docs.ayetstudios.com, "HMAC Security Hash (optional)": the callback and the key of its example; the hash by `openssl dgst`.
    let ayet = format(&json!({ "in": "header:X-Ayetstudios-Security-Hash", "signed": "{sorted}" }));
    let query = "transaction_id=8ee08f32ae611231b0a49d1bd66e9bf193132561&amount=0.10&payout=1.50&user_id=testuser123456&\
                 click_id=1234abcd5678021";
    let hash = "3191f052846df1beee6c1d42030fee7448ff8fc47a417bf714c2e0a1308fc010";
    let key = network("9f2228fea0d8e7ce10b2ac36053db14c", None);
    let now = "2026-01-01T00:00:00Z";
    let request = came(query, "", &[("X-Ayetstudios-Security-Hash", hash)]);
    assert_eq!(request.verify(&ayet, &key, now).map(|v| v.former), Ok(None));

    // developer.bitlabs.ai, "Securing callbacks through hashing": the inputs and the output of its example.
    let bitlabs = format(&json!({ "in": "param:hash", "signed": "{url}", "algorithm": "sha1" }));
    let key = network("JLOIAUNMHFli7ZJOQVEzm98rzqnm9", None);
    let query =
        "uid=8cc877ee-af19-488d-b28d-216fb866b996&val=500&hash=dbcd6bb8ca677344592842a52b4fca9bec36cd4b";
    assert_eq!(came(query, "", &[]).verify(&bitlabs, &key, now).map(|v| v.former), Ok(None));
    let other = came(&query.replace("val=500", "val=5000"), "", &[]);
    assert_eq!(other.verify(&bitlabs, &key, now), Err(Unsigned::Wrong));

    // standard-webhooks/spec, "Signature scheme".
    let standard = format(&json!({
        "in": "header:webhook-signature:v1", "encoding": "base64", "key": "base64",
        "signed": "{header:webhook-id}.{time}.{body}", "time": { "in": "header:webhook-timestamp" },
    }));
    let key = network("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", None);
    let request = came(
        "",
        r#"{"test": 2432232314}"#,
        &[
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,bm90IHRoaXMgb25l v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ],
    );
    let at: Timestamp = "2021-02-25T15:02:10Z".parse().expect("a time");
    let verified = request.verify(&standard, &key, "2021-02-25T15:07:10Z").expect("it is signed");
    assert_eq!(verified.signed.at, Some(at));
    let late = request.verify(&standard, &key, "2021-02-25T15:07:10.001Z");
    assert_eq!(late, Err(Unsigned::Late { at, by: 300, side: "before", within: 300 }));
    let early = request.verify(&standard, &key, "2021-02-25T14:57:09Z");
    assert_eq!(early, Err(Unsigned::Late { at, by: 301, side: "after", within: 300 }));
}

#[test]
fn whatever_is_signed_verifies_and_nothing_else_does() {
    let key = network("a signing key"[2..].replace(' ', "-").as_str(), None);
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    let formats = [
        json!({ "in": "header:X-Sig", "signed": "{body}" }),
        json!({ "in": "header:X-Sig", "signed": "{body}", "encoding": "base64", "algorithm": "sha512" }),
        json!({ "in": "header:X-Sig:v1", "signed": "{body}\n{query}", "prefix": "" }),
        json!({ "in": "header:X-Sig", "signed": "{query}\n{body}", "prefix": "sha1=", "algorithm": "sha1" }),
        json!({ "in": "param:sig", "signed": "{query}" }),
        json!({ "in": "param:sig", "signed": "{url}" }),
        json!({ "in": "param:sig", "signed": "{sorted}", "encoding": "base64" }),
        json!({ "in": "param:sig", "signed": "{param:tid}:{param:sum}" }),
    ];
    for signature in formats {
        let format = format(&signature);
        let (query, body) = ("tid=7&sum=1%2C5&a=+b", "status=paid&sum=9");
        let written = came(query, body, &[]).with(|r| sign(&format, &key, r)).expect("signed");
        let signed = |query: &str, body: &str, written: &str| match &format.place {
            SignedPlace::Param(name) => {
                let query = format!("{query}&{name}={}", query::encode(written));
                came(&query, body, &[])
            }
            SignedPlace::Header(name, part) => {
                let value = part.as_ref().map_or(written.to_owned(), |part| format!("t=1, {part}={written}"));
                came(query, body, &[(name, value.as_str())])
            }
        };
        let verify = |came: &Came| came.with(|r| verify(&format, &key, r, now));
        assert!(verify(&signed(query, body, &written)).is_ok(), "{signature}");
        assert!(
            verify(&signed(query, body, &written.to_ascii_uppercase())).is_ok() || written.contains('='),
            "{signature}"
        );
        // One byte of what is signed is another.
        for (query, body) in [("tid=8&sum=1%2C5&a=+b", body), (query, "status=paid&sum=8")] {
            let other = signed(query, body, &written);
            let is_covered = other.with(|r| signed_params(r, &format).0)
                != signed("tid=7&sum=1%2C5&a=+b", "status=paid&sum=9", &written)
                    .with(|r| signed_params(r, &format).0);
            assert_eq!(verify(&other).is_err(), is_covered, "{signature} {query} {body}");
        }
        for wrong in ["", "00", "zz", &written[..written.len() - 4], "ü", &"a".repeat(100_000)] {
            assert_eq!(verify(&signed(query, body, wrong)), Err(Unsigned::Wrong), "{signature} {wrong:.20}");
        }
        assert_eq!(verify(&came(query, body, &[])), Err(Unsigned::Missing(format.place.clone())));
    }
}

#[test]
fn what_is_not_signed_is_not_read() {
    let table: [(Value, &[&str], &[&str]); 5] = [
        (json!("{body}"), &["payout=1", "status=paid"], &["payout", "tid", "sum"]),
        (json!("{query}"), &["payout=999", "tid=7", "sum=5"], &["payout", "status"]),
        (json!("{sorted}\n{body}"), &["payout=999", "tid=7", "sum=5", "payout=1", "status=paid"], &[]),
        (json!("{param:TID}"), &["tid=7"], &["payout", "sum", "payout", "status"]),
        // The first of a name is the one that is signed, and read.
        (json!("{param:payout}"), &["payout=999"], &["tid", "sum", "payout", "status"]),
    ];
    for (signed, read, left_out) in table {
        let format = format(&json!({ "in": "header:X-Sig", "signed": signed }));
        let (params, names) =
            came("payout=999&tid=7&sum=5", "payout=1&status=paid", &[]).with(|r| signed_params(r, &format));
        let params: Vec<String> = params.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(params, read, "{signed}");
        assert_eq!(names, left_out, "{signed}");
    }
}

#[test]
fn a_former_key_works_until_its_end() {
    let format = format(&json!({ "in": "header:X-Sig", "signed": "{body}" }));
    let (old, until) = (network("former-key", None), "2026-01-02T00:00:00Z");
    let body = r#"{"payout": "5"}"#;
    let written = came("", body, &[]).with(|r| sign(&format, &old, r)).expect("signed");
    let both = network("present-key", Some(("former-key", until)));
    let until: Timestamp = until.parse().expect("a time");
    let request = came("", body, &[("X-Sig", &written)]);
    assert_eq!(request.verify(&format, &both, "2026-01-01T23:59:59.999Z").map(|v| v.former), Ok(Some(until)));
    assert_eq!(request.verify(&format, &both, "2026-01-02T00:00:00Z"), Err(Unsigned::Ended(until)));
    assert_eq!(
        request.verify(&format, &network("present-key", None), "2026-01-01T00:00:00Z"),
        Err(Unsigned::Wrong)
    );
    let mut none = network("present-key", None);
    none.signing_key = None;
    let why = request.verify(&format, &none, "2026-01-01T00:00:00Z").expect_err("no key");
    assert!(why.to_string().contains("tfx network update adnet --signing-key-file"), "{why}");
}

#[test]
fn a_time_that_is_none_is_named() {
    let of = |unit: &str| {
        let time = json!({ "in": "param:ts", "unit": unit, "within_s": 60 });
        format(&json!({ "in": "param:sig", "signed": "{time}.{query}", "time": time }))
    };
    let key = network("present-key", None);
    let now = "2026-01-01T00:00:00Z";
    let table = [
        ("s", "1767225600", true),
        ("s", "1767225660", true),
        ("s", "1767225661", false),
        ("ms", "1767225600123", true),
        ("ms", "1767225600", false),
        ("rfc3339", "2026-01-01T01:00:00%2B01:00", true),
        ("rfc3339", "1767225600", false),
        ("s", "", false),
        ("s", "-1", false),
        ("s", "99999999999999999999", false),
        ("s", "١٧٦٧٢٢٥٦٠٠", false),
        ("s", "NaN", false),
    ];
    for (unit, ts, ok) in table {
        let format = of(unit);
        let query = format!("a=1&ts={ts}");
        let written = came(&query, "", &[]).with(|r| sign(&format, &key, r)).expect("signed");
        let verified = came(&format!("{query}&sig={written}"), "", &[]).verify(&format, &key, now);
        assert_eq!(verified.is_ok(), ok, "{unit} {ts} {verified:?}");
    }
}

#[test]
fn a_signature_that_cannot_hold_is_refused_when_it_is_written() {
    let table = [
        (json!({ "in": "header:X-Sig", "signed": "{time}" }), "signature.signed"),
        (json!({ "in": "header:X-Sig", "signed": "{body}.{time}" }), "signature.time"),
        (
            json!({ "in": "header:X-Sig", "signed": "{body}", "time": { "in": "header:X-Time" } }),
            "signature.time.in",
        ),
        (
            json!({ "in": "header:X-Sig", "signed": "{param:a}", "time": { "in": "param:ts" } }),
            "signature.time.in",
        ),
        (json!({ "in": "header:X-Sig", "signed": "{param:payout}{param:tid}" }), "signature.signed"),
        (json!({ "in": "header:X-Sig", "signed": "{query}{body}" }), "signature.signed"),
        (json!({ "in": "header:X-Sig", "signed": "{url}{body}" }), "signature.signed"),
        (json!({ "in": "header:X-Sig", "signed": "{body}{param:tid}" }), "signature.signed"),
        (json!({ "in": "header:X-Sig", "signed": "{header:X}{sorted}" }), "signature.signed"),
        (
            json!({ "in": "header:X-Sig", "signed": "{body}{time}", "time": { "in": "header:T" } }),
            "signature.signed",
        ),
        (
            json!({ "in": "header:X-Sig", "signed": "{time}{param:tid}", "time": { "in": "header:T" } }),
            "signature.signed",
        ),
        (json!({ "in": "param:tid", "signed": "{param:TID}" }), "signature.signed"),
        (json!({ "in": "header:X-Sig", "signed": "{header:x-sig}:{body}" }), "signature.signed"),
        (json!({ "in": "header:X-Sig:v1", "signed": "{header:X-Sig}:{body}" }), "signature.signed"),
        (
            json!({ "in": "header:X-Sig:v1", "signed": "{time}.{body}", "time": { "in": "header:X-Sig" } }),
            "signature.signed",
        ),
        (json!({ "in": "header:X-Sig", "signed": "{body", "time": null }), "signature.signed"),
        (json!({ "in": "header:X-Sig", "signed": "{payout}" }), "signature.signed"),
        (json!({ "in": "header:X-Sig", "signed": "body}" }), "signature.signed"),
        (json!({ "in": "X-Sig", "signed": "{body}" }), "signature.in"),
        (json!({ "in": "header:X Sig", "signed": "{body}" }), "signature.in"),
        (json!({ "in": "header:X-Sig:a=b", "signed": "{body}" }), "signature.in"),
        (json!({ "in": "header:X-Sig", "signed": "{body}", "algorithm": "md5" }), "signature.algorithm"),
        (json!({ "in": "header:X-Sig", "signed": "{body}", "prefix": "ü" }), "signature.prefix"),
        (
            json!({ "in": "header:X-Sig", "signed": "{body}.{time}", "time": { "in": "header:T", "within_s": 0 } }),
            "signature.time.within_s",
        ),
    ];
    for (signature, path) in table {
        let problems = template(&signature).expect_err("it cannot hold");
        assert!(problems.0.iter().any(|p| p.path == path), "{signature} {problems}");
    }
    let before_a_body =
        json!({ "in": "header:X-Sig", "signed": "{time}{body}", "time": { "in": "header:T" } });
    template(&before_a_body).expect("a digit that moves takes the time out of its window");
    for text in ["{time}.{body}", "v0:{time}:{body}", "{param:a}:{header:B}{sorted}{query}", "ä\n{body}"] {
        let read: crate::entity::SignedText = text.parse().expect("a text");
        assert_eq!(read.to_string(), text);
    }
}

#[test]
fn marks_are_kept_up_to_a_number_and_time_goes_on() {
    let signed = |n: usize, s: i64| Signed { mark: format!("{n:024x}"), at: Timestamp::from_second(s).ok() };
    let mut all = Signatures::default();
    for n in 0..40 {
        all = all.with(Some(&signed(n, i64::try_from(n).expect("small"))));
    }
    assert_eq!(all.marks.len(), Signatures::MOST);
    assert!(!all.has(&signed(7, 7)) && all.has(&signed(8, 8)) && all.has(&signed(39, 0)));
    assert!(all.is_past(&signed(7, 7)) && !all.is_past(&signed(39, 39)));
    assert!(!all.is_past(&Signed { mark: String::new(), at: None }));
    assert_eq!(all.clone().with(None), all);
    let noted = all.clone().noted(&signed(50, 50));
    assert_eq!(
        (noted.marks.len(), noted.latest),
        (Signatures::MOST, all.latest),
        "what changes nothing is no later"
    );
}
