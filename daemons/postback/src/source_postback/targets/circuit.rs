//! The circuit of one source to one server: after failures in a row nothing is sent for a while, then a single request tries
//! whether it answers. It is a source's own, since it may be its path alone that fails.

use super::{BEHIND, FULL, Turn};
use std::time::{Duration, Instant};

/// The pause of a circuit is doubled at most so often.
const DOUBLED: u32 = 4;
/// Those that wait come back one after the other, over so long at most.
pub(super) const SPREAD: Duration = Duration::from_secs(120);

/// Those that wait come back one after the other.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// When the next of them comes back.
    next: Option<Instant>,
}

impl Line {
    /// The pause of one more that waits, and not before a time.
    pub(super) fn queued(&mut self, now: Instant, not_before: Instant, each: Duration) -> Duration {
        let at = self.next.map_or(not_before, |next| next.max(not_before)).min(not_before + SPREAD);
        self.next = Some(at + each);
        at.saturating_duration_since(now)
    }
}

/// What is known of whether a server answers a source.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    /// In a row.
    pub(super) failures: u32,
    /// Nothing is sent before this.
    pub(super) open_until: Option<Instant>,
    /// How often that was put off since it answered.
    opened: u32,
    /// A request tries whether it answers.
    pub(super) probing: bool,
    pub(super) reason: String,
    line: Line,
}

impl Circuit {
    pub(super) const fn is_open(&self) -> bool {
        self.open_until.is_some()
    }

    /// Nothing is sent now.
    pub(super) fn is_shut(&self, now: Instant) -> bool {
        self.open_until.is_some_and(|until| until > now || self.probing)
    }

    /// Nothing of it need be remembered.
    pub(super) const fn is_at_rest(&self) -> bool {
        self.failures == 0 && self.open_until.is_none()
    }

    /// Until when whoever comes now waits, if it is open and nobody is to try it.
    pub(super) fn waits(&mut self, now: Instant) -> Option<Turn> {
        let until = self.open_until.filter(|_| self.is_shut(now))?;
        let not_before = if until > now { until } else { now + FULL * 5 };
        Some(Turn::Open(self.line.queued(now, not_before, BEHIND), self.reason.clone()))
    }

    /// A request begins; whether it is the one that tries it.
    pub(super) const fn begins(&mut self) -> bool {
        self.probing = self.open_until.is_some();
        self.probing
    }

    /// It answered.
    pub(super) fn works(&mut self) {
        *self = Self::default();
    }

    /// It answered that it is asked too often.
    pub(super) fn asked_to_wait(&mut self, reason: &str, asked: Option<Duration>, pause: Duration) {
        self.works();
        if let Some(asked) = asked.map(|asked| asked.min(longest(pause))).filter(|a| !a.is_zero()) {
            self.open_until = Some(Instant::now() + asked);
            reason.clone_into(&mut self.reason);
        }
    }

    /// It failed; it opens after so many, for a pause.
    pub(super) fn failed(
        &mut self,
        reason: &str,
        asked: Option<Duration>,
        probing: bool,
        (failures, pause): (u32, Duration),
    ) {
        self.failures = self.failures.saturating_add(1);
        reason.clone_into(&mut self.reason);
        // What was sent before it was opened says nothing more.
        let already = self.open_until.is_some() && !probing;
        let asked = asked.unwrap_or_default().min(longest(pause));
        let spent = self.failures >= failures;
        if (spent || !asked.is_zero()) && !already {
            let own = if spent { pause * (1 << self.opened.min(DOUBLED)) } else { Duration::ZERO };
            self.open_until = Some(Instant::now() + own.max(asked));
            self.opened += u32::from(spent);
            self.line = Line::default();
        }
    }
}

/// How long a circuit is open at most.
fn longest(pause: Duration) -> Duration {
    pause * (1 << DOUBLED)
}
