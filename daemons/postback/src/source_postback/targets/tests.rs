//! Turns and circuits, by the clock that a test gives.

use super::{circuit::SPREAD, *};

fn targets(pause: Duration) -> Arc<Targets> {
    // Three for a source that is not answered soon.
    of_room(5, pause)
}

fn of_room(per_target: usize, pause: Duration) -> Arc<Targets> {
    Arc::new(Targets { all: Mutex::default(), per_target, failures: 2, pause })
}

/// As many of a source as go now.
fn all_of(targets: &Arc<Targets>, n: u128) -> Vec<UnderWay> {
    let next = || match targets.enter(&source(n), "a", true) {
        Turn::Go(under_way) => Some(under_way),
        Turn::Full(_) | Turn::Open(..) => None,
    };
    std::iter::from_fn(next).collect()
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
    // Three for a source that is answered soon.
    let targets = of_room(4, Duration::from_millis(30));
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
    let targets = of_room(3, Duration::from_secs(10));
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
    let pair = (source(1), "a".to_owned());
    targets.lock().told.get_mut(&pair).expect("there").took = Some(Duration::from_millis(900));
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
    assert!(all.rooms.len() <= MOST && all.told.len() <= MOST && all.held.is_empty());
}

#[tokio::test]
async fn who_waits_here_goes_as_soon_as_another_is_over_and_few_of_a_source_do() {
    let targets = of_room(3, Duration::from_secs(10));
    let mut all = vec![go(&targets, "a"), go(&targets, "a")];
    all.extend(all_of(&targets, 3));
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
    while targets.busy(1_024) != [source(1).to_string()] || targets.lock().held[&source(1)].waiting < WAITING
    {
        tokio::task::yield_now().await;
    }
    assert!(matches!(targets.turn(&source(1), "a").await, Turn::Full(_)), "enough of it wait");
    let other = waiter(2);
    while !targets.lock().held.contains_key(&source(2)) {
        tokio::task::yield_now().await;
    }
    all.drain(..).for_each(UnderWay::answered);
    for one in waiting.drain(..).chain([other]) {
        one.await.expect("it goes");
    }
    assert!(targets.busy(1_024).is_empty() && targets.lock().held.is_empty());
    // Who waits in vain is put off.
    let _all = (go(&targets, "a"), go(&targets, "a"), go(&targets, "a"));
    tokio::time::pause();
    assert!(matches!(targets.turn(&source(1), "a").await, Turn::Full(pause) if pause >= FULL));
}

#[test]
fn a_source_takes_its_share_of_a_server_and_leaves_some_for_the_next() {
    let targets = of_room(16, Duration::from_secs(10));
    // Of those that come one after the other, of which nothing is known, and stay.
    let shares: Vec<Vec<UnderWay>> = (1..=6).map(|n| all_of(&targets, n)).collect();
    let counts: Vec<usize> = shares.iter().map(Vec::len).collect();
    assert_eq!(counts, [8, 4, 2, 1, 1, 0], "the limit stands");
    drop(shares);
    targets.lock().told.clear();
    let slow = all_of(&targets, 1);
    assert_eq!(slow.len(), 8);
    all_of(&targets, 2).into_iter().for_each(UnderWay::answered);
    for _ in 0..1_000 {
        let good = all_of(&targets, 2);
        assert_eq!(good.len(), 6, "a dead one beside it takes nothing of that");
        good.into_iter().for_each(UnderWay::answered);
        assert!(all_of(&targets, 1).is_empty(), "nor what it leaves");
    }
    drop(slow);
    let good = all_of(&targets, 2);
    assert_eq!(good.len(), 12, "alone, and answered soon");
    assert_eq!(all_of(&targets, 3).len(), 2, "something is left though it is answered no more");
    good.into_iter().for_each(UnderWay::answered);
    targets.lock().told.get_mut(&(source(2), "a".to_owned())).expect("there").took = Some(QUICK);
    assert_eq!(all_of(&targets, 2).len(), 8, "it has become slow");
}

/// What becomes free is of who has less, and of those that have alike of who waits longest; nobody comes before them.
#[tokio::test]
async fn what_becomes_free_goes_to_who_has_less() {
    let targets = of_room(1, Duration::from_secs(10));
    let held = go(&targets, "a");
    let went = Arc::<Mutex<Vec<u128>>>::default();
    let mut waiting = Vec::new();
    for (before, n) in [1, 1, 1, 2, 3, 2, 3].into_iter().enumerate() {
        let (own, into) = (Arc::clone(&targets), Arc::clone(&went));
        waiting.push(tokio::spawn(async move {
            let Turn::Go(under_way) = own.turn(&source(n), "a").await else { panic!("put off") };
            into.lock().expect("whole").push(n);
            tokio::task::yield_now().await;
            under_way.answered();
        }));
        let here = || targets.lock().held.values().map(|held| held.waiting).sum::<usize>();
        while here() <= before {
            tokio::task::yield_now().await;
        }
    }
    assert!(matches!(targets.enter(&source(1), "a", true), Turn::Full(_)));
    held.answered();
    for one in waiting {
        one.await.expect("it goes");
    }
    assert_eq!(*went.lock().expect("whole"), [2, 3, 1, 2, 3, 1, 1]);
    assert!(targets.lock().held.is_empty());
}

#[test]
fn what_is_here_of_many_sources_leaves_room_for_another() {
    let targets = of_room(1_024, Duration::from_secs(10));
    let mut all = Vec::new();
    for n in 1..=16 {
        // As claims do: until it has enough.
        let host = format!("h{n}");
        while !targets.busy(1_024).contains(&source(n).to_string()) {
            let here = targets.hold(source(n));
            match targets.enter(&source(n), &host, true) {
                Turn::Go(under_way) => all.push((here, under_way)),
                wait => panic!("{host}: {wait:?}"),
            }
        }
    }
    assert!(all.len() < 1_024 - 16, "{}", all.len());
    let coming: Vec<Here> = (0..COMING).map(|_| targets.hold(source(99))).collect();
    assert!(targets.busy(usize::MAX).contains(&source(99).to_string()), "more need not come at once");
    drop(coming);
    drop(all);
    assert!(targets.busy(1_024).is_empty());
}

/// Who waits is told at once when its circuit opens, and holds up nobody meanwhile.
#[tokio::test]
async fn who_waits_is_told_when_its_circuit_opens() {
    let targets = of_room(3, Duration::from_secs(10));
    let (one, two) = (go(&targets, "a"), go(&targets, "a"));
    let own = Arc::clone(&targets);
    let waiter = tokio::spawn(async move { own.turn(&source(1), "a").await });
    while targets.lock().held[&source(1)].waiting == 0 {
        tokio::task::yield_now().await;
    }
    one.failed("no", None);
    two.failed("no", None);
    assert!(matches!(waiter.await.expect("told"), Turn::Open(..) | Turn::Go(_)));
    assert!(matches!(targets.enter(&source(2), "a", true), Turn::Go(_)));
}

/// A fault of this machine opens no circuit, and is told until something could be sent.
#[test]
fn what_this_machine_cannot_send_is_told_by_server() {
    let targets = of_room(3, Duration::from_secs(10));
    assert_eq!(targets.unsent(), None);
    for _ in 0..20 {
        go(&targets, "a").unsent("no name server");
    }
    go(&targets, "b").unsent("no certificates");
    assert_eq!(targets.unsent().map(|(servers, _)| servers), Some(2));
    assert_eq!(targets.open(), 0);
    let told = targets.told(Timestamp::UNIX_EPOCH);
    let why: Vec<_> = told.iter().map(|t| (t.host.as_str(), t.failures, t.unsent.as_deref())).collect();
    assert_eq!(why, [("a", 0, Some("no name server")), ("b", 0, Some("no certificates"))]);
    go(&targets, "a").answered();
    go(&targets, "b").failed("it answered 500", None);
    assert_eq!(targets.unsent(), None);
}
