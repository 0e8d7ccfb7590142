//! Why a bucket does not do what is asked, in words that say what to do next.

use super::Bucket;
use object_store::client::{HttpError, HttpErrorKind};
use std::{
    error::Error,
    io::{self, ErrorKind},
};

/// Why it does not.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It cannot be reached, or ends the connection.
    Away(ErrorKind, String),
    /// It answers with an error: its status, its code, and what it says.
    Answer(u16, String, String),
    /// Something else.
    Other(String),
}

impl Trouble {
    /// The error that the text of an answer has.
    pub(super) fn of_answer(status: u16, text: &str) -> Self {
        let of = |tag: &str| {
            let (_, rest) = text.split_once(&format!("<{tag}>"))?;
            Some(rest.split_once(&format!("</{tag}>"))?.0.to_owned())
        };
        Self::Answer(status, of("Code").unwrap_or_default(), of("Message").unwrap_or_default())
    }

    /// Whether it may be over when the same is asked again.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Away(..) => true,
            Self::Answer(status, code, _) => {
                *status >= 500 && code != "NotImplemented"
                    || matches!(code.as_str(), "SlowDown" | "InternalError")
            }
            Self::Other(_) => false,
        }
    }

    /// For a person.
    pub(super) fn told(self, bucket: &Bucket) -> io::Error {
        let (name, server) = (bucket.name(), bucket.server());
        let (kind, text) = match self {
            Self::Away(kind, why) => {
                let next = "look at AWS_ENDPOINT_URL, AWS_REGION and the network";
                (kind, format!("{server} cannot be reached: {why}; {next}"))
            }
            Self::Answer(status, code, said) => of_code(status, &code, &said, name),
            Self::Other(why) => (ErrorKind::ConnectionAborted, why),
        };
        io::Error::new(kind, text)
    }
}

fn of_code(status: u16, code: &str, said: &str, bucket: &str) -> (ErrorKind, String) {
    let refused = ErrorKind::PermissionDenied;
    match (status, code) {
        (_, "NoSuchBucket") => (
            ErrorKind::NotADirectory,
            format!("there is no bucket {bucket} there: make it first, or look at its name, AWS_REGION and AWS_ENDPOINT_URL"),
        ),
        (412 | 409, _) | (_, "PreconditionFailed") => {
            (ErrorKind::AlreadyExists, "something is there by now".to_owned())
        }
        (_, "InvalidAccessKeyId") => (refused, "the server does not know AWS_ACCESS_KEY_ID".to_owned()),
        (_, "SignatureDoesNotMatch") => {
            (refused, "AWS_SECRET_ACCESS_KEY is not the key of AWS_ACCESS_KEY_ID".to_owned())
        }
        (_, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => {
            (refused, "AWS_SESSION_TOKEN has expired or is none: get new keys".to_owned())
        }
        (_, "RequestTimeTooSkewed" | "RequestExpired") => (
            refused,
            "the clocks of this machine and of the server are too far apart: set the one that is wrong (timedatectl)".to_owned(),
        ),
        (_, "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException") | (301, _) => {
            (refused, format!("the bucket {bucket} is in another region: set AWS_REGION{}", in_words(said)))
        }
        (_, "NotImplemented") | (501, _) => {
            (ErrorKind::Unsupported, format!("the server cannot do that{}", in_words(said)))
        }
        (401 | 403, _) => (
            refused,
            format!(
                "the key may not do that{}; it needs s3:ListBucket, s3:ListBucketMultipartUploads, s3:GetObject, s3:PutObject, \
                 s3:AbortMultipartUpload and s3:DeleteObject on {bucket}",
                in_words(said)
            ),
        ),
        (404, _) => (ErrorKind::NotFound, "there is no such object".to_owned()),
        (status, code) => {
            (ErrorKind::ConnectionAborted, format!("the server answers with {status} {code}{}", in_words(said)))
        }
    }
}

fn in_words(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(" (it says: {said})") }
}

impl From<HttpError> for Trouble {
    fn from(error: HttpError) -> Self {
        let kind = match error.kind() {
            HttpErrorKind::Timeout => ErrorKind::TimedOut,
            _ => ErrorKind::HostUnreachable,
        };
        Self::Away(kind, innermost(&error))
    }
}

impl From<object_store::Error> for Trouble {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as E;
        let mut text = error.to_string();
        let mut inner: Option<&(dyn Error + 'static)> = error.source();
        while let Some(e) = inner {
            if let Some(http) = e.downcast_ref::<HttpError>() {
                let kind = match http.kind() {
                    HttpErrorKind::Timeout => ErrorKind::TimedOut,
                    _ => ErrorKind::HostUnreachable,
                };
                return Self::Away(kind, innermost(http));
            }
            text.push_str(&e.to_string());
            inner = e.source();
        }
        let status = match &error {
            E::NotFound { .. } => 404,
            E::AlreadyExists { .. } | E::Precondition { .. } | E::NotModified { .. } => 412,
            E::PermissionDenied { .. } => 403,
            E::Unauthenticated { .. } => 401,
            E::NotImplemented { .. } | E::NotSupported { .. } => 501,
            _ if text.contains("without LOCATION") => 301,
            _ => 0,
        };
        match Self::of_answer(status, &text) {
            Self::Answer(0, code, _) if code.is_empty() => Self::Other(error.to_string()),
            answer => answer,
        }
    }
}

/// What is at the bottom of it says most.
fn innermost(error: &dyn Error) -> String {
    let mut inner = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_answers_is_told_with_what_to_do() {
        let answer = |code: &str| {
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>It is so</Message></Error>")
        };
        for (status, code, want) in [
            (404, "NoSuchBucket", "there is no bucket sets there: make it first"),
            (403, "InvalidAccessKeyId", "does not know AWS_ACCESS_KEY_ID"),
            (403, "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY is not the key"),
            (400, "ExpiredToken", "get new keys"),
            (403, "RequestTimeTooSkewed", "timedatectl"),
            (403, "AccessDenied", "may not do that (it says: It is so); it needs s3:ListBucket"),
            (400, "AuthorizationHeaderMalformed", "set AWS_REGION"),
            (412, "PreconditionFailed", "something is there by now"),
            (501, "NotImplemented", "cannot do that"),
            (418, "Teapot", "answers with 418 Teapot (it says: It is so)"),
        ] {
            let Trouble::Answer(status, code, said) = Trouble::of_answer(status, &answer(code)) else {
                panic!("{code}")
            };
            let (_, told) = of_code(status, &code, &said, "sets");
            assert!(told.contains(want), "{told}");
        }
        assert!(Trouble::of_answer(503, &answer("SlowDown")).may_pass());
        assert!(!Trouble::of_answer(403, &answer("AccessDenied")).may_pass());
    }
}
