//! The table of what says nothing, and of values that look alike and say something.

use super::*;
use proptest::prelude::*;

const ALL: [Fact; 4] = [Fact::Id, Fact::Amount, Fact::Word, Fact::Text];

const NOTHING: &[&str] = &[
    "",
    " ",
    "\u{a0}",
    "\u{200b}",
    "-",
    "--",
    "—",
    "_",
    ".",
    "...",
    "?",
    "*",
    "''",
    "\"\"",
    "{}",
    "[]",
    "()",
    "<>",
    "#",
    "null",
    "NULL",
    "Null",
    "nil",
    "None",
    "undefined",
    "NaN",
    "n/a",
    "N/A",
    "not set",
    "\\N",
    " null ",
    "undefined-undefined",
    "null_null",
];

const QUOTED: &[&str] = &["\"null\"", "'undefined'", "\\\"null\\\"", "\"{payout}\"", "\"'null'\""];

/// Brackets around a name.
const BRACKETS: &[(&str, &str)] = &[
    ("{", "}"),
    ("{{", "}}"),
    ("{{{", "}}}"),
    ("{{ ", " }}"),
    ("${", "}"),
    ("$${", "}"),
    ("#{", "}"),
    ("@{", "}"),
    ("%{", "}"),
    ("{$", "}"),
    ("{{$", "}}"),
    ("{#", "#}"),
    ("{@", "}"),
    ("{%", "%}"),
    ("{% ", " %}"),
    ("{!", "!}"),
    ("{!!", "!!}"),
    ("{{{{", "}}}}"),
    ("{:", "}"),
    ("{_", "}"),
    ("{/", "}"),
    ("[", "]"),
    ("[[", "]]"),
    ("[[[", "]]]"),
    ("[%", "%]"),
    ("[:", ":]"),
    ("[$", "]"),
    ("$[", "]"),
    ("(", ")"),
    ("((", "))"),
    ("$(", ")"),
    ("%(", ")s"),
    ("<", ">"),
    ("<<", ">>"),
    ("<%= ", " %>"),
    ("<%", "%>"),
    ("<?=$", "?>"),
    ("</", ">"),
    ("#", "#"),
    ("##", "##"),
    ("%", "%"),
    ("%%", "%%"),
    ("__", "__"),
    ("_", "_"),
    ("$", "$"),
    ("$$", "$$"),
    ("@", "@"),
    ("@@", "@@"),
    ("!", "!"),
    ("|", "|"),
    ("*|", "|*"),
    ("~", "~"),
];

const NAMES: [&str; 8] =
    ["payout", "transaction_id", "TRANSACTION_ID", "order_id", "click", "value", "CLICK_ID", "zone"];

#[test]
fn what_says_nothing_says_it_for_every_fact() {
    for fact in ALL {
        for text in NOTHING.iter().chain(QUOTED) {
            assert!(!says(text, fact), "{text:?} {fact:?}");
        }
    }
}

#[test]
fn a_macro_is_told_by_its_brackets_whatever_its_name() {
    for (open, close) in BRACKETS {
        for name in NAMES {
            let text = format!("{open}{name}{close}");
            for fact in ALL {
                assert_eq!(silence(&text, fact), Some(Silence::Macro), "{text} {fact:?}");
            }
            // As it looks when it was encoded once more.
            let encoded: String =
                text.bytes()
                    .map(|b| {
                        if b.is_ascii_alphanumeric() {
                            char::from(b).to_string()
                        } else {
                            format!("%{b:02X}")
                        }
                    })
                    .collect();
            assert!(!says(&encoded, Fact::Text), "{encoded}");
        }
    }
    for text in [
        "{date:%Y-%m-%d}",
        "{random:1,9}",
        "{{ order.total | money }}",
        "{sub1|urlencode}",
        "{offer.id}",
        "<sub id>",
        "{{data['id']}}",
        "{campaign}-{zone}",
        "{a}{b}",
        "[a][b]",
        "##a##_##b##",
        "{0}",
        "{{.Order}}",
        "&lt;payout&gt;",
        "%257Bpayout%257D",
        "[object Object]",
        "(not provided)",
        "%s",
    ] {
        assert!(!says(text, Fact::Text), "{text}");
    }
    assert!(!says("$transaction_id", Fact::Id) && says("$TSLA", Fact::Text) && says("$5", Fact::Amount));
}

#[test]
fn an_id_with_a_macro_in_it_is_none() {
    for (open, close) in BRACKETS {
        // A single one stands in ids too.
        if ["_", "!", "~", "*|"].contains(open) {
            continue;
        }
        for name in ["order_id", "TRANSACTION_ID", "tid", "clickid", "orderId"] {
            for (before, behind) in [("order-", ""), ("ord_", "_1"), ("", "x"), ("7-", "-8"), ("A", "B")] {
                let text = format!("{before}{open}{name}{close}{behind}");
                assert_eq!(silence(&text, Fact::Id), Some(Silence::Macro), "{text}");
                assert!(before.is_empty() || says(&text, Fact::Text), "{text}");
            }
        }
    }
    for text in [
        "order-{0}",
        "order-{x}",
        "a{b}",
        "order-%7Border_id%7D",
        "order-{order_id",
        "{a} of b",
        "<b>7",
        "order-undefined",
        "undefined_7",
        "order-%s",
        "order-[object Object]",
    ] {
        assert_eq!(silence(text, Fact::Id), Some(Silence::Macro), "{text}");
    }
    for text in [
        "A(EU)1",
        "A[0]",
        "items[1]",
        "(123)",
        "A{12345}",
        "A#B#C",
        "a__b__c",
        "ab_order_id_cd",
        "50%off%1",
        "A|B|C",
        "user@shop@x",
        "inv#2024#7",
        "2024/05/01-77",
        "ORD:1:2",
        "x$y$z",
        "order#12",
        "Zm9v+YmFy/Cg==",
        "order_id_12",
        "undefinedness-1",
        "null-1",
        "a%20s",
        "{550e8400-e29b-41d4-a716-446655440000}-1",
        "caf%E9-1",
        "a&b",
        "R&D",
    ] {
        assert_eq!(silence(text, Fact::Id), None, "{text}");
    }
}

#[test]
fn values_that_look_alike_say_something() {
    for text in [
        "12.50",
        "0.0042",
        "-5",
        "-30",
        "+5",
        "1,5",
        "$5",
        "50%",
        "#123",
        "#A12",
        "a{b}",
        "{\"a\":1}",
        "{\"a\":\"b\"}",
        "[1,2]",
        "(555)",
        "(555) 123-4567",
        "+1 (555) 123",
        "a@b.example",
        "<a@b.example>",
        "_fbp",
        "fb.1.1596403881668.1116446470",
        "_fbp_1.abc",
        "Zm9vYmFyCg==",
        "/abc+def=",
        "a=b",
        "550e8400-e29b-41d4-a716-446655440000",
        "{550e8400-e29b-41d4-a716-446655440000}",
        "{f50e8400-e29b-41d4-a716-446655440000}",
        "{12345}",
        "[12345]",
        "(123)",
        "#123#",
        "_A7d_",
        "_kX9-3f_",
        "x",
        "A",
        "approved",
        "none of it",
        "nullify",
        "Nonesuch",
        "annul",
        "nan0",
        "red shoes",
        "C++",
        "C#",
        "R&D",
        "AT&T",
        "50% off",
        "%E9",
        "caf%E9",
        "%E9%",
        "%D0%B0%D0%B1",
        "日本",
        "😀",
        "п",
        "1-2",
        "a-b-c",
        "T-1",
        "0x0",
        "00a",
        "-a-",
        "/path/",
        "=x=",
        "it's {almost} one",
        "{a} of b",
        "<b>bold</b>",
        "https://a.example/?x={y}",
        "01KTBA71G0Z9Q4X2V8N6M5R3JD",
        "EUR",
        "sale",
        "2",
        "1",
        "emptyish",
        "10%",
        "null-1",
        "x undefined",
    ] {
        // Of an id, no part is one.
        let part = ["a{b}", "it's {almost} one", "{a} of b", "<b>bold</b>", "https://a.example/?x={y}"];
        for fact in ALL.into_iter().filter(|fact| *fact != Fact::Id || !part.contains(&text)) {
            assert!(says(text, fact), "{text} {fact:?}: {:?}", silence(text, fact));
        }
    }
}

#[test]
fn a_few_words_mean_something_for_one_fact_and_nothing_for_another() {
    for (text, nothing) in [
        ("0", [true, false, false, false]),
        ("000", [true, false, false, false]),
        ("00000000-0000-0000-0000-000000000000", [true, false, false, false]),
        ("0.00", [true, false, false, false]),
        ("NA", [true, true, true, false]),
        ("none", [true, true, true, false]),
        ("Empty", [true, true, true, false]),
        ("None", [true; 4]),
        ("$value", [true, true, true, false]),
    ] {
        assert_eq!(ALL.map(|f| !says(text, f)), nothing, "{text}");
    }
}

#[test]
fn the_first_that_says_something_counts() {
    let params: Vec<(String, String)> =
        [("cost", "{value}"), ("zoneid", "77"), ("cost", "0.0042"), ("cost", "9")]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .to_vec();
    assert_eq!(first(&params, "cost", Fact::Amount), Some("0.0042"));
    assert_eq!(first(&params, "COST", Fact::Amount), None);
}

/// Texts of letters, digits and these signs, each as often as the others, as random bytes in base 64 are. In a class of a
/// regular expression a sign would be as often as all capital letters are.
fn of_letters(signs: &str, least: usize) -> impl Strategy<Value = String> {
    let all: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(signs.chars()).collect();
    let letters = prop::collection::vec(prop::sample::select(all), least..=40);
    letters.prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        for fact in ALL {
            silence(&text, fact);
        }
    }

    #[test]
    fn signs_and_letters_in_any_order_make_it_neither_panic_nor_slow(text in "[{}\\[\\]()<>#%$@!|:*~_ a0\"'-]{0,300}") {
        silence(&text, Fact::Id);
    }

    #[test]
    fn any_name_in_any_of_the_brackets_is_a_macro(
        which in 0..BRACKETS.len(),
        name in "[a-z][a-z_]{0,20}[a-z]",
        blanks in "[ ]{0,2}",
    ) {
        let (open, close) = BRACKETS[which];
        prop_assume!(open != "%" || name.len() > 2);
        let text = format!("{blanks}{open}{name}{close}{blanks}");
        prop_assert!(!says(&text, Fact::Text), "{text}");
    }

    #[test]
    fn ids_as_networks_make_them_are_values(
        id in prop_oneof![
            of_letters("-_", 16),
            (of_letters("+/", 10), "={0,2}").prop_map(|(id, end)| id + &end),
            "[0-9]{1,20}|-?[0-9]{1,9}\\.[0-9]{1,4}|[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{12}",
        ],
    ) {
        prop_assume!(id.bytes().any(|b| b.is_ascii_digit() && b != b'0'));
        prop_assume!(id.contains(|c: char| c.is_ascii_uppercase()) || !id.starts_with("__"));
        prop_assume!(!(id.starts_with("__") && id.ends_with("__")));
        prop_assert!(says(&id, Fact::Id), "{id}");
    }
}
