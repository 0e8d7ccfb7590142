//! What makes a visitor of a request: its facts, the user agent, where the address is, who it is. Nothing that a visitor
//! sends makes it fail. Knows no HTTP library: a request is its headers, its query and its address.

mod agents;
mod bots;
mod device;
mod geo;
mod hints;
mod identity;
mod language;
mod query;

pub use agents::{Agent, SentAgent, UserAgents, lists};
pub use geo::{GeoReader, GeoState, KnownFacts};
pub use hints::{ACCEPT_CH, Hints};
pub use identity::{COOKIE, Identity};
pub use query::HOP_MARKER;

use language::preferred;
use query::{cut, parse as parse_query};
use smol_str::SmolStr;
use std::{borrow::Cow, net::IpAddr, sync::Arc};
use tfx_domain::{
    id::VisitorId,
    query::readable,
    routing::{Geo, RequestKind, Visitor},
};

/// Longest user agent that is kept, bytes.
const MAX_USER_AGENT: usize = 2048;
/// Longest referrer that is kept, bytes.
const MAX_REFERRER: usize = 4096;

/// The headers that matter, found in one pass.
#[derive(Debug, Default)]
pub struct Facts<'h> {
    /// The user agent and its hints.
    pub said: SentAgent<'h>,
    referrer: &'h [u8],
    language: &'h [u8],
    /// The id of the visitor's cookie.
    pub cookie: Option<VisitorId>,
    ahead: bool,
}

impl<'h> Facts<'h> {
    /// Reads the headers: their names in lower case, each with its value.
    pub fn of(headers: impl IntoIterator<Item = (&'h str, &'h [u8])>) -> Self {
        let mut facts = Self::default();
        for (name, value) in headers {
            match name {
                "user-agent" => facts.said.user_agent = value,
                "referer" => facts.referrer = value,
                "accept-language" => facts.language = value,
                "cookie" => facts.cookie = facts.cookie.or_else(|| identity::of_cookie(value)),
                "sec-purpose" | "purpose" | "x-purpose" | "x-moz" => facts.ahead |= fetched_ahead(value),
                "sec-ch-ua-model" => facts.said.hints.model = value,
                "sec-ch-ua-platform-version" => facts.said.hints.platform_version = value,
                "sec-ch-ua-mobile" => facts.said.hints.mobile = value,
                "sec-ch-ua-platform" => facts.said.hints.platform = value,
                "sec-ch-ua-full-version-list" => facts.said.hints.versions = value,
                "sec-ch-ua-form-factors" => facts.said.hints.form_factors = value,
                _ => {}
            }
        }
        facts
    }

    /// The visitor. `wanted` are the headers that filters ask for.
    pub fn visitor(
        &self,
        request: &Request<'_>,
        agent: &Agent,
        geo: Arc<Geo>,
        identity: &Identity,
        wanted: &[SmolStr],
    ) -> Visitor {
        let query = parse_query(request.query);
        let header = |name: &SmolStr| {
            let value = (request.header)(name)?;
            Some((name.clone(), readable(value).into_owned()))
        };
        Visitor {
            id: self.cookie.unwrap_or_else(|| identity.visitor(request.ip, self.said.user_agent)),
            ip: request.ip,
            user_agent: text(self.said.user_agent, MAX_USER_AGENT),
            device: Arc::clone(&agent.device),
            geo,
            language: preferred(self.language),
            referrer: text(self.referrer, MAX_REFERRER),
            params: query.params,
            headers: wanted.iter().filter_map(header).collect(),
            bot: agent.bot.clone(),
            kind: match (request.head, self.ahead) {
                (true, _) => RequestKind::Head,
                (false, true) => RequestKind::Prefetch,
                (false, false) => RequestKind::Visit,
            },
            hops: query.hops,
        }
    }
}

/// The rest of a request.
pub struct Request<'h> {
    /// Whether it asks for the head of the answer alone.
    pub head: bool,
    /// The query of its URL, as it came.
    pub query: &'h str,
    /// The first value of a header by its name in lower case, for filters that ask for it.
    pub header: &'h (dyn Fn(&str) -> Option<&'h [u8]> + Sync),
    /// The address it came from.
    pub ip: IpAddr,
}

fn text(value: &[u8], max: usize) -> String {
    let text: Cow<'_, str> = readable(&value[..value.len().min(max)]);
    cut(text, max).into_owned()
}

/// `prefetch`, `prefetch;prerender`, `preview`: fetched before anybody asked for it.
fn fetched_ahead(value: &[u8]) -> bool {
    let value = value.to_ascii_lowercase();
    [b"prefetch".as_slice(), b"preview", b"prerender"]
        .iter()
        .any(|w| value.windows(w.len()).any(|part| part == *w))
}

/// A number of up to 32 hexadecimal digits, exactly so many.
fn hex(digits: &[u8]) -> Option<u128> {
    if digits.len() != 32 {
        return None;
    }
    digits.iter().try_fold(0, |n, b| Some(n << 4 | u128::from(char::from(*b).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfx_settings::IpPrivacy;

    fn read(head: bool, query: &str, headers: &[(&'static str, &[u8])], wanted: &[SmolStr]) -> Visitor {
        let header = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        let request = Request { head, query, header: &header, ip: "8.8.8.8".parse().expect("ip") };
        let identity = Identity::new(&[1; 32], IpPrivacy::Full);
        let facts = Facts::of(headers.iter().copied());
        facts.visitor(&request, &Agent::default(), Arc::default(), &identity, wanted)
    }

    #[test]
    fn who_did_not_ask_for_the_page_is_told_apart() {
        let table: &[(bool, &[(&'static str, &[u8])], RequestKind)] = &[
            (false, &[], RequestKind::Visit),
            (true, &[], RequestKind::Head),
            (false, &[("sec-purpose", b"prefetch")], RequestKind::Prefetch),
            (false, &[("sec-purpose", b"Prefetch;prerender")], RequestKind::Prefetch),
            (false, &[("purpose", b"prefetch")], RequestKind::Prefetch),
            (false, &[("x-purpose", b"preview")], RequestKind::Prefetch),
            (false, &[("x-moz", b"prefetch")], RequestKind::Prefetch),
            (true, &[("x-moz", b"prefetch")], RequestKind::Head),
            (false, &[("purpose", b"\xff navigation")], RequestKind::Visit),
        ];
        for (head, headers, want) in table {
            assert_eq!(read(*head, "", headers, &[]).kind, *want, "{head} {headers:?}");
        }
    }

    #[test]
    fn headers_become_facts_whatever_bytes_they_hold() {
        let long = vec![b'r'; 10_000];
        let headers: &[(&'static str, &[u8])] = &[
            ("user-agent", b"UA \xff"),
            ("referer", &long),
            ("accept-language", b"de;q=0.5, en-US"),
            ("cookie", b"\xff; tfx_v=000000000000000000000000000000ff"),
            ("x-asked", b"yes \xfe"),
            ("x-not-asked", b"no"),
        ];
        let v = read(false, "a=1&_tfx_hops=2", headers, &["x-asked".into(), "x-missing".into()]);
        assert_eq!(v.user_agent, "UA %FF");
        assert_eq!(v.referrer.len(), MAX_REFERRER);
        assert_eq!(v.language.as_deref(), Some("en-us"));
        assert_eq!(v.id, VisitorId(0xff));
        assert_eq!(v.headers, [("x-asked".into(), "yes %FE".to_owned())]);
        assert_eq!((v.hops, v.params.len()), (2, 1));
    }
}
