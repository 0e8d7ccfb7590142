//! What a publisher waits for and hears.

use super::*;
use crate::{OpenError, PublishError, Published};
use std::sync::atomic::Ordering::SeqCst;

#[tokio::test]
async fn fail_open_waits_for_the_write_alone() {
    let b = Bench::new(FailurePolicy::FailOpen, |_| {});
    assert_eq!(b.producer.publish(&click(1)).await.expect("open"), Published::Written);
    assert!(b.disk.written.load(SeqCst) > 100);
    assert_eq!(b.disk.syncs.load(SeqCst), 0);
    assert!(b.producer.stats().bytes_written_total > 100);
}

#[tokio::test]
async fn fail_closed_and_durable_wait_for_the_sync() {
    for policy in [FailurePolicy::FailClosed, FailurePolicy::FailOpen] {
        let b = Bench::new(policy, |_| {});
        for n in 1..=20 {
            if policy == FailurePolicy::FailClosed {
                assert_eq!(b.producer.publish(&click(n)).await.expect("room"), Published::Durable);
            } else {
                b.producer.publish_durable(&[click(n), click(n + 100)]).await.expect("room");
            }
            assert_eq!(b.disk.synced.load(SeqCst), b.disk.written.load(SeqCst));
        }
    }
}

#[tokio::test]
async fn one_sync_serves_everybody_who_waits() {
    let b = Bench::new(FailurePolicy::FailClosed, |c| c.segment_bytes = 1 << 18);
    b.disk.stall(true);
    let first = tokio::spawn({
        let p = b.producer.clone();
        async move { p.publish(&click(0)).await }
    });
    until("the writer is stuck", || b.disk.stuck.load(SeqCst) == 1).await;
    let others: Vec<_> = (1..=10)
        .map(|n| {
            let p = b.producer.clone();
            tokio::spawn(async move { p.publish(&click(n)).await })
        })
        .collect();
    until("all wait", || b.producer.stats().write_calls_total == 11).await;
    b.disk.stall(false);
    for task in others.into_iter().chain([first]) {
        assert_eq!(task.await.expect("ends").expect("room"), Published::Durable);
    }
    assert_eq!(b.disk.syncs.load(SeqCst), 2);
}

#[tokio::test]
async fn a_full_disk_drops_under_fail_open_and_fails_under_fail_closed_and_recovers() {
    for policy in [FailurePolicy::FailOpen, FailurePolicy::FailClosed] {
        let b = Bench::new(policy, |_| {});
        let events = clicks(9);
        b.producer.publish(&events[0]).await.expect("room");
        b.disk.room.store(50, SeqCst);
        for event in &events[1..4] {
            match b.producer.publish(event).await {
                Ok(Published::Dropped) => assert_eq!(policy, FailurePolicy::FailOpen),
                Err(PublishError::Io(e)) => {
                    assert_eq!(
                        (policy, e.kind()),
                        (FailurePolicy::FailClosed, std::io::ErrorKind::StorageFull)
                    );
                }
                other => panic!("{other:?}"),
            }
        }
        let durable = b.producer.publish_durable(&events[4..5]).await.expect_err("full");
        assert!(durable.to_string().contains("cannot be written"), "{durable}");
        let stats = b.producer.stats();
        assert_eq!(stats.dropped_total, if policy == FailurePolicy::FailOpen { 3 } else { 0 });
        assert!(stats.degraded && stats.last_error.is_some() && stats.last_failure_at.is_some());
        b.disk.room.store(u64::MAX, SeqCst);
        for event in &events[5..] {
            b.producer.publish(event).await.expect("room again");
        }
        b.producer.close(Duration::from_secs(20)).await;
        let taken = [&ids(&events[..1])[..], &ids(&events[5..])].concat();
        assert_eq!(b.sink.ids(), taken);
        assert!(!b.producer.stats().degraded);
    }
}

#[tokio::test]
async fn a_full_journal_drops_or_fails_until_the_sink_takes_some() {
    for policy in [FailurePolicy::FailOpen, FailurePolicy::FailClosed] {
        let b = Bench::new(policy, |c| {
            c.max_bytes = 4096;
            c.segment_bytes = 1024;
        });
        b.sink.mood().down = true;
        let mut kept = Vec::new();
        let refused = loop {
            let event = click(kept.len() as u64);
            match b.producer.publish(&event).await {
                Ok(Published::Written | Published::Durable) => kept.push(event.id().to_string()),
                other => break other,
            }
        };
        match (policy, refused) {
            (FailurePolicy::FailOpen, Ok(Published::Dropped)) => {
                assert_eq!(b.producer.stats().dropped_total, 1);
            }
            (FailurePolicy::FailClosed, Err(PublishError::Full { max: 4096, .. })) => {}
            other => panic!("{other:?}"),
        }
        assert!(kept.len() > 5, "{}", kept.len());
        assert_eq!(b.producer.stats().outbox_depth_events, kept.len() as u64);
        b.sink.mood().down = false;
        until("the journal is empty", || b.producer.stats().outbox_depth_events == 0).await;
        let event = click(99);
        b.producer.publish(&event).await.expect("room again");
        kept.push(event.id().to_string());
        b.producer.close(Duration::from_secs(20)).await;
        assert_eq!(b.sink.ids(), kept);
    }
}

#[tokio::test]
async fn a_stalled_disk_holds_nobody_longer_than_the_timeout_and_loses_nothing() {
    for policy in [FailurePolicy::FailOpen, FailurePolicy::FailClosed] {
        let b = Bench::new(policy, |c| c.write_timeout = Duration::from_millis(30));
        b.disk.stall(true);
        let events = clicks(3);
        for event in &events {
            match b.producer.publish(event).await {
                Ok(Published::Late) => assert_eq!(policy, FailurePolicy::FailOpen),
                Err(PublishError::Timeout(_)) => assert_eq!(policy, FailurePolicy::FailClosed),
                other => panic!("{other:?}"),
            }
        }
        // Only what was let go is late; what waits for the disk is not with the operating system yet.
        let late = if policy == FailurePolicy::FailOpen { 3 } else { 0 };
        let stats = b.producer.stats();
        assert_eq!((stats.late_total, stats.unwritten_events, stats.degraded), (late, 3, true), "{stats:?}");
        assert!(stats.last_error.is_some_and(|e| e.contains("did not answer within 30 ms")));
        b.disk.stall(false);
        until("late events are delivered", || b.sink.ids() == ids(&events)).await;
        until("the stall is over", || !b.producer.stats().degraded).await;
        let stats = b.producer.stats();
        assert_eq!((stats.dropped_total, stats.late_total, stats.unwritten_events), (0, late, 0));
    }
}

#[tokio::test]
async fn a_publisher_that_goes_away_is_counted_and_its_event_is_written() {
    let b = Bench::new(FailurePolicy::FailOpen, |_| {});
    b.disk.stall(true);
    let event = click(1);
    let task = tokio::spawn({
        let (p, event) = (b.producer.clone(), event.clone());
        async move { p.publish(&event).await }
    });
    until("the writer is stuck", || b.disk.stuck.load(SeqCst) == 1).await;
    task.abort();
    assert!(task.await.expect_err("cancelled").is_cancelled());
    b.disk.stall(false);
    until("it is delivered", || b.sink.ids() == ids(std::slice::from_ref(&event))).await;
    assert_eq!(b.producer.stats().context_cancel_total, 1);
}

#[tokio::test]
async fn several_durable_events_are_all_there_or_none() {
    let b = Bench::new(FailurePolicy::FailOpen, |_| {});
    let events = clicks(6);
    b.disk.room.store(16 + 500, SeqCst); // the first event or two
    b.producer.publish_durable(&events[..3]).await.expect_err("full");
    b.disk.room.store(u64::MAX, SeqCst);
    b.producer.publish_durable(&events[3..]).await.expect("room");
    b.producer.publish_durable(&[]).await.expect("nothing to do");
    b.producer.close(Duration::from_secs(20)).await;
    assert_eq!(b.sink.ids(), ids(&events[3..]));
}

#[tokio::test]
async fn a_failed_sync_is_an_error() {
    let b = Bench::new(FailurePolicy::FailClosed, |_| {});
    b.disk.sync_fails.store(true, SeqCst);
    assert!(matches!(b.producer.publish(&click(1)).await, Err(PublishError::Io(_))));
    b.disk.sync_fails.store(false, SeqCst);
    assert_eq!(b.producer.publish(&click(2)).await.expect("works"), Published::Durable);
}

#[tokio::test]
async fn an_event_too_large_is_dropped_or_an_error() {
    let mut event = click(1);
    let Event::Click(c) = &mut event else { unreachable!() };
    c.user_agent = "x".repeat(17 << 20);
    let b = Bench::new(FailurePolicy::FailOpen, |c| c.max_bytes = 1 << 30);
    assert_eq!(b.producer.publish(&event).await.expect("open"), Published::Dropped);
    assert!(matches!(b.producer.publish_durable(&[event]).await, Err(PublishError::Unencodable(_))));
    let stats = b.producer.stats();
    assert_eq!((stats.marshal_failure_total, stats.dropped_total, stats.write_calls_total), (2, 1, 2));
}

#[tokio::test]
async fn one_folder_has_one_producer() {
    let b = Bench::new(FailurePolicy::FailOpen, |_| {});
    let again = || Producer::open(config(b.dir.path(), FailurePolicy::FailOpen), b.sink.clone());
    let refused = again().err().expect("held");
    assert!(matches!(refused, OpenError::InUse { .. }));
    assert!(refused.to_string().contains("in use by another process"), "{refused}");
    b.producer.close(Duration::from_secs(20)).await;
    assert!(matches!(b.producer.publish_durable(&[click(1)]).await, Err(PublishError::Closed)));
    assert_eq!(b.producer.publish(&click(1)).await.expect("open"), Published::Dropped);
    again().expect("free");
}

#[test]
fn without_a_runtime_it_says_so() {
    let dir = folder();
    let refused = Producer::open(config(dir.path(), FailurePolicy::FailOpen), Arc::<TestSink>::default());
    assert!(matches!(refused.err(), Some(OpenError::NoRuntime)));
}
