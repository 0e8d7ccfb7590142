//! A row that cannot be read does not stop the others.

use super::{
    Stores,
    kit::{all, first, record, report, reported, unpublished},
};
use crate::conversions::ConversionQuery;
use tfx_domain::{
    event::{PostbackResult, TestTraffic},
    report::Conditions,
};

/// Lists and what is unpublished go on without the conversion that `spoil` makes unreadable, which is told; reports about
/// others are recorded.
pub async fn rows_that_cannot_be_read_are_left_out(s: Stores, spoil: impl AsyncFn(String)) {
    let mut there = Vec::new();
    for n in 1..=4 {
        there.push(record(&s.one, &reported(n, &format!("T{n}"), "rebill")).await.conversion);
    }
    assert_eq!(s.two.left_out(), Vec::<String>::new());
    spoil(there[1].id.to_string()).await;
    let others = [&there[3], &there[2], &there[0]].map(|c| c.id.clone());
    let listed: Vec<_> = all(&s.two).await.into_iter().map(|c| c.id).collect();
    assert_eq!(listed, others, "listed");
    let no_tests = ConversionQuery { test: TestTraffic::Exclude, ..first(2) };
    let page = s.two.list(&no_tests).await.expect("also where it takes looking into each");
    assert_eq!(page.items.iter().map(|c| c.id.clone()).collect::<Vec<_>>(), others[..2]);
    let filters = vec!["status=REBILL".parse().expect("a condition")];
    let conditions = Conditions { filters, ..Conditions::default() };
    let page =
        s.two.list(&ConversionQuery { conditions, ..first(10) }).await.expect("also those of a condition");
    assert_eq!(page.items.iter().map(|c| c.id.clone()).collect::<Vec<_>>(), others);
    assert!(
        page.left_out.len() == 1 && page.left_out[0].contains(there[1].id.as_str()),
        "{:?}",
        page.left_out
    );
    let mut waiting: Vec<_> = unpublished(&s.two, 4).await.into_iter().map(|c| c.id).collect();
    waiting.reverse();
    assert_eq!(waiting, others, "unpublished");
    assert_eq!(s.two.left_out().len(), 1, "{:?}", s.two.left_out());
    // What it is about fails alone, by its name.
    let e = s.two.get(&there[1].id).await.expect_err("it cannot be read").to_string();
    assert!(e.contains(there[1].id.as_str()), "{e}");
    let (gone, new) = (reported(9, "T2", "rejected"), report(8, "T8"));
    let (gone, new) =
        tokio::join!(s.two.record(std::slice::from_ref(&gone)), s.two.record(std::slice::from_ref(&new)));
    assert!(gone.is_err(), "{gone:?}");
    assert_eq!(new.expect("recorded")[0].result, PostbackResult::Recorded);
}
