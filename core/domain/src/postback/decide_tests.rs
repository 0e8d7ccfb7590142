//! Scopes, clicks, repeated ids and labels; and words that nobody knows.

use super::*;
use crate::{
    Timestamp,
    event::{ClickDims, PostbackResult::*},
    id::ClickId,
    money::{Currency, Money},
};
use std::{cell::RefCell, convert::Infallible};

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
        if [Recorded, Updated].contains(&decided.result) {
            self.0.borrow_mut().retain(|c| c.id != decided.conversion.id);
            self.0.borrow_mut().push(decided.conversion.clone());
        }
        decided
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
