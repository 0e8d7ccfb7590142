//! Many reports at the same time, over both handles.

use super::{
    Stores,
    kit::{all, at, click, conversion, expect, record, report, reported, tally, unpublished, usd},
};
use crate::conversions::Recorded;
use std::{collections::BTreeSet, sync::Arc};
use tfx_domain::{
    event::PostbackResult,
    postback::{ConversionStatus, Incoming, Signed, TransactionScope},
};
use tokio::task::JoinSet;

/// Records each report by itself, all at once, in turn over the two handles.
async fn at_once(s: &Stores, reports: impl IntoIterator<Item = Incoming>) -> Vec<Recorded> {
    let mut racing = JoinSet::new();
    for (n, report) in reports.into_iter().enumerate() {
        let store = Arc::clone(if n % 2 == 0 { &s.one } else { &s.two });
        racing.spawn(async move { record(&store, &report).await });
    }
    racing.join_all().await
}

/// Of a thousand identical reports one is new and 999 are duplicates of it.
pub async fn of_many_identical_reports_one_is_new(s: Stores) {
    let answers = at_once(&s, (1..=1_000).map(|n| report(n, "T"))).await;
    assert_eq!(tally(&answers), [1, 0, 999, 0]);
    let there = all(&s.one).await;
    assert_eq!(there.len(), 1);
    assert!(answers.iter().all(|a| a.conversion == there[0]), "everyone is told of the same one");
    assert_eq!(unpublished(&s.two, 10).await, there);
}

/// Signatures that come at the same time are all remembered, beside one that changes what they leave.
pub async fn no_simultaneous_signature_is_lost(s: Stores) {
    let signed = |n: i64, payout: &str| Incoming {
        revenue: usd(payout),
        signed: Some(Signed { mark: format!("mark {n}"), at: None }),
        ..report(n, "T")
    };
    expect(&s.one, &signed(0, "5"), PostbackResult::Recorded).await;
    let reports = (1..=30).map(|n| Incoming { at: at(1), ..signed(n, if n == 15 { "9" } else { "5" }) });
    let answers = at_once(&s, reports.map(|r| Incoming { revenue_given: r.revenue == usd("9"), ..r })).await;
    assert_eq!(tally(&answers), [0, 1, 29, 0]);
    let there = all(&s.two).await;
    let marks: BTreeSet<&String> = there.iter().flat_map(|c| &c.signatures.marks).collect();
    assert_eq!((marks.len(), there[0].version, there[0].revenue), (31, 2, usd("9")));
}

/// What a line of the log says is taken again once, by whoever is first; if that came to nothing, once more.
pub async fn of_many_who_take_a_line_again_one_does(s: Stores) {
    let at_once = async |line: u128| -> usize {
        let mut racing = JoinSet::new();
        for n in 0..40 {
            let store = Arc::clone(if n % 2 == 0 { &s.one } else { &s.two });
            racing.spawn(async move { store.is_first_taken(click(line)).await.expect("noted") });
        }
        racing.join_all().await.into_iter().filter(|first| *first).count()
    };
    assert_eq!((at_once(1).await, at_once(1).await, at_once(2).await), (1, 0, 1));
    s.two.not_taken(click(1)).await.expect("given back");
    assert_eq!((at_once(1).await, at_once(2).await), (1, 0));
}

/// Of many transactions for one click one is the sale, the others are duplicates of it.
pub async fn of_simultaneous_sales_one_has_the_click(s: Stores) {
    let answers = at_once(&s, (1..=100).map(|n| report(n, &format!("T{n}")))).await;
    assert_eq!(tally(&answers), [1, 0, 99, 0]);
    let there = all(&s.two).await;
    assert_eq!(there.len(), 1);
    assert!(answers.iter().all(|a| a.conversion == there[0]));
}

/// Of many leads of one click one becomes the sale, the others stay.
pub async fn of_simultaneous_leads_one_becomes_the_sale(s: Stores) {
    let leads: Vec<_> = (1..=40).map(|n| reported(n, &format!("T{n}"), "lead")).collect();
    s.one.record(&leads).await.expect("leads");
    let answers = at_once(&s, (1..=40).map(|n| report(100 + n, &format!("T{n}")))).await;
    assert_eq!(tally(&answers), [0, 1, 39, 0]);
    let there = all(&s.two).await;
    let sales = there.iter().filter(|c| c.status == ConversionStatus::Sale).count();
    assert_eq!((there.len(), sales), (40, 1));
    assert!(there.iter().all(|c| c.version == 1 + u64::from(c.status == ConversionStatus::Sale)));
}

/// Of many transactions for one click, sales and words that nobody knows, one sale stands and nothing beside it.
pub async fn of_simultaneous_sales_and_words_one_sale_stands(s: Stores) {
    let word = |n| Incoming { unmapped: true, ..reported(n, &format!("T{n}"), "aproved") };
    let reports = (1..=100).map(|n| if n % 3 == 0 { report(n, &format!("T{n}")) } else { word(n) });
    let answers = at_once(&s, reports).await;
    let gave_way = answers.iter().filter_map(|a| a.displaced.as_ref()).count();
    let there = all(&s.two).await;
    let (sales, others): (Vec<_>, Vec<_>) = there.iter().partition(|c| c.status == ConversionStatus::Sale);
    assert_eq!((sales.len(), others.len()), (1, gave_way), "{there:#?}");
    assert!(gave_way <= 1 && others.iter().all(|c| c.displaced && c.sale_claim.is_none()), "{there:#?}");
}

/// Every one of many different payouts is an update of its own, on top of the others.
pub async fn no_simultaneous_update_is_lost(s: Stores) {
    expect(&s.one, &report(1, "T"), PostbackResult::Recorded).await;
    // All of one moment: an earlier one would be stale.
    let at = report(61, "T").at;
    let payouts = (1..=60).map(|n| Incoming { at, revenue: usd(&format!("10.{n}1")), ..report(1 + n, "T") });
    let answers = at_once(&s, payouts).await;
    assert_eq!(tally(&answers), [0, 60, 0, 0]);
    let versions: BTreeSet<u64> = answers.iter().map(|a| a.conversion.version).collect();
    assert_eq!(versions, (2..=61).collect(), "each version once");
    let last = answers.iter().find(|a| a.conversion.version == 61).expect("the last");
    assert_eq!(s.two.get(&conversion(1)).await.expect("get").as_ref(), Some(&last.conversion));
}

/// A lead, again and again, while it becomes a sale, again and again: one update, and nothing goes back.
pub async fn a_race_of_an_update_with_duplicates(s: Stores) {
    expect(&s.one, &reported(1, "T", "lead"), PostbackResult::Recorded).await;
    let status = |n: i64| if n % 4 < 2 { "lead" } else { "sale" };
    let answers = at_once(&s, (2..=101).map(|n| reported(n, "T", status(n)))).await;
    let [recorded, updated, duplicate, stale] = tally(&answers);
    assert_eq!((recorded, updated, duplicate + stale), (0, 1, 99));
    assert!(stale <= 50 && duplicate >= 49, "{duplicate} duplicates, {stale} stale");
    let there = all(&s.two).await;
    assert_eq!((there.len(), there[0].version, there[0].status.as_str()), (1, 2, "sale"));
    let of_lead = |a: &&Recorded| a.conversion.status == ConversionStatus::Lead;
    assert!(answers.iter().filter(of_lead).all(|a| a.result == PostbackResult::Duplicate));
}

/// The same ids of many clicks at once, at instances that know different scopes of the network: each click and id is
/// one conversion at most, and none is counted on another click.
pub async fn of_simultaneous_scopes_each_click_has_its_own(s: Stores) {
    let scopes = TransactionScope::ALL;
    let reports = (0..240_i64).map(|n| Incoming {
        scope: scopes[usize::from(n % 3 == 0)],
        click_id: click(n as u128 / 2 % 12),
        ..reported(n + 1, ["PURCHASE", "2"][n as usize % 2], "rebill")
    });
    let answers = at_once(&s, reports).await;
    let there = all(&s.one).await;
    let names: BTreeSet<_> = there.iter().map(|c| (c.click_id, c.transaction_id.clone())).collect();
    assert_eq!(names.len(), there.len(), "a click and an id are one conversion");
    assert!((2..=24).contains(&there.len()), "{}", there.len());
    let count = |kind| answers.iter().filter(|a| a.result == kind).count();
    assert_eq!(count(PostbackResult::Recorded), there.len());
    assert_eq!(tally(&answers).iter().sum::<usize>() + count(PostbackResult::Conflict), 240);
    // Those that know the scope of the click find what they reported, whoever was first.
    for c in &there {
        let again = Incoming {
            scope: TransactionScope::Network,
            click_id: c.click_id,
            at: c.updated_at,
            ..reported(900, c.transaction_id.as_deref().unwrap_or_default(), "rebill")
        };
        assert_eq!(record(&s.two, &again).await.conversion, *c);
    }
}

/// Batches that touch the same keys in opposite orders do not lock each other out, and count each key once.
pub async fn batches_in_opposite_orders_all_get_in(s: Stores) {
    let mut racing = JoinSet::new();
    for batch in 0..16_i64 {
        let store = Arc::clone(if batch % 2 == 0 { &s.one } else { &s.two });
        let mut reports: Vec<_> = (0..50)
            .map(|n| Incoming { click_id: click(n as u128), ..report(1 + batch * 100 + n, &format!("T{n}")) })
            .collect();
        if batch % 4 < 2 {
            reports.reverse();
        }
        racing.spawn(async move { store.record(&reports).await.expect("a batch") });
    }
    let answers = racing.join_all().await.concat();
    assert_eq!(tally(&answers), [50, 0, 750, 0]);
    assert_eq!(all(&s.one).await.len(), 50);
}
