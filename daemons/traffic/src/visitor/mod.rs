//! From an HTTP request to the facts that routing sees. Nothing a visitor sends makes it fail.

mod agents;
mod bots;
mod device;
mod hints;
mod identity;
mod language;
mod query;

pub(crate) use agents::{Agent, Said, UserAgents, lists};
pub(crate) use hints::ACCEPT_CH;
pub(crate) use identity::{COOKIE, Identity};
pub(crate) use language::preferred;
pub(crate) use query::{HOP_MARKER, cut, parse as parse_query};

use http::{HeaderMap, Method};
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
pub(crate) struct Facts<'h> {
    /// The user agent and its hints.
    pub(crate) said: Said<'h>,
    referrer: &'h [u8],
    language: &'h [u8],
    /// The id of the visitor's cookie.
    pub(crate) cookie: Option<VisitorId>,
    ahead: bool,
}

impl<'h> Facts<'h> {
    /// Reads the headers.
    pub(crate) fn of(headers: &'h HeaderMap) -> Self {
        let mut facts = Self::default();
        for (name, value) in headers {
            let value = value.as_bytes();
            match name.as_str() {
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
    pub(crate) fn visitor(
        &self,
        request: &Asked<'_>,
        agent: &Agent,
        geo: Arc<Geo>,
        identity: &Identity,
        wanted: &[SmolStr],
    ) -> Visitor {
        let query = parse_query(request.query);
        let header = |name: &SmolStr| {
            let value = request.headers.get(name.as_str())?;
            Some((name.clone(), readable(value.as_bytes()).into_owned()))
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
            kind: match request.method {
                &Method::HEAD => RequestKind::Head,
                _ if self.ahead => RequestKind::Prefetch,
                _ => RequestKind::Visit,
            },
            hops: query.hops,
        }
    }
}

/// The rest of a request.
#[derive(Debug)]
pub(crate) struct Asked<'h> {
    pub(crate) method: &'h Method,
    pub(crate) query: &'h str,
    pub(crate) headers: &'h HeaderMap,
    pub(crate) ip: IpAddr,
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
pub(crate) fn hex(digits: &[u8]) -> Option<u128> {
    if digits.len() != 32 {
        return None;
    }
    digits.iter().try_fold(0, |n, b| Some(n << 4 | u128::from(char::from(*b).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use tfx_settings::IpPrivacy;

    fn read(method: &Method, query: &str, headers: &[(&'static str, &[u8])], wanted: &[SmolStr]) -> Visitor {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value).expect("value"));
        }
        let ip = "8.8.8.8".parse().expect("ip");
        let asked = Asked { method, query, headers: &map, ip };
        let identity = Identity::new(&[1; 32], IpPrivacy::Full);
        Facts::of(&map).visitor(&asked, &Agent::default(), Arc::default(), &identity, wanted)
    }

    #[test]
    fn who_did_not_ask_for_the_page_is_told_apart() {
        let table: &[(&Method, &[(&'static str, &[u8])], RequestKind)] = &[
            (&Method::GET, &[], RequestKind::Visit),
            (&Method::POST, &[], RequestKind::Visit),
            (&Method::HEAD, &[], RequestKind::Head),
            (&Method::GET, &[("sec-purpose", b"prefetch")], RequestKind::Prefetch),
            (&Method::GET, &[("sec-purpose", b"Prefetch;prerender")], RequestKind::Prefetch),
            (&Method::GET, &[("purpose", b"prefetch")], RequestKind::Prefetch),
            (&Method::GET, &[("x-purpose", b"preview")], RequestKind::Prefetch),
            (&Method::GET, &[("x-moz", b"prefetch")], RequestKind::Prefetch),
            (&Method::HEAD, &[("x-moz", b"prefetch")], RequestKind::Head),
            (&Method::GET, &[("purpose", b"\xff navigation")], RequestKind::Visit),
        ];
        for (method, headers, want) in table {
            assert_eq!(read(method, "", headers, &[]).kind, *want, "{method} {headers:?}");
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
        let v = read(&Method::GET, "a=1&_tfx_hops=2", headers, &["x-asked".into(), "x-missing".into()]);
        assert_eq!(v.user_agent, "UA %FF");
        assert_eq!(v.referrer.len(), MAX_REFERRER);
        assert_eq!(v.language.as_deref(), Some("en-us"));
        assert_eq!(v.id, VisitorId(0xff));
        assert_eq!(v.headers, [("x-asked".into(), "yes %FE".to_owned())]);
        assert_eq!((v.hops, v.params.len()), (2, 1));
    }
}
