//! What postbacks of real networks mean, and which are refused.

use super::*;
use crate::entity::{NetworkSpec, TemplateSpec, parse};
use proptest::prelude::*;
use serde_json::json;

const CLICK: &str = "01KTBA71G0Z9Q4X2V8N6M5R3JD";

fn network() -> NetworkSpec {
    parse(json!({ "slug": "adnet", "name": "Ad network", "currency": "EUR" })).expect("valid")
}

fn template(spec: &serde_json::Value) -> TemplateSpec {
    let mut all = json!({ "network": "net_0000000000000000000", "slug": "default", "name": "Default" });
    for (field, value) in spec.as_object().expect("an object") {
        all[field] = value.clone();
    }
    parse(all).expect("a valid template")
}

fn params(query: &str) -> Vec<(String, String)> {
    crate::query::pairs(query.as_bytes()).map(|(n, v)| (n.into_owned(), v.into_owned())).collect()
}

fn read(template: Option<&TemplateSpec>, query: &str) -> Result<Interpreted, Refusal> {
    interpret(&network(), template, &params(query), &[])
}

fn report(template: Option<&TemplateSpec>, query: &str) -> Postback {
    match read(template, query) {
        Ok(Interpreted::Report(p)) => p,
        other => panic!("{query}: {other:?}"),
    }
}

/// The postback as one line: status, raw status, payout with its origin, currency, key.
fn line(p: &Postback) -> String {
    let payout =
        p.payout.map_or("-".to_owned(), |a| format!("{a}{}", if p.payout_given { "" } else { "(default)" }));
    let raw = p.raw_status.as_deref().unwrap_or("-");
    format!("{} {raw} {payout} {} {}", p.status, p.currency, p.key().replace(CLICK, "CLICK"))
}

#[test]
fn an_object_is_no_fact_wherever_one_is_looked_for() {
    let own = template(&json!({ "params": { "status": "data.state" } }));
    let pings = template(&json!({ "ignore": ["ping"] }));
    let query_of = |query: &str| params(&query.replace("CLICK", CLICK));
    let table = [
        (None, "click_id=CLICK", "payout", Some("payout")),
        (None, "click_id=CLICK", "STATUS", Some("STATUS")),
        (None, "click_id=CLICK&tid=[1]", "tid", Some("tid")),
        // Nobody asks for it.
        (None, "click_id=CLICK", "data", None),
        // Another name comes first, and says something.
        (None, "click_id=CLICK&status=sale", "type", None),
        (None, "click_id=CLICK&status={status}", "type", Some("type")),
        // The template looks elsewhere.
        (Some(&own), "click_id=CLICK", "status", None),
        (Some(&own), "click_id=CLICK", "data.state", Some("data.state")),
        // Nothing is asked of a ping.
        (Some(&pings), "status=ping", "payout", None),
    ];
    for (template, query, nested, refused) in table {
        let unreadable = Unreadable { name: nested.to_owned(), why: "is an object" };
        let said = interpret(&network(), template, &query_of(query), &[unreadable]);
        let names = said.as_ref().err().map(|r| r.parameter.as_str());
        assert_eq!(names, refused, "{query} {nested}");
    }
}

#[test]
fn true_is_no_fact_but_where_a_template_says_what_it_means() {
    let own = template(&json!({
        "params": { "status": "approved" }, "statuses": { "sale": ["true"], "rejected": ["false"] },
    }));
    let table = [
        (None, "tid=true", Err("tid")),
        (None, "click_id=true", Err("click_id")),
        (None, "payout=true", Err("payout")),
        (None, "status=true", Err("status")),
        (None, "currency=false", Err("currency")),
        (None, "test=true", Ok("sale")),
        (Some(&own), "approved=true", Ok("sale")),
        (Some(&own), "approved=false", Ok("rejected")),
        (Some(&own), "tid=true", Err("tid")),
    ];
    for (template, field, want) in table {
        let name = field.split('=').next().unwrap_or_default();
        let query = if name == "click_id" { field.to_owned() } else { format!("click_id={CLICK}&{field}") };
        let unreadable = Unreadable { name: name.to_owned(), why: "is true" };
        let said = match interpret(&network(), template, &params(&query), &[unreadable]) {
            Ok(Interpreted::Report(p)) => Ok(p.status.to_string()),
            Err(refusal) => Err(refusal.parameter),
            other => panic!("{other:?}"),
        };
        assert_eq!(said, want.map(str::to_owned).map_err(str::to_owned), "{field}");
    }
}

#[test]
fn an_id_with_a_macro_in_it_was_not_sent() {
    let table = [
        ("click_id=CLICK&txid=order-{order_id}", "sale - - EUR click:CLICK:main"),
        ("click_id=CLICK&tid=ord_{tid}_1", "sale - - EUR click:CLICK:main"),
        ("click_id=CLICK&tid=order-%23%7Border_id%7D&tx=T-1", "sale - - EUR tx:T-1"),
        ("click_id={click_id}x&subid=CLICK", "sale - - EUR click:CLICK:main"),
        ("click_id=CLICK&tid=A%23B%23C(EU)", "sale - - EUR tx:A#B#C(EU)"),
    ];
    for (query, want) in table {
        assert_eq!(line(&report(None, &query.replace("CLICK", CLICK))), want, "{query}");
    }
    let refused = read(None, "clickid={click_id}x").expect_err("no click");
    assert!(
        refused.parameter == "clickid" && refused.message.contains("sent its macro '{click_id}x' as it is")
    );
}

#[test]
fn a_word_that_nobody_knows_is_told_also_of_what_is_refused() {
    let own = template(&json!({ "statuses": { "sale": ["won"] }, "ignore": ["ping"] }));
    let table = [
        (None, "status=won", Some(("won", false))),
        (Some(&own), "status=won", None),
        (Some(&own), "status=PING", None),
        (None, "click_id=CLICK&status=won&payout=-3", Some(("won", true))),
        (None, "status=approved&payout=-3", None),
        (None, "payout=-3", None),
    ];
    for (template, query, want) in table {
        let said = unknown_word(template, &params(query));
        assert_eq!(said.as_ref().map(|s| (s.word.as_str(), s.taken_back)), want, "{query}");
    }
}

#[test]
fn without_a_template() {
    let table = [
        // The least there can be: a sale in the network's currency, paying what the destination says.
        ("click_id=CLICK", "sale - - EUR click:CLICK:main"),
        // As Keitaro's and its clones' postbacks look.
        ("subid=CLICK&status=lead&payout=10.00&tid=77&currency=usd", "lead lead 10 USD tx:77"),
        ("subid=CLICK&status=rebill&payout=3", "rebill rebill 3 EUR click:CLICK:rebill"),
        // As Binom's and Voluum's do.
        (
            "cnv_id=CLICK&cnv_status=approved&cnv_payout=1.5&cnv_currency=GBP",
            "sale approved 1.5 GBP click:CLICK:main",
        ),
        ("cid=CLICK&payout=2&txid=A-1&et=Install", "install Install 2 EUR tx:A-1"),
        ("hit=CLICK&type=PENDING&sum=4", "lead PENDING 4 EUR click:CLICK:main"),
        ("sid=CLICK&status=Cancelled&rev=4&tx=9", "rejected Cancelled 4 EUR tx:9"),
        // Names in any case, blanks around values, the first of a name, the preferred alias.
        ("ClickID=+CLICK+&PayOut=+5+", "sale - 5 EUR click:CLICK:main"),
        ("click_id=CLICK&payout=1&payout=2&sum=3", "sale - 1 EUR click:CLICK:main"),
        ("sum=3&click_id=CLICK&payout=1", "sale - 1 EUR click:CLICK:main"),
        // What was not filled in was not sent.
        ("click_id=CLICK&payout=&status=&tid=&currency=", "sale - - EUR click:CLICK:main"),
        (
            "click_id=CLICK&payout={payout}&status=%23status%23&tid=[tid]&currency=${cur}",
            "#status# #status# - EUR click:CLICK:custom:#status#",
        ),
        ("click_id={clickid}&subid=CLICK", "sale - - EUR click:CLICK:main"),
        ("click_id=null&subid=0&cid=CLICK&tid=0&tx=T-7", "sale - - EUR tx:T-7"),
        (
            "click_id=CLICK&payout=NaN&sum=3&status=undefined&type=hold&currency=None",
            "lead hold 3 EUR click:CLICK:main",
        ),
        ("click_id=CLICK&payout=0", "sale - 0 EUR click:CLICK:main"),
        // A custom status never falls into another slot.
        ("click_id=CLICK&status=main", "main main - EUR click:CLICK:custom:main"),
    ];
    for (query, want) in table {
        assert_eq!(line(&report(None, &query.replace("CLICK", CLICK))), want, "{query}");
    }
}

/// Its rejections come with the same macro, so none of them is a sale until somebody says what holds.
#[test]
fn a_macro_in_place_of_a_status_is_a_word_that_nobody_knows() {
    let long = format!("{{{}}}", "s".repeat(80));
    for left in
        ["{status}", "(rejected)", "<rejected>", "__rejected__", "__sale__", "%status%", "$status", &long]
    {
        let params = vec![("click_id".to_owned(), CLICK.to_owned()), ("status".to_owned(), left.to_owned())];
        let read = |template: Option<&TemplateSpec>| match interpret(&network(), template, &params, &[]) {
            Ok(Interpreted::Report(p)) => (p.status.to_string(), p.unmapped, p.raw_status),
            other => panic!("{left}: {other:?}"),
        };
        let (status, unmapped, raw) = read(None);
        assert!(unmapped && !matches!(status.as_str(), "sale" | "rejected" | "rebill"), "{left}: {status}");
        assert_eq!(raw.as_deref(), Some(left));
        let said = unknown_word(None, &params).expect("told");
        assert!(said.is_macro() && said.word == left, "{said:?}");
        let command = crate::postback::advice::map_words(&network(), None, &[said]);
        assert!(command.contains("STATUS="), "nobody guesses what a macro means: {command}");
        let mapped = template(&json!({ "statuses": { "sale": [left] } }));
        assert_eq!(read(Some(&mapped)), ("sale".to_owned(), false, Some(left.to_owned())));
        // Who says what holds without a status has said it.
        let default = template(&json!({ "defaults": { "status": "rebill" } }));
        assert_eq!(read(Some(&default)), ("rebill".to_owned(), false, None));
        assert_eq!(unknown_word(Some(&default), &params), None);
    }
}

#[test]
fn what_says_nothing_is_no_fact() {
    for nothing in [
        "(transaction_id)",
        "__TRANSACTION_ID__",
        "#{transaction_id}",
        "%%transaction_id%%",
        "[[[order_id]]]",
        "$transaction_id$",
        "null",
        "undefined",
        "None",
        "-",
        "NaN",
        "%7Border_id%7D",
        "\"null\"",
        "N/A",
        "\\N",
        "<<id>>",
    ] {
        for field in ["tid", "payout", "currency", "status"] {
            let encoded: String = nothing.bytes().map(percent_encoding::percent_encode_byte).collect();
            let query = format!("click_id={CLICK}&{field}={encoded}");
            let read = report(None, &query);
            match crate::said::silence(nothing, crate::said::Fact::Word) {
                Some(crate::said::Silence::Macro) if field == "status" => assert!(read.unmapped, "{query}"),
                _ => assert_eq!(line(&read), "sale - - EUR click:CLICK:main", "{query}"),
            }
        }
    }
    assert_eq!(report(None, &format!("click_id={CLICK}&tid=0")).transaction_id, None);
    assert_eq!(report(None, &format!("click_id={CLICK}&payout=0")).payout, Some(Amount::ZERO));
    assert_eq!(line(&report(None, &format!("click_id={CLICK}&status=0"))), "0 0 - EUR click:CLICK:custom:0");
    // Values that are no UTF-8 are two values.
    let id = |tid: &str| report(None, &format!("click_id={CLICK}&tid={tid}")).key();
    assert_eq!(
        (id("%E9"), id("%E8"), id("%C3%A9")),
        ("tx:%E9".to_owned(), "tx:%E8".to_owned(), "tx:é".to_owned())
    );
    // What a template knows is a word, whatever it says to others.
    let own = template(&json!({ "statuses": { "lead": ["null"], "rejected": ["-"] }, "ignore": ["none"] }));
    assert_eq!(
        line(&report(Some(&own), &format!("click_id={CLICK}&status=NULL"))),
        "lead NULL - EUR click:CLICK:main"
    );
    assert_eq!(
        line(&report(Some(&own), &format!("click_id={CLICK}&status=-"))),
        "rejected - - EUR click:CLICK:main"
    );
    assert_eq!(read(Some(&own), "status=None"), Ok(Interpreted::Ignored { raw_status: "None".to_owned() }));
}

#[test]
fn through_the_templates_of_three_networks() {
    let affise = template(&json!({
        "params": { "click_id": "clickid", "transaction_id": "action_id", "payout": "sum", "status": "status" },
        "statuses": { "sale": ["1"], "lead": ["2", "5"], "rejected": ["3"] },
    }));
    let everflow = template(&json!({
        "params": { "click_id": "sub1", "transaction_id": "sid", "payout": "payout_amount", "status": "event_name" },
        "statuses": { "sale": ["Base", "Purchase"], "rejected": ["Refund"] },
        "ignore": ["ping", "View"],
        "defaults": { "currency": "USD" },
    }));
    let flat = template(&json!({
        "params": { "click_id": "aff_sub" },
        "defaults": { "status": "lead", "payout": "7.25", "currency": "GBP" },
    }));
    let table = [
        (&affise, "clickid=CLICK&action_id=65ab&sum=12.40&currency=USD&status=1", "sale 1 12.4 USD tx:65ab"),
        (&affise, "clickid=CLICK&action_id=65ab&sum=12.40&status=2", "lead 2 12.4 EUR tx:65ab"),
        (&affise, "clickid=CLICK&action_id=65ab&status=3", "rejected 3 - EUR tx:65ab"),
        (&affise, "clickid=CLICK&action_id=65ab&status=4", "4 4 - EUR tx:65ab"),
        // The template says where the payout is: another name is not looked at.
        (&affise, "clickid=CLICK&payout=99", "sale - - EUR click:CLICK:main"),
        (&everflow, "sub1=CLICK&sid=T9&event_name=PURCHASE&payout_amount=30", "sale PURCHASE 30 USD tx:T9"),
        (&everflow, "sub1=CLICK&sid=T9&event_name=refund", "rejected refund - USD tx:T9"),
        // The default words still hold where the mapping is silent.
        (&everflow, "sub1=CLICK&event_name=declined", "rejected declined - USD click:CLICK:main"),
        (
            &everflow,
            "sub1=CLICK&event_name=AddToCart",
            "addtocart AddToCart - USD click:CLICK:custom:addtocart",
        ),
        (&flat, "aff_sub=CLICK", "lead - 7.25(default) GBP click:CLICK:main"),
        (&flat, "aff_sub=CLICK&amount=1&currency=EUR&status=sale", "sale sale 1 EUR click:CLICK:main"),
    ];
    for (template, query, want) in table {
        assert_eq!(line(&report(Some(template), &query.replace("CLICK", CLICK))), want, "{query}");
    }
    let deep = template(&json!({
        "params": { "click_id": "data.click[id]", "payout": "items[0].price", "transaction_id": "order.id" },
    }));
    for query in [
        "data.click.id=CLICK&items.0.price=2.5&order.id=7",
        "data[click][id]=CLICK&items[0][price]=2.5&ORDER[id]=7",
    ] {
        let want = "sale - 2.5 EUR tx:7";
        assert_eq!(line(&report(Some(&deep), &query.replace("CLICK", CLICK))), want, "{query}");
    }
    // A ping needs no click.
    let ping = read(Some(&everflow), "event_name=PING");
    assert_eq!(ping, Ok(Interpreted::Ignored { raw_status: "PING".to_owned() }));
    // `sid` is the transaction here, so it is no click id.
    let refused =
        read(Some(&template(&json!({ "params": { "transaction_id": "sid" } }))), &format!("sid={CLICK}"));
    assert_eq!(refused.expect_err("no click").parameter, "click_id");
}

#[test]
fn refusals_name_the_parameter_and_what_is_allowed() {
    let renamed = template(&json!({ "params": { "click_id": "aff_sub", "payout": "price" } }));
    let long = format!("click_id={CLICK}&tid={}", "x".repeat(257));
    let long_status = format!("click_id={CLICK}&status={}", "x".repeat(65));
    let aliases = "is missing; the click id is looked for in click_id, clickid, subid, cid, cnv_id, hit, sid";
    let table = [
        (None, "payout=1", "click_id", aliases),
        (None, "", "click_id", aliases),
        (Some(&renamed), "click_id=CLICK", "aff_sub", "is missing; the click id is looked for in aff_sub"),
        (None, "SubId={click_id}", "SubId", "sent its macro '{click_id}' as it is"),
        (None, "subid=abc", "subid", "'abc' is not a click id (26 characters"),
        (None, "subid=%0d%0aX", "subid", "'X' is not a click id"),
        (None, "subid=a%0ab", "subid", "'a\\nb' is not a click id"),
        (None, "cid=CLICK&Sum=1,50", "Sum", "'1,50' must be a decimal number, such as 12.50, with a point"),
        (Some(&renamed), "aff_sub=CLICK&price=$5", "price", "'$5' must be a decimal number"),
        (None, "cid=CLICK&payout=-3", "payout", "'-3' must not be negative; send status=rejected"),
        (None, "cid=CLICK&payout=Inf", "payout", "'Inf' must be a decimal number"),
        (None, "cid=undefined", "click_id", aliases),
        (None, "cid=CLICK&payout=1e400", "payout", "must be a decimal number"),
        (None, "cid=CLICK&payout=2000000000", "payout", "must be between"),
        (None, "cid=CLICK&currency=EURO", "currency", "'EURO' must be a currency code of three letters"),
        (None, "cid=CLICK&currency=ZZZ", "currency", "'ZZZ' is no currency of ISO 4217"),
        (None, "cid=CLICK&tid=a%00b", "tid", "must be at most 256 characters without control characters"),
        (None, &long, "tid", "must be at most 256 characters"),
        (None, &long_status, "status", "must be 1 to 64 characters"),
        (None, "cid=CLICK&status=a%07b", "status", "must be 1 to 64 characters"),
    ];
    for (template, query, parameter, message) in table {
        let refusal = read(template, &query.replace("CLICK", CLICK)).expect_err(query);
        assert_eq!(refusal.parameter, parameter, "{query}");
        assert!(refusal.message.contains(message), "{query}: {}", refusal.message);
        assert!(!refusal.to_string().contains(char::is_control), "{query}");
    }
    assert!(read(None, &format!("click_id={CLICK}&tid={}", "ж".repeat(256))).is_ok());
}

#[test]
fn an_amount_is_of_one_currency_or_refused() {
    let comma = template(&json!({ "decimal": "comma" }));
    let auto = template(&json!({ "decimal": "auto", "defaults": { "currency": "CAD" } }));
    let cents = template(&json!({ "scale": "0.01", "defaults": { "payout": "4" } }));
    let table = [
        (&comma, "payout=1.234,50", "sale - 1234.5 EUR"),
        (&comma, "payout=%E2%82%AC+5", "sale - 5 EUR"),
        (&comma, "payout=5+USD", "sale - 5 USD"),
        (&comma, "payout=5+USD&currency=usd", "sale - 5 USD"),
        (&comma, "payout=$5&currency=USD", "sale - 5 USD"),
        // The template's currency is one that the sign stands for; the network's is not.
        (&auto, "payout=$5", "sale - 5 CAD"),
        (&comma, "payout=$5", "! payout: '$5' may be of USD, ARS"),
        (
            &comma,
            "payout=%E2%82%AC5&currency=USD",
            "! payout: '€5' is of another currency than currency=USD says",
        ),
        (&comma, "payout=$5&currency=EUR", "! payout: '$5' is of another currency than currency=EUR says"),
        (&auto, "payout=1.234", "! payout: '1.234' may be 1.234 or 1234"),
        (&auto, "payout=5+%25", "! payout: '5 %' is a share and no amount"),
        (&comma, "payout=-5,00+EUR&status=approved", "! payout: '-5,00 EUR' must not be negative"),
        (&comma, "payout=-5,00+EUR&status=refund", "rejected refund - EUR"),
        (&comma, "payout=NaN", "sale - - EUR"),
        (&cents, "payout=1250", "sale - 12.5 EUR"),
        // Ours is none of the network's numbers.
        (&cents, "status=sale", "sale sale 4(default) EUR"),
    ];
    for (template, query, want) in table {
        let got = match read(Some(template), &format!("click_id={CLICK}&{query}")) {
            Ok(Interpreted::Report(p)) => line(&p),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => format!("! {refusal}"),
        };
        assert!(got.starts_with(want), "{query}: {got}, not {want}");
    }
    let unset = read(None, &format!("click_id={CLICK}&payout=1.234,50")).expect_err("two marks");
    assert!(unset.message.contains("unless the template's decimal says how"), "{unset}");
    // A word is told with what it takes back, as the template reads it.
    let said = unknown_word(Some(&comma), &params("status=won&payout=-3,50"));
    assert!(said.is_some_and(|word| word.taken_back));
}

const NAMES: [&str; 8] = ["click_id", "subid", "tid", "payout", "currency", "status", "type", "aff_sub"];

proptest! {
    #[test]
    fn no_parameters_make_it_panic(
        given in prop::collection::vec((prop_oneof![prop::sample::select(&NAMES[..]).prop_map(str::to_owned), any::<String>()], any::<String>()), 0..8),
        with_click: bool,
    ) {
        let mut given = given;
        if with_click {
            given.push(("clickid".to_owned(), CLICK.to_owned()));
        }
        let t = template(&json!({ "params": { "click_id": "aff_sub" }, "statuses": { "sale": ["ß"] } }));
        for template in [None, Some(&t)] {
            if let Ok(Interpreted::Report(p)) = interpret(&network(), template, &given, &[]) {
                prop_assert!(!p.key().contains(char::is_control));
                prop_assert!(p.payout.is_none_or(|a| a >= Amount::ZERO));
            }
        }
    }

    #[test]
    fn case_and_order_of_the_parameters_change_nothing(
        shuffled in Just(vec![
            ("click_id", CLICK), ("tid", "T-1"), ("payout", "1.25"), ("currency", "USD"), ("status", "hold"), ("x", "y"),
        ]).prop_shuffle(),
        upper in prop::collection::vec(any::<bool>(), 6),
        keep_tid: bool,
    ) {
        let given: Vec<(String, String)> = shuffled
            .iter()
            .zip(upper)
            .filter(|((name, _), _)| keep_tid || *name != "tid")
            .map(|((name, value), up)| (if up { name.to_uppercase() } else { (*name).to_owned() }, (*value).to_owned()))
            .collect();
        let Ok(Interpreted::Report(p)) = interpret(&network(), None, &given, &[]) else {
            return Err(TestCaseError::fail("refused"));
        };
        let key = if keep_tid { "tx:T-1".to_owned() } else { format!("click:{CLICK}:main") };
        prop_assert_eq!(p.key(), key);
        prop_assert_eq!((p.status, p.payout, p.currency), (ConversionStatus::Lead, Some(Amount::from_micros(1_250_000)), Currency::USD));
    }
}
