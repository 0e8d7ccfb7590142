//! Whether a postback is signed by its network, where that signs: what is not is refused, and what of it is not signed is not
//! read, nor kept where it could be read later.

use crate::{
    log::{Origin, PostbackOutcome, SECRET},
    params::Params,
};
use bytes::Bytes;
use http::HeaderMap;
use tfx_domain::{
    Timestamp,
    entity::{Network, SignatureFormat, SignedPlace, Template},
    postback::{Request, Signed, Unreadable, Unsigned, Verified, advice, verify},
};
use tfx_ports::clock;

/// Why a postback that came again changed nothing.
pub(crate) const CAME_BEFORE: &str = "it was taken before: its signature is the same";

/// A request as it came in, for whoever looks at its signature.
#[derive(Debug)]
pub(crate) struct RawRequest {
    /// The path, as it came.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// None: it could not be read.
    pub(crate) body: Option<Bytes>,
    /// How many of the parameters are of the query.
    pub(crate) of_query: usize,
}

/// A postback that its network signed.
pub(crate) struct SignedPostback<'f> {
    format: &'f SignatureFormat,
    signed: Signed,
    /// It is signed with the key before, which works until then.
    former: Option<Timestamp>,
    /// Which of its parameters are signed.
    which: Vec<bool>,
}

/// Looks at the signature; none where the network does not sign.
///
/// # Errors
/// It is not signed.
pub(crate) fn check<'f>(
    network: &Network,
    template: Option<&'f Template>,
    public_url: &str,
    raw: &RawRequest,
    params: &[(String, String)],
) -> Result<Option<SignedPostback<'f>>, Unsigned> {
    let Some(format) = template.and_then(|t| t.spec.signature.as_ref()) else {
        // Else whoever leaves the template out of the URL, or names another, would not have to sign.
        return match &network.spec.signing_key {
            None => Ok(None),
            Some(_) => {
                let template = template.map_or("default", |t| t.spec.slug.as_str());
                Err(Unsigned::NoFormat(format!("{}/{template}", network.spec.slug)))
            }
        };
    };
    let header = |name: &str| -> Vec<String> {
        let values = raw.headers.get_all(name).iter();
        values.filter_map(|value| value.to_str().ok().map(str::to_owned)).collect()
    };
    let body = raw.body.as_deref();
    let url = format!("{public_url}{}", raw.path);
    let request =
        Request { url: &url, query: &raw.query, body, params, of_query: raw.of_query, header: &header };
    let Verified { signed, former } = verify(format, &network.spec, &request, clock::now())?;
    let which = request.which_are_signed(format);
    Ok(Some(SignedPostback { format, signed, former, which }))
}

/// What is answered. What is not right here the network cannot mend, and sends again.
pub(crate) fn refused(unsigned: &Unsigned) -> PostbackOutcome {
    let (status, told) = match unsigned.is_ours() {
        true => (503, "the signature cannot be looked at now; send it again"),
        false => (403, "the signature is not accepted"),
    };
    PostbackOutcome { told: told.to_owned(), ..PostbackOutcome::rejected(status, unsigned.to_string()) }
}

impl SignedPostback<'_> {
    /// Leaves what is not signed out of a postback, and says so.
    pub(crate) fn keep(self, origin: &mut Origin, unreadable: &mut Vec<Unreadable>) {
        let Self { format, signed, former, which } = self;
        let (mut params, mut left_out) = (Params::new(), Vec::new());
        for (param, is_signed) in std::mem::take(&mut origin.params).into_iter().zip(which) {
            if is_signed {
                params.push(param);
            } else {
                left_out.push(param.0);
            }
        }
        unreadable.retain(|it| format.covers_body() || format.covers_param(&it.name));
        let is_own = |name: &str| match &format.place {
            SignedPlace::Param(own) => name.eq_ignore_ascii_case(own),
            SignedPlace::Header(..) => false,
        };
        left_out.retain(|name| !name.eq_ignore_ascii_case(SECRET) && !is_own(name));
        left_out.truncate(8);
        let mut notes = Vec::new();
        if let Some(until) = former {
            notes.push(advice::former_key(until));
        }
        if !left_out.is_empty() {
            notes.push(advice::not_signed(&left_out));
        }
        if !origin.note.is_empty() {
            notes.insert(0, std::mem::take(&mut origin.note));
        }
        (origin.note, origin.params, origin.signed) = (notes.join("; "), params, Some(signed));
    }
}
