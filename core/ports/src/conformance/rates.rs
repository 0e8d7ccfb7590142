//! What every [`RateStore`] must do.

use crate::{
    audit::{AuditEntry, AuditLog, Caller},
    config::ConfigStore,
    page::PageRequest,
    rates::{RateChange, RateQuery, RateStore, RateTally},
};
use serde_json::{Value, json};
use std::{any::Any, sync::Arc};
use tfx_domain::{
    Timestamp,
    money::Currency,
    problem::Problems,
    rate::{Rate, RateKey, WrittenKey},
};

/// Two handles on one new, empty store, and the audit log beside it.
pub struct RateStores {
    /// One handle.
    pub one: Arc<dyn RateStore>,
    /// Another, opened by itself.
    pub two: Arc<dyn RateStore>,
    /// Where changes are told.
    pub log: Arc<dyn ConfigStore>,
    /// What has to live as long as the handles.
    pub keep: Box<dyn Any + Send>,
}

fn at() -> Timestamp {
    Timestamp::from_second(1_790_000_000).expect("in range")
}

fn caller() -> Caller {
    Caller { from: "192.0.2.1".to_owned(), request_id: "r1".to_owned(), ..Caller::named("anna") }
}

/// `FROM TO DAY`.
fn key(text: &str) -> RateKey {
    let [from, to, day] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
    WrittenKey { from, to, day }.read("", &mut Problems::default()).expect("a pair and a day")
}

fn set(text: &str, value: &str) -> RateChange {
    RateChange { key: key(text), value: Some(value.parse().expect("a rate")) }
}

/// `FROM TO DAY RATE`.
pub(super) fn rate(text: &str) -> Rate {
    let (pair, value) = text.rsplit_once(' ').expect("a rate");
    Rate { key: key(pair), value: value.parse().expect("a rate") }
}

fn remove(text: &str) -> RateChange {
    RateChange { key: key(text), value: None }
}

async fn change(store: &Arc<dyn RateStore>, changes: &[RateChange]) -> RateTally {
    store.change(changes, &caller(), at(), false).await.expect("change")
}

async fn all(store: &Arc<dyn RateStore>) -> Vec<String> {
    let query = RateQuery { from: None, to: None, page: PageRequest::first(1_000) };
    store.list(&query).await.expect("list").items.iter().map(told).collect()
}

fn told(Rate { key, value }: &Rate) -> String {
    format!("{key} {value}")
}

async fn lines(log: &Arc<dyn ConfigStore>) -> Vec<AuditEntry> {
    AuditLog::audit(log.as_ref(), None, &PageRequest::first(100)).await.expect("audit").items
}

/// Each change is found by others and told with what was before; what changes nothing is not told, a dry run neither.
pub async fn rates_are_set_changed_and_removed_with_their_lines(s: RateStores) {
    let revision = s.log.load().await.expect("load").0;
    let first = [
        set("EUR USD 2026-01-31", "1.10"),
        set("EUR USD 2026-01-01", "1.0842"),
        set("JPY USD 2026-01-01", "0.0064"),
    ];
    let would = s.one.change(&first, &caller(), at(), true).await.expect("dry run");
    assert_eq!((would, all(&s.two).await.len()), (RateTally { new: 3, ..RateTally::default() }, 0));
    assert_eq!(change(&s.one, &first).await, would);
    let want = ["EUR/USD/2026-01-01 1.0842", "EUR/USD/2026-01-31 1.1", "JPY/USD/2026-01-01 0.0064"];
    assert_eq!(all(&s.two).await, want);
    let second = [
        set("EUR USD 2026-01-31", "1.2"),
        set("EUR USD 2026-01-01", "1.08420"),
        remove("JPY USD 2026-01-01"),
        remove("JPY USD 2026-01-02"),
    ];
    let tally = change(&s.two, &second).await;
    assert_eq!(tally, RateTally { new: 0, changed: 1, same: 2, removed: 1 });
    assert_eq!(all(&s.one).await, ["EUR/USD/2026-01-01 1.0842", "EUR/USD/2026-01-31 1.2"]);
    let lines = lines(&s.log).await;
    let of = |line: &AuditEntry| (line.action.clone(), line.id.clone(), line.changes.clone());
    let line = |action: &str, pair: &str, changes: Value| (action.to_owned(), pair.to_owned(), changes);
    let mut told: Vec<_> = lines.iter().map(of).collect();
    told.sort_by_key(|(action, pair, changes)| (action.clone(), pair.clone(), changes.to_string()));
    assert_eq!(
        told,
        [
            line("remove", "JPY/USD", json!({"2026-01-01": ["0.0064", null]})),
            line("set", "EUR/USD", json!({"2026-01-01": [null, "1.0842"], "2026-01-31": [null, "1.1"]})),
            line("set", "EUR/USD", json!({"2026-01-31": ["1.1", "1.2"]})),
            line("set", "JPY/USD", json!({"2026-01-01": [null, "0.0064"]})),
        ]
    );
    assert!(lines.iter().all(|line| line.caller == caller() && line.kind == "rate" && line.at == at()));
    assert_eq!(s.log.load().await.expect("load").0, revision, "no revision of the configuration");
}

/// For what happened on a day the rate that holds then, and all later ones, whichever currency is first.
pub async fn what_holds_is_found_by_either_currency(s: RateStores) {
    let changes = [
        set("EUR USD 2025-12-01", "1"),
        set("EUR USD 2026-01-01", "1.1"),
        set("EUR USD 2026-02-01", "1.2"),
        set("USD JPY 2025-06-01", "150"),
        set("GBP USD 2026-01-02", "1.3"),
        set("GBP EUR 2026-01-01", "1.15"),
    ];
    change(&s.one, &changes).await;
    let holding = async |code: &str, day: &str| {
        let currency: Currency = code.parse().expect("a code");
        let found = s.two.holding(currency, day.parse().expect("a day")).await.expect("read");
        let mut found: Vec<String> = found.iter().map(told).collect();
        found.sort();
        found
    };
    let want = [
        "EUR/USD/2026-01-01 1.1",
        "EUR/USD/2026-02-01 1.2",
        "GBP/USD/2026-01-02 1.3",
        "USD/JPY/2025-06-01 150",
    ];
    assert_eq!(holding("USD", "2026-01-01").await, want);
    assert_eq!(holding("USD", "2026-01-31").await, want);
    assert_eq!(holding("USD", "2026-02-01").await, want[1..]);
    assert_eq!(holding("JPY", "2020-01-01").await, want[3..]);
    assert_eq!(holding("USD", "2020-01-01").await.len(), 5);
    assert_eq!(holding("CHF", "2026-01-01").await, [""; 0]);
}

/// By pair and day, also of one pair alone, page by page.
pub async fn lists_of_rates_are_complete_and_in_order(s: RateStores) {
    let days = (1..=28).map(|day| format!("2026-02-{day:02}"));
    let pairs = ["EUR USD", "EUR JPY", "USD EUR", "GBP USD"];
    let changes: Vec<_> =
        days.flat_map(|day| pairs.map(|pair| set(&format!("{pair} {day}"), "1.5"))).collect();
    change(&s.one, &changes).await;
    let listed = async |from: Option<&str>, to: Option<&str>| {
        let currency = |code: Option<&str>| code.map(|code| code.parse().expect("a code"));
        let page = PageRequest::first(5);
        let mut query = RateQuery { from: currency(from), to: currency(to), page };
        let mut found = Vec::new();
        loop {
            let page = s.two.list(&query).await.expect("list");
            assert!(page.items.len() <= 5);
            found.extend(page.items.iter().map(|rate| rate.key.to_string()));
            query.page.cursor = page.next;
            if query.page.cursor.is_none() {
                return found;
            }
        }
    };
    for (from, to) in [(None, None), (Some("EUR"), None), (None, Some("USD")), (Some("EUR"), Some("USD"))] {
        let of = |key: &RateKey| {
            from.is_none_or(|code| key.from.as_str() == code) && to.is_none_or(|code| key.to.as_str() == code)
        };
        let mut want: Vec<_> =
            changes.iter().filter(|c| of(&c.key)).map(|change| change.key.to_string()).collect();
        want.sort();
        assert_eq!(listed(from, to).await, want, "{from:?} {to:?}");
    }
}

/// Who changes the same rates at once does it one after the other: all rates are of one of them in the end.
pub async fn of_simultaneous_changes_each_stands_whole(s: RateStores) {
    let of = |value: &str| ["EUR USD 2026-01-01", "JPY USD 2026-01-01"].map(|key| set(key, value));
    let writers = (1..=6).map(|n| {
        let store = Arc::clone(if n % 2 == 0 { &s.one } else { &s.two });
        let changes = of(&format!("1.{n}"));
        tokio::spawn(async move { store.change(&changes, &caller(), at(), false).await })
    });
    let writers: Vec<_> = writers.collect();
    for writer in writers {
        writer.await.expect("no panic").expect("changed");
    }
    let found = all(&s.one).await;
    let values: Vec<_> = found.iter().map(|rate| rate.rsplit(' ').next().unwrap_or_default()).collect();
    assert_eq!((values.len(), values[0]), (2, values[1]), "{found:?}");
    assert_eq!(lines(&s.log).await.len(), 12);
}
