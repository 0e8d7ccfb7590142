//! What an answer means: told, to be tried again, or never.

use std::time::Duration;
use tfx_domain::{Timestamp, event::PostbackResult};
use tfx_outbound::{Answer, Failure};

/// The longest pause between two attempts, whatever a source asks for.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// How much of an answer's body is kept.
pub(super) const KEPT: usize = 1024;

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Sent, Retry or Dead.
    pub(super) result: PostbackResult,
    /// The HTTP status; 0: there was no answer.
    pub(super) status: u16,
    /// Why it was not taken; empty: it was.
    pub(super) reason: String,
    /// How its body began.
    pub(super) answer: String,
    /// Whether it ended.
    pub(super) ended: bool,
    /// What the source asks for.
    pub(super) retry_after: Option<Duration>,
    /// What it says of its server: whether others are sent to it.
    pub(super) server: Server,
}

/// What an attempt says of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Works,
    /// It is asked too often.
    AsksToWait,
    Fails,
    Unknown,
}

impl Outcome {
    /// Of an answer.
    pub(super) fn answered(answer: &Answer, now: Timestamp) -> Self {
        let status = answer.status;
        let (result, reason) = match status {
            200..=299 => (PostbackResult::Sent, String::new()),
            408 | 425 | 429 | 500.. => (PostbackResult::Retry, format!("it answered {status}")),
            300..=399 => (PostbackResult::Dead, format!("it answered {status}: redirects are not followed")),
            410 => (PostbackResult::Dead, "it answered 410: it wants no more of them".to_owned()),
            _ => (PostbackResult::Dead, format!("it answered {status}: it refuses this one")),
        };
        let body = &answer.body[..answer.body.len().min(KEPT)];
        Self {
            result,
            status,
            reason,
            answer: String::from_utf8_lossy(body).trim().replace(|c: char| c.is_control(), " "),
            ended: answer.ended,
            retry_after: retry_after(&answer.retry_after, now),
            server: match result {
                PostbackResult::Retry if status == 429 => Server::AsksToWait,
                PostbackResult::Retry => Server::Fails,
                _ => Server::Works,
            },
        }
    }

    /// This program failed over it: it is tried again as often as others, and says nothing of its server.
    pub(super) fn broken_off() -> Self {
        Self {
            result: PostbackResult::Retry,
            status: 0,
            reason: "broken_off: this program failed over it".to_owned(),
            answer: String::new(),
            ended: true,
            retry_after: None,
            server: Server::Unknown,
        }
    }

    /// Of a request without an answer.
    pub(super) fn failed(failure: &Failure) -> Self {
        let never = matches!(failure, Failure::Url { .. } | Failure::Refused { .. });
        Self {
            result: if never { PostbackResult::Dead } else { PostbackResult::Retry },
            status: 0,
            reason: format!("{}: {failure}", failure.name()),
            answer: String::new(),
            ended: true,
            retry_after: None,
            server: if never { Server::Unknown } else { Server::Fails },
        }
    }
}

/// A `Retry-After`: seconds, or a date.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let pause = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            at.duration_since(now).try_into().unwrap_or_default()
        }
    };
    Some(pause.min(LONGEST_PAUSE))
}

/// The pause after a number of attempts: doubled from the first up to an hour, a fifth more or less, so that many do not
/// come back at once; longer if the source asks for it.
pub(super) fn pause(first: Duration, attempts: u32, asked: Option<Duration>, jitter: f64) -> Duration {
    let doubled = first.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(LONGEST_PAUSE);
    doubled.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0)).max(asked.unwrap_or_default()).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16) -> PostbackResult {
        let (retry_after, body, latency, ended) = (String::new(), Vec::new(), Duration::ZERO, true);
        let answer = Answer { status, retry_after, body, latency, ended };
        Outcome::answered(&answer, Timestamp::UNIX_EPOCH).result
    }

    #[test]
    fn every_status_is_one_of_three() {
        use PostbackResult::{Dead, Retry, Sent};
        let table: &[(u16, PostbackResult)] = &[
            (200, Sent),
            (204, Sent),
            (299, Sent),
            (300, Dead),
            (301, Dead),
            (307, Dead),
            (400, Dead),
            (401, Dead),
            (404, Dead),
            (408, Retry),
            (410, Dead),
            (422, Dead),
            (425, Retry),
            (429, Retry),
            (499, Dead),
            (500, Retry),
            (503, Retry),
            (599, Retry),
            (999, Retry),
        ];
        for (status, want) in table {
            assert_eq!(of(*status), *want, "{status}");
        }
    }

    #[tokio::test]
    async fn what_breaks_off_is_an_attempt_that_says_nothing_of_its_server() {
        let apart = tfx_outbound::Apart::start("test").expect("a thread");
        assert_eq!(apart.run(async { panic!("of a test") as u8 }).await, None);
        let outcome = Outcome::broken_off();
        assert_eq!((outcome.result, outcome.server), (PostbackResult::Retry, Server::Unknown));
        assert!(outcome.reason.starts_with("broken_off"));
    }

    #[test]
    fn a_source_may_ask_for_an_hour_at_most() {
        let now = Timestamp::from_second(784_111_777).expect("a time");
        let table = [
            ("", None),
            ("120", Some(120)),
            (" 5 ", Some(5)),
            ("86400", Some(3600)),
            ("-1", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:40:00 GMT", Some(0)),
        ];
        for (text, want) in table {
            assert_eq!(retry_after(text, now), want.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn pauses_double_up_to_an_hour() {
        let first = Duration::from_secs(5);
        let plain: Vec<u64> = (1..=12).map(|n| pause(first, n, None, 0.5).as_secs()).collect();
        assert_eq!(plain, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        assert_eq!(pause(first, 1, None, 0.0), Duration::from_secs(4));
        assert_eq!(pause(first, 1, Some(Duration::from_secs(90)), 1.0), Duration::from_secs(90));
        assert_eq!(pause(first, u32::MAX, None, 1.0), LONGEST_PAUSE);
        // The default schedule lasts for most of a day.
        let all: u64 = (1..30).map(|n| pause(first, n, None, 0.5).as_secs()).sum();
        assert!((19..21).contains(&(all / 3600)), "{all} s");
    }
}
