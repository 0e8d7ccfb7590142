//! What every [`ConfigStore`] must do with changes that hang together: all or none, at the revision at which they were
//! checked, told to who asks what changed; and with former slugs.

use super::config::{Stores, audit, create, next_version, record, update};
use crate::{
    config::{Beside, Change, ConfigStore, Record},
    error::StoreError,
    page::PageRequest,
};
use serde_json::json;
use std::sync::Arc;
use tfx_domain::entity::Kind;

fn named(record: Record, slug: &str, aliases: &[&str]) -> Record {
    let spec = json!({"slug": slug, "name": "N", "aliases": aliases});
    Record { slug: slug.to_owned(), spec, ..record }
}

/// Several changes are one transaction, whose revision grows by their number.
pub async fn changes_are_made_together_or_not_at_all(s: Stores) {
    let (before, _) = s.one.load().await.expect("load");
    let three: Vec<Record> = (0..3).map(|n| record(Kind::Source, n, "", &format!("s{n}"))).collect();
    let new = |r: &Record| Change::create(r.clone(), audit(r, "create"));
    let revision = s.one.apply(three.iter().map(new).collect(), Some(before)).await.expect("apply");
    assert_eq!(revision, before + 3);
    assert_eq!(s.two.load().await.expect("load"), (revision, three.clone()));

    let fourth = record(Kind::Source, 4, "", "s4");
    let broken = next_version(&next_version(&three[0]));
    let changes = vec![new(&fourth), Change::update(broken.clone(), audit(&broken, "update"))];
    let refused = s.one.apply(changes, Some(revision)).await;
    assert!(matches!(refused, Err(StoreError::VersionMismatch { current: 1 })), "{refused:?}");
    assert_eq!(s.two.load().await.expect("load"), (revision, three), "neither of them");
    assert_eq!(s.one.apply(Vec::new(), None).await.expect("nothing"), revision);
    let log = s.one.audit(None, &PageRequest::first(10)).await.expect("audit");
    assert_eq!(log.items.len(), 3);
}

/// Only the names count that there are when all changes are made: two swap their slugs, a third takes one that was let go of, a
/// new one a former one. A name that two would have is refused, whichever of them is first.
pub async fn names_may_be_swapped_in_one(s: Stores) {
    for (n, kind) in [Kind::Campaign, Kind::Template, Kind::Destination].into_iter().enumerate() {
        let parent = if kind == Kind::Template { "net_x" } else { "" };
        let of = |i: usize, slug: &str| record(kind, n * 10 + i, parent, slug);
        let is_found = kind != Kind::Destination;
        let aliases = |names: &[&'static str]| if is_found { names.to_vec() } else { Vec::new() };
        let a = named(of(1, "a"), "a", &aliases(&["old"]));
        let (b, c) = (of(2, "b"), of(3, "c"));
        for record in [&a, &b, &c] {
            create(&s.one, record).await;
        }
        let to = |record: &Record, slug: &str, aliases: &[&str]| {
            let record = named(next_version(record), slug, aliases);
            Change::update(record.clone(), audit(&record, "update"))
        };
        let new = |slug: &str| {
            let record = of(4, slug);
            Change::create(record.clone(), audit(&record, "create"))
        };
        let (before, _) = s.one.load().await.expect("load");
        for (slug, of_b, who) in [("b", "b", &b), ("c", "c", &c)] {
            let twice = s.one.apply(vec![to(&a, slug, &[]), to(&b, of_b, &[])], Some(before)).await;
            assert!(
                matches!(&twice, Err(StoreError::SlugTaken { existing }) if [&a.id, &who.id].contains(&existing)),
                "{twice:?}"
            );
        }
        assert_eq!(s.two.load().await.expect("load").0, before, "no trace");
        let changes =
            vec![to(&a, "b", &aliases(&["earlier"])), new("c"), to(&b, "a", &[]), to(&c, "old", &[])];
        s.one.apply(changes, Some(before)).await.expect("swapped");
        for (slug, id) in [("b", &a.id), ("a", &b.id), ("old", &c.id), ("c", &of(4, "c").id)] {
            let found = s.two.find(kind, parent, slug).await.expect("find").expect(slug);
            assert_eq!((&found.id, found.slug.as_str()), (id, slug));
        }
        let earlier = s.two.find(kind, parent, "earlier").await.expect("find");
        assert_eq!(earlier.map(|found| found.id), is_found.then(|| a.id.clone()));
    }
}

/// What is made may be changed in the same transaction, also twice, each time by the version before.
pub async fn one_may_be_changed_again_in_the_same(s: Stores) {
    let (old, new) = (record(Kind::Source, 1, "", "old"), record(Kind::Campaign, 2, "", "new"));
    let before = create(&s.one, &old).await;
    let again = |record: &Record, slug: &str| named(next_version(record), slug, &[]);
    let (second, third) = (again(&old, "second"), again(&again(&old, "second"), "third"));
    let renamed = again(&new, "renamed");
    let update = |record: &Record| Change::update(record.clone(), audit(record, "update"));
    let made = Change::create(new.clone(), audit(&new, "create"));
    let skips = vec![made.clone(), update(&next_version(&renamed))];
    let refused = s.one.apply(skips, Some(before)).await;
    assert!(matches!(refused, Err(StoreError::VersionMismatch { current: 1 })), "{refused:?}");
    let changes = vec![made, update(&second), update(&renamed), update(&third)];
    let revision = s.one.apply(changes, Some(before)).await.expect("apply");
    assert_eq!(s.two.load().await.expect("load"), (revision, vec![third, renamed]));
    assert_eq!(s.two.audit(Some(&old.id), &PageRequest::first(9)).await.expect("audit").items.len(), 3);
}

/// Thousands of changes are one transaction like any other, with a line that tells of all of them behind theirs.
pub async fn many_changes_are_made_in_one(s: Stores) {
    const MANY: usize = 2_500;
    let all: Vec<Record> = (0..MANY)
        .map(|n| record(Kind::Stream, n, &format!("cmp_{}", n / 5), &format!("s{}", n % 5)))
        .collect();
    let line = |action: &str| crate::audit::AuditEntry {
        kind: "config".to_owned(),
        id: "config".to_owned(),
        ..audit(&all[0], action)
    };
    let with = |action: &str| Beside { accounts: Vec::new(), line: Some(line(action)) };
    let (before, _) = s.one.load().await.expect("load");
    let new = |r: &Record| Change::create(r.clone(), audit(r, "create"));
    let made =
        s.one.apply_with(all.iter().map(new).collect(), Some(before), with("apply")).await.expect("apply");
    assert_eq!(made, before + MANY as u64, "the line makes no revision");
    assert_eq!(s.two.load().await.expect("load"), (made, all.clone()));

    let mut changed: Vec<Record> = all.iter().map(next_version).collect();
    changed[MANY - 1].version += 1;
    let change = |r: &Record| Change::update(r.clone(), audit(r, "update"));
    let refused = s.one.apply_with(changed.iter().map(change).collect(), Some(made), with("again")).await;
    assert!(matches!(refused, Err(StoreError::VersionMismatch { current: 1 })), "{refused:?}");
    assert_eq!(s.two.load().await.expect("load"), (made, all.clone()), "none of them");
    changed[MANY - 1].version = 2;
    s.one.apply_with(changed.iter().map(change).collect(), Some(made), with("again")).await.expect("apply");
    let (_, since) = s.two.changed_since(made).await.expect("changed");
    assert_eq!(since, changed);
    let log = s.two.audit(None, &PageRequest::first(2)).await.expect("audit").items;
    assert_eq!(log.iter().map(|line| line.action.as_str()).collect::<Vec<_>>(), ["again", "update"]);
    assert_eq!(s.two.audit(Some("config"), &PageRequest::first(9)).await.expect("audit").items.len(), 2);
}

/// What was checked at a revision is saved at that revision only.
pub async fn what_was_checked_holds_when_it_is_saved(s: Stores) {
    let (empty, _) = s.one.load().await.expect("load");
    let first = record(Kind::Campaign, 1, "", "one");
    let create_at = async |store: &Arc<dyn ConfigStore>, record: &Record, at: u64| {
        store.apply(vec![Change::create(record.clone(), audit(record, "create"))], Some(at)).await
    };
    let revision = create_at(&s.one, &first, empty).await.expect("nothing has moved");
    let second = record(Kind::Campaign, 2, "", "two");
    for at in [empty, revision + 1, u64::from(u32::MAX)] {
        let e = create_at(&s.two, &second, at).await;
        assert!(matches!(e, Err(StoreError::Moved { revision: now }) if now == revision), "{at}: {e:?}");
    }
    assert_eq!(s.one.load().await.expect("load"), (revision, vec![first.clone()]), "no trace");
    let e =
        s.two.apply(vec![Change::update(next_version(&first), audit(&first, "update"))], Some(empty)).await;
    assert!(matches!(e, Err(StoreError::Moved { .. })), "{e:?}");
    create_at(&s.two, &second, revision).await.expect("as it is now");
}

/// A former slug leads to who has it, and is nobody else's, be it as a slug or as a former one.
pub async fn former_slugs_are_taken_and_found(s: Stores) {
    for (n, kind) in [Kind::Campaign, Kind::Network, Kind::Template].into_iter().enumerate() {
        let parent = if kind == Kind::Template { "net_x" } else { "" };
        let first = record(kind, n * 10 + 1, parent, "summer");
        create(&s.one, &first).await;
        let renamed = named(next_version(&first), "autumn", &["summer", "spring"]);
        update(&s.one, &renamed).await.expect("renamed");
        for slug in ["autumn", "summer", "spring"] {
            assert_eq!(s.two.find(kind, parent, slug).await.expect("find"), Some(renamed.clone()), "{slug}");
        }
        assert_eq!(s.two.find(kind, "elsewhere", "summer").await.expect("find"), None);
        let other = record(kind, n * 10 + 2, parent, "other");
        create(&s.one, &other).await;
        let new = |slug: &str, aliases: &[&str]| named(record(kind, n * 10 + 3, parent, slug), slug, aliases);
        let taken = |e: Result<u64, StoreError>| {
            assert!(matches!(&e, Err(StoreError::SlugTaken { existing }) if *existing == first.id), "{e:?}");
        };
        for (slug, aliases) in
            [("summer", vec![]), ("winter", vec!["autumn"]), ("winter", vec!["x", "spring"])]
        {
            let new = new(slug, &aliases);
            taken(s.two.create(new.clone(), audit(&new, "create")).await);
            taken(update(&s.two, &named(next_version(&other), slug, &aliases)).await);
        }
        // Its own former slug is free to itself, and what it gives up is free to all.
        let back = named(Record { version: 3, ..first.clone() }, "summer", &[]);
        update(&s.two, &back).await.expect("back to its former slug");
        assert_eq!(s.one.find(kind, parent, "autumn").await.expect("find"), None);
        create(&s.one, &new("autumn", &["spring"])).await;
    }
}

/// From any revision on, what changed is told; a revision that never was is told everything.
pub async fn what_changed_is_told_since_any_revision(s: Stores) {
    let (base, _) = s.one.load().await.expect("load");
    let mut now: Vec<Record> = Vec::new();
    let mut history = vec![(base, now.clone())];
    for n in 0..12 {
        let changed = if n % 3 == 2 {
            let before = now[n / 3].clone();
            let after = next_version(&before);
            update(&s.one, &after).await.expect("update");
            now[n / 3] = after.clone();
            after
        } else {
            let kind = Kind::ALL[n % Kind::ALL.len()];
            let new = record(kind, n, "", &format!("s{n}"));
            create(&s.one, &new).await;
            now.push(new.clone());
            new
        };
        let (revision, _) = s.one.load().await.expect("load");
        assert_eq!(s.two.changed_since(revision - 1).await.expect("changes"), (revision, vec![changed]));
        history.push((revision, now.clone()));
    }
    let (last, _) = *history.last().expect("some");
    for (revision, then) in history {
        let (told, changed) = s.two.changed_since(revision).await.expect("changes");
        assert_eq!(told, last);
        for record in &now {
            let is_told = changed.contains(record);
            assert!(is_told || then.contains(record), "since {revision}: {} is not told", record.id);
        }
        assert!(changed.iter().all(|r| now.contains(r)), "as they are now");
    }
    let (told, changed) = s.two.changed_since(last + 100).await.expect("changes");
    assert_eq!((told, changed.len()), (last, now.len()));
}
