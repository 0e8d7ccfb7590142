//! Tells what the ledger counts to where that of all instances is, so that it is known there also when this one is down.

use super::{Key, Ledger, Page};
use crate::Producer;
use std::{sync::Arc, time::Duration};
use tfx_domain::{
    Timestamp,
    ledger::{Hour, Outbox},
};
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
/// What the name of a page that is not whole ends with.
const TORN: &str = ".torn";
/// Most pages that are told at once.
const AT_ONCE: usize = 50;

impl Ledger {
    /// At most so many of the pages that are not told, and who counts them, at that moment; they count as told.
    pub(crate) fn untold(&self, most: usize) -> (LedgerInstance, Vec<LedgerPage>) {
        let mut book = self.book();
        let instance = LedgerInstance {
            id: book.head.instance.clone(),
            process: book.head.process.map(|process| process.to_string()).unwrap_or_default(),
            service: String::new(),
            at: clock::now(),
            from: book.head.from,
            ended: false,
            outbox: None,
        };
        let page = |((kind, hour, process), Page { ledger, .. }): (Key, Page)| {
            // What is counted behind a page that cannot be read stands beside what was told of it before.
            let by = if ledger.torn { format!("{process}{TORN}") } else { process.to_string() };
            LedgerPage { by, kind, hour, ledger }
        };
        (instance, book.take_untold(most).into_iter().map(page).collect())
    }

    pub(crate) fn tell_again(&self, pages: &[LedgerPage]) {
        let key = |page: &LedgerPage| {
            let process = page.by.strip_suffix(TORN).unwrap_or(&page.by).parse().ok()?;
            Some((page.kind, page.hour, process))
        };
        self.book().tell_again(pages.iter().filter_map(key));
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
        let work = Work::new(producer, service, ledgers);
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

/// What tells.
pub(crate) struct Work {
    producer: Arc<Producer>,
    service: &'static str,
    ledgers: Arc<dyn Ledgers>,
    /// When it told last.
    told: Option<Timestamp>,
}

impl Work {
    pub(crate) fn new(producer: &Arc<Producer>, service: &'static str, ledgers: Arc<dyn Ledgers>) -> Self {
        Self { producer: Arc::clone(producer), service, ledgers, told: None }
    }

    async fn run(mut self, mut ended: oneshot::Receiver<()>) {
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

    /// Tells once what changed; `ended`: and that this was all.
    pub(crate) async fn tell(&mut self, ended: bool) -> Result<(), StoreError> {
        self.be_alone().await?;
        loop {
            let shared = Arc::clone(&self.producer.shared);
            // An hour that is not in memory is read.
            let untold = spawn_blocking(move || shared.ledger.untold(AT_ONCE)).await;
            let (instance, pages) = untold.map_err(|e| StoreError::broken("read the ledger of events", e))?;
            let all = pages.len() < AT_ONCE;
            let instance = LedgerInstance {
                service: self.service.to_owned(),
                ended: ended && all,
                outbox: Some(self.outbox()),
                ..instance
            };
            if let Err(error) = self.ledgers.publish(&instance, &pages).await {
                self.producer.shared.ledger.tell_again(&pages);
                return Err(error);
            }
            self.told = Some(instance.at);
            if all {
                return Ok(());
            }
        }
    }

    /// Takes another name if somebody else has told by this one since: the volume of one is a copy of the other's.
    async fn be_alone(&self) -> Result<(), StoreError> {
        let Some(told) = self.told else { return Ok(()) };
        let (own, _) = self.producer.shared.ledger.untold(0);
        let others = self.ledgers.instances().await?;
        if others.iter().any(|i| i.id == own.id && i.process != own.process && i.at >= told) {
            let new = self.producer.shared.ledger.rename();
            tracing::warn!(
                was = own.id,
                new,
                "another process counts what it accepts by the name of this journal: is the volume of one a copy of the other's? \
                 This one goes on by a new name; what each of them accepted counts"
            );
        }
        Ok(())
    }

    fn outbox(&self) -> Outbox {
        let stats = self.producer.stats();
        Outbox {
            waiting: stats.outbox_depth_events,
            error: stats.last_error.filter(|_| stats.degraded),
            refused: stats.refused_waiting,
            dropped: stats.dropped_total,
            damaged: stats.damaged_total,
        }
    }
}
