//! What every [`ConfigStore`] must do.

pub use super::{
    changes::{
        changes_are_made_together_or_not_at_all, former_slugs_are_taken_and_found,
        many_changes_are_made_in_one, names_may_be_swapped_in_one, one_may_be_changed_again_in_the_same,
        what_changed_is_told_since_any_revision, what_was_checked_holds_when_it_is_saved,
    },
    rules::{no_race_saves_a_circle, no_race_saves_a_split_without_weight},
};

use super::Pair;
use crate::{
    audit::{AuditEntry, Caller},
    config::{Change, ConfigStore, Record, RecordQuery},
    error::StoreError,
    page::PageRequest,
};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tfx_domain::{
    Timestamp,
    entity::{Kind, Status},
};
use tokio::{task::JoinSet, time::Instant};

pub(super) type Stores = Pair<dyn ConfigStore>;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).expect("in range")
}

pub(super) fn record(kind: Kind, n: usize, parent: &str, slug: &str) -> Record {
    let created = at(i64::try_from(n).expect("small"));
    Record {
        kind,
        id: format!("{}_{n:019}", kind.prefix()),
        parent: parent.to_owned(),
        slug: slug.to_owned(),
        status: Status::Active,
        version: 1,
        created_at: created,
        updated_at: created,
        spec: json!({"slug": slug, "name": "Größe \"日本\" \\ \u{1F600}", "nested": {"list": [1, null, true, "12.50"]}}),
    }
}

pub(super) fn audit(record: &Record, action: &str) -> AuditEntry {
    AuditEntry {
        at: record.updated_at,
        caller: Caller {
            name: "anna@example.com".to_owned(),
            from: "2001:db8::1".to_owned(),
            request_id: "req-\"1\"".to_owned(),
            token: "tok_\"1\"".to_owned(),
        },
        action: action.to_owned(),
        kind: record.kind.noun().to_owned(),
        id: record.id.clone(),
        version: record.version,
        changes: json!({"name": [null, "Größe"]}),
    }
}

pub(super) async fn create(store: &Arc<dyn ConfigStore>, record: &Record) -> u64 {
    store.create(record.clone(), audit(record, "create")).await.expect("create")
}

pub(super) async fn update(store: &Arc<dyn ConfigStore>, record: &Record) -> Result<u64, StoreError> {
    store.update(record.clone(), audit(record, "update")).await
}

pub(super) fn next_version(record: &Record) -> Record {
    Record { version: record.version + 1, updated_at: at(1_000), ..record.clone() }
}

fn all_of(kind: Kind, page: PageRequest) -> RecordQuery {
    RecordQuery { kind, parent: None, statuses: Vec::new(), page }
}

/// What was saved is found by id and by slug, through every handle; an update replaces it.
pub async fn creates_are_found_again(s: Stores) {
    let mut parent = String::new();
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        let first = record(kind, n, &parent, "one");
        create(&s.one, &first).await;
        for store in [&s.one, &s.two] {
            assert_eq!(store.get(kind, &first.id).await.expect("get"), Some(first.clone()));
            assert_eq!(store.find(kind, &parent, "one").await.expect("find"), Some(first.clone()));
        }
        let second = Record {
            slug: "two".to_owned(),
            status: Status::Paused,
            spec: json!({"text": "x".repeat(200_000)}),
            ..next_version(&first)
        };
        update(&s.two, &second).await.expect("update");
        assert_eq!(s.one.get(kind, &first.id).await.expect("get"), Some(second.clone()));
        assert_eq!(s.one.find(kind, &parent, "two").await.expect("find"), Some(second));
        assert_eq!(s.one.find(kind, &parent, "one").await.expect("find"), None, "its slug is free again");
        parent.clone_from(&first.id);
    }
    s.one.ping().await.expect("ping");
}

/// What is not there is none to read and not found to write, and a kind is part of the name.
pub async fn an_unknown_entity_is_not_there(s: Stores) {
    let source = record(Kind::Source, 1, "", "one");
    create(&s.one, &source).await;
    assert_eq!(s.one.get(Kind::Source, "src_0000000000000000000").await.expect("get"), None);
    assert_eq!(s.one.get(Kind::Network, &source.id).await.expect("get"), None);
    assert_eq!(s.one.find(Kind::Network, "", "one").await.expect("find"), None);
    assert_eq!(s.one.find(Kind::Source, "x", "one").await.expect("find"), None);
    let unknown = next_version(&record(Kind::Source, 2, "", "two"));
    assert!(matches!(update(&s.one, &unknown).await, Err(StoreError::NotFound)));
}

/// A slug is unique in its kind and parent, also against updates and archived entities, and nowhere else.
pub async fn a_slug_is_taken_once_in_its_parent(s: Stores) {
    let first = Record { status: Status::Archived, ..record(Kind::Stream, 1, "cmp_a", "one") };
    create(&s.one, &first).await;
    create(&s.one, &record(Kind::Stream, 2, "cmp_b", "one")).await;
    create(&s.one, &record(Kind::Template, 3, "cmp_a", "one")).await;
    let other = record(Kind::Stream, 4, "cmp_a", "two");
    create(&s.one, &other).await;

    let again = record(Kind::Stream, 5, "cmp_a", "one");
    let e = s.two.create(again.clone(), audit(&again, "create")).await;
    assert!(matches!(&e, Err(StoreError::SlugTaken { existing }) if *existing == first.id), "{e:?}");
    let e = update(&s.two, &Record { slug: "one".to_owned(), ..next_version(&other) }).await;
    assert!(matches!(&e, Err(StoreError::SlugTaken { existing }) if *existing == first.id), "{e:?}");
    update(&s.two, &Record { parent: "cmp_c".to_owned(), ..next_version(&other) })
        .await
        .expect("another parent");
}

/// An update is taken only by the version before it; creation time and kind stay.
pub async fn an_update_needs_the_version_before_it(s: Stores) {
    let first = record(Kind::Campaign, 1, "", "one");
    create(&s.one, &first).await;
    update(&s.one, &next_version(&first)).await.expect("version 2");
    for version in [1, 2, 4, 1_000] {
        let e = update(&s.two, &Record { version, ..next_version(&first) }).await;
        assert!(matches!(e, Err(StoreError::VersionMismatch { current: 2 })), "{version}: {e:?}");
    }
    let moved = Record { version: 3, created_at: at(5_000), ..next_version(&first) };
    update(&s.two, &moved).await.expect("version 3");
    let now = s.one.get(Kind::Campaign, &first.id).await.expect("get").expect("there");
    assert_eq!((now.version, now.created_at), (3, first.created_at));
}

/// A refused change changes neither entity nor revision nor audit log.
pub async fn what_is_refused_leaves_no_trace(s: Stores) {
    let first = record(Kind::Campaign, 1, "", "one");
    let revision = create(&s.one, &first).await;
    let same_slug = record(Kind::Campaign, 2, "", "one");
    s.one.create(same_slug.clone(), audit(&same_slug, "create")).await.expect_err("slug taken");
    update(&s.one, &Record { version: 7, ..first.clone() }).await.expect_err("wrong version");
    update(&s.one, &next_version(&record(Kind::Campaign, 3, "", "x"))).await.expect_err("not found");

    assert_eq!(s.two.load().await.expect("load"), (revision, vec![first.clone()]));
    let log = s.two.audit(None, &PageRequest::first(10)).await.expect("audit");
    assert_eq!(log.items, vec![audit(&first, "create")]);
}

/// Each change has its entry, newest first, of one entity or all, page by page.
pub async fn every_change_is_in_the_audit_log(s: Stores) {
    let mut expected = Vec::new();
    for n in 0..7 {
        let first = record(Kind::Source, n, "", &format!("s{n}"));
        create(&s.one, &first).await;
        update(&s.two, &next_version(&first)).await.expect("update");
        expected.extend([audit(&first, "create"), audit(&next_version(&first), "update")]);
    }
    expected.reverse();
    for limit in [1, 3, 14, 100] {
        let mut seen = Vec::new();
        let mut request = PageRequest::first(limit);
        loop {
            let page = s.one.audit(None, &request).await.expect("audit");
            assert!(page.items.len() <= limit);
            seen.extend(page.items);
            let Some(next) = page.next else { break };
            request.cursor = Some(next);
        }
        assert_eq!(seen, expected, "pages of {limit}");
    }
    let of_one = s.one.audit(Some(&expected[0].id), &PageRequest::first(10)).await.expect("audit");
    assert_eq!(of_one.items, expected[..2]);
}

/// A line about something that is no entity stands among the others and makes no revision: what was checked before it is
/// saved after it.
pub async fn what_is_no_entity_is_in_the_audit_log_too(s: Stores) {
    let first = record(Kind::Source, 1, "", "one");
    let before = create(&s.one, &first).await;
    let entry = AuditEntry {
        action: "prune".to_owned(),
        kind: "events".to_owned(),
        id: String::new(),
        version: 0,
        ..audit(&first, "")
    };
    s.two.append(entry.clone()).await.expect("append");
    let second = record(Kind::Source, 2, "", "two");
    let change = Change::create(second.clone(), audit(&second, "create"));
    let last = s.one.apply(vec![change], Some(before)).await.expect("nothing has moved");
    assert_eq!(last, before + 1);
    let log = s.one.audit(None, &PageRequest::first(10)).await.expect("audit");
    assert_eq!(log.items, [audit(&second, "create"), entry.clone(), audit(&first, "create")]);
    assert_eq!(s.two.changed_since(before).await.expect("changes"), (last, vec![second.clone()]));
    assert_eq!(s.two.changed_since(last).await.expect("changes"), (last, Vec::new()));
    s.one.append(entry.clone()).await.expect("append");
    assert_eq!(s.two.changed_since(before).await.expect("changes"), (last, vec![second.clone()]));
    assert_eq!(s.two.load().await.expect("load"), (last, vec![first, second]));
}

/// Pages show everything that was there from the beginning exactly once, oldest first, while entities are added.
pub async fn lists_are_complete_while_they_grow(s: Stores) {
    let there: Vec<Record> = (0..25).map(|n| record(Kind::Source, n, "", &format!("s{n}"))).collect();
    for r in &there {
        create(&s.one, r).await;
    }
    let mut seen = Vec::new();
    let mut request = PageRequest::first(4);
    for n in 100.. {
        let page = s.one.list(&all_of(Kind::Source, request.clone())).await.expect("list");
        assert!(page.items.len() <= 4);
        seen.extend(page.items);
        let Some(next) = page.next else { break };
        request.cursor = Some(next);
        if n < 105 {
            create(&s.two, &record(Kind::Source, n, "", &format!("s{n}"))).await;
        }
    }
    let ids: BTreeSet<&str> = seen.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids.len(), seen.len(), "none twice");
    assert_eq!(seen[..25], there[..], "what was there, in order");
}

/// By kind, parent and status.
pub async fn lists_are_filtered(s: Stores) {
    let statuses = [Status::Active, Status::Paused, Status::Archived];
    for n in 0..12 {
        let kind = if n % 2 == 0 { Kind::Stream } else { Kind::Template };
        let parent = if n < 6 { "a" } else { "b" };
        create(&s.one, &Record { status: statuses[n % 3], ..record(kind, n, parent, &format!("s{n}")) })
            .await;
    }
    let list = async |kind, parent: Option<&str>, statuses: &[Status]| -> Vec<usize> {
        let query = RecordQuery {
            kind,
            parent: parent.map(str::to_owned),
            statuses: statuses.to_vec(),
            page: PageRequest::first(100),
        };
        let page = s.one.list(&query).await.expect("list");
        assert_eq!(page.next, None);
        page.items.iter().map(|r| r.id[4..].parse().expect("number")).collect()
    };
    assert_eq!(list(Kind::Stream, None, &[]).await, [0, 2, 4, 6, 8, 10]);
    assert_eq!(list(Kind::Stream, Some("a"), &[]).await, [0, 2, 4]);
    assert_eq!(list(Kind::Stream, Some("c"), &[]).await, [0; 0]);
    assert_eq!(list(Kind::Template, None, &[Status::Active]).await, [3, 9]);
    assert_eq!(list(Kind::Template, Some("b"), &[Status::Paused, Status::Archived]).await, [7, 11]);
}

/// A cursor that cannot be one is an error of its own, not an empty list.
pub async fn a_cursor_of_another_list_is_refused(s: Stores) {
    for cursor in ["", "no cursor", "💥", "'; DROP TABLE records; --"] {
        let page = PageRequest { cursor: Some(cursor.to_owned()), limit: 10 };
        let e = s.one.list(&all_of(Kind::Source, page.clone())).await;
        assert!(matches!(e, Err(StoreError::BadCursor)), "{cursor}: {e:?}");
        let e = s.one.audit(None, &page).await;
        assert!(matches!(e, Err(StoreError::BadCursor)), "{cursor}: {e:?}");
    }
}

/// While others write, what is loaded is exactly what there was at the revision it says.
pub async fn what_is_loaded_is_one_revision(s: Stores) {
    let (base, none) = s.one.load().await.expect("load");
    assert!(none.is_empty());
    let writer = Arc::clone(&s.two);
    let writing = tokio::spawn(async move {
        let mut revisions = Vec::new();
        for n in 0..40 {
            revisions.push(create(&writer, &record(Kind::Source, n, "", &format!("s{n}"))).await);
        }
        revisions
    });
    let mut loads = Vec::new();
    while !writing.is_finished() {
        loads.push(s.one.load().await.expect("load"));
    }
    let revisions = writing.await.expect("writer");
    assert!(revisions.windows(2).all(|w| w[0] < w[1]) && revisions[0] > base, "revisions grow");
    loads.push(s.one.load().await.expect("load"));
    for (revision, records) in loads {
        let created = revisions.iter().filter(|r| **r <= revision).count();
        assert_eq!(records.len(), created, "at revision {revision}");
    }
}

/// A change by another handle wakes a waiter well before its time is up; a change already made does at once.
pub async fn a_waiter_wakes_on_a_change(s: Stores) {
    let (since, _) = s.one.load().await.expect("load");
    for (n, writer) in [&s.one, &s.two].into_iter().enumerate() {
        let (now, _) = s.one.load().await.expect("load");
        let waiter = Arc::clone(&s.one);
        let waiting = tokio::spawn(async move { waiter.wait_for_change(now, Duration::from_secs(60)).await });
        // Whether the change comes before or after the waiter looks first, it must be seen.
        tokio::task::yield_now().await;
        let revision = create(writer, &record(Kind::Source, n, "", &format!("s{n}"))).await;
        let woken = tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("woken in time");
        assert_eq!(woken.expect("task").expect("wait"), revision);
    }
    let began = Instant::now();
    assert!(s.two.wait_for_change(since, Duration::from_secs(60)).await.expect("wait") > since);
    assert!(began.elapsed() < Duration::from_secs(20), "it was there already");
}

/// Without a change a waiter gets the same revision when its time is up.
pub async fn a_waiter_gives_up_in_time(s: Stores) {
    let revision = create(&s.one, &record(Kind::Source, 1, "", "one")).await;
    let began = Instant::now();
    let wait = Duration::from_millis(300);
    assert_eq!(s.two.wait_for_change(revision, wait).await.expect("wait"), revision);
    assert!(began.elapsed() >= wait, "not before its time");
    assert_eq!(s.two.wait_for_change(revision, Duration::ZERO).await.expect("look"), revision);
}

/// Of many who create the same slug, or update the same version, at the same time, exactly one succeeds.
pub async fn of_simultaneous_writers_one_wins(s: Stores) {
    let first = record(Kind::Campaign, 0, "", "first");
    create(&s.one, &first).await;
    let mut creates = JoinSet::new();
    let mut updates = JoinSet::new();
    for n in 1..=20 {
        let store = Arc::clone(if n % 2 == 0 { &s.one } else { &s.two });
        let new = record(Kind::Campaign, n, "", "same");
        let changed = Record { slug: format!("by-{n}"), ..next_version(&first) };
        let second = Arc::clone(&store);
        creates.spawn(async move { store.create(new.clone(), audit(&new, "create")).await });
        updates.spawn(async move { update(&second, &changed).await });
    }
    let created: Vec<_> = creates.join_all().await;
    let updated: Vec<_> = updates.join_all().await;
    assert_eq!(created.iter().filter(|r| r.is_ok()).count(), 1);
    assert!(created.iter().all(|r| matches!(r, Ok(_) | Err(StoreError::SlugTaken { .. }))), "{created:?}");
    assert_eq!(updated.iter().filter(|r| r.is_ok()).count(), 1);
    assert!(
        updated.iter().all(|r| matches!(r, Ok(_) | Err(StoreError::VersionMismatch { current: 2 }))),
        "{updated:?}"
    );
    assert_eq!(s.one.load().await.expect("load").1.len(), 2);
}
