//! Requests as traces, where these are on: by which route, how it was answered, and what kind of caller asked. Nothing of what was
//! said: no path, no query, no name, no address; and nothing of what a caller says about traces is heard.

use crate::{access::Identity, app::App};
use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::Method;
use std::{sync::Arc, time::SystemTime};
use tfx_ports::clock;
use tfx_service::request_id;
use tfx_traces::{RequestNumber, Step, StepKind, Traces};

/// What kind of caller asked, as an extension of the answer; none of who did not say who he is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AskedBy(&'static str);

impl AskedBy {
    pub(crate) fn of(identity: &Identity) -> Self {
        Self(match (identity.role, identity.token.is_empty()) {
            (Some(_), true) => "admin token",
            (Some(_), false) => "session",
            (None, _) => "api token",
        })
    }
}

/// Traces a request, if it is one of those that are.
pub(crate) async fn trace(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(number) = app.traces.number() else { return next.run(request).await };
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut traced = TracedRequest {
        traces: &app.traces,
        number,
        began: clock::precise(),
        method: known(request.method()),
        route: route.unwrap_or_default(),
        request_id: made_here(request_id::of(request.headers())).to_owned(),
        answered: None,
        asked_by: "nobody",
    };
    let response = next.run(request).await;
    traced.answered = Some(response.status().as_u16());
    if let Some(AskedBy(kind)) = response.extensions().get() {
        traced.asked_by = kind;
    }
    drop(traced);
    response
}

/// Who asks may call a method as he likes.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("_OTHER")
}

/// The id under which the log has the request, if it is none that the caller made up; else nothing.
fn made_here(id: &str) -> &str {
    let digits = id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if id.len() == 16 && digits { id } else { "" }
}

/// A request that is traced, until it is answered or nobody waits for that any more.
struct TracedRequest<'t> {
    traces: &'t Traces,
    number: RequestNumber,
    began: SystemTime,
    method: &'static str,
    /// `/api/v1/campaigns/{ref}`; empty: there is nothing at its path.
    route: String,
    request_id: String,
    answered: Option<u16>,
    asked_by: &'static str,
}

impl Drop for TracedRequest<'_> {
    fn drop(&mut self) {
        let (method, route) = (self.method, std::mem::take(&mut self.route));
        let name = if route.is_empty() { method.to_owned() } else { format!("{method} {route}") };
        let failed = match self.answered {
            Some(status) if status < 500 => String::new(),
            Some(status) => format!("answered {status}"),
            None => "broke off: it took too long, or whoever asked went away".to_owned(),
        };
        let mut facts = vec![
            ("http.request.method", method.to_owned()),
            ("http.route", route),
            ("http.response.status_code", self.answered.map(|status| status.to_string()).unwrap_or_default()),
            ("tfx.caller", self.asked_by.to_owned()),
            ("tfx.request_id", std::mem::take(&mut self.request_id)),
        ];
        facts.retain(|(_, value)| !value.is_empty());
        let (kind, began, ended) = (StepKind::Server, self.began, clock::precise());
        self.traces.request(self.number, Step { name: name.into(), kind, began, ended, failed, facts });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_caller_made_up_is_told() {
        assert_eq!(known(&Method::PATCH), "PATCH");
        assert_eq!(known(&Method::from_bytes(b"anna-at-example").expect("a method")), "_OTHER");
        assert_eq!(made_here("ec4e982e00000093"), "ec4e982e00000093");
        for id in ["", "anna@example.com", "EC4E982E00000093", "ec4e982e0000009", "ec4e982e000000931"] {
            assert_eq!(made_here(id), "", "{id}");
        }
    }
}
