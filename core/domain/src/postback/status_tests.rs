//! What [`apply`] makes of reports, step by step.

use super::*;
use crate::{
    event::ClickDims,
    id::{ConversionId, NetworkId},
    money::{Currency, Money},
    postback::TransactionScope,
};

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).expect("a time")
}

fn usd(amount: &str) -> Money {
    Money { amount: amount.parse().expect("an amount"), currency: Currency::USD }
}

fn status(word: &str) -> ConversionStatus {
    word.parse().expect("a status")
}

fn report(word: &str, second: i64) -> Incoming {
    Incoming {
        new_id: ConversionId::generate(time(second), 1),
        network: NetworkId::generate(time(0), 1),
        key: "tx:T1".to_owned(),
        scope: TransactionScope::Network,
        transaction_id: Some("T1".to_owned()),
        click_id: ClickId::generate(time(0), 7),
        status: status(word),
        raw_status: Some(format!("raw {word}")),
        unmapped: false,
        revenue: usd("5"),
        revenue_given: true,
        allow_upsell: false,
        at: time(second),
        click: ClickDims { country: "US".into(), ..ClickDims::default() },
        cost_terms: crate::entity::Due::default(),
        tell: None,
        signed: None,
        waited: false,
        replaces: None,
    }
}

fn recorded(incoming: &Incoming) -> Conversion {
    match apply(None, incoming) {
        Applied::New(c) => c,
        other => panic!("not new: {other:?}"),
    }
}

#[test]
fn the_first_report_is_recorded_as_it_says() {
    let incoming = report("sale", 3);
    let c = recorded(&incoming);
    assert_eq!((&c.id, c.version, c.created_at, c.updated_at), (&incoming.new_id, 1, time(3), time(3)));
    assert_eq!(
        (c.key.as_str(), c.status.as_str(), c.raw_status.as_deref()),
        ("tx:T1", "sale", Some("raw sale"))
    );
    assert_eq!((c.revenue, c.click.country.as_str()), (usd("5"), "US"));
    assert_eq!(c.sale_claim, Some(c.click_id.to_string()));
    for word in ["lead", "rejected", "rebill", "install"] {
        assert_eq!(recorded(&report(word, 3)).sale_claim, None, "{word}");
    }
    assert_eq!(recorded(&Incoming { allow_upsell: true, ..report("sale", 3) }).sale_claim, None);
}

#[test]
fn a_conversion_costs_what_its_click_says_as_long_as_it_counts() {
    use crate::entity::Due;
    let eur = Money { currency: "EUR".parse().expect("a code"), ..usd("1.5") };
    let sale = Due { sale: Some(eur), percent: None };
    let share = Due { sale: None, percent: Some("33.3".parse().expect("a share")) };
    let of = |due, word| recorded(&Incoming { cost_terms: due, ..report(word, 1) });
    for (word, by_sale, by_share) in [
        ("lead", None, Some("1.665 USD")),
        ("sale", Some("1.50 EUR"), Some("1.665 USD")),
        ("rebill", None, Some("1.665 USD")),
        ("rejected", None, None),
        ("install", None, Some("1.665 USD")),
    ] {
        let cost = |due| of(due, word).cost.map(|cost| cost.to_string());
        assert_eq!(cost(sale).as_deref(), by_sale, "{word}");
        assert_eq!(cost(share).as_deref(), by_share, "{word}");
        assert_eq!(cost(Due::default()), None, "{word}");
    }
    // What came later costs by the terms of the click, whatever they are now.
    let lead = of(sale, "lead");
    let Applied::Updated(sold) = apply(Some(&lead), &report("sale", 2)) else { panic!("an update") };
    assert_eq!(sold.cost, Some(eur));
    let Applied::Updated(back) = apply(Some(&sold), &report("rejected", 3)) else { panic!("an update") };
    assert_eq!(back.cost, None);
    let more = Incoming { revenue: usd("9"), ..report("sale", 2) };
    let Applied::Updated(more) = apply(Some(&of(share, "sale")), &more) else { panic!("an update") };
    assert_eq!(more.cost.map(|cost| cost.to_string()).as_deref(), Some("2.997 USD"));
}

/// Every pair of statuses with the same payout, another one, and none: what happens, as a letter each.
#[test]
fn the_whole_table_of_steps() {
    let words = ["lead", "sale", "rejected", "rebill", "install", "deposit"];
    // U update, D duplicate, S stale; the three letters of a pair: same payout, another, none said.
    let table = [
        /* lead     */ ["DUD", "UUU", "UUU", "SSS", "UUU", "UUU"],
        /* sale     */ ["SSS", "DUD", "UUU", "SSS", "SSS", "SSS"],
        /* rejected */ ["SSS", "SSS", "DUD", "SSS", "SSS", "SSS"],
        /* rebill   */ ["SSS", "SSS", "UUU", "DUD", "SSS", "SSS"],
        /* install  */ ["UUU", "UUU", "UUU", "UUU", "DUD", "UUU"],
        /* deposit  */ ["UUU", "UUU", "UUU", "UUU", "UUU", "DUD"],
    ];
    for (from, row) in words.into_iter().zip(table) {
        let before = recorded(&report(from, 0));
        for (to, letters) in words.into_iter().zip(row) {
            for (letter, (amount, given)) in letters.chars().zip([("5", true), ("9", true), ("9", false)]) {
                let case = format!("{from} -> {to}, payout {amount}, given {given}");
                let incoming = Incoming { revenue: usd(amount), revenue_given: given, ..report(to, 60) };
                match (apply(Some(&before), &incoming), letter) {
                    (Applied::Duplicate, 'D') | (Applied::Stale, 'S') => {}
                    (Applied::Updated(after), 'U') => {
                        let claim = (to == "sale").then(|| before.click_id.to_string());
                        let want = Conversion {
                            version: 2,
                            since_version: if from == to { 1 } else { 2 },
                            status: status(to),
                            raw_status: Some(format!("raw {to}")),
                            revenue: if given { usd(amount) } else { usd("5") },
                            sale_claim: claim,
                            updated_at: time(60),
                            ..before.clone()
                        };
                        assert_eq!(after, want, "{case}");
                    }
                    (other, _) => panic!("{case}: expected {letter}, got {other:?}"),
                }
            }
        }
    }
}

#[test]
fn a_payout_in_another_currency_is_another_payout() {
    let before = recorded(&report("sale", 0));
    let eur = Money { currency: "EUR".parse().expect("a code"), ..usd("5") };
    let after = apply(Some(&before), &Incoming { revenue: eur, ..report("sale", 1) });
    assert!(matches!(after, Applied::Updated(c) if c.revenue == eur && c.sale_claim == before.sale_claim));
}

/// Every step forwards, and another payout on the same status, once in time and once from before the present
/// state: only the outcome of a lead stands then, and a rejection.
#[test]
fn what_came_in_before_the_present_state_is_stale() {
    let words = ["lead", "sale", "rejected", "rebill", "install", "deposit"];
    for from in words {
        let before = recorded(&report(from, 10));
        for to in words {
            let incoming = |second| Incoming { revenue: usd("9"), ..report(to, second) };
            let Applied::Updated(in_time) = apply(Some(&before), &incoming(10)) else { continue };
            assert_eq!((in_time.status.as_str(), in_time.revenue), (to, usd("9")));
            let outcome = from != to && (to == "rejected" || (from, to) == ("lead", "sale"));
            match apply(Some(&before), &incoming(9)) {
                Applied::Stale => assert!(!outcome, "{from} -> {to}"),
                // Time does not go back with it.
                Applied::Updated(c) => assert!(outcome && c.updated_at == time(10), "{from} -> {to}"),
                other => panic!("{from} -> {to}: {other:?}"),
            }
        }
    }
}

/// Whatever the order in which a sale and what takes it back are applied, it stands as taken back.
#[test]
fn a_rejection_stands_whenever_it_is_known() {
    for from in ["lead", "sale", "rebill", "install"] {
        let (first, second) = (report("rejected", 1), report(from, 2));
        for order in [[&first, &second], [&second, &first]] {
            let before = recorded(order[0]);
            let after = match apply(Some(&before), order[1]) {
                Applied::Updated(after) => after,
                Applied::Stale => before,
                other => panic!("{from}: {other:?}"),
            };
            assert_eq!((after.status.as_str(), &after.cost), ("rejected", &None), "{from}");
        }
    }
}

/// Whatever the order in which three reports are applied, the one that came in last is the one that stands.
#[test]
fn an_older_report_does_not_take_the_place_of_a_newer_one() {
    let registered = Incoming { revenue: usd("1"), ..report("registered", 1) };
    let lead = Incoming { revenue: usd("2"), ..report("lead", 2) };
    let deposit = Incoming { revenue: usd("50"), ..report("deposit", 3) };
    for late in [[&registered, &lead], [&lead, &registered]] {
        let mut stands = recorded(&deposit);
        for incoming in late {
            match apply(Some(&stands), incoming) {
                Applied::Stale => {}
                Applied::Updated(c) => stands = c,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((stands.status.as_str(), stands.revenue), ("deposit", usd("50")));
    }
}

#[test]
fn what_a_report_does_not_say_stays() {
    let before = recorded(&report("lead", 0));
    let silent = Incoming { raw_status: None, transaction_id: None, ..report("sale", 1) };
    let Applied::Updated(after) = apply(Some(&before), &silent) else { panic!("no update") };
    assert_eq!(
        (after.raw_status.as_deref(), after.transaction_id.as_deref()),
        (Some("raw lead"), Some("T1"))
    );
}

#[test]
fn a_transaction_stays_with_its_first_click() {
    let before = recorded(&report("lead", 0));
    let elsewhere = Incoming { click_id: ClickId::generate(time(5), 9), ..report("sale", 6) };
    let Applied::Updated(after) = apply(Some(&before), &elsewhere) else { panic!("no update") };
    assert_eq!(after.click_id, before.click_id);
    assert_eq!(after.sale_claim, Some(before.click_id.to_string()));
}

#[test]
fn statuses_are_words_in_any_case() {
    assert_eq!(status(" SALE "), ConversionStatus::Sale);
    assert_eq!(status("Installed").as_str(), "installed");
    for bad in ["", "  ", "a\nb", &"x".repeat(65)] {
        assert!(bad.parse::<ConversionStatus>().is_err(), "{bad:?}");
    }
}
