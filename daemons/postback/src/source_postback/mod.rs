//! Telling traffic sources of conversions: jobs that the store put into the queue with the states, each sent until its
//! source has it, or given up.
//!
//! The states of one conversion are a group of the queue, in order; nothing else waits for anything. `targets` knows which
//! servers do not work and how many requests are under way to each; `attempt` is one attempt, `outcome` what an answer means;
//! `line` is the log; `counted` the metrics; `manual` what somebody asks for.
//!
//! An attempt is over when it is in the log and the queue knows it. Who dies before sends once more, with the same id.

mod attempt;
mod counted;
mod line;
mod manual;
mod mask;
mod outcome;
mod signature;
mod targets;

use attempt::since;
pub(crate) use counted::Counted;
pub(crate) use manual::routes;
pub(crate) use targets::Targets;

use crate::take::Postbacks;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tfx_domain::id::SourceId;
use tfx_outbound::{Apart, Outbound};
use tfx_ports::{
    StoreError,
    queue::{Job, JobKind},
};
use tfx_service::{LogThrottle, Shutdown};
use tfx_settings::{Settings, SourcePostbackSettings};
use tokio::{task::JoinSet, time::sleep};
use tracing::Instrument as _;

const KIND: JobKind = JobKind::SourcePostback;
/// Attempts of this service at the same time: many may wait for servers that do not answer.
const AT_ONCE: usize = 1_024;
/// Jobs claimed at once. Where so many are due there may be more, and the next look is at once.
const CLAIM: usize = 64;
/// Pause between looks at what is due, if nobody says that something is.
const EVERY: Duration = Duration::from_millis(250);
/// The same while sources have enough of them here: what comes of those is soon looked for.
const SOON: Duration = Duration::from_millis(10);
/// A claim is held for all that an attempt may wait for, and this. Who dies holds up for so long what it had.
const LEASE: Duration = Duration::from_secs(5);
/// How long what is under way may take when the service ends.
const LET_GO: Duration = Duration::from_secs(2);
/// Tells sources.
pub(crate) struct SourcePostbackSender {
    pub(crate) postbacks: Arc<Postbacks>,
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) apart: Apart,
    pub(crate) targets: Arc<Targets>,
    pub(crate) settings: SourcePostbackSettings,
    /// How long a claim is held.
    pub(crate) lease: Duration,
    pub(crate) counted: Counted,
    /// When this service began to tell.
    pub(crate) began: Instant,
}

/// How long a claim is held: for the look-up of a click, a turn, the request and its line in the log, all at their longest.
pub(crate) fn lease(settings: &Settings) -> Duration {
    settings.postback.lookup_timeout + settings.tell.timeout * 2 + settings.events.write_timeout + LEASE
}

/// Who is to be told: what the key begins with.
fn owner(job: &Job) -> Option<SourceId> {
    job.key.split('/').next()?.parse().ok()
}

/// How a claim ends.
enum End {
    Done,
    /// It is not told, and gives back what it took.
    Left,
    /// It failed or was cut off, and is tried again after this.
    Again(Duration),
    /// It was not tried.
    Postpone(Duration),
    /// It cannot be read here, and holds up nobody.
    Aside(Duration),
    /// Somebody else has it, and nothing was sent.
    Lost,
    Dead(String),
}

impl SourcePostbackSender {
    /// Until the shutdown; what is under way then has a moment.
    pub(crate) async fn work(self: Arc<Self>, shutdown: Shutdown) {
        let mut running = JoinSet::new();
        let mut complaint = LogThrottle::default();
        while !shutdown.is_fired() {
            while running.try_join_next().is_some() {}
            let room = AT_ONCE.saturating_sub(running.len()).min(CLAIM);
            let began = Instant::now();
            let busy = self.targets.busy(AT_ONCE);
            let claimed = match self.postbacks.queue.claim_but(KIND, room, self.lease, &busy).await {
                Ok(jobs) => {
                    complaint.over();
                    jobs
                }
                Err(error) => {
                    if complaint.due() {
                        tracing::warn!(%error, "cannot look for what sources are to be told");
                    }
                    Vec::new()
                }
            };
            let more = room > 0 && claimed.len() == room;
            for job in claimed {
                let (teller, shutdown) = (Arc::clone(&self), shutdown.clone());
                let here = owner(&job).map(|source| self.targets.hold(source));
                running.spawn(
                    async move {
                        teller.one(job, began, shutdown).await;
                        drop(here);
                    }
                    .in_current_span(),
                );
            }
            if more {
                continue;
            }
            if !busy.is_empty() {
                tokio::select! {
                    () = sleep(SOON) => {}
                    () = shutdown.wait() => {}
                }
                continue;
            }
            tokio::select! {
                () = sleep(EVERY) => {}
                () = self.postbacks.to_tell.notified() => {}
                () = shutdown.wait() => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    async fn one(&self, job: Job, claimed: Instant, shutdown: Shutdown) {
        let cut = async {
            shutdown.wait().await;
            sleep(LET_GO).await;
        };
        let end = tokio::select! {
            end = self.attempt(&job, claimed) => end,
            () = cut => End::Again(Duration::ZERO),
        };
        match self.end(&job, end).await {
            Ok(true) => {}
            Ok(false) => {
                self.counted.late();
            }
            Err(error) => {
                tracing::warn!(%error, "an attempt to tell a source cannot be ended; it is made again, with the same id");
            }
        }
        // The next state of its conversion may be due.
        self.postbacks.to_tell.notify_one();
    }

    async fn end(&self, job: &Job, end: End) -> Result<bool, StoreError> {
        let queue = &self.postbacks.queue;
        match end {
            End::Done => queue.done(job).await,
            End::Left => queue.left(job).await,
            End::Again(after) => queue.again(job, after).await,
            End::Postpone(after) => queue.postpone(job, after).await,
            End::Aside(after) => queue.aside(job, after).await,
            End::Dead(why) => queue.dead(job, &why).await,
            End::Lost => Ok(true),
        }
    }
}
