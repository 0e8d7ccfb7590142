//! What every [`Queue`] must do.

use super::Pair;
use crate::{
    error::StoreError,
    page::PageRequest,
    queue::{Counts, Group, Hurried, Job, JobKind, LONGEST_WAIT, NewJob, Queue},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tfx_domain::Timestamp;
use tokio::task::JoinSet;

type Stores = Pair<dyn Queue>;

const KIND: JobKind = JobKind::ParkedPostback;
const NOW: Duration = Duration::ZERO;
/// Longer than a test takes.
const LONG: Duration = Duration::from_secs(600);
/// A claim that expires while a test waits.
const SHORT: Duration = Duration::from_millis(50);

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_000 + ms).expect("in range")
}

/// Job `n`, that waits for nobody.
fn job(n: i64) -> NewJob {
    NewJob {
        kind: KIND,
        key: format!("job {n:04}"),
        group: None,
        came: at(n),
        payload: format!("{{\"n\": {n}}}"),
    }
}

fn grouped(n: i64, group: &str) -> NewJob {
    NewJob { group: Some(group.to_owned()), ..job(n) }
}

async fn put(store: &Arc<dyn Queue>, job: &NewJob, after: Duration) {
    store.enqueue(job, after).await.expect("put in");
}

/// Claims for longer than the test takes.
async fn claim(store: &Arc<dyn Queue>, limit: usize) -> Vec<Job> {
    store.claim(KIND, limit, LONG).await.expect("claim")
}

fn keys(of: &[Job]) -> BTreeSet<&str> {
    of.iter().map(|j| j.key.as_str()).collect()
}

fn named<'k>(of: &[&'k NewJob]) -> BTreeSet<&'k str> {
    of.iter().map(|j| j.key.as_str()).collect()
}

/// The one that is due, as soon as it is.
async fn next(store: &Arc<dyn Queue>, lease: Duration) -> Job {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let mut found = store.claim(KIND, 1, lease).await.expect("claim");
        if let Some(job) = found.pop() {
            return job;
        }
        assert!(Instant::now() < end, "nothing is due");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn has(store: &Arc<dyn Queue>, group: &str) -> bool {
    store.group(KIND, group).await.expect("group").waiting > 0
}

async fn counts(store: &Arc<dyn Queue>) -> (u64, u64) {
    let Counts { waiting, dead, .. } = store.counts(KIND).await.expect("count");
    (waiting, dead)
}

/// Kept whole, claimed by one at a time, until it is done; then it may come again.
pub async fn a_job_is_kept_until_it_is_done(s: Stores) {
    assert_eq!((claim(&s.one, 9).await, counts(&s.one).await), (Vec::new(), (0, 0)));
    put(&s.one, &job(1), NOW).await;
    put(&s.two, &grouped(2, "g"), NOW).await;
    let claimed = claim(&s.two, 9).await;
    assert_eq!(keys(&claimed), named(&[&job(1), &grouped(2, "g")]));
    for job in &claimed {
        assert_eq!((job.tries, job.revived), (0, false));
    }
    let first = claimed.iter().find(|j| j.key == job(1).key).expect("claimed");
    assert_eq!((first.came, first.payload.as_str()), (at(1), "{\"n\": 1}"));
    assert_eq!(claim(&s.one, 9).await, []);
    assert_eq!(counts(&s.one).await, (2, 0), "a claimed job is there");
    assert!(s.one.done(first).await.expect("done"), "whichever handle");
    assert!(!s.two.done(first).await.expect("done"), "once");
    assert_eq!(counts(&s.two).await, (1, 0));
    put(&s.one, &job(1), NOW).await;
    let again = next(&s.two, LONG).await;
    assert_eq!((&again.key, again.tries), (&first.key, 0));
    assert!(again.fence > first.fence, "{} after {}", again.fence, first.fence);
    assert!(!s.one.done(first).await.expect("done"), "of another life");
    assert!(s.one.done(&again).await.expect("done"));
}

/// Whoever has enough of an owner leaves all of his groups in the queue, and takes those of others that are named alike.
pub async fn what_is_of_others_is_claimed_meanwhile(s: Stores) {
    let groups = ["a/1", "a/2", "a0/1", "ab/1", "b/1"];
    for (n, group) in (0..).zip(groups) {
        put(&s.one, &grouped(n, group), NOW).await;
    }
    put(&s.one, &job(9), NOW).await;
    let owners = |of: &[&str]| of.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>();
    let none = s.two.claim_but(KIND, 9, LONG, &owners(&["a", "a0", "ab", "b"])).await.expect("claim");
    assert_eq!(keys(&none), named(&[&job(9)]), "a job that is in no group is of nobody");
    let others = s.one.claim_but(KIND, 9, LONG, &owners(&["a"])).await.expect("claim");
    assert_eq!(keys(&others), named(&[&job(2), &job(3), &job(4)]));
    assert_eq!(s.two.claim_but(KIND, 9, LONG, &owners(&["a"])).await.expect("claim"), []);
    assert_eq!(keys(&claim(&s.two, 9).await), named(&[&job(0), &job(1)]), "they were there all the time");
}

/// The same key again changes nothing, also when many come at once.
pub async fn a_job_is_put_in_once(s: Stores) {
    put(&s.one, &job(1), NOW).await;
    put(&s.two, &NewJob { payload: "other".to_owned(), came: at(9), ..job(1) }, LONG).await;
    put(&s.two, &NewJob { group: Some("g".to_owned()), ..job(1) }, NOW).await;
    assert!(!has(&s.one, "g").await);
    let mut racing = JoinSet::new();
    for n in 0..40 {
        let store = Arc::clone(if n % 2 == 0 { &s.one } else { &s.two });
        racing.spawn(async move { store.enqueue(&grouped(2, "same"), NOW).await });
    }
    for put in racing.join_all().await {
        put.expect("put in");
    }
    assert_eq!(counts(&s.one).await, (2, 0));
    let claimed = claim(&s.one, 9).await;
    assert_eq!(keys(&claimed), named(&[&job(1), &job(2)]));
    assert!(claimed.iter().any(|j| j.payload == job(1).payload));
    for job in &claimed {
        assert!(s.two.done(job).await.expect("done"));
    }
    assert_eq!((claim(&s.one, 9).await, counts(&s.one).await), (Vec::new(), (0, 0)));
}

/// Not before its time; what waits longest comes first; at most as many as asked for.
pub async fn a_job_is_due_in_its_time(s: Stores) {
    put(&s.one, &job(1), LONG).await;
    for n in 2..=5 {
        put(&s.one, &job(n), NOW).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    assert_eq!(claim(&s.two, 0).await, []);
    assert_eq!(keys(&claim(&s.two, 2).await), named(&[&job(2), &job(3)]));
    assert_eq!(keys(&claim(&s.two, 9).await), named(&[&job(4), &job(5)]));
    put(&s.two, &job(6), SHORT).await;
    let soon = next(&s.one, LONG).await;
    assert_eq!(soon.key, job(6).key);
    assert!(s.one.again(&soon, SHORT).await.expect("again"));
    let later = next(&s.two, LONG).await;
    assert_eq!((&later.key, later.tries), (&soon.key, 1));
    assert!(s.one.again(&later, LONG).await.expect("again"));
    assert_eq!(claim(&s.two, 9).await, []);
}

/// In the order in which they came, whenever they were put in; the first holds up those behind it, and no other group.
pub async fn jobs_of_a_group_come_one_after_the_other(s: Stores) {
    for n in [3, 1, 2] {
        put(&s.one, &grouped(n, "g"), NOW).await;
    }
    put(&s.two, &grouped(4, "h"), NOW).await;
    assert!(has(&s.two, "g").await && !has(&s.two, "i").await);
    let mut claimed = claim(&s.one, 9).await;
    assert_eq!(keys(&claimed), named(&[&job(1), &job(4)]));
    claimed.retain(|j| j.key == job(1).key);
    assert_eq!(claim(&s.two, 9).await, [], "one holder of a group");
    assert!(s.one.again(&claimed[0], SHORT).await.expect("again"));
    let first = next(&s.two, LONG).await;
    assert_eq!((&first.key, first.tries), (&job(1).key, 1), "the first again");
    // One that came before it is behind what was begun.
    put(&s.one, &grouped(0, "g"), NOW).await;
    assert!(s.two.done(&first).await.expect("done"));
    for n in [0, 2] {
        let job = next(&s.one, LONG).await;
        assert_eq!((job.key.as_str(), job.tries), (self::job(n).key.as_str(), 0));
        assert!(s.one.done(&job).await.expect("done"));
    }
    let last = next(&s.one, LONG).await;
    assert!(s.two.dead(&last, "in vain").await.expect("dead"));
    assert!(!has(&s.one, "g").await, "what is dead holds up nobody");
}

/// What comes into a group wants it to be tried: its first is due then, also if it is being tried just now.
pub async fn a_new_job_brings_its_group_forward(s: Stores) {
    put(&s.one, &grouped(1, "g"), LONG).await;
    put(&s.one, &grouped(2, "g"), LONG).await;
    assert_eq!(claim(&s.two, 9).await, []);
    put(&s.two, &grouped(3, "g"), NOW).await;
    let first = next(&s.one, LONG).await;
    assert_eq!(first.key, job(1).key);
    put(&s.two, &grouped(4, "g"), NOW).await;
    assert!(s.one.again(&first, LONG).await.expect("again"));
    let first = next(&s.two, LONG).await;
    assert_eq!(first.key, job(1).key, "at once");
    assert!(s.two.again(&first, LONG).await.expect("again"));
    assert_eq!(claim(&s.one, 9).await, [], "the wish was met");
}

/// What there is of a group is told whole: what is due, what is not, what is claimed, and what was given up and why; of
/// no other group.
pub async fn a_group_is_told_whole(s: Stores) {
    let of = async |group: &str| s.two.group(KIND, group).await.expect("group");
    assert_eq!(of("g").await, Group::default());
    for (n, after) in [(1, NOW), (2, LONG), (3, LONG), (4, NOW)] {
        put(&s.one, &grouped(n, "g"), after).await;
    }
    put(&s.one, &NewJob { kind: JobKind::Probe, ..grouped(8, "g") }, NOW).await;
    put(&s.one, &grouped(9, "h"), NOW).await;
    assert_eq!(of("g").await, Group { waiting: 4, dead: Vec::new() });
    let mut dead = Vec::new();
    for n in 1..=2 {
        let job = loop {
            let job = next(&s.one, LONG).await;
            if job.key != grouped(9, "h").key {
                break job;
            }
        };
        assert_eq!(of("g").await.waiting, 5 - n, "one that is claimed is there");
        assert!(s.one.dead(&job, &format!("why {n}")).await.expect("dead"));
        dead.push((job.key, format!("why {n}")));
        let mut told = of("g").await;
        told.dead.sort();
        assert_eq!(told, Group { waiting: 4 - n, dead: dead.clone() });
    }
    let keys: Vec<String> = dead.into_iter().map(|(key, _)| key).collect();
    assert_eq!(s.two.revive(KIND, &keys, NOW).await.expect("revived"), 2);
    assert_eq!(of("g").await, Group { waiting: 4, dead: Vec::new() });
    assert_eq!(of("h").await.waiting, 1);
}

/// What is put aside holds up nobody, and comes again by itself.
pub async fn what_is_put_aside_holds_up_nobody(s: Stores) {
    put(&s.one, &grouped(1, "g"), NOW).await;
    put(&s.one, &grouped(2, "g"), NOW).await;
    let first = next(&s.one, LONG).await;
    assert!(s.two.aside(&first, SHORT).await.expect("aside"));
    assert!(!s.one.again(&first, NOW).await.expect("again"), "it is let go of");
    let mut seen = vec![next(&s.one, LONG).await, next(&s.two, LONG).await];
    seen.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(keys(&seen), named(&[&job(1), &job(2)]));
    assert_eq!((seen[0].tries, seen[1].tries), (1, 0));
    assert!(s.one.done(&seen[1]).await.expect("done"));
    assert!(!has(&s.one, "g").await);
    // Aside already.
    assert!(s.one.aside(&seen[0], NOW).await.expect("aside"));
    let again = next(&s.two, LONG).await;
    assert_eq!((&again.key, again.tries), (&job(1).key, 2));
    assert!(s.one.done(&again).await.expect("done"));
    assert_eq!(counts(&s.two).await, (0, 0));
}

/// Whoever died with a job lets others have it in time; whoever was only late can end it no more.
pub async fn a_lost_claim_can_end_nothing(s: Stores) {
    put(&s.one, &grouped(1, "g"), NOW).await;
    put(&s.one, &grouped(2, "g"), NOW).await;
    let late = next(&s.one, SHORT).await;
    let holder = next(&s.two, LONG).await;
    assert_eq!((&holder.key, holder.tries), (&late.key, 1));
    assert!(holder.fence > late.fence, "{} after {}", holder.fence, late.fence);
    let all_refused = async |job: &Job| {
        !s.one.done(job).await.expect("done")
            && !s.one.again(job, NOW).await.expect("again")
            && !s.one.aside(job, NOW).await.expect("aside")
            && !s.one.dead(job, "late").await.expect("dead")
            && !s.one.renew(job, LONG).await.expect("renew")
    };
    assert!(all_refused(&late).await);
    assert_eq!((claim(&s.one, 9).await, counts(&s.one).await), (Vec::new(), (2, 0)));
    assert!(s.two.done(&holder).await.expect("done"));
    assert!(all_refused(&holder).await && all_refused(&late).await);
    // Also while nobody else has it.
    let late = next(&s.one, SHORT).await;
    let end = Instant::now() + Duration::from_secs(30);
    while s.one.renew(&late, SHORT).await.expect("renew") {
        assert!(Instant::now() < end, "it never expires");
        tokio::time::sleep(SHORT * 2).await;
    }
    assert!(all_refused(&late).await);
    assert_eq!(next(&s.two, LONG).await.key, job(2).key);
}

/// A claim that is renewed stays, when others of its time have expired.
pub async fn a_renewed_claim_stays(s: Stores) {
    put(&s.one, &job(1), NOW).await;
    put(&s.one, &job(2), NOW).await;
    let claimed = s.one.claim(KIND, 9, Duration::from_secs(2)).await.expect("claim");
    let [kept, left] = [1, 2].map(|n| claimed.iter().find(|j| j.key == job(n).key).expect("claimed"));
    assert!(s.two.renew(kept, LONG).await.expect("renew"));
    assert_eq!(next(&s.one, LONG).await.key, left.key);
    assert_eq!(claim(&s.two, 9).await, []);
    assert!(s.one.done(kept).await.expect("done"), "with the claim it had");
}

/// What is dead is kept, told and counted, comes alive when asked to or put in again, and is forgotten in time.
pub async fn dead_jobs_are_kept(s: Stores) {
    for n in 1..=5 {
        put(&s.one, &grouped(n, "g"), NOW).await;
        let job = next(&s.one, LONG).await;
        assert!(s.two.dead(&job, &format!("why {n}")).await.expect("dead"));
    }
    assert_eq!((claim(&s.one, 9).await, counts(&s.two).await), (Vec::new(), (0, 5)));
    let (mut dead, mut request, mut last_died) = (Vec::new(), PageRequest::first(2), None);
    for _ in 0..3 {
        let page = s.two.dead_jobs(KIND, &request).await.expect("dead jobs");
        last_died = page.items.last().map(|d| d.died).or(last_died);
        dead.extend(page.items.into_iter().map(|d| (d.key, d.payload, d.why)));
        request.cursor = page.next;
    }
    let want = (1..=5).map(|n| (job(n).key, job(n).payload, format!("why {n}")));
    assert_eq!((dead, request.cursor), (want.collect(), None));
    assert!(last_died.is_some());
    assert_eq!(s.two.counts(KIND).await.expect("counted").last_died, last_died);
    let bad = PageRequest { cursor: Some("x".to_owned()), limit: 1 };
    assert!(matches!(s.one.dead_jobs(KIND, &bad).await, Err(StoreError::BadCursor)));

    let some = [job(3).key, job(1).key, "none".to_owned()];
    assert_eq!(s.one.revive(KIND, &some, NOW).await.expect("revive"), 2);
    assert_eq!(s.one.revive(KIND, &some, NOW).await.expect("revive"), 0, "they live");
    for n in [1, 3] {
        let back = next(&s.two, LONG).await;
        assert_eq!((&back.key, back.revived, back.tries), (&job(n).key, true, 0), "in its group");
        assert!(s.two.done(&back).await.expect("done"));
    }
    put(&s.one, &NewJob { payload: "new".to_owned(), ..job(2) }, NOW).await;
    let new = next(&s.one, LONG).await;
    assert_eq!((new.payload.as_str(), new.revived), ("new", false));
    assert_eq!(s.one.forget(KIND, LONG).await.expect("forget"), 0);
    assert_eq!(counts(&s.one).await, (1, 2));
    let end = Instant::now() + Duration::from_secs(30);
    let mut forgotten = 0;
    while forgotten < 2 && Instant::now() < end {
        forgotten += s.one.forget(KIND, Duration::ZERO).await.expect("forget");
    }
    assert_eq!(counts(&s.one).await, (1, 0), "what lives stays");
}

/// Several holders at once: no job and no group is ever in two hands, each group is taken in order, and nothing is left.
pub async fn of_many_holders_one_has_a_job(s: Stores) {
    let (groups, of_each) = (12, 6);
    for n in 0..groups * of_each {
        put(&s.one, &grouped(n, &format!("g{}", n % groups)), NOW).await;
        put(&s.two, &NewJob { key: format!("alone {n}"), ..job(n) }, NOW).await;
    }
    let held = Arc::new(Mutex::new(BTreeSet::new()));
    let ended: Arc<Mutex<BTreeMap<String, Vec<String>>>> = Arc::default();
    let mut holders = JoinSet::new();
    for holder in 0..6_usize {
        let store = Arc::clone(if holder % 2 == 0 { &s.one } else { &s.two });
        let (held, ended) = (Arc::clone(&held), Arc::clone(&ended));
        holders.spawn(async move {
            let mut idle = 0;
            while idle < 40 {
                let claimed = claim(&store, 5).await;
                idle = if claimed.is_empty() { idle + 1 } else { 0 };
                if claimed.is_empty() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                for job in claimed {
                    assert!(held.lock().expect("unpoisoned").insert(job.lane.clone()), "{} twice", job.lane);
                    tokio::task::yield_now().await;
                    assert!(held.lock().expect("unpoisoned").remove(&job.lane));
                    // Every job once in vain.
                    let held = if job.tries == 0 && holder % 3 == 0 {
                        store.again(&job, NOW).await
                    } else {
                        ended
                            .lock()
                            .expect("unpoisoned")
                            .entry(job.lane.clone())
                            .or_default()
                            .push(job.key.clone());
                        store.done(&job).await
                    };
                    assert!(held.expect("ended"), "{job:?}");
                }
            }
        });
    }
    holders.join_all().await;
    assert_eq!(counts(&s.one).await, (0, 0));
    let ended = ended.lock().expect("unpoisoned");
    assert_eq!(ended.values().map(Vec::len).sum::<usize>() as i64, 2 * groups * of_each);
    assert!(ended.values().all(|keys| keys.is_sorted()), "{ended:#?}");
}

/// Names and payloads are stored as they are: no operators, no paths, no ends of text.
pub async fn texts_of_strangers_are_only_texts(s: Stores) {
    let odd =
        "{\"$gt\": 0} $set a.b.c $$NOW \u{0} '; DROP TABLE jobs; -- \u{202e}\u{feff}\r\n\t 日本 \u{1F600} "
            .to_owned()
            + &"x".repeat(100_000);
    let odd = NewJob {
        key: format!("$k.{}", &odd[..60]),
        group: Some(odd[..60].to_owned()),
        payload: odd,
        ..job(1)
    };
    put(&s.one, &odd, NOW).await;
    put(&s.two, &odd, NOW).await;
    let claimed = next(&s.two, LONG).await;
    assert_eq!((&claimed.key, &claimed.payload), (&odd.key, &odd.payload));
    assert!(s.one.dead(&claimed, "$why \u{0}").await.expect("dead"));
    let dead = s.one.dead_jobs(KIND, &PageRequest::first(9)).await.expect("dead jobs").items;
    assert_eq!((dead.len(), dead[0].why.as_str(), &dead[0].payload), (1, "$why \u{0}", &odd.payload));
    assert_eq!(s.two.revive(KIND, std::slice::from_ref(&odd.key), NOW).await.expect("revive"), 1);
    let back = next(&s.one, LONG).await;
    assert!(s.one.aside(&back, NOW).await.expect("aside"));
    assert!(s.one.done(&next(&s.two, LONG).await).await.expect("done"));
}

/// What seems to wait longer than anything may was put off before the store's clock was set back. `put_off` makes all
/// that waits or is held do so for a time from now.
pub async fn a_clock_that_was_ahead_puts_nothing_off_for_long(s: Stores, put_off: impl AsyncFn(Duration)) {
    put(&s.one, &job(1), LONG).await;
    let minute = Duration::from_secs(60);
    put_off(LONGEST_WAIT - minute).await;
    assert_eq!(claim(&s.two, 9).await, []);
    put_off(LONGEST_WAIT + minute).await;
    let late = next(&s.two, LONG).await;
    put_off(LONGEST_WAIT + minute).await;
    let holder = next(&s.one, LONG).await;
    assert_eq!(holder.tries, 1);
    assert!(!s.two.done(&late).await.expect("done"));
    assert!(s.one.done(&holder).await.expect("done"));
}

/// What waits or is held does so for as long as it was to, from when the store's clock was set back. `open` opens the store
/// anew, by which it looks for that; `set_back` has the times of all that waits or is held lie so much later.
pub async fn what_was_put_off_by_a_clock_that_is_set_back_waits_no_longer(
    open: impl AsyncFn() -> Arc<dyn Queue>,
    set_back: impl AsyncFn(Duration),
) {
    let store = open().await;
    let pause = Duration::from_millis(300);
    // One that waits, one that was tried, one that somebody held who died, and one whose holder lives.
    for n in 1..=4 {
        put(&store, &job(n), if n == 1 { pause } else { NOW }).await;
    }
    let claimed = claim(&store, 9).await;
    let of = |n: i64| claimed.iter().find(|c| c.key == job(n).key).expect("claimed");
    assert!(store.again(of(2), pause).await.expect("again"));
    assert!(store.renew(of(3), pause).await.expect("renew"));
    set_back(Duration::from_secs(80)).await;
    let store = open().await;
    let (began, mut got) = (Instant::now(), BTreeSet::new());
    while got.len() < 3 {
        assert!(began.elapsed() < Duration::from_secs(40), "{got:?}");
        got.extend(claim(&store, 9).await.into_iter().map(|job| job.key));
    }
    assert!(!got.contains(&job(4).key), "its claim holds");
    assert!(store.done(of(4)).await.expect("done"));
    assert!(!store.done(of(3)).await.expect("done"), "its claim is over");
}

/// What waits longer than it may from now on is due within that, the rest as before.
pub async fn what_waits_is_brought_forward(s: Stores) {
    put(&s.one, &job(1), LONG).await;
    put(&s.one, &job(2), NOW).await;
    let held = next(&s.one, LONG).await;
    put(&s.one, &NewJob { kind: JobKind::Probe, ..job(3) }, LONG).await;
    s.two.bring_forward(KIND, LONG * 2).await.expect("brought forward");
    assert_eq!(claim(&s.two, 9).await, []);
    s.two.bring_forward(KIND, SHORT).await.expect("brought forward");
    let (began, key) = (Instant::now(), job(1).key);
    while !claim(&s.two, 9).await.iter().any(|job| job.key == key) {
        assert!(began.elapsed() < Duration::from_secs(40));
    }
    assert!(s.one.done(&held).await.expect("done"), "it was held on");
    assert_eq!(s.one.claim(JobKind::Probe, 9, LONG).await.expect("claim"), [], "of another kind");
}

/// A job that cannot be read holds up nobody, and is told. `spoil` makes the job with a key unreadable.
pub async fn jobs_that_cannot_be_read_are_left_out(s: Stores, spoil: impl AsyncFn(String)) {
    for n in 1..=3 {
        put(&s.one, &grouped(n, if n < 3 { "g" } else { "h" }), NOW).await;
    }
    assert_eq!(s.two.left_out(), Vec::<String>::new());
    spoil(job(1).key).await;
    let claimed = claim(&s.two, 9).await;
    assert_eq!(keys(&claimed), named(&[&job(2), &job(3)]));
    assert_eq!(s.two.left_out().len(), 1, "{:?}", s.two.left_out());
    for job in &claimed {
        assert!(s.one.done(job).await.expect("done"));
    }
    assert_eq!(counts(&s.one).await, (1, 0), "it is still there");
}

/// A claim that is let go of as if it had not been has used up no try; all others do.
pub async fn what_is_postponed_has_no_try_more(s: Stores) {
    put(&s.one, &grouped(1, "g"), NOW).await;
    for tries in [0, 1] {
        for _ in 0..3 {
            let held = next(&s.two, LONG).await;
            assert_eq!(held.tries, tries);
            assert!(s.one.postpone(&held, NOW).await.expect("postponed"));
            assert!(!s.one.postpone(&held, NOW).await.expect("lost"), "it is not held any more");
        }
        let held = next(&s.one, LONG).await;
        assert!(s.two.again(&held, NOW).await.expect("put off"));
    }
    let held = next(&s.one, LONG).await;
    assert!(s.one.postpone(&held, LONG).await.expect("postponed"));
    assert!(claim(&s.two, 9).await.is_empty(), "it is not due");
}

/// Page by page, by owner, with when it is due and how often it was tried.
pub async fn what_waits_is_told(s: Stores) {
    for n in 0..7 {
        let group = if n < 5 { "src_b/1" } else { "src_a/2" };
        put(&s.one, &grouped(n, group), if n < 5 { NOW } else { LONG }).await;
    }
    put(&s.one, &NewJob { key: "src_b/alone".to_owned(), ..job(9) }, LONG).await;
    let held = next(&s.two, LONG).await;
    assert!(s.two.dead(&held, "no").await.expect("dead"));
    let held = next(&s.two, LONG).await;
    let (mut page, mut seen) = (PageRequest::first(3), Vec::new());
    loop {
        let found = s.one.waiting(KIND, "", &page).await.expect("jobs");
        seen.extend(found.items);
        page.cursor = found.next;
        if page.cursor.is_none() {
            break;
        }
    }
    let told: Vec<_> = seen.iter().map(|j| (j.key.as_str(), j.held)).collect();
    let in_b = |n: i64| (format!("job {n:04}"), true);
    let mut want: Vec<(String, bool)> = (1..5).map(in_b).collect();
    want.extend([
        ("job 0005".to_owned(), false),
        ("job 0006".to_owned(), false),
        ("src_b/alone".to_owned(), false),
    ]);
    assert_eq!(told, want.iter().map(|(key, held)| (key.as_str(), *held)).collect::<Vec<_>>());
    assert!(seen.iter().all(|j| j.due.is_some() && j.tries == u32::from(j.held)), "{seen:?}");
    assert_eq!((&seen[0].payload, seen[0].came), (&held.payload, held.came));
    let shares = s.one.shares(KIND).await.expect("shares");
    let told: Vec<_> = shares.iter().map(|s| (s.of.as_str(), s.waiting, s.dead, s.oldest)).collect();
    assert_eq!(told, [("src_a", 2, 0, Some(at(5))), ("src_b", 5, 1, Some(at(1)))]);
    assert!(shares.iter().all(|s| s.next.is_some()));
    assert_eq!(s.two.counts(KIND).await.expect("counted").oldest, Some(at(1)), "what is dead waits no more");
    let mut page = PageRequest::first(2);
    let first = s.two.waiting(KIND, "job 000", &page).await.expect("jobs");
    assert_eq!(first.items.iter().map(|j| j.key.as_str()).collect::<Vec<_>>(), ["job 0001", "job 0002"]);
    page.cursor = first.next;
    assert_eq!(s.two.waiting(KIND, "job 0003", &page).await.expect("jobs").items.len(), 1);
    assert_eq!(s.two.waiting(KIND, "src_b/", &PageRequest::first(9)).await.expect("jobs").items.len(), 1);
    assert!(s.two.waiting(KIND, "job 0000", &PageRequest::first(9)).await.expect("jobs").items.is_empty());
    assert!(s.one.shares(JobKind::Probe).await.expect("none").is_empty());
}

/// Of a kind whose keys say the order, a group is done in it, whichever clocks those that put jobs in had.
pub async fn where_keys_say_the_order_clocks_do_not(s: Stores) {
    let of = |n: i64, came| NewJob {
        kind: JobKind::SourcePostback,
        key: format!("src_a/c/{n}"),
        group: Some("src_a/c".to_owned()),
        came: at(came),
        payload: String::new(),
    };
    put(&s.one, &of(2, 1), NOW).await;
    put(&s.two, &of(1, 9_000), NOW).await;
    let first = s.one.claim(JobKind::SourcePostback, 9, LONG).await.expect("claim");
    assert_eq!(first.iter().map(|j| j.key.as_str()).collect::<Vec<_>>(), ["src_a/c/1"]);
    assert!(s.one.dead(&first[0], "no").await.expect("dead"));
    // One that is revived waits from then on.
    assert_eq!(s.two.revive(JobKind::SourcePostback, &[of(1, 0).key], NOW).await.expect("revived"), 1);
    let again = s.one.claim(JobKind::SourcePostback, 9, LONG).await.expect("claim");
    assert_eq!((again[0].key.as_str(), again[0].came == at(9_000)), ("src_a/c/1", false));
}

/// Those that are revived together are due one after the other; each says when it died.
pub async fn what_is_revived_is_spread(s: Stores) {
    let all: Vec<String> = (0..4).map(|n| job(n).key).collect();
    for n in 0..4 {
        put(&s.one, &job(n), NOW).await;
        let held = next(&s.two, LONG).await;
        assert!(s.two.dead(&held, "no").await.expect("dead"));
    }
    let died = s.one.dead_jobs(KIND, &PageRequest::first(9)).await.expect("dead").items;
    let now = crate::clock::now().as_second();
    assert!(died.iter().all(|job| (job.died.as_second() - now).abs() < 3_600), "{died:?}");
    assert!(died.windows(2).all(|two| two[0].died <= two[1].died), "{died:?}");
    assert_eq!(s.one.revive(KIND, &all, LONG).await.expect("revived"), 4);
    assert_eq!(keys(&claim(&s.two, 9).await), [job(0).key.as_str()].into());
    let waiting = s.two.waiting(KIND, "", &PageRequest::first(9)).await.expect("jobs").items;
    let due: Vec<i64> = waiting[1..].iter().filter_map(|j| Some(j.due?.as_second())).collect();
    assert!(due.windows(2).all(|two| (149..=151).contains(&(two[1] - two[0]))), "{due:?}");
}

/// What waits for its next try can be tried now: its tries count on, what is held stays as it is, and of many who hurry it and
/// claim it one has it.
pub async fn what_waits_can_be_hurried(s: Stores) {
    let hurry = async |store: &Arc<dyn Queue>, n| store.hurry(KIND, &job(n).key).await.expect("asked");
    assert_eq!(hurry(&s.one, 1).await, Hurried::Gone, "there is none");
    put(&s.one, &grouped(1, "g"), LONG).await;
    put(&s.one, &grouped(2, "g"), LONG).await;
    assert_eq!(claim(&s.two, 9).await, []);
    assert_eq!(hurry(&s.two, 2).await, Hurried::Due);
    let held = next(&s.one, LONG).await;
    assert_eq!((&held.key, held.tries), (&job(1).key, 0), "the first of its lane");
    assert_eq!((hurry(&s.one, 1).await, hurry(&s.two, 2).await), (Hurried::Held, Hurried::Held));
    assert!(s.two.again(&held, LONG).await.expect("put off"), "its holder has it still");
    assert_eq!(claim(&s.one, 9).await, [], "and put it off");
    let mut racing = JoinSet::new();
    for n in 0..12 {
        let store = Arc::clone(if n % 2 == 0 { &s.one } else { &s.two });
        racing.spawn(async move {
            store.hurry(KIND, &job(1).key).await.expect("asked");
            claim(&store, 9).await
        });
    }
    let mut claimed: Vec<Job> = racing.join_all().await.into_iter().flatten().collect();
    if claimed.is_empty() {
        claimed.push(next(&s.one, LONG).await);
    }
    assert_eq!((claimed.len(), claimed[0].tries), (1, 1), "tries count on: {claimed:?}");
    assert!(s.one.dead(&claimed[0], "no").await.expect("dead"));
    assert_eq!(hurry(&s.one, 1).await, Hurried::Gone, "it does not wait");
    // A claim that is over holds nothing.
    let late = next(&s.two, SHORT).await;
    let end = Instant::now() + Duration::from_secs(30);
    while hurry(&s.one, 2).await == Hurried::Held {
        assert!(Instant::now() < end, "it is held for ever");
    }
    let held = next(&s.one, LONG).await;
    assert_eq!((&held.key, s.two.done(&late).await.expect("late")), (&late.key, false));
    assert!(s.one.done(&held).await.expect("done"));
}

/// What is removed leaves its group to those behind it, also where it is claimed, and can be put in anew.
pub async fn what_is_removed_was_never_there(s: Stores) {
    let (first, second, alone) = (grouped(1, "group"), grouped(2, "group"), job(3));
    for job in [&first, &second, &alone] {
        put(&s.one, job, NOW).await;
    }
    let held = claim(&s.one, 10).await;
    assert_eq!(keys(&held), named(&[&first, &alone]));
    let of_them = [first.key.clone(), alone.key.clone(), "unknown".to_owned()];
    assert_eq!(s.two.remove(KIND, &of_them).await.expect("remove"), 2);
    assert_eq!(s.two.remove(KIND, &of_them).await.expect("remove"), 0, "once");
    assert_eq!(
        s.two.remove(JobKind::Probe, std::slice::from_ref(&second.key)).await.expect("remove"),
        0,
        "of its kind alone"
    );
    for job in &held {
        s.one.done(job).await.expect("ended, whether its claim held or not");
    }
    let next = claim(&s.two, 10).await;
    assert_eq!(keys(&next), named(&[&second]), "what was behind it goes on");
    assert!(s.two.dead(&next[0], "given up").await.expect("dead"));
    assert_eq!(s.one.counts(KIND).await.expect("counts").dead, 1);
    assert_eq!(
        s.one.remove(KIND, std::slice::from_ref(&second.key)).await.expect("remove"),
        1,
        "dead ones too"
    );
    let counts = s.one.counts(KIND).await.expect("counts");
    assert_eq!((counts.waiting, counts.dead), (0, 0));
    put(&s.one, &first, NOW).await;
    assert_eq!(keys(&claim(&s.one, 10).await), named(&[&first]));
}
