//! Sending what a source would be told to another place, such as a program that is being written.

use crate::probe::root_cause;
use reqwest::{Client, Method, redirect::Policy};
use std::time::{Duration, Instant};
use url::Url;

/// So long an answer is waited for.
const WITHIN: Duration = Duration::from_secs(10);

/// Sends requests to one place.
#[derive(Debug)]
pub struct Forwarder {
    client: Client,
    to: Url,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarded {
    /// The HTTP status.
    pub status: u16,
    /// How long it took.
    pub after: Duration,
}

impl Forwarder {
    /// To the place of `to`: its scheme, host and port, and its path if it has one.
    ///
    /// # Errors
    /// It is no URL of HTTP, or the HTTP client cannot be made.
    pub fn new(to: &str) -> Result<Self, String> {
        let to: Url = to.parse().map_err(|e| format!("'{to}' is not a URL: {e}"))?;
        if !matches!(to.scheme(), "http" | "https") || to.host_str().is_none() {
            return Err(format!("'{to}' must begin with http:// or https:// and name a host"));
        }
        let described = || Client::builder().timeout(WITHIN).no_proxy().redirect(Policy::none());
        let client = tfx_api::http::client(described).map_err(|e| e.to_string())?;
        Ok(Self { client, to })
    }

    /// Where a request to `url` goes instead: the same query, and the same path unless the place has one of its own.
    ///
    /// # Errors
    /// It is no URL.
    pub fn instead_of(&self, url: &str) -> Result<Url, String> {
        let url: Url = url.parse().map_err(|e| format!("'{url}' is not a URL: {e}"))?;
        let mut to = self.to.clone();
        if matches!(to.path(), "" | "/") {
            to.set_path(url.path());
        }
        let query = [to.query(), url.query()].into_iter().flatten().filter(|q| !q.is_empty());
        let query = query.collect::<Vec<_>>().join("&");
        to.set_query(Some(query.as_str()).filter(|q| !q.is_empty()));
        to.set_fragment(None);
        Ok(to)
    }

    /// Sends it there.
    ///
    /// # Errors
    /// Why there was no answer.
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> Result<Forwarded, String> {
        let method = method.parse::<Method>().map_err(|e| e.to_string())?;
        let mut request = self.client.request(method, self.instead_of(url)?);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if !body.is_empty() {
            request = request.body(body.to_owned());
        }
        let began = Instant::now();
        let answer = request.send().await.map_err(|e| root_cause(&e))?;
        Ok(Forwarded { status: answer.status().as_u16(), after: began.elapsed() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_path_go_where_they_are_sent() {
        let table = [
            ("http://127.0.0.1:3000", "https://a.example/pb?cid=1%26", "http://127.0.0.1:3000/pb?cid=1%26"),
            ("http://127.0.0.1:3000/", "https://a.example/", "http://127.0.0.1:3000/"),
            ("http://localhost:3000/hook", "https://a.example/pb?cid=1", "http://localhost:3000/hook?cid=1"),
            (
                "http://localhost/hook?k=2#x",
                "https://a.example/pb?cid=1#y",
                "http://localhost/hook?k=2&cid=1",
            ),
        ];
        for (to, url, expected) in table {
            let forwarder = Forwarder::new(to).expect(to);
            assert_eq!(forwarder.instead_of(url).expect(url).as_str(), expected);
        }
        for wrong in ["localhost:3000", "ftp://a.example", "", "http://"] {
            assert!(Forwarder::new(wrong).is_err(), "{wrong}");
        }
    }
}
