//! What a batch of reports does to what is stored: the answers, and the states to be written. Pure.

use super::known::BatchState;
use std::collections::HashMap;
use tfx_domain::{
    event::PostbackResult,
    id::ConversionId,
    postback::{Conversion, Decided, Incoming, decide},
    source_postback::{SourcePostback, tells},
};
use tfx_ports::{StoreError, conversions::Recorded};

/// A state to be written.
#[derive(Debug, PartialEq)]
pub(super) struct State {
    /// Orders what waits to be published: by the last change; none: it is in the state it was in, and a signature was noted.
    pub(super) number: Option<i64>,
    pub(super) conversion: Conversion,
}

/// What is to be answered once `inserts` and `updates` are written, all or none of them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) answers: Vec<Recorded>,
    /// New conversions, in their last state.
    pub(super) inserts: Vec<State>,
    /// Conversions that were there, in their last state, with what is stored of them. Those that hold no sale
    /// come first, so that one that now claims what another lets go of finds it free.
    pub(super) updates: Vec<(String, State)>,
    /// What sources are to be told of them, unless they were told before.
    pub(super) tells: Vec<SourcePostback>,
}

impl Plan {
    /// Applies reports in order; `next_number` numbers the changes.
    ///
    /// # Errors
    /// What is known cannot be read.
    pub(super) fn new(
        mut known: BatchState,
        reports: &[Incoming],
        mut next_number: impl FnMut() -> i64,
    ) -> Result<Self, StoreError> {
        let mut plan = Self { answers: Vec::with_capacity(reports.len()), ..Self::default() };
        let mut changed: HashMap<ConversionId, Option<i64>> = HashMap::new();
        for report in reports {
            let decided = decide(&known, report)?;
            plan.tells.extend(tells(report, &decided));
            let Decided { result, conversion, displaced, noted, .. } = decided;
            let changes = matches!(result, PostbackResult::Recorded | PostbackResult::Updated);
            for c in displaced.iter().chain(changes.then_some(&conversion)) {
                changed.insert(c.id.clone(), Some(next_number()));
                if c.version == 1 { known.put_new(c.clone()) } else { known.put(c.clone()) }
            }
            if let Some(c) = noted {
                changed.entry(c.id.clone()).or_default();
                known.put(c);
            }
            plan.answers.push(Recorded { result, conversion, displaced });
        }
        for (id, number) in changed {
            let Some((conversion, stored)) = known.take(&id) else { continue };
            let state = State { number, conversion };
            match stored {
                Some(stored) => plan.updates.push((stored, state)),
                None => plan.inserts.push(state),
            }
        }
        plan.updates.sort_by_key(|(_, s)| (s.conversion.sale_claim.is_some(), s.number));
        plan.inserts.sort_by_key(|s| s.number);
        Ok(plan)
    }

    /// How many documents are written, at least.
    pub(super) fn writes(&self) -> usize {
        self.inserts.len() + self.updates.len() + self.tells.len()
    }

    /// The state that tells whether the plan was written: it is written with all the others or not at all.
    pub(super) fn witness(&self) -> Option<&Conversion> {
        self.inserts.first().or_else(|| self.updates.first().map(|(_, s)| s)).map(|s| &s.conversion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfx_domain::{
        Timestamp,
        event::ClickDims,
        id::{ClickId, NetworkId},
        money::{Currency, Money},
        postback::{Applied, TransactionScope, apply},
    };

    fn report(key: &str, click: u128, status: &str) -> Incoming {
        let at = Timestamp::from_second(1_790_000_000).expect("a time");
        let mut bits: u128 = 0;
        key.bytes().for_each(|b| bits = bits << 8 | u128::from(b));
        Incoming {
            new_id: ConversionId::generate(at, bits << 30),
            network: NetworkId::generate(at, 1),
            scope: TransactionScope::Network,
            key: key.to_owned(),
            transaction_id: None,
            click_id: ClickId::generate(at, click),
            status: status.parse().expect("a status"),
            raw_status: None,
            unmapped: false,
            revenue: Money { amount: "1".parse().expect("an amount"), currency: Currency::USD },
            revenue_given: true,
            allow_upsell: false,
            at,
            click: ClickDims::default(),
            cost_terms: tfx_domain::entity::Due::default(),
            tell: None,
            signed: None,
            waited: false,
            replaces: None,
        }
    }

    fn paid(amount: &str, report: Incoming) -> Incoming {
        let revenue = Money { amount: amount.parse().expect("an amount"), currency: Currency::USD };
        Incoming { revenue, ..report }
    }

    fn plan(stored: &[Incoming], reports: &[Incoming]) -> Plan {
        let mut known = BatchState::default();
        for report in stored {
            match apply(None, report) {
                Applied::New(c) => known.put_stored(c, report.key.clone()),
                other => panic!("{other:?}"),
            }
        }
        let mut number = 0;
        let next_number = || {
            number += 1;
            number
        };
        Plan::new(known, reports, next_number).expect("a plan")
    }

    fn results(plan: &Plan) -> Vec<PostbackResult> {
        plan.answers.iter().map(|a| a.result).collect()
    }

    /// `key@version#number` of what is written, updates first.
    fn written(plan: &Plan) -> Vec<String> {
        let all = plan.updates.iter().map(|(_, s)| s).chain(&plan.inserts);
        all.map(|s| format!("{}@{}#{}", s.conversion.key, s.conversion.version, s.number.expect("a change")))
            .collect()
    }

    use PostbackResult::{Duplicate, Recorded, Updated};

    #[test]
    fn a_new_conversion_is_written_once_in_its_last_state() {
        let plan = plan(&[], &[report("a", 1, "lead"), report("b", 2, "lead"), report("a", 1, "sale")]);
        assert_eq!(results(&plan), [Recorded, Recorded, Updated]);
        assert_eq!(plan.answers[0].conversion.version, 1, "each answer is of its own moment");
        assert_eq!(written(&plan), ["b@1#2", "a@2#3"], "in the order of the last change");
    }

    #[test]
    fn an_update_is_conditional_on_what_is_stored() {
        let plan =
            plan(&[report("a", 1, "lead")], &[report("a", 1, "sale"), paid("2", report("a", 1, "sale"))]);
        assert_eq!(results(&plan), [Updated, Updated]);
        assert_eq!(written(&plan), ["a@3#2"]);
        assert_eq!(plan.updates[0].0, "a");
    }

    #[test]
    fn what_changes_nothing_writes_nothing() {
        let plan = plan(&[report("a", 1, "sale")], &[report("a", 1, "sale"), report("b", 1, "sale")]);
        assert_eq!(results(&plan), [Duplicate, Duplicate]);
        assert_eq!((plan.writes(), plan.witness()), (0, None));
        assert!(plan.answers.iter().all(|a| a.conversion.key == "a"), "the holder of the sale");
    }

    #[test]
    fn a_sale_that_is_let_go_of_can_be_claimed_in_the_same_batch() {
        let reports = [
            report("c", 1, "install"),
            report("b", 1, "sale"),
            report("a", 1, "rejected"),
            report("b", 1, "sale"),
            paid("2", report("a", 1, "rejected")),
        ];
        let plan = plan(&[report("a", 1, "sale"), report("b", 1, "lead")], &reports);
        assert_eq!(results(&plan), [Recorded, Duplicate, Updated, Updated, Updated]);
        assert_eq!(written(&plan), ["a@3#4", "b@2#3", "c@1#1"], "who lets go is written before who claims");
    }
}
