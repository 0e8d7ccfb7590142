//! Telling traffic sources of conversions: jobs that the store put into the queue with the states, each sent until its
//! source has it, or given up.
//!
//! Conversions of one source are told in a few lanes of the queue, those of one conversion in one of them and in order. What
//! fails is put aside, so that it holds up nobody but the later states of its own conversion. `targets` knows which servers do not work and how many requests are
//! under way to each; `outcome` what an answer means; `line` is the log; `manual` what somebody asks for.
//!
//! An attempt is over when it is in the log and the queue knows it. Who dies before sends once more, with the same id.

mod line;
mod manual;
mod mask;
mod outcome;
mod signature;
mod targets;

pub(crate) use manual::routes;
use outcome::{Outcome, pause};
pub(crate) use targets::Targets;
use targets::Turn;

use crate::{config::SourceOf, take::Postbacks};
use rand::RngExt as _;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tfx_domain::{
    Timestamp,
    entity::Source,
    event::{Event, PostbackResult},
    macros::Facts,
    tell::{Message, Tell, Unsendable, form},
};
use tfx_outbound::{Apart, Failure, Outbound, Request};
use tfx_ports::{
    StoreError, clock, entropy,
    queue::{Counts, Job, JobKind, LONGEST_WAIT, own_lane},
};
use tfx_service::{LogThrottle, Shutdown, metrics::Text};
use tfx_settings::TellSettings;
use tokio::{task::JoinSet, time::sleep};
use tracing::Instrument as _;

const KIND: JobKind = JobKind::Tell;
/// Attempts of this service at the same time: many may wait for servers that do not answer.
const AT_ONCE: usize = 512;
/// Jobs claimed at once. Where so many are due there may be more, and the next look is at once.
const CLAIM: usize = 64;
/// Pause between looks at what is due, if nobody says that something is.
const EVERY: Duration = Duration::from_millis(250);
/// A claim is held for the time-out of an attempt and this.
const LEASE: Duration = Duration::from_secs(15);
/// How long what is under way may take when the service ends.
const LET_GO: Duration = Duration::from_secs(2);
/// The shortest pause of a state while an earlier one of its conversion is tried again.
const BEHIND: Duration = Duration::from_millis(500);
/// Pause when something of ours that is needed is not there: the configuration, a source that cannot be read, a click.
const OURS: Duration = Duration::from_secs(10);
/// A click that cannot be looked up is waited for so long, and then told without what it alone knows.
const CLICK_PATIENCE: Duration = Duration::from_secs(600);
/// A source that is not there may be known here in a moment.
const SETTLED: Duration = Duration::from_secs(60);
/// How often it is counted what waits.
const COUNTED: Duration = Duration::from_secs(10);
/// How long what was given up is kept.
const KEPT_DEAD: Duration = Duration::from_secs(30 * 86_400);

/// Tells sources.
pub(crate) struct Teller {
    pub(crate) postbacks: Arc<Postbacks>,
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) apart: Apart,
    pub(crate) targets: Arc<Targets>,
    pub(crate) settings: TellSettings,
    pub(crate) counted: Counted,
}

/// Attempts since the start, and what waits.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    sent: AtomicU64,
    retry: AtomicU64,
    dead: AtomicU64,
    /// Attempts that were over after their claim: somebody else may have sent it too.
    late: AtomicU64,
    waiting: AtomicU64,
    kept_dead: AtomicU64,
    /// Milliseconds.
    oldest_age: AtomicU64,
}

/// How a claim ends.
enum End {
    Done,
    /// It failed, and is tried again after this; it holds up nobody.
    Aside(Duration),
    /// It was not tried.
    Postpone(Duration),
    /// It was cut off.
    Again,
    Dead(String),
}

/// A request that this machine could not send.
struct NotSent {
    why: String,
    /// It may be tried again after this.
    pause: Duration,
}

impl Teller {
    /// Until the shutdown; what is under way then has a moment.
    pub(crate) async fn work(self: Arc<Self>, shutdown: Shutdown) {
        let mut running = JoinSet::new();
        let mut complaint = LogThrottle::default();
        let lease = self.settings.timeout + LEASE;
        while !shutdown.is_fired() {
            while running.try_join_next().is_some() {}
            let room = AT_ONCE.saturating_sub(running.len()).min(CLAIM);
            let claimed = match self.postbacks.queue.claim(KIND, room, lease).await {
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
                running.spawn(async move { teller.one(job, shutdown).await }.in_current_span());
            }
            if more {
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

    /// Counts what waits, until the shutdown.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: Shutdown) {
        let queue = &self.postbacks.queue;
        let watching = async {
            loop {
                if let Ok(shares) = queue.shares(KIND).await {
                    let sum = |of: fn(&tfx_ports::queue::Share) -> u64| shares.iter().map(of).sum::<u64>();
                    let oldest = shares.iter().filter_map(|s| s.oldest).min();
                    let age = oldest.map_or(Duration::ZERO, |at| since(at, clock::now()));
                    self.counted.waiting.store(sum(|s| s.waiting), Relaxed);
                    self.counted.kept_dead.store(sum(|s| s.dead), Relaxed);
                    self.counted
                        .oldest_age
                        .store(u64::try_from(age.as_millis()).unwrap_or(u64::MAX), Relaxed);
                }
                // What cannot be forgotten now is forgotten later.
                let _ = queue.forget(KIND, KEPT_DEAD).await;
                sleep(COUNTED).await;
            }
        };
        tokio::select! {
            () = watching => {}
            () = shutdown.wait() => {}
        }
    }

    async fn one(&self, job: Job, shutdown: Shutdown) {
        let cut = async {
            shutdown.wait().await;
            sleep(LET_GO).await;
        };
        let end = tokio::select! {
            end = self.attempt(&job) => end,
            () = cut => End::Again,
        };
        match self.end(&job, end).await {
            Ok(true) => {}
            Ok(false) => {
                self.counted.late.fetch_add(1, Relaxed);
            }
            Err(error) => {
                tracing::warn!(%error, "an attempt to tell a source cannot be ended; it is made again, with the same id");
            }
        }
        // The next of its lane is due.
        self.postbacks.to_tell.notify_one();
    }

    async fn end(&self, job: &Job, end: End) -> Result<bool, StoreError> {
        let queue = &self.postbacks.queue;
        match end {
            End::Done => queue.done(job).await,
            End::Aside(after) => queue.aside(job, after).await,
            End::Postpone(after) => queue.postpone(job, after).await,
            End::Again => queue.again(job, Duration::ZERO).await,
            End::Dead(why) => queue.dead(job, &why).await,
        }
    }

    async fn attempt(&self, job: &Job) -> End {
        let tell: Tell = match serde_json::from_str(&job.payload) {
            Ok(tell) => tell,
            Err(e) => {
                tracing::error!(error = %e, key = job.key, "what a source is to be told cannot be read; it is kept as it is");
                return End::Dead(format!("it cannot be read: {e}"));
            }
        };
        let now = clock::now();
        if let Some(at) = tell.not_before.filter(|at| *at > now) {
            return End::Postpone(since(now, at).min(LONGEST_WAIT));
        }
        let Some(index) = self.postbacks.config.owned() else { return End::Postpone(OURS) };
        let source = match index.source(&tell.source) {
            SourceOf::Known(source) => source,
            SourceOf::Unreadable => return End::Postpone(OURS),
            SourceOf::Gone if since(job.came, now) < SETTLED => return End::Postpone(OURS),
            SourceOf::Gone => return self.give_up(&tell, None, job, "the source is gone").await,
        };
        let form = match form(&source.spec, &tell.conversion.status, true) {
            Ok(form) => form,
            // It was put in for want of knowing.
            Err(Unsendable::NotAsked(_) | Unsendable::NoUrl) if tell.unsure => return End::Done,
            Err(why) => return self.give_up(&tell, Some(source), job, &why.to_string()).await,
        };
        match self.is_behind(&tell, job).await {
            Ok(false) => {}
            // In the lane of its source it would hold up others; there it is only once.
            Ok(true) if job.lane != own_lane(&job.key) => return End::Aside(later(self.settings.backoff)),
            Ok(true) => return End::Postpone(later(self.settings.backoff.max(BEHIND))),
            Err(_) => return End::Postpone(OURS),
        }
        let click = match form.needs_click() {
            true => self.postbacks.clicks.event(tell.conversion.click_id).await,
            false => Ok(None),
        };
        let click = match click {
            Ok(click) => click,
            Err(_) if since(job.came, now) < CLICK_PATIENCE => return End::Postpone(OURS),
            Err(_) => None,
        };
        let facts = click.as_ref().map_or_else(|| tell.facts(), Facts::from);
        let message = form.fill(&facts, &tell.conversion, &mut entropy::generator());
        let host = host_of(&message.url).unwrap_or_else(|| source.id.to_string());
        let turn = match self.targets.enter(&host) {
            Turn::Go(turn) => turn,
            Turn::Wait(pause) => return End::Postpone(later(pause)),
        };
        let (outcome, latency) = match self.send(source, &message).await {
            Ok(sent) => sent,
            Err(not_sent) => return End::Postpone(later(not_sent.pause)),
        };
        if outcome.is_down {
            turn.failed(&outcome.reason);
        } else {
            turn.answered();
        }
        self.conclude(&tell, source, job, &message, outcome, latency).await
    }

    /// Whether an earlier state of its conversion waits to be told, after an attempt that failed.
    async fn is_behind(&self, tell: &Tell, job: &Job) -> Result<bool, StoreError> {
        if tell.conversion.version == 1 {
            return Ok(false);
        }
        self.postbacks.queue.waits_between(KIND, &tell.first_key(), &job.key).await
    }

    /// Sends it once.
    ///
    /// # Errors
    /// Nothing was sent, through no fault of the source: it uses up no try.
    async fn send(&self, source: &Source, message: &Message) -> Result<(Outcome, u32), NotSent> {
        let now = clock::now();
        let request = Request {
            method: if message.method == "GET" { http::Method::GET } else { http::Method::POST },
            url: message.url.clone(),
            headers: signature::headers(&source.spec, message, now),
            body: message.body.clone().into(),
            wait: self.settings.timeout,
            timeout: self.settings.timeout,
            keep: outcome::KEPT,
        };
        let began = Instant::now();
        let outbound = Arc::clone(&self.outbound);
        let sent = self.apart.run(async move { outbound.send(request).await }).await;
        let millis = |took: Duration| u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        match sent {
            None => Err(NotSent { why: "the service ends".to_owned(), pause: EVERY }),
            Some(Ok(answer)) => Ok((Outcome::answered(&answer, now), millis(answer.latency))),
            Some(Err(failure)) if failure.is_ours() => {
                let pause = if matches!(failure, Failure::Busy { .. }) { EVERY } else { OURS };
                Err(NotSent { why: failure.to_string(), pause })
            }
            Some(Err(failure)) => Ok((Outcome::failed(&failure), millis(began.elapsed()))),
        }
    }

    async fn conclude(
        &self,
        tell: &Tell,
        source: &Source,
        job: &Job,
        message: &Message,
        mut outcome: Outcome,
        latency: u32,
    ) -> End {
        let attempts = job.tries.saturating_add(1);
        if outcome.result == PostbackResult::Retry && attempts >= u32::from(self.settings.max_attempts) {
            outcome.result = PostbackResult::Dead;
            outcome.reason = format!("given up after {attempts} attempts; the last: {}", outcome.reason);
        }
        let line = line::Line { tell, source: Some(source), key: &job.key, attempt: attempts, test: false };
        self.log(line.sent(message, &outcome, latency, &self.postbacks.masks())).await;
        match outcome.result {
            PostbackResult::Retry => {
                let jitter = entropy::generator().random_range(0.0..1.0);
                End::Aside(pause(self.settings.backoff, attempts, outcome.retry_after, jitter))
            }
            PostbackResult::Dead => End::Dead(outcome.reason),
            _ => End::Done,
        }
    }

    /// Gives it up without having sent it.
    async fn give_up(&self, tell: &Tell, source: Option<&Source>, job: &Job, why: &str) -> End {
        let line = line::Line { tell, source, key: &job.key, attempt: 0, test: false };
        self.log(line.dead(why)).await;
        End::Dead(why.to_owned())
    }

    /// Makes a line durable and counts it. An attempt is not made again for want of a line.
    async fn log(&self, line: tfx_domain::event::PostbackLogEvent) {
        let counter = match line.result {
            PostbackResult::Sent => &self.counted.sent,
            PostbackResult::Retry => &self.counted.retry,
            _ => &self.counted.dead,
        };
        counter.fetch_add(1, Relaxed);
        if let Err(error) = self.postbacks.publish(&[Event::PostbackLog(Box::new(line))]).await {
            tracing::error!(error, "an attempt to tell a source is not in the log");
        }
    }

    /// Metrics.
    pub(crate) fn write(&self, out: &mut Text) {
        let counted = &self.counted;
        for (result, count) in [("sent", &counted.sent), ("retry", &counted.retry), ("dead", &counted.dead)] {
            let help = "Attempts to tell traffic sources of conversions, by what became of them";
            out.counter("tfx_source_postbacks_total", help, &[("result", result)], count.load(Relaxed));
        }
        let help = "Attempts that were over after their claim: another service may have sent them too";
        out.counter("tfx_source_postbacks_late_total", help, &[], counted.late.load(Relaxed));
        let help = "Postbacks to sources that wait or are under way, of all services, read every 10 s";
        out.gauge("tfx_source_postbacks_waiting", help, &[], counted.waiting.load(Relaxed));
        let help = "Postbacks to sources that were given up and are kept";
        out.gauge("tfx_source_postbacks_dead", help, &[], counted.kept_dead.load(Relaxed));
        let help = "Age of the oldest postback to a source that waits";
        let age = counted.oldest_age.load(Relaxed);
        out.gauge("tfx_source_postbacks_oldest_age_seconds", help, &[], age as f64 / 1_000.0);
        let help = "Servers of sources that are left alone, since they do not work";
        out.gauge("tfx_source_circuits_open", help, &[], self.targets.open());
    }

    /// What `/readyz` says of it.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) async fn told(&self) -> Result<String, StoreError> {
        let Counts { waiting, dead } = self.postbacks.queue.counts(KIND).await?;
        let (oldest, open) = (self.counted.oldest_age.load(Relaxed) / 1_000, self.targets.open());
        let mut text = format!("{waiting} to be told");
        if waiting > 0 && oldest > 0 {
            text += &format!(", the oldest for {oldest} s");
        }
        if dead > 0 {
            text += &format!("; {dead} given up: tfx postback queue --dead");
        }
        if open > 0 {
            text += &format!("; servers that do not work and are left alone: {open}");
        }
        Ok(text)
    }
}

/// From a time to a later one.
fn since(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

/// A little later than this, so that many do not come at once.
fn later(pause: Duration) -> Duration {
    pause.mul_f64(entropy::generator().random_range(1.0..1.25))
}

/// Host and port of a URL.
fn host_of(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    Some(format!("{}:{}", uri.host()?.to_ascii_lowercase(), uri.port_u16().unwrap_or(usual)))
}
