//! What was handed to librdkafka and what became of it.
//!
//! Whoever hands over a batch may stop waiting (its time is up) and give the same events again, while librdkafka still
//! has the first ones in line or on the wire. To send them a second time would double them and, if the first ones
//! follow late, undo the order of their keys. So every message has a ticket; events given again get the ticket they
//! had, unless the message failed.

use rdkafka::error::RDKafkaErrorCode;
use smol_str::SmolStr;
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use tfx_domain::event::Topic;
use tfx_ports::sink::Envelope;
use tokio::sync::Notify;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Nothing yet.
    Open,
    /// The broker has it.
    Taken,
    /// Not taken; nothing is on its way any more.
    Failed(RDKafkaErrorCode),
    /// Never handed over.
    NotSent,
}

/// Messages handed over together; their tickets are consecutive.
#[derive(Debug)]
struct Flight {
    first: usize,
    events: Vec<(Topic, SmolStr)>,
    outcomes: Vec<Delivery>,
    open: usize,
    /// Somebody waits for it.
    claimed: bool,
}

impl Flight {
    fn has(&self, ticket: usize) -> bool {
        ticket >= self.first && ticket - self.first < self.outcomes.len()
    }
}

#[derive(Debug, Default)]
struct Flights {
    next: usize,
    all: VecDeque<Flight>,
}

impl Flights {
    fn of(&mut self, ticket: usize) -> Option<&mut Flight> {
        self.all.iter_mut().find(|f| f.has(ticket))
    }

    fn outcome(&mut self, ticket: usize) -> Delivery {
        self.of(ticket).and_then(|f| f.outcomes.get(ticket - f.first).copied()).unwrap_or(Delivery::NotSent)
    }

    /// Tickets of events that nobody waits for any more and that did not fail.
    fn abandoned(&self) -> HashMap<(Topic, &SmolStr), usize> {
        let mut tickets = HashMap::new();
        for flight in self.all.iter().filter(|f| !f.claimed) {
            for (i, ((topic, id), outcome)) in flight.events.iter().zip(&flight.outcomes).enumerate() {
                if matches!(outcome, Delivery::Open | Delivery::Taken) {
                    tickets.insert((*topic, id), flight.first + i);
                }
            }
        }
        tickets
    }
}

/// The messages of one producer after the other.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    flights: Mutex<Flights>,
    settled: Notify,
}

impl Ledger {
    fn flights(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives each event its ticket: the one it had, or a new one.
    pub(crate) fn claim(&self, batch: &[&Envelope]) -> Claim<'_> {
        let mut flights = self.flights();
        let first = flights.next;
        let mut fresh = Vec::with_capacity(batch.len());
        let mut ticket_of_new = |event: &Envelope| {
            fresh.push((event.topic, event.id.clone()));
            first + fresh.len() - 1
        };
        let tickets: Vec<usize> = if flights.all.iter().all(|f| f.claimed) {
            batch.iter().map(|e| ticket_of_new(e)).collect()
        } else {
            let known = flights.abandoned();
            let ticket = |e: &Envelope| known.get(&(e.topic, &e.id)).copied();
            batch.iter().map(|e| ticket(e).unwrap_or_else(|| ticket_of_new(e))).collect()
        };
        // What nobody waited for, is over, and was not asked for now, will not be asked for.
        flights.all.retain(|f| f.claimed || f.open > 0 || tickets.iter().any(|t| f.has(*t)));
        let open = fresh.len();
        flights.next += open;
        let outcomes = vec![Delivery::Open; open];
        flights.all.push_back(Flight { first, events: fresh, outcomes, open, claimed: true });
        Claim { ledger: self, first, tickets, sent: AtomicUsize::new(first) }
    }

    /// Enters what became of a message.
    pub(crate) fn settle(&self, ticket: usize, outcome: Delivery) {
        let mut flights = self.flights();
        let Some(flight) = flights.of(ticket) else { return };
        let Some(entry) = flight.outcomes.get_mut(ticket - flight.first).filter(|o| **o == Delivery::Open)
        else {
            return;
        };
        *entry = outcome;
        flight.open -= 1;
        if flight.open == 0 {
            drop(flights);
            self.settled.notify_waiters();
        }
    }

    /// Flights remembered.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.flights().all.len()
    }
}

/// A batch that somebody waits for. Dropped without [`Claim::close`], its messages can be claimed again.
pub(crate) struct Claim<'a> {
    ledger: &'a Ledger,
    first: usize,
    tickets: Vec<usize>,
    /// Tickets below this are with librdkafka.
    sent: AtomicUsize,
}

impl Claim<'_> {
    /// The events that are to be handed over, with their tickets.
    pub(crate) fn to_send(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.tickets.iter().copied().enumerate().filter(|(_, ticket)| *ticket >= self.first)
    }

    /// The message of that ticket was handed over, as were those before it.
    pub(crate) fn is_sent(&self, ticket: usize) {
        self.sent.store(ticket + 1, Relaxed);
    }

    /// Waits until it is known of every event what became of it.
    pub(crate) async fn settled(&self) {
        loop {
            let settled = self.ledger.settled.notified(); // hears from here on
            if self.open() == 0 {
                return;
            }
            settled.await;
        }
    }

    /// Messages of which it is not known yet; zero: of every one it is.
    pub(crate) fn open(&self) -> usize {
        let flights = self.ledger.flights();
        let mine = |f: &&Flight| f.first == self.first || self.tickets.iter().any(|t| f.has(*t));
        flights.all.iter().filter(|f| f.open > 0).filter(mine).map(|f| f.open).sum()
    }

    /// What became of each event, in order.
    pub(crate) fn outcomes(&self) -> Vec<Delivery> {
        let mut flights = self.ledger.flights();
        self.tickets.iter().map(|t| flights.outcome(*t)).collect()
    }

    /// The caller knows all there is to know; nothing will be claimed again.
    pub(crate) fn close(self) {
        let mut flights = self.ledger.flights();
        let first = self.first;
        flights.all.retain(|f| f.first != first);
        for ticket in self.tickets.iter().filter(|t| **t < first) {
            if let Some(flight) = flights.of(*ticket) {
                let at = ticket - flight.first;
                if let Some(outcome) = flight.outcomes.get_mut(at) {
                    *outcome = Delivery::NotSent;
                }
            }
        }
        let told = |f: &Flight| f.open == 0 && !f.outcomes.contains(&Delivery::Taken);
        flights.all.retain(|f| f.claimed || !told(f));
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Who stops in the middle hands over no more: these are not on their way.
        let sent = self.sent.load(Relaxed);
        for (_, ticket) in self.to_send().filter(|(_, t)| *t >= sent) {
            self.ledger.settle(ticket, Delivery::NotSent);
        }
        if let Some(flight) = self.ledger.flights().all.iter_mut().find(|f| f.first == self.first) {
            flight.claimed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::FutureExt;

    const DOWN: Delivery = Delivery::Failed(RDKafkaErrorCode::BrokerTransportFailure);

    fn events(ids: std::ops::Range<u32>) -> Vec<Envelope> {
        let event = |n: u32| Envelope {
            topic: Topic::ClickEvents,
            id: format!("{n}").into(),
            key: "k".into(),
            payload: Bytes::new(),
        };
        ids.map(event).collect()
    }

    /// A claim of which everything is handed over.
    fn claim_and_send<'a>(ledger: &'a Ledger, events: &[Envelope]) -> Claim<'a> {
        let claim = claim(ledger, events);
        claim.to_send().for_each(|(_, ticket)| claim.is_sent(ticket));
        claim
    }

    fn claim<'a>(ledger: &'a Ledger, events: &[Envelope]) -> Claim<'a> {
        ledger.claim(&events.iter().collect::<Vec<_>>())
    }

    fn sent(claim: &Claim<'_>) -> Vec<usize> {
        claim.to_send().map(|(i, _)| i).collect()
    }

    #[test]
    fn a_batch_is_settled_when_every_message_is() {
        let ledger = Ledger::default();
        let c = claim(&ledger, &events(0..3));
        assert_eq!(sent(&c), [0, 1, 2]);
        let tickets = c.tickets.clone();
        ledger.settle(tickets[2], Delivery::Taken);
        ledger.settle(tickets[0], Delivery::Taken);
        assert!(c.settled().now_or_never().is_none());
        ledger.settle(tickets[1], DOWN);
        ledger.settle(tickets[1], Delivery::Taken);
        assert!(c.settled().now_or_never().is_some());
        assert_eq!(c.outcomes(), [Delivery::Taken, DOWN, Delivery::Taken]);
        c.close();
        assert_eq!(ledger.len(), 0);
    }

    #[test]
    fn events_given_again_are_not_sent_again_unless_they_failed() {
        let ledger = Ledger::default();
        let c = claim_and_send(&ledger, &events(0..4));
        let old = c.tickets.clone();
        ledger.settle(old[0], Delivery::Taken);
        ledger.settle(old[1], DOWN);
        drop(c);
        let again = claim(&ledger, &events(0..5));
        assert_eq!(sent(&again), [1, 4], "one failed, one is new");
        ledger.settle(old[2], Delivery::Taken);
        for (_, ticket) in again.to_send() {
            ledger.settle(ticket, Delivery::Taken);
        }
        assert!(again.settled().now_or_never().is_none(), "an old one is on its way");
        ledger.settle(old[3], Delivery::Taken);
        assert!(again.settled().now_or_never().is_some());
        assert_eq!(again.outcomes(), [Delivery::Taken; 5]);
        again.close();
        assert_eq!(ledger.len(), 0);
    }

    #[test]
    fn halves_of_a_batch_find_their_messages() {
        let ledger = Ledger::default();
        let c = claim_and_send(&ledger, &events(0..4));
        for ticket in c.tickets.clone() {
            ledger.settle(ticket, Delivery::Taken);
        }
        drop(c);
        for half in [0..2, 2..4] {
            let c = claim(&ledger, &events(half));
            assert_eq!(sent(&c), [0; 0]);
            assert_eq!(c.outcomes(), [Delivery::Taken; 2]);
            c.close();
        }
        assert_eq!(ledger.len(), 0);
    }

    #[test]
    fn what_was_not_handed_over_is_sent_the_next_time() {
        let ledger = Ledger::default();
        let c = claim(&ledger, &events(0..3));
        let (first, second) = (c.tickets[0], c.tickets[1]);
        c.is_sent(first);
        c.is_sent(second);
        drop(c);
        ledger.settle(first, Delivery::Taken);
        ledger.settle(second, DOWN);
        let again = claim(&ledger, &events(0..3));
        assert_eq!(sent(&again), [1, 2], "one failed, one was never handed over");
        for (_, ticket) in again.to_send() {
            ledger.settle(ticket, Delivery::Taken);
        }
        assert_eq!(again.outcomes(), [Delivery::Taken; 3]);
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten_when_it_is_over() {
        let ledger = Ledger::default();
        let c = claim_and_send(&ledger, &events(0..2));
        let old = c.tickets.clone();
        drop(c);
        claim(&ledger, &events(5..6)).close();
        assert_eq!(ledger.len(), 1, "still on its way");
        for ticket in old {
            ledger.settle(ticket, Delivery::Taken);
        }
        claim(&ledger, &events(6..7)).close();
        assert_eq!(ledger.len(), 0);
    }
}
