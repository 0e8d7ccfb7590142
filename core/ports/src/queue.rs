//! What is to be done later, once: a queue that several processes take from, each job by one of them at a time.
//!
//! A process **claims** jobs for a time. It ends each as done, to be tried again, aside or dead, or its claim expires and
//! somebody else claims the job: by then the former holder can end it no more. Times are the store's clock, so processes
//! whose clocks differ agree; they are told as durations from now.
//!
//! Jobs of one **group** are claimed in the order in which they came, or of their keys where those say it
//! ([`JobKind::is_ordered_by_key`]), one at a time: the first that waits holds up those behind it. A job without a group
//! waits for nobody.
//!
//! Jobs are put in by key, once, in the transaction of the state that causes them where one store holds both: adapters
//! keep that function beside this port.

use crate::{
    clock,
    error::StoreError,
    page::{Page, PageRequest},
};
use async_trait::async_trait;
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tfx_domain::{Timestamp, source_postback::SourcePostback};

/// The longest wait and the longest claim; longer ones are cut. What seems to wait longer was put off before the store's
/// clock was set back, and is due.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Clocks of several servers of one store differ by less, or what comes of it is not worth a look.
const UNEVEN_MS: i64 = 1_000;
/// For so long after the clock went back there may be transactions that began before.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// Notices that the store's clock was set back, so that what was put off before is put off by as much from then on: it
/// would wait until the clock is there again.
#[derive(Debug, Default)]
pub struct ClockWatch(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    last_ms: Option<i64>,
    until: Option<Instant>,
}

impl ClockWatch {
    /// Whether there may be what was put off by a clock that was ahead: at the first look, since nobody may have run when it
    /// was set back, and for a moment after it was. `now_ms` is what the store's clock says.
    pub fn went_back(&self, now_ms: i64) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last_ms) = seen.last_ms.replace(now_ms) else { return true };
        if now_ms < last_ms.saturating_sub(UNEVEN_MS) {
            seen.until = Some(Instant::now() + UNDER_WAY);
        }
        seen.until.is_some_and(|until| Instant::now() < until)
    }
}

/// What a job is about, and who takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// A postback that waits for its click: postback-service.
    ParkedPostback,
    /// A probe of a destination, its key the id of the destination: traffic-service.
    Probe,
    /// A traffic source is to be told of a conversion: postback-service.
    SourcePostback,
    /// A channel is to be told of an alert, or something is to be done about it: api-service.
    Alert,
}

impl JobKind {
    /// Its name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ParkedPostback => "parked_postback",
            Self::Probe => "probe",
            Self::SourcePostback => "tell",
            Self::Alert => "alert",
        }
    }

    /// Whether the order of a group lies in the keys, which several processes make with clocks that differ; when such a job
    /// came says only for how long it waits, and begins anew when it is revived.
    pub const fn is_ordered_by_key(self) -> bool {
        match self {
            Self::SourcePostback => true,
            Self::ParkedPostback | Self::Probe | Self::Alert => false,
        }
    }
}

/// A job to be put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// What it is about.
    pub kind: JobKind,
    /// Unique within the kind as long as it is there.
    pub key: String,
    /// Which jobs of the kind it waits for; none: it waits for nobody.
    pub group: Option<String>,
    /// Its place in the group, to the millisecond, of one moment by key; unless the kind is ordered by key alone.
    pub came: Timestamp,
    /// What whoever takes it needs.
    pub payload: String,
}

impl NewJob {
    /// A source is to be told of a conversion, those of one conversion in the order of its states; and how long after now.
    /// It came when it is to be told.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn tell(tell: &SourcePostback) -> Result<(Self, Duration), StoreError> {
        let payload = serde_json::to_string(tell).map_err(|e| StoreError::broken("write what is told", e))?;
        let (key, group) = (tell.key(), Some(tell.group()));
        let now = clock::now();
        let came = tell.not_before.map_or(now, |at| at.max(now));
        let after = came.duration_since(now).try_into().unwrap_or_default();
        Ok((Self { kind: JobKind::SourcePostback, key, group, came, payload }, after))
    }

    /// Those of one lane are done one after the other: the jobs of a group, or a job that has none.
    pub fn lane(&self) -> String {
        self.group.as_deref().map_or_else(|| own_lane(&self.key), group_lane)
    }
}

/// When the `place`-th of so many is due that are spread over a time.
pub fn spread_over(spread: Duration, place: usize, all: usize) -> Duration {
    let part = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    spread.saturating_mul(part(place)) / part(all.max(1))
}

/// The lane of a group.
pub fn group_lane(group: &str) -> String {
    format!("g:{group}")
}

/// The lane of a job that waits for nobody.
pub fn own_lane(key: &str) -> String {
    format!("k:{key}")
}

/// A job as its holder has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What it is about.
    pub kind: JobKind,
    /// Its key.
    pub key: String,
    /// When it came, to the millisecond.
    pub came: Timestamp,
    /// What whoever takes it needs.
    pub payload: String,
    /// How often it was claimed before: also by who died with it.
    pub tries: u32,
    /// It was dead once, and came alive again.
    pub revived: bool,
    /// The lane it is in.
    pub lane: String,
    /// Tells this claim from every other of the lane; grows with each.
    pub fence: u64,
}

/// A job that was given up and is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadJob {
    /// Its key.
    pub key: String,
    /// What whoever took it needed.
    pub payload: String,
    /// Why it was given up.
    pub why: String,
    /// When, by the store's clock.
    pub died: Timestamp,
}

/// A job that waits or is claimed, as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingJob {
    /// Its key.
    pub key: String,
    /// When it came, to the millisecond.
    pub came: Timestamp,
    /// What whoever takes it needs.
    pub payload: String,
    /// When its lane is due, or is over the claim that holds it, by the store's clock; of several in a lane the first is
    /// taken then.
    pub due: Option<Timestamp>,
    /// Whether its lane is claimed now.
    pub held: bool,
    /// How often the first job of its lane was claimed.
    pub tries: u32,
}

/// What becomes of a job that is not to wait any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hurried {
    /// Its lane is due now; of several in a lane the first is taken.
    Due,
    /// Its lane is claimed, and stays as it is: somebody does it, or the first of those before it, at this moment.
    Held,
    /// It does not wait: it was done, or given up.
    Gone,
}

/// The jobs of one owner: those whose lanes are named alike up to the first `/`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Share {
    /// The owner: what stands before the `/` in group or, without one, in the key.
    pub of: String,
    /// Waiting or claimed.
    pub waiting: u64,
    /// Given up and kept.
    pub dead: u64,
    /// When the oldest of those that wait came.
    pub oldest: Option<Timestamp>,
    /// When the first of its lanes is due, by the store's clock.
    pub next: Option<Timestamp>,
}

/// The jobs of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// How many wait or are claimed, due or not.
    pub waiting: u64,
    /// Of those that were given up and are kept: the key, and why. A thousand at most.
    pub dead: Vec<(String, String)>,
}

impl Group {
    /// The most that are told of those that are dead.
    pub const MOST_DEAD: usize = 1000;
}

/// How many jobs of a kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Waiting or claimed.
    pub waiting: u64,
    /// Given up and kept.
    pub dead: u64,
    /// When the oldest of those that wait came.
    pub oldest: Option<Timestamp>,
    /// When the last of those that are kept was given up, by the store's clock.
    pub last_died: Option<Timestamp>,
}

/// Keeps jobs. What a method has answered survives the loss of power. Those that take a [`Job`] answer whether the claim
/// still held; if not, nothing was changed.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Puts a job in, due after `after`. One that is there stays as it is; a dead one is replaced. The first of its group
    /// is due then too, if not sooner.
    async fn enqueue(&self, job: &NewJob, after: Duration) -> Result<(), StoreError>;

    /// What there is of a group.
    async fn group(&self, kind: JobKind, group: &str) -> Result<Group, StoreError>;

    /// Claims at most `limit` jobs that are due, for `lease`; those that wait longest first.
    async fn claim(&self, kind: JobKind, limit: usize, lease: Duration) -> Result<Vec<Job>, StoreError> {
        self.claim_but(kind, limit, lease, &[]).await
    }

    /// As [`Self::claim`], but none of groups of these owners ([`Share::of`]).
    async fn claim_but(
        &self,
        kind: JobKind,
        limit: usize,
        lease: Duration,
        owners: &[String],
    ) -> Result<Vec<Job>, StoreError>;

    /// Holds it for `lease` from now.
    async fn renew(&self, job: &Job, lease: Duration) -> Result<bool, StoreError>;

    /// Takes it off; the next of its group is due.
    async fn done(&self, job: &Job) -> Result<bool, StoreError>;

    /// Takes it off undone; the next of its group is due. What its source was not told gives back what it took: its own
    /// name, and the place of the first of its click where nothing of its conversion was told or waits to be.
    async fn left(&self, job: &Job) -> Result<bool, StoreError>;

    /// Lets go of it until `after` from now, or until another of its group wants to be tried sooner.
    async fn again(&self, job: &Job, after: Duration) -> Result<bool, StoreError>;

    /// As [`Self::again`], as if it had not been claimed: it has no try more.
    async fn postpone(&self, job: &Job, after: Duration) -> Result<bool, StoreError>;

    /// As [`Self::again`], and from now on it holds up nobody: the next of its group is due.
    async fn aside(&self, job: &Job, after: Duration) -> Result<bool, StoreError>;

    /// Gives it up and keeps it; the next of its group is due. The place of the first of a click is given back as by
    /// [`Self::left`].
    async fn dead(&self, job: &Job, why: &str) -> Result<bool, StoreError>;

    /// A page of those that are dead, the first that died first.
    async fn dead_jobs(&self, kind: JobKind, page: &PageRequest) -> Result<Page<DeadJob>, StoreError>;

    /// Makes dead jobs due again, in their groups, one after the other within `spread`; those that are not dead are passed
    /// over. How many it were.
    async fn revive(&self, kind: JobKind, keys: &[String], spread: Duration) -> Result<u64, StoreError>;

    /// Has what waits longer than `most` be due within that, still one after the other; what is claimed stays.
    async fn bring_forward(&self, kind: JobKind, most: Duration) -> Result<(), StoreError>;

    /// Makes a job due now that waits, with as many tries as it has.
    async fn hurry(&self, kind: JobKind, key: &str) -> Result<Hurried, StoreError>;

    /// Takes jobs off, whether they wait, are claimed or dead, as if they had never been put in; whoever has claimed one
    /// finds his claim lost. Those that are not there are passed over. How many it were.
    async fn remove(&self, kind: JobKind, keys: &[String]) -> Result<u64, StoreError>;

    /// Drops what has been dead for longer than `older`. How many it were.
    async fn forget(&self, kind: JobKind, older: Duration) -> Result<u64, StoreError>;

    /// A page of those that wait or are claimed and whose key begins so, by key.
    async fn waiting(
        &self,
        kind: JobKind,
        prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<WaitingJob>, StoreError>;

    /// All of them by owner, in the order of their names.
    async fn shares(&self, kind: JobKind) -> Result<Vec<Share>, StoreError>;

    /// How many there are.
    async fn counts(&self, kind: JobKind) -> Result<Counts, StoreError>;

    /// Why jobs that were met since the start cannot be read: the others go on without them; at most a hundred are named.
    fn left_out(&self) -> Vec<String>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_went_back_is_noticed_and_one_that_goes_on_is_not() {
        let clock = ClockWatch::default();
        assert!(clock.went_back(100_000), "nobody looked before");
        for now in [100_000, 100_250, 99_800, 180_000] {
            assert!(!clock.went_back(now), "{now}");
        }
        assert!(clock.went_back(100_000));
        assert!(clock.went_back(100_250), "what was under way may end after that");
    }
}
