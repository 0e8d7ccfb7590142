//! An answer, read to its end.

use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::Value;

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("answered");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let is_later = matches!(status, 429 | 503);
        assert!(is_later || !headers.contains_key("retry-after"), "Retry-After belongs to 429 and 503");
        let text = |name: &str| headers.get(name).map(|v| v.to_str().expect("text").to_owned());
        let location = text("location");
        Self { status, location, body: response.text().await.expect("body"), headers }
    }

    /// When to come again, in seconds.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.headers.get("retry-after")?.to_str().ok()?.parse().ok()
    }

    /// The visitor id of the cookie that it sets.
    pub(crate) fn new_cookie(&self) -> Option<String> {
        let text = self.headers.get("set-cookie")?.to_str().expect("text");
        Some(text.strip_prefix("tfx_v=").expect("our cookie").split(';').next().expect("id").to_owned())
    }

    /// The host it redirects to, without `.example`; empty if it is no redirect.
    pub(crate) fn to(&self) -> &str {
        let rest = self.location.as_deref().and_then(|l| l.strip_prefix("https://"));
        rest.and_then(|r| r.split_once(".example")).map_or("", |(host, _)| host)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}
