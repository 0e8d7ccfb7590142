//! How many attempts there were and what waits, for metrics and for `/readyz`.

use super::{KIND, SourcePostbackSender, since};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tfx_domain::event::PostbackResult;
use tfx_ports::{StoreError, clock, queue::Counts};
use tfx_service::{Shutdown, health::Detail, metrics::Text};
use tokio::time::sleep;

/// Waiting for longer than this is no usual thing.
const LONG: Duration = Duration::from_secs(3_600);
/// How often it is counted what waits.
const EVERY: Duration = Duration::from_secs(10);
/// Every so many times what is old is forgotten.
const FORGET_EVERY: u32 = 60;
/// How long what was given up is kept.
const KEPT_DEAD: Duration = Duration::from_secs(30 * 86_400);

/// Attempts since the start, and what waits.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// Lines of the log, in the order of [`PostbackResult::OUT`].
    by_result: [AtomicU64; PostbackResult::OUT.len()],
    /// Attempts that were over after their claim: somebody else may have sent it too.
    late: AtomicU64,
    /// Requests that this machine could not send.
    put_off: AtomicU64,
    /// Whether the last one could not be sent.
    cannot_send: AtomicBool,
    waiting: AtomicU64,
    kept_dead: AtomicU64,
    /// Milliseconds.
    oldest_age: AtomicU64,
}

impl Counted {
    /// What became of one.
    pub(super) fn attempt(&self, result: PostbackResult) {
        if let Some(i) = PostbackResult::OUT.iter().position(|r| *r == result) {
            self.by_result[i].fetch_add(1, Relaxed);
        }
    }

    /// One could not be sent by this machine. Says so when it begins.
    pub(super) fn put_off(&self, why: &str) {
        self.put_off.fetch_add(1, Relaxed);
        if !self.cannot_send.swap(true, Relaxed) {
            tracing::warn!(
                error = why,
                "this machine cannot send to sources; what they are to be told waits"
            );
        }
    }

    /// One was sent, whatever came of it.
    pub(super) fn sends(&self) {
        if self.cannot_send.load(Relaxed) && self.cannot_send.swap(false, Relaxed) {
            tracing::info!("this machine sends to sources again");
        }
    }

    /// One was over after its claim.
    pub(super) fn late(&self) {
        self.late.fetch_add(1, Relaxed);
    }
}

impl SourcePostbackSender {
    /// Counts what waits, until the shutdown.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: Shutdown) {
        let queue = &self.postbacks.queue;
        let watching = async {
            for round in 0_u32.. {
                if let Ok(Counts { waiting, dead, oldest, .. }) = queue.counts(KIND).await {
                    let age = oldest.map_or(Duration::ZERO, |at| since(at, clock::now()));
                    self.counted.waiting.store(waiting, Relaxed);
                    self.counted.kept_dead.store(dead, Relaxed);
                    let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                    self.counted.oldest_age.store(millis, Relaxed);
                }
                if round % FORGET_EVERY == 0 {
                    // What cannot be forgotten now is forgotten later.
                    let _ = queue.forget(KIND, KEPT_DEAD).await;
                }
                sleep(EVERY).await;
            }
        };
        tokio::select! {
            () = watching => {}
            () = shutdown.wait() => {}
        }
    }

    /// Metrics.
    pub(crate) fn write(&self, out: &mut Text) {
        let counted = &self.counted;
        for (result, count) in PostbackResult::OUT.iter().zip(&counted.by_result) {
            let help = "What traffic sources were to be told of conversions, by what became of it";
            let labels = [("result", result.as_str())];
            out.counter("tfx_source_postbacks_total", help, &labels, count.load(Relaxed));
        }
        let help = "Attempts that were over after their claim: another service may have sent them too";
        out.counter("tfx_source_postbacks_late_total", help, &[], counted.late.load(Relaxed));
        let help = "Requests to sources that this machine could not send: no name server, no certificates";
        out.counter("tfx_source_postbacks_put_off_total", help, &[], counted.put_off.load(Relaxed));
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

    /// What `/readyz` says of it: degraded while servers are left alone, nothing can be sent, or something waits for long.
    ///
    /// # Errors
    /// The store does not answer.
    pub(crate) async fn told(&self) -> Result<Detail, StoreError> {
        let Counts { waiting, dead, oldest, .. } = self.postbacks.queue.counts(KIND).await?;
        let age = oldest.map_or(Duration::ZERO, |at| since(at, clock::now()));
        let open = self.targets.open();
        let mut text = format!("{waiting} to be told");
        if age.as_secs() > 0 {
            text += &format!(", the oldest for {} s", age.as_secs());
        }
        if dead > 0 {
            text += &format!("; {dead} given up: tfx postback queue --dead");
        }
        if open > 0 {
            text += &format!("; servers that do not work and are left alone: {open}");
        }
        let unsent = self.targets.unsent();
        if let Some((servers, why)) = &unsent {
            text += &format!("; this machine cannot send to {servers} of their servers: {why}");
        }
        // A server of others that does not work is no fault of this service, and no reason to take it out of service.
        Ok(if open > 0 || unsent.is_some() || age > LONG {
            Detail::degraded(text)
        } else {
            Detail::ok().text(text)
        })
    }
}
