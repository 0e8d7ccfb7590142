//! Amounts that are summed apart by days, and what they come to in one currency.

use super::{
    EventStore,
    kit::{click, conversion, deliver, eventually, everything, of_click, of_conversion},
    reports::{compare, dimension, loaded, question},
};
use crate::conformance::rates::rate;
use std::collections::BTreeMap;
use tfx_domain::{
    Date, Timestamp,
    money::{Currency, Money},
    report::{Converted, Metric, Rates, ReportQuery, compute},
};

/// Sums of currencies whose rates change are told apart by the days of clicks and of first reports, by few days and by many.
pub async fn amounts_are_summed_apart_by_their_days(s: EventStore) {
    let plain = loaded(&s).await;
    let day = |text: &str| text.parse::<Date>().expect("a day");
    let currency = |code: &str| code.parse::<Currency>().expect("a code");
    let few = vec![day("2025-12-29"), day("2026-03-29"), day("2026-06-17"), day("2026-06-18")];
    let every = day("2026-01-01").series(jiff::Span::new().days(1)).take(600).collect::<Vec<_>>();
    let apart = [
        BTreeMap::from([(currency("EUR"), few.clone()), (currency("JPY"), vec![day("2026-11-01")])]),
        BTreeMap::from([(currency("EUR"), few), (currency("JPY"), every)]),
        BTreeMap::from([(currency("EUR"), Vec::new()), (currency("CHF"), vec![day("2026-01-01")])]),
    ];
    for (n, apart) in apart.into_iter().enumerate() {
        let by = [vec![], vec!["day"], vec!["campaign", "status"], vec!["country"], vec!["hour_of_day"]];
        for (i, by) in by.into_iter().enumerate() {
            let by = by.into_iter().map(dimension).collect();
            compare(&s, &plain, &ReportQuery { apart: apart.clone(), ..question(2 * n + i, by) }).await;
        }
    }
}

/// What four currencies come to in one of them, over days on which rates change.
pub async fn amounts_are_converted_to_the_cent(s: EventStore) {
    let day = |n: i64| Timestamp::from_second(1_790_000_000 + n * 86_400).expect("in range");
    let costs = [("0.10", "EUR"), ("3", "JPY"), ("0.07", "GBP"), ("0.05", "USD")];
    let mut batch = Vec::new();
    for (n, (cost, code)) in (0_u8..).zip(costs.iter().cycle().take(12)) {
        let mut click = click(day(i64::from(n) / 4), u128::from(n));
        click.cost =
            Some(Money { amount: cost.parse().expect("an amount"), currency: code.parse().expect("a code") });
        let mut sale = conversion(usize::from(n), &click);
        sale.created_at = day(i64::from(n) / 4 + 1);
        sale.revenue = Money { amount: "10.01".parse().expect("an amount"), ..click.cost.expect("a cost") };
        batch.extend([of_click(&click), of_conversion(&sale)]);
    }
    deliver(&s, &batch).await;
    // The first day is 2026-09-21.
    let table = [
        "EUR USD 2026-09-21 1.10",
        "EUR USD 2026-09-22 1.15",
        "EUR USD 2026-09-24 1.2",
        "USD JPY 2026-09-22 160",
        "GBP USD 2026-01-01 1.333333",
    ];
    let rates = Rates::new(Currency::USD, &table.map(rate));
    let query = ReportQuery { apart: rates.days(), ..everything() };
    let all = async || {
        let rows = s.analytics.report(&query).await.expect("report");
        compute(query.clone(), &rows, &rates)
    };
    let counts = async || {
        let metrics = all().await.totals.metrics;
        [Metric::Clicks, Metric::Sales].map(|metric| metrics[&metric].to_string())
    };
    eventually("all of them", &["12".to_owned(), "12".to_owned()], counts).await;
    let report = all().await;
    // Costs on three days: 0.1 × (1.1 + 1.15 + 1.15), 3 × 2 / 160 (one day too early), 0.07 × 3 × 1.333333, 0.15.
    // Revenue a day later: 10.01 × (1.15 + 1.15 + 1.2), 10.01 × 3 / 160, 10.01 × 3 × 1.333333, 30.03.
    let figure = |metric| report.totals.metrics[&metric].to_string();
    assert_eq!(figure(Metric::Cost), "0.8075");
    assert_eq!(figure(Metric::Revenue), "105.292677");
    let left: Vec<_> =
        report.unconverted.iter().map(|(c, left)| format!("{c} {} {}", left.cost, left.revenue)).collect();
    assert_eq!(left, ["JPY 3 0"]);
    let told = |c: &Converted| format!("{} {} {} {} {}", c.currency, c.from, c.rate, c.cost, c.revenue);
    assert_eq!(
        report.converted.iter().map(told).collect::<Vec<_>>(),
        [
            "EUR 2026-09-21 1.1 0.1 0",
            "EUR 2026-09-22 1.15 0.2 20.02",
            "EUR 2026-09-24 1.2 0 10.01",
            "GBP 2026-01-01 1.333333 0.21 30.03",
            "JPY 2026-09-22 0.00625 6 30.03",
        ]
    );
}
