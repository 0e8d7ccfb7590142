//! Lanes: how many probes may be under way, of one server and of all, and whose turn is next.
//!
//! A probe of a server that does not answer keeps its lane for the whole time-out. So each server has as many lanes as its
//! destinations need if none of them answers, and some are kept for servers that have few probes under way: however many
//! destinations of one server are silent, all are found down in time, and those of others are probed in theirs.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tfx_outbound::Failure;
use tokio::{sync::oneshot, time::timeout};

/// Probes of a service at the same time.
pub(crate) const AT_ONCE: usize = 512;
/// Of those, for servers that have fewer than [`FEW`] under way.
const KEPT: usize = 128;
/// Lanes that every server has, whatever it needs.
const FEW: usize = 8;

/// How many lanes there are.
#[derive(Debug, Clone, Copy)]
struct Room {
    all: usize,
    kept: usize,
    few: usize,
}

/// The lanes of a service.
#[derive(Debug)]
pub(crate) struct Lanes {
    room: Room,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    waiting: usize,
    servers: HashMap<String, Server>,
}

#[derive(Debug, Default)]
struct Server {
    needs: usize,
    used: usize,
    line: VecDeque<oneshot::Sender<Lane>>,
}

/// Allows one probe; it is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Lane {
    server: String,
    /// None: it was never taken.
    lanes: Option<Arc<Lanes>>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self::of(Room { all: AT_ONCE, kept: KEPT, few: FEW })
    }
}

/// How many lanes so many destinations need if none of them answers, and half as many again: probes do not come evenly.
pub(crate) fn needed(destinations: usize, timeout: Duration, interval: Duration) -> usize {
    let busy = timeout.as_millis().saturating_mul(destinations as u128).saturating_mul(3);
    let lanes = busy.div_ceil(interval.as_millis().max(1).saturating_mul(2));
    usize::try_from(lanes).unwrap_or(usize::MAX)
}

impl Lanes {
    fn of(room: Room) -> Self {
        Self { room, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are free.
    pub(crate) fn free(&self) -> usize {
        self.room.all.saturating_sub(self.lock().used)
    }

    /// What servers need from now on; those that are not named need few.
    pub(crate) fn need(self: &Arc<Self>, needs: HashMap<String, usize>) {
        let mut state = self.lock();
        state.servers.values_mut().for_each(|server| server.needs = 0);
        for (name, needs) in needs {
            state.servers.entry(name).or_default().needs = needs;
        }
        state.servers.retain(|_, s| s.needs > 0 || s.used > 0 || !s.line.is_empty());
        self.hand_out(&mut state);
    }

    /// A lane to a server, in the order in which they are asked for.
    ///
    /// # Errors
    /// [`Failure::Busy`]: none became free in time, or as many as it has wait already.
    pub(crate) async fn take(self: &Arc<Self>, server: &str, wait: Duration) -> Result<Lane, Failure> {
        let busy = || Failure::Busy { host: server.to_owned() };
        let turn = {
            let mut state = self.lock();
            let (all, few) = (state.waiting, self.room.few);
            let its = state.servers.entry(server.to_owned()).or_default();
            let line = its.line.len();
            its.line.retain(|waiter| !waiter.is_closed());
            let gone = line - its.line.len();
            if its.line.len() >= its.needs.max(few) || all - gone >= self.room.all {
                state.waiting -= gone;
                return Err(busy());
            }
            let (hand, turn) = oneshot::channel();
            its.line.push_back(hand);
            state.waiting = all - gone + 1;
            self.hand_out(&mut state);
            turn
        };
        match timeout(wait, turn).await {
            Ok(Ok(lane)) => Ok(lane),
            _ => Err(busy()),
        }
    }

    /// Gives what is free to those who wait: first to the server with the fewest probes under way.
    fn hand_out(self: &Arc<Self>, state: &mut State) {
        while state.waiting > 0 && state.used < self.room.all {
            let spare = state.used < self.room.all.saturating_sub(self.room.kept);
            let may = |s: &Server| s.used < self.room.few || spare && s.used < s.needs;
            let waits = state.servers.iter_mut().filter(|(_, s)| !s.line.is_empty() && may(s));
            let Some((name, server)) = waits.min_by_key(|(_, s)| s.used) else { return };
            let Some(waiter) = server.line.pop_front() else { return };
            state.waiting -= 1;
            match waiter.send(Lane { server: name.clone(), lanes: Some(Arc::clone(self)) }) {
                Ok(()) => {
                    server.used += 1;
                    state.used += 1;
                }
                // It waits no more: nothing was taken.
                Err(mut lane) => drop(lane.lanes.take()),
            }
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let Some(lanes) = self.lanes.take() else { return };
        let mut state = lanes.lock();
        state.used = state.used.saturating_sub(1);
        if let Some(server) = state.servers.get_mut(&self.server) {
            server.used = server.used.saturating_sub(1);
        }
        lanes.hand_out(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::yield_now;

    const NOW: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(20);

    fn lanes(needs: &[(&str, usize)]) -> Arc<Lanes> {
        let lanes = Arc::new(Lanes::of(Room { all: 10, kept: 4, few: 2 }));
        lanes.need(needs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect());
        lanes
    }

    async fn all(lanes: &Arc<Lanes>, server: &str) -> Vec<Lane> {
        let mut taken = Vec::new();
        while let Ok(lane) = lanes.take(server, NOW).await {
            taken.push(lane);
        }
        taken
    }

    #[test]
    fn what_is_needed_follows_from_how_long_silence_takes() {
        let ms = Duration::from_millis;
        let table = [
            (0, 5_000, 30_000, 0),
            (1, 5_000, 30_000, 1),
            (400, 5_000, 30_000, 100),
            (400, 1_000, 1_000, 600),
            (5_000, 5_000, 3_600_000, 11),
        ];
        for (destinations, timeout, interval, lanes) in table {
            assert_eq!(needed(destinations, ms(timeout), ms(interval)), lanes);
        }
    }

    #[tokio::test]
    async fn a_server_has_what_it_needs_a_few_at_least_and_never_what_is_kept_for_others() {
        for (needs, expected) in [(0, 2), (1, 2), (4, 4), (6, 6), (100, 6)] {
            let lanes = lanes(&[("silent", needs)]);
            let taken = all(&lanes, "silent").await;
            assert_eq!(taken.len(), expected, "{needs}");
            // Two others have their few, however much the first needs.
            let (one, two) = (all(&lanes, "one").await, all(&lanes, "two").await);
            assert_eq!((one.len(), two.len()), (2, 2), "{needs}");
            drop((taken, one, two));
            assert_eq!(lanes.free(), 10);
        }
    }

    #[tokio::test]
    async fn what_becomes_free_goes_to_the_server_with_the_fewest() {
        let lanes = lanes(&[("large", 100), ("small", 3)]);
        let mut large = all(&lanes, "large").await;
        let waits = |server: &'static str| {
            let lanes = Arc::clone(&lanes);
            tokio::spawn(async move { lanes.take(server, LONG).await })
        };
        let first = waits("large");
        yield_now().await;
        let small: Vec<Lane> = all(&lanes, "small").await;
        assert_eq!(small.len(), 2);
        let third = waits("small");
        yield_now().await;
        // Eight are under way, and only six may be of those that have their few.
        drop(large.drain(..2));
        yield_now().await;
        assert!(!first.is_finished() && !third.is_finished());
        drop(large.pop());
        let third = third.await.unwrap().unwrap();
        assert!(!first.is_finished(), "it waited longer, and has more");
        drop((small, third));
        assert!(first.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn who_waits_in_vain_is_told_and_takes_nothing() {
        let lanes = lanes(&[]);
        let taken = all(&lanes, "silent").await;
        let told = lanes.take("silent", Duration::from_millis(5)).await.unwrap_err();
        assert_eq!(told.to_string(), "too many requests to silent are under way");
        // As many wait as it has; who comes then does not wait.
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let lanes = Arc::clone(&lanes);
                tokio::spawn(async move { lanes.take("silent", LONG).await })
            })
            .collect();
        yield_now().await;
        assert!(lanes.take("silent", LONG).await.is_err());
        // One who does not wait any more is passed over.
        waiting[0].abort();
        yield_now().await;
        drop(taken);
        yield_now().await;
        assert_eq!(lanes.free(), 9);
        for task in waiting {
            let _ = task.await;
        }
        assert_eq!(lanes.free(), 10);
    }
}
