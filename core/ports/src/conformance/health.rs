//! The health of destinations.

use super::Pair;
use crate::{
    health::{HealthQuery, HealthStore, Probed},
    page::PageRequest,
};
use std::sync::Arc;
use tfx_domain::{
    Timestamp,
    entity::HealthCheck,
    event::HealthEvent,
    health::{DestinationHealth, Probe},
    id::{ClickId, DestinationId},
    routing::Health,
};
use tokio::task::JoinSet;

type Stores = Pair<dyn HealthStore>;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + second).expect("in range")
}

fn destination(n: u32) -> DestinationId {
    format!("dst_{n:019}").parse().expect("an id")
}

/// One bad probe makes it down, one good one up.
fn check() -> HealthCheck {
    serde_json::from_value(serde_json::json!({ "failures": 1, "successes": 1 })).expect("a check")
}

/// What a probe of destination `n` at `second` makes of what was known.
pub(super) fn probed(before: Option<&DestinationHealth>, n: u32, second: i64, healthy: bool) -> Probed {
    let probe = if healthy {
        Probe::answered(&check(), 204, 17, at(second))
    } else {
        Probe::failed("timed_out", "no answer in time \u{0}'\"$.\u{1F4A5}", 2_000, at(second))
    };
    let id = || ClickId::generate(at(second), u128::from(n));
    let (health, change) = DestinationHealth::after(before, &destination(n), &check(), probe, id);
    Probed { health, change }
}

async fn history(store: &Arc<dyn HealthStore>, of: Option<u32>) -> Vec<HealthEvent> {
    let page = PageRequest::first(1_000);
    let query = HealthQuery { destination: of.map(destination), since: None, until: None, page };
    store.history(&query).await.expect("history").items
}

/// The states are the last ones, the changes are all there, through every handle.
pub async fn what_probes_find_out_is_kept(s: Stores) {
    assert!(s.one.all().await.expect("all").is_empty() && s.one.down().await.expect("down").is_empty());
    let first = [probed(None, 1, 0, true), probed(None, 2, 0, false), probed(None, 3, 0, false)];
    s.one.save(&first).await.expect("save");
    s.one.save(&[]).await.expect("nothing to save");
    assert_eq!(s.two.down().await.expect("down"), [destination(2), destination(3)]);
    let second = [
        probed(Some(&first[0].health), 1, 10, true),
        probed(Some(&first[1].health), 2, 11, true),
        probed(Some(&first[2].health), 3, 12, false),
    ];
    s.two.save(&second).await.expect("save");
    for store in [&s.one, &s.two] {
        let all: Vec<_> = second.iter().map(|p| p.health.clone()).collect();
        assert_eq!(store.all().await.expect("all"), all);
        assert_eq!(store.down().await.expect("down"), [destination(3)]);
        let some = store.of(&[destination(3), destination(9)]).await.expect("of");
        assert_eq!(some, [second[2].health.clone()]);
        assert!(store.of(&[]).await.expect("of none").is_empty());
        let changes: Vec<_> = [&second[1], &first[2], &first[1], &first[0]]
            .into_iter()
            .map(|p| p.change.clone().expect("a change"))
            .collect();
        assert_eq!(history(store, None).await, changes);
        assert_eq!(history(store, Some(2)).await, [changes[0].clone(), changes[2].clone()]);
    }
    let states: Vec<_> = s.one.all().await.expect("all").iter().map(|h| (h.state, h.in_a_row)).collect();
    assert_eq!(states, [(Health::Up, 2), (Health::Up, 1), (Health::Down, 2)]);
}

/// What was made of something that is over changes nothing, and leaves no change behind.
pub async fn a_probe_of_what_is_over_is_passed_over(s: Stores) {
    let first = probed(None, 1, 0, true);
    s.one.save(std::slice::from_ref(&first)).await.expect("save");
    let down = probed(Some(&first.health), 1, 10, false);
    s.one.save(std::slice::from_ref(&down)).await.expect("save");
    for late in
        [probed(None, 1, 20, false), probed(Some(&first.health), 1, 20, false), first.clone(), down.clone()]
    {
        s.two.save(&[late, probed(None, 2, 20, true)]).await.expect("the other of its batch is saved");
    }
    assert_eq!(s.one.all().await.expect("all"), [down.health.clone(), probed(None, 2, 20, true).health]);
    assert_eq!(history(&s.one, Some(1)).await.len(), 2);
    assert_eq!(history(&s.one, Some(2)).await.len(), 1);
}

/// Of simultaneous probes of one destination one counts, and one change is told.
pub async fn of_simultaneous_probes_one_counts(s: Stores) {
    for round in 0..10_u32 {
        let mut races = JoinSet::new();
        for n in 0..8 {
            let store = Arc::clone(if n % 2 == 0 { &s.one } else { &s.two });
            let one = probed(None, 100 + round, i64::from(n), n % 3 == 0);
            races.spawn(async move { store.save(&[one]).await });
        }
        while let Some(saved) = races.join_next().await {
            saved.expect("no panic").expect("saved or passed over");
        }
        let known = s
            .one
            .all()
            .await
            .expect("all")
            .into_iter()
            .find(|h| h.destination_id == destination(100 + round));
        let changes = history(&s.two, Some(100 + round)).await;
        assert_eq!(changes.len(), 1);
        assert_eq!(Some(changes[0].to), known.map(|k| k.state));
    }
}

/// Changes wait to be published, oldest first, until they are marked.
pub async fn changes_wait_to_be_published(s: Stores) {
    let mut known: Option<DestinationHealth> = None;
    let mut told = Vec::new();
    for second in 0..20 {
        let next = probed(known.as_ref(), 1, second, second % 3 == 0);
        s.one.save(std::slice::from_ref(&next)).await.expect("save");
        told.extend(next.change.clone());
        known = Some(next.health);
    }
    assert!(told.len() > 10);
    assert_eq!(s.two.unpublished(1_000).await.expect("unpublished"), told);
    assert_eq!(s.two.unpublished(3).await.expect("unpublished"), told[..3]);
    assert!(s.two.unpublished(0).await.expect("unpublished").is_empty());
    let ids: Vec<ClickId> = told[..5].iter().map(|e| e.id).collect();
    s.two.mark_published(&ids).await.expect("mark");
    s.one.mark_published(&ids).await.expect("again");
    s.one.mark_published(&[ClickId::generate(at(0), 7)]).await.expect("nobody's");
    s.one.mark_published(&[]).await.expect("none");
    assert_eq!(s.one.unpublished(1_000).await.expect("unpublished"), told[5..]);
    assert_eq!(history(&s.one, None).await.len(), told.len());
}

/// Pages are complete while the history grows, and bounded by time.
pub async fn history_comes_in_pages(s: Stores) {
    let mut known: Option<DestinationHealth> = None;
    for second in 0..50 {
        // Several in one second: the order is theirs, not the clock's.
        let next = probed(known.as_ref(), 1, second / 4, second % 2 == 0);
        let next = Probed {
            change: next
                .change
                .map(|e| HealthEvent { id: ClickId::generate(e.at, 1_000 + second as u128), ..e }),
            ..next
        };
        s.one.save(std::slice::from_ref(&next)).await.expect("save");
        known = Some(next.health);
    }
    let whole = history(&s.one, None).await;
    assert_eq!(whole.len(), 50);
    assert!(whole.windows(2).all(|w| (w[0].at, w[0].id) > (w[1].at, w[1].id)));
    let (mut all, mut cursor) = (Vec::new(), None);
    for page in 0.. {
        let page_of = PageRequest { cursor, limit: 7 };
        let query = HealthQuery { destination: None, since: None, until: None, page: page_of };
        let found = s.two.history(&query).await.expect("a page");
        all.extend(found.items);
        cursor = found.next;
        if cursor.is_none() {
            break;
        }
        // What comes meanwhile is newer than every page to come.
        let more = probed(None, 200 + page, 10_000, false);
        s.one.save(&[more]).await.expect("save");
    }
    assert_eq!(all, whole);
    let query = HealthQuery {
        destination: Some(destination(1)),
        since: Some(at(3)),
        until: Some(at(5)),
        page: PageRequest::first(100),
    };
    let some = s.two.history(&query).await.expect("some").items;
    assert_eq!(some, whole.iter().filter(|e| (at(3)..at(5)).contains(&e.at)).cloned().collect::<Vec<_>>());
    let query = HealthQuery { page: PageRequest { cursor: Some("x".to_owned()), limit: 1 }, ..query };
    assert!(matches!(s.one.history(&query).await, Err(crate::StoreError::BadCursor)));
}

/// What is not probed any more is not known any more, and can be probed anew; what happened stays told.
pub async fn what_is_forgotten_can_be_probed_anew(s: Stores) {
    let down = probed(None, 1, 0, false);
    s.one.save(&[down, probed(None, 2, 0, false)]).await.expect("save");
    s.two.forget(&[destination(1), destination(9)]).await.expect("forget");
    s.two.forget(&[]).await.expect("nothing");
    assert_eq!(s.one.down().await.expect("down"), [destination(2)]);
    assert_eq!(history(&s.one, Some(1)).await.len(), 1);
    s.one.save(&[probed(None, 1, 30, true)]).await.expect("save");
    assert_eq!(s.two.all().await.expect("all").len(), 2);
    assert_eq!(history(&s.one, Some(1)).await.len(), 2);
}

/// What cannot be read is left out and told, and probed anew. `spoil` is given a table or collection and an id.
pub async fn what_cannot_be_read_is_probed_anew(s: Stores, spoil: impl AsyncFn(&'static str, String)) {
    let probed_first = [probed(None, 1, 0, false), probed(None, 2, 0, false)];
    s.one.save(&probed_first).await.expect("save");
    assert_eq!(s.one.left_out(), Vec::<String>::new());
    let spoiled = probed_first[0].change.clone().expect("a change").id;
    spoil("destination_health", destination(1).to_string()).await;
    spoil("destination_health_history", spoiled.to_string()).await;
    let others = [probed_first[1].change.clone().expect("a change")];
    assert_eq!(s.two.all().await.expect("all"), [probed_first[1].health.clone()]);
    assert_eq!(history(&s.two, None).await, others);
    assert_eq!(s.two.unpublished(1).await.expect("unpublished"), others);
    assert_eq!(s.two.left_out().len(), 2, "{:?}", s.two.left_out());
    s.two.save(&[probed(None, 1, 9, true)]).await.expect("save");
    assert_eq!(s.two.all().await.expect("all").len(), 2);
    assert_eq!(s.two.down().await.expect("down"), [destination(2)]);
}
