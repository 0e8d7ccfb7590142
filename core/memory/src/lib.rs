//! What routing remembers: visitors and bindings, the use of caps and limits. Every answer comes from memory.
//!
//! What was used and who was seen before this process started is kept on disk (`kept`, `visitors`); who else was seen
//! comes back in the background (`restore`); what other instances did comes with the next refresh (`refresh`), and what
//! destinations brought with `returns`. None is ever waited for by a click.

#[cfg(test)]
mod consume_tests;
mod flight;
mod kept;
mod names;
mod reads;
mod refresh;
mod restore;
mod returns;
mod seen;
mod tally;
mod visitors;

pub use kept::{KeptFirst, UsageFile, keep, sync};
pub use refresh::Refresher;
pub use restore::{Restoring, restore};
pub use returns::ReturnsReader;
pub use visitors::{keep_visitors, save_visitors};

use arc_swap::ArcSwap;
use flight::{Flight, Flights};
use kept::{CounterStates, Still};
use names::Names;
use reads::Reads;
use rustc_hash::{FxHashMap, FxHashSet};
use seen::{Seen, Visit};
use smol_str::SmolStr;
use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use tally::{CapTally, LimitTally, Tally, Ticket};
use tfx_domain::{
    Timestamp,
    entity::{Action, Bind, Select, Status},
    id::{CampaignId, ClickId, DestinationId, StreamId, VisitorId},
    routing::{
        CampaignPlan, CapUse, Counters, Decision, Health, Roi, Scope, Snapshot, StreamPlan, Unique, Visitor,
    },
};
use tfx_events::Producer;
use tokio::sync::Notify;

/// The tallies that the configuration asks for.
#[derive(Debug, Default)]
struct Tallies {
    caps: FxHashMap<DestinationId, Arc<CapTally>>,
    limits: FxHashMap<StreamId, LimitTally>,
    /// Destinations that are chosen by what they brought.
    ranked: Vec<DestinationId>,
}

impl Tallies {
    /// By the id of a destination or stream.
    fn all(&self) -> impl Iterator<Item = (&str, &Tally)> {
        let caps = self.caps.iter().map(|(id, caps)| (id.as_str(), &**caps.tally()));
        caps.chain(self.limits.iter().map(|(id, limit)| (id.as_str(), &**limit.tally())))
    }
}

/// The use of caps and limits as it was looked at last.
#[derive(Debug, Default)]
struct UsageCopy {
    of: Option<Arc<Tallies>>,
    used: CounterStates,
}

/// What routing remembers.
pub struct Memory {
    seen: Seen,
    /// Somebody was seen since that was kept last.
    visited: AtomicBool,
    streams: Names<StreamId>,
    destinations: Names<DestinationId>,
    tallies: ArcSwap<Tallies>,
    /// What was counted and is not any more, or not yet.
    unclaimed: Mutex<CounterStates>,
    usage: UsageFile,
    returns: ArcSwap<FxHashMap<DestinationId, Roi>>,
    /// What probes say.
    down: ArcSwap<FxHashSet<DestinationId>>,
    flights: Flights,
    /// Something is counted that the store was not asked about yet.
    unread: Notify,
    /// Something is ranked that was not before.
    unranked: Notify,
    /// Reads of caps and limits.
    pub cap_reads: Reads,
    /// Reads of what destinations brought.
    pub roi_reads: Reads,
}

/// What a click used up, to be taken back if it cannot be recorded. Dropped when it is recorded, or may be.
#[derive(Debug)]
pub struct Consumed<'m> {
    usage: &'m UsageFile,
    click: ClickId,
    visits: Vec<Visit>,
    counted: Vec<(Arc<Tally>, Ticket)>,
}

impl Drop for Consumed<'_> {
    fn drop(&mut self) {
        if !self.counted.is_empty() {
            self.usage.counting().under_way.remove(&self.click);
        }
    }
}

impl Memory {
    /// An empty memory for so many visitors, whose spots are hashed with that key, and a place to keep the use of caps.
    pub fn new(visitors: usize, usage: UsageFile, key: [u8; 16]) -> Self {
        Self {
            seen: Seen::new(visitors, &key),
            visited: AtomicBool::default(),
            streams: Names::default(),
            destinations: Names::default(),
            tallies: ArcSwap::default(),
            unclaimed: Mutex::default(),
            usage,
            returns: ArcSwap::default(),
            down: ArcSwap::default(),
            flights: Flights::default(),
            unread: Notify::new(),
            unranked: Notify::new(),
            cap_reads: Reads::default(),
            roi_reads: Reads::default(),
        }
    }

    /// Entries about visitors.
    pub fn entries(&self) -> usize {
        self.seen.len()
    }

    fn unclaimed(&self) -> MutexGuard<'_, CounterStates> {
        self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the use of caps and limits that was kept, with the clicks that wait in the journal there: before anything is
    /// configured, and before the journal is delivered.
    pub fn recall_usage(&self, journal: &Path) {
        *self.unclaimed() = self.usage.read(journal);
    }

    /// Clicks go into this journal from now on.
    pub fn follow_journal(&self, journal: &Arc<Producer>) {
        self.usage.follow(Arc::downgrade(journal));
    }

    /// Brings the copy up to date, and gives what stands still with it. Clicks wait for the last of it only: for what
    /// changed while the rest was copied.
    fn copy_usage(&self, copy: &mut UsageCopy) -> Still {
        // In this order, or what is claimed meanwhile would be missing; and before clicks are held still, since whoever
        // configures holds it for long.
        let unclaimed = self.unclaimed();
        let tallies = self.tallies.load_full();
        let anew = !copy.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, &tallies));
        if anew {
            copy.used = tallies.all().map(|(id, tally)| (id.to_owned(), tally.kept())).collect();
            kept::add_unclaimed(&mut copy.used, &unclaimed);
            copy.of = Some(Arc::clone(&tallies));
        }
        let mut update = |id: &str, tally: &Tally| {
            if let Some((used, kept)) = copy.used.get_mut(id).zip(tally.take_changed()) {
                *used = kept;
            }
        };
        tallies.all().for_each(|(id, tally)| update(id, tally));
        let mut counting = self.usage.counting();
        let changed = std::mem::take(&mut counting.changed);
        if anew {
            // Clicks may have changed what is counted no more.
            tallies.all().for_each(|(id, tally)| update(id, tally));
        } else {
            changed.iter().for_each(|(id, tally)| update(id, tally));
        }
        Still { place: self.usage.place(), under_way: counting.under_way.clone() }
    }

    /// Counts what this configuration has limits for; what was counted before stays.
    pub fn configure(&self, snapshot: &Snapshot, now: Timestamp) {
        let mut unclaimed = self.unclaimed();
        let before = self.tallies.load();
        let mut tallies = Tallies::default();
        let mut begin =
            |id: &str, stored| Arc::new(Tally::new(stored, unclaimed.remove(id).unwrap_or_default()));
        for plan in snapshot.destinations().filter(|d| d.destination.spec.caps.is_some()) {
            let id = &plan.destination.id;
            let tally = match before.caps.get(id) {
                Some(caps) if *caps.zone() == plan.cap_zone => Arc::clone(caps),
                // Other days, and as much in all.
                Some(caps) => Arc::new(CapTally::new(plan.cap_zone.clone(), Arc::clone(caps.tally()), now)),
                None => Arc::new(CapTally::new(plan.cap_zone.clone(), begin(id.as_str(), true), now)),
            };
            tallies.caps.insert(id.clone(), tally);
        }
        let active = |s: &&StreamPlan| s.stream.spec.status == Status::Active;
        for plan in snapshot.campaigns().flat_map(CampaignPlan::streams).filter(active) {
            let limits: Vec<_> = plan.click_limits().cloned().collect();
            if limits.is_empty() {
                continue;
            }
            let id = &plan.stream.id;
            // The store counts a click for the stream that took it in the end. Those that hand over are counted here.
            let stored = !matches!(plan.stream.spec.action, Action::Campaign { .. });
            let known = before.limits.get(id).map(|limit| Arc::clone(limit.tally()));
            let tally = known.unwrap_or_else(|| begin(id.as_str(), stored));
            tally.store(stored);
            tallies.limits.insert(id.clone(), LimitTally::new(limits, tally, now));
        }
        for (id, caps) in before.caps.iter().filter(|(id, _)| !tallies.caps.contains_key(id)) {
            unclaimed.insert(id.as_str().to_owned(), caps.tally().kept());
        }
        for (id, limit) in before.limits.iter().filter(|(id, _)| !tallies.limits.contains_key(id)) {
            unclaimed.insert(id.as_str().to_owned(), limit.tally().kept());
        }
        let ranks =
            |s: &&StreamPlan| s.stream.spec.status == Status::Active && s.stream.spec.select == Select::Roi;
        let ranked = snapshot.campaigns().flat_map(CampaignPlan::streams).filter(ranks);
        tallies.ranked =
            ranked.flat_map(|s| &s.stream.spec.destinations).map(|d| d.destination.clone()).collect();
        tallies.ranked.sort_unstable();
        tallies.ranked.dedup();
        let more = tallies.ranked.iter().any(|d| before.ranked.binary_search(d).is_err());
        self.tallies.store(Arc::new(tallies));
        self.unread.notify_one();
        if more {
            self.unranked.notify_one();
        }
    }

    /// A click begins; it lands, by a drop, when it is recorded or taken back.
    pub fn begin(&self) -> Flight<'_> {
        self.flights.begin()
    }

    /// A person's visit uses up what it uses up. Gives where the person is new.
    pub fn consume(
        &self,
        click: ClickId,
        visitor: &Visitor,
        decision: &Decision<'_>,
        now: Timestamp,
    ) -> (Unique, Consumed<'_>) {
        let mut consumed = Consumed { usage: &self.usage, click, visits: Vec::new(), counted: Vec::new() };
        let tallies = self.tallies.load();
        let (taker, destination) = decision.taker();
        let destination = destination.map(|d| &d.destination.id);
        let mut visit = |scope, bound| {
            let visit = self.seen.visit(self.seen.key(visitor.id, scope), now, bound);
            let before = visit.before().map(|b| b.at);
            consumed.visits.push(visit);
            before
        };
        // When he was seen last: in the link's campaign, in the stream that takes him, at the destination.
        let (mut in_campaign, mut in_stream, mut there) = (None, None, None);
        let mut limits = Vec::new();
        for stream in decision.took() {
            limits.extend(tallies.limits.get(&stream.stream.id).map(|l| (&stream.stream.id, l.tally())));
            // Whom nobody took in the end was nowhere, as in reports.
            if taker.is_none() {
                continue;
            }
            let spec = &stream.stream.spec;
            let to_stream = if spec.bind == Bind::None { 0 } else { self.streams.number(&stream.stream.id) };
            let to_destination = match destination {
                Some(id) if spec.bind == Bind::Destination && spec.action.needs_destination() => {
                    self.destinations.number(id)
                }
                _ => 0,
            };
            let before = visit(Scope::Campaign(&spec.campaign), to_stream);
            if decision.campaign.is_some_and(|c| c.campaign.id == spec.campaign) {
                in_campaign = before;
            }
            // The one that takes him comes last.
            in_stream = visit(Scope::Stream(&stream.stream.id), to_destination);
        }
        if let Some(id) = destination {
            there = visit(Scope::Destination(id), 0);
        }
        let unique = decision.unique(visitor, now, |scope| match scope {
            Scope::Campaign(_) => in_campaign,
            Scope::Stream(_) => in_stream,
            Scope::Destination(_) => there,
        });
        let caps = destination.and_then(|id| Some((id, tallies.caps.get(id)?)));
        if caps.is_some() || !limits.is_empty() {
            let mut counting = self.usage.counting();
            let mut by = Vec::with_capacity(limits.len() + 1);
            let mut count = |id: &str, tally: &Arc<Tally>, ticket| {
                by.push((SmolStr::new(id), Arc::clone(tally)));
                consumed.counted.push((Arc::clone(tally), ticket));
            };
            for (id, tally) in limits {
                count(id.as_str(), tally, tally.clicked(now));
            }
            if let Some((id, caps)) = caps {
                let (ticket, new) = caps.clicked(now);
                count(id.as_str(), caps.tally(), ticket);
                if new {
                    self.unread.notify_one();
                }
            }
            counting.begin(click, self.usage.place().unwrap_or(0), by);
        }
        if !self.visited.load(Relaxed) {
            self.visited.store(true, Relaxed);
        }
        if !consumed.counted.is_empty() {
            self.usage.changed();
        }
        (unique, consumed)
    }

    /// These destinations, and no others, are down.
    pub fn set_down(&self, down: FxHashSet<DestinationId>) {
        if **self.down.load() != down {
            self.down.store(Arc::new(down));
        }
    }

    /// How many destinations are down.
    pub fn down(&self) -> usize {
        self.down.load().len()
    }

    /// The click could not be recorded: it did not happen.
    pub fn take_back(&self, mut consumed: Consumed<'_>) {
        consumed.visits.iter().rev().for_each(|visit| self.seen.take_back(visit));
        if consumed.counted.is_empty() {
            return;
        }
        let mut counting = self.usage.counting();
        let by = counting.under_way.remove(&consumed.click).map(|c| c.by).unwrap_or_default();
        // In the order in which they were counted.
        for ((tally, ticket), id) in consumed.counted.drain(..).zip(by) {
            tally.taken_back(ticket);
            counting.changed.insert(id, tally);
        }
        drop(counting);
        self.usage.changed();
    }

    /// Forgets people wherever this configuration could have sent them; how many entries it were. Who comes again is new.
    pub fn forget(&self, visitors: &[VisitorId], snapshot: &Snapshot) -> usize {
        let campaigns = snapshot.campaigns().map(|c| Scope::Campaign(&c.campaign.id));
        let streams =
            snapshot.campaigns().flat_map(CampaignPlan::streams).map(|s| Scope::Stream(&s.stream.id));
        let destinations = snapshot.destinations().map(|d| Scope::Destination(&d.destination.id));
        let mut forgotten = 0;
        for scope in campaigns.chain(streams).chain(destinations) {
            let his = |visitor: &&VisitorId| self.seen.forget(self.seen.key(**visitor, scope));
            forgotten += visitors.iter().filter(his).count();
        }
        if forgotten > 0 {
            self.visited.store(true, Relaxed);
        }
        forgotten
    }

    /// What an earlier process saw.
    fn recall(&self, snapshot: &Snapshot, seen: &tfx_ports::analytics::LastVisit) {
        let recall = |scope, bound| self.seen.recall(self.seen.key(seen.visitor, scope), seen.at, bound);
        let bind = |stream: &StreamId| snapshot.stream(stream).map_or(Bind::None, |s| s.stream.spec.bind);
        let to = |stream: &StreamId| {
            if bind(stream) == Bind::None { 0 } else { self.streams.number(stream) }
        };
        recall(Scope::Campaign(&seen.campaign), 0);
        for stream in &seen.handed_over {
            if let Some(plan) = snapshot.stream(stream) {
                recall(Scope::Campaign(&plan.stream.spec.campaign), to(stream));
            }
            recall(Scope::Stream(stream), 0);
        }
        recall(Scope::Campaign(&seen.decided_by), to(&seen.stream));
        let bind = bind(&seen.stream);
        let bound = seen.destination.as_ref().filter(|_| bind == Bind::Destination);
        recall(Scope::Stream(&seen.stream), bound.map_or(0, |d| self.destinations.number(d)));
        if let Some(destination) = &seen.destination {
            recall(Scope::Destination(destination), 0);
        }
    }
}

impl Counters for Memory {
    fn bound_stream(&self, visitor: VisitorId, campaign: &CampaignId) -> Option<StreamId> {
        let entry = self.seen.get(self.seen.key(visitor, Scope::Campaign(campaign)))?;
        self.streams.id(entry.bound)
    }

    fn bound_destination(&self, visitor: VisitorId, stream: &StreamId) -> Option<DestinationId> {
        let entry = self.seen.get(self.seen.key(visitor, Scope::Stream(stream)))?;
        self.destinations.id(entry.bound)
    }

    fn last_seen(&self, visitor: VisitorId, scope: Scope<'_>) -> Option<Timestamp> {
        self.seen.get(self.seen.key(visitor, scope)).map(|e| e.at)
    }

    fn health(&self, destination: &DestinationId) -> Health {
        let down = self.down.load();
        if !down.is_empty() && down.contains(destination) { Health::Down } else { Health::Unknown }
    }

    fn cap_use(&self, destination: &DestinationId, _: &jiff::tz::TimeZone, now: Timestamp) -> CapUse {
        self.tallies.load().caps.get(destination).map(|t| t.used(now)).unwrap_or_default()
    }

    fn stream_clicks(&self, stream: &StreamId, since: Option<Timestamp>) -> u64 {
        let tallies = self.tallies.load();
        let Some(limit) = tallies.limits.get(stream) else { return 0 };
        let (clicks, unread) = limit.tally().clicks(since);
        if unread {
            self.unread.notify_one();
        }
        clicks
    }

    fn roi(&self, destination: &DestinationId) -> Option<Roi> {
        self.returns.load().get(destination).copied()
    }
}
