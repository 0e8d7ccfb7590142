//! Requests of `object_store` through the HTTP client that everything here uses: the same TLS, and no second protocol.

use async_trait::async_trait;
use http_body_util::BodyExt;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
        HttpService,
    },
};
use std::time::Duration;

/// A server that is not there is given up.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest time that a request may take with its answer: a part of an object over a slow line.
const LONGEST: Duration = Duration::from_secs(300);

/// Makes the client.
#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        // What is signed leads nowhere else, and what is stored comes as it is.
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(LONGEST)
            .redirect(reqwest::redirect::Policy::none())
            .no_gzip()
            .user_agent(concat!("tfx/", env!("CARGO_PKG_VERSION")));
        let client =
            client.build().map_err(|e| object_store::Error::Generic { store: "S3", source: e.into() })?;
        Ok(HttpClient::new(Client(client)))
    }
}

#[derive(Debug)]
struct Client(reqwest::Client);

#[async_trait]
impl HttpService for Client {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url =
            parts.uri.to_string().parse().map_err(|e| HttpError::new(HttpErrorKind::Request, BadUrl(e)))?;
        let mut asked = reqwest::Request::new(parts.method, url);
        *asked.headers_mut() = parts.headers;
        *asked.body_mut() = Some(reqwest::Body::wrap(body));
        let answer: http::Response<reqwest::Body> = self.0.execute(asked).await.map_err(failed)?.into();
        Ok(answer.map(|body| HttpResponseBody::new(body.map_err(failed))))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BadUrl(<reqwest::Url as std::str::FromStr>::Err);

/// Tells what may be sent again from what may not.
fn failed(error: reqwest::Error) -> HttpError {
    let kind = match &error {
        e if e.is_timeout() => HttpErrorKind::Timeout,
        e if e.is_connect() => HttpErrorKind::Connect,
        e if e.is_builder() => HttpErrorKind::Request,
        e if e.is_body() || e.is_request() => HttpErrorKind::Interrupted,
        e if e.is_decode() => HttpErrorKind::Decode,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error.without_url())
}
