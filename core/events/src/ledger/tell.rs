//! Tells what the ledger counts to where that of all instances is, so that it is known there also when this one is down.

use super::Ledger;
use crate::Producer;
use std::{sync::Arc, time::Duration};
use tfx_domain::{Timestamp, ledger::Hour};
use tfx_ports::{
    LogThrottle, StoreError, clock,
    ledgers::{LedgerInstance, LedgerPage, Ledgers},
};
use tokio::{
    select,
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};
use tracing::Instrument as _;

/// How often what changed is told, and that nothing did.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// How often old hours are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// Most pages that are told at once.
const AT_ONCE: usize = 50;

impl Ledger {
    /// At most so many of the pages that are not told, and who counts them, at that moment; they count as told.
    pub(crate) fn untold(&self, most: usize) -> (LedgerInstance, Vec<LedgerPage>) {
        let mut book = self.book();
        let instance = LedgerInstance {
            id: book.head.instance.clone(),
            service: String::new(),
            at: clock::now(),
            from: book.head.from,
            ended: false,
        };
        let page = |((kind, hour), page): (_, super::Page)| LedgerPage { kind, hour, ledger: page.ledger };
        (instance, book.take_untold(most).into_iter().map(page).collect())
    }

    pub(crate) fn tell_again(&self, pages: &[LedgerPage]) {
        self.book().tell_again(pages.iter().map(|page| (page.kind, page.hour)));
    }
}

/// Tells what a producer's ledger counts, now and every two seconds. A store that is away delays it, and nothing else.
pub struct LedgerTeller {
    task: JoinHandle<()>,
    end: oneshot::Sender<()>,
}

impl LedgerTeller {
    /// Begins to tell what a service's producer counts. Everything that is on its disk is told anew, since the store may have
    /// been restored from an older backup. Must be called inside a tokio runtime.
    pub fn start(producer: &Arc<Producer>, service: &'static str, ledgers: Arc<dyn Ledgers>) -> Self {
        let (end, ended) = oneshot::channel();
        let work = Work { producer: Arc::clone(producer), service, ledgers };
        Self { task: tokio::spawn(work.run(ended).in_current_span()), end }
    }

    /// Tells the rest, and that this was all. To be called when the producer is closed.
    pub async fn end(self, within: Duration) {
        let Self { mut task, end } = self;
        let _ = end.send(()); // it has ended if nobody hears
        if timeout(within, &mut task).await.is_err() {
            tracing::warn!("what was accepted last is not told: it is at the next start");
            task.abort();
        }
    }
}

struct Work {
    producer: Arc<Producer>,
    service: &'static str,
    ledgers: Arc<dyn Ledgers>,
}

impl Work {
    async fn run(self, mut ended: oneshot::Receiver<()>) {
        let (mut failing, mut forgotten) = (LogThrottle::default(), None::<Timestamp>);
        loop {
            let told = self.tell(false).await;
            let now = clock::now();
            let old = forgotten.is_none_or(|at| now.duration_since(at).unsigned_abs() >= FORGET_EVERY);
            let done = match told {
                Ok(()) if old => self.ledgers.forget(Hour(Hour::at(now).0 - super::book::KEPT)).await,
                told => told,
            };
            match done {
                Ok(()) => {
                    failing.over();
                    forgotten = if old { Some(now) } else { forgotten };
                }
                Err(error) if failing.due() => {
                    tracing::warn!(%error, "what was accepted cannot be told; tfx reconcile does not know of it meanwhile");
                }
                Err(_) => {}
            }
            select! {
                () = sleep(TELL_EVERY) => {}
                _ = &mut ended => break,
            }
        }
        if let Err(error) = self.tell(true).await {
            tracing::warn!(%error, "what was accepted last is not told: it is at the next start");
        }
    }

    async fn tell(&self, ended: bool) -> Result<(), StoreError> {
        loop {
            let shared = Arc::clone(&self.producer.shared);
            // An hour that is not in memory is read.
            let untold = spawn_blocking(move || shared.ledger.untold(AT_ONCE)).await;
            let (instance, pages) = untold.map_err(|e| StoreError::broken("read the ledger of events", e))?;
            let all = pages.len() < AT_ONCE;
            let instance =
                LedgerInstance { service: self.service.to_owned(), ended: ended && all, ..instance };
            if let Err(error) = self.ledgers.publish(&instance, &pages).await {
                self.producer.shared.ledger.tell_again(&pages);
                return Err(error);
            }
            if all {
                return Ok(());
            }
        }
    }
}
