//! What a network signs of a request, and where in it its signature stands.

use super::{Unsigned, unbase64, unhex};
use crate::{
    Timestamp,
    entity::{SignatureEncoding, SignatureFormat, SignedPart, SignedPlace, SignedTime, SignedTimeUnit},
    query,
};

/// So many signatures are looked at of one header: as many as a network sends while it changes its key, and some.
const MOST_SIGNATURES: usize = 8;

/// A request as it came.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    /// The URL that the network was given, without a query.
    pub url: &'r str,
    /// The query, as it came; empty: none.
    pub query: &'r str,
    /// The body; none: it could not be read.
    pub body: Option<&'r [u8]>,
    /// Its parameters, decoded: of the query, and then of the body.
    pub params: &'r [(String, String)],
    /// How many of them are of the query.
    pub of_query: usize,
    /// All values of a header, by its name in lower case.
    pub header: &'r dyn Fn(&str) -> Vec<String>,
}

impl Request<'_> {
    /// Which of its parameters are signed, in their order.
    pub fn which_are_signed(&self, format: &SignatureFormat) -> Vec<bool> {
        self.params.iter().enumerate().map(|(n, (name, _))| self.is_signed(format, n, name)).collect()
    }

    fn is_signed(&self, format: &SignatureFormat, n: usize, name: &str) -> bool {
        let whole = if n < self.of_query { format.covers_query() } else { format.covers_body() };
        // By its name the first of it is signed.
        let is_first = || !self.params[..n].iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        whole || (format.covers_param(name) && is_first())
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn header(&self, name: &str) -> Vec<String> {
        (self.header)(&name.to_ascii_lowercase())
    }

    /// What stands in a place; several where a header has several of a part.
    fn at(&self, place: &SignedPlace) -> Vec<String> {
        match place {
            SignedPlace::Param(name) => self.param(name).map(str::to_owned).into_iter().collect(),
            SignedPlace::Header(name, None) => {
                self.header(name).iter().map(|v| v.trim().to_owned()).collect()
            }
            SignedPlace::Header(name, Some(part)) => {
                self.header(name).iter().flat_map(|value| parts(value, part)).collect()
            }
        }
    }

    /// The signatures in it, as bytes; what is none is nothing.
    pub(super) fn signatures(&self, format: &SignatureFormat) -> Vec<Vec<u8>> {
        let written = self.at(&format.place).into_iter().take(MOST_SIGNATURES);
        let decoded = written.map(|text| {
            let text = text.strip_prefix(&format.prefix).unwrap_or(&text);
            match format.encoding {
                SignatureEncoding::Hex => unhex(text),
                SignatureEncoding::Base64 => unbase64(text),
            }
            .unwrap_or_default()
        });
        decoded.collect()
    }

    /// The texts that may have been signed: of parameters in order as they came, and as a form has them.
    pub(super) fn texts(&self, format: &SignatureFormat) -> Vec<Vec<u8>> {
        let sorted = |as_form| self.text(format, as_form);
        let mut texts = vec![sorted(false)];
        if format.signed.parts().contains(&SignedPart::Sorted) {
            texts.push(sorted(true));
        }
        texts
    }

    fn text(&self, format: &SignatureFormat, as_form: bool) -> Vec<u8> {
        let mut text = Vec::new();
        for part in format.signed.parts() {
            match part {
                SignedPart::Text(own) => text.extend_from_slice(own.as_bytes()),
                SignedPart::Body => text.extend_from_slice(self.body.unwrap_or_default()),
                SignedPart::Url => {
                    text.extend_from_slice(self.url.as_bytes());
                    let query = self.pairs(format).join("&");
                    if !query.is_empty() {
                        text.push(b'?');
                        text.extend_from_slice(query.as_bytes());
                    }
                }
                SignedPart::Query => text.extend_from_slice(self.pairs(format).join("&").as_bytes()),
                SignedPart::Sorted => {
                    let mut pairs = self.pairs(format);
                    let name = |pair: &&str| pair.split_once('=').map_or(*pair, |(name, _)| name).to_owned();
                    pairs.sort_by_key(|pair| name(pair));
                    let joined = pairs.join("&");
                    if as_form {
                        let mut form = url::form_urlencoded::Serializer::new(String::new());
                        form.extend_pairs(query::pairs(joined.as_bytes()));
                        text.extend_from_slice(form.finish().as_bytes());
                    } else {
                        text.extend_from_slice(joined.as_bytes());
                    }
                }
                SignedPart::Time => {
                    let time = format.time.as_ref().map(|time| self.at(&time.place));
                    text.extend(time.into_iter().flatten().next().unwrap_or_default().into_bytes());
                }
                SignedPart::Param(name) => {
                    text.extend_from_slice(&query::bytes_of(self.param(name).unwrap_or_default()));
                }
                SignedPart::Header(name) => {
                    text.extend(self.header(name).into_iter().next().unwrap_or_default().into_bytes());
                }
            }
        }
        text
    }

    /// The parameters of the query as they came, without the signature.
    fn pairs(&self, format: &SignatureFormat) -> Vec<&str> {
        let is_signature = |pair: &str| match &format.place {
            SignedPlace::Param(name) => {
                let own = pair.split_once('=').map_or(pair, |(name, _)| name);
                query::decode(own.as_bytes(), true).eq_ignore_ascii_case(name)
            }
            SignedPlace::Header(..) => false,
        };
        self.query.split('&').filter(|pair| !pair.is_empty() && !is_signature(pair)).collect()
    }

    pub(super) fn time(
        &self,
        format: &SignatureFormat,
        time: &SignedTime,
        now: Timestamp,
    ) -> Result<Timestamp, Unsigned> {
        let written = match &time.place {
            // One that is not signed itself says nothing.
            SignedPlace::Param(name) if !format.signed.parts().contains(&SignedPart::Time) => {
                let which = self.which_are_signed(format);
                let signed = self.params.iter().zip(which).filter(|(_, is_signed)| *is_signed);
                let mut named = signed.filter(|((own, _), _)| own.eq_ignore_ascii_case(name));
                named.next().map(|((_, value), _)| value.clone())
            }
            place => self.at(place).into_iter().next(),
        };
        let Some(written) = written else { return Err(Unsigned::NoTime(time.place.clone())) };
        let number = || written.trim().parse::<i64>().ok();
        let (at, what) = match time.unit {
            SignedTimeUnit::Seconds => {
                (number().and_then(|s| Timestamp::from_second(s).ok()), "in seconds since 1970")
            }
            SignedTimeUnit::Milliseconds => {
                (number().and_then(|ms| Timestamp::from_millisecond(ms).ok()), "in milliseconds since 1970")
            }
            SignedTimeUnit::Rfc3339 => (written.trim().parse().ok(), "such as 2026-01-02T03:04:05Z"),
        };
        let at = at.ok_or_else(|| Unsigned::BadTime(time.place.clone(), what))?;
        let apart = now.as_millisecond().saturating_sub(at.as_millisecond());
        if apart.unsigned_abs() > u64::from(time.within_s) * 1_000 {
            let side = if apart > 0 { "before" } else { "after" };
            return Err(Unsigned::Late { at, by: apart.unsigned_abs() / 1_000, side, within: time.within_s });
        }
        Ok(at)
    }
}

/// The values of a part of a header: `t=1,v1=a,v1=b`, `ts=1;h1=a`, `v1,a v1,b`.
fn parts(value: &str, part: &str) -> Vec<String> {
    let of = |text: &str, sign: char| -> Option<String> {
        let (name, value) = text.trim().split_once(sign)?;
        (name.trim() == part).then(|| value.trim().to_owned())
    };
    let spaced = value.split_ascii_whitespace().filter_map(|text| of(text, ','));
    // Base64 has = at its end, so that a part ends where another begins.
    let listed = value.split([',', ';']).filter_map(|text| of(text, '='));
    spaced.chain(listed).collect()
}
