//! Turns and circuits, by the clock that a test gives.

use super::*;

fn targets(pause: Duration) -> Arc<Targets> {
    Arc::new(Targets { all: Mutex::default(), per_target: 3, failures: 2, pause })
}

fn source(n: u128) -> SourceId {
    SourceId::generate(Timestamp::UNIX_EPOCH, n << 30)
}

fn go(targets: &Arc<Targets>, host: &str) -> UnderWay {
    match targets.enter(&source(1), host, true) {
        Turn::Go(under_way) => under_way,
        wait => panic!("{host}: {wait:?}"),
    }
}

fn wait(targets: &Arc<Targets>, host: &str) -> Duration {
    match targets.enter(&source(1), host, true) {
        Turn::Go(_) => panic!("{host} goes"),
        Turn::Full(pause) | Turn::Open(pause, _) => pause,
    }
}

#[test]
fn a_target_that_fails_is_left_alone_and_tried_by_one() {
    let targets = targets(Duration::from_millis(30));
    go(&targets, "a").failed("no", None);
    go(&targets, "a").answered();
    let (one, two, three) = (go(&targets, "a"), go(&targets, "a"), go(&targets, "a"));
    assert_eq!(wait(&targets, "a"), FULL, "as many are under way as may be");
    one.failed("no", None);
    two.failed("no answer in time", None);
    assert!(wait(&targets, "a") <= Duration::from_millis(30));
    three.failed("no", None);
    go(&targets, "b").answered();
    assert_eq!((targets.open(), targets.told(Timestamp::UNIX_EPOCH)[0].reason.as_str()), (1, "no"));
    std::thread::sleep(Duration::from_millis(31));
    let probe = go(&targets, "a");
    assert_eq!(wait(&targets, "a"), FULL * 5, "one alone tries it");
    drop(probe);
    let probe = go(&targets, "a");
    probe.failed("still no", None);
    let pause = wait(&targets, "a");
    assert!(pause > Duration::from_millis(30) && pause <= Duration::from_millis(60), "doubled: {pause:?}");
    std::thread::sleep(Duration::from_millis(61));
    go(&targets, "a").answered();
    let _three = (go(&targets, "a"), go(&targets, "a"), go(&targets, "a"));
    assert_eq!(targets.open(), 0);
}

#[test]
fn a_target_that_asks_for_a_pause_has_it() {
    let targets = targets(Duration::from_secs(10));
    go(&targets, "a").asked_to_wait("it answered 429", Some(Duration::from_secs(60)));
    let pause = wait(&targets, "a");
    assert!(pause > Duration::from_secs(59) && pause <= Duration::from_secs(60), "{pause:?}");
    go(&targets, "b").asked_to_wait("it answered 429", Some(Duration::from_secs(3600)));
    assert!(wait(&targets, "b") <= Duration::from_secs(160), "as long as a circuit is open at most");
    go(&targets, "c").failed("it answered 503", Some(Duration::ZERO));
    go(&targets, "c").answered();
    for _ in 0..20 {
        go(&targets, "c").asked_to_wait("it answered 429", None);
    }
    assert_eq!(targets.told(Timestamp::UNIX_EPOCH).iter().filter(|t| t.host == "c").count(), 0);
}

#[test]
fn one_source_closes_a_server_to_no_other_and_all_share_its_room() {
    let targets = targets(Duration::from_secs(10));
    go(&targets, "a").failed("it answered 500", None);
    go(&targets, "a").failed("it answered 500", None);
    assert!(wait(&targets, "a") > Duration::from_secs(9));
    let other = || targets.enter(&source(2), "a", true);
    let Turn::Go(one) = other() else { panic!("its circuit is closed") };
    let told = targets.told(Timestamp::UNIX_EPOCH);
    let of: Vec<_> = told.iter().map(|t| (t.source_id.clone(), t.failures, t.under_way)).collect();
    assert_eq!(of, [(Some(source(1)), 2, 0), (Some(source(2)), 0, 1)]);
    one.answered();
    let full: Vec<Turn> = (0..4).map(|n| targets.enter(&source(3 + n), "a", true)).collect();
    assert!(matches!(full[..], [Turn::Go(_), Turn::Go(_), Turn::Go(_), Turn::Full(_)]), "{full:?}");
}

#[test]
fn those_that_wait_come_back_one_after_the_other() {
    let targets = targets(Duration::from_secs(10));
    let _all = (go(&targets, "a"), go(&targets, "a"), go(&targets, "a"));
    targets.lock().rooms.get_mut("a").expect("there").took = Duration::from_millis(300);
    let pauses: Vec<_> = (0..50).map(|_| wait(&targets, "a")).collect();
    assert!(pauses[49] > FULL + Duration::from_secs(4), "{pauses:?}");
    go(&targets, "b").failed("no", None);
    go(&targets, "b").failed("no", None);
    let pauses: Vec<_> = (0..100_000).map(|_| wait(&targets, "b")).collect();
    assert!(pauses[1_000] > Duration::from_secs(11) && pauses[99_999] <= Duration::from_secs(10) + SPREAD);
}

#[test]
fn what_is_known_of_targets_is_bounded() {
    let targets = targets(Duration::from_secs(1));
    for n in 0..3 * MOST {
        go(&targets, &format!("h{n}")).answered();
    }
    let all = targets.lock();
    assert!(all.rooms.len() <= MOST && all.circuits.len() <= MOST);
}

#[tokio::test]
async fn who_waits_here_goes_as_soon_as_another_is_over_and_few_of_a_source_do() {
    let targets = targets(Duration::from_secs(10));
    let mut all = vec![go(&targets, "a"), go(&targets, "a"), go(&targets, "a")];
    let waiter = |n: u128| {
        let targets = Arc::clone(&targets);
        tokio::spawn(async move {
            match targets.turn(&source(n), "a").await {
                Turn::Go(under_way) => under_way.answered(),
                wait => panic!("{wait:?}"),
            }
        })
    };
    let mut waiting: Vec<_> = (0..WAITING).map(|_| waiter(1)).collect();
    while targets.busy() != [source(1).to_string()] || targets.lock().waiting[&source(1)] < WAITING {
        tokio::task::yield_now().await;
    }
    assert!(matches!(targets.turn(&source(1), "a").await, Turn::Full(_)), "enough of it wait");
    let other = waiter(2);
    while targets.lock().waiting.len() < 2 {
        tokio::task::yield_now().await;
    }
    all.drain(..).for_each(UnderWay::answered);
    for one in waiting.drain(..).chain([other]) {
        one.await.expect("it goes");
    }
    assert!(targets.busy().is_empty() && targets.lock().waiting.is_empty());
    // Who waits in vain is put off.
    let _all = (go(&targets, "a"), go(&targets, "a"), go(&targets, "a"));
    tokio::time::pause();
    assert!(matches!(targets.turn(&source(1), "a").await, Turn::Full(pause) if pause >= FULL));
}
