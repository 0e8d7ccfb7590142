//! Scopes, clicks, repeated ids and labels; and words that nobody knows.

use super::*;
use crate::{
    Timestamp,
    event::{ClickDims, PostbackResult::*},
    id::{ClickId, ConversionId, NetworkId},
    money::{Currency, Money},
};
use proptest::prelude::*;
use std::{cell::RefCell, collections::HashSet, convert::Infallible};

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).expect("a time")
}

/// Conversions in a list.
#[derive(Default)]
struct List(RefCell<Vec<Conversion>>);

impl List {
    fn find(&self, is: impl Fn(&&Conversion) -> bool) -> Result<Option<Conversion>, Infallible> {
        Ok(self.0.borrow().iter().find(is).cloned())
    }

    fn take(&self, report: &Incoming) -> Decided {
        let Ok(decided) = decide(self, report);
        let changes = [Recorded, Updated].contains(&decided.result);
        assert!(changes || decided.displaced.is_none());
        for c in decided.displaced.iter().chain(&decided.noted).chain(changes.then_some(&decided.conversion))
        {
            self.0.borrow_mut().retain(|there| there.id != c.id);
            self.0.borrow_mut().push(c.clone());
        }
        let all = self.0.borrow();
        let claims: Vec<_> = all.iter().filter_map(|c| c.sale_claim.as_ref()).collect();
        assert!(
            claims.iter().collect::<HashSet<_>>().len() == claims.len(),
            "one claim of a click: {all:#?}"
        );
        drop(all);
        decided
    }

    /// What counts as the one sale of a click or might be it, and all that counts.
    fn money(&self) -> (Vec<String>, i64) {
        let all = self.0.borrow();
        let counts = || all.iter().filter(|c| c.status != ConversionStatus::Rejected);
        let sales = counts().filter(|c| !["lead", "stage"].contains(&c.status.as_str()));
        let words = sales.map(|c| format!("{} {}", c.status, c.revenue.amount)).collect();
        (words, counts().map(|c| c.revenue.amount.micros() / 1_000_000).sum())
    }
}

impl Standing for List {
    type Error = Infallible;

    fn by_key(&self, network: &NetworkId, key: &str) -> Result<Option<Conversion>, Infallible> {
        self.find(|c| c.network == *network && c.key == key)
    }

    fn by_claim(&self, network: &NetworkId, claim: &str) -> Result<Option<Conversion>, Infallible> {
        self.find(|c| c.network == *network && c.sale_claim.as_deref() == Some(claim))
    }

    fn by_signature(&self, click: ClickId, signed: &Signed) -> Result<Option<Conversion>, Infallible> {
        self.find(|c| c.click_id == click && c.signatures.has(signed))
    }
}

fn report(n: i64, scope: TransactionScope, click: u128, id: &str, status: &str) -> Incoming {
    let click_id = ClickId::generate(time(0), click);
    Incoming {
        new_id: ConversionId::generate(time(n), u128::from(n.unsigned_abs()) << 30),
        network: NetworkId::generate(time(0), 1),
        scope,
        key: if id.is_empty() { format!("click:{click_id}:main") } else { format!("tx:{id}") },
        transaction_id: (!id.is_empty()).then(|| id.to_owned()),
        click_id,
        status: status.parse().expect("a status"),
        raw_status: Some(status.to_owned()),
        unmapped: false,
        revenue: Money { amount: "10".parse().expect("an amount"), currency: Currency::USD },
        revenue_given: true,
        allow_upsell: false,
        at: time(n),
        click: ClickDims::default(),
        cost_terms: crate::entity::Due::default(),
        tell: None,
        signed: None,
        waited: false,
        replaces: None,
    }
}

use TransactionScope::{Click, Network};

#[test]
fn a_report_never_changes_the_conversion_of_another_click() {
    // Scope, click, id, status; what it is, and of which click the conversion is that is told.
    let table = [
        (Network, 1, "PURCHASE", "sale", Recorded, 1),
        (Network, 2, "PURCHASE", "sale", Conflict, 1),
        (Network, 2, "PURCHASE", "rejected", Conflict, 1),
        (Network, 1, "PURCHASE", "sale", Duplicate, 1),
        // Its ids are steps of a click: the first is known, the others are new.
        (Click, 1, "PURCHASE", "sale", Duplicate, 1),
        (Click, 2, "PURCHASE", "sale", Recorded, 2),
        (Click, 2, "PURCHASE", "sale", Duplicate, 2),
        (Click, 3, "PURCHASE", "lead", Recorded, 3),
        (Click, 3, "PURCHASE", "sale", Updated, 3),
        // One sale for a click, whatever its steps are called; what nobody paid for stays a step.
        (Click, 3, "2", "sale", Duplicate, 3),
        (Click, 3, "2", "lead", Recorded, 3),
        (Click, 1, "2", "rebill", Recorded, 1),
        // And back: what is known stays known, what is new is a conflict again.
        (Network, 2, "PURCHASE", "sale", Duplicate, 2),
        (Network, 2, "PURCHASE", "rejected", Updated, 2),
        (Network, 3, "PURCHASE", "rejected", Updated, 3),
        (Network, 4, "PURCHASE", "sale", Conflict, 1),
        (Click, 4, "PURCHASE", "sale", Recorded, 4),
        // Without an id a click has its own slot.
        (Network, 5, "", "sale", Recorded, 5),
        (Click, 5, "", "sale", Duplicate, 5),
    ];
    let list = List::default();
    for (n, (scope, click, id, status, want, of)) in (1..).zip(table) {
        let before = list.0.borrow().clone();
        let decided = list.take(&report(n, scope, click, id, status));
        assert_eq!(decided.result, want, "{n}: {scope:?} {click} {id} {status}");
        assert_eq!(decided.conversion.click_id, ClickId::generate(time(0), of), "{n}");
        let untouched = |c: &&Conversion| c.click_id != ClickId::generate(time(0), click);
        let after = list.0.borrow().clone();
        assert_eq!(before.iter().filter(untouched).count(), after.iter().filter(untouched).count(), "{n}");
        assert!(before.iter().filter(untouched).all(|c| after.contains(c)), "{n}");
    }
}

/// Its transaction id was not read: what it was recorded as gives way, whether it holds the click's sale or not.
#[test]
fn what_a_report_was_read_as_before_gives_way_to_what_it_says() {
    for (click, word) in [(1, "sale"), (2, "lead"), (3, "rebill")] {
        let list = List::default();
        let before = list.take(&report(1, Network, click, "", word)).conversion;
        let id = format!("A{click}");
        let replaces = Some(before.key.clone());
        let again = Incoming { replaces, at: time(1), ..report(2, Network, click, &id, word) };
        let decided = list.take(&again);
        assert_eq!((decided.result, decided.conversion.status.as_str()), (Recorded, word));
        let gone = decided.displaced.expect(word);
        assert_eq!((gone.id, gone.status.as_str(), gone.displaced), (before.id, "rejected", true), "{word}");
        assert_eq!(list.take(&again).result, Duplicate, "once");
        let back = list.take(&report(3, Network, click, &id, "rejected"));
        assert_eq!(
            (back.result, back.conversion.id),
            (Updated, decided.conversion.id),
            "it is found by its id"
        );
    }
    // Of another click, or of the same key, nothing gives way.
    let list = List::default();
    let other = list.take(&report(1, Network, 1, "", "sale")).conversion;
    let again = Incoming { replaces: Some(other.key.clone()), ..report(2, Network, 2, "B", "sale") };
    assert_eq!(list.take(&again).displaced, None);
    let more = Money { amount: "12".parse().expect("an amount"), currency: Currency::USD };
    let again =
        Incoming { replaces: Some(other.key.clone()), revenue: more, ..report(1, Network, 1, "", "sale") };
    let decided = list.take(&again);
    assert_eq!((decided.result, decided.displaced, decided.conversion.revenue), (Updated, None, more));
}

#[test]
fn a_word_that_nobody_knows_brings_no_more_than_a_second_sale() {
    let unmapped = |n, id: &str| Incoming { unmapped: true, ..report(n, Network, 1, id, "aproved") };
    let list = List::default();
    assert_eq!(list.take(&unmapped(1, "A")).result, Recorded, "the click has no sale");
    let sale = list.take(&report(2, Network, 1, "B", "sale")).conversion;
    let known = list.take(&unmapped(3, "C"));
    assert_eq!((known.result, known.conversion), (Duplicate, sale));
    // Also where the network sends no ids.
    let slot = Incoming { transaction_id: None, key: "click:1:custom:aproved".to_owned(), ..unmapped(4, "") };
    assert_eq!(list.take(&slot).result, Duplicate);
    // A stage that the network has, another click, an upsell.
    let stage = Incoming { unmapped: false, ..unmapped(5, "D") };
    assert_eq!(list.take(&stage).result, Recorded);
    let elsewhere = Incoming { click_id: ClickId::generate(time(0), 2), ..unmapped(6, "E") };
    assert_eq!(list.take(&elsewhere).result, Recorded);
    assert_eq!(list.take(&Incoming { allow_upsell: true, ..unmapped(7, "F") }).result, Recorded);
    assert_eq!(list.take(&unmapped(8, "B")).result, Stale, "after the sale itself");
    // When the sale is taken back, the click may bring something again.
    assert_eq!(list.take(&report(9, Network, 1, "B", "rejected")).result, Updated);
    assert_eq!(list.take(&unmapped(10, "G")).result, Recorded);
}

/// Report `n`, of another amount for each word.
fn said(n: i64, key: &str, word: &str) -> Incoming {
    let amount = match word {
        "sale" => "25",
        "lead" | "stage" => "1",
        _ => "10",
    };
    Incoming {
        unmapped: ["aproved", "yes"].contains(&word),
        revenue: Money { amount: amount.parse().expect("an amount"), currency: Currency::USD },
        // Without an id a word that is no step of ours has a key of its own.
        key: match (key, word) {
            ("", "aproved" | "yes" | "stage") => format!("click:1:custom:{word}"),
            ("", _) => "click:1:main".to_owned(),
            _ => format!("tx:{key}"),
        },
        ..report(n, Network, 1, key, word)
    }
}

/// All orders of the same things.
fn orders<T: Clone>(of: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = of.split_first() else { return vec![Vec::new()] };
    let put = |order: Vec<T>, at: usize| [&order[..at], std::slice::from_ref(first), &order[at..]].concat();
    orders(rest)
        .into_iter()
        .flat_map(|o| (0..=o.len()).map(move |at| put(o.clone(), at)).collect::<Vec<_>>())
        .collect()
}

/// A sale, a lead and two words that nobody knows, on one key, on two, without ids, in every order: the sale stands once,
/// with its own revenue, and nothing but the lead beside it.
#[test]
fn in_whatever_order_a_word_that_nobody_knows_brings_no_more_than_a_second_sale() {
    let words = ["sale", "lead", "aproved", "yes"];
    for keys in 0..81_usize {
        let key = |i: usize| ["A", "B", ""][keys / 3_usize.pow(i as u32) % 3];
        let reports: Vec<(&str, &str)> = words.iter().enumerate().map(|(i, word)| (key(i), *word)).collect();
        for order in orders(&reports) {
            let list = List::default();
            for (n, (key, word)) in (1..).zip(&order) {
                list.take(&said(n, key, word));
            }
            let (sales, all) = list.money();
            assert_eq!(sales, ["sale 25"], "{order:?}: {:#?}", list.0);
            assert!([25, 26].contains(&all), "{order:?}: {:#?}", list.0);
        }
        // Without the sale: one of the two words at most.
        for order in orders(&reports[1..]) {
            let list = List::default();
            order.iter().zip(1..).for_each(|((key, word), n)| drop(list.take(&said(n, key, word))));
            assert!(list.money().0.len() <= 1 && list.money().1 <= 11, "{order:?}: {:#?}", list.0);
        }
    }
}

#[test]
fn a_sale_takes_the_click_from_a_word_that_nobody_knows_and_gives_it_back() {
    let list = List::default();
    let word = list.take(&said(1, "A", "aproved")).conversion;
    let sale = list.take(&said(2, "B", "sale"));
    let gone = sale.displaced.expect("told");
    assert_eq!(
        (sale.result, gone.id.clone(), gone.version, gone.status),
        (Recorded, word.id, 2, ConversionStatus::Rejected)
    );
    assert_eq!(
        (gone.revenue, gone.raw_status.as_deref(), gone.displaced),
        (word.revenue, Some("aproved"), true)
    );
    // As long as the sale stands nothing of that key is one.
    for (n, word) in (3..).zip(["aproved", "yes", "sale"]) {
        let again = list.take(&said(n, "A", word));
        assert_eq!((again.result, &again.conversion), (Duplicate, &sale.conversion), "{word}");
    }
    list.take(&said(6, "B", "rejected"));
    let back = list.take(&Incoming { revenue_given: false, ..said(7, "A", "sale") });
    assert_eq!((back.result, back.conversion.id, back.conversion.displaced), (Updated, gone.id, false));
    assert_eq!(list.money().0, ["sale 25"]);
}

proptest! {
    /// Whatever is said of a click: what is a sale or might be one is there once, and a sale that comes is never lost.
    #[test]
    fn a_click_has_one_sale_whatever_is_said(said_of_it in prop::collection::vec((0..3_usize, 0..6_usize), 0..14)) {
        let list = List::default();
        for (n, (key, word)) in (1..).zip(&said_of_it) {
            let word = ["sale", "lead", "aproved", "yes", "rejected", "stage"][*word];
            list.take(&said(n, ["A", "B", ""][*key], word));
            prop_assert!(list.money().0.len() <= 1, "{:#?}", list.0);
        }
        list.take(&said(100, "NEW", "sale"));
        prop_assert_eq!(list.money().0, ["sale 25"]);
    }
}
