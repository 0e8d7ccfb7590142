//! From what a person writes to a filter: every operand is parsed once, and refused with its path if it is not of
//! its field's form.

use super::{
    Code, Filter, Test, Text, VersionOf, Within,
    ip::IpSet,
    pattern::Patterns,
    text::{Bare, TextTest, folded},
    when::{ClickLimit, DateRange},
};
use crate::{
    country,
    entity::{FilterRule, sub_index},
    nearest::did_you_mean,
    problem::Problems,
    routing::{DeviceType, timetable::Timetable, version::VersionTest},
};
use smol_str::SmolStr;

/// Most operands of one filter.
const MAX_OPERANDS: usize = 5_000;

/// Every field a filter may ask, with the form of its operands. `docs/routing.md` says more.
pub const FIELDS: &[(&str, &str)] = &[
    ("country", "ISO code: US"),
    ("region", "ISO code, with or without the country: CA, US-CA"),
    ("city", "text: Berlin, contains:york"),
    ("continent", "AF, AN, AS, EU, NA, OC or SA"),
    ("isp", "text: contains:telekom"),
    ("connection_type", "text: cellular, cable/dsl, corporate, satellite"),
    ("asn", "number: AS3320 or 3320"),
    ("ip", "address, range or CIDR block: 192.0.2.1, 192.0.2.1-192.0.2.9, 192.0.2.0/24"),
    ("ip_version", "4 or 6"),
    ("device_type", "desktop, mobile, tablet, tv, console, other or unknown"),
    ("device_model", "text: iPhone, glob:SM-*"),
    ("os", "text: Android"),
    ("os_version", "version: 14, = 14.2, >= 14.2, 14..16"),
    ("browser", "text: Chrome"),
    ("browser_version", "version: 120, >= 120, 100..120"),
    ("language", "en (with en-us), en-us"),
    ("referrer", "host or text of the whole: example.com, glob:*/landing*, empty"),
    ("user_agent", "part of it, or text: WebView, glob:*Build/*, regex:, empty"),
    ("keyword", "text: shoes, contains:shoe, empty"),
    ("external_id", "text"),
    ("sub1", "text; sub2 to sub20 alike"),
    ("param:NAME", "text, of any query parameter"),
    ("header:NAME", "text, of any request header"),
    ("bot", "true or false"),
    ("unique", "campaign, stream or destination: passes who is new there"),
    ("click_limit", "hour:100, day:1000 or total:5000, with an optional time zone"),
    ("date", "day or range: 2026-01-01..2026-02-01, with an optional time zone"),
    ("schedule", "hours of the week: mon-fri 09:00-18:00, with an optional time zone"),
];

/// Compiles a filter.
///
/// # Errors
/// An unknown field, and every operand that is not of the field's form, each with its path (`field`, `is[2]`).
pub fn compile(rule: &FilterRule) -> Result<Filter, Problems> {
    made(rule, Patterns::Checked)
}

/// The same of a filter that was checked when it was saved: its patterns are made when they are first asked, and a
/// country that was accepted then is no problem now.
///
/// # Errors
/// As [`compile`], but of patterns.
pub(in crate::routing) fn plan(rule: &FilterRule) -> Result<Filter, Problems> {
    made(rule, Patterns::Later)
}

fn made(rule: &FilterRule, patterns: Patterns) -> Result<Filter, Problems> {
    let mut problems = Problems::default();
    let negate = rule.is.is_empty();
    let (key, operands) = if negate { ("is_not", &rule.is_not) } else { ("is", &rule.is) };
    if operands.is_empty() {
        problems.add("is", "must name at least one value, here or in is_not");
    } else if !negate && !rule.is_not.is_empty() {
        problems.add("is_not", "must be empty beside is; write a second filter");
    }
    if operands.len() > MAX_OPERANDS {
        problems.add(key, format!("must be at most {MAX_OPERANDS} values"));
        return Err(problems);
    }
    let mut given = Operands { key, values: operands, patterns, problems };
    match test(&rule.field, &mut given) {
        Ok(test) => given.problems.into_result(Filter { negate, test }),
        Err(message) => {
            given.problems.add("field", message);
            Err(given.problems)
        }
    }
}

/// The operands of a rule, with what is wrong with them.
struct Operands<'r> {
    key: &'static str,
    values: &'r [String],
    patterns: Patterns,
    problems: Problems,
}

impl Operands<'_> {
    /// Parses each.
    fn each<T>(&mut self, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut parsed = Vec::with_capacity(self.values.len());
        for (i, value) in self.values.iter().enumerate() {
            match parse(value.trim()) {
                Ok(v) => parsed.push(v),
                Err(message) => self.problem(i, message),
            }
        }
        parsed
    }

    fn text(&mut self, of: Text, bare: Bare) -> Test {
        let values = self.values;
        let test = TextTest::compile(values, bare, self.patterns, |i, message| self.problem(i, message));
        if of.is_geo() && test.asks_for_empty() {
            let i = values.iter().position(|v| v == "empty").unwrap_or(0);
            self.problem(i, "an unknown place cannot be asked for".to_owned());
        }
        Test::Text(of, test)
    }

    fn problem(&mut self, i: usize, message: String) {
        self.problems.add(format!("{}[{i}]", self.key), message);
    }
}

/// The test of a field.
///
/// # Errors
/// What is wrong with the field's name. Problems of operands are added to them.
fn test(field: &str, given: &mut Operands<'_>) -> Result<Test, String> {
    let stored = matches!(given.patterns, Patterns::Later);
    Ok(match field {
        "country" => Test::Code(Code::Country, given.each(|v| country(v, stored))),
        "continent" => Test::Code(Code::Continent, given.each(country::parse_continent)),
        "region" => Test::Region(given.each(|v| region(v, stored))),
        "asn" => Test::Asn(given.each(asn)),
        "ip" => Test::Ip(ips(given)),
        "ip_version" => {
            let asked = given.each(|v| word(v, &["4", "6"]));
            Test::IpVersion { v4: asked.contains(&0), v6: asked.contains(&1) }
        }
        "device_type" => {
            let words = DeviceType::ALL.map(DeviceType::as_str);
            Test::DeviceType(given.each(|v| word(v, &words).map(|i| DeviceType::ALL[i])))
        }
        "os_version" => Test::Version(VersionOf::Os, given.each(VersionTest::parse)),
        "browser_version" => Test::Version(VersionOf::Browser, given.each(VersionTest::parse)),
        "language" => Test::Language(given.each(language)),
        "bot" => {
            let asked = given.each(|v| word(v, &["true", "false"]));
            Test::Bot { yes: asked.contains(&0), no: asked.contains(&1) }
        }
        "unique" => {
            let scopes = [Within::Campaign, Within::Stream, Within::Destination];
            Test::Unique(given.each(|v| word(v, &["campaign", "stream", "destination"]).map(|i| scopes[i])))
        }
        "click_limit" => click_limit(given),
        "date" => Test::Date(given.each(DateRange::parse)),
        "schedule" => Test::Schedule(given.each(Timetable::with_zone)),
        "referrer" => given.text(Text::Referrer, Bare::Host),
        "user_agent" => given.text(Text::UserAgent, Bare::Contains),
        other => given.text(exact_text(other)?, Bare::Exact),
    })
}

/// The fields whose bare operand is the whole text.
fn exact_text(field: &str) -> Result<Text, String> {
    Ok(match field {
        "city" => Text::City,
        "isp" => Text::Isp,
        "connection_type" => Text::ConnectionType,
        "device_model" => Text::DeviceModel,
        "os" => Text::Os,
        "browser" => Text::Browser,
        "keyword" => Text::Keyword,
        "external_id" => Text::ExternalId,
        other => {
            if let Some(i) = sub_index(other) {
                Text::Sub(i)
            } else if let Some(name) = other.strip_prefix("param:") {
                let ok = !name.is_empty() && name.chars().count() <= 128;
                if !ok {
                    return Err("must name a parameter of at most 128 characters: param:NAME".to_owned());
                }
                Text::Param(name.into())
            } else if let Some(name) = other.strip_prefix("header:") {
                Text::Header(header_name(name)?)
            } else {
                let known: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
                let shown: String = other.chars().take(50).collect();
                let meant = did_you_mean(other, known.iter().copied());
                return Err(format!("'{shown}' is not a field{meant}; the fields are {}", known.join(", ")));
            }
        }
    })
}

/// The characters of an HTTP token (RFC 9110, 5.6.2).
fn header_name(name: &str) -> Result<SmolStr, String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if (1..=64).contains(&name.len()) && name.bytes().all(token) {
        Ok(folded(name))
    } else {
        Err("must name a header of 1 to 64 characters: header:NAME".to_owned())
    }
}

/// The place of a word among those allowed.
fn word(text: &str, allowed: &[&str]) -> Result<usize, String> {
    allowed.iter().position(|w| w.eq_ignore_ascii_case(text)).ok_or_else(|| {
        let meant = did_you_mean(text, allowed.iter().copied());
        format!("'{text}' is not one of {}{meant}", allowed.join(", "))
    })
}

/// A country as it was written; in what was stored before only countries were accepted, one that nobody can be in.
fn country(text: &str, stored: bool) -> Result<SmolStr, String> {
    let old = stored && text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic());
    if old { Ok(text.to_ascii_uppercase().into()) } else { country::parse(text) }
}

fn region(text: &str, stored: bool) -> Result<(Option<SmolStr>, SmolStr), String> {
    let (of, code) = match text.split_once('-') {
        Some((of, code)) => (Some(country(of, stored)?), code),
        None => (None, text),
    };
    if (1..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric()) {
        Ok((of, code.to_ascii_uppercase().into()))
    } else {
        Err(format!("'{text}' is not a region; write its ISO 3166-2 code, such as CA or US-CA"))
    }
}

fn asn(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
    let ok = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| ok).ok_or_else(|| format!("'{text}' is not a number such as AS3320"))
}

fn ips(given: &mut Operands<'_>) -> IpSet {
    let mut set = IpSet::default();
    for (i, value) in given.values.iter().enumerate() {
        if let Err(message) = set.add(value) {
            given.problem(i, message);
        }
    }
    set.finish();
    set
}

fn language(text: &str) -> Result<SmolStr, String> {
    let part = |p: &str| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric());
    let tag = text.replace('_', "-").to_ascii_lowercase();
    let first = tag.split('-').next().unwrap_or("");
    let ok = matches!(first.len(), 2 | 3)
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && tag.split('-').all(part);
    if ok {
        Ok(tag.into())
    } else {
        Err(format!("'{text}' is not a language; write a code such as en or en-us"))
    }
}

fn click_limit(given: &mut Operands<'_>) -> Test {
    if given.values.len() > 1 {
        // Among several values one is enough, which nobody means with limits.
        given.problem(1, "must be the only limit of its filter; write a second filter".to_owned());
    }
    let limit = given.each(ClickLimit::parse).into_iter().next();
    // Stands in when there is a problem; such a filter is never used.
    limit.map_or(Test::Date(Vec::new()), Test::ClickLimit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn paths(rule: &FilterRule) -> Vec<String> {
        compile(rule).map_or_else(|p| p.0.into_iter().map(|p| p.path).collect(), |_| Vec::new())
    }

    fn rule(field: &str, is: &[&str], is_not: &[&str]) -> FilterRule {
        let owned = |list: &[&str]| list.iter().map(|&v| v.to_owned()).collect();
        FilterRule { field: field.to_owned(), is: owned(is), is_not: owned(is_not) }
    }

    #[test]
    fn every_problem_is_reported_with_its_path() {
        /// Field, `is`, `is_not`, and the paths of the problems.
        type Row = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);
        let table: &[Row] = &[
            ("country", &["US", "ca"], &[], &[]),
            ("country", &["US", "USA", "U1"], &[], &["is[1]", "is[2]"]),
            ("country", &["uk"], &[], &["is[0]"]),
            ("country", &[], &[], &["is"]),
            ("country", &["US"], &["CA"], &["is_not"]),
            ("country", &[], &["US", "X"], &["is_not[1]"]),
            ("country", &["XX", "de", "QQ", "EU"], &[], &["is[0]", "is[2]", "is[3]"]),
            ("country", &[], &["ZZ"], &["is_not[0]"]),
            ("region", &["CA", "US-CA", "GB-ENG"], &[], &[]),
            ("region", &["USA-CA", "California", "XX-CA"], &[], &["is[0]", "is[1]", "is[2]"]),
            ("continent", &["EU", "XX"], &[], &["is[1]"]),
            ("asn", &["AS3320", "3320", "AS", "-1", "+5"], &[], &["is[2]", "is[3]", "is[4]"]),
            ("ip", &["10.0.0.0/8", "10.0.0.0/40", "file:x"], &[], &["is[1]", "is[2]"]),
            ("ip_version", &["4", "6", "5"], &[], &["is[2]"]),
            ("device_type", &["mobile", "phone"], &[], &["is[1]"]),
            ("os_version", &[">= 14.2", ">= x"], &[], &["is[1]"]),
            ("browser_version", &[], &["abc"], &["is_not[0]"]),
            ("language", &["en", "en-US", "english"], &[], &["is[2]"]),
            ("referrer", &["example.com", "regex:(", "a b"], &[], &["is[1]", "is[2]"]),
            ("user_agent", &["regex:["], &[], &["is[0]"]),
            ("city", &["Berlin", "empty"], &[], &["is[1]"]),
            ("sub20", &["a"], &[], &[]),
            ("sub21", &["a"], &[], &["field"]),
            ("sub0", &["a"], &[], &["field"]),
            ("param:", &["a"], &[], &["field"]),
            ("param:x y", &["a"], &[], &[]),
            ("header:X-Test", &["a"], &[], &[]),
            ("header:x test", &["a"], &[], &["field"]),
            ("bot", &["yes"], &[], &["is[0]"]),
            ("unique", &["campaign", "visitor"], &[], &["is[1]"]),
            ("click_limit", &["hour:1", "day:2"], &[], &["is[1]"]),
            ("click_limit", &["weekly"], &[], &["is[0]"]),
            ("date", &["2026-01-01..2025-01-01"], &[], &["is[0]"]),
            ("schedule", &["fri", "fri 9-10", "fri Mars/Olympus"], &[], &["is[1]", "is[2]"]),
            ("colour", &["red"], &[], &["field"]),
            ("Country", &["US"], &[], &["field"]),
        ];
        for (field, is, is_not, want) in table {
            assert_eq!(paths(&rule(field, is, is_not)), *want, "{field} {is:?} {is_not:?}");
        }
    }

    #[test]
    fn a_stream_that_was_saved_with_a_country_that_is_none_goes_on() {
        for (field, value) in [("country", "XX"), ("region", "QQ-CA")] {
            assert!(compile(&rule(field, &[value], &[])).is_err(), "{value}");
            assert!(plan(&rule(field, &[value], &[])).is_ok(), "{value}");
        }
        assert!(plan(&rule("country", &["USA"], &[])).is_err());
    }

    #[test]
    fn every_listed_field_is_known() {
        for (field, _) in FIELDS {
            let field = field.replace("NAME", "x");
            assert!(!paths(&rule(&field, &["?"], &[])).contains(&"field".to_owned()), "{field}");
        }
    }

    proptest! {
        #[test]
        fn no_operand_of_any_field_makes_compiling_panic(
            i in 0..FIELDS.len(),
            field in "[a-z:]{0,12}",
            operands in proptest::collection::vec("(regex:|glob:|host:|hour:|fri |>= |2026-01-01|10\\.)?.{0,20}", 0..4),
        ) {
            let listed = FIELDS[i].0.replace("NAME", "x");
            for field in [&listed, &field] {
                let _ = compile(&FilterRule { field: field.clone(), is: operands.clone(), is_not: Vec::new() });
            }
        }
    }
}
