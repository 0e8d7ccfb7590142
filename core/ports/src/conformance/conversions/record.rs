//! Recording: what is new, what changes, what is known, and who has the one sale of a click.

use super::{
    Stores,
    kit::{all, at, click, conversion, expect, network, record, report, reported, tally, unpublished, usd},
};
use crate::error::StoreError;
use tfx_domain::{
    event::PostbackResult::{Conflict, Duplicate, Recorded, Stale, Updated},
    postback::{Applied, Conversion, Incoming, Signed, TransactionScope, apply},
};

/// The first report makes a conversion that says what it said; each step is what the status machine makes of it.
pub async fn reports_follow_the_status_machine(s: Stores) {
    let steps = [
        (reported(1, "T", "lead"), Recorded),
        (reported(2, "T", "lead"), Duplicate),
        (Incoming { revenue: usd("7.123456"), ..reported(3, "T", "lead") }, Updated),
        (reported(4, "T", "rebill"), Stale),
        (reported(5, "T", "in review"), Updated),
        (Incoming { revenue_given: false, raw_status: None, ..reported(6, "T", "sale") }, Updated),
        (reported(7, "T", "lead"), Stale),
        (Incoming { revenue: usd("0"), ..reported(8, "T", "sale") }, Updated),
        (Incoming { revenue: usd("0"), ..reported(9, "T", "rejected") }, Updated),
        (reported(10, "T", "sale"), Stale),
        (Incoming { revenue: usd("0"), ..reported(11, "T", "rejected") }, Duplicate),
    ];
    let mut there: Option<Conversion> = None;
    for (n, (report, want)) in steps.iter().enumerate() {
        let (writer, reader) = if n % 2 == 0 { (&s.one, &s.two) } else { (&s.two, &s.one) };
        let expected = match apply(there.as_ref(), report) {
            Applied::New(c) | Applied::Updated(c) => c,
            Applied::Duplicate | Applied::Stale => there.expect("there"),
        };
        assert_eq!(expect(writer, report, *want).await, expected, "step {n}");
        assert_eq!(reader.get(&expected.id).await.expect("get"), Some(expected.clone()), "step {n}");
        there = Some(expected);
    }
    assert_eq!(all(&s.one).await, [there.expect("there")]);
    s.one.ping().await.expect("ping");
}

/// A duplicate or stale report gets the conversion that is there, and leaves it, its time and its facts as they are.
pub async fn what_is_not_new_changes_nothing(s: Stores) {
    let before = expect(&s.one, &report(1, "T"), Recorded).await;
    let mut again = report(2, "T");
    again.click.country = "FR".into();
    assert_eq!(expect(&s.two, &again, Duplicate).await, before);
    assert_eq!(expect(&s.two, &reported(3, "T", "lead"), Stale).await, before);
    assert_eq!(all(&s.one).await, [before]);
    assert_eq!(s.one.get(&again.new_id).await.expect("get"), None, "its id is not used");
    assert!(s.one.record(&[]).await.expect("nothing").is_empty());
}

/// A signature that brought a conversion into one of its states changes nothing again, by whichever instance it comes and however the
/// conversion stands; neither does what was signed before what stands, but for the outcome of a lead.
pub async fn a_signature_that_was_taken_changes_nothing_again(s: Stores) {
    let signed = |n: i64, mark: &str, signed: Option<i64>, payout: &str| Incoming {
        revenue: usd(payout),
        signed: Some(Signed { mark: mark.to_owned(), at: signed.map(at) }),
        ..report(n, "T")
    };
    expect(&s.one, &signed(1, "a", None, "10"), Recorded).await;
    expect(&s.two, &signed(2, "b", None, "20"), Updated).await;
    let stands = expect(&s.one, &signed(3, "a", None, "10"), Duplicate).await;
    assert_eq!((stands.revenue, stands.version), (usd("20"), 2));
    expect(&s.two, &signed(4, "c", Some(50), "30"), Updated).await;
    expect(&s.one, &signed(5, "d", Some(49), "20"), Stale).await;
    expect(&s.one, &signed(6, "e", Some(50), "40"), Updated).await;
    expect(&s.two, &signed(7, "c", Some(50), "30"), Duplicate).await;
    // One transaction, and a batch: each sees those before it.
    let batch =
        [signed(8, "f", Some(60), "50"), signed(9, "g", Some(61), "60"), signed(10, "f", Some(60), "50")];
    let results: Vec<_> = s.two.record(&batch).await.expect("record").iter().map(|r| r.result).collect();
    assert_eq!(results, [Updated, Updated, Duplicate]);
    let lead = |n: i64, word: &str, mark: &str, time: i64| Incoming {
        status: word.parse().expect("a status"),
        key: "tx:L".to_owned(),
        transaction_id: Some("L".to_owned()),
        allow_upsell: true,
        ..signed(n, mark, Some(time), "5")
    };
    expect(&s.one, &lead(11, "lead", "h", 70), Recorded).await;
    expect(&s.two, &lead(12, "sale", "i", 69), Updated).await;
    let all = all(&s.one).await;
    let marks: Vec<&str> = all.iter().flat_map(|c| c.signatures.marks.iter().map(String::as_str)).collect();
    assert_eq!(marks, ["h", "i", "a", "b", "c", "d", "e", "f", "g"]);
}

/// The same key at another network is another conversion, and so is a key in another case or with a space more.
pub async fn keys_are_the_networks_own(s: Stores) {
    let keys = ["T", "t", " T", "T ", "Ｔ", "ß", "ss", "$where", "a.b", "tx:T", "日本 \u{1F600}"];
    let mut n = 0;
    for network_n in 1..=2 {
        for key in keys {
            n += 1;
            let lead = Incoming { network: network(network_n), ..reported(n, key, "lead") };
            expect(&s.one, &lead, Recorded).await;
            let again = Incoming { new_id: conversion(500 + n.unsigned_abs() as u128), at: at(900), ..lead };
            let known = expect(&s.two, &again, Duplicate).await;
            assert_eq!((&known.network, &known.key), (&again.network, &again.key));
            let found = s.two.by_key(&again.network, &again.key).await.expect("by key");
            assert_eq!(found.as_ref(), Some(&known));
            assert_eq!(s.one.by_key(&network(3), &again.key).await.expect("by key"), None);
        }
    }
    assert_eq!(all(&s.one).await.len(), keys.len() * 2);
}

/// A known id of another click is a conflict where ids are the network's, and a conversion of its own where they are a
/// click's; either way nothing that another click has is touched, also when the network's scope is changed.
pub async fn a_report_never_changes_the_conversion_of_another_click(s: Stores) {
    use TransactionScope::{Click, Network};
    // Scope, network, click, id, status: what comes of it, and of which click the conversion is that is told.
    let table = [
        (Network, 1, 1, "PURCHASE", "lead", Recorded, 1),
        (Network, 1, 2, "PURCHASE", "sale", Conflict, 1),
        (Network, 1, 2, "PURCHASE", "rejected", Conflict, 1),
        (Network, 1, 1, "PURCHASE", "sale", Updated, 1),
        (Network, 2, 2, "PURCHASE", "sale", Recorded, 2),
        (Click, 1, 1, "PURCHASE", "sale", Duplicate, 1),
        (Click, 1, 2, "PURCHASE", "lead", Recorded, 2),
        (Click, 1, 2, "PURCHASE", "lead", Duplicate, 2),
        (Click, 1, 2, "PURCHASE", "sale", Updated, 2),
        (Click, 1, 2, "2", "sale", Duplicate, 2),
        (Click, 1, 3, "2", "sale", Recorded, 3),
        (Click, 1, 2, "2", "lead", Recorded, 2),
        (Click, 2, 1, "PURCHASE", "sale", Recorded, 1),
        (Network, 1, 2, "PURCHASE", "sale", Duplicate, 2),
        (Network, 1, 2, "PURCHASE", "rejected", Updated, 2),
        (Network, 1, 1, "2", "sale", Conflict, 3),
        (Network, 1, 2, "2", "lead", Duplicate, 2),
        (Click, 1, 4, "2", "sale", Recorded, 4),
    ];
    for (n, (scope, network_n, click_n, id, status, want, of)) in (1..).zip(table) {
        let incoming = Incoming {
            scope,
            network: network(network_n),
            click_id: click(click_n),
            ..reported(n, id, status)
        };
        let before = all(&s.one).await;
        let store = if n % 2 == 0 { &s.one } else { &s.two };
        let told = expect(store, &incoming, want).await;
        assert_eq!((told.click_id, &told.network), (click(of), &incoming.network), "step {n}");
        let others = |all: Vec<Conversion>| -> Vec<Conversion> {
            all.into_iter()
                .filter(|c| c.click_id != incoming.click_id || c.network != incoming.network)
                .collect()
        };
        assert_eq!(others(all(&s.one).await), others(before), "step {n}");
    }
    // In one batch: each sees those before it.
    let batch = [
        Incoming { click_id: click(7), ..report(101, "X") },
        Incoming { click_id: click(8), ..report(102, "X") },
        Incoming { click_id: click(8), scope: Click, ..report(103, "X") },
        Incoming { click_id: click(8), ..reported(104, "X", "rejected") },
        Incoming { click_id: click(7), scope: Click, ..report(105, "X") },
    ];
    let answers = s.two.record(&batch).await.expect("record");
    let results: Vec<_> = answers.iter().map(|a| a.result).collect();
    assert_eq!(results, [Recorded, Conflict, Recorded, Updated, Duplicate]);
}

/// A word that nobody knows is a second sale where the click has its one, whether it comes with an id or without.
pub async fn a_word_that_nobody_knows_brings_no_second_revenue(s: Stores) {
    let sale = expect(&s.one, &report(1, "A"), Recorded).await;
    let unmapped = |n, tx: &str| Incoming { unmapped: true, ..reported(n, tx, "aproved") };
    assert_eq!(expect(&s.two, &unmapped(2, "B"), Duplicate).await, sale);
    let slot = format!("click:{}:custom:aproved", click(1));
    let without_id = Incoming { key: slot, transaction_id: None, ..unmapped(3, "") };
    assert_eq!(expect(&s.one, &without_id, Duplicate).await, sale);
    assert_eq!(expect(&s.one, &unmapped(4, "A"), Stale).await, sale);
    expect(&s.two, &reported(5, "C", "aproved"), Recorded).await;
    expect(&s.two, &Incoming { allow_upsell: true, ..unmapped(6, "D") }, Recorded).await;
    expect(&s.one, &Incoming { network: network(2), ..unmapped(7, "B") }, Recorded).await;
    expect(&s.one, &Incoming { click_id: click(2), ..unmapped(8, "E") }, Recorded).await;
    expect(&s.two, &reported(9, "A", "rejected"), Updated).await;
    expect(&s.one, &unmapped(10, "B"), Recorded).await;
}

/// A sale takes the click from a word that nobody knows, on any key, new or there, also within a batch. What gives way is
/// told, changed, and to be published; when the sale is taken back it may come again.
pub async fn a_sale_goes_before_a_word_that_nobody_knows(s: Stores) {
    let unmapped = |n, tx: &str| Incoming { unmapped: true, ..reported(n, tx, "aproved") };
    let word = expect(&s.one, &unmapped(1, "A"), Recorded).await;
    assert_eq!(word.sale_claim, Some(click(1).to_string()));
    assert_eq!(expect(&s.two, &unmapped(2, "B"), Duplicate).await, word, "a second word");
    expect(&s.two, &reported(3, "C", "lead"), Recorded).await;
    assert_eq!(expect(&s.two, &unmapped(4, "C"), Duplicate).await.status.as_str(), "lead");

    let done = record(&s.two, &report(5, "C")).await;
    let gone = done.displaced.clone().expect("what gave way");
    assert_eq!((done.result, done.conversion.sale_claim), (Updated, Some(click(1).to_string())));
    assert_eq!(
        (&gone.id, gone.version, gone.status.as_str(), gone.displaced),
        (&word.id, 2, "rejected", true)
    );
    assert_eq!(s.one.get(&word.id).await.expect("get"), Some(gone.clone()));
    assert!(unpublished(&s.one, 10).await.contains(&gone));
    assert_eq!(expect(&s.one, &unmapped(6, "A"), Duplicate).await.id, done.conversion.id);
    expect(&s.one, &reported(7, "C", "rejected"), Updated).await;
    let back = expect(&s.two, &unmapped(8, "A"), Updated).await;
    assert_eq!((&back.id, back.version, back.displaced), (&word.id, 3, false));

    // A new sale, an older word, and one of the same batch.
    let batch = [
        report(9, "D"),
        reported(10, "D", "rejected"),
        unmapped(11, "E"),
        report(12, "F"),
        unmapped(13, "G"),
    ];
    let answers = s.one.record(&batch).await.expect("record");
    let results: Vec<_> =
        answers.iter().map(|a| (a.result, a.displaced.as_ref().map(|c| c.id.clone()))).collect();
    let want = [
        (Recorded, Some(word.id)),
        (Updated, None),
        (Recorded, None),
        (Recorded, Some(conversion(11))),
        (Duplicate, None),
    ];
    assert_eq!(results, want);
    let counts: Vec<_> = all(&s.two).await.into_iter().filter(|c| c.status.as_str() != "rejected").collect();
    assert_eq!(counts, [answers[3].conversion.clone()]);
}

/// What a report was read as before gives way to what it says, also a lead, which holds no sale.
pub async fn what_was_read_otherwise_gives_way(s: Stores) {
    for (n, word) in (1_i64..).zip(["sale", "lead"]) {
        let of = click(n.unsigned_abs().into());
        let said = |n: i64| Incoming { click_id: of, ..reported(n, &format!("T{n}"), word) };
        let key = format!("click:{of}:main");
        let nothing = Incoming { key: key.clone(), transaction_id: None, revenue: usd("0"), ..said(n) };
        let before = expect(&s.one, &nothing, Recorded).await;
        let done = record(&s.two, &Incoming { replaces: Some(key), at: at(n), ..said(10 + n) }).await;
        assert_eq!((done.result, done.conversion.revenue), (Recorded, usd("5")), "{word}");
        let gone = s.one.get(&before.id).await.expect("get").expect("there");
        assert_eq!((gone.status.as_str(), gone.displaced, &gone.sale_claim), ("rejected", true, &None));
        assert_eq!(done.displaced, Some(gone), "{word}");
    }
    assert_eq!(unpublished(&s.one, 10).await.len(), 4, "both are told");
}

/// What came in before the present state is stale, whatever it says; but for the outcome of a lead, and a rejection.
pub async fn an_older_report_does_not_take_the_place_of_a_newer_one(s: Stores) {
    let steps = [
        (reported(20, "T", "deposit"), Recorded),
        (reported(10, "T", "registered"), Stale),
        (Incoming { revenue: usd("9"), ..reported(19, "T", "deposit") }, Stale),
        (reported(15, "T", "lead"), Stale),
        (reported(5, "T", "rejected"), Updated),
        (reported(21, "T", "deposit"), Stale),
        (reported(30, "U", "lead"), Recorded),
        (Incoming { click_id: click(1), ..reported(25, "U", "sale") }, Updated),
        (reported(26, "U", "rejected"), Updated),
        (reported(31, "U", "rejected"), Duplicate),
    ];
    for (n, (report, want)) in (1..).zip(steps) {
        let report = Incoming { new_id: conversion(n), ..report };
        expect(if n % 2 == 0 { &s.one } else { &s.two }, &report, want).await;
    }
}

/// The second sale of a click that takes one is a duplicate of the first, at its network only.
pub async fn a_claimed_click_takes_no_second_sale(s: Stores) {
    let first = expect(&s.one, &report(1, "A"), Recorded).await;
    let second = report(2, "B");
    assert_eq!(expect(&s.two, &second, Duplicate).await, first, "what has the click");
    assert_eq!(s.one.get(&second.new_id).await.expect("get"), None);
    assert_eq!(expect(&s.two, &second, Duplicate).await, first, "again");

    expect(&s.two, &Incoming { network: network(2), ..report(3, "B") }, Recorded).await;
    expect(&s.two, &Incoming { click_id: click(2), ..report(4, "C") }, Recorded).await;
    for (n, status) in (5..).zip(["lead", "rejected", "rebill", "trial"]) {
        expect(&s.two, &reported(n, status, status), Recorded).await;
    }
    let paid_more = Incoming { revenue: usd("9"), ..report(20, "A") };
    let updated = expect(&s.one, &paid_more, Updated).await;
    assert_eq!(updated.sale_claim, Some(click(1).to_string()), "the sale itself may change");
}

/// A lead that would become a second sale stays a lead.
pub async fn a_lead_does_not_become_a_second_sale(s: Stores) {
    let lead = expect(&s.one, &reported(1, "A", "lead"), Recorded).await;
    expect(&s.one, &report(2, "B"), Recorded).await;
    assert_eq!(expect(&s.two, &report(3, "A"), Duplicate).await, lead);
    assert_eq!(s.one.get(&lead.id).await.expect("get"), Some(lead.clone()));
    // An allowed upsell claims nothing.
    let upsell = expect(&s.two, &Incoming { allow_upsell: true, ..report(4, "A") }, Updated).await;
    assert_eq!((upsell.id, upsell.version, upsell.sale_claim), (lead.id, 2, None));
}

/// Where upsells are allowed each transaction is a sale, and a click without a claim can still be claimed.
pub async fn an_upsell_is_a_sale_of_its_own(s: Stores) {
    for (n, tx) in (1..).zip(["A", "B", "C"]) {
        let sale = expect(&s.one, &Incoming { allow_upsell: true, ..report(n, tx) }, Recorded).await;
        assert_eq!(sale.sale_claim, None);
    }
    expect(&s.two, &report(4, "D"), Recorded).await;
    expect(&s.two, &report(5, "E"), Duplicate).await;
    expect(&s.one, &Incoming { allow_upsell: true, ..report(6, "F") }, Recorded).await;
}

/// When a sale is rejected its click may be sold again, to a new transaction or a waiting lead.
pub async fn a_rejected_sale_lets_go_of_its_click(s: Stores) {
    let lead = expect(&s.one, &reported(1, "A", "lead"), Recorded).await;
    expect(&s.one, &report(2, "B"), Recorded).await;
    expect(&s.two, &report(3, "A"), Duplicate).await;
    expect(&s.two, &reported(4, "B", "rejected"), Updated).await;
    let sale = expect(&s.one, &report(5, "A"), Updated).await;
    assert_eq!((&sale.id, sale.sale_claim), (&lead.id, Some(click(1).to_string())));
    expect(&s.one, &reported(6, "A", "rejected"), Updated).await;
    expect(&s.two, &report(7, "C"), Recorded).await;
    expect(&s.two, &report(8, "B"), Stale).await;
}

/// Reports of one batch see what those before them did, also when a claim moves from one to the next.
pub async fn a_batch_is_applied_in_order(s: Stores) {
    let batch = [
        reported(1, "A", "lead"),
        report(2, "A"),
        report(3, "A"),
        report(4, "B"),
        reported(5, "A", "rejected"),
        report(6, "B"),
        report(7, "C"),
        reported(8, "B", "rejected"),
        report(9, "C"),
        reported(10, "A", "lead"),
    ];
    let want = [
        (Recorded, "A", 1),
        (Updated, "A", 2),
        (Duplicate, "A", 2),
        (Duplicate, "A", 2),
        (Updated, "A", 3),
        (Recorded, "B", 1),
        (Duplicate, "B", 1),
        (Updated, "B", 2),
        (Recorded, "C", 1),
        (Stale, "A", 3),
    ];
    let foreseen = s.two.foresee(&batch).await.expect("foresee");
    assert_eq!((all(&s.one).await, s.one.foresee(&[]).await.expect("none")), (Vec::new(), Vec::new()));
    let answers = s.one.record(&batch).await.expect("record");
    assert_eq!(answers, foreseen, "nothing of it was recorded before");
    let got: Vec<_> = answers
        .iter()
        .map(|a| (a.result, a.conversion.transaction_id.as_deref().unwrap_or(""), a.conversion.version))
        .collect();
    assert_eq!(got, want);
    let left: Vec<_> =
        all(&s.two).await.iter().map(|c| (c.key.clone(), c.version, c.status.to_string())).collect();
    let want = [("tx:C", 1, "sale"), ("tx:B", 2, "rejected"), ("tx:A", 3, "rejected")];
    assert_eq!(left, want.map(|(key, version, status)| (key.to_owned(), version, status.to_owned())));

    let many: Vec<_> = (0..1_000)
        .map(|n| Incoming {
            click_id: click(1_000 + n as u128 % 900),
            ..report(100 + n, &format!("M{}", n % 900))
        })
        .collect();
    assert_eq!(tally(&s.two.record(&many).await.expect("a large batch")), [900, 0, 100, 0]);
}

/// An id that is taken is an error: the batch leaves nothing, and whoever records beside it does not notice.
pub async fn an_error_records_none_of_the_batch(s: Stores) {
    let there = expect(&s.one, &report(1, "A"), Recorded).await;
    let before = all(&s.one).await;
    let batch = [
        Incoming { click_id: click(2), ..report(2, "B") },
        reported(3, "A", "rejected"),
        Incoming { new_id: there.id.clone(), click_id: click(3), ..report(4, "C") },
        Incoming { click_id: click(4), ..report(5, "D") },
    ];
    let beside = Incoming { network: network(2), ..report(6, "E") };
    let (failed, recorded) = tokio::join!(s.two.record(&batch), record(&s.two, &beside));
    assert!(matches!(&failed, Err(e) if !e.is_retryable()), "nobody can record it: {failed:?}");
    assert!(!matches!(failed, Err(StoreError::NotFound | StoreError::BadCursor)), "{failed:?}");
    assert_eq!(recorded.result, Recorded);
    let mut after = all(&s.one).await;
    assert_eq!(after.remove(0).id, beside.new_id);
    assert_eq!(after, before);
    let waiting = unpublished(&s.one, 10).await;
    assert_eq!(waiting, [there, recorded.conversion]);
    // Without it the batch is taken as if it had never been tried.
    let rest = [&batch[0], &batch[1], &batch[3]].map(Clone::clone);
    assert_eq!(tally(&s.one.record(&rest).await.expect("the rest")), [2, 1, 0, 0]);
}
