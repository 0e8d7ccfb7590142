//! What each macro gives, what is refused, and that no value can leave its place.

use super::*;
use crate::{
    Timestamp,
    event::{ClickDims, ClickEvent},
    id::{ClickId, ConversionId, NetworkId},
    money::{Currency, Money},
    postback::Conversion,
    routing::DeviceType,
};
use percent_encoding::utf8_percent_encode;
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::json;
use url::Url;

fn usd(amount: &str) -> Money {
    Money { amount: amount.parse().expect("an amount"), currency: Currency::USD }
}

fn click() -> ClickEvent {
    let all = json!({
        "schema": 1, "click_id": "01KTBA71G0Z9Q4X2V8N6M5R3JD", "at": "2026-06-05T22:30:00Z", "status": 302,
        "visitor_id": "0123456789abcdef0123456789abcdef", "config_revision": 1,
        "campaign_id": "cmp_0000000000000000001", "stream_id": "str_0000000000000000002",
        "destination_id": "dst_0000000000000000003", "source_id": "src_0000000000000000004",
        "network_id": "net_0000000000000000005", "country": "DE", "region": "BY", "city": "München",
        "isp": "A&B", "device_type": "mobile", "os": "iOS", "browser": "Safari", "language": "de",
        "keyword": "red shoes", "subs": ["one", "", "three"], "is_bot": false,
        "campaign_slug": "summer", "campaign_name": "Summer Sale",
        "deciding_campaign_id": "cmp_0000000000000000006", "deciding_campaign_slug": "autumn",
        "deciding_campaign_name": "Autumn Sale", "ip": "2001:db8::1",
        "user_agent": "Mozilla/5.0 (iPhone)", "device_model": "iPhone", "os_version": "17.1",
        "referrer": "https://news.example/?a=1&b=2", "params": [["utm_source", "mail"], ["x", "1"], ["x", "2"]],
        "external_id": "ext+1", "cost": { "amount": "0.015", "currency": "USD" },
    });
    serde_json::from_value(all).expect("a click")
}

fn conversion() -> Conversion {
    Conversion {
        id: ConversionId::generate(Timestamp::UNIX_EPOCH, 1),
        version: 1,
        since_version: 1,
        network: NetworkId::generate(Timestamp::UNIX_EPOCH, 1),
        key: "tx:T/1".to_owned(),
        sale_claim: None,
        displaced: false,
        transaction_id: Some("T/1".to_owned()),
        click_id: click().click_id,
        status: "sale".parse().expect("a status"),
        raw_status: None,
        revenue: usd("12.50"),
        cost: None,
        cost_terms: crate::entity::Due::default(),
        signatures: crate::postback::Signatures::default(),
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
        click: ClickDims::default(),
    }
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

fn parsed(text: &str, scope: Scope) -> UrlTemplate {
    UrlTemplate::parse(text, scope).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn refused(text: &str, scope: Scope) -> Vec<String> {
    let problems = UrlTemplate::parse(text, scope).expect_err(text);
    assert!(problems.0.iter().all(|p| p.path.is_empty()));
    problems.0.into_iter().map(|p| p.message).collect()
}

/// Name of a macro, encoded value, raw value if it differs.
const REDIRECT: [(&str, &str, &str); 44] = [
    ("click_id", "01KTBA71G0Z9Q4X2V8N6M5R3JD", ""),
    ("subid", "01KTBA71G0Z9Q4X2V8N6M5R3JD", ""),
    ("clickid", "01KTBA71G0Z9Q4X2V8N6M5R3JD", ""),
    ("external_id", "ext%2B1", "ext+1"),
    ("campaign_id", "cmp_0000000000000000001", ""),
    ("campaign_slug", "summer", ""),
    ("campaign_name", "Summer%20Sale", ""),
    ("deciding_campaign_id", "cmp_0000000000000000006", ""),
    ("deciding_campaign_slug", "autumn", ""),
    ("deciding_campaign_name", "Autumn%20Sale", ""),
    ("stream_id", "str_0000000000000000002", ""),
    ("destination_id", "dst_0000000000000000003", ""),
    ("source_id", "src_0000000000000000004", ""),
    ("network_id", "net_0000000000000000005", ""),
    ("sub1", "one", ""),
    ("sub2", "", ""),
    ("sub3", "three", ""),
    ("sub20", "", ""),
    ("param:utm_source", "mail", ""),
    ("param:x", "1", ""),
    ("param:X", "", ""),
    ("keyword", "red%20shoes", ""),
    ("cost", "0.015", ""),
    ("currency", "USD", ""),
    ("country", "DE", ""),
    ("region", "BY", ""),
    ("city", "M%C3%BCnchen", ""),
    ("isp", "A%26B", "A&B"),
    ("ip", "2001%3Adb8%3A%3A1", "2001:db8::1"),
    ("user_agent", "Mozilla%2F5.0%20%28iPhone%29", "Mozilla/5.0%20(iPhone)"),
    ("device_type", "mobile", ""),
    ("device_model", "iPhone", ""),
    ("os", "iOS", ""),
    ("os_version", "17.1", ""),
    ("browser", "Safari", ""),
    ("language", "de", ""),
    ("referrer", "https%3A%2F%2Fnews.example%2F%3Fa%3D1%26b%3D2", "https://news.example/?a=1&b=2"),
    ("is_bot", "false", ""),
    ("timestamp", "1780698600", ""),
    ("date:%Y-%m-%d", "2026-06-05", ""),
    ("date:%d/%m/%Y %H:%M,Europe/Berlin", "06%2F06%2F2026%2000%3A30", "06/06/2026%2000:30"),
    ("date:%d,%m", "05%2C06", "05,06"),
    ("random:7,7", "7", ""),
    ("random:18446744073709551615,18446744073709551615", "18446744073709551615", ""),
];

const OUTBOUND: [(&str, &str, &str); 9] = [
    ("transaction_id", "T%2F1", "T/1"),
    ("tid", "T%2F1", "T/1"),
    ("status", "sale", ""),
    ("status:lead=0 sale=1 rejected=2", "1", ""),
    ("status:lead=0", "", ""),
    ("payout", "12.5", ""),
    ("revenue", "12.5", ""),
    ("profit", "12.485", ""),
    ("currency", "USD", ""),
];

#[test]
fn every_macro_gives_its_value() {
    for (name, encoded, raw) in REDIRECT.iter().chain(&OUTBOUND) {
        let raw = if raw.is_empty() { encoded } else { raw };
        for (brace, want) in [("{", encoded), ("{_", raw)] {
            let template = parsed(&format!("https://o.example/?v={brace}{name}}}&end"), Scope::Outbound);
            let got = template.render(
                &Facts::from(&click()),
                Some(ConversionFacts::from(&conversion())),
                &mut rng(),
            );
            assert_eq!(got, format!("https://o.example/?v={want}&end"), "{brace}{name}}}");
        }
    }
    for (name, encoded, _) in REDIRECT {
        let template = parsed(&format!("https://o.example/?v={{{name}}}"), Scope::Redirect);
        assert_eq!(
            template.render(&Facts::from(&click()), None, &mut rng()),
            format!("https://o.example/?v={encoded}"),
            "{name}"
        );
    }
}

#[test]
fn without_a_hand_over_the_links_campaign_decided() {
    let mut own = click();
    own.dims.deciding_campaign_id = None;
    (own.deciding_campaign_slug, own.deciding_campaign_name) = Default::default();
    let text = "https://o.example/?{deciding_campaign_id}&{deciding_campaign_slug}&{deciding_campaign_name}";
    let got = parsed(text, Scope::Redirect).render(&Facts::from(&own), None, &mut rng());
    assert_eq!(got, "https://o.example/?cmp_0000000000000000001&summer&Summer%20Sale");
}

#[test]
fn what_is_missing_is_empty() {
    let mut bare = click();
    bare.dims = ClickDims { device_type: DeviceType::Unknown, ..ClickDims::default() };
    bare.cost = None;
    bare.params.clear();
    let text = "https://o.example/{country}?a={campaign_id}&b={cost}{currency}&c={sub20}&d={param:x}&e={status}{tid}{profit}";
    let template = parsed(text, Scope::Outbound);
    assert_eq!(template.render(&Facts::from(&bare), None, &mut rng()), "https://o.example/?a=&b=&c=&d=&e=");
}

#[test]
fn profit_needs_one_currency() {
    let template = parsed("https://s.example/?p={profit}&c={currency}", Scope::Outbound);
    let mut click = click();
    let render = |c: &ClickEvent| {
        template.render(&Facts::from(c), Some(ConversionFacts::from(&conversion())), &mut rng())
    };
    click.cost = Some(Money { currency: "EUR".parse().expect("a code"), ..usd("1") });
    assert_eq!(render(&click), "https://s.example/?p=&c=USD");
    click.cost = None;
    assert_eq!(render(&click), "https://s.example/?p=12.5&c=USD");
    click.cost = Some(usd("20"));
    assert_eq!(render(&click), "https://s.example/?p=-7.5&c=USD");
}

#[test]
fn random_stays_in_its_range() {
    let template = parsed("https://o.example/{random:5,8}", Scope::Redirect);
    let mut rng = rng();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        seen.insert(template.render(&Facts::from(&click()), None, &mut rng));
    }
    assert_eq!(seen, (5..=8).map(|n| format!("https://o.example/{n}")).collect());
}

#[test]
fn literals_are_the_authors_but_fit_for_a_header() {
    let table = [
        ("HTTPS://Offer.Example/A?b=%20c&d=[1]", "https://offer.example/A?b=%20c&d=[1]", "offer.example"),
        ("https://o.example", "https://o.example", "o.example"),
        ("https://o.example?c={country}#{os}", "https://o.example?c=DE#iOS", "o.example"),
        ("http://o.example:8080/a b/ü", "http://o.example:8080/a%20b/%C3%BC", "o.example"),
        ("https://o.example:443/", "https://o.example/", "o.example"),
        ("https://user:pw@o.example/x", "https://user:pw@o.example/x", "o.example"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://[::1]:80/{ip}", "http://[::1]/2001%3Adb8%3A%3A1", "::1"),
    ];
    for (text, want, host) in table {
        let template = parsed(text, Scope::Redirect);
        assert_eq!(template.render(&Facts::from(&click()), None, &mut rng()), want);
        assert_eq!((template.host(), template.as_str()), (host, text));
    }
}

#[test]
fn what_is_refused_and_why() {
    let in_host = "stands in the host";
    let table = [
        ("", "must begin with http:// or https:// and a host"),
        ("offer.example/?c={click_id}", "must begin with http:// or https://"),
        ("ftp://o.example/", "must begin with http:// or https://"),
        ("javascript:alert(1)", "must begin with http:// or https://"),
        ("//o.example/", "must begin with http:// or https://"),
        ("https:o.example", "must begin with http:// or https://"),
        ("{_param:url}", "must begin with http:// or https://"),
        ("{sub1}://o.example/", "must begin with http:// or https://"),
        ("https://", "must name a host"),
        ("https:///o.example/", "must name a host"),
        ("https://?x", "must name a host"),
        ("https://:80/", "':80' is not a host"),
        ("https://o.example:99999/", "is not a host"),
        ("https://a b/", "is not a host"),
        ("https://{sub1}/", "{sub1} stands in the host"),
        ("https://{_sub1}.example/", in_host),
        ("https://o.example{_sub1}", in_host),
        ("https://o.example:{sub1}/", in_host),
        ("https://{sub1}@o.example/", in_host),
        ("https://o.example{date:%Y/%m}", in_host),
        ("https://o.example\\{_sub1}", "backslash"),
        ("https://o.example/{clik_id}", "{clik_id} is not a macro; did you mean {click_id}?"),
        ("https://o.example/{whatever}", "{whatever} is not a macro; known are click_id, subid,"),
        ("https://o.example/{Click-Id}", "{Click-Id} is not a macro; did you mean {click_id}?"),
        ("https://o.example/{ SUB1 }", "did you mean {sub1}?"),
        ("https://o.example/{}", "{} is not a macro"),
        ("https://o.example/{sub21}", "{sub21} is not a macro"),
        ("https://o.example/{sub01}", "{sub01} is not a macro"),
        ("https://o.example/{sub1:x}", "{sub1:x} is not a macro"),
        ("https://o.example/{__sub1}", "{_sub1} is not a macro; did you mean {sub1}?"),
        ("https://o.example/{param}", "needs the name of a query parameter"),
        ("https://o.example/{param:}", "1 to 64 characters"),
        ("https://o.example/{date}", "is not a date format"),
        ("https://o.example/{date:today}", "'today' is not a date format"),
        ("https://o.example/{date:%Y-%!}", "'%Y-%!' is not a date format"),
        ("https://o.example/{date:%20Y%20Y%20Y%20Y%20Y%20Y}", "a date must be at most 100 characters"),
        ("https://o.example/{date:%Y,Mars/Olympus}", "'Mars/Olympus' is not a time zone"),
        ("https://o.example/{random:9,1}", "'9,1' is not a range"),
        ("https://o.example/{random:-1,1}", "'-1,1' is not a range"),
        ("https://o.example/{random:1}", "'1' is not a range"),
        ("https://o.example/{payout}", "known only in a traffic source's postback URL"),
        ("https://o.example/{status:lead=0}", "known only in a traffic source's postback URL"),
        ("https://o.example/{click_id", "has a '{' without a '}' after it, before 'click_id'"),
        ("https://o.example/{{click_id}}", "has a '{' without a '}'"),
        ("https://o.example/click_id}", "has a '}' without a '{'"),
        ("https://o.example/\r\nSet-Cookie: a=b", "control characters or line breaks"),
        ("https://o.example/ ", "begin or end with a blank"),
    ];
    for (text, want) in table {
        let messages = refused(text, Scope::Redirect);
        assert!(messages.iter().any(|m| m.contains(want)), "{text}: {messages:?}");
    }
    for (text, want) in [
        ("https://s.example/?{status:}", "needs a word for each status"),
        ("https://s.example/?{status:lead}", "'lead' is not of the form status=word"),
        ("https://s.example/?{status:lead=0 LEAD=1}", "names lead twice"),
    ] {
        let messages = refused(text, Scope::Outbound);
        assert!(messages.iter().any(|m| m.contains(want)), "{text}: {messages:?}");
    }
}

#[test]
fn all_problems_are_reported_at_once_and_the_list_of_macros_once() {
    let messages =
        refused("https://{sub1}.example/{nope}?a={random:2,1}&b={nada}&c={tid}&d={x", Scope::Redirect);
    assert_eq!(messages.len(), 6, "{messages:?}");
    assert_eq!(messages.iter().filter(|m| m.contains("known are")).count(), 1);
}

#[test]
fn length_and_number_of_macros_are_bounded() {
    let longest = format!("https://o.example/{}", "a".repeat(4096 - 18));
    assert!(UrlTemplate::parse(&longest, Scope::Redirect).is_ok());
    assert_eq!(refused(&format!("{longest}a"), Scope::Redirect), ["must be at most 4096 bytes"]);
    let widened = format!("https://o.example/{}", "ü".repeat(1000));
    assert_eq!(refused(&widened, Scope::Redirect), ["must be at most 4096 bytes once it is percent-encoded"]);
    let macros = |n| format!("https://o.example/{}", "{ip}".repeat(n));
    assert!(UrlTemplate::parse(&macros(64), Scope::Redirect).is_ok());
    assert_eq!(refused(&macros(65), Scope::Redirect), ["must have at most 64 macros"]);
}

#[test]
fn a_long_value_is_cut_and_does_not_push_out_the_ones_behind_it() {
    let template = parsed("https://o.example/?r={referrer}&u={_user_agent}&c={click_id}", Scope::Redirect);
    let mut long = click();
    long.referrer = "ä".repeat(10_000);
    long.user_agent = "u".repeat(100_000);
    let url = template.render(&Facts::from(&long), None, &mut rng());
    assert!(url.len() <= MAX_URL, "{}", url.len());
    assert!(url.ends_with("&c=01KTBA71G0Z9Q4X2V8N6M5R3JD"));
    // Short values leave their share to those that follow.
    long.referrer.clear();
    assert!(template.render(&Facts::from(&long), None, &mut rng()).len() > 4_000);
}

#[test]
fn one_long_value_is_whole_beside_short_ones() {
    let template =
        parsed("https://o.example/?r={referrer}&a={sub1}&b={sub2}&c={click_id}&k={keyword}", Scope::Redirect);
    let mut long = click();
    long.referrer = "r".repeat(4096);
    let url = template.render(&Facts::from(&long), None, &mut rng());
    assert!(url.contains(&format!("?r={}&a=", long.referrer)), "{} bytes", url.len());
}

proptest! {
    #[test]
    fn values_that_fit_together_are_whole_and_long_ones_share_what_is_left(
        values in prop::collection::vec((prop::sample::select(&["a", "a&", "é", "😀"][..]), prop_oneof![0..40usize, 0..3000usize, 0..9000usize]), 1..20),
        drawn in any::<bool>(),
    ) {
        let values: Vec<String> = values.into_iter().map(|(c, n)| format!("x{}", c.repeat(n))).collect();
        let mut text = "https://o.example/?".to_owned();
        for n in 0..values.len() {
            text.push_str(&format!("&p={{param:v{n}}}"));
        }
        if drawn {
            text.push_str("&p={random:1,1000000}");
        }
        let mut click = click();
        click.params = values.iter().enumerate().map(|(n, v)| (format!("v{n}").into(), v.clone())).collect();
        let url = parsed(&text, Scope::Redirect).render(&Facts::from(&click), None, &mut rng());
        prop_assert!(url.len() <= MAX_URL, "{}", url.len());
        let pieces: Vec<&str> = url.split("&p=").skip(1).collect();
        let encoded: Vec<String> =
            values.iter().map(|v| utf8_percent_encode(v, crate::query::RESERVED).to_string()).collect();
        if drawn {
            prop_assert!((1..=1_000_000).contains(&pieces[values.len()].parse::<u32>().expect("a number")));
        }
        // The longest character takes twelve bytes, and a share of the rest is lost to rounding.
        let slack = 12;
        let literals = "https://o.example/?".len() + pieces.len() * "&p=".len();
        let others = if drawn { pieces[values.len()].len() } else { 0 };
        let fits = literals + others + encoded.iter().map(String::len).sum::<usize>() <= MAX_URL;
        let (mut whole, mut cut) = (Vec::new(), Vec::new());
        for (piece, value) in pieces.iter().zip(&encoded) {
            prop_assert!(value.starts_with(piece));
            if piece.len() == value.len() { whole.push(piece.len()) } else { cut.push(piece.len()) }
        }
        prop_assert!(!fits || cut.is_empty(), "{:?} were cut though all fit", cut);
        if let (Some(least), Some(most)) = (cut.iter().min(), cut.iter().max()) {
            prop_assert!(most - least < slack, "{:?}", cut);
            prop_assert!(whole.iter().all(|w| *w < least + slack), "{:?} beside {:?}", whole, cut);
            prop_assert!(url.len() + cut.len() * (slack + 1) > MAX_URL, "{} left unused", MAX_URL - url.len());
        }
    }
}

/// Texts that try to leave their place.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        prop::sample::select(
            &[
                "\r\n",
                "\r",
                "\n",
                "\0",
                "\t",
                " ",
                "//evil.example",
                "/../..",
                "@evil.example",
                ":81",
                "?",
                "#",
                "&",
                "%",
                "%0d%0a",
                "%2",
                "\\",
                "\\\\evil.example",
                "{click_id}",
                "\u{2028}",
                "\u{85}",
                "\u{feff}",
                "é",
                "\u{7f}",
                "https://",
                "<script>",
                "\"",
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|p| p.concat())
}

/// A click and a conversion in which every free text is `text`.
fn filled(text: &str) -> (ClickEvent, Conversion) {
    let (mut click, mut conversion) = (click(), conversion());
    let d = &mut click.dims;
    for field in [
        &mut d.country,
        &mut d.region,
        &mut d.city,
        &mut d.isp,
        &mut d.os,
        &mut d.browser,
        &mut d.language,
        &mut d.keyword,
    ] {
        *field = text.into();
    }
    d.subs = vec![text.into(); 20];
    for field in [&mut click.campaign_slug, &mut click.ip, &mut click.device_model, &mut click.os_version] {
        *field = text.into();
    }
    for field in
        [&mut click.campaign_name, &mut click.user_agent, &mut click.referrer, &mut click.external_id]
    {
        *field = text.to_owned();
    }
    click.params = vec![("x".into(), text.to_owned()), ("utm_source".into(), text.to_owned())];
    conversion.transaction_id = Some(text.to_owned());
    conversion.status = crate::postback::ConversionStatus::Custom(text.into());
    (click, conversion)
}

proptest! {
    #[test]
    fn no_value_changes_scheme_host_or_port_or_breaks_a_header(
        bytes in prop_oneof![nasty(), prop::collection::vec(any::<u8>(), 0..64).prop_map(|b| String::from_utf8_lossy(&b).into_owned())],
        origin in prop::sample::select(&["https://o.example", "http://o.example:8080", "https://[::1]:444", "https://u:p@o.example"][..]),
        place in prop::sample::select(&["/", "/a/", "?", "/?q=", "#", "/p#", "//"][..]),
    ) {
        let (click, conversion) = filled(&bytes);
        let want = Url::parse(origin).expect("a URL");
        for (name, _, _) in REDIRECT.iter().chain(&OUTBOUND) {
            for brace in ["{", "{_"] {
                let text = format!("{origin}{place}{brace}{name}}}{brace}{name}}}tail");
                let url = parsed(&text, Scope::Outbound).render(&Facts::from(&click), Some(ConversionFacts::from(&conversion)), &mut rng());
                prop_assert!(url.bytes().all(|b| b.is_ascii_graphic()), "{} -> {:?}", text, url);
                prop_assert!(url.len() <= MAX_URL);
                let got = Url::parse(&url).expect("a URL");
                prop_assert_eq!(
                    (got.scheme(), got.host_str(), got.port(), got.username(), got.password()),
                    (want.scheme(), want.host_str(), want.port(), want.username(), want.password()),
                    "{} -> {}", text, url
                );
            }
        }
    }

    #[test]
    fn an_encoded_value_comes_back_as_it_was(value in nasty()) {
        prop_assume!(crate::said::says(&value, crate::said::Fact::Text));
        let (click, _) = filled(&crate::query::kept(value.as_bytes().into()));
        let template = parsed("https://o.example/?v={sub7}&w={param:x}&end=1", Scope::Redirect);
        let url = Url::parse(&template.render(&Facts::from(&click), None, &mut rng())).expect("a URL");
        let pairs: Vec<_> = url.query_pairs().into_owned().map(|(_, v)| v).collect();
        prop_assert_eq!(pairs, [value.clone(), value, "1".to_owned()]);
    }

    #[test]
    fn no_text_makes_parsing_panic_and_what_parses_keeps_its_host(
        text in prop_oneof![any::<String>(), "https?://[a-z.:{}@/\\\\?#_0-9 é]{0,40}", nasty().prop_map(|t| format!("https://{t}"))],
        value in nasty(),
    ) {
        if let Ok(template) = UrlTemplate::parse(&text, Scope::Outbound) {
            let (click, conversion) = filled(&value);
            let url = Url::parse(&template.render(&Facts::from(&click), Some(ConversionFacts::from(&conversion)), &mut rng())).expect("a URL");
            let host = url.host_str().expect("a host").trim_start_matches('[').trim_end_matches(']');
            prop_assert_eq!(host, template.host());
        }
    }
}

#[test]
fn a_click_id_stays_time_ordered_and_short_in_a_url() {
    let url = parsed("https://o.example/{click_id}", Scope::Redirect).render(
        &Facts::from(&click()),
        None,
        &mut rng(),
    );
    let id = url.rsplit('/').next().expect("an id").parse::<ClickId>();
    assert_eq!(id.map(|i| i.to_string().len()), Ok(26));
}
