//! From the journal to the sink: in order, complete, whatever the sink does.

use super::*;
use crate::Published;
use std::fs;

async fn publish_all(producer: &Producer, events: &[Event]) {
    for event in events {
        assert_eq!(producer.publish(event).await.expect("room"), Published::Written);
    }
}

#[tokio::test]
async fn events_arrive_as_they_are_in_batches() {
    let b = Bench::new(FailurePolicy::FailOpen, |c| c.batch_timeout = Duration::from_secs(3600));
    let events = clicks(30);
    publish_all(&b.producer, &events).await;
    until("full batches need no timeout", || b.sink.ids() == ids(&events)).await;
    assert_eq!(*b.sink.batches.lock().expect("lock"), [10, 10, 10]);
    for (envelope, event) in b.sink.taken.lock().expect("lock").iter().zip(&events) {
        assert_eq!((envelope.topic, &envelope.key), (event.topic(), &event.key()));
        assert_eq!(envelope.payload, event.to_json().expect("json"));
    }
    until("counted", || b.producer.stats().delivered_total == 30).await;
    let stats = b.producer.stats();
    assert_eq!((stats.write_calls_total, stats.write_attempts_total, stats.write_success_total), (30, 3, 3));
    assert!(stats.last_success_at.is_some() && stats.last_error.is_none() && !stats.degraded);
}

#[tokio::test]
async fn a_batch_that_is_not_full_goes_when_its_time_is_up() {
    let b = Bench::new(FailurePolicy::FailOpen, |_| {});
    b.producer.publish(&click(1)).await.expect("room");
    until("delivered", || b.producer.stats().outbox_depth_events == 0).await;
    assert_eq!(b.sink.ids().len(), 1);
}

#[tokio::test]
async fn a_sink_that_fails_is_tried_until_it_works() {
    let b = Bench::new(FailurePolicy::FailOpen, |_| {});
    b.sink.mood().failures = 7;
    b.producer.publish(&click(1)).await.expect("room");
    until("delivered", || b.producer.stats().delivered_total == 1).await;
    let stats = b.producer.stats();
    assert_eq!((stats.write_attempts_total, stats.write_success_total), (8, 1));
    assert_eq!(
        (stats.write_retry_total, stats.write_failure_total),
        (7, 2),
        "two times three attempts failed"
    );
    assert!(!stats.degraded);
    assert_eq!(stats.last_error.as_deref(), Some("the sink is away"));
}

#[tokio::test]
async fn a_sink_that_was_away_gets_everything_in_order() {
    let b = Bench::new(FailurePolicy::FailOpen, |_| {});
    b.sink.mood().down = true;
    let events = clicks(200);
    publish_all(&b.producer, &events).await;
    until("degraded", || b.producer.stats().degraded).await;
    let stats = b.producer.stats();
    assert_eq!((stats.outbox_depth_events, stats.dropped_total), (200, 0));
    assert!(stats.outbox_depth_bytes > 200 * 100);
    until("age", || b.producer.stats().oldest_undelivered_age_ms > 0).await;
    b.sink.mood().down = false;
    until("delivered", || b.producer.stats().outbox_depth_events == 0).await;
    assert_eq!(b.sink.ids(), ids(&events));
    let stats = b.producer.stats();
    assert_eq!((stats.degraded, stats.outbox_depth_bytes, stats.oldest_undelivered_age_ms), (false, 0, 0));
}

#[tokio::test]
async fn a_sink_that_hangs_is_given_up_after_the_timeout() {
    let b = Bench::new(FailurePolicy::FailClosed, |c| c.write_timeout = Duration::from_millis(200));
    b.sink.mood().hangs = true;
    b.producer.publish(&click(1)).await.expect("room");
    until("given up", || b.producer.stats().write_retry_total > 0).await;
    assert_eq!(b.producer.stats().last_error.as_deref(), Some("no answer within 200 ms"));
    b.sink.mood().hangs = false;
    until("delivered", || b.producer.stats().delivered_total == 1).await;
}

fn refused(b: &Bench) -> Vec<(String, String)> {
    let text = fs::read_to_string(b.dir.path().join("refused.jsonl")).expect("kept");
    let field = |v: &serde_json::Value, f: &str| v[f].as_str().expect("text").to_owned();
    text.lines()
        .map(|line| {
            let v: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
            assert_eq!(v["event"]["click_id"], v["id"]);
            (field(&v, "id"), field(&v, "reason"))
        })
        .collect()
}

#[tokio::test]
async fn refused_events_are_kept_and_stop_nobody() {
    let events = clicks(25);
    let all = ids(&events);
    let bad: BTreeSet<String> = [0, 7, 8, 24].iter().map(|i| all[*i].clone()).collect();
    let good: Vec<String> = all.iter().filter(|id| !bad.contains(*id)).cloned().collect();
    for (whole_batch, reason) in [(false, "not this one"), (true, "the sink cannot take this")] {
        let b = Bench::new(FailurePolicy::FailOpen, |_| {});
        if whole_batch {
            b.sink.mood().poison = bad.clone();
        } else {
            b.sink.mood().refused = bad.clone();
        }
        publish_all(&b.producer, &events).await;
        until("delivered", || b.producer.stats().outbox_depth_events == 0).await;
        assert_eq!(b.sink.ids(), good, "in order, each once");
        let stats = b.producer.stats();
        assert_eq!((stats.refused_total, stats.delivered_total), (4, 21));
        let expected: Vec<_> =
            all.iter().filter(|id| bad.contains(*id)).map(|id| (id.clone(), reason.to_owned())).collect();
        assert_eq!(refused(&b), expected);
    }
}

#[tokio::test]
async fn a_sink_that_is_broken_altogether_makes_nobody_refused() {
    let b = Bench::new(FailurePolicy::FailOpen, |_| {});
    b.sink.mood().broken = true;
    let events = clicks(15);
    publish_all(&b.producer, &events).await;
    until("degraded", || b.producer.stats().degraded).await;
    b.sink.mood().broken = false;
    until("delivered", || b.sink.ids() == ids(&events)).await;
    assert_eq!(b.producer.stats().refused_total, 0);
}

#[tokio::test]
async fn close_delivers_what_it_can_and_the_next_start_the_rest() {
    let b = Bench::new(FailurePolicy::FailOpen, |c| c.batch_timeout = Duration::from_secs(3600));
    let events = clicks(48);
    publish_all(&b.producer, &events[..25]).await;
    let report = b.producer.close(Duration::from_secs(20)).await;
    assert_eq!((report.written, report.left), (true, 0));
    assert_eq!(b.sink.ids(), ids(&events[..25]));
    assert_eq!(
        b.disk.synced.load(std::sync::atomic::Ordering::SeqCst),
        b.producer.stats().bytes_written_total + 3 * 16
    );

    b.sink.mood().down = true;
    let second = Producer::open(config(b.dir.path(), FailurePolicy::FailOpen), b.sink.clone()).expect("free");
    publish_all(&second, &events[25..]).await;
    let report = second.close(Duration::from_millis(50)).await;
    assert_eq!((report.written, report.delivered, report.left), (true, 0, 23));

    b.sink.mood().down = false;
    let third = Producer::open(config(b.dir.path(), FailurePolicy::FailOpen), b.sink.clone()).expect("free");
    let report = third.close(Duration::from_secs(20)).await;
    assert_eq!((report.written, report.left), (true, 0));
    assert_eq!(b.sink.ids(), ids(&events));
    assert_eq!(third.close(Duration::ZERO).await.left, 0, "closing twice is closing once");
}

#[tokio::test]
async fn what_the_sink_took_but_did_not_acknowledge_is_delivered_again() {
    let b = Bench::new(FailurePolicy::FailOpen, |_| {});
    let events = clicks(40);
    b.sink.mood().down = true;
    publish_all(&b.producer, &events).await;
    // A crash: the folder as it is now, without a goodbye.
    let copy = copied(b.dir.path());
    b.sink.mood().down = false;
    until("delivered", || b.producer.stats().outbox_depth_events == 0).await;
    let sink = Arc::<TestSink>::default();
    let again = Producer::open(config(copy.path(), FailurePolicy::FailOpen), sink.clone()).expect("opens");
    until("delivered again", || again.stats().outbox_depth_events == 0).await;
    assert_eq!(sink.ids(), ids(&events));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_publishers_each_keep_their_order() {
    let b = Bench::new(FailurePolicy::FailOpen, |c| c.batch_size = 64);
    let tasks: Vec<_> = (0..16)
        .map(|publisher| {
            let p = b.producer.clone();
            tokio::spawn(async move {
                let events: Vec<Event> = (0..50).map(|n| click(publisher * 1000 + n)).collect();
                publish_all(&p, &events).await;
                ids(&events)
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.expect("ends"));
    }
    b.producer.close(Duration::from_secs(20)).await;
    let taken = b.sink.ids();
    assert_eq!(taken.len(), 800);
    for mine in all {
        let set: BTreeSet<_> = mine.iter().collect();
        let order: Vec<_> = taken.iter().filter(|id| set.contains(id)).cloned().collect();
        assert_eq!(order, mine);
    }
}

#[tokio::test]
async fn refused_events_are_given_to_the_journal_again() {
    let b = Bench::new(FailurePolicy::FailOpen, |_| {});
    let events = clicks(25);
    let all = ids(&events);
    let bad: BTreeSet<String> = [0, 7, 8, 24].iter().map(|i| all[*i].clone()).collect();
    b.sink.mood().refused = bad.clone();
    publish_all(&b.producer, &events).await;
    until("refused", || b.producer.stats().outbox_depth_events == 0).await;
    let path = b.dir.path().join("refused.jsonl");
    let before = fs::read_to_string(&path).expect("kept");
    fs::write(&path, format!("{before}{{\"torn\": 1}}\n\n{{\"at")).expect("writes");

    let counted = b.producer.replay_refused(true).await.expect("reads");
    assert_eq!((counted.events, counted.unreadable, counted.kept_as), (4, 2, None));
    assert_eq!((b.sink.ids().len(), b.producer.stats().refused_waiting), (21, 4));

    // One of them is refused still.
    b.sink.mood().refused = [all[7].clone()].into();
    let replayed = b.producer.replay_refused(false).await.expect("replays");
    assert_eq!((replayed.events, replayed.unreadable), (4, 2));
    until("delivered", || b.producer.stats().outbox_depth_events == 0).await;
    let mut taken = b.sink.ids();
    assert_eq!(taken.split_off(21), [0, 8, 24].map(|i| all[i].clone()), "in their order");
    for (envelope, event) in b.sink.taken.lock().expect("lock")[21..].iter().zip([0, 8, 24]) {
        let of = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).expect("json");
        assert_eq!(of(&envelope.payload), of(&events[event].to_json().expect("json")));
        assert_eq!((envelope.topic, &envelope.key), (events[event].topic(), &events[event].key()));
    }
    let kept = fs::read_to_string(b.dir.path().join(replayed.kept_as.expect("a name"))).expect("kept");
    assert!(kept.starts_with(&before), "the file is put away whole");
    let rest = fs::read_to_string(&path).expect("what was not replayed");
    let lines: Vec<_> = rest.lines().collect();
    assert_eq!(lines[..2], ["{\"torn\": 1}", "{\"at"]);
    assert!(lines.len() == 3 && lines[2].contains(&all[7]), "{rest}");
    assert_eq!(b.producer.stats().refused_waiting, 3);

    // An earlier run's are known to the next.
    b.producer.close(Duration::from_secs(20)).await;
    let again = Producer::open(config(b.dir.path(), FailurePolicy::FailOpen), b.sink.clone()).expect("free");
    assert_eq!((again.stats().refused_waiting, again.stats().refused_total), (3, 0));
    let nothing = again.replay_refused(true).await.expect("reads");
    assert_eq!((nothing.events, nothing.unreadable), (1, 2));
}

#[tokio::test]
async fn what_is_no_json_is_given_again_as_it_was() {
    let b = Bench::new(FailurePolicy::FailOpen, |_| {});
    let event = tfx_ports::sink::Envelope {
        topic: tfx_domain::event::Topic::ClickEvents,
        id: "a".into(),
        key: "b".into(),
        payload: "{\"no \"json".into(),
    };
    crate::refused::keep(b.dir.path(), &event, "no JSON").expect("keeps");
    assert_eq!(b.producer.replay_refused(false).await.expect("replays").events, 1);
    until("delivered", || b.sink.ids().len() == 1).await;
    assert_eq!(b.sink.taken.lock().expect("lock")[0], event);
    assert_eq!(b.producer.replay_refused(false).await.expect("replays"), crate::Replayed::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_journal_misses_nothing_that_the_sink_has_not() {
    let b = Bench::new(FailurePolicy::FailOpen, |c| {
        c.segment_bytes = 4096;
        c.batch_timeout = Duration::from_millis(1);
    });
    let events = clicks(600);
    // Every fifth is refused for good and goes to refused.jsonl.
    b.sink.mood().refused = ids(&events).into_iter().step_by(5).collect();
    let mut rounds = 0;
    for (place, event) in events.iter().enumerate() {
        b.producer.publish(event).await.expect("room");
        if place % 7 > 0 {
            continue;
        }
        // What the sink has before the copy is made is not asked of it.
        let copied: Vec<_> = {
            let dir = b.dir.path().to_owned();
            let copy = tempfile::tempdir().expect("a folder");
            for file in crate::copies(&dir).expect("copied") {
                let to = copy.path().join(&file.name);
                match file.holds {
                    crate::Held::Bytes(bytes) => fs::write(to, bytes).expect("written"),
                    crate::Held::File(mut from) => {
                        let mut to = fs::File::create(to).expect("made");
                        std::io::copy(&mut from, &mut to).expect("written");
                    }
                }
            }
            let mut found: Vec<String> = Vec::new();
            // Also where delivery has not begun: then there is no cursor.
            if !copy.path().join("cursor").exists() {
                fs::write(copy.path().join("cursor"), "").expect("written");
            }
            crate::waiting(copy.path(), 0, &mut |_, event| found.push(event.id.to_string())).expect("read");
            let refused = fs::read_to_string(copy.path().join("refused.jsonl")).unwrap_or_default();
            found.extend(refused.lines().map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).expect("a line");
                line["id"].as_str().expect("an id").to_owned()
            }));
            found
        };
        let delivered = b.sink.ids();
        for id in ids(&events[..=place]) {
            assert!(copied.contains(&id) || delivered.contains(&id), "{id} is nowhere");
        }
        rounds += 1;
    }
    assert!(rounds > 80);
}

/// A start after a busy run steps over what is delivered, and does not look for records in it byte by byte: clicks wait.
#[tokio::test]
async fn a_start_reads_what_is_delivered_as_fast_as_what_is_not() {
    let b = Bench::new(FailurePolicy::FailOpen, |c| (c.max_bytes, c.segment_bytes) = (256 << 20, 64 << 20));
    publish_all(&b.producer, &clicks(2_000)).await;
    until("delivered", || b.producer.stats().outbox_depth_events == 0).await;
    let copy = copied(b.dir.path());
    let read = || {
        let (began, mut found) = (std::time::Instant::now(), 0);
        crate::waiting(copy.path(), 0, &mut |_, _| found += 1).expect("read");
        (found, began.elapsed())
    };
    let (none, over) = read();
    // As if nothing had been delivered.
    fs::write(copy.path().join("cursor"), "").expect("written");
    let (all, whole) = read();
    assert_eq!((none, all), (0, 2_000));
    assert!(over < whole * 5, "{over:?} over what is delivered, {whole:?} for all of it");
}
