//! One request, one answer: the connection, the token, what an answer means. What is asked again is in [`super::patience`].

use super::patience::{Patience, Tries};
use crate::{
    BASE,
    error::{ApiError, ProblemDocument},
    http,
};
use reqwest::{
    Method, Url,
    header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, IF_MATCH, RETRY_AFTER},
    redirect::Policy,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{fmt, time::Duration};

/// What names a create, so that one that is sent again is made once.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// So much of an answer is read: a report of 100,000 rows has some fifty MiB.
const MOST: usize = 256 << 20;

/// A client of one api-service.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    pub(super) patience: Option<Patience>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// A request in the making.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Below [`BASE`]; each is percent-encoded as a whole, so that `campaign/stream` stays one.
    pub(super) path: &'a [&'a str],
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<&'a Value>,
    pub(super) if_match: Option<u64>,
    /// Asked again under one name, so that it is done once.
    pub(super) once: bool,
    /// How long its answer is waited for.
    pub(super) within: Duration,
}

impl<'a> Call<'a> {
    pub(super) fn get(path: &'a [&'a str]) -> Self {
        let within = REQUEST_TIMEOUT;
        Self { method: Method::GET, path, query: Vec::new(), body: None, if_match: None, once: false, within }
    }

    pub(super) fn post(path: &'a [&'a str]) -> Self {
        Self { method: Method::POST, ..Self::get(path) }
    }

    /// A call that makes something new.
    pub(super) fn create(path: &'a [&'a str], body: &'a Value) -> Self {
        Self { body: Some(body), once: true, ..Self::post(path) }
    }

    pub(super) fn each(mut self, name: &'static str, values: &[impl ToString]) -> Self {
        self.query.extend(values.iter().map(|v| (name, v.to_string())));
        self
    }

    pub(super) fn page(self, limit: Option<usize>, cursor: Option<&String>) -> Self {
        self.with("limit", limit).with("cursor", cursor)
    }

    pub(super) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|v| (name, v.to_string())));
        self
    }
}

impl Client {
    /// A client of the api-service at `base_url` (scheme, host and port, perhaps a path before `/api/v1`). Without
    /// a token every call is refused by the service.
    ///
    /// # Errors
    /// [`ApiError::BadUrl`]; a token that cannot stand in a header is [`ApiError::Protocol`].
    pub fn new(base_url: &str, token: Option<&str>) -> Result<Self, ApiError> {
        // What stands before an @ may be a login.
        let shown =
            base_url.rsplit_once('@').map_or_else(|| base_url.to_owned(), |(_, host)| format!("***@{host}"));
        let bad = |reason: &str| ApiError::BadUrl { url: shown.clone(), reason: reason.to_owned() };
        let base = Url::parse(base_url).map_err(|e| bad(&e.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(bad("it must begin with http:// or https:// and name a host"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(bad(
                "it holds a login, which would stand wherever the address does; api-service asks for none",
            ));
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/problem+json"));
        if let Some(token) = token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim())).map_err(|_| {
                let reason = "the token has characters that cannot stand in a header".to_owned();
                ApiError::Protocol { url: base_url.to_owned(), reason }
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        // A redirect would carry the token elsewhere; this API never answers with one.
        let described = || {
            let builder = reqwest::Client::builder()
                .default_headers(headers.clone())
                .redirect(Policy::none())
                .connect_timeout(CONNECT_TIMEOUT)
                .user_agent(concat!("tfx/", env!("CARGO_PKG_VERSION")));
            if is_local(&base) { builder.no_proxy() } else { builder }
        };
        let http = http::client(described).map_err(|e| bad(&root_cause(&e)))?;
        Ok(Self { http, base, patience: None })
    }

    /// Where api-service is looked for.
    pub fn base_url(&self) -> &str {
        self.base.as_str()
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        self.call(Call { body: Some(&self.json(body)?), ..Call::post(path) }).await
    }

    /// The same for what makes something new.
    pub(super) async fn create_at<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        self.call(Call::create(path, &self.json(body)?)).await
    }

    pub(super) fn json(&self, body: &impl Serialize) -> Result<Value, ApiError> {
        serde_json::to_value(body)
            .map_err(|e| ApiError::Protocol { url: self.base.to_string(), reason: e.to_string() })
    }

    pub(super) async fn call<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, ApiError> {
        let mut tries = Tries::new(self.patience.as_ref(), call.once);
        loop {
            match self.ask(&call, tries.key()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => tries.after(error).await?,
            }
        }
    }

    async fn ask<T: DeserializeOwned>(&self, call: &Call<'_>, key: Option<&str>) -> Result<T, ApiError> {
        let url = self.url(call.path)?;
        let mut request = self.http.request(call.method.clone(), url.clone()).query(&call.query);
        request = request.timeout(call.within);
        if let Some(key) = key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(body) = call.body {
            request = request.json(body);
        }
        if let Some(version) = call.if_match {
            request = request.header(IF_MATCH, version);
        }
        let response = request.send().await.map_err(|e| self.failed(&e, call.within))?;
        let status = response.status();
        let retry_after_s =
            response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.trim().parse().ok());
        let bytes = http::body(response, MOST).await.map_err(|e| self.failed(&e, call.within))?;
        let protocol = |reason| ApiError::Protocol { url: url.to_string(), reason };
        let bytes = bytes.ok_or_else(|| protocol(format!("its answer is longer than {} MiB", MOST >> 20)))?;
        if status.is_success() {
            return serde_json::from_slice(&bytes)
                .map_err(|e| protocol(format!("its answer cannot be read: {e}")));
        }
        match serde_json::from_slice::<ProblemDocument>(&bytes) {
            Ok(document) => Err(ApiError::Problem(Box::new(ProblemDocument {
                asked: url.to_string(),
                retry_after_s,
                ..document
            }))),
            Err(_) => Err(protocol(format!("status {status}, no problem document"))),
        }
    }

    fn url(&self, path: &[&str]) -> Result<Url, ApiError> {
        let mut url = self.base.clone();
        url.set_query(None);
        url.set_fragment(None);
        let reason = || "it has no path".to_owned();
        url.path_segments_mut()
            .map_err(|()| ApiError::BadUrl { url: self.base.to_string(), reason: reason() })?
            .pop_if_empty()
            .extend(BASE.split('/').skip(1))
            .extend(path.iter().map(|s| dotless(s)));
        Ok(url)
    }

    fn failed(&self, error: &reqwest::Error, within: Duration) -> ApiError {
        let url = self.base.to_string();
        if error.is_timeout() && !error.is_connect() {
            return ApiError::Timeout { url, seconds: within.as_secs() };
        }
        ApiError::Unreachable { url, reason: root_cause(error), sent: !error.is_connect() }
    }
}

/// `.` and `..` would be taken as steps in the path and vanish; no id or slug is one.
fn dotless(segment: &str) -> &str {
    if segment.is_empty() || segment == "." || segment == ".." { "-" } else { segment }
}

fn is_local(base: &Url) -> bool {
    let host = base.host_str().unwrap_or("").trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What the system said, without the layers around it.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const TOKEN: &str = "canary-token-0123456789";

    #[test]
    fn a_reference_stays_one_path_segment() {
        let client = Client::new("http://127.0.0.1:8080/", None).expect("client");
        let table = [
            ("summer", "/api/v1/streams/summer"),
            ("summer/main", "/api/v1/streams/summer%2Fmain"),
            ("../admin?x#y", "/api/v1/streams/..%2Fadmin%3Fx%23y"),
            ("..", "/api/v1/streams/-"),
            ("", "/api/v1/streams/-"),
        ];
        for (reference, want) in table {
            let url = client.url(&["streams", reference]).expect("url");
            assert_eq!(url.path(), want, "{reference}");
            assert_eq!((url.query(), url.fragment()), (None, None));
        }
    }

    #[test]
    fn a_base_url_may_have_a_path() {
        let client = Client::new("https://tfx.example/base/", None).expect("client");
        assert_eq!(client.url(&["whoami"]).expect("url").as_str(), "https://tfx.example/base/api/v1/whoami");
        for bad in [
            "",
            "tfx.example",
            "ftp://tfx.example",
            "http://",
            "http://me:canary@tfx.example",
            "http://canary@h",
        ] {
            let refused = Client::new(bad, None).expect_err(bad);
            assert!(matches!(refused, ApiError::BadUrl { .. }), "{bad}");
            assert!(!format!("{refused} {refused:?}").contains("canary"), "{refused}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_not_read_to_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.expect("a connection");
            connection.read_exact(&mut [0; 16]).await.expect("a request");
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while connection.write_all(&[b' '; 4096]).await.is_ok() {}
        });
        let response = reqwest::Client::builder().no_proxy().build().expect("client").get(url).send().await;
        let body = http::body(response.expect("an answer"), 1 << 20).await;
        assert!(matches!(body, Ok(None)), "{body:?}");
    }

    #[tokio::test]
    async fn nobody_there_is_told_from_a_refusal_and_never_shows_the_token() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
        let address = listener.local_addr().expect("address");
        drop(listener);
        let client = Client::new(&format!("http://{address}"), Some(TOKEN)).expect("client");
        let error = client.whoami().await.expect_err("nobody there");
        assert!(
            matches!(&error, ApiError::Unreachable { url, .. } if url.contains(&address.to_string())),
            "{error}"
        );
        assert!(!format!("{error} {error:?} {client:?}").contains(TOKEN));
        let refused = Client::new("http://127.0.0.1", Some("two\nlines")).expect_err("header");
        assert!(!format!("{refused} {refused:?}").contains("lines"));
    }
}
