//! The ledger's promises: whatever ends a process and whenever, each accepted event is counted once, and stays counted when
//! the journal that it was in is stolen.

use super::{Bench, TestSink, click, clicks, config, copied, ids, until};
use crate::{FailurePolicy, LedgerTeller, Producer, ledger::tell::Work};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
    time::Duration,
};
use tfx_domain::{
    event::Event,
    id::ClickId,
    ledger::{Digest, Hour, HourLedger, LedgerKind},
};
use tfx_ports::{
    StoreError, clock,
    ledgers::{LedgerInstance, LedgerPage, Ledgers},
};

/// All that is counted of clicks.
fn counted(producer: &Producer) -> HourLedger {
    let (_, pages) = producer.shared.ledger.untold(usize::MAX);
    producer.shared.ledger.tell_again(&pages);
    pages.iter().fold(HourLedger::default(), |mut sum, page| {
        sum.merge(&page.ledger);
        sum
    })
}

fn digest(events: &[Event]) -> Digest {
    let mut digest = Digest::default();
    events.iter().for_each(|e| digest.add(e.id().parse::<ClickId>().expect("an id")));
    digest
}

fn open(dir: &Path, sink: &Arc<TestSink>) -> Arc<Producer> {
    Producer::open(config(dir, FailurePolicy::FailOpen), sink.clone()).expect("opens")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn however_often_it_dies_each_event_is_counted_once(steps in prop::collection::vec((0u8..5, 1u64..30), 1..12)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let sink = Arc::<TestSink>::default();
            let mut dir = tempfile::tempdir().expect("a folder");
            let mut producer = open(dir.path(), &sink);
            let mut all = Vec::new();
            for (step, n) in steps {
                match step {
                    0 | 1 => {
                        for event in (0..n).map(|i| click(all.len() as u64 + i + 1)).collect::<Vec<_>>() {
                            producer.publish(&event).await.expect("published");
                            all.push(event);
                        }
                    }
                    2 => producer.shared.ledger.save(),
                    3 => {
                        let mut mood = sink.mood();
                        mood.down = !mood.down;
                    }
                    _ => {
                        let next = copied(dir.path());
                        drop(producer);
                        producer = open(next.path(), &sink);
                        dir = next;
                    }
                }
            }
            sink.mood().down = false;
            // When it has ended, what it delivered is counted too, a moment after nothing waits any more.
            producer.close(Duration::from_secs(10)).await;
            let counted = counted(&producer);
            assert_eq!(counted.accepted, digest(&all));
            assert_eq!(counted.published, all.len() as u64, "delivered twice, it is published once");
        });
    }
}

#[tokio::test]
async fn what_is_stolen_from_the_journal_stays_counted() {
    let bench = Bench::new(FailurePolicy::FailOpen, |_| {});
    bench.sink.mood().down = true;
    let all = clicks(20);
    for event in &all {
        bench.producer.publish(event).await.expect("published");
    }
    bench.producer.shared.ledger.save();
    let dead = copied(bench.dir.path());
    for entry in fs::read_dir(dead.path()).expect("lists") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "seg") {
            fs::remove_file(path).expect("stolen");
        }
    }
    let sink = Arc::<TestSink>::default();
    let producer = open(dead.path(), &sink);
    let later = click(99);
    producer.publish(&later).await.expect("published");
    until("the rest is delivered", || sink.ids().len() == 1).await;
    let told = counted(&producer).accepted.difference(&digest(&[later]));
    let told: Vec<String> = told.more.iter().map(ToString::to_string).collect();
    assert_eq!(told.iter().collect::<BTreeSet<_>>(), ids(&all).iter().collect());
}

#[tokio::test]
async fn what_the_journal_did_not_take_counts_under_fail_open_alone() {
    for (policy, accepted) in [(FailurePolicy::FailOpen, 1), (FailurePolicy::FailClosed, 0)] {
        let bench = Bench::new(policy, |_| {});
        bench.disk.room.store(0, SeqCst);
        let event = click(1);
        _ = bench.producer.publish(&event).await;
        assert_eq!(counted(&bench.producer).accepted.events(), accepted, "{policy:?}");
        bench.producer.close(Duration::from_secs(5)).await;
        // It is on disk though no record of it ever was.
        let producer = open(bench.dir.path(), &bench.sink);
        assert_eq!(counted(&producer).accepted.events(), accepted, "{policy:?}");
    }
}

#[tokio::test]
async fn what_was_refused_and_comes_again_counts_once() {
    let bench = Bench::new(FailurePolicy::FailOpen, |_| {});
    let all = clicks(5);
    bench.sink.mood().refused = ids(&all[1..3]).into_iter().collect();
    for event in &all {
        bench.producer.publish(event).await.expect("published");
    }
    until("two are refused", || bench.producer.stats().refused_waiting == 2).await;
    until("all are counted", || counted(&bench.producer).published == 3).await;
    bench.producer.shared.ledger.save();
    // It dies before and after they are delivered again.
    bench.sink.mood().refused.clear();
    bench.sink.mood().down = true;
    bench.producer.replay_refused(false).await.expect("replayed");
    let dead = copied(bench.dir.path());
    bench.sink.mood().down = false;
    until("they are published", || counted(&bench.producer).published == 5).await;
    let dead_after = copied(bench.dir.path());
    assert_eq!(counted(&bench.producer).accepted, digest(&all));
    for dead in [dead, dead_after] {
        let producer = open(dead.path(), &bench.sink);
        until("all is delivered", || producer.stats().outbox_depth_events == 0).await;
        until("they are published", || counted(&producer).published == 5).await;
        assert_eq!(counted(&producer).accepted, digest(&all));
    }
}

#[tokio::test]
async fn an_hour_that_cannot_be_read_says_so_and_the_others_count() {
    let bench = Bench::new(FailurePolicy::FailOpen, |_| {});
    bench.producer.publish(&click(1)).await.expect("published");
    bench.producer.close(Duration::from_secs(5)).await;
    let folder = bench.dir.path().join("ledger");
    let is_hour = |path: &Path| path.extension().is_some_and(|e| e == "hour");
    let files = || fs::read_dir(&folder).expect("lists").map(|e| e.expect("an entry").path());
    let hour = files().find(|path| is_hour(path)).expect("an hour");
    let mut bytes = fs::read(&hour).expect("read");
    bytes[30] ^= 1;
    fs::write(&hour, bytes).expect("written");
    for _ in 0..2 {
        let producer = open(bench.dir.path(), &bench.sink);
        assert!(counted(&producer).torn, "also at the next start");
        producer.close(Duration::from_secs(5)).await;
    }
    assert!(files().any(|path| path.extension().is_some_and(|e| e == "damaged")), "it is kept for a person");
}

#[tokio::test]
async fn who_begins_to_count_says_since_when() {
    let bench = Bench::new(FailurePolicy::FailOpen, |_| {});
    let instance = |producer: &Producer| producer.shared.ledger.untold(0).0;
    let first = instance(&bench.producer);
    assert_eq!(first.from, None, "it counts all that the journal ever had");
    bench.sink.mood().down = true;
    bench.producer.publish(&click(1)).await.expect("published");
    bench.producer.close(Duration::ZERO).await;
    // Of a copy: the journal itself may be held for a moment more.
    let again = copied(bench.dir.path());
    assert_eq!(instance(&open(again.path(), &bench.sink)).id, first.id, "the same at each start");
    for damage in [true, false] {
        let dead = copied(bench.dir.path());
        let folder = dead.path().join("ledger");
        match damage {
            true => fs::write(folder.join("instance.json"), "{").expect("written"),
            false => fs::remove_dir_all(&folder).expect("removed"),
        }
        tokio::time::sleep(Duration::from_millis(2)).await; // the event is of an earlier millisecond
        let before = clock::now();
        let producer = open(dead.path(), &bench.sink);
        let new = instance(&producer);
        assert!(new.id != first.id && new.from.is_some_and(|from| from >= before), "{new:?}");
        let later = click(2);
        producer.publish(&later).await.expect("published");
        assert_eq!(counted(&producer).accepted, digest(&[later]), "what is of before is another's");
    }
}

/// What was told.
#[derive(Default)]
struct TestLedgers {
    told: Mutex<Vec<LedgerInstance>>,
    pages: Mutex<BTreeMap<(Hour, LedgerKind, String), HourLedger>>,
    away: std::sync::atomic::AtomicBool,
}

impl TestLedgers {
    /// All that is known to be accepted.
    fn accepted(&self) -> Digest {
        let mut all = Digest::default();
        self.pages.lock().expect("lock").values().for_each(|ledger| all.merge(&ledger.accepted));
        all
    }
}

#[async_trait::async_trait]
impl Ledgers for TestLedgers {
    async fn publish(&self, instance: &LedgerInstance, pages: &[LedgerPage]) -> Result<(), StoreError> {
        if self.away.load(SeqCst) {
            return Err(StoreError::Unavailable { what: "away".into(), source: None });
        }
        let mut told = self.told.lock().expect("lock");
        told.push(instance.clone());
        for page in pages {
            let mut known = self.pages.lock().expect("lock");
            let known = known.entry((page.hour, page.kind, page.by.clone())).or_default();
            if known.accepted.events() <= page.ledger.accepted.events() {
                *known = page.ledger.clone();
            }
        }
        Ok(())
    }
    /// As each told last.
    async fn instances(&self) -> Result<Vec<LedgerInstance>, StoreError> {
        let told = self.told.lock().expect("lock");
        let last: BTreeMap<_, _> = told.iter().map(|i| (i.id.clone(), i.clone())).collect();
        Ok(last.into_values().collect())
    }
    async fn pages(&self, _: Hour, _: Hour) -> Result<Vec<LedgerPage>, StoreError> {
        Ok(Vec::new())
    }
    async fn forget(&self, _: Hour) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn what_is_counted_is_told_when_the_store_is_there_and_at_the_end() {
    let bench = Bench::new(FailurePolicy::FailOpen, |_| {});
    let store = Arc::<TestLedgers>::default();
    store.away.store(true, SeqCst);
    let teller = LedgerTeller::start(&bench.producer, "traffic-service", store.clone());
    let first = click(1);
    bench.producer.publish(&first).await.expect("published");
    tokio::time::sleep(Duration::from_millis(100)).await;
    store.away.store(false, SeqCst);
    until("it is told", || store.accepted() == digest(std::slice::from_ref(&first))).await;
    let last = click(2);
    bench.producer.publish(&last).await.expect("published");
    bench.producer.close(Duration::from_secs(5)).await;
    teller.end(Duration::from_secs(5)).await;
    let told = store.told.lock().expect("lock");
    assert_eq!(store.accepted(), digest(&[first, last]));
    let end = told.last().expect("told");
    assert!(end.ended && end.service == "traffic-service" && end.outbox.is_some(), "{end:?}");
    assert!(told.iter().rev().skip(1).all(|i| !i.ended));
}

/// Tells all, and ends.
async fn told_all(producer: &Arc<Producer>, store: &Arc<TestLedgers>) {
    let teller = LedgerTeller::start(producer, "traffic-service", store.clone());
    teller.end(Duration::from_secs(5)).await;
}

/// A disk that is set back to a snapshot takes back nothing that was told; what it accepts from then on counts beside.
#[tokio::test]
async fn what_was_told_stays_when_a_disk_is_set_back() {
    let (store, sink) = (Arc::<TestLedgers>::default(), Arc::<TestSink>::default());
    let bench = Bench::new(FailurePolicy::FailOpen, |_| {});
    bench.sink.mood().down = true;
    sink.mood().down = true;
    let all: Vec<Event> = (1..10).map(click).collect();
    let accept = async |producer: &Producer, events: &[Event]| {
        for event in events {
            producer.publish(event).await.expect("published");
        }
    };
    accept(&bench.producer, &all[..3]).await;
    told_all(&bench.producer, &store).await;
    // A snapshot, in the life of a process; then more is accepted and told, also by the next process.
    let snapshot = copied(bench.dir.path());
    accept(&bench.producer, &all[3..5]).await;
    told_all(&bench.producer, &store).await;
    let next = copied(bench.dir.path());
    let producer = open(next.path(), &sink);
    accept(&producer, &all[5..7]).await;
    told_all(&producer, &store).await;
    assert_eq!(store.accepted(), digest(&all[..7]));
    for dir in [copied(snapshot.path()), snapshot] {
        let producer = open(dir.path(), &sink);
        told_all(&producer, &store).await;
        assert_eq!(store.accepted(), digest(&all[..7]), "what is of before is counted once");
    }
    let back = copied(bench.dir.path());
    let producer = open(back.path(), &sink);
    accept(&producer, &all[7..]).await;
    told_all(&producer, &store).await;
    assert_eq!(store.accepted(), digest(&all));
}

/// Two that run on copies of one volume are two, and what each accepts counts.
#[tokio::test]
async fn two_on_copies_of_one_volume_are_counted_apart() {
    let store = Arc::<TestLedgers>::default();
    let bench = Bench::new(FailurePolicy::FailOpen, |_| {});
    bench.sink.mood().down = true;
    let all = clicks(3);
    bench.producer.publish(&all[0]).await.expect("published");
    bench.producer.shared.ledger.save();
    let copy = copied(bench.dir.path());
    let other = open(copy.path(), &bench.sink);
    let [mut one, mut two] =
        [&bench.producer, &other].map(|producer| Work::new(producer, "traffic-service", store.clone()));
    one.tell(false).await.expect("told");
    two.tell(false).await.expect("told");
    bench.producer.publish(&all[1]).await.expect("published");
    other.publish(&all[2]).await.expect("published");
    until("both count", || [&bench.producer, &other].iter().all(|p| counted(p).accepted.events() > 0)).await;
    for teller in [&mut one, &mut two] {
        teller.tell(false).await.expect("told");
    }
    assert_eq!(store.accepted(), digest(&all));
    let ids: BTreeSet<String> =
        store.instances().await.expect("instances").into_iter().map(|i| i.id).collect();
    assert_eq!(ids.len(), 2, "each has a name of its own: {ids:?}");
}
