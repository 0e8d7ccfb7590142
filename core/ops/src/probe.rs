//! Is a service ready?

use reqwest::{Client, StatusCode};
use std::time::Duration;

/// Asks services whether they are ready.
#[derive(Debug)]
pub struct Probe(Client);

impl Probe {
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new() -> Result<Self, reqwest::Error> {
        Ok(Self(Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?))
    }

    /// Asks `/readyz` of the service at `url`.
    ///
    /// # Errors
    /// Why it is not ready, for people.
    pub async fn ready(&self, url: &str) -> Result<(), String> {
        match self.0.get(format!("{url}/readyz")).send().await {
            Ok(r) if r.status() == StatusCode::OK => Ok(()),
            Ok(r) => {
                Err(format!("{url}/readyz answers {}: {}", r.status(), r.text().await.unwrap_or_default()))
            }
            Err(e) => Err(format!("{url} does not answer: {}", root_cause(&e))),
        }
    }

    /// Asks for a URL once: status and body of the answer.
    ///
    /// # Errors
    /// Why nobody answered, for people.
    pub async fn get(&self, url: &str) -> Result<(u16, String), String> {
        let response = self.0.get(url).send().await.map_err(|e| root_cause(&e))?;
        let status = response.status().as_u16();
        Ok((status, response.text().await.map_err(|e| root_cause(&e))?))
    }
}

/// What the system said, without the layers around it.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
