//! How many requests a caller may make in a minute, all of them and those that change something. Counted in windows of a
//! minute that begin with a caller's first request, in this process alone; memory is bounded, and no lock is held while
//! anything is waited for.
//!
//! What is left is told with each answer as draft-ietf-httpapi-ratelimit-headers-10 says:
//! `RateLimit-Policy: "requests";q=12000;w=60` is what holds, `RateLimit: "requests";r=11999;t=60` what is left, and for how
//! many seconds.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};
use tfx_domain::Timestamp;

/// Callers remembered; when they would be more, those whose minute is over are forgotten, then all.
const CALLERS: usize = 10_000;
/// The window.
const WINDOW_MS: i64 = 60_000;
const WINDOW_S: i64 = WINDOW_MS / 1000;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// What a caller did in his minute.
#[derive(Clone, Copy)]
struct Minute {
    since: Timestamp,
    requests: u32,
    writes: u32,
}

/// The limits, and who has used how much of them.
pub(crate) struct Rates {
    /// What each limit is called, and how many a minute; 0: no limit.
    requests: (&'static str, u32),
    writes: (&'static str, u32),
    policy: Option<HeaderValue>,
    seen: Mutex<HashMap<String, Minute>>,
}

/// What is left to a caller.
pub(super) struct Left {
    /// What was asked too often, and how many are allowed a minute.
    pub(super) exceeded: Option<(&'static str, u32)>,
    /// When the minute is over.
    pub(super) reset_s: i64,
    headers: Option<(HeaderValue, HeaderValue)>,
}

impl Left {
    /// Tells it with an answer.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        if let Some((policy, left)) = &self.headers {
            headers.insert(POLICY, policy.clone());
            headers.insert(LEFT, left.clone());
        }
    }
}

impl Rates {
    /// So many requests and writes a minute; 0: no limit.
    pub(crate) fn new(requests: u32, writes: u32) -> Self {
        let (requests, writes) = (("requests", requests), ("writes", writes));
        let policy = list([requests, writes].map(|(name, most)| (name, most, most)), 'q', 'w', WINDOW_S);
        Self { requests, writes, policy, seen: Mutex::default() }
    }

    /// Counts a request of a caller. What is refused counts too, and does no harm: the minute ends when it ends.
    pub(super) fn take(&self, who: &str, is_write: bool, now: Timestamp) -> Left {
        let Some(policy) = &self.policy else {
            return Left { exceeded: None, reset_s: 0, headers: None };
        };
        let minute = self.count(who, is_write, now);
        let passed_ms = now.as_millisecond().saturating_sub(minute.since.as_millisecond()).max(0);
        // Rounded up: who comes back then is let in.
        let reset_s = ((WINDOW_MS - passed_ms).max(1) + 999) / 1000;
        let over =
            |(name, most): (&'static str, u32), made: u32| (most > 0 && made > most).then_some((name, most));
        let exceeded = over(self.requests, minute.requests)
            .or_else(|| over(self.writes, minute.writes).filter(|_| is_write));
        let left = |(name, most): (&'static str, u32), made| (name, most, most.saturating_sub(made));
        let left = [left(self.requests, minute.requests), left(self.writes, minute.writes)];
        let headers = list(left, 'r', 't', reset_s).map(|left| (policy.clone(), left));
        Left { exceeded, reset_s, headers }
    }

    fn count(&self, who: &str, is_write: bool, now: Timestamp) -> Minute {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back begins a new minute.
        let fresh = |minute: &Minute| {
            (0..WINDOW_MS).contains(&now.as_millisecond().saturating_sub(minute.since.as_millisecond()))
        };
        if seen.len() >= CALLERS && !seen.contains_key(who) {
            seen.retain(|_, minute| fresh(minute));
            if seen.len() >= CALLERS {
                seen.clear();
            }
        }
        let begun = Minute { since: now, requests: 0, writes: 0 };
        let minute = match seen.get_mut(who) {
            Some(minute) => minute,
            None => seen.entry(who.to_owned()).or_insert(begun),
        };
        if !fresh(minute) {
            *minute = begun;
        }
        minute.requests = minute.requests.saturating_add(1);
        minute.writes = minute.writes.saturating_add(u32::from(is_write));
        *minute
    }
}

/// A list of the limits that there are, in the form of the draft (RFC 9651); none: there is no limit.
fn list(limits: [(&str, u32, u32); 2], of: char, time: char, seconds: i64) -> Option<HeaderValue> {
    let mut text = String::new();
    for (name, _, n) in limits.into_iter().filter(|(_, most, _)| *most > 0) {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}\"{name}\";{of}={n};{time}={seconds}");
    }
    if text.is_empty() { None } else { HeaderValue::try_from(text).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).expect("in range")
    }

    fn told(left: &Left) -> (String, String) {
        let mut headers = HeaderMap::new();
        left.tell(&mut headers);
        let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
        (text(POLICY), text(LEFT))
    }

    #[test]
    fn each_caller_has_his_own_minute_and_is_told_what_is_left() {
        let rates = Rates::new(3, 2);
        let left = rates.take("ann", false, at(0));
        let policy = "\"requests\";q=3;w=60, \"writes\";q=2;w=60".to_owned();
        assert_eq!(told(&left), (policy.clone(), "\"requests\";r=2;t=60, \"writes\";r=2;t=60".to_owned()));
        assert!(rates.take("ann", true, at(500)).exceeded.is_none());
        let left = rates.take("ann", true, at(59_001));
        assert_eq!(told(&left), (policy, "\"requests\";r=0;t=1, \"writes\";r=0;t=1".to_owned()));
        let left = rates.take("ann", false, at(59_002));
        assert_eq!((left.exceeded, left.reset_s), (Some(("requests", 3)), 1));
        assert!(rates.take("bob", true, at(59_002)).exceeded.is_none(), "another caller");
        assert!(
            rates.take("ann", false, at(60_000)).exceeded.is_none(),
            "who waited as long as told is let in"
        );
    }

    #[test]
    fn writes_have_a_limit_of_their_own() {
        let rates = Rates::new(0, 1);
        assert!(rates.take("ann", true, at(0)).exceeded.is_none());
        assert_eq!(rates.take("ann", true, at(1)).exceeded, Some(("writes", 1)));
        assert!((0..100).all(|n| rates.take("ann", false, at(2 + n)).exceeded.is_none()), "reads go on");
        let none = Rates::new(0, 0);
        let left = (0..100).map(|n| none.take("ann", true, at(n)));
        assert!(left.into_iter().all(|left| left.exceeded.is_none() && told(&left).0.is_empty()));
    }

    #[test]
    fn memory_is_bounded_and_a_clock_that_is_set_back_locks_nobody_out() {
        let rates = Rates::new(1, 1);
        for n in 0..30_000 {
            rates.take(&n.to_string(), false, at(n));
        }
        assert!(rates.seen.lock().expect("lock").len() <= CALLERS);
        assert!(rates.take("29999", false, at(-86_400_000)).exceeded.is_none());
    }
}
