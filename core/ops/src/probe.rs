//! Is a service ready?

use reqwest::{Client, Method, Response, StatusCode, redirect::Policy};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tfx_domain::Timestamp;

/// So long an answer is waited for.
pub const WITHIN: Duration = Duration::from_secs(5);
/// So much of an answer is read: metrics of a service are the longest, of some hundred KiB.
const MOST: usize = 8 << 20;

/// Asks services whether they are ready.
#[derive(Debug)]
pub struct Probe(Client);

impl Probe {
    /// Each answer is waited for as long as [`WITHIN`], to its end.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new() -> Result<Self, reqwest::Error> {
        Self::within(WITHIN)
    }

    /// Each answer is waited for so long. A redirect is an answer: services send none.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn within(within: Duration) -> Result<Self, reqwest::Error> {
        let described = || Client::builder().timeout(within).no_proxy().redirect(Policy::none());
        Ok(Self(tfx_api::http::client(described)?))
    }

    /// Asks `/readyz` of the service at `url`.
    ///
    /// # Errors
    /// Why it is not ready, for people.
    pub async fn ready(&self, url: &str) -> Result<(), String> {
        match self.0.get(format!("{url}/readyz")).send().await {
            Ok(r) if r.status() == StatusCode::OK => Ok(()),
            Ok(r) => {
                let (status, body) = (r.status(), text(r).await.unwrap_or_default());
                Err(format!("{url}/readyz answers {status}: {}", reasons(&body).unwrap_or(body)))
            }
            Err(e) => Err(format!("{url} does not answer: {}", root_cause(&e))),
        }
    }

    /// How the service at `url` is, ready or not; a stranger is told its status alone.
    ///
    /// # Errors
    /// Why it did not tell, for people.
    pub async fn report(&self, url: &str) -> Result<Report, String> {
        let (status, body) =
            self.get(&format!("{url}/readyz")).await.map_err(|e| format!("{url} does not answer: {e}"))?;
        match serde_json::from_str::<Report>(&body) {
            Ok(report) if matches!(status, 200 | 503) => Ok(report),
            _ => Err(format!("{url}/readyz answers {status}, and not as a service of this product does")),
        }
    }

    /// The metrics of the service at `url`, which it tells whoever is inside and shows the internal token.
    ///
    /// # Errors
    /// Why it did not tell, for people.
    pub async fn metrics(&self, url: &str, token: Option<&str>) -> Result<String, String> {
        let mut asked = self.0.get(format!("{url}/metrics"));
        if let Some(token) = token {
            asked = asked.bearer_auth(token);
        }
        let response = asked.send().await.map_err(|e| root_cause(&e))?;
        match response.status() {
            StatusCode::OK => text(response).await,
            status => Err(format!("{url}/metrics answers {status}")),
        }
    }

    /// Sends a request once: status and body of the answer.
    ///
    /// # Errors
    /// It is no request, or nobody answered: why, for people.
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &BTreeMap<String, String>,
        body: String,
    ) -> Result<(u16, String), String> {
        let method = method.parse::<Method>().map_err(|e| e.to_string())?;
        let mut request = self.0.request(method, url).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(|e| root_cause(&e))?;
        let status = response.status().as_u16();
        Ok((status, text(response).await?))
    }

    /// Asks for a URL once: status and body of the answer.
    ///
    /// # Errors
    /// Why nobody answered, for people.
    pub async fn get(&self, url: &str) -> Result<(u16, String), String> {
        let response = self.0.get(url).send().await.map_err(|e| root_cause(&e))?;
        let status = response.status().as_u16();
        Ok((status, text(response).await?))
    }
}

async fn text(response: Response) -> Result<String, String> {
    match tfx_api::http::body(response, MOST).await {
        Ok(Some(bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Ok(None) => Err(format!("it sends more than {} MiB", MOST >> 20)),
        Err(e) => Err(root_cause(&e)),
    }
}

/// How a service is, as its `/readyz` tells.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Report {
    /// `ok`, `degraded` or `failed`.
    pub status: String,
    /// Of the service; none for a stranger.
    #[serde(default)]
    pub version: Option<String>,
    /// The time of its clock; none for a stranger.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// What it depends on; nothing for a stranger.
    #[serde(default)]
    pub dependencies: Vec<Dependency>,
}

/// What a service depends on, as its `/readyz` tells.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Dependency {
    /// Such as `analytics`.
    pub name: String,
    /// Whether the service can do its job without it.
    pub required: bool,
    /// `ok`, `degraded` or `failed`.
    pub state: String,
    /// How long it took to look, milliseconds.
    #[serde(default)]
    pub latency_ms: f64,
    /// How old what it holds is, milliseconds.
    #[serde(default)]
    pub age_ms: Option<u64>,
    /// What there is to say of it.
    pub detail: Option<String>,
}

/// What does not work, and why, of what `/readyz` answers; none: it says nothing of the kind.
fn reasons(report: &str) -> Option<String> {
    let report: Value = serde_json::from_str(report).ok()?;
    let failed = report["dependencies"].as_array()?.iter().filter(|d| d["state"] == "failed");
    let reason = |d: &Value| Some(format!("{}: {}", d["name"].as_str()?, d["detail"].as_str()?));
    let reasons: Vec<_> = failed.filter(|d| d["required"] == true).filter_map(reason).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// What the system said, without the layers around it.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_service_that_is_not_ready_the_reasons_are_told() {
        let report = r#"{"status":"failed","dependencies":[
            {"name":"config","required":true,"state":"ok"},
            {"name":"analytics","required":true,"state":"failed","detail":"check CLICKHOUSE_PASSWORD"},
            {"name":"traffic-service","required":false,"state":"failed","detail":"refused"}]}"#;
        assert_eq!(reasons(report).as_deref(), Some("analytics: check CLICKHOUSE_PASSWORD"));
        for other in ["", "Bad gateway", "[]", r#"{"dependencies":[{"name":"config","state":"ok"}]}"#] {
            assert_eq!(reasons(other), None, "{other}");
        }
    }
}
