//! One attempt to tell a source: what it says, its turn at the server, the request, and what becomes of the job.

use super::{
    EVERY, End, SourcePostbackSender, line,
    outcome::{self, Outcome, Server, pause},
    signature,
    targets::Turn,
};
use crate::config::SourceOf;
use rand::RngExt as _;
use std::time::{Duration, Instant};
use tfx_domain::{
    Timestamp,
    entity::Source,
    event::{
        Event,
        PostbackResult::{self, Empty, Passed},
    },
    macros::Facts,
    source_postback::{Message, SourcePostback, Unsendable},
};
use tfx_outbound::{Failure, Request, Unanswered};
use tfx_ports::{
    clock, entropy,
    queue::{Job, LONGEST_WAIT},
};

/// A claim that is older is made sure of before something is sent.
const FRESH: Duration = Duration::from_secs(2);
/// Pause when something of ours that is needed is not there: the configuration, a source that cannot be read, a click. It
/// grows with the time that was waited, up to the longest.
const OURS: Duration = Duration::from_secs(10);
const LONGEST_OURS: Duration = Duration::from_secs(600);
/// What another version put in and this one cannot read may be taken by that one, while services are replaced one by one.
const UNREAD_PATIENCE: Duration = Duration::from_secs(86_400);
/// What its server does not take for so long is given up, however few attempts that left alone cost it. The time that this
/// program did not run for is not counted: nobody tried then.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(3 * 86_400);
/// A click that cannot be looked up is waited for so long, and then told without what it alone knows.
const CLICK_PATIENCE: Duration = Duration::from_secs(600);
/// A source that is not there is not known here yet: none is ever deleted.
const SETTLED: Duration = Duration::from_secs(600);

/// A request that this machine could not send.
pub(super) struct NotSent {
    pub(super) why: String,
    /// It may be tried again after this.
    pause: Duration,
    /// No fault: as many are under way as may be.
    busy: bool,
}

impl SourcePostbackSender {
    pub(super) async fn attempt(&self, job: &Job, claimed: Instant) -> End {
        let now = clock::now();
        let tell: SourcePostback = match serde_json::from_str(&job.payload) {
            Ok(tell) => tell,
            Err(e) => return self.unread(job, &e.to_string(), now).await,
        };
        let Some(index) = self.postbacks.config.owned() else { return End::Postpone(OURS) };
        let since_due = self.waited(job.came, now);
        let source = match index.source(&tell.source) {
            SourceOf::Known(source) => source,
            SourceOf::Unreadable => return End::Postpone(ours(since_due)),
            SourceOf::Gone if since_due < SETTLED => return End::Postpone(ours(since_due)),
            SourceOf::Gone => return self.give_up(&tell, None, job, "there is no such source").await,
        };
        let not_before = tell.not_before(Duration::from_secs(source.spec.postback_delay_s.into()));
        if let Some(at) = not_before.filter(|at| *at > now) {
            return End::Postpone(since(now, at).min(LONGEST_WAIT));
        }
        let waited = self.waited(not_before.map_or(job.came, |at| at.max(job.came)), now);
        // It may have moved on while this waited.
        let tell = match self.postbacks.conversions.get(&tell.conversion.id).await {
            Ok(Some(stands)) => {
                let went_ahead = match job.revived {
                    true => self.postbacks.conversions.is_later_told(&tell).await,
                    false => Ok(false),
                };
                let Ok(went_ahead) = went_ahead else { return End::Postpone(ours(since_due)) };
                match tell.as_of(&stands, went_ahead) {
                    Ok(tell) => tell,
                    Err(why) => return self.leave(&tell, source, job, (Passed, &why.to_string())).await,
                }
            }
            Ok(None) => tell,
            Err(_) => return End::Postpone(ours(since_due)),
        };
        // Who was the first may have been given up since, or come back behind another.
        let tell = match source.spec.postback_first_only && (tell.not_first || job.revived) {
            false => tell,
            true => match self.postbacks.conversions.is_first_told(&tell).await {
                Ok(first) => SourcePostback { not_first: !first, ..tell },
                Err(_) => return End::Postpone(ours(since_due)),
            },
        };
        let form = match tell.form(&source.spec) {
            Ok(form) => form,
            // It was put in for want of knowing.
            Err(Unsendable::NotAsked(_) | Unsendable::NoUrl) if tell.unsure => return End::Left,
            Err(why @ Unsendable::NotFirst) => {
                return self.leave(&tell, source, job, (Passed, &why.to_string())).await;
            }
            Err(why) => return self.give_up(&tell, Some(source), job, &why.to_string()).await,
        };
        if let Err(why) = form.check_found(&tell.facts(), &tell.conversion) {
            return self.leave(&tell, source, job, (Empty, &why.to_string())).await;
        }
        let host = form.host().unwrap_or_else(|| source.id.to_string());
        let turn = match self.targets.turn(&source.id, &host).await {
            Turn::Go(turn) => turn,
            Turn::Open(_, why) if waited > GIVEN_UP_AFTER => {
                let why = format!("given up after {}: {host} does not work: {why}", days(waited));
                return self.give_up(&tell, Some(source), job, &why).await;
            }
            Turn::Full(pause) | Turn::Open(pause, _) => return End::Postpone(later(pause)),
        };
        let click = match form.needs_click() {
            true => self.postbacks.clicks.event(tell.conversion.click_id).await,
            false => Ok(None),
        };
        let click = match click {
            Ok(click) => click,
            Err(_) if waited < CLICK_PATIENCE => return End::Postpone(OURS),
            Err(_) => None,
        };
        let facts = click.as_ref().map_or_else(|| tell.facts(), Facts::from);
        let message = form.fill(&facts, &tell.conversion, &mut entropy::generator());
        if claimed.elapsed() > FRESH {
            match self.postbacks.queue.renew(job, self.lease).await {
                Ok(true) => {}
                Ok(false) => return End::Lost,
                Err(_) => return End::Postpone(OURS),
            }
        }
        let (outcome, latency) = match self.send(source, &message).await {
            Ok(sent) => sent,
            Err(not_sent) if waited > GIVEN_UP_AFTER => {
                let why = format!("given up after {}: {}", days(waited), not_sent.why);
                return self.give_up(&tell, Some(source), job, &why).await;
            }
            Err(not_sent) => {
                if !not_sent.busy {
                    self.counted.put_off(&not_sent.why);
                    turn.unsent(&not_sent.why);
                }
                return End::Postpone(later(not_sent.pause));
            }
        };
        self.counted.sends();
        match outcome.server {
            Server::Works => turn.answered(),
            Server::AsksToWait => turn.asked_to_wait(&outcome.reason, outcome.retry_after),
            Server::Fails => turn.failed(&outcome.reason, outcome.retry_after),
            // A turn that is dropped says nothing.
            Server::Unknown => drop(turn),
        }
        self.conclude(&tell, source, job, &message, (outcome, latency), waited).await
    }

    /// How long something waits that this program could have done something about: since it runs, at most.
    fn waited(&self, from: Timestamp, now: Timestamp) -> Duration {
        since(from, now).min(self.began.elapsed())
    }

    /// Another version has put it in. It holds up nobody, and is given up in the end.
    async fn unread(&self, job: &Job, why: &str, now: Timestamp) -> End {
        let waited = since(job.came, now);
        if waited < UNREAD_PATIENCE {
            if job.tries == 0 {
                tracing::warn!(
                    why,
                    key = job.key,
                    "what a source is to be told cannot be read by this version"
                );
            }
            return End::Aside(later(ours(waited)));
        }
        let why = format!("it cannot be read: {why}");
        tracing::error!(why, key = job.key, "what a source is to be told is given up and kept as it is");
        self.log(line::unread(&job.key, &why)).await;
        End::Dead(why)
    }

    /// Sends it once.
    ///
    /// # Errors
    /// Nothing was sent, through no fault of the source: it uses up no try.
    pub(super) async fn send(&self, source: &Source, message: &Message) -> Result<(Outcome, u32), NotSent> {
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
        let sent = self.apart.send(&self.outbound, request).await;
        let millis = |took: Duration| u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        match sent {
            Some(Ok(answer)) => Ok((Outcome::answered(&answer, now), millis(answer.latency))),
            Some(Err(Unanswered { failure, .. })) if failure.is_ours() => {
                let busy = matches!(failure, Failure::Busy { .. });
                Err(NotSent { why: failure.to_string(), pause: if busy { EVERY } else { OURS }, busy })
            }
            Some(Err(Unanswered { failure, latency })) => Ok((Outcome::failed(&failure), millis(latency))),
            None => {
                tracing::error!(
                    source = source.spec.slug.as_str(),
                    "a request to a source broke off in this program"
                );
                Ok((Outcome::broken_off(), millis(began.elapsed())))
            }
        }
    }

    async fn conclude(
        &self,
        tell: &SourcePostback,
        source: &Source,
        job: &Job,
        message: &Message,
        (mut outcome, latency): (Outcome, u32),
        waited: Duration,
    ) -> End {
        let attempts = job.tries.saturating_add(1);
        let spent = attempts >= u32::from(self.settings.max_attempts) || waited > GIVEN_UP_AFTER;
        if outcome.result == PostbackResult::Retry && spent {
            outcome.result = PostbackResult::Dead;
            let long = if waited > GIVEN_UP_AFTER { format!(" in {}", days(waited)) } else { String::new() };
            outcome.reason =
                format!("given up after {attempts} attempts{long}; the last: {}", outcome.reason);
        }
        let line = line::Line { tell, source: Some(source), key: &job.key, attempt: attempts, test: false };
        self.log(line.sent(message, &outcome, latency, &self.postbacks.masks())).await;
        match outcome.result {
            PostbackResult::Retry => {
                let jitter = entropy::generator().random_range(0.0..1.0);
                End::Again(pause(self.settings.backoff, attempts, outcome.retry_after, jitter))
            }
            PostbackResult::Dead => End::Dead(outcome.reason),
            _ => End::Done,
        }
    }

    /// Gives it up without having sent it.
    async fn give_up(&self, tell: &SourcePostback, source: Option<&Source>, job: &Job, why: &str) -> End {
        let line = line::Line { tell, source, key: &job.key, attempt: 0, test: false };
        self.log(line.dead(why)).await;
        End::Dead(why.to_owned())
    }

    /// It is not told, and rightly so: that is in the log, and nothing is kept to be told again.
    async fn leave(
        &self,
        tell: &SourcePostback,
        source: &Source,
        job: &Job,
        (result, why): (PostbackResult, &str),
    ) -> End {
        let line = line::Line { tell, source: Some(source), key: &job.key, attempt: 0, test: false };
        self.log(line.left(result, why)).await;
        End::Left
    }

    /// Makes a line durable and counts it. An attempt is not made again for want of a line.
    async fn log(&self, line: tfx_domain::event::PostbackLogEvent) {
        self.counted.attempt(line.result);
        self.publish(line).await;
    }

    async fn publish(&self, line: tfx_domain::event::PostbackLogEvent) {
        if let Err(error) = self.postbacks.publish(&[Event::PostbackLog(Box::new(line))]).await {
            tracing::error!(error, "an attempt to tell a source is not in the log");
        }
    }
}

/// From a time to a later one.
pub(super) fn since(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

/// A little later than this, so that many do not come at once.
fn later(pause: Duration) -> Duration {
    pause.mul_f64(entropy::generator().random_range(1.0..1.25))
}

/// The pause while something of ours is missed, after so long a wait.
fn ours(waited: Duration) -> Duration {
    (waited / 8).clamp(OURS, LONGEST_OURS)
}

/// In days, or hours where it is less.
fn days(waited: Duration) -> String {
    match waited.as_secs() / 3_600 {
        hours @ 48.. => format!("{} days", hours / 24),
        hours => format!("{hours} hours"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_something_of_ours_is_missed() {
        let table = [(0, 10), (80, 10), (800, 100), (86_400, 600)];
        for (waited, pause) in table {
            assert_eq!(ours(Duration::from_secs(waited)).as_secs(), pause);
        }
        assert_eq!(days(Duration::from_secs(47 * 3_600)), "47 hours");
        assert_eq!(days(GIVEN_UP_AFTER), "3 days");
    }
}
