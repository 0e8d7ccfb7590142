//! Clicks under way: counted already, but neither in the journal nor taken back yet.
//!
//! A read of the store tells nothing about them. Whoever counts from such a read waits until those that were under way
//! before have landed; those that begin meanwhile are on the other side and keep nobody waiting.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    time::Duration,
};
use tokio::time::sleep;

/// How often it is looked whether all have landed.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Clicks under way, on two sides that take turns.
#[derive(Debug, Default)]
pub(super) struct Flights {
    /// The side on which clicks begin is its lowest bit.
    turn: AtomicUsize,
    under_way: [AtomicU64; 2],
}

/// A click under way; landed when dropped.
#[derive(Debug)]
pub struct Flight<'f> {
    flights: &'f Flights,
    side: usize,
}

impl Flights {
    /// A click begins.
    pub(super) fn begin(&self) -> Flight<'_> {
        loop {
            let turn = self.turn.load(SeqCst);
            let side = turn & 1;
            self.under_way[side].fetch_add(1, SeqCst);
            let flight = Flight { flights: self, side };
            // Had the sides been changed in between, nobody might wait for it.
            if self.turn.load(SeqCst) == turn {
                return flight;
            }
        }
    }

    /// Waits until every click has landed that began before. For one caller at a time.
    pub(super) async fn landed(&self) {
        // The other side holds those that an earlier wait gave up on.
        self.empty(self.turn.load(SeqCst) + 1).await;
        let turn = self.turn.fetch_add(1, SeqCst);
        self.empty(turn).await;
    }

    async fn empty(&self, turn: usize) {
        while self.under_way[turn & 1].load(SeqCst) > 0 {
            sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.flights.under_way[self.side].fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };

    fn is_done(wait: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
        wait.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn those_before_are_waited_for_and_those_after_are_not() {
        let flights = Flights::default();
        flights.landed().await;
        let before = flights.begin();
        let mut wait = pin!(flights.landed());
        assert!(!is_done(wait.as_mut()));
        let after = flights.begin();
        drop(before);
        wait.await;
        // A wait that was given up is made up for by the next.
        assert!(!is_done(pin!(flights.landed())));
        assert!(!is_done(pin!(flights.landed())));
        drop(after);
        flights.landed().await;
    }
}
