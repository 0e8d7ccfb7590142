//! `tfx rate`, and reports that convert.

use crate::{clicks::campaign, place::Place, transcript::Transcript, web};

const FILE: &str = "from,to,day,rate\nEUR,USD,2026-01-01,1.0842\nJPY,USD,2026-01-01,0.0064\n";
const BAD: &str = "day,from,to,rate\n31.01.2026,EUR,USD,1.1\n2026-01-31,EUR,EUR,\"1,1\"\n2026-01-31,EUR\n";

#[test]
fn rates_are_set_listed_imported_and_removed() {
    let place = Place::running();
    place.file("rates.csv", FILE);
    place.file("bad.csv", BAD);
    let mut t = Transcript::new(&place);
    t.all(
        "tfx rate set EUR USD 1.10 --from 2026-01-31
        tfx rate set EUR USD 1.1 --from 2026-01-31
        tfx rate set GBP EUR 1.15 --from 2026-01-31 --output json
        tfx rate import rates.csv --dry-run
        tfx rate import rates.csv
        tfx rate list
        tfx rate list EUR usd --output csv
        tfx rate list --output name
        tfx rate list --all --output csv --quiet | tfx rate import -
        tfx rate remove GBP EUR --from 2026-01-31
        tfx rate remove GBP EUR --from 2026-01-31",
    );
    t.sh("tfx audit rate/EUR/USD --output csv | cut -d, -f2-5,7");
    t.all(
        "tfx rate set EUR USD 1,10
        tfx rate set EUX USD 0 --from yesterday
        tfx rate set EUR EUR 1
        tfx rate set EUR
        tfx rate import bad.csv
        tfx rate import nothing.csv
        tfx rate list EUR USD JPY
        tfx rate",
    );
    t.is("rates");
}

#[test]
fn a_report_converts_what_there_is_a_rate_for_and_says_how_to_set_what_is_missing() {
    let mut place = Place::running();
    campaign(&place);
    let click = web::click(&place, "/c/summer");
    place.set("CLICK", &click);
    place.until("tfx click list --output name --quiet", &click);
    for (id, money) in [("T1", "10&currency=EUR"), ("T2", "1000&currency=JPY"), ("T3", "2.5")] {
        place.ok(&format!(
            "tfx postback test adnet \"clickid=$CLICK&txid={id}&payout={money}&status=lead\" --send"
        ));
    }
    place.until("tfx report --by none --metrics leads --output csv --quiet | tail -1", "3");
    place.ok("tfx rate set EUR USD 1.1 --from 2026-01-01");
    let report = "tfx report --by none --metrics revenue,leads";
    let missing = place.sh(report);
    assert!(missing.stdout.contains("13.50"), "10 × 1.1 + 2.5: {}", missing.stdout);
    let wrong: Vec<&str> = missing.stderr.lines().collect();
    assert!(wrong.iter().any(|l| l.contains("there is no rate to USD: revenue of 1000 JPY")), "{wrong:?}");
    assert!(wrong.iter().any(|l| l.starts_with("  tfx rate set JPY USD RATE --from 20")), "{wrong:?}");
    place.ok("tfx rate set USD JPY 160 --from 2026-01-01");
    let rates = place.sh(&format!("{report} --rates"));
    assert_eq!(rates.code, Some(0), "{}", rates.stderr);
    for part in ["19.75", "EUR/USD", "USD/JPY, inverse", "0.00625"] {
        assert!(rates.stdout.contains(part), "{part}: {}", rates.stdout);
    }
    assert!(!rates.stderr.contains("no rate"), "{}", rates.stderr);
    let told = place.sh(report).stderr;
    assert!(
        told.contains("EUR, JPY converted to USD by the rates of their days (--rates shows them)"),
        "{told}"
    );
    let refused = place.sh(&format!("{report} --rates --output csv"));
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    // A sum is not bounded as one amount is.
    for id in ["I1", "I2"] {
        place.ok(&format!(
            "tfx postback test adnet \"clickid=$CLICK&txid={id}&payout=600000000&currency=IDR&status=lead\" --send"
        ));
    }
    place.until("tfx report --by none --metrics leads --output csv --quiet | tail -1", "5");
    let missing = place.sh(report);
    assert!(
        missing.code == Some(0) && missing.stderr.contains("revenue of 1200000000 IDR"),
        "{}",
        missing.stderr
    );
    place.ok("tfx rate set IDR USD 0.00006 --from 2026-01-01");
    let rates = place.sh(&format!("{report} --rates"));
    assert!(rates.code == Some(0) && rates.stdout.contains("72019.75"), "{}{}", rates.stdout, rates.stderr);
}
