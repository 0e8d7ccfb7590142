//! Exit codes, and the one error type that leads to them.
//!
//! A command returns `Result<(), Failure>`. Errors of the API become a [`Failure`] by `?`; anything else through
//! [`Failure::usage`], [`Failure::failed`] and their like, with a hint that names the next command to run.

use serde::Serialize;
use std::fmt;
use tfx_api::ApiError;
use tfx_domain::problem::Problems;

/// The command did what was asked.
pub(crate) const DONE: u8 = 0;
/// It failed.
pub(crate) const FAILED: u8 = 1;
/// The command line or an input is wrong.
pub(crate) const USAGE: u8 = 2;
/// There is no such thing.
pub(crate) const NOT_FOUND: u8 = 3;
/// Not allowed, or not logged in.
pub(crate) const DENIED: u8 = 4;
/// Somebody else was first: the slug is taken, the version has moved on.
pub(crate) const CONFLICT: u8 = 5;
/// A service is unreachable.
pub(crate) const UNREACHABLE: u8 = 6;
/// Gave up waiting.
pub(crate) const TIMED_OUT: u8 = 7;
/// Interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

/// Every exit code with its meaning, for the manual.
pub(crate) const CODES: [(u8, &str); 9] = [
    (DONE, "Done."),
    (FAILED, "It failed."),
    (USAGE, "The command line or an input is wrong."),
    (NOT_FOUND, "There is no such thing."),
    (DENIED, "Not allowed, not logged in, or asked too often."),
    (CONFLICT, "Somebody else was first: the slug is taken, the version has moved on."),
    (UNREACHABLE, "A service is unreachable."),
    (TIMED_OUT, "Gave up waiting."),
    (INTERRUPTED, "Interrupted."),
];

/// What kind of failure; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Anything without a code of its own.
    Failed,
    /// The command line or an input is wrong.
    Usage,
    /// There is no such thing.
    NotFound,
    /// Not allowed, or not logged in.
    Denied,
    /// Somebody else was first.
    Conflict,
    /// A service is unreachable.
    Unreachable,
    /// Gave up waiting.
    TimedOut,
    /// Interrupted by the user.
    Interrupted,
    /// Whoever read our output has gone; nothing is said.
    ClosedPipe,
    /// What a check for monitors found out, and has said already.
    Verdict(Verdict),
}

/// What a check for monitors finds out, with the exit codes of monitoring plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// All is well.
    Ok,
    /// Somebody should look at it.
    Warning,
    /// Somebody must look at it now.
    Critical,
    /// It could not be found out.
    Unknown,
}

impl Verdict {
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// As plugins write it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl Kind {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Failed => FAILED,
            Self::Usage => USAGE,
            Self::NotFound => NOT_FOUND,
            Self::Denied => DENIED,
            Self::Conflict => CONFLICT,
            Self::Unreachable => UNREACHABLE,
            Self::TimedOut => TIMED_OUT,
            Self::Interrupted => INTERRUPTED,
            Self::ClosedPipe => DONE,
            Self::Verdict(verdict) => verdict.code(),
        }
    }
}

/// Why a command failed, for a person and, with `--output json`, for a program.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failure {
    /// What kind.
    pub(crate) kind: Kind,
    /// The word of api-service for it, such as `slug_taken`; programs tell failures of one kind apart by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    /// What failed, and why.
    pub(crate) message: String,
    /// Everything wrong with the input, each with its path.
    #[serde(skip_serializing_if = "Problems::is_empty")]
    pub(crate) problems: Problems,
    /// Who refused: the address of api-service that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asked: Option<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            code: None,
            message: message.to_string(),
            problems: Problems::default(),
            asked: None,
            hint: None,
        }
    }

    /// The command line or an input is wrong.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Anything without a code of its own.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// The user pressed Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    /// Says what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what to do next if there is no such thing.
    pub(crate) fn hint_if_missing(self, hint: &str) -> Self {
        if self.kind == Kind::NotFound { self.hint(hint) } else { self }
    }

    /// Lists everything wrong with an input.
    pub(crate) fn with(mut self, problems: Problems) -> Self {
        self.problems = problems;
        self
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let message = error.to_string();
        match &error {
            ApiError::Unreachable { .. } => Self::new(Kind::Unreachable, message).hint(
                "start the services with 'tfx up', or say where they are: --api-url URL or API_SERVICE_URL",
            ),
            ApiError::Timeout { .. } => {
                Self::new(Kind::TimedOut, message).hint("GET /readyz of api-service tells what it waits for")
            }
            ApiError::BadUrl { .. } => Self::usage(message),
            ApiError::Protocol { .. } => {
                Self::failed(message).hint("is API_SERVICE_URL the address of api-service?")
            }
            ApiError::Problem(p) => {
                let kind = match (p.status, p.code.as_str()) {
                    (401 | 403 | 429, _) => Kind::Denied,
                    (404, _) => Kind::NotFound,
                    (_, "no_event_log") | (400 | 413 | 415 | 422, _) => Kind::Usage,
                    (409 | 412, _) => Kind::Conflict,
                    (502..=504, _) => Kind::Unreachable,
                    _ => Kind::Failed,
                };
                // The detail of a list of problems repeats them; each is shown by itself.
                let listed = !p.problems.is_empty() && p.detail == p.problems.to_string();
                let message = if listed { "some values are not valid".to_owned() } else { message };
                let code = Some(p.code.clone()).filter(|code| !code.is_empty());
                let hint = p.retry_after_s.map(|seconds| format!("try again in {seconds} s"));
                let asked = Some(p.asked.clone()).filter(|url| !url.is_empty());
                Self { code, asked, hint, ..Self::new(kind, message).with(p.problems.clone()) }
            }
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::new(Kind::ClosedPipe, "closed pipe"),
            std::io::ErrorKind::Interrupted => Self::interrupted(),
            _ => Self::failed(format!("the result cannot be written: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfx_api::error::ProblemDocument;

    fn problem(status: u16) -> ApiError {
        let document = format!(r#"{{ "status": {status}, "code": "word", "detail": "why" }}"#);
        let document: ProblemDocument = serde_json::from_str(&document).expect("a document");
        ApiError::Problem(Box::new(document))
    }

    #[test]
    fn every_failure_has_its_exit_code() {
        let (url, reason) = ("http://h/".to_owned(), "why".to_owned());
        let table = [
            (problem(400), 2),
            (problem(401), 4),
            (problem(403), 4),
            (problem(404), 3),
            (problem(409), 5),
            (problem(412), 5),
            (problem(413), 2),
            (problem(422), 2),
            (problem(429), 4),
            (problem(500), 1),
            (problem(503), 6),
            (ApiError::BadUrl { url: url.clone(), reason: reason.clone() }, 2),
            (ApiError::Unreachable { url: url.clone(), reason: reason.clone(), sent: false }, 6),
            (ApiError::Timeout { url: url.clone(), seconds: 30 }, 7),
            (ApiError::Protocol { url, reason }, 1),
        ];
        for (error, code) in table {
            let said = error.to_string();
            let failure = Failure::from(error);
            assert_eq!(failure.kind.code(), code, "{said}");
            assert_eq!(failure.message, said);
        }
        assert_eq!(Failure::interrupted().kind.code(), 130);
        assert_eq!(Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe)).kind.code(), 0);
    }
}
