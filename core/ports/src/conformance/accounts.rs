//! What every [`Accounts`] must do.

use crate::{
    StoreError,
    accounts::{Account, AccountKind, Accounts},
    audit::{AuditEntry, Caller},
    config::{Beside, Change, ConfigStore, Record},
    conformance::config::{audit, record},
    page::PageRequest,
};
use serde_json::{Value, json};
use std::{any::Any, sync::Arc};
use tfx_domain::{Timestamp, entity::Kind};
use tokio::task::JoinSet;

/// Two handles on one new, empty store, and the audit log that is in it.
pub struct Accounting {
    /// One handle.
    pub one: Arc<dyn Accounts>,
    /// Another, opened by itself.
    pub two: Arc<dyn Accounts>,
    /// Where lines are found.
    pub log: Arc<dyn ConfigStore>,
    /// What has to live as long as the handles.
    pub keep: Box<dyn Any + Send>,
}

fn account(kind: AccountKind, id: &str, name: &str) -> Account {
    Account::new(kind, id, name, &json!({ "n": 0 })).expect("JSON")
}

fn line(action: &str) -> AuditEntry {
    AuditEntry {
        at: "2026-01-01T00:00:00Z".parse().expect("a time"),
        caller: Caller { token: "tok_1".to_owned(), ..Caller::named("ann@example.com") },
        action: action.to_owned(),
        kind: "token".to_owned(),
        id: "tok_1".to_owned(),
        version: 0,
        changes: json!({}),
    }
}

async fn lines(s: &Accounting) -> Vec<AuditEntry> {
    s.log.audit(None, &PageRequest::first(100)).await.expect("audit").items
}

/// By id and by name, each kind by itself, in pages; texts of strangers are only texts.
pub async fn accounts_are_found_again(s: Accounting) {
    let odd = "$ann. é\t'; DROP TABLE accounts";
    for n in 0..5 {
        let (id, name) = (format!("usr_{n}"), format!("{odd}{n}"));
        let user =
            Account::new(AccountKind::User, &id, &name, &json!({ "name": odd, "n": n })).expect("JSON");
        s.one.save(vec![user.clone()], None).await.expect("save");
        assert_eq!(s.two.get(AccountKind::User, &id).await.expect("get"), Some(user.clone()));
        assert_eq!(s.two.find(AccountKind::User, &name).await.expect("find"), Some(user));
    }
    assert_eq!(s.one.get(AccountKind::Token, "usr_1").await.expect("get"), None);
    assert_eq!(s.one.find(AccountKind::User, odd).await.expect("find"), None);
    s.one.save(vec![account(AccountKind::Token, "usr_1", "a")], None).await.expect("another kind");
    let (mut seen, mut page) = (Vec::new(), PageRequest::first(2));
    loop {
        let found = s.two.list(AccountKind::User, &page).await.expect("list");
        assert!(found.items.len() <= 2);
        seen.extend(found.items.into_iter().map(|a| a.id));
        let Some(next) = found.next else { break };
        page.cursor = Some(next);
    }
    assert_eq!(seen, ["usr_0", "usr_1", "usr_2", "usr_3", "usr_4"]);
    for cursor in ["", "x", "usr_", "tok_1", "usr_1 ", "usr_é", "usr_$gt", "0"] {
        let page = PageRequest { cursor: Some(cursor.to_owned()), limit: 2 };
        let refused = s.one.list(AccountKind::User, &page).await;
        assert!(matches!(refused, Err(StoreError::BadCursor)), "{cursor}: {refused:?}");
    }
}

/// A name is taken once in its kind; who gives it up makes place.
pub async fn a_name_is_taken_once(s: Accounting) {
    let ci = account(AccountKind::Token, "tok_1", "ci");
    s.one.save(vec![ci.clone()], None).await.expect("save");
    let again = s.two.save(vec![account(AccountKind::Token, "tok_2", "ci")], None).await;
    assert!(matches!(&again, Err(StoreError::SlugTaken { existing }) if existing == "tok_1"), "{again:?}");
    s.two.save(vec![account(AccountKind::Session, "tok_2", "ci")], None).await.expect("another kind");
    let given_up = Account { name: "tok_1".to_owned(), ..ci.changed(&json!({})).expect("JSON") };
    s.two.save(vec![given_up], None).await.expect("given up");
    s.one.save(vec![account(AccountKind::Token, "tok_2", "ci")], None).await.expect("free");
    assert_eq!(
        s.two.find(AccountKind::Token, "ci").await.expect("find").map(|a| a.id),
        Some("tok_2".to_owned())
    );
}

/// A change is made of the version that was seen, or not at all.
pub async fn a_change_needs_the_version_before_it(s: Accounting) {
    let first = account(AccountKind::Code, "c", "c");
    let missing = s.one.save(vec![first.changed(&json!({})).expect("JSON")], None).await;
    assert!(matches!(missing, Err(StoreError::NotFound)), "{missing:?}");
    s.one.save(vec![first.clone()], None).await.expect("new");
    let twice = s.two.save(vec![first.clone()], None).await;
    assert!(matches!(twice, Err(StoreError::VersionMismatch { current: 1 })), "{twice:?}");
    let second = first.changed(&json!({ "n": 2 })).expect("JSON");
    s.two.save(vec![second.clone()], None).await.expect("changed");
    let late = s.one.save(vec![first.changed(&json!({ "n": 3 })).expect("JSON")], None).await;
    assert!(matches!(late, Err(StoreError::VersionMismatch { current: 2 })), "{late:?}");
    assert_eq!(s.one.get(AccountKind::Code, "c").await.expect("get"), Some(second));
}

/// What is done and the line that tells of it are there together or not at all.
pub async fn accounts_and_their_line_are_saved_together_or_not_at_all(s: Accounting) {
    let before = s.log.load().await.expect("load").0;
    let (user, session) = (account(AccountKind::User, "u", "ann"), account(AccountKind::Session, "s", "s"));
    s.one.save(vec![user.clone(), session], Some(line("login"))).await.expect("both");
    assert_eq!(lines(&s).await, [line("login")]);
    assert_eq!(s.log.load().await.expect("load").0, before, "no revision of the configuration");
    let stale = user.changed(&json!({})).expect("JSON");
    s.two.save(vec![stale.clone()], None).await.expect("without a line");
    let fresh = account(AccountKind::Session, "t", "t");
    assert!(s.two.save(vec![fresh, stale], Some(line("login"))).await.is_err());
    assert_eq!(s.one.get(AccountKind::Session, "t").await.expect("get"), None);
    assert_eq!(lines(&s).await.len(), 1);
}

/// Of many who change one at once each change is made once; of many who use it up one does.
pub async fn of_simultaneous_changes_each_is_made_of_what_it_saw(s: Accounting) {
    s.one.save(vec![account(AccountKind::Code, "c", "c")], None).await.expect("new");
    let mut racing = JoinSet::new();
    for n in 0..20 {
        let store = Arc::clone(if n % 2 == 0 { &s.one } else { &s.two });
        racing.spawn(async move {
            loop {
                let seen = store.get(AccountKind::Code, "c").await.expect("get").expect("there");
                let n = seen.read::<Value>().expect("JSON")["n"].as_u64().expect("a number");
                let next = seen.changed(&json!({ "n": n + 1 })).expect("JSON");
                match store.save(vec![next], None).await {
                    Ok(()) => return,
                    Err(StoreError::VersionMismatch { .. }) => {}
                    Err(e) => panic!("{e}"),
                }
            }
        });
    }
    racing.join_all().await;
    let last = s.two.get(AccountKind::Code, "c").await.expect("get").expect("there");
    assert_eq!((last.version, last.read::<Value>().expect("JSON")), (21, json!({ "n": 20 })));

    let mut racing = JoinSet::new();
    for n in 0..20 {
        let store = Arc::clone(if n % 2 == 0 { &s.one } else { &s.two });
        let used = last.changed(&json!({ "used": n })).expect("JSON");
        let session = account(AccountKind::Session, &format!("s{n}"), &format!("s{n}"));
        racing.spawn(async move { store.save(vec![used, session], Some(line("login"))).await.is_ok() });
    }
    let won = racing.join_all().await.into_iter().filter(|won| *won).count();
    let sessions = s.one.list(AccountKind::Session, &PageRequest::first(100)).await.expect("list").items;
    assert_eq!((won, sessions.len(), lines(&s).await.len()), (1, 1, 1));
}

/// What has a time leaves after it; the rest stays.
pub async fn what_is_over_is_forgotten(s: Accounting) {
    let at = |n: i64| Timestamp::from_second(n).expect("in range");
    let over = account(AccountKind::Code, "a", "a").until(at(100));
    let later = account(AccountKind::Code, "b", "b").until(at(101));
    let stays = account(AccountKind::Token, "c", "c");
    s.one.save(vec![over, later, stays], None).await.expect("save");
    assert_eq!(s.two.forget(at(99)).await.expect("forget"), 0);
    assert_eq!(s.two.forget(at(100)).await.expect("forget"), 1);
    let left = s.one.list(AccountKind::Code, &PageRequest::first(10)).await.expect("list").items;
    assert_eq!(left.into_iter().map(|a| a.id).collect::<Vec<_>>(), ["b"]);
    assert!(s.one.get(AccountKind::Token, "c").await.expect("get").is_some());
}

/// What was answered is saved with what was done, or neither is: whoever asks a second time finds both or nothing.
pub async fn an_answer_is_saved_with_what_was_done_or_not_at_all(s: Accounting) {
    let create = |r: &Record| vec![Change::create(r.clone(), audit(r, "create"))];
    let (first, second) = (record(Kind::Source, 1, "", "first"), record(Kind::Source, 2, "", "second"));
    let answer = account(AccountKind::Answer, "a1", "a1");
    let (before, _) = s.log.load().await.expect("load");
    let revision =
        s.log.apply_with(create(&first), Some(before), vec![answer.clone()].into()).await.expect("apply");
    assert_eq!(revision, before + 1, "an answer makes no revision");
    assert_eq!(s.two.get(AccountKind::Answer, "a1").await.expect("get"), Some(answer.clone()));

    let twice = s.log.apply_with(create(&second), None, vec![answer.clone()].into()).await;
    assert!(matches!(twice, Err(StoreError::VersionMismatch { current: 1 })), "{twice:?}");
    let taken = Record { id: second.id.clone(), ..first.clone() };
    let other = account(AccountKind::Answer, "a2", "a2");
    let refused = s.log.apply_with(create(&taken), None, vec![other.clone()].into()).await;
    assert!(matches!(refused, Err(StoreError::SlugTaken { .. })), "{refused:?}");
    let moved = s.log.apply_with(create(&second), Some(before), vec![other.clone()].into()).await;
    assert!(matches!(moved, Err(StoreError::Moved { .. })), "{moved:?}");
    assert_eq!(s.two.get(AccountKind::Answer, "a2").await.expect("get"), None);
    assert_eq!(s.log.load().await.expect("load"), (revision, vec![first]), "nothing of the second");

    assert_eq!(
        s.log.apply_with(Vec::new(), None, vec![other].into()).await.expect("nothing to do"),
        revision
    );
    assert!(s.two.get(AccountKind::Answer, "a2").await.expect("get").is_some());
    let revision =
        s.log.apply_with(create(&second), None, Beside::default()).await.expect("without an answer");
    let mut tasks = JoinSet::new();
    for n in 3..11 {
        let (log, new) = (Arc::clone(&s.log), record(Kind::Source, n, "", &format!("s{n}")));
        let answer = account(AccountKind::Answer, "same", "same");
        tasks.spawn(async move {
            log.apply_with(
                vec![Change::create(new.clone(), audit(&new, "create"))],
                None,
                vec![answer].into(),
            )
            .await
        });
    }
    let done = tasks.join_all().await.into_iter().filter(Result::is_ok).count();
    assert_eq!(done, 1, "of those who ask at once under one name");
    assert_eq!(s.log.load().await.expect("load").0, revision + 1);
}
