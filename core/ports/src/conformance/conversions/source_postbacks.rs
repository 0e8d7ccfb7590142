//! What traffic sources are told: jobs that are written with the states that cause them.

use super::kit::{at, click, conversion, expect, record, report, reported, usd};
use crate::{
    conversions::ConversionStore,
    page::PageRequest,
    queue::{Job, JobKind, Queue, WaitingJob},
};
use std::{any::Any, collections::BTreeSet, sync::Arc, time::Duration};
use tfx_domain::{
    event::PostbackResult::{Duplicate, Recorded, Stale, Updated},
    id::SourceId,
    postback::{ConversionStatus, Incoming},
    source_postback::{SourcePostback, Subscription},
};
use tokio::task::JoinSet;

/// Two handles on one new, empty store of conversions, and the queue beside it.
pub struct SourcePostbackStores {
    /// One handle.
    pub one: Arc<dyn ConversionStore>,
    /// Another, opened by itself.
    pub two: Arc<dyn ConversionStore>,
    /// The queue of the same store.
    pub queue: Arc<dyn Queue>,
    /// What has to live as long as they do.
    pub keep: Box<dyn Any + Send>,
}

/// A source that asks for these states.
fn asking(states: &str) -> Subscription {
    let on: Vec<ConversionStatus> = states.split(' ').map(|s| s.parse().expect("a status")).collect();
    Subscription {
        source: SourceId::generate(at(0), 1 << 30),
        on: Some(on),
        delay: Duration::ZERO,
        first_only: false,
        external_id: "their click 'é' {$set}".to_owned(),
        cost: Some(usd("0.25")),
    }
}

/// The same report, of a click of such a source.
fn told(asked: &Subscription, report: Incoming) -> Incoming {
    Incoming { tell: Some(asked.clone()), ..report }
}

async fn waiting(s: &SourcePostbackStores) -> Vec<WaitingJob> {
    s.queue.waiting(JobKind::SourcePostback, "", &PageRequest::first(1_000)).await.expect("jobs").items
}

/// `transaction status` of what waits to be told, in order.
async fn states(s: &SourcePostbackStores) -> Vec<String> {
    let read = |job: WaitingJob| {
        let tell: SourcePostback = serde_json::from_str(&job.payload).expect("what is told");
        assert_eq!((tell.key(), tell.conversion.version > 0), (job.key, true));
        format!("{} {}", tell.conversion.transaction_id.unwrap_or_default(), tell.conversion.status)
    };
    let mut all: Vec<String> = waiting(s).await.into_iter().map(read).collect();
    all.sort();
    all
}

/// Of each state that is asked for one job, with all that is needed to tell of it; nothing of what changes no state.
pub async fn a_state_is_written_with_its_job(s: SourcePostbackStores) {
    let asked = asking("lead sale");
    expect(&s.one, &reported(1, "nobody asks", "lead"), Recorded).await;
    assert_eq!(states(&s).await, [""; 0]);
    expect(&s.one, &told(&asked, reported(2, "A", "lead")), Recorded).await;
    expect(&s.two, &told(&asked, reported(3, "A", "lead")), Duplicate).await;
    expect(&s.two, &told(&asked, Incoming { revenue: usd("9"), ..reported(4, "A", "lead") }), Updated).await;
    assert_eq!(states(&s).await, ["A lead"], "another payout is no other state");
    let sale = expect(&s.two, &told(&asked, reported(5, "A", "sale")), Updated).await;
    expect(&s.one, &told(&asked, reported(6, "A", "lead")), Stale).await;
    expect(&s.one, &told(&asked, reported(7, "A", "rejected")), Updated).await;
    assert_eq!(states(&s).await, ["A lead", "A sale"], "it does not ask for what is rejected");
    let last = waiting(&s).await.pop().expect("there");
    let tell: SourcePostback = serde_json::from_str(&last.payload).expect("read");
    assert_eq!(tell, SourcePostback::new(&asked, &sale, at(5)));
    // Those of one conversion are told one after the other, in order.
    let claimed = s.queue.claim(JobKind::SourcePostback, 9, Duration::from_secs(600)).await.expect("claim");
    assert_eq!(claimed.iter().map(|j| j.payload.contains("\"lead\"")).collect::<Vec<_>>(), [true]);
    // Nothing else waits for it.
    let beside = Incoming { click_id: click(2), ..reported(8, "B", "sale") };
    expect(&s.two, &told(&asked, beside), Recorded).await;
    let claimed = s.queue.claim(JobKind::SourcePostback, 9, Duration::from_secs(600)).await.expect("claim");
    assert_eq!(claimed.iter().map(|j| j.payload.contains("\"sale\"")).collect::<Vec<_>>(), [true]);
}

/// Whoever reports it, however often, and whatever it becomes meanwhile.
pub async fn a_state_is_told_once_for_good(s: SourcePostbackStores) {
    let asked = asking("sale rejected aproved");
    let mut racing = JoinSet::new();
    for n in 1_000..1_060 {
        let store = Arc::clone(if n % 2 == 0 { &s.one } else { &s.two });
        let same = told(&asked, Incoming { new_id: conversion(n), ..report(1, "T") });
        racing.spawn(async move { record(&store, &same).await });
    }
    racing.join_all().await;
    assert_eq!(states(&s).await, ["T sale"]);
    let all: Vec<Job> =
        s.queue.claim(JobKind::SourcePostback, 9, Duration::from_secs(600)).await.expect("claim");
    assert!(s.queue.done(&all[0]).await.expect("done"));
    // A word that nobody knows gives way to a sale, and comes back.
    let of = |n, tx: &str, status| Incoming { click_id: click(7), ..reported(n, tx, status) };
    let unmapped = |n| told(&asked, Incoming { unmapped: true, ..of(n, "W", "aproved") });
    let word = expect(&s.one, &unmapped(2), Recorded).await;
    expect(&s.two, &told(&asked, of(3, "S", "sale")), Recorded).await;
    assert_eq!(states(&s).await, ["S sale", "W aproved", "W rejected"], "what gave way is told of too");
    for job in s.queue.claim(JobKind::SourcePostback, 9, Duration::from_secs(600)).await.expect("claim") {
        assert!(s.queue.done(&job).await.expect("done"));
    }
    expect(&s.two, &told(&asked, of(4, "S", "rejected")), Updated).await;
    let back = expect(&s.one, &unmapped(5), Updated).await;
    assert_eq!((&back.id, back.status.as_str()), (&word.id, "aproved"));
    let told_of = states(&s).await;
    assert!(told_of.contains(&"W aproved".to_owned()), "it came into it once more: {told_of:?}");
    expect(&s.two, &unmapped(6), Duplicate).await;
    expect(&s.two, &told(&asked, of(7, "W", "rejected")), Updated).await;
    let told_of = states(&s).await;
    assert_eq!(told_of.iter().filter(|s| *s == "W rejected").count(), 2, "a second refusal: {told_of:?}");
}

/// `transaction status` of what is of the first conversions of their clicks, in order.
async fn firsts(s: &SourcePostbackStores) -> Vec<String> {
    let read = |job: WaitingJob| serde_json::from_str::<SourcePostback>(&job.payload).expect("what is told");
    let firsts = waiting(s).await.into_iter().map(read).filter(|tell| !tell.not_first);
    let mut all: Vec<String> = firsts
        .map(|t| format!("{} {}", t.conversion.transaction_id.unwrap_or_default(), t.conversion.status))
        .collect();
    all.sort();
    all
}

/// The first conversion of a click that is told has it: in all its states, and no other. The others have jobs that say that
/// they are not the first, so whoever sends ends them with a line.
pub async fn only_the_first_of_a_click_is_told(s: SourcePostbackStores) {
    let asked = Subscription { first_only: true, ..asking("lead sale") };
    let of = |n: i64, tx: &str, status| {
        told(&asked, Incoming { allow_upsell: true, click_id: click(1), ..reported(n, tx, status) })
    };
    expect(&s.one, &of(1, "not asked for", "rebill"), Recorded).await;
    let mut racing = JoinSet::new();
    for n in 0..20 {
        let store = Arc::clone(if n % 2 == 0 { &s.one } else { &s.two });
        let lead = of(10 + n, &format!("T{n}"), "lead");
        racing.spawn(async move { record(&store, &lead).await });
    }
    racing.join_all().await;
    let first = firsts(&s).await;
    assert_eq!((first.len(), states(&s).await.len()), (1, 20), "{first:?}");
    let name = first[0].split(' ').next().expect("a name").to_owned();
    for n in 0..20 {
        expect(&s.one, &of(100 + n, &format!("T{n}"), "sale"), Updated).await;
    }
    assert_eq!(firsts(&s).await, [format!("{name} lead"), format!("{name} sale")]);
    assert_eq!(states(&s).await.len(), 40);
    let other = Incoming { click_id: click(2), ..of(200, "other click", "sale") };
    let elsewhere = Subscription { source: SourceId::generate(at(0), 2 << 30), ..asked.clone() };
    expect(&s.two, &other, Recorded).await;
    expect(&s.two, &told(&elsewhere, of(201, "other source", "sale")), Recorded).await;
    assert_eq!(firsts(&s).await.len(), 4);
}

/// Where only the first of a click is told, the sale that takes the place of a word that nobody knows is the first, and what
/// gave way is no news to a source that was not told of it.
pub async fn what_gives_way_is_told_only_after_what_it_was(s: SourcePostbackStores) {
    let report = |n, tx: &str, status: &str, asked: &Subscription| {
        let unmapped = status == "aproved";
        told(asked, Incoming { unmapped, click_id: click(7), ..reported(n, tx, status) })
    };
    let asked = Subscription { first_only: true, ..asking("sale rejected") };
    expect(&s.one, &report(1, "W", "aproved", &asked), Recorded).await;
    expect(&s.two, &report(2, "S", "sale", &asked), Recorded).await;
    assert_eq!(states(&s).await, ["S sale"]);
    // In one batch, and without a limit.
    let asked = Subscription { source: SourceId::generate(at(0), 2 << 30), ..asking("sale rejected") };
    let batch = [report(3, "W2", "aproved", &asked), report(4, "S2", "sale", &asked)];
    let batch = batch.map(|r| Incoming { click_id: click(8), ..r });
    s.one.record(&batch).await.expect("a batch");
    assert_eq!(states(&s).await, ["S sale", "S2 sale"]);
    let asked =
        Subscription { source: SourceId::generate(at(0), 3 << 30), ..asking("aproved sale rejected") };
    let batch = [report(5, "W3", "aproved", &asked), report(6, "S3", "sale", &asked)];
    let batch = batch.map(|r| Incoming { click_id: click(9), ..r });
    s.two.record(&batch).await.expect("a batch");
    let of_three: Vec<String> = states(&s).await.into_iter().filter(|s| s.contains('3')).collect();
    assert_eq!(of_three, ["S3 sale", "W3 aproved", "W3 rejected"]);
}

/// Whether it is the first of its click is in the job also where what the source asks for is not known.
pub async fn who_is_first_is_known_also_of_a_source_that_cannot_be_read(s: SourcePostbackStores) {
    let asked = Subscription::unsure(SourceId::generate(at(0), 1 << 30), "", None);
    let of = |n, tx: &str| {
        told(&asked, Incoming { allow_upsell: true, click_id: click(1), ..reported(n, tx, "sale") })
    };
    s.one.record(&[of(1, "A"), of(2, "B")]).await.expect("a batch");
    expect(&s.two, &of(3, "C"), Recorded).await;
    let mut all: Vec<(Option<String>, bool, bool)> = Vec::new();
    for job in waiting(&s).await {
        let tell: SourcePostback = serde_json::from_str(&job.payload).expect("read");
        all.push((tell.conversion.transaction_id, tell.not_first, tell.unsure));
    }
    all.sort();
    let of = |tx: &str, not_first| (Some(tx.to_owned()), not_first, true);
    assert_eq!(all, [of("A", false), of("B", true), of("C", true)]);
}

/// A batch tells of every state of it; one that is not recorded tells of nothing.
pub async fn a_batch_tells_of_all_or_of_nothing(s: SourcePostbackStores) {
    let asked = asking("lead sale");
    let clicks = |n: i64| click(n.unsigned_abs().into());
    let leads: Vec<Incoming> = (1..=300)
        .map(|n| told(&asked, Incoming { click_id: clicks(n), ..reported(n, &format!("T{n:03}"), "lead") }))
        .collect();
    let mut both = leads.clone();
    both.extend(leads[..100].iter().map(|lead| Incoming { status: ConversionStatus::Sale, ..lead.clone() }));
    s.one.record(&both).await.expect("a batch");
    assert_eq!(states(&s).await.len(), 400);
    // Of each conversion the lead first.
    let claimed =
        s.queue.claim(JobKind::SourcePostback, 1_000, Duration::from_secs(600)).await.expect("claim");
    assert_eq!(claimed.len(), 300);
    assert!(claimed.iter().all(|job| job.key.ends_with("000001-lead")));
    let taken = leads[0].new_id.clone();
    let beside = told(&asked, Incoming { click_id: click(901), ..reported(901, "N", "lead") });
    let of_another =
        told(&asked, Incoming { new_id: taken, click_id: click(902), ..reported(902, "M", "lead") });
    s.two.record(&[beside, of_another]).await.expect_err("the id is taken");
    let keys: BTreeSet<String> = waiting(&s).await.into_iter().map(|j| j.key).collect();
    assert_eq!(keys.len(), 400);
    // Test traffic is told to nobody.
    let mut test = told(&asked, reported(903, "test", "sale"));
    test.click.test = true;
    expect(&s.one, &Incoming { click_id: click(903), ..test }, Recorded).await;
    assert_eq!(waiting(&s).await.len(), 400);
}

/// One that is to be told later is not due before.
pub async fn what_is_told_later_waits(s: SourcePostbackStores) {
    let asked = Subscription { delay: Duration::from_secs(86_400), ..asking("sale") };
    let now = Incoming { at: crate::clock::now(), ..report(1, "T") };
    expect(&s.one, &told(&asked, now), Recorded).await;
    let at_once = told(
        &Subscription { delay: Duration::ZERO, ..asked.clone() },
        Incoming { click_id: click(2), ..report(2, "U") },
    );
    expect(&s.one, &at_once, Recorded).await;
    let claimed = s.queue.claim(JobKind::SourcePostback, 9, Duration::from_secs(600)).await.expect("claim");
    assert_eq!(claimed.len(), 1);
    assert!(claimed[0].payload.contains("tx:U"), "{claimed:?}");
    // Of however many that wait for later none holds up one of another conversion.
    for n in 3..40_i64 {
        let at = crate::clock::now();
        let later = Incoming { click_id: click(n.unsigned_abs().into()), at, ..report(n, &format!("L{n}")) };
        expect(&s.one, &told(&asked, later), Recorded).await;
        let now = Incoming { click_id: click(n.unsigned_abs().into()), ..report(100 + n, &format!("N{n}")) };
        let now = Incoming {
            allow_upsell: true,
            ..told(&Subscription { delay: Duration::ZERO, ..asked.clone() }, now)
        };
        expect(&s.one, &now, Recorded).await;
    }
    let claimed = s.queue.claim(JobKind::SourcePostback, 99, Duration::from_secs(600)).await.expect("claim");
    assert_eq!(claimed.len(), 37);
    assert!(claimed.iter().all(|job| job.payload.contains("tx:N")));
}

/// Claims the next state that is to be told.
async fn next(s: &SourcePostbackStores, of: &str) -> Job {
    let mut all = s.queue.claim(JobKind::SourcePostback, 1, Duration::from_secs(600)).await.expect("claim");
    let job = all.pop().expect("one is due");
    let tell: SourcePostback = serde_json::from_str(&job.payload).expect("what is told");
    let is = format!("{} {}", tell.conversion.transaction_id.unwrap_or_default(), tell.conversion.status);
    assert_eq!(is, of);
    job
}

/// Who is given up, or rightly not told, before its source was told of it is the first of its click no more: the next state
/// of another conversion is. Who was told of once, or waits to be, stays the first.
pub async fn what_is_given_up_gives_back_its_place(s: SourcePostbackStores) {
    let asked = Subscription { first_only: true, ..asking("lead sale") };
    let of = |n: i64, tx: &str, status| {
        let at = Incoming { allow_upsell: true, click_id: click(1), ..reported(n, tx, status) };
        told(&asked, at)
    };
    let is_first = async |job: &Job| {
        let tell: SourcePostback = serde_json::from_str(&job.payload).expect("what is told");
        let (one, two) = (s.one.is_first_told(&tell).await, s.two.is_first_told(&tell).await);
        assert_eq!(one.as_ref().expect("known"), two.as_ref().expect("known"));
        one.expect("known")
    };
    expect(&s.one, &of(1, "A", "lead"), Recorded).await;
    let a_lead = next(&s, "A lead").await;
    expect(&s.one, &of(2, "A", "sale"), Updated).await;
    assert!(s.queue.dead(&a_lead, "it answered 404").await.expect("dead"));
    // Its sale waits, and has the place.
    expect(&s.two, &of(3, "B", "lead"), Recorded).await;
    assert_eq!(firsts(&s).await, ["A sale"]);
    let a_sale = next(&s, "A sale").await;
    assert!(s.queue.dead(&a_sale, "it answered 404").await.expect("dead"));
    expect(&s.two, &of(4, "B", "sale"), Updated).await;
    assert_eq!(firsts(&s).await, ["B sale"], "the place is given back");
    // Who put it in before asks again.
    let b_lead = next(&s, "B lead").await;
    assert!(is_first(&b_lead).await && !is_first(&a_lead).await);
    assert!(s.queue.done(&b_lead).await.expect("done"));
    // Its source was told of B: what comes of that later takes nothing away.
    let b_sale = next(&s, "B sale").await;
    assert!(s.queue.dead(&b_sale, "it answered 404").await.expect("dead"));
    expect(&s.one, &of(5, "C", "sale"), Recorded).await;
    assert_eq!(firsts(&s).await, [""; 0]);
    let c_sale = next(&s, "C sale").await;
    assert!(!is_first(&c_sale).await);
    assert!(s.queue.left(&c_sale).await.expect("left"));
    assert!(!s.queue.left(&c_sale).await.expect("lost"), "it is not held any more");
    // What passed before it was told gives back what it took, too.
    let elsewhere = |n, tx: &str, status| Incoming { click_id: click(2), ..of(n, tx, status) };
    expect(&s.one, &elsewhere(6, "D", "lead"), Recorded).await;
    let d_lead = next(&s, "D lead").await;
    assert!(s.queue.left(&d_lead).await.expect("left"));
    expect(&s.one, &elsewhere(7, "D", "sale"), Updated).await;
    let d_sale = next(&s, "D sale").await;
    assert!(is_first(&d_sale).await);
    assert!(s.queue.dead(&d_sale, "it answered 404").await.expect("dead"), "none of D was told");
    expect(&s.two, &elsewhere(8, "E", "sale"), Recorded).await;
    assert_eq!(firsts(&s).await, ["E sale"]);
}

/// What was given up is told later only if nothing behind it was told meanwhile: of a state that waits or was given up too,
/// nothing was.
pub async fn what_went_ahead_of_what_was_given_up_is_known(s: SourcePostbackStores) {
    let asked = asking("lead sale");
    let report = |n, status| told(&asked, reported(n, "A", status));
    let went_ahead = async |job: &Job| {
        let tell: SourcePostback = serde_json::from_str(&job.payload).expect("what is told");
        let (one, two) = (s.one.is_later_told(&tell).await, s.two.is_later_told(&tell).await);
        assert_eq!(one.as_ref().expect("known"), two.as_ref().expect("known"));
        one.expect("known")
    };
    expect(&s.one, &report(1, "lead"), Recorded).await;
    let lead = next(&s, "A lead").await;
    assert!(s.queue.dead(&lead, "it answered 404").await.expect("dead"));
    expect(&s.two, &report(2, "sale"), Updated).await;
    assert!(!went_ahead(&lead).await, "the sale waits");
    let sale = next(&s, "A sale").await;
    assert!(!went_ahead(&lead).await, "it is under way");
    assert!(s.queue.dead(&sale, "it answered 404").await.expect("dead"));
    assert!(!went_ahead(&lead).await, "it was given up too");
    assert_eq!(
        s.queue
            .revive(JobKind::SourcePostback, std::slice::from_ref(&sale.key), Duration::ZERO)
            .await
            .expect("live"),
        1
    );
    let sale = next(&s, "A sale").await;
    assert!(s.queue.done(&sale).await.expect("done"));
    assert!(went_ahead(&lead).await && !went_ahead(&sale).await);
}
