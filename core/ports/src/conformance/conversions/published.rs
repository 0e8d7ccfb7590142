//! States that still have to be published.

use super::{
    Stores,
    kit::{at, conversion, expect, report, reported, unpublished},
};
use crate::{conversions::ConversionStore, error::StoreError, page::PageRequest};
use std::sync::Arc;
use tfx_domain::{
    event::PostbackResult::{Duplicate, Recorded, Stale, Updated},
    postback::Incoming,
};

async fn waiting(store: &Arc<dyn ConversionStore>, limit: usize) -> Vec<(String, u64)> {
    let found = unpublished(store, limit).await;
    found.into_iter().map(|c| (c.transaction_id.unwrap_or_default(), c.version)).collect()
}

fn states(of: &[(&str, u64)]) -> Vec<(String, u64)> {
    of.iter().map(|(tx, version)| ((*tx).to_owned(), *version)).collect()
}

/// What was recorded or changed waits, the oldest change first, whole and through every handle, until it is marked.
pub async fn new_states_wait_to_be_published(s: Stores) {
    assert_eq!(waiting(&s.one, 10).await, []);
    // The time of the change counts, not the conversion's own.
    for (n, tx) in [(1, "D"), (2, "A"), (3, "C"), (4, "B")] {
        expect(&s.one, &reported(n, tx, "lead"), Recorded).await;
    }
    expect(&s.two, &reported(5, "A", "rejected"), Updated).await;
    let want = states(&[("D", 1), ("C", 1), ("B", 1), ("A", 2)]);
    for store in [&s.one, &s.two] {
        assert_eq!(waiting(store, 10).await, want);
        assert_eq!(waiting(store, 2).await, want[..2]);
    }
    let c = &unpublished(&s.one, 1).await[0];
    assert_eq!(s.two.get(&c.id).await.expect("get").as_ref(), Some(c), "the whole conversion");

    s.two.mark_published(&[(conversion(3), 1), (conversion(1), 1)]).await.expect("mark");
    assert_eq!(waiting(&s.one, 10).await, states(&[("B", 1), ("A", 2)]));
    s.two.mark_published(&[(conversion(3), 1)]).await.expect("mark again");
    s.one.mark_published(&[(conversion(2), 2), (conversion(4), 1)]).await.expect("mark");
    assert_eq!(waiting(&s.two, 10).await, []);
}

/// A conversion that changed since its state was read stays unpublished; a state it never had marks nothing.
pub async fn a_state_that_moved_on_stays_unpublished(s: Stores) {
    expect(&s.one, &reported(1, "A", "lead"), Recorded).await;
    expect(&s.one, &reported(2, "B", "lead"), Recorded).await;
    expect(&s.two, &report(3, "A"), Updated).await;
    let marks = [(conversion(1), 1), (conversion(2), 1), (conversion(99), 1)];
    s.one.mark_published(&marks).await.expect("mark");
    assert_eq!(waiting(&s.one, 10).await, states(&[("A", 2)]));
    for version in [0, 1, 3, i64::MAX.unsigned_abs(), u64::MAX] {
        s.one.mark_published(&[(conversion(1), version)]).await.expect("mark");
        assert_eq!(waiting(&s.one, 10).await, states(&[("A", 2)]), "{version}");
    }
    s.one.mark_published(&[]).await.expect("mark nothing");
    s.one.mark_published(&[(conversion(1), 2)]).await.expect("mark");
    assert_eq!(waiting(&s.two, 10).await, []);
}

/// A published conversion waits again when it changes, and only then.
pub async fn only_changes_are_published(s: Stores) {
    for (n, tx) in [(1, "A"), (2, "B")] {
        expect(&s.one, &reported(n, tx, "lead"), Recorded).await;
    }
    s.one.mark_published(&[(conversion(1), 1), (conversion(2), 1)]).await.expect("mark");
    expect(&s.two, &reported(3, "A", "lead"), Duplicate).await;
    expect(&s.two, &reported(4, "A", "rebill"), Stale).await;
    assert_eq!(waiting(&s.one, 10).await, []);
    expect(&s.two, &report(5, "B"), Updated).await;
    let second_sale = Incoming { at: at(6), ..report(6, "A") };
    expect(&s.two, &second_sale, Duplicate).await;
    expect(&s.one, &report(7, "C"), Duplicate).await;
    assert_eq!(waiting(&s.one, 10).await, states(&[("B", 2)]));
}

/// What was published waits once more, of the time that is asked for, and is as it was; what waits already is not counted.
pub async fn what_was_published_is_published_again(s: Stores) {
    let reports: Vec<_> = (1..=6).map(|n| reported(n, &format!("T{n}"), "lead")).collect();
    s.one.record(&reports).await.expect("record");
    let marks: Vec<_> = (1..=5).map(|n| (conversion(n), 1)).collect();
    s.one.mark_published(&marks).await.expect("mark");
    let before = s.one.get(&conversion(2)).await.expect("get");
    let (from, to) = (Some(at(2)), Some(at(4)));
    assert_eq!(s.two.publish_again(from, to, true).await.expect("counted"), 2);
    assert_eq!(waiting(&s.one, 10).await, states(&[("T6", 1)]), "a dry run marks nothing");
    assert_eq!(s.two.publish_again(from, to, false).await.expect("marked"), 2);
    let mut now = waiting(&s.one, 10).await;
    now.sort();
    assert_eq!(now, states(&[("T2", 1), ("T3", 1), ("T6", 1)]));
    assert_eq!(s.one.get(&conversion(2)).await.expect("get"), before, "it is no new state");
    assert_eq!(s.one.publish_again(None, None, false).await.expect("marked"), 3);
    assert_eq!(waiting(&s.two, 10).await.len(), 6);
    assert_eq!(s.one.publish_again(None, None, false).await.expect("marked"), 0);
    s.two.mark_published(&[(conversion(2), 1)]).await.expect("mark");
    assert_eq!(waiting(&s.two, 10).await.len(), 5);
}

/// Page by page, each once, while those of the pages before are marked, change and stay.
pub async fn what_waits_to_be_published_is_read_in_pages(s: Stores) {
    let reports: Vec<_> = (1..=25).map(|n| reported(n, &format!("T{n}"), "rebill")).collect();
    s.one.record(&reports).await.expect("record");
    let (mut seen, mut request) = (Vec::new(), PageRequest::first(10));
    for _ in 0..3 {
        let page = s.two.unpublished(&request).await.expect("unpublished");
        let first = &page.items[0];
        s.one.mark_published(&[(first.id.clone(), first.version)]).await.expect("mark");
        seen.extend(page.items.into_iter().map(|c| c.transaction_id.expect("an id")));
        request.cursor = page.next;
    }
    assert_eq!(request.cursor, None, "the last page");
    assert_eq!(seen, (1..=25).map(|n| format!("T{n}")).collect::<Vec<_>>());
    let bad = PageRequest { cursor: Some("x".to_owned()), limit: 1 };
    assert!(matches!(s.one.unpublished(&bad).await, Err(StoreError::BadCursor)));
}
