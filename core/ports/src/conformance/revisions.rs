//! What every [`ConfigStore`] must do with the revisions that were.

use super::{
    config::{Stores, audit, create, next_version, record, update},
    random::Random,
};
use crate::{
    config::{Change, ConfigStore, Record},
    error::StoreError,
    page::PageRequest,
    revisions::{ChangeSum, Revision, RevisionChange},
};
use serde_json::json;
use std::sync::Arc;
use tfx_domain::entity::{Kind, Status};

/// All revisions that are kept, the newest first.
async fn all(store: &Arc<dyn ConfigStore>, limit: usize) -> Vec<Revision> {
    let mut found = Vec::new();
    let mut request = PageRequest::first(limit);
    loop {
        let page = store.revisions(&request).await.expect("a page");
        assert!(page.items.len() <= limit);
        found.extend(page.items);
        let Some(next) = page.next else { return found };
        request.cursor = Some(next);
    }
}

/// Some changes that may be made of what is there; the same entity may change twice.
fn random_changes(random: &mut Random, there: &mut Vec<Record>, named: &mut usize) -> Vec<Change> {
    let mut changes = Vec::new();
    for _ in 0..=random.below(4) {
        if there.is_empty() || random.one_in(3) {
            *named += 1;
            let kind = *random.pick(&Kind::ALL);
            let new = record(kind, *named, "", &format!("s{named}"));
            changes.push(Change::create(new.clone(), audit(&new, "create")));
            there.push(new);
        } else {
            let at = random.below(there.len());
            *named += 1;
            let mut changed = next_version(&there[at]);
            changed.spec["n"] = json!(*named);
            changed.status = *random.pick(&[Status::Active, Status::Paused, Status::Archived]);
            if random.one_in(3) {
                changed.slug = format!("s{named}");
            }
            changes.push(Change::update(changed.clone(), audit(&changed, "update")));
            there[at] = changed;
        }
    }
    changes
}

/// Whatever changes, at each revision there is what was loaded when it was the newest, through every handle.
pub async fn each_revision_is_what_was_loaded_then(s: Stores) {
    let mut random = Random::new(14);
    let (mut there, mut named) = (Vec::new(), 0);
    create(&s.one, &record(Kind::Source, 0, "", "first")).await;
    let (first, loaded) = s.one.load().await.expect("load");
    there.extend(loaded.clone());
    let mut history = vec![(first, loaded)];
    for n in 0..60 {
        let store = if n % 2 == 0 { &s.one } else { &s.two };
        let changes = random_changes(&mut random, &mut there, &mut named);
        store.apply(changes, Some(history.last().expect("some").0)).await.expect("apply");
        history.push(s.one.load().await.expect("load"));
    }
    for (revision, loaded) in &history {
        assert_eq!(&s.two.at_revision(*revision).await.expect("kept"), loaded, "at {revision}");
    }
    for limit in [1, 7, 1_000] {
        let told: Vec<u64> = all(&s.two, limit).await.iter().map(|r| r.revision).collect();
        let known: Vec<u64> = history.iter().rev().map(|(revision, _)| *revision).collect();
        assert_eq!(told[..known.len()], known[..], "pages of {limit}");
    }
}

/// While two write, each revision that one of them made is there whole, and no other is.
pub async fn of_two_writers_each_revision_is_kept_whole(s: Stores) {
    create(&s.one, &record(Kind::Source, 0, "", "first")).await;
    let writers = [(1, Arc::clone(&s.one)), (2, Arc::clone(&s.two))].map(|(w, store)| {
        tokio::spawn(async move {
            let mut made = Vec::new();
            for n in 0..15 {
                let pair =
                    [0, 1].map(|i| record(Kind::Campaign, w * 100 + n * 2 + i, "", &format!("w{w}-{n}-{i}")));
                let changes = pair.iter().map(|r| Change::create(r.clone(), audit(r, "create"))).collect();
                made.push((store.apply(changes, None).await.expect("apply"), pair));
            }
            made
        })
    });
    let mut made = Vec::new();
    for writer in writers {
        made.extend(writer.await.expect("a writer"));
    }
    made.sort_by_key(|(revision, _)| *revision);
    let mut there = vec![record(Kind::Source, 0, "", "first")];
    for (revision, pair) in made {
        there.extend(pair);
        assert_eq!(s.two.at_revision(revision).await.expect("kept"), there, "at {revision}");
        let e = s.two.at_revision(revision - 1).await;
        assert!(matches!(e, Err(StoreError::NoRevision { .. })), "{e:?}");
    }
}

/// A revision tells who made it, when, and what changed.
pub async fn a_revision_tells_what_changed_with_it(s: Stores) {
    let first = record(Kind::Source, 1, "", "one");
    let base = create(&s.one, &first).await;
    let second = record(Kind::Campaign, 2, "", "two");
    let third = record(Kind::Campaign, 3, "", "three");
    let renamed = Record { slug: "other".to_owned(), ..next_version(&first) };
    let changes = vec![
        Change::create(second.clone(), audit(&second, "create")),
        Change::update(renamed.clone(), audit(&renamed, "update")),
        Change::create(third.clone(), audit(&third, "create")),
    ];
    let revision = s.one.apply(changes, Some(base)).await.expect("apply");
    let sum = |action: &str, kind: &str, count| ChangeSum {
        action: action.to_owned(),
        kind: kind.to_owned(),
        count,
    };
    let line = audit(&second, "create");
    let want = Revision {
        revision,
        at: line.at,
        by: line.caller.name,
        sums: vec![sum("create", "campaign", 2), sum("update", "source", 1)],
    };
    let change = |action: &str, record: &Record| RevisionChange {
        action: action.to_owned(),
        kind: record.kind.noun().to_owned(),
        id: record.id.clone(),
        version: record.version,
    };
    let changed = vec![change("create", &second), change("update", &renamed), change("create", &third)];
    assert_eq!(s.two.revision(revision).await.expect("kept"), (want.clone(), changed));
    assert_eq!(s.two.revisions(&PageRequest::first(1)).await.expect("a page").items, [want]);
    assert_eq!(s.two.revision(base).await.expect("kept").1, [change("create", &first)]);
    // What changes nothing makes none, nor does what is refused.
    s.one.apply(Vec::new(), None).await.expect("nothing");
    s.one.create(second.clone(), audit(&second, "create")).await.expect_err("it is there");
    assert_eq!(all(&s.one, 10).await[0].revision, revision);
}

/// A revision that is not kept, or never was, is told by what is.
pub async fn what_is_not_kept_is_told(s: Stores) {
    let base = create(&s.one, &record(Kind::Source, 1, "", "one")).await;
    let pair = [2, 3].map(|n| record(Kind::Source, n, "", &format!("s{n}")));
    let changes = pair.iter().map(|r| Change::create(r.clone(), audit(r, "create"))).collect();
    let newest = s.one.apply(changes, None).await.expect("apply");
    let between = format!("{newest} came after {base}");
    for (number, says) in [
        (newest + 1, format!("the newest is {newest}")),
        (u64::MAX, format!("the newest is {newest}")),
        (i64::MAX.unsigned_abs() + 1, format!("the newest is {newest}")),
        (newest - 1, between),
    ] {
        let e = s.two.at_revision(number).await.expect_err("there is none");
        assert!(matches!(e, StoreError::NoRevision { .. }) && e.to_string().contains(&says), "{number}: {e}");
        let e = s.two.revision(number).await.expect_err("there is none");
        assert!(matches!(e, StoreError::NoRevision { .. }) && e.to_string().contains(&says), "{number}: {e}");
    }
    for cursor in ["", "no cursor", "💥", "'; DROP TABLE kept_revisions; --"] {
        let page = PageRequest { cursor: Some(cursor.to_owned()), limit: 10 };
        let e = s.one.revisions(&page).await;
        assert!(matches!(e, Err(StoreError::BadCursor)), "{cursor}: {e:?}");
        let e = s.one.kept_versions(Kind::Source, &page).await;
        assert!(matches!(e, Err(StoreError::BadCursor)), "{cursor}: {e:?}");
    }
}

/// Secrets of before are sealed anew where they lie, each version for itself.
pub async fn what_is_kept_is_sealed_anew(s: Stores) {
    let first = record(Kind::Network, 1, "", "one");
    let base = create(&s.one, &first).await;
    update(&s.one, &next_version(&first)).await.expect("update");
    create(&s.one, &record(Kind::Source, 2, "", "two")).await;
    let mut seen = Vec::new();
    let mut request = PageRequest::first(1);
    loop {
        let page = s.two.kept_versions(Kind::Network, &request).await.expect("a page");
        seen.extend(page.items);
        let Some(next) = page.next else { break };
        request.cursor = Some(next);
    }
    let records: Vec<&Record> = seen.iter().map(|v| &v.record).collect();
    assert_eq!(records, [&first, &next_version(&first)]);
    let mut sealed = seen.swap_remove(0);
    sealed.record.spec = json!({"postback_secret": {"sealed": "x"}});
    s.two.reseal_kept(&sealed).await.expect("sealed");
    assert_eq!(s.one.at_revision(base).await.expect("kept"), [sealed.record.clone()]);
    assert_eq!(s.one.get(Kind::Network, &first.id).await.expect("get"), Some(next_version(&first)));
    sealed.place += 1_000;
    s.one.reseal_kept(&sealed).await.expect("it is not there");
}
