//! How alerts stand.

use super::Pair;
use crate::{
    alerts::{AlertLogQuery, AlertStore, Looked},
    page::PageRequest,
    queue::{JobKind, NewJob, Queue},
};
use std::{any::Any, sync::Arc};
use tfx_domain::{
    Timestamp,
    alert::{AlertEvent, AlertState, Happened, Phase, state::Known},
    id::{AlertId, ClickId},
};
use tokio::task::JoinSet;

/// Two handles on one new, empty store, and its queue.
pub struct AlertStores {
    /// One handle.
    pub one: Arc<dyn AlertStore>,
    /// Another, opened by itself.
    pub two: Arc<dyn AlertStore>,
    /// The queue of the same store.
    pub queue: Arc<dyn Queue>,
    /// What has to live as long as the handles.
    pub keep: Box<dyn Any + Send>,
}

impl AlertStores {
    /// Of two handles and a queue.
    pub fn new(stores: Pair<dyn AlertStore>, queue: Arc<dyn Queue>) -> Self {
        Self { one: stores.one, two: stores.two, queue, keep: stores.keep }
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + second).expect("in range")
}

fn alert(n: u32) -> AlertId {
    format!("alr_{n:019}").parse().expect("an id")
}

fn group(text: &str) -> Vec<String> {
    vec![format!("campaign={text}"), "referrer=\u{0}'\"$.\u{1F4A5}".to_owned()]
}

fn line(n: u32, second: i64, of: u32, happened: Happened) -> AlertEvent {
    AlertEvent {
        id: ClickId::generate(at(second), u128::from(n)),
        at: at(second),
        alert: alert(of),
        group: group("a"),
        happened,
        text: "cr 1 \u{0}'\"$.\u{1F4A5}".to_owned(),
    }
}

fn job(key: &str, of: u32) -> NewJob {
    let group = Some(format!("{}/0", alert(of)));
    NewJob { kind: JobKind::Alert, key: key.to_owned(), group, came: at(0), payload: "{}".to_owned() }
}

/// A look at a group, at a version.
fn looked(n: u32, name: &str, version: u64) -> Looked {
    let state = AlertState {
        alert: alert(n),
        group: group(name),
        version,
        phase: if version.is_multiple_of(2) { Phase::Firing } else { Phase::Ok },
        since: at(0),
        fired: None,
        clearing: None,
        no_data: None,
        values: "cr 1 \u{0}'\"$.\u{1F4A5}".to_owned(),
        evaluated_at: at(i64::try_from(version).expect("small")),
        told: Known::Fine,
        untold: None,
        acted: None,
    };
    Looked { state, over: false, log: Vec::new(), jobs: Vec::new() }
}

async fn log(store: &Arc<dyn AlertStore>, of: Option<u32>) -> Vec<AlertEvent> {
    let page = PageRequest::first(1_000);
    let query = AlertLogQuery { alert: of.map(alert), since: None, until: None, page };
    store.log(&query).await.expect("the log").items
}

async fn versions(store: &Arc<dyn AlertStore>, of: Option<u32>) -> Vec<u64> {
    let of = of.map(alert);
    store.states(of.as_ref()).await.expect("states").iter().map(|s| s.state.version).collect()
}

/// The states are the last ones, each with what came of it, through every handle; what is over is forgotten.
pub async fn how_alerts_stand_is_kept(s: AlertStores) {
    assert!(s.one.states(None).await.expect("none").is_empty() && log(&s.two, None).await.is_empty());
    s.one.save(&[]).await.expect("nothing to save");
    s.one.save(&[looked(1, "a", 1), looked(1, "b", 1), looked(2, "a", 1)]).await.expect("save");
    let mut next = looked(1, "a", 2);
    next.log = vec![line(1, 10, 1, Happened::Fired)];
    next.jobs = vec![job("one", 1), job("two", 1)];
    s.two.save(&[next.clone(), looked(1, "b", 2)]).await.expect("save");
    for store in [&s.one, &s.two] {
        assert_eq!(versions(store, None).await, [2, 2, 1]);
        assert_eq!(versions(store, Some(1)).await, [2, 2]);
        assert!(versions(store, Some(9)).await.is_empty());
        let states = store.states(Some(&alert(1))).await.expect("states");
        assert_eq!((&states[0].state, states[0].sent_at), (&next.state, None));
        assert_eq!(log(store, None).await, next.log);
    }
    let waiting = s.queue.waiting(JobKind::Alert, "", &PageRequest::first(9)).await.expect("jobs").items;
    assert_eq!(waiting.iter().map(|j| j.key.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    let mut over = looked(1, "a", 3);
    (over.over, over.jobs) = (true, vec![job("three", 1)]);
    s.one.save(&[over]).await.expect("save");
    assert_eq!(versions(&s.two, None).await, [2, 1]);
    assert_eq!(s.queue.counts(JobKind::Alert).await.expect("counts").waiting, 3);
    // It can be seen anew.
    s.two.save(&[looked(1, "a", 1)]).await.expect("save");
    assert_eq!(versions(&s.one, Some(1)).await, [1, 2]);
}

/// What was made of something that is over changes nothing, and leaves neither line nor job behind.
pub async fn a_look_at_what_is_over_is_passed_over(s: AlertStores) {
    s.one.save(&[looked(1, "a", 1)]).await.expect("save");
    s.one.save(&[looked(1, "a", 2)]).await.expect("save");
    for (n, late) in [looked(1, "a", 1), looked(1, "a", 2), looked(1, "a", 5)].into_iter().enumerate() {
        for over in [false, true] {
            let mut late = Looked { over, ..late.clone() };
            late.log = vec![line(7, 7, 1, Happened::Fired)];
            late.jobs = vec![job("late", 1)];
            let other = looked(10 + u32::try_from(n).expect("small"), "x", 1);
            s.two.save(&[late, other]).await.expect("the other of its batch is saved");
        }
    }
    assert_eq!(versions(&s.one, Some(1)).await, [2]);
    assert_eq!(versions(&s.one, None).await, [2, 1, 1, 1]);
    assert!(log(&s.one, None).await.is_empty());
    assert_eq!(s.queue.counts(JobKind::Alert).await.expect("counts").waiting, 0);
}

/// Of simultaneous looks at one group one counts, and puts its job in.
pub async fn of_simultaneous_looks_one_counts(s: AlertStores) {
    for round in 0..10_u32 {
        let mut races = JoinSet::new();
        for n in 0..8_u32 {
            let store = Arc::clone(if n % 2 == 0 { &s.one } else { &s.two });
            let mut one = looked(100 + round, "a", 1);
            one.log = vec![line(100 * round + n, i64::from(n), 100 + round, Happened::Fired)];
            one.jobs = vec![job(&format!("{round}-{n}"), 100 + round)];
            races.spawn(async move { store.save(&[one]).await });
        }
        while let Some(saved) = races.join_next().await {
            saved.expect("no panic").expect("saved or passed over");
        }
        assert_eq!(log(&s.one, Some(100 + round)).await.len(), 1);
    }
    assert_eq!(s.queue.counts(JobKind::Alert).await.expect("counts").waiting, 10);
}

/// The log comes in pages, newest first, of a time and of a rule; a line that is written twice is one, and what was sent is
/// the last sending of its group.
pub async fn the_log_of_alerts_comes_in_pages(s: AlertStores) {
    s.one.save(&[looked(1, "a", 1), looked(1, "b", 1)]).await.expect("save");
    let lines: Vec<AlertEvent> = (0..40_u32)
        .map(|n| line(n, i64::from(n / 4), 1 + n % 2, if n == 20 { Happened::Sent } else { Happened::Fired }))
        .collect();
    s.one.append(&lines).await.expect("append");
    s.two.append(&lines[3..5]).await.expect("again");
    s.two.append(&[]).await.expect("nothing");
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest { cursor, limit: 7 };
        let query = AlertLogQuery { alert: None, since: None, until: None, page };
        let page = s.two.log(&query).await.expect("a page");
        found.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let mut want = lines.clone();
    want.reverse();
    want.sort_by_key(|l| (std::cmp::Reverse(l.at), std::cmp::Reverse(l.id)));
    assert_eq!(found, want);
    assert_eq!(log(&s.one, Some(2)).await.len(), 20);
    let page = PageRequest::first(100);
    let query = AlertLogQuery { alert: None, since: Some(at(2)), until: Some(at(4)), page };
    assert_eq!(s.one.log(&query).await.expect("a window").items.len(), 8);
    let bad = PageRequest { cursor: Some("nonsense".to_owned()), limit: 7 };
    let query = AlertLogQuery { alert: None, since: None, until: None, page: bad };
    assert!(matches!(s.one.log(&query).await, Err(crate::StoreError::BadCursor)));
    let sent: Vec<_> = s.two.states(None).await.expect("states").iter().map(|s| s.sent_at).collect();
    assert_eq!(sent, [Some(at(5)), None]);
    // A look leaves the last sending.
    s.one.save(&[looked(1, "a", 2)]).await.expect("save");
    assert_eq!(s.one.states(None).await.expect("states")[0].sent_at, Some(at(5)));
    // Written anew a line stands where it stood; one that is not there is not made.
    let anew = AlertEvent { group: vec!["sub1=".to_owned()], ..found[3].clone() };
    s.one.rewrite(&[anew.clone(), line(77, 77, 1, Happened::Fired)]).await.expect("rewrite");
    s.two.rewrite(&[]).await.expect("nothing");
    found[3] = anew;
    assert_eq!(log(&s.two, None).await, found);
    assert_eq!(s.two.forget_log(at(5)).await.expect("forget"), 20);
    assert_eq!(log(&s.one, None).await.len(), 20);
}
