//! The other services: asked with the internal token, and every failure told with the setting that mends it.

use crate::failure::Failure;
use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::redirect::Policy;
use serde_json::Value;
use std::time::Duration;
use tfx_service::{ProblemResponse, internal::OUTSIDE};
use tfx_settings::{Secret, Settings, shown};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Less than the 10 s for which a check of monitors waits for us.
const LOOK_TIMEOUT: Duration = Duration::from_secs(4);
/// So much of an answer is read: of counters by hour there are some hundred KiB.
const MOST: usize = 64 << 20;

/// Another service.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    name: &'static str,
    /// The setting that says where it is.
    setting: &'static str,
    url: String,
    /// The same as it may be shown.
    shown: String,
    http: reqwest::Client,
}

/// Both of them.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    pub(crate) traffic: Peer,
    pub(crate) postback: Peer,
}

impl Peers {
    pub(crate) fn new(settings: &Settings, token: &Secret) -> anyhow::Result<Self> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, bearer)]);
        // The token goes to these services and nowhere else: no proxy, no redirect.
        let http = tfx_api::http::client(|| {
            reqwest::Client::builder()
                .default_headers(headers.clone())
                .redirect(Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(REQUEST_TIMEOUT)
        })?;
        let addresses = &settings.addresses;
        let peer = |name, setting, url: &str| {
            let (url, shown) = (url.to_owned(), shown(url).into_owned());
            Peer { name, setting, url, shown, http: http.clone() }
        };
        Ok(Self {
            traffic: peer("traffic-service", "TRAFFIC_SERVICE_URL", &addresses.traffic_url),
            postback: peer("postback-service", "POSTBACK_SERVICE_URL", &addresses.postback_url),
        })
    }
}

impl Peer {
    /// What it is called.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Asks; what the other one answers with a success, or refuses with a reason of its own, is the answer.
    ///
    /// # Errors
    /// 503 if it is not there, 502 if it does not answer as it should, and its own 4xx.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        // What is only looked at is answered at once, or not in time for who asks us.
        let within = if method == Method::GET { LOOK_TIMEOUT } else { REQUEST_TIMEOUT };
        let mut request = self.http.request(method, format!("{}{path}", self.url)).timeout(within);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        let is_problem = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|v| v.as_bytes().starts_with(b"application/problem+json"));
        let retry_after = response.headers().get(header::RETRY_AFTER).cloned();
        let bytes = tfx_api::http::body(response, MOST).await.map_err(|e| self.unreachable(&e))?;
        let bytes =
            bytes.ok_or_else(|| self.wrong(&format!("its answer is longer than {} MiB", MOST >> 20)))?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|e| self.unreadable(&e));
        }
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.wrong(
                "it refused the internal token; both need the same INTERNAL_TOKEN, or the same TFX_DATA_DIR",
            )),
            StatusCode::NOT_FOUND if !is_problem => Err(self.wrong("it has no such endpoint")),
            StatusCode::NOT_FOUND if says(&bytes, OUTSIDE) => Err(self.wrong(
                "it takes this api-service for a stranger: its INTERNAL_CIDRS lacks this address, or a proxy stands between",
            )),
            s if s.is_client_error() && is_problem => {
                let mut passed = Response::new(Body::from(bytes));
                *passed.status_mut() = s;
                let media_type = HeaderValue::from_static("application/problem+json");
                passed.headers_mut().insert(header::CONTENT_TYPE, media_type);
                if let Some(wait) = retry_after {
                    passed.headers_mut().insert(header::RETRY_AFTER, wait);
                }
                Err(Failure::Passed(passed))
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                let said = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
                let detail = match said["detail"].as_str().filter(|_| is_problem) {
                    Some(why) => format!("{} at {}: {why}", self.name, self.shown),
                    None => format!("{} at {} is not ready; its log says why", self.name, self.shown),
                };
                Err(ProblemResponse::unavailable(detail).into())
            }
            s => Err(self.wrong(&format!("it answered {s}"))),
        }
    }

    /// Whether it is alive, for `/readyz`.
    pub(crate) async fn ping(&self) -> Result<(), String> {
        let sent = self.http.get(format!("{}/healthz", self.url)).send().await;
        match sent {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("{} answered {}", self.shown, response.status())),
            Err(e) => Err(format!("{}: {}", self.shown, root_cause(&e))),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let Self { name, setting, shown: url, .. } = self;
        let cause = if error.is_timeout() { "no answer in time".to_owned() } else { root_cause(error) };
        let detail =
            format!("{name} does not answer at {url} ({cause}); start it, or set {setting} to where it is");
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "service_unreachable", detail)
    }

    /// It answered, but not with what was asked for.
    pub(crate) fn unreadable(&self, error: &serde_json::Error) -> Failure {
        self.wrong(&format!("its answer cannot be read: {error}"))
    }

    fn wrong(&self, what: &str) -> Failure {
        let Self { name, setting, shown: url, .. } = self;
        let detail = format!("{name} at {url} ({setting}) was asked, but {what}");
        Failure::new(StatusCode::BAD_GATEWAY, "bad_gateway", detail)
    }
}

/// Whether a problem document has this code.
fn says(document: &[u8], code: &str) -> bool {
    serde_json::from_slice::<Value>(document).is_ok_and(|d| d["code"] == code)
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
