//! The one signal to stop: many wait for it, one fires it.

use std::time::{Duration, Instant};
use tfx_settings::HttpSettings;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// The part of the grace after which requests are cut: the events of the last ones are still to be delivered.
const DRAIN: f64 = 0.7;
/// The part of it after which events stay in the journal: files are still to be closed.
const FLUSH: f64 = 0.8;

/// Fires the shutdown. Dropping it fires too: nobody is left who could.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Option<Instant>>);

impl Trigger {
    /// Fires; again changes nothing.
    pub fn fire(&self) {
        self.0.send_if_modified(|fired| fired.is_none() && fired.replace(Instant::now()).is_none());
    }
}

/// Waits for the shutdown.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Option<Instant>>);

impl Shutdown {
    /// A trigger and what waits for it.
    pub fn new() -> (Trigger, Self) {
        let (tx, rx) = watch::channel(None);
        (Trigger(tx), Self(rx))
    }

    /// Returns when the shutdown has been fired.
    pub fn wait(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut rx = self.0.clone();
        async move {
            // An error means that the trigger is gone, which fires too.
            let _ = rx.wait_for(Option::is_some).await;
        }
    }

    /// Whether it has been fired.
    pub fn is_fired(&self) -> bool {
        self.0.borrow().is_some() || self.0.has_changed().is_err()
    }

    /// How long requests may still be waited for.
    pub(crate) fn drain_within(&self, http: &HttpSettings) -> Duration {
        self.left(http.shutdown_grace.mul_f64(DRAIN))
    }

    /// How long workers may still be waited for, and events delivered.
    pub fn flush_within(&self, http: &HttpSettings) -> Duration {
        self.left(http.shutdown_grace.mul_f64(FLUSH))
    }

    /// What is left of the grace since it was fired; all of it before.
    pub fn left(&self, grace: Duration) -> Duration {
        self.0.borrow().map_or(grace, |fired| grace.saturating_sub(fired.elapsed()))
    }
}

/// A shutdown that SIGTERM or SIGINT fires. Must be called inside a tokio runtime.
pub fn on_signals() -> Shutdown {
    let (trigger, shutdown) = Shutdown::new();
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut term), Ok(mut int)) => {
            tokio::spawn(async move {
                let name = tokio::select! {
                    _ = term.recv() => "SIGTERM",
                    _ = int.recv() => "SIGINT",
                };
                tracing::info!(signal = name, "shutting down");
                trigger.fire();
            });
        }
        (Err(e), _) | (_, Err(e)) => {
            tracing::error!(error = %e, "cannot watch for signals; they will end the process without a drain");
            tokio::spawn(async move {
                let _keep = trigger;
                std::future::pending::<()>().await;
            });
        }
    }
    shutdown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_who_waits_is_told_also_later_and_when_the_trigger_is_gone() {
        let (trigger, shutdown) = Shutdown::new();
        assert!(!shutdown.is_fired());
        let early = tokio::spawn(shutdown.wait());
        trigger.fire();
        early.await.expect("told");
        assert!(shutdown.is_fired());
        shutdown.clone().wait().await;

        let (trigger, shutdown) = Shutdown::new();
        drop(trigger);
        assert!(shutdown.is_fired());
        shutdown.wait().await;
    }
}
