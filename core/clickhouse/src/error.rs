//! What a failure of ClickHouse means to a caller, and to the person who reads it.

use clickhouse::error::Error;
use tfx_ports::StoreError;

/// The number in `Code: 60. DB::Exception: …`.
pub(crate) fn code(error: &Error) -> Option<u32> {
    let Error::BadResponse(text) = error else { return None };
    let rest = text.trim_start().strip_prefix("Code: ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Whether the user may not do it.
pub(crate) fn is_denied(e: &StoreError) -> bool {
    let source = std::error::Error::source(e).and_then(|s| s.downcast_ref::<Error>());
    source.and_then(code) == Some(497)
}

/// `what` was tried at `url` in `database`.
pub(crate) fn store_error(what: &str, url: &str, database: &str, error: Error) -> StoreError {
    let broken = |text: String, error: Error| StoreError::Broken {
        what: format!("{what}: {text}"),
        source: Some(Box::new(error)),
    };
    let unavailable = |text: String, error: Error| StoreError::Unavailable {
        what: format!("{what}: {text}"),
        source: Some(Box::new(error)),
    };
    let said = said(&error);
    match (&error, code(&error)) {
        (Error::Network(_), _) => unavailable(
            format!(
                "cannot reach ClickHouse at {url} ({said}); is it running, is CLICKHOUSE_HTTP_URL right?"
            ),
            error,
        ),
        (Error::TimedOut, _) => unavailable(format!("ClickHouse at {url} did not answer in time"), error),
        (_, Some(192..=194 | 516)) => broken(
            format!(
                "ClickHouse at {url} refuses the user or the password; check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD, or those in CLICKHOUSE_HTTP_URL"
            ),
            error,
        ),
        (_, Some(497)) => broken(format!("the user of ClickHouse may not do this ({said})"), error),
        (_, Some(81)) => broken(
            format!("there is no database {database} in ClickHouse at {url}; run: tfx migrate up clickhouse"),
            error,
        ),
        (_, Some(8 | 10 | 16 | 36 | 47 | 60)) => broken(
            format!(
                "the database {database} is not what this build needs ({said}); run: tfx migrate up clickhouse"
            ),
            error,
        ),
        (_, Some(243)) => StoreError::Full { what: format!("{what}: ClickHouse at {url}: {said}") },
        (_, Some(code)) if passes(code) => unavailable(format!("ClickHouse at {url}: {said}"), error),
        // Something between us and the server answers for it.
        (Error::BadResponse(text), None) if text.starts_with(['5', '4']) => {
            let text =
                format!("{url} answers {said}; is CLICKHOUSE_HTTP_URL the HTTP interface of ClickHouse?");
            if said.starts_with('5') || said.starts_with("429") {
                unavailable(text, error)
            } else {
                broken(text, error)
            }
        }
        _ => broken(format!("ClickHouse at {url}: {said}"), error),
    }
}

/// Time-outs, too many queries or parts, memory, the network between servers, a server that starts or stops.
const fn passes(code: u32) -> bool {
    matches!(
        code,
        159 | 160
            | 164
            | 198
            | 201
            | 202
            | 203
            | 209
            | 210
            | 225
            | 241
            | 242
            | 252
            | 279
            | 285
            | 319
            | 394
            | 425
            | 439
            | 473
            | 499
            | 692
            | 745
            | 999
    )
}

/// The first line of what the server says, without its name for the exception, or the innermost cause.
fn said(error: &Error) -> String {
    if let Error::BadResponse(text) = error {
        let line = text.lines().next().unwrap_or_default();
        let line = line.split_once("DB::Exception: ").map_or(line, |(_, rest)| rest);
        return line.chars().take(400).collect();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> StoreError {
        store_error("make a report", "http://ch/", "traffoflex", Error::BadResponse(text.to_owned()))
    }

    #[test]
    fn a_caller_learns_whether_to_try_again_and_a_person_what_to_do() {
        let table = [
            ("Code: 516. DB::Exception: x: Authentication failed", false, "CLICKHOUSE_PASSWORD"),
            (
                "Code: 81. DB::Exception: Database traffoflex does not exist",
                false,
                "tfx migrate up clickhouse",
            ),
            ("Code: 60. DB::Exception: Table x does not exist", false, "tfx migrate up clickhouse"),
            ("Code: 47. DB::Exception: Unknown identifier source_id", false, "source_id"),
            ("Code: 159. DB::Exception: Timeout exceeded", true, "Timeout exceeded"),
            ("Code: 202. DB::Exception: Too many simultaneous queries", true, "Too many"),
            ("Code: 241. DB::Exception: Memory limit (total) exceeded", true, "Memory"),
            ("Code: 62. DB::Exception: Syntax error", false, "Syntax error"),
            ("503 Service Unavailable", true, "503"),
            ("404 Not Found", false, "CLICKHOUSE_HTTP_URL"),
        ];
        for (text, retryable, says) in table {
            let e = of(text);
            assert_eq!(e.is_retryable(), retryable, "{e}");
            assert!(e.to_string().contains(says) && e.to_string().starts_with("make a report: "), "{e}");
        }
        assert!(matches!(of("Code: 243. DB::Exception: Not enough space"), StoreError::Full { .. }));
    }
}
