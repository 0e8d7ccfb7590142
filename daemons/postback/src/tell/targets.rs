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
/// How long whoever comes beyond the limit waits at least.
const FULL: Duration = Duration::from_millis(200);
/// Those that wait come back one after the other: as fast as the target answers, and behind an open circuit so far apart;
/// over so long at most.
const BEHIND: Duration = Duration::from_millis(2);
const SPREAD: Duration = Duration::from_secs(120);

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
    /// How long a request takes.
    took: Duration,
    /// When the next of those comes back that wait.
    next: Option<Instant>,
}

impl State {
    /// The pause of one more that waits, and not before a time.
    fn queued(&mut self, now: Instant, not_before: Instant, each: Duration) -> Duration {
        let at = self.next.map_or(not_before, |next| next.max(not_before)).min(not_before + SPREAD);
        self.next = Some(at + each);
        at.saturating_duration_since(now)
    }
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
    /// As many are under way as may be; not before this from now.
    Full(Duration),
    /// It does not work, and why; not before this from now.
    Open(Duration, String),
}

/// A request that is under way. Dropped without an end it says nothing of the target.
#[derive(Debug)]
pub(crate) struct UnderWay {
    targets: Arc<Targets>,
    host: String,
    began: Instant,
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
            let not_before = if until > now { Some(until) } else { state.probing.then(|| now + FULL * 5) };
            if let Some(not_before) = not_before {
                return Turn::Open(state.queued(now, not_before, BEHIND), state.reason.clone());
            }
        }
        if state.under_way >= self.per_target {
            let each = state.took / u32::try_from(self.per_target).unwrap_or(u32::MAX);
            return Turn::Full(state.queued(now, now + FULL, each));
        }
        let probing = state.open_until.is_some();
        state.probing = probing;
        state.under_way += 1;
        let (targets, host) = (Arc::clone(self), host.to_owned());
        Turn::Go(UnderWay { targets, host, began: now, probing, over: false })
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

    /// It failed; its server may ask to be left alone for a time, which is as long as a circuit is open at most.
    pub(crate) fn failed(mut self, reason: &str, asked: Option<Duration>) {
        let probing = self.probing;
        self.end(|state, targets| {
            state.failures = state.failures.saturating_add(1);
            reason.clone_into(&mut state.reason);
            // What was sent before it was opened says nothing more.
            let already = state.open_until.is_some() && !probing;
            let asked = asked.unwrap_or_default().min(targets.pause * (1 << DOUBLED));
            let spent = state.failures >= targets.failures;
            if (spent || !asked.is_zero()) && !already {
                let own =
                    if spent { targets.pause * (1 << state.opened.min(DOUBLED)) } else { Duration::ZERO };
                state.open_until = Some(Instant::now() + own.max(asked));
                state.opened += u32::from(spent);
                state.next = None;
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
            state.took = (state.took * 7 + self.began.elapsed()) / 8;
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
            wait => panic!("{host}: {wait:?}"),
        }
    }

    fn wait(targets: &Arc<Targets>, host: &str) -> Duration {
        match targets.enter(host) {
            Turn::Go(_) => panic!("{host} goes"),
            Turn::Full(pause) | Turn::Open(pause, _) => pause,
        }
    }

    #[test]
    fn a_target_that_fails_is_left_alone_and_tried_by_one() {
        let targets = targets(Duration::from_millis(30));
        go(&targets, "a").failed("no", None);
        go(&targets, "a").answered();
        let (one, two, three) = (go(&targets, "a"), go(&targets, "a"), go(&targets, "a"));
        assert_eq!(wait(&targets, "a"), FULL, "as many are under way as may be");
        one.failed("no", None);
        two.failed("no answer in time", None);
        assert!(wait(&targets, "a") <= Duration::from_millis(30));
        three.failed("no", None);
        go(&targets, "b").answered();
        assert_eq!((targets.open(), targets.told(Timestamp::UNIX_EPOCH)[0].reason.as_str()), (1, "no"));
        std::thread::sleep(Duration::from_millis(31));
        let probe = go(&targets, "a");
        assert_eq!(wait(&targets, "a"), FULL * 5, "one alone tries it");
        drop(probe);
        let probe = go(&targets, "a");
        probe.failed("still no", None);
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
    fn a_target_that_asks_for_a_pause_has_it() {
        let targets = targets(Duration::from_secs(10));
        go(&targets, "a").failed("it answered 429", Some(Duration::from_secs(60)));
        let pause = wait(&targets, "a");
        assert!(pause > Duration::from_secs(59) && pause <= Duration::from_secs(60), "{pause:?}");
        go(&targets, "b").failed("it answered 429", Some(Duration::from_secs(3600)));
        assert!(wait(&targets, "b") <= Duration::from_secs(160), "as long as a circuit is open at most");
        go(&targets, "c").failed("it answered 503", Some(Duration::ZERO));
        go(&targets, "c").answered();
    }

    #[test]
    fn those_that_wait_come_back_one_after_the_other() {
        let targets = targets(Duration::from_secs(10));
        let _all = (go(&targets, "a"), go(&targets, "a"), go(&targets, "a"));
        targets.lock().get_mut("a").expect("there").took = Duration::from_millis(300);
        let pauses: Vec<_> = (0..50).map(|_| wait(&targets, "a")).collect();
        assert!(pauses[49] > FULL + Duration::from_secs(4), "{pauses:?}");
        go(&targets, "b").failed("no", None);
        go(&targets, "b").failed("no", None);
        let pauses: Vec<_> = (0..100_000).map(|_| wait(&targets, "b")).collect();
        assert!(
            pauses[1_000] > Duration::from_secs(11) && pauses[99_999] <= Duration::from_secs(10) + SPREAD
        );
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
