//! The servers that sources name, as this service knows them: how many requests to each are under way, and whether its
//! circuit is open. One that does not answer is left alone for a while; then a single request tries whether it answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tfx_domain::Timestamp;
use tfx_settings::TellSettings;

/// Targets that are known before those that are at rest are forgotten.
const MOST: usize = 4_096;
/// The pause of a circuit is doubled at most so often.
const DOUBLED: u32 = 4;
/// How long whoever comes beyond the limit waits.
const FULL: Duration = Duration::from_millis(200);

/// What is known of one target.
#[derive(Debug, Default)]
struct State {
    under_way: usize,
    /// In a row.
    failures: u32,
    /// Nothing is sent before this.
    open_until: Option<Instant>,
    /// How often that was put off since it answered.
    opened: u32,
    /// A request tries whether it answers.
    probing: bool,
    reason: String,
}

/// All targets, by host and port.
#[derive(Debug)]
pub(crate) struct Targets {
    all: Mutex<HashMap<String, State>>,
    per_target: usize,
    failures: u32,
    pause: Duration,
}

/// Whether a request may be sent.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Now, until it is ended.
    Go(UnderWay),
    /// Not before this from now.
    Wait(Duration),
}

/// A request that is under way. Dropped without an end it says nothing of the target.
#[derive(Debug)]
pub(crate) struct UnderWay {
    targets: Arc<Targets>,
    host: String,
    probing: bool,
    over: bool,
}

impl Targets {
    pub(crate) fn new(settings: &TellSettings) -> Self {
        Self {
            all: Mutex::default(),
            per_target: settings.per_target,
            failures: settings.circuit_failures,
            pause: settings.circuit_pause,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn for a request.
    pub(crate) fn enter(self: &Arc<Self>, host: &str) -> Turn {
        let now = Instant::now();
        let mut all = self.lock();
        if all.len() >= MOST {
            all.retain(|_, state| state.under_way > 0 || state.failures > 0);
        }
        let state = all.entry(host.to_owned()).or_default();
        if let Some(until) = state.open_until {
            if until > now {
                return Turn::Wait(until - now);
            }
            if state.probing {
                return Turn::Wait(FULL * 5);
            }
        }
        if state.under_way >= self.per_target {
            return Turn::Wait(FULL);
        }
        let probing = state.open_until.is_some();
        state.probing = probing;
        state.under_way += 1;
        Turn::Go(UnderWay { targets: Arc::clone(self), host: host.to_owned(), probing, over: false })
    }

    /// How many circuits are open.
    pub(crate) fn open(&self) -> usize {
        self.lock().values().filter(|s| s.open_until.is_some()).count()
    }

    /// Those that failed of late or are asked now, for people.
    pub(crate) fn told(&self, clock: Timestamp) -> Vec<tfx_api::tells::Target> {
        let now = Instant::now();
        let at = |until: Instant| clock.checked_add(until.saturating_duration_since(now)).unwrap_or(clock);
        let mut items: Vec<_> = self
            .lock()
            .iter()
            .filter(|(_, state)| state.under_way > 0 || state.failures > 0)
            .map(|(host, state)| tfx_api::tells::Target {
                host: host.clone(),
                under_way: state.under_way as u64,
                failures: state.failures.into(),
                open_until: state.open_until.map(at),
                reason: state.reason.clone(),
            })
            .collect();
        items.sort_by(|a, b| a.host.cmp(&b.host));
        items
    }
}

impl UnderWay {
    /// It answered: its circuit closes.
    pub(crate) fn answered(mut self) {
        self.end(|state, _| {
            state.failures = 0;
            state.open_until = None;
            state.opened = 0;
            state.reason.clear();
        });
    }

    /// It failed.
    pub(crate) fn failed(mut self, reason: &str) {
        let probing = self.probing;
        self.end(|state, targets| {
            state.failures = state.failures.saturating_add(1);
            reason.clone_into(&mut state.reason);
            // What was sent before it was opened says nothing more.
            let already = state.open_until.is_some() && !probing;
            if state.failures >= targets.failures && !already {
                state.open_until = Some(Instant::now() + targets.pause * (1 << state.opened.min(DOUBLED)));
                state.opened += 1;
            }
        });
    }

    fn end(&mut self, how: impl FnOnce(&mut State, &Targets)) {
        self.over = true;
        let targets = Arc::clone(&self.targets);
        let mut all = targets.lock();
        if let Some(state) = all.get_mut(&self.host) {
            state.under_way = state.under_way.saturating_sub(1);
            if self.probing {
                state.probing = false;
            }
            how(state, &targets);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.over {
            self.end(|_, _| {});
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(pause: Duration) -> Arc<Targets> {
        Arc::new(Targets { all: Mutex::default(), per_target: 3, failures: 2, pause })
    }

    fn go(targets: &Arc<Targets>, host: &str) -> UnderWay {
        match targets.enter(host) {
            Turn::Go(under_way) => under_way,
            Turn::Wait(pause) => panic!("{host} waits {pause:?}"),
        }
    }

    fn wait(targets: &Arc<Targets>, host: &str) -> Duration {
        match targets.enter(host) {
            Turn::Go(_) => panic!("{host} goes"),
            Turn::Wait(pause) => pause,
        }
    }

    #[test]
    fn a_target_that_fails_is_left_alone_and_tried_by_one() {
        let targets = targets(Duration::from_millis(30));
        go(&targets, "a").failed("no");
        go(&targets, "a").answered();
        let (one, two, three) = (go(&targets, "a"), go(&targets, "a"), go(&targets, "a"));
        assert_eq!(wait(&targets, "a"), FULL, "as many are under way as may be");
        one.failed("no");
        two.failed("no answer in time");
        assert!(wait(&targets, "a") <= Duration::from_millis(30));
        three.failed("no");
        go(&targets, "b").answered();
        assert_eq!((targets.open(), targets.told(Timestamp::UNIX_EPOCH)[0].reason.as_str()), (1, "no"));
        std::thread::sleep(Duration::from_millis(31));
        let probe = go(&targets, "a");
        assert_eq!(wait(&targets, "a"), FULL * 5, "one alone tries it");
        drop(probe);
        let probe = go(&targets, "a");
        probe.failed("still no");
        let pause = wait(&targets, "a");
        assert!(
            pause > Duration::from_millis(30) && pause <= Duration::from_millis(60),
            "doubled: {pause:?}"
        );
        std::thread::sleep(Duration::from_millis(61));
        go(&targets, "a").answered();
        let _three = (go(&targets, "a"), go(&targets, "a"), go(&targets, "a"));
        assert_eq!(targets.open(), 0);
    }

    #[test]
    fn what_is_known_of_targets_is_bounded() {
        let targets = targets(Duration::from_secs(1));
        for n in 0..3 * MOST {
            go(&targets, &format!("h{n}")).answered();
        }
        assert!(targets.lock().len() <= MOST);
    }
}
