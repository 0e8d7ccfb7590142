//! Takes the probes that are due. All services share one queue: whoever claims a probe makes it, and puts it off by an
//! interval; the probe of one who died is claimed by another when the claim is over.

use super::{
    Probes,
    held::Held,
    lanes::{AT_ONCE, needed},
    probe::{Counts, Target, Tried},
};
use crate::snapshot::Live;
use rand::RngExt as _;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_domain::{health::DestinationHealth, id::DestinationId, routing::Snapshot};
use tfx_outbound::Failure;
use tfx_ports::{
    StoreError,
    alerts::AlertStore,
    clock, entropy,
    queue::{Job, JobKind, NewJob, Queue, spread_over},
};
use tfx_service::{LogThrottle, Shutdown};
use tokio::{task::JoinSet, time::sleep};
use tracing::Instrument as _;

/// Probes that this service has claimed and not yet let go of: those under way, and those that wait for a lane.
const CLAIMED: usize = 2 * AT_ONCE;
/// Probes claimed at once. Where so many are due there may be more, and the next look is at once.
const CLAIM: usize = 64;
/// Pause between looks at what is due. What was claimed together begins one after the other in this time: all at once would
/// take the processor from clicks.
const EVERY: Duration = Duration::from_millis(250);
/// The jobs of new destinations are put in when the configuration changes, all of them as often as this.
const SEED_EVERY: Duration = Duration::from_secs(600);
/// Jobs put in at the same time: the store makes one transaction of them.
const SEED_AT_ONCE: usize = 64;
/// A job whose destination is not watched is looked at again after this before it is taken off: another service may know
/// a newer configuration.
const SETTLED: Duration = Duration::from_secs(5);
/// A claim is held for the time-out of a probe and this.
const LEASE: Duration = Duration::from_secs(15);
/// Longest wait of a probe for a lane.
const WAIT: Duration = Duration::from_secs(2);
/// Pause of a probe that had no lane, which doubles up to half of an interval, and of one that this machine could not make,
/// each a half more or less.
const NO_LANE: Duration = Duration::from_secs(3);
const OURS: Duration = Duration::from_secs(15);
/// When the next probe is due, in intervals: a little sooner or later, so that they do not march in step.
const EARLIEST: f64 = 0.95;
const LATEST: f64 = 1.05;
/// New destinations are spread over so much time each, over an interval at most.
const SPREAD: Duration = Duration::from_millis(20);

/// Makes the probes that are due.
pub(crate) struct Prober {
    pub(crate) probes: Arc<Probes>,
    pub(crate) live: Arc<Live>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) alerts: Arc<dyn AlertStore>,
    /// How often each destination is probed.
    pub(crate) interval: Duration,
}

/// What was put in, and what is about to be taken off.
#[derive(Default)]
struct Seeded {
    at: Option<Instant>,
    revision: u64,
    known: HashSet<DestinationId>,
    /// By key, since when it was met without being watched.
    unwatched: HashMap<String, Instant>,
}

impl Prober {
    /// Until the shutdown; a probe under way is dropped then, and made after the next start.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let prober = Arc::new(self);
        let mut complaint = LogThrottle::default();
        let mut seeded = Seeded::default();
        let mut running = JoinSet::new();
        let probing = async {
            loop {
                while running.try_join_next().is_some() {}
                match prober.look(&mut seeded, &mut running).await {
                    Ok(claimed) => {
                        complaint.over();
                        if claimed == CLAIM {
                            continue;
                        }
                    }
                    Err(error) if complaint.due() => tracing::warn!(%error, "destinations cannot be probed"),
                    Err(_) => {}
                }
                sleep(EVERY).await;
            }
        };
        tokio::select! {
            () = probing => {}
            () = shutdown.wait() => {}
        }
    }

    /// Starts probes that are due, as many as there is room for: how many were claimed.
    async fn look(
        self: &Arc<Self>,
        seeded: &mut Seeded,
        running: &mut JoinSet<()>,
    ) -> Result<usize, StoreError> {
        let Some(snapshot) = self.live.owned() else { return Ok(0) };
        self.seed(&snapshot, seeded).await?;
        let room = CLAIMED.saturating_sub(running.len()).min(self.probes.lanes.free()).min(CLAIM);
        if room == 0 {
            return Ok(0);
        }
        let claimed = Instant::now();
        let lease = self.probes.timeout + LEASE;
        let jobs = self.queue.claim(JobKind::Probe, room, lease).await?;
        let claimed_jobs = jobs.len();
        let (mut targets, mut gone) = (Vec::new(), Vec::new());
        for job in jobs {
            let id = job.key.parse::<DestinationId>().ok();
            let plan = id.as_ref().and_then(|id| snapshot.destination(id)).filter(|p| p.is_watched());
            match plan.and_then(Target::of) {
                Some(target) => targets.push((job, target)),
                None => gone.push((job, id)),
            }
        }
        if !gone.is_empty() {
            let held = Held::read(self.alerts.as_ref()).await?;
            let plan =
                |id: &Option<DestinationId>| snapshot.destination(id.as_ref()?).filter(|p| held.has(p));
            for (job, id) in std::mem::take(&mut gone) {
                match plan(&id).and_then(Target::of) {
                    Some(target) => targets.push((job, target)),
                    None => gone.push((job, id)),
                }
            }
        }
        self.take_off(gone, &mut seeded.unwatched).await?;
        let ids: Vec<DestinationId> = targets.iter().map(|(_, target)| target.id.clone()).collect();
        let known = self.probes.store.of(&ids).await?;
        let mut known: HashMap<DestinationId, DestinationHealth> =
            known.into_iter().map(|h| (h.destination_id.clone(), h)).collect();
        for (place, (job, target)) in targets.into_iter().enumerate() {
            let (prober, before) = (Arc::clone(self), known.remove(&target.id));
            let one = async move {
                sleep(spread_over(EVERY, place, CLAIM)).await;
                prober.one(&job, &target, before.as_ref(), claimed).await;
            };
            running.spawn(one.in_current_span());
        }
        Ok(claimed_jobs)
    }

    async fn one(&self, job: &Job, target: &Target, before: Option<&DestinationHealth>, claimed: Instant) {
        let probed = self.probes.probe(target, before, WAIT, Counts::Yes).await;
        // From when it was claimed, so that a slow answer does not make probes rarer.
        let jitter = entropy::generator().random_range(EARLIEST..LATEST);
        let after = self.interval.mul_f64(jitter).saturating_sub(claimed.elapsed());
        let done = match probed {
            Ok(Tried::PutOff(why, times)) => {
                let no_lane = NO_LANE.saturating_mul(1 << times.saturating_sub(1).min(20));
                let pause = match why {
                    Failure::Busy { .. } => no_lane.min(NO_LANE.max(self.interval / 2)),
                    _ => OURS,
                };
                let pause = pause.mul_f64(entropy::generator().random_range(0.5..1.5)).min(self.interval);
                self.queue.again(job, pause).await.map(|_| ())
            }
            Ok(Tried::Probed(_)) => self.queue.again(job, after).await.map(|_| ()),
            Err(e) => Err(e),
        };
        // The claim expires, and the probe is made again.
        if let Err(error) = done {
            tracing::warn!(%error, destination_id = %target.id, "a probe cannot be saved; it is made again");
        }
    }

    /// How many lanes each server needs.
    fn needs(&self, snapshot: &Snapshot) -> HashMap<String, usize> {
        let mut servers: HashMap<String, usize> = HashMap::new();
        for target in snapshot.watched().filter_map(Target::of) {
            *servers.entry(target.server).or_default() += 1;
        }
        let lanes = |n: usize| needed(n, self.probes.timeout, self.interval);
        servers.into_iter().map(|(server, n)| (server, lanes(n))).collect()
    }

    /// What is not watched any more is probed by nobody, and what was known of it is forgotten.
    async fn take_off(
        &self,
        gone: Vec<(Job, Option<DestinationId>)>,
        unwatched: &mut HashMap<String, Instant>,
    ) -> Result<(), StoreError> {
        for (job, id) in gone {
            let since = *unwatched.entry(job.key.clone()).or_insert_with(Instant::now);
            if since.elapsed() < SETTLED {
                self.queue.again(&job, SETTLED).await?;
                continue;
            }
            if let Some(id) = id {
                self.probes.store.forget(&[id]).await?;
            }
            self.queue.done(&job).await?;
            unwatched.remove(&job.key);
        }
        Ok(())
    }

    /// Puts in a job for each destination that is watched; one that has a job keeps it, and is probed within an interval.
    async fn seed(&self, snapshot: &Snapshot, seeded: &mut Seeded) -> Result<(), StoreError> {
        let rested = seeded.at.is_some_and(|at| at.elapsed() < SEED_EVERY);
        if rested && seeded.revision == snapshot.revision {
            return Ok(());
        }
        self.probes.lanes.need(self.needs(snapshot));
        let all = !rested;
        let watched: HashSet<DestinationId> = snapshot.watched().map(|d| d.destination.id.clone()).collect();
        let new: Vec<&DestinationId> =
            watched.iter().filter(|id| all || !seeded.known.contains(*id)).collect();
        let spread = (SPREAD * u32::try_from(new.len()).unwrap_or(u32::MAX)).min(self.interval);
        for some in new.chunks(SEED_AT_ONCE) {
            let mut running = JoinSet::new();
            for id in some {
                let (queue, key) = (Arc::clone(&self.queue), id.to_string());
                let after = spread.mul_f64(entropy::generator().random_range(0.0..1.0));
                let (kind, came) = (JobKind::Probe, clock::now());
                let job = NewJob { kind, key, group: None, came, payload: String::new() };
                running.spawn(async move { queue.enqueue(&job, after).await });
            }
            while let Some(done) = running.join_next().await {
                // A panic of the store is its own message.
                done.unwrap_or(Ok(()))?;
            }
        }
        // What was known of it is forgotten soon, not only when it is due.
        for id in seeded.known.difference(&watched) {
            self.queue.hurry(JobKind::Probe, id.as_str()).await?;
        }
        if all {
            // The interval may have been longer before.
            let most = self.interval.mul_f64(LATEST);
            self.queue.bring_forward(JobKind::Probe, most).await?;
            seeded.at = Some(Instant::now());
        }
        seeded.unwatched.retain(|key, _| !watched.iter().any(|id| id.as_str() == key));
        (seeded.revision, seeded.known) = (snapshot.revision, watched);
        Ok(())
    }
}
