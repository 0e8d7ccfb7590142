//! A long history, beside a list in memory that does the same.

use super::{
    Stores,
    kit::{all, at, click, conversion, network, report, unpublished},
};
use crate::{conformance::random::Random, conversions::Recorded, error::StoreError};
use std::collections::BTreeMap;
use tfx_domain::{
    event::PostbackResult,
    id::{ClickId, ConversionId, NetworkId},
    money::{Amount, Money},
    postback::{Conversion, Decided, Incoming, Signed, Standing, TransactionScope, decide},
};

/// What the store should have, plainly.
#[derive(Default)]
struct Model {
    there: Vec<Conversion>,
    /// Unpublished conversions and the number of their last change.
    unpublished: BTreeMap<ConversionId, u64>,
    changes: u64,
}

impl Model {
    fn record(&mut self, report: &Incoming) -> Recorded {
        let Decided { result, conversion, displaced, noted, .. } =
            decide(self, report).expect("a list can be read");
        if let Some(c) = &noted {
            *self.place(c) = c.clone();
        }
        if let Some(c) = &displaced {
            self.update(c);
        }
        match result {
            PostbackResult::Recorded => {
                self.there.push(conversion.clone());
                self.changed(&conversion);
            }
            PostbackResult::Updated => self.update(&conversion),
            _ => {}
        }
        Recorded { result, conversion, displaced }
    }

    fn update(&mut self, c: &Conversion) {
        *self.place(c) = c.clone();
        self.changed(c);
    }

    fn place(&mut self, c: &Conversion) -> &mut Conversion {
        self.there.iter_mut().find(|there| there.id == c.id).expect("there")
    }

    fn changed(&mut self, c: &Conversion) {
        self.changes += 1;
        self.unpublished.insert(c.id.clone(), self.changes);
    }

    /// The oldest change first.
    fn waiting(&self) -> Vec<Conversion> {
        let mut waiting: Vec<_> =
            self.there.iter().filter(|c| self.unpublished.contains_key(&c.id)).collect();
        waiting.sort_by_key(|c| self.unpublished[&c.id]);
        waiting.into_iter().cloned().collect()
    }
}

impl Standing for Model {
    type Error = StoreError;

    fn by_key(&self, network: &NetworkId, key: &str) -> Result<Option<Conversion>, StoreError> {
        Ok(self.there.iter().find(|c| c.network == *network && c.key == key).cloned())
    }

    fn by_claim(&self, network: &NetworkId, claim: &str) -> Result<Option<Conversion>, StoreError> {
        let holds = |c: &&Conversion| c.network == *network && c.sale_claim.as_deref() == Some(claim);
        Ok(self.there.iter().find(holds).cloned())
    }

    fn by_signature(&self, click: ClickId, signed: &Signed) -> Result<Option<Conversion>, StoreError> {
        Ok(self.there.iter().find(|c| c.click_id == click && c.signatures.has(signed)).cloned())
    }
}

/// Batches of random reports of few transactions and clicks come to what the status machine makes of them one by
/// one, and so does what waits to be published.
pub async fn a_long_history_is_what_the_status_machine_says(s: Stores) {
    let random = &mut Random::new(4);
    let mut model = Model::default();
    let mut n = 0;
    for round in 0..60 {
        let store = if random.one_in(2) { &s.one } else { &s.two };
        let batch: Vec<_> = (0..=random.below(20))
            .map(|_| {
                n += 1;
                any_report(random, n)
            })
            .collect();
        let want: Vec<_> = batch.iter().map(|r| model.record(r)).collect();
        assert_eq!(store.record(&batch).await.expect("record"), want, "round {round}: {batch:#?}");
        if random.one_in(4) {
            let some: Vec<_> = model.waiting().iter().step_by(2).map(|c| (c.id.clone(), c.version)).collect();
            store.mark_published(&some).await.expect("mark");
            for (id, _) in &some {
                model.unpublished.remove(id);
            }
        }
        assert_eq!(unpublished(&s.one, 1_000).await, model.waiting(), "round {round}");
    }
    model.there.reverse();
    assert_eq!(all(&s.two).await, model.there);
}

fn any_report(random: &mut Random, n: i64) -> Incoming {
    let statuses = ["lead", "sale", "sale", "sale", "rejected", "rebill", "trial", "deposit"];
    let amounts = [0, 1, 5_000_000, 5_000_000, 5_000_000, 1_234_567];
    let clicks = random.below(12) as u128;
    let revenue = Money {
        amount: Amount::from_micros(*random.pick(&amounts)),
        currency: random.pick(&["USD", "USD", "USD", "EUR"]).parse().expect("a currency"),
    };
    let plain = report(n, &format!("T{}", random.below(60)));
    // Without a transaction id the click's own slot is the key.
    let (key, transaction_id) = if random.one_in(3) {
        (format!("click:{}:main", click(clicks)), None)
    } else {
        (plain.key, plain.transaction_id)
    };
    Incoming {
        new_id: conversion(n.unsigned_abs().into()),
        network: network(1 + random.below(2) as u128),
        key,
        transaction_id,
        click_id: click(clicks),
        status: random.pick(&statuses).parse().expect("a status"),
        raw_status: (!random.one_in(4)).then(|| format!("raw {n}")),
        revenue,
        revenue_given: !random.one_in(4),
        allow_upsell: random.one_in(3),
        scope: *random.pick(&TransactionScope::ALL),
        unmapped: random.one_in(4),
        // Of every network some sign, and some of what they sent comes again.
        signed: random.one_in(3).then(|| Signed {
            mark: format!("mark {}", random.below(40)),
            at: (!random.one_in(3)).then(|| at(n - i64::try_from(random.below(9)).expect("small"))),
        }),
        ..report(n, "")
    }
}
