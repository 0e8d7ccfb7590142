//! Reading requests: JSON bodies and queries, every problem at once, each with its path.

use crate::{failure::Failure, unique_fields};
use axum::{
    body::{Bytes, HttpBody as _},
    extract::{FromRequest, FromRequestParts, RawQuery, Request},
    response::IntoResponse as _,
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;
use std::{convert::Infallible, fmt::Display, str::FromStr};
use tfx_domain::{moment, problem::Problems};
use tfx_ports::page::PageRequest;

pub(crate) use tfx_domain::entity::read;

/// A JSON body, whatever it holds.
pub(crate) struct Body(pub(crate) Value);

/// What somebody may send who has shown nothing yet.
const MOST_OF_A_STRANGER: usize = 4_096;

/// The JSON body of whoever it may be: a short one, of which nothing is read before this is called.
///
/// # Errors
/// 413 if it is longer, and as [`Body`].
pub(crate) async fn of_a_stranger(request: Request) -> Result<Value, Failure> {
    let too_large = || {
        let detail =
            format!("the body is larger than {MOST_OF_A_STRANGER} bytes, which is all that is read here");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    };
    if request.body().size_hint().lower() > MOST_OF_A_STRANGER as u64 {
        return Err(too_large());
    }
    let (parts, body) = request.into_parts();
    let short = Limited::new(body, MOST_OF_A_STRANGER).collect().await;
    let bytes = short.map_err(|e| match e.is::<LengthLimitError>() {
        true => too_large(),
        false => Failure::new(StatusCode::BAD_REQUEST, "body", "the body broke off"),
    })?;
    let Body(value) = Body::from_request(Request::from_parts(parts, bytes.to_bytes().into()), &()).await?;
    Ok(value)
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if !is_json(request.headers()) {
            let detail = "the body must be JSON: send it with Content-Type: application/json";
            return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|e| match e.status() {
            // Too large: the server around us words it, with the limit.
            StatusCode::PAYLOAD_TOO_LARGE => Failure::Passed(e.into_response()),
            _ => Failure::new(StatusCode::BAD_REQUEST, "body", "the body broke off"),
        })?;
        let value = unique_fields::read(&bytes).map_err(|e| {
            Failure::new(StatusCode::BAD_REQUEST, "malformed_json", format!("the body is not JSON: {e}"))
        })?;
        Ok(Self(value))
    }
}

/// The one variable part of a path: what an entity or a click is called.
pub(crate) struct Path(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Path {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(part)) => Ok(Self(part)),
            Err(e) => {
                let detail = format!("a part of the path cannot be read: {}", e.body_text());
                Err(Failure::new(StatusCode::BAD_REQUEST, "malformed_path", detail))
            }
        }
    }
}

/// `application/json`, `application/merge-patch+json` and other `+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The query of a request. Take what is known, then [`Query::finish`].
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    pub(crate) problems: Problems,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, state).await?;
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
        Ok(Self { pairs, known: Vec::new(), problems: Problems::default() })
    }
}

/// The most items of a page.
const MAX_LIMIT: usize = 1000;
/// The items of a page that does not say.
const DEFAULT_LIMIT: usize = 100;

impl Query {
    /// A text; empty counts as absent.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let mut found = self.pairs.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone());
        let first = found.next();
        if found.next().is_some() {
            self.problems.add(name, "is given twice");
        }
        first.filter(|v| !v.is_empty())
    }

    /// Every value of a parameter that may be repeated.
    pub(crate) fn repeated(&mut self, name: &'static str) -> Vec<String> {
        self.known.push(name);
        self.pairs.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect()
    }

    /// A value of a type that says what is allowed.
    pub(crate) fn value<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        self.parsed(name, |text| text.parse::<T>().map_err(|e| e.to_string()))
    }

    /// A value, with what is allowed if it is none.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(name)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problems.add(name, message);
                None
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.parsed(name, |text| text.parse().map_err(|_| "must be true or false".to_owned()))
    }

    /// A point in time.
    pub(crate) fn time(&mut self, name: &'static str) -> Option<tfx_domain::Timestamp> {
        self.parsed(name, |text| moment::parse(text).map_err(str::to_owned))
    }

    /// `since` and `until`; the first must come before the second.
    pub(crate) fn window(&mut self) -> (Option<tfx_domain::Timestamp>, Option<tfx_domain::Timestamp>) {
        let window = (self.time("since"), self.time("until"));
        if let (Some(since), Some(until)) = window
            && since >= until
        {
            self.problems.add("until", "must be after since");
        }
        window
    }

    /// `limit` and `cursor`.
    pub(crate) fn page(&mut self) -> PageRequest {
        self.page_of(MAX_LIMIT)
    }

    /// `limit`, of which there may be at most so many, and `cursor`.
    pub(crate) fn page_of(&mut self, most: usize) -> PageRequest {
        let limit = self.parsed("limit", |text| match text.parse() {
            Ok(n) if (1..=most).contains(&n) => Ok(n),
            _ => Err(format!("must be 1 to {most}")),
        });
        PageRequest { cursor: self.text("cursor"), limit: limit.unwrap_or(DEFAULT_LIMIT.min(most)) }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Every broken, repeated or unknown parameter.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        for (name, _) in &self.pairs {
            if !self.known.contains(&name.as_str()) {
                let known = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
                self.problems.add(name.clone(), format!("is not a known parameter; known are {known}"));
            }
        }
        Ok(self.problems.into_result(())?)
    }
}

/// The version that `If-Match` asks for: `3`, `"3"` or `W/"3"`; `*` and none: any.
///
/// # Errors
/// 400.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or("").trim();
    if text == "*" {
        return Ok(None);
    }
    match text.trim_start_matches("W/").trim_matches('"').parse() {
        Ok(version) => Ok(Some(version)),
        Err(_) => {
            Err(Failure::new(StatusCode::BAD_REQUEST, "bad_if_match", "If-Match must be a version such as 3"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use serde_json::json;
    use tfx_api::{explain::ExplainRequest, postbacks::PostbackTest, report::ReportRequest};

    fn problems<T: DeserializeOwned>(value: Value) -> Vec<(String, String)> {
        let problems = read::<T>(value).err().map(|p| p.0).unwrap_or_default();
        problems.into_iter().map(|p| (p.path, p.message)).collect()
    }

    #[test]
    fn every_problem_of_a_body_is_found_once_with_its_path() {
        let body = json!({
            "since": "yesterday", "timezone": 5, "dimensions": ["country", "colour"],
            "filters": [{ "dimension": "os" }, { "values": ["a"] }], "sort": { "desc": true }, "what": 1,
        });
        let found = problems::<ReportRequest>(body);
        let paths: Vec<&str> = found.iter().map(|(p, _)| p.as_str()).collect();
        for want in ["since", "timezone", "dimensions[1]", "what", "sort.by"] {
            assert_eq!(paths.iter().filter(|p| **p == want).count(), 1, "{want} in {found:?}");
        }
        assert!(paths.iter().any(|p| p.starts_with("filters[")), "{found:?}");
    }

    #[test]
    fn a_broken_half_of_a_pair_is_one_problem() {
        let found = problems::<PostbackTest>(json!({ "network": "n", "params": [["a", 1], ["b", "c"]] }));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "params[0][1]");
        assert_eq!(problems::<PostbackTest>(json!({})), [("network".to_owned(), "is required".to_owned())]);
        assert_eq!(problems::<ExplainRequest>(json!([1])).len(), 1);
    }

    #[test]
    fn if_match_is_a_version() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, text.parse().expect("value"));
            if_match(&headers).ok()
        };
        assert_eq!(of("3"), Some(Some(3)));
        assert_eq!(of("\"3\""), Some(Some(3)));
        assert_eq!(of("W/\"3\""), Some(Some(3)));
        assert_eq!(of("*"), Some(None));
        assert_eq!(of("new"), None);
    }
}
