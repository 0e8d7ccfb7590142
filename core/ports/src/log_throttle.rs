//! A failure that goes on is logged when it begins and now and then.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(30);

/// When something was said last.
#[derive(Debug, Default)]
pub struct LogThrottle(Option<Instant>);

impl LogThrottle {
    /// Whether to say it (again); if so, it counts as said.
    pub fn due(&mut self) -> bool {
        let due = self.0.is_none_or(|at| at.elapsed() > PAUSE);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }

    /// It works: the next failure is a new one.
    pub fn over(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::LogThrottle;

    #[test]
    fn what_goes_on_is_said_once_and_a_new_failure_at_once() {
        let mut log_throttle = LogThrottle::default();
        assert!(log_throttle.due() && !log_throttle.due() && !log_throttle.due());
        log_throttle.over();
        assert!(log_throttle.due());
    }
}
