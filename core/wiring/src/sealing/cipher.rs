//! One secret, sealed: AES-256-GCM-SIV, which bears a nonce that comes twice. What is sealed for one field of one entity opens
//! nowhere else.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tfx_ports::entropy;

/// Fewest characters of a key.
pub(super) const SHORTEST: usize = 32;
/// The one member of what stands in the place of a secret: an object, which no program takes for a secret.
const SEALED: &str = "sealed";
/// The form of its text: `tfx1:KEY:BASE64`.
const FORM: &str = "tfx1";

/// A key that seals and opens.
pub(super) struct SealingKey {
    /// By which sealed texts name it; tells nothing of it.
    pub(super) id: String,
    key: LessSafeKey,
}

impl SealingKey {
    /// From the text of a key, which a generator made: it is hashed, not stretched.
    pub(super) fn new(text: &str) -> Option<Self> {
        let hash =
            |what: &str| Sha256::new().chain_update(what).chain_update([0]).chain_update(text).finalize();
        let id = hash("tfx sealing key id").iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let key = UnboundKey::new(&AES_256_GCM_SIV, &hash("tfx sealing key")).ok()?;
        Some(Self { id, key: LessSafeKey::new(key) })
    }

    /// The value, sealed for that place; none where it is too long to be a configuration's.
    pub(super) fn seal(&self, place: &str, value: &Value) -> Option<Value> {
        let mut nonce = [0; NONCE_LEN];
        nonce.iter_mut().zip(entropy::random_u128().to_be_bytes()).for_each(|(to, from)| *to = from);
        let mut text = value.to_string().into_bytes();
        let (at, aad) = (Nonce::assume_unique_for_key(nonce), Aad::from(place.as_bytes()));
        self.key.seal_in_place_append_tag(at, aad, &mut text).ok()?;
        let sealed = BASE64.encode([&nonce[..], &text].concat());
        Some(json!({ SEALED: format!("{FORM}:{}:{sealed}", self.id) }))
    }

    /// The value again; none if it was sealed with another key, for another place, or is damaged.
    pub(super) fn open(&self, place: &str, sealed: &Sealed<'_>) -> Option<Value> {
        let bytes = BASE64.decode(sealed.text).ok()?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let (at, aad) = (Nonce::assume_unique_for_key(*nonce), Aad::from(place.as_bytes()));
        let open = self.key.open_in_place(at, aad, &mut text).ok()?;
        serde_json::from_slice(open).ok()
    }
}

/// What stands in the place of a secret.
pub(super) struct Sealed<'v> {
    /// The key that it was sealed with.
    pub(super) key: &'v str,
    text: &'v str,
}

impl<'v> Sealed<'v> {
    /// Reads it; none if the value lies there in the clear.
    pub(super) fn read(value: &'v Value) -> Option<Self> {
        let fields = value.as_object().filter(|fields| fields.len() == 1)?;
        let mut parts = fields.get(SEALED)?.as_str()?.splitn(3, ':');
        let (form, key, text) = (parts.next()?, parts.next()?, parts.next()?);
        (form == FORM).then_some(Self { key, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "a-key-of-the-tests-with-more-than-32";

    #[test]
    fn what_is_sealed_opens_with_its_key_at_its_place_alone() {
        let (one, other) = (SealingKey::new(ONE).expect("a key"), SealingKey::new("another").expect("a key"));
        let value = json!({ "sale": "https://s.example/?token=canary" });
        let sealed = one.seal("source\0src_1\0postback_urls", &value).expect("sealed");
        let text = sealed.to_string();
        assert!(!text.contains("canary") && text.contains(&format!("tfx1:{}:", one.id)), "{text}");
        let read = Sealed::read(&sealed).expect("sealed");
        assert_eq!(
            (read.key, one.open("source\0src_1\0postback_urls", &read)),
            (one.id.as_str(), Some(value.clone()))
        );
        assert_eq!(one.open("source\0src_2\0postback_urls", &read), None, "of another entity");
        assert_eq!(other.open("source\0src_1\0postback_urls", &read), None, "with another key");
        assert_ne!(one.seal("p", &value), one.seal("p", &value), "nobody sees that two are the same");
        // Each character of it counts.
        let text = read.text;
        for at in (0..text.len()).step_by(7) {
            let flipped = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let torn = [&text[..at], flipped, &text[at + 1..]].concat();
            let torn = Sealed { key: &one.id, text: &torn };
            assert_eq!(one.open("source\0src_1\0postback_urls", &torn), None, "{at}");
        }
        for short in ["", "A", "AAAA", "!"] {
            assert_eq!(one.open("p", &Sealed { key: &one.id, text: short }), None);
        }
    }

    #[test]
    fn what_lies_in_the_clear_is_no_sealed_value() {
        for clear in [
            json!("tfx1:00000000:AAAA"),
            json!(null),
            json!({}),
            json!({ "sealed": 5 }),
            json!({ "sealed": "tfx1" }),
            json!({ "sealed": "tfx2:00000000:AAAA" }),
            json!({ "sealed": "tfx1:00000000:AAAA", "id": "{tid}" }),
            json!(["tfx1:a:b"]),
        ] {
            assert!(Sealed::read(&clear).is_none(), "{clear}");
        }
    }
}
