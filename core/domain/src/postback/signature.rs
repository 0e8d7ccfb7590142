//! Whether a postback is signed by its network ([`SignatureFormat`]), and signing one as the network would.
//!
//! What is not signed is not read: [`Request::which_are_signed`] tells it apart, or a stranger could put another payout into the
//! query of a postback whose body is signed.

mod request;
mod taken;

pub use request::Request;
pub use taken::{Signatures, Signed};

use crate::{
    Timestamp,
    entity::{
        FormerSecret, NetworkSpec, Secret, SignatureAlgorithm, SignatureEncoding, SignatureFormat,
        SignedPlace, SignedTimeUnit, SigningKeyForm, TemplateSpec,
    },
};
use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;

/// Why a postback does not count as its network's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// The network has no key.
    #[error(
        "its template wants a signature, and the network has no signing key: tfx network update {0} --signing-key-file FILE"
    )]
    NoKey(String),
    /// No template says how.
    #[error(
        "the network signs its postbacks, and its template does not say how: tfx template update {0} --signature-in PLACE --signed TEXT"
    )]
    NoFormat(String),
    /// The key is not written as the template says.
    #[error("the network's signing key is not {0}, as the signature of its template says")]
    BadKey(&'static str),
    /// There is no signature.
    #[error("the signature is missing ({0})")]
    Missing(SignedPlace),
    /// The body is signed and could not be read.
    #[error("the body is signed, and could not be read")]
    NoBody,
    /// It is not of this key, or of something else.
    #[error("the signature is wrong")]
    Wrong,
    /// It is of the key before, which works no more.
    #[error("the signature is of the network's former key, which ended {0}")]
    Ended(Timestamp),
    /// There is no time.
    #[error("the time of the signature is missing ({0})")]
    NoTime(SignedPlace),
    /// That is no time.
    #[error("the time of the signature ({0}) is not {1}")]
    BadTime(SignedPlace, &'static str),
    /// It was signed too long ago, or will be.
    #[error("it was signed {at}, {by} s {side} it came; allowed are {within} s")]
    Late {
        /// When.
        at: Timestamp,
        /// How far that is from now.
        by: u64,
        /// `before` or `after`.
        side: &'static str,
        /// How far it may be.
        within: u32,
    },
}

impl Unsigned {
    /// Whether it is for this installation to mend, not for the network: it is answered 503, and comes again.
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::NoKey(_) | Self::BadKey(_) | Self::NoFormat(_))
    }

    /// A word for a metric.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NoKey(_) | Self::BadKey(_) | Self::NoFormat(_) => "no_key",
            Self::Missing(_) | Self::NoTime(_) | Self::NoBody => "missing",
            Self::Wrong | Self::BadTime(..) => "wrong",
            Self::Ended(_) => "ended",
            Self::Late { .. } => "late",
        }
    }

    /// All those words.
    pub const WORDS: [&'static str; 5] = ["no_key", "missing", "wrong", "ended", "late"];
}

/// By which key a postback is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What is remembered.
    pub signed: Signed,
    /// The key before the present one, which works until then.
    pub former: Option<Timestamp>,
}

/// Whether a postback is signed by its network, as of now.
///
/// # Errors
/// Why not.
pub fn verify(
    format: &SignatureFormat,
    network: &NetworkSpec,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Verified, Unsigned> {
    let Some(Secret(present)) = &network.signing_key else {
        return Err(Unsigned::NoKey(network.slug.to_string()));
    };
    if format.covers_body() && request.body.is_none() {
        return Err(Unsigned::NoBody);
    }
    let given = request.signatures(format);
    if given.is_empty() {
        return Err(Unsigned::Missing(format.place.clone()));
    }
    let texts = request.texts(format);
    // Every signature that is given is compared with each that would be right.
    let right = |key: &str| -> Result<Option<String>, Unsigned> {
        let key = key_bytes(format.key, key)?;
        let mut found = None;
        for text in &texts {
            let mac = mac(format.algorithm, &key, text);
            for given in &given {
                if same(given, &mac) {
                    found = Some(mark(&mac));
                }
            }
        }
        Ok(found)
    };
    let (mark, former) = match (right(present)?, &network.former_signing_key) {
        (Some(mark), _) => (mark, None),
        (None, Some(FormerSecret { secret: Secret(former), until })) => match right(former)? {
            Some(mark) if now < *until => (mark, Some(*until)),
            Some(_) => return Err(Unsigned::Ended(*until)),
            None => return Err(Unsigned::Wrong),
        },
        (None, None) => return Err(Unsigned::Wrong),
    };
    let at = format.time.as_ref().map(|time| request.time(format, time, now)).transpose()?;
    Ok(Verified { signed: Signed { mark, at }, former })
}

/// The signature of a request, as its network would write it.
///
/// # Errors
/// The network has no key, or it is not written as the format says.
pub fn sign(
    format: &SignatureFormat,
    network: &NetworkSpec,
    request: &Request<'_>,
) -> Result<String, Unsigned> {
    let Some(Secret(key)) = &network.signing_key else {
        return Err(Unsigned::NoKey(network.slug.to_string()));
    };
    let key = key_bytes(format.key, key)?;
    let text = request.texts(format).into_iter().next().unwrap_or_default();
    let mac = mac(format.algorithm, &key, &text);
    let written = match format.encoding {
        SignatureEncoding::Hex => hex(&mac),
        SignatureEncoding::Base64 => base64::prelude::BASE64_STANDARD.encode(&mac),
    };
    Ok(format!("{}{written}", format.prefix))
}

/// Why nothing is taken through a template whose network has a key that is not written as it says, and the command.
pub fn unreadable_key(network: &NetworkSpec, template: &TemplateSpec) -> Option<(String, String)> {
    let (Some(format), Some(Secret(key))) = (&template.signature, &network.signing_key) else { return None };
    let why = key_bytes(format.key, key).err()?;
    let because = format!(
        "{why}, so all that comes through it is answered 503; FORM is how the key is written: text, hex or base64"
    );
    Some((because, format!("tfx template update {}/{} --signature-key FORM", network.slug, template.slug)))
}

/// A time as a network writes it.
pub fn written_time(unit: SignedTimeUnit, at: Timestamp) -> String {
    match unit {
        SignedTimeUnit::Seconds => at.as_second().to_string(),
        SignedTimeUnit::Milliseconds => at.as_millisecond().to_string(),
        SignedTimeUnit::Rfc3339 => at.to_string(),
    }
}

fn key_bytes(form: SigningKeyForm, key: &str) -> Result<Vec<u8>, Unsigned> {
    match form {
        SigningKeyForm::Text => Ok(key.as_bytes().to_vec()),
        SigningKeyForm::Hex => unhex(key).ok_or(Unsigned::BadKey("hexadecimal")),
        SigningKeyForm::Base64 => {
            unbase64(key.strip_prefix("whsec_").unwrap_or(key)).ok_or(Unsigned::BadKey("Base64"))
        }
    }
}

fn mac(algorithm: SignatureAlgorithm, key: &[u8], text: &[u8]) -> Vec<u8> {
    fn of<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
        // It takes keys of any length.
        let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    }
    match algorithm {
        SignatureAlgorithm::Sha1 => of::<Hmac<Sha1>>(key, text),
        SignatureAlgorithm::Sha256 => of::<Hmac<Sha256>>(key, text),
        SignatureAlgorithm::Sha512 => of::<Hmac<Sha512>>(key, text),
    }
}

/// Whether two MACs are the same, in a time that tells nothing but their lengths.
fn same(given: &[u8], mac: &[u8]) -> bool {
    !mac.is_empty() && given.ct_eq(mac).into()
}

fn mark(mac: &[u8]) -> String {
    hex(&mac[..mac.len().min(12)])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    // A + that nobody encoded came through a query as a blank.
    GeneralPurpose::new(alphabet, lenient).decode(text.replace(' ', "+")).ok()
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
