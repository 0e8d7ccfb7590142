//! Headers of a postback to a source, as Standard Webhooks has them: an id that is the same however often it is sent, the
//! time of this attempt, and a signature where the source has a key.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use sha2::Sha256;
use tfx_domain::{
    Timestamp,
    entity::{Secret, SourceSpec},
    source_postback::{Message, signing_key},
};

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIME: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The headers of an attempt.
pub(super) fn headers(source: &SourceSpec, message: &Message, at: Timestamp) -> HeaderMap {
    let time = at.as_second().to_string();
    let mut headers = HeaderMap::new();
    let mut put = |name, value: &str| {
        // All of them are made of letters and digits.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(ID, &message.id);
    put(TIME, &time);
    if !message.content_type.is_empty() {
        put(CONTENT_TYPE, message.content_type);
    }
    let key = source.postback_signing_key.as_ref().and_then(|Secret(key)| signing_key(key));
    if let Some(key) = key {
        put(SIGNATURE, &format!("v1,{}", signature(&key, &message.id, &time, &message.body)));
    }
    headers
}

fn signature(key: &[u8], id: &str, time: &str, body: &str) -> String {
    // It takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    for part in [id, ".", time, ".", body] {
        mac.update(part.as_bytes());
    }
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification (standard-webhooks/spec, "Signature scheme").
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
        let body = r#"{"test": 2432232314}"#;
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
        assert_eq!(signed, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
