//! Does what comes of alerts: jobs of the queue, which any api-service takes. Those of one channel of a rule are done in
//! order. Who dies before a job is ended does it once more: a notice with the same id.

use super::{
    KIND,
    act::Deed,
    new_id,
    send::{LONGEST_PAUSE, Outcome, TIMEOUT},
};
use crate::app::App;
use std::{sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};
use tfx_domain::{
    alert::{AlertEvent, AlertJob, Channel, Happened, Notice},
    entity::{AlertSpec, Kind, Status},
};
use tfx_ports::{StoreError, clock, entropy, queue::Job};
use tfx_service::{LogThrottle, Shutdown};
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};
use tracing::Instrument as _;

/// Notices under way here at the same time. They wait for channels.
const NOTICES: usize = 16;
/// What else may be under way: what is to be done, which waits for no channel, and notices that find no place.
const BESIDE: usize = 4;
/// Pause of a notice that finds no place.
const NO_PLACE: Duration = Duration::from_secs(2);
/// Pause between looks at what is due, if nobody says that something is.
const EVERY: Duration = Duration::from_millis(500);
/// A claim is held for so long: for all that a job may wait for.
const LEASE: Duration = Duration::from_secs(60);
/// What is under way has so long when the service ends.
const LET_GO: Duration = Duration::from_secs(2);
/// Pause when something of ours is not there: a network, a store.
const OURS: Duration = Duration::from_secs(10);
/// What another version put in and this one cannot read may be taken by that one for so many tries.
const UNREAD_TRIES: u32 = 60;

/// How a job ends.
enum End {
    Done,
    Again(Duration),
    Postpone(Duration),
    Dead(String),
}

/// Does what is due until the shutdown.
pub(crate) async fn follow(app: Arc<App>, shutdown: Shutdown) {
    let mut running = JoinSet::new();
    let places = Arc::new(Semaphore::new(NOTICES));
    let mut complaint = LogThrottle::default();
    while !shutdown.is_fired() {
        while running.try_join_next().is_some() {}
        let room = (NOTICES + BESIDE).saturating_sub(running.len());
        // A store that does not answer holds up no stop; what was claimed all the same is claimed anew when that is over.
        let claimed = tokio::select! {
            claimed = app.stores.queue.claim(KIND, room, LEASE) => claimed,
            () = shutdown.wait() => break,
        };
        let claimed = match claimed {
            Ok(jobs) => {
                complaint.over();
                jobs
            }
            Err(error) => {
                if complaint.due() {
                    tracing::warn!(%error, "cannot look for what is to be done for alerts");
                }
                Vec::new()
            }
        };
        let more = !claimed.is_empty() && claimed.len() == room;
        for job in claimed {
            let (app, shutdown, places) = (Arc::clone(&app), shutdown.clone(), Arc::clone(&places));
            running.spawn(async move { one(&app, &job, &places, shutdown).await }.in_current_span());
        }
        if more {
            continue;
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            () = app.alerts.due.notified() => {}
            () = shutdown.wait() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

async fn one(app: &App, job: &Job, places: &Semaphore, shutdown: Shutdown) {
    let cut = async {
        shutdown.wait().await;
        sleep(LET_GO).await;
    };
    let end = tokio::select! {
        end = attempt(app, job, places) => end,
        () = cut => End::Again(Duration::ZERO),
    };
    let queue = &app.stores.queue;
    let ended = match end {
        End::Done => queue.done(job).await,
        End::Again(after) => queue.again(job, after).await,
        End::Postpone(after) => queue.postpone(job, after).await,
        End::Dead(why) => {
            tracing::warn!(why, key = job.key, "something that was to be done for an alert is given up");
            queue.dead(job, &why).await
        }
    };
    if let Err(error) = ended {
        tracing::warn!(%error, "what was done for an alert cannot be ended; it is done again, with the same id");
    }
    if let Ok(counts) = queue.counts(KIND).await {
        app.alerts.counted.queue(counts);
    }
    // The next of its lane may be due.
    app.alerts.due.notify_one();
}

async fn attempt(app: &App, job: &Job, places: &Semaphore) -> End {
    let what: AlertJob = match serde_json::from_str(&job.payload) {
        Ok(what) => what,
        Err(_) if job.tries < UNREAD_TRIES => return End::Again(Duration::from_secs(60)),
        Err(e) => return End::Dead(format!("it cannot be read: {e}")),
    };
    match &what {
        AlertJob::Tell { notice, group, place, channel } => {
            let Ok(_place) = places.try_acquire() else { return End::Postpone(NO_PLACE) };
            tell(app, job, notice, group, *place, channel).await
        }
        AlertJob::Pause { id, alert, group, actor, target } => {
            let deed = Deed { id: *id, alert, group, actor, target };
            acted(app, job, &deed, deed.pause(app).await).await
        }
        AlertJob::Return { id, alert, group, actor, target } => {
            let deed = Deed { id: *id, alert, group, actor, target };
            acted(app, job, &deed, deed.take_back(app).await).await
        }
    }
}

async fn acted(app: &App, job: &Job, deed: &Deed<'_>, done: Result<AlertEvent, String>) -> End {
    match done {
        Ok(_) if !is_there(app, job).await => End::Done,
        Ok(line) => {
            let did = matches!(line.happened, Happened::Paused | Happened::Returned);
            app.alerts.counted.actions.fetch_add(u64::from(did), Relaxed);
            match app.stores.alerts.append(&[line]).await {
                Ok(()) => End::Done,
                Err(_) => End::Again(OURS),
            }
        }
        Err(why) if job.tries + 1 >= app.settings.alerts.max_attempts => {
            let _ = app.stores.alerts.append(&[deed.given_up(&why)]).await;
            End::Dead(why)
        }
        Err(_) => End::Again(pause(app, job, Duration::ZERO)),
    }
}

async fn tell(app: &App, job: &Job, notice: &Notice, group: &[String], place: usize, shown: &str) -> End {
    let channel = match channel(app, job, notice, place, shown).await {
        Ok(Ok(channel)) => channel,
        Ok(Err(why)) => {
            // Rightly so: nothing is kept to be told.
            write(app, notice, group, Happened::Undelivered, format!("{shown}: {why}")).await;
            return End::Done;
        }
        Err(_) => return End::Postpone(OURS),
    };
    let shown = channel.shown();
    let counted = &app.alerts.counted;
    let (why, spent, at_least) = match app.alerts.sender.send(&channel, notice, place).await {
        Outcome::Sent => {
            counted.sent.fetch_add(1, Relaxed);
            if !is_there(app, job).await {
                return End::Done;
            }
            let text = format!("{} told {shown} (notice {})", notice.told.as_str(), notice.id);
            write(app, notice, group, Happened::Sent, text).await;
            return End::Done;
        }
        Outcome::Ours(why) => {
            tracing::warn!(why, "a notice of an alert cannot be sent from here; it is tried again");
            return End::Postpone(OURS);
        }
        Outcome::Again(why, at_least) => (why, job.tries + 1 >= app.settings.alerts.max_attempts, at_least),
        Outcome::Refused(why) => (why, true, Duration::ZERO),
    };
    if !spent {
        counted.again.fetch_add(1, Relaxed);
        return End::Again(pause(app, job, at_least));
    }
    counted.undelivered.fetch_add(1, Relaxed);
    let attempts = job.tries + 1;
    let many = if attempts == 1 { "attempt" } else { "attempts" };
    let why = format!("{shown}: {why}; given up after {attempts} {many}");
    let text = format!("{why} (notice {})", notice.id);
    if !is_there(app, job).await {
        return End::Done;
    }
    write(app, notice, group, Happened::Undelivered, text).await;
    End::Dead(why)
}

/// The channel as the rule has it now; the inner error says why it is not told any more. What was given up and is sent again goes
/// to the one in its place, if that is of the same kind: a channel that could not be told was mended.
async fn channel(
    app: &App,
    job: &Job,
    notice: &Notice,
    place: usize,
    shown: &str,
) -> Result<Result<Channel, &'static str>, StoreError> {
    let Some(record) = app.stores.config.get(Kind::Alert, notice.alert.as_str()).await? else {
        return Ok(Err("the rule is not there any more"));
    };
    if record.status == Status::Archived {
        return Ok(Err("the rule was archived"));
    }
    let rule = record.typed::<AlertSpec>()?;
    let mut channels = rule.spec.channels();
    let here = channels.get(place).is_some_and(|channel| channel.shown() == shown);
    let kind = |channel: &str| channel.split(':').next().map(str::to_owned);
    let mended = |channel: &&Channel| job.revived && kind(&channel.shown()) == kind(shown);
    let there = || channels.iter().position(|channel| channel.shown() == shown);
    let at = if here { Some(place) } else { there() };
    let at = at.or_else(|| channels.get(place).filter(mended).map(|_| place));
    Ok(at.map(|at| channels.swap_remove(at)).ok_or("the rule does not have the channel any more"))
}

/// Whether a job that was done is still there: one that was taken off meanwhile names somebody who is erased, and nothing is
/// written of it. A store that does not answer takes nothing off.
async fn is_there(app: &App, job: &Job) -> bool {
    app.stores.queue.renew(job, LEASE).await.unwrap_or(true)
}

/// A line that is not written is no reason to tell a channel twice.
async fn write(app: &App, notice: &Notice, group: &[String], happened: Happened, text: String) {
    let now = clock::now();
    let (alert, group) = (notice.alert.clone(), group.to_vec());
    let line = AlertEvent { id: new_id(now), at: now, alert, group, happened, text };
    if let Err(error) = app.stores.alerts.append(&[line]).await {
        tracing::warn!(%error, "what became of a notice of an alert is not in its log");
    }
}

/// Doubled from the first up to an hour, a little more or less; longer if the channel asks for it.
fn pause(app: &App, job: &Job, at_least: Duration) -> Duration {
    let doubled = app.settings.alerts.backoff.saturating_mul(1 << job.tries.min(20)).min(LONGEST_PAUSE);
    let part = (entropy::random_u128() % 400) as u32;
    (doubled.mul_f64(0.8 + f64::from(part) / 1_000.0))
        .max(at_least)
        .min(LONGEST_PAUSE)
        .max(Duration::from_millis(1))
}

/// The longest that a claim is needed for.
const _: () = assert!(LEASE.as_secs() > 3 * TIMEOUT.as_secs());
