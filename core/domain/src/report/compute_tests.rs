//! What [`compute()`] makes of rows.

use super::{
    compute::{ratio, rounded},
    *,
};
use crate::{event::TestTraffic, problem::Problems, rate};
use proptest::prelude::*;
use rust_decimal::Decimal;

fn query() -> ReportQuery {
    ReportQuery {
        since: Timestamp::UNIX_EPOCH,
        until: Timestamp::UNIX_EPOCH,
        timezone: "UTC".to_owned(),
        dimensions: Vec::new(),
        filters: Vec::new(),
        attribution: Attribution::Click,
        test: TestTraffic::Exclude,
        max_groups: 10,
        apart: BTreeMap::new(),
    }
}

fn currency(code: &str) -> Currency {
    code.parse().expect("a code")
}

fn usd(amount: &str) -> BTreeMap<Currency, Total> {
    BTreeMap::from([(Currency::USD, amount.parse().expect("an amount"))])
}

fn texts(row: &Row) -> BTreeMap<&'static str, String> {
    row.metrics.iter().map(|(m, v)| (m.as_str(), v.to_string())).collect()
}

fn two_rows() -> [RawRow; 2] {
    [
        RawRow {
            key: vec!["US".into()],
            hits: 350,
            clicks: 300,
            bots: 40,
            prefetches: 6,
            trafficbacks: 4,
            unique_campaign: 240,
            unique_stream: 250,
            unique_destination: 260,
            cost: usd("15"),
            bot_cost: usd("2.5"),
            costs_refused: 3,
            leads: 5,
            sales: 9,
            rejected: 2,
            rebills: 1,
            revenue_hold: usd("10.50"),
            revenue_confirmed: usd("30.25"),
            dated: Vec::new(),
        },
        RawRow {
            key: vec!["DE".into()],
            hits: 100,
            clicks: 100,
            cost: usd("5"),
            sales: 1,
            revenue_confirmed: usd("1"),
            ..RawRow::default()
        },
    ]
}

#[test]
fn every_formula_by_hand() {
    let report = compute(query(), &two_rows(), &Rates::none(Currency::USD));
    // revenue 40.75, profit 25.75, confirmed profit 15.25, 15 conversions of which 10 confirmed, 16 judged.
    let want = [
        ("hits", "350"),
        ("clicks", "300"),
        ("unique_campaign", "240"),
        ("unique_stream", "250"),
        ("unique_destination", "260"),
        ("bots", "40"),
        ("prefetches", "6"),
        ("trafficbacks", "4"),
        ("conversions", "15"),
        ("leads", "5"),
        ("sales", "9"),
        ("rejected", "2"),
        ("rebills", "1"),
        ("revenue_hold", "10.5"),
        ("revenue_confirmed", "30.25"),
        ("revenue", "40.75"),
        ("cost", "15"),
        ("bot_cost", "2.5"),
        ("profit", "25.75"),
        ("profit_confirmed", "15.25"),
        ("roi", "171.67"),
        ("roi_confirmed", "101.67"),
        ("cr", "5"),
        ("cr_confirmed", "3.33"),
        ("approval_rate", "56.25"),
        ("epc", "0.135833"),
        ("epuc", "0.169792"),
        ("cpc", "0.05"),
        ("cpa", "1"),
        ("ecpm", "135.833333"),
        ("roas", "2.7167"),
    ];
    assert_eq!(want.len(), Metric::ALL.len());
    assert_eq!(texts(&report.rows[0]), want.map(|(m, v)| (m, v.to_owned())).into());
    // Ratios of the whole come from the sums: ROI is (41.75 − 20) / 20, not the mean of 171.67 and −80.
    let totals = texts(&report.totals);
    assert_eq!(texts(&report.rows[1])["roi"], "-80");
    for (metric, value) in [("clicks", "400"), ("revenue", "41.75"), ("roi", "108.75"), ("cr", "4")] {
        assert_eq!(totals[metric], value, "{metric}");
    }
    assert!(report.unconverted.is_empty());
}

#[test]
fn a_ratio_without_a_denominator_is_absent() {
    let report = compute(query(), &[RawRow::default()], &Rates::none(Currency::USD));
    let ratios: Vec<Metric> = Metric::ALL.iter().copied().filter(|m| !m.is_additive()).collect();
    assert_eq!(ratios.len(), 11);
    for m in Metric::ALL {
        let value = report.totals.metrics.get(m).copied();
        assert_eq!(value, (!ratios.contains(m)).then_some(Decimal::ZERO), "{m}");
    }
    // Free clicks with revenue have a profit but no ROI.
    let free = RawRow { clicks: 10, revenue_confirmed: usd("3"), ..RawRow::default() };
    let report = compute(query(), &[free], &Rates::none(Currency::USD));
    let row = texts(&report.rows[0]);
    assert_eq!((row.get("roi"), row.get("roas"), row["profit"].as_str()), (None, None, "3"));
}

#[test]
fn rounding_is_half_to_even() {
    for (part, whole, want) in
        [(1, 8000, "0.0001"), (3, 8000, "0.0004"), (5, 8000, "0.0006"), (1, 16000, "0.0001")]
    {
        let value = ratio(Decimal::from(part), 1, Decimal::from(whole)).expect("a value");
        assert_eq!(rounded(value, Unit::Ratio).to_string(), want, "{part}/{whole}");
    }
    assert_eq!(rounded("0.00015".parse().expect("decimal"), Unit::Ratio).to_string(), "0.0002");
    assert_eq!(rounded("0.00025".parse().expect("decimal"), Unit::Ratio).to_string(), "0.0002");
    assert_eq!(rounded("2.125".parse().expect("decimal"), Unit::Percent).to_string(), "2.12");
}

#[test]
fn other_currencies_are_left_out_and_said() {
    let mut rows = two_rows();
    let eur = currency("EUR");
    rows[0].revenue_hold.insert(eur, "7".parse().expect("an amount"));
    rows[1].cost.insert(eur, "0.5".parse().expect("an amount"));
    rows[1].cost.insert(currency("GBP"), Total::ZERO);
    let report = compute(query(), &rows, &Rates::none(Currency::USD));
    let amount = |text: &str| text.parse::<Total>().expect("an amount");
    let left = LeftOut { revenue: amount("7"), cost: amount("0.5"), bot_cost: Total::ZERO };
    assert_eq!(report.unconverted, BTreeMap::from([(eur, left)]));
    assert_eq!(texts(&report.totals)["revenue"], "41.75");
    let in_eur = compute(query(), &rows, &Rates::none(eur));
    assert_eq!(
        (texts(&in_eur.totals)["revenue"].as_str(), texts(&in_eur.totals)["cost"].as_str()),
        ("7", "0.5")
    );
    let left = LeftOut { revenue: amount("41.75"), cost: amount("20"), bot_cost: amount("2.5") };
    assert_eq!(in_eur.unconverted, BTreeMap::from([(Currency::USD, left)]));
}

#[test]
fn rows_without_the_metric_sort_last_and_the_limit_keeps_the_totals() {
    let mut rows = two_rows().to_vec();
    rows.push(RawRow { key: vec!["FR".into()], ..RawRow::default() });
    let mut report = compute(query(), &rows, &Rates::none(Currency::USD));
    let keys = |r: &Report| r.rows.iter().map(|r| r.key[0].to_string()).collect::<Vec<_>>();
    report.sort(Metric::Roi, false);
    assert_eq!(keys(&report), ["DE", "US", "FR"]);
    report.sort(Metric::Roi, true);
    assert_eq!(keys(&report), ["US", "DE", "FR"]);
    assert_eq!(report.limit(2), 1);
    assert_eq!((report.rows.len(), texts(&report.totals)["clicks"].as_str()), (2, "400"));
    assert_eq!(report.limit(2), 0);
}

#[test]
fn figures_are_written_as_decimal_texts() {
    let report = compute(query(), &two_rows(), &Rates::none(Currency::USD));
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(json["rows"][0]["metrics"]["revenue"], "40.75");
    assert_eq!(serde_json::from_value::<Report>(json).expect("reads back"), report);
}

fn raw_row() -> impl Strategy<Value = RawRow> {
    (prop::array::uniform12(any::<u64>()), prop::array::uniform4(any::<i64>()), any::<bool>()).prop_map(
        |(n, money, foreign)| {
            let code = if foreign { currency("EUR") } else { Currency::USD };
            let money = money.map(|m| BTreeMap::from([(code, Total::from_micros(m.into()))]));
            let [cost, bot_cost, revenue_hold, revenue_confirmed] = money;
            RawRow {
                key: Vec::new(),
                hits: n[0],
                clicks: n[1],
                bots: n[2],
                prefetches: n[3],
                trafficbacks: n[4],
                unique_campaign: n[5],
                unique_stream: n[6],
                unique_destination: n[7],
                leads: n[8],
                sales: n[9],
                rejected: n[10],
                rebills: n[11],
                cost,
                bot_cost,
                costs_refused: 0,
                revenue_hold,
                revenue_confirmed,
                dated: Vec::new(),
            }
        },
    )
}

proptest! {
    #[test]
    fn totals_are_the_sum_of_the_rows(rows in prop::collection::vec(raw_row(), 0..20)) {
        let report = compute(query(), &rows, &Rates::none(Currency::USD));
        for m in Metric::ALL.iter().filter(|m| m.is_additive()) {
            let sum: Decimal = report.rows.iter().map(|r| r.metrics[m]).sum();
            prop_assert_eq!(report.totals.metrics[m], sum, "{}", m);
        }
    }
}

/// Rates as `FROM TO DAY RATE`.
fn table(texts: &[&str]) -> Vec<rate::Rate> {
    let read = |text: &&str| {
        let [from, to, day, value] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
        let key = rate::WrittenKey { from, to, day }.read("", &mut Problems::default()).expect("a pair");
        rate::Rate { key, value: value.parse().expect("a rate") }
    };
    texts.iter().map(read).collect()
}

fn dated(code: &str, since: Option<&str>, amounts: [&str; 4]) -> Dated {
    let [cost, bot_cost, revenue_hold, revenue_confirmed] = amounts.map(|a| a.parse().expect("an amount"));
    let since = since.map(|day| day.parse().expect("a day"));
    Dated { currency: currency(code), since, cost, bot_cost, revenue_hold, revenue_confirmed }
}

#[test]
fn amounts_are_converted_by_the_rate_of_their_day_and_what_has_none_is_said() {
    let rates = Rates::new(
        Currency::USD,
        &table(&[
            "EUR USD 2026-01-01 1.10",
            "EUR USD 2026-01-03 1.2",
            "USD JPY 2026-01-02 160",
            "PLN EUR 2026-01-01 0.23",
        ]),
    );
    let rows = [
        RawRow {
            key: vec!["US".into()],
            clicks: 2,
            sales: 2,
            cost: usd("1"),
            dated: vec![
                dated("EUR", None, ["0", "0", "0", "9.99"]),
                dated("EUR", Some("2026-01-01"), ["0.333333", "5", "2", "10.01"]),
                dated("EUR", Some("2026-01-03"), ["0", "0", "0", "1"]),
                dated("JPY", Some("2026-01-02"), ["100", "0", "0", "0"]),
            ],
            ..RawRow::default()
        },
        RawRow {
            key: vec!["DE".into()],
            cost: BTreeMap::from([(currency("PLN"), "4".parse().expect("an amount"))]),
            dated: vec![
                dated("EUR", Some("2026-01-03"), ["0", "0", "0", "-0.000001"]),
                dated("JPY", None, ["0", "0", "0", "0"]),
            ],
            ..RawRow::default()
        },
    ];
    let report = compute(query(), &rows, &rates);
    let row = texts(&report.rows[0]);
    // Costs: 1 + 0.333333 × 1.1 + 100 / 160; revenue: 2 × 1.1, and 10.01 × 1.1 + 1 × 1.2.
    let want = [
        ("cost", "1.991666"),
        ("bot_cost", "5.5"),
        ("revenue_hold", "2.2"),
        ("revenue_confirmed", "12.211"),
        ("profit", "12.419334"),
        ("roi", "623.56"),
    ];
    for (metric, value) in want {
        assert_eq!(row[metric], value, "{metric}");
    }
    assert_eq!(texts(&report.rows[1])["revenue"], "-0.000001");
    assert_eq!(texts(&report.totals)["revenue_confirmed"], "12.210999");
    let amount = |text: &str| text.parse::<Total>().expect("an amount");
    let left = |revenue, cost| LeftOut { revenue: amount(revenue), cost: amount(cost), ..LeftOut::default() };
    let unconverted = [(currency("EUR"), left("9.99", "0")), (currency("PLN"), left("0", "4"))];
    assert_eq!(report.unconverted, BTreeMap::from(unconverted));
    let told = |c: &Converted| {
        let until = c.until.map(|day| day.to_string()).unwrap_or_default();
        format!(
            "{} {}..{until} {} {} {} {} {}",
            c.currency, c.from, c.rate, c.inverse, c.revenue, c.cost, c.bot_cost
        )
    };
    assert_eq!(
        report.converted.iter().map(told).collect::<Vec<_>>(),
        [
            "EUR 2026-01-01..2026-01-02 1.1 false 12.01 0.333333 5",
            "EUR 2026-01-03.. 1.2 false 0.999999 0 0",
            "JPY 2026-01-02.. 0.00625 true 0 100 0",
        ]
    );
}
