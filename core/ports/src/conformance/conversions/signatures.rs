//! What a network signs counts once, whatever comes of it.

use super::{
    Stores,
    kit::{click, expect, network, report, reported, unpublished, usd},
};
use tfx_domain::{
    event::PostbackResult::{Duplicate, Recorded, Stale, Updated},
    postback::{Incoming, Signed},
};

/// A signature of what changed nothing changes nothing later either; nobody is told that it was noted.
pub async fn a_signature_that_changed_nothing_is_remembered(s: Stores) {
    let signed = |n: i64, mark: &str, word: &str, payout: &str| Incoming {
        revenue: usd(payout),
        signed: Some(Signed { mark: mark.to_owned(), at: None }),
        ..reported(n, "T", word)
    };
    let first = expect(&s.one, &signed(1, "a", "deposit", "10"), Recorded).await;
    s.one.mark_published(&[(first.id.clone(), 1)]).await.expect("mark");
    expect(&s.two, &signed(2, "b", "deposit", "10"), Duplicate).await;
    assert_eq!(unpublished(&s.one, 10).await, [], "it is the state that it was");
    let noted = s.one.get(&first.id).await.expect("get").expect("there");
    assert_eq!((noted.version, noted.updated_at), (1, first.updated_at));
    expect(&s.one, &signed(3, "c", "deposit", "20"), Updated).await;
    // A step backwards, once the sale has gone.
    expect(&s.two, &signed(4, "d", "lead", "20"), Updated).await;
    expect(&s.one, &signed(5, "e", "rebill", "20"), Stale).await;
    // Late by an arrival that is taken as of a later time: not yet. One that waited has no later time.
    expect(&s.two, &signed(2, "f", "trial", "20"), Stale).await;
    expect(&s.one, &signed(6, "f", "trial", "20"), Updated).await;
    expect(&s.two, &Incoming { waited: true, ..signed(2, "g", "deposit", "10") }, Stale).await;
    for (n, mark) in (7..).zip(["a", "b", "c", "d", "e", "f", "g"]) {
        let stands = expect(&s.one, &signed(n, mark, "deposit", "10"), Duplicate).await;
        assert_eq!((stands.status.as_str(), stands.revenue), ("trial", usd("20")), "{mark}");
    }
    // Of one batch.
    let batch =
        [signed(20, "h", "trial", "20"), signed(21, "i", "trial", "30"), signed(22, "h", "trial", "20")];
    let results: Vec<_> = s.two.record(&batch).await.expect("record").iter().map(|r| r.result).collect();
    assert_eq!(results, [Duplicate, Updated, Duplicate]);
    let stands = s.one.get(&first.id).await.expect("get").expect("there");
    assert_eq!(stands.signatures.marks, ["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
    // What another sale was in the way of leaves its signature there.
    expect(&s.one, &Incoming { click_id: click(2), ..report(30, "A") }, Recorded).await;
    let second = |n| Incoming {
        click_id: click(2),
        signed: Some(Signed { mark: "k".to_owned(), at: None }),
        ..report(n, "B")
    };
    expect(&s.two, &second(31), Duplicate).await;
    expect(&s.one, &Incoming { click_id: click(2), ..reported(32, "A", "rejected") }, Updated).await;
    expect(&s.two, &second(33), Duplicate).await;
}

/// A signature counts once for a click, under whatever key and at whatever network it comes.
pub async fn a_signature_counts_once_for_a_click(s: Stores) {
    let signed = |n: i64, tx: &str| Incoming {
        allow_upsell: true,
        signed: Some(Signed { mark: "a".to_owned(), at: None }),
        ..report(n, tx)
    };
    let first = expect(&s.one, &signed(1, "A"), Recorded).await;
    assert_eq!(expect(&s.two, &signed(2, "B"), Duplicate).await, first);
    assert_eq!(expect(&s.one, &Incoming { network: network(2), ..signed(3, "A") }, Duplicate).await, first);
    expect(&s.two, &Incoming { click_id: click(2), ..signed(4, "C") }, Recorded).await;
    let other = |n, tx| {
        let signed = Some(Signed { mark: "b".to_owned(), at: None });
        Incoming { click_id: click(3), signed, allow_upsell: true, ..report(n, tx) }
    };
    let results = s.two.record(&[other(5, "D"), other(6, "E")]).await.expect("record");
    assert_eq!(results.iter().map(|r| r.result).collect::<Vec<_>>(), [Recorded, Duplicate]);
}
