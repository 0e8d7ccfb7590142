//! Which amounts are read as what, and which are refused.

use super::*;
use proptest::prelude::*;

fn read(decimal: Option<DecimalMark>, scale: Option<&str>, text: &str) -> String {
    let scale = scale.map(|s| s.parse().expect("a scale"));
    match (AmountFormat { decimal, scale }).read(text) {
        Ok(written) => {
            let currencies: Vec<String> = written.currencies.iter().map(ToString::to_string).collect();
            format!("{} {}", written.amount, currencies.join("|")).trim_end().to_owned()
        }
        Err(e) => format!("! {e}"),
    }
}

/// The text; what it is without a format, with a point, with a comma, and by what it shows. A refusal by its beginning.
const TABLE: [(&str, [&str; 4]); 50] = [
    ("12.50", ["12.5", "12.5", "! must have a comma", "12.5"]),
    ("12", ["12", "12", "12", "12"]),
    ("0", ["0", "0", "0", "0"]),
    ("1,5", ["! must be a decimal", "! must have a point", "1.5", "1.5"]),
    ("1.234,50", ["! must be a decimal", "! must have a point", "1234.5", "1234.5"]),
    ("1,234.50", ["! must be a decimal", "1234.5", "! must have a comma", "1234.5"]),
    ("1.234", ["1.234", "1.234", "1234", "! may be 1.234 or 1234"]),
    ("1,234", ["! must be a decimal", "1234", "1.234", "! may be 1.234 or 1234"]),
    ("0.234", ["0.234", "0.234", "! must have a comma", "0.234"]),
    ("1234.567", ["1234.567", "1234.567", "! must have a comma", "1234.567"]),
    ("1,234,567", ["! must be a decimal", "1234567", "! must have a comma", "1234567"]),
    ("1.234.567,8", ["! must be a decimal", "! must have a point", "1234567.8", "1234567.8"]),
    ("1.234.567", ["! must be a decimal", "! must have a point", "1234567", "1234567"]),
    ("12,34,567", ["! must be a decimal", "! must have a point", "! must have a comma", "! has marks"]),
    ("1.2.3", ["! must be a decimal", "! must have a point", "! must have a comma", "! has marks"]),
    ("1,234.56.7", ["! must be a decimal", "! must have a point", "! must have a comma", "! has marks"]),
    ("0,123.45", ["! must be a decimal", "! must have a point", "! must have a comma", "! has marks"]),
    ("1 234,50", ["! must be a decimal", "! must have a point", "1234.5", "1234.5"]),
    ("1\u{a0}234,567", ["! must be a decimal", "! must have a point", "1234.567", "1234.567"]),
    ("1'234.50", ["! must be a decimal", "1234.5", "! must have a comma", "1234.5"]),
    ("1 234'567", ["! must be a decimal", "! must have a point", "! must have a comma", "! has marks"]),
    ("1  234", ["! must be a decimal", "! must have a point", "! must have a comma", "! has marks"]),
    (".5", ["0.5", "0.5", "! must have a comma", "0.5"]),
    (",5", ["! must be a decimal", "! must have a point", "0.5", "0.5"]),
    (".500", ["0.5", "0.5", "! must have a comma", "0.5"]),
    ("-.5", ["-0.5", "-0.5", "! must have a comma", "-0.5"]),
    ("Rs.500", ["! must be a decimal", "! has 'Rs.'", "! has 'Rs.'", "! has 'Rs.'"]),
    ("NaN", ["! must be a decimal", "! must be a decimal", "! must be a decimal", "! must be a decimal"]),
    ("Inf", ["! must be a decimal", "! must be a decimal", "! must be a decimal", "! must be a decimal"]),
    ("1e309", ["! must be a decimal", "! must be a decimal", "! must be a decimal", "! must be a decimal"]),
    ("0x10", ["! must be a decimal", "! must be a decimal", "! must be a decimal", "! must be a decimal"]),
    ("1_000", ["! must be a decimal", "! must be a decimal", "! must be a decimal", "! must be a decimal"]),
    ("2000000000", ["! must be between", "! must be between", "! must be between", "! must be between"]),
    ("-5", ["-5", "-5", "-5", "-5"]),
    ("−5", ["! must be a decimal", "-5", "-5", "-5"]),
    ("(5)", ["! must be a decimal", "! has '('", "! has '('", "! has '('"]),
    ("5-", ["! must be a decimal", "! has '-'", "! has '-'", "! has '-'"]),
    ("--5", ["! must be a decimal", "! has '-'", "! has '-'", "! has '-'"]),
    ("١٢", ["! must be a decimal", "! must be written", "! must be written", "! must be written"]),
    ("1١", ["! must be a decimal", "! must be written", "! must be written", "! must be written"]),
    ("€ 5", ["! must be a decimal", "5 EUR", "5 EUR", "5 EUR"]),
    ("-€5,00", ["! must be a decimal", "! must have a point", "-5 EUR", "-5 EUR"]),
    ("€-5.00", ["! must be a decimal", "-5 EUR", "! must have a comma", "-5 EUR"]),
    ("USD5", ["! must be a decimal", "5 USD", "5 USD", "5 USD"]),
    ("5\u{a0}usd", ["! must be a decimal", "5 USD", "5 USD", "5 USD"]),
    ("$5.00 CAD", ["! must be a decimal", "5 CAD", "! must have a comma", "5 CAD"]),
    ("€5 USD", ["! must be a decimal", "! names two", "! names two", "! names two"]),
    ("5 kr", ["! must be a decimal", "5 SEK|NOK|DKK|ISK", "5 SEK|NOK|DKK|ISK", "5 SEK|NOK|DKK|ISK"]),
    ("5 %", ["! must be a decimal", "! is a share", "! is a share", "! is a share"]),
    ("5 apples", ["! must be a decimal", "! has 'apples'", "! has 'apples'", "! has 'apples'"]),
];

#[test]
fn an_amount_is_read_as_its_network_writes_it_or_refused_by_name() {
    let formats = [None, Some(DecimalMark::Point), Some(DecimalMark::Comma), Some(DecimalMark::Auto)];
    for (text, wants) in TABLE {
        for (format, want) in formats.into_iter().zip(wants) {
            let got = read(format, None, text);
            let ok = if want.starts_with('!') { got.starts_with(want) } else { got == want };
            assert!(ok, "{text:?} with {format:?}: {got}, not {want}");
        }
    }
}

#[test]
fn a_scale_multiplies_exactly() {
    let table = [
        (None, "0.01", "1250", "12.5"),
        (None, "0.01", "-1", "-0.01"),
        (None, "0.05", "19.90", "0.995"),
        (Some(DecimalMark::Comma), "0.01", "1.250 €", "12.5 EUR"),
        (None, "1000", "2000000", "! must be between"),
        // The number is out of range, what it stands for is not.
        (None, "0.01", "2000000000", "20000000"),
        (None, "0.001", "0.0005", "0"),
    ];
    for (format, scale, text, want) in table {
        let got = read(format, Some(scale), text);
        assert!(got == want || want.starts_with('!') && got.starts_with(want), "{text} × {scale}: {got}");
    }
    for bad in ["0", "-1", "1001", "", "x", "1e2", "0_1", "0.000000000000000000001"] {
        assert!(bad.parse::<Scale>().is_err(), "{bad}");
    }
    assert_eq!("0.010".parse::<Scale>().map(|s| s.to_string()), Ok("0.01".to_owned()));
}

#[test]
fn every_sign_is_of_a_currency_that_there_is() {
    for (sign, codes) in SIGNS {
        assert_eq!(spoken_of(sign).map(|c| c.len()), Ok(codes.len()), "{sign}");
    }
}

#[test]
fn a_number_of_json_has_a_point_whatever_is_set() {
    for decimal in [None, Some(DecimalMark::Point), Some(DecimalMark::Comma), Some(DecimalMark::Auto)] {
        let format = AmountFormat { decimal, scale: None };
        for number in ["1.234", "12.5", "-0.5", "1234", "123.4567"] {
            let read = format.read(&format.number(number)).map(|written| written.amount);
            assert_eq!(read, Ok(number.parse().expect("an amount")), "{number} {decimal:?}");
        }
        // Kept, and read when something else is set: refused or the same, and never thousands.
        for later in [None, Some(DecimalMark::Point), Some(DecimalMark::Comma), Some(DecimalMark::Auto)] {
            let read = AmountFormat { decimal: later, scale: None }.read(&format.number("1.234"));
            let same = read.as_ref().map(|written| written.amount) == Ok("1.234".parse().expect("an amount"));
            assert!(same || read.is_err(), "{decimal:?} {later:?} {read:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text: String, near in "[-+]?[$€ ]{0,2}[0-9.,' ]{0,12}[ %A-Z]{0,4}") {
        for mark in DecimalMark::ALL {
            for text in [&text, &near] {
                let _ = AmountFormat { decimal: Some(mark), scale: None }.read(text);
            }
        }
    }

    /// Written out as a mark has it, an amount is read as itself with that mark, and never as another by what it shows.
    #[test]
    fn what_was_written_with_a_mark_is_read_with_it(cents in 0_i64..100_000_000_000, grouped: bool) {
        let (units, rest) = (cents / 100, cents % 100);
        let mut whole = units.to_string();
        if grouped {
            for at in (1..whole.len()).rev().filter(|at| (whole.len() - at).is_multiple_of(3)).collect::<Vec<_>>() {
                whole.insert(at, ',');
            }
        }
        let point = format!("{whole}.{rest:02}");
        let comma: String =
            point.chars().map(|c| match c { '.' => ',', ',' => '.', other => other }).collect();
        let want = Amount::from_micros(cents * 10_000);
        for (mark, text) in [(DecimalMark::Point, &point), (DecimalMark::Comma, &comma), (DecimalMark::Auto, &point), (DecimalMark::Auto, &comma)] {
            let read = AmountFormat { decimal: Some(mark), scale: None }.read(text);
            prop_assert_eq!(read.map(|w| w.amount), Ok(want), "{} {:?}", text, mark);
        }
    }
}
