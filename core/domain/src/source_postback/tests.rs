//! What is told when, and how it is written.

use super::*;
use crate::{
    entity::SourceSpec,
    event::{ClickDims, ClickEvent},
    id::NetworkId,
    postback::{Signed, Standing, TransactionScope, decide},
};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::convert::Infallible;

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).expect("a time")
}

fn source(fields: &Value) -> Source {
    let mut spec = json!({ "slug": "push", "name": "Push", "currency": "EUR" });
    spec.as_object_mut().expect("object").extend(fields.as_object().expect("object").clone());
    let spec: SourceSpec = crate::entity::parse(spec).unwrap_or_else(|e| panic!("{fields}: {e}"));
    Source {
        id: SourceId::generate(time(0), 1 << 30),
        version: 1,
        created_at: time(0),
        updated_at: time(0),
        spec,
    }
}

fn report(status: &str, second: i64) -> Incoming {
    Incoming {
        new_id: ConversionId::generate(time(second), 1 << 30),
        network: NetworkId::generate(time(0), 1),
        key: "tx:T/1".to_owned(),
        scope: TransactionScope::Network,
        transaction_id: Some("T/1".to_owned()),
        click_id: ClickId::generate(time(0), 7),
        status: status.parse().expect("a status"),
        raw_status: None,
        unmapped: false,
        revenue: Money {
            amount: "12.50".parse().expect("an amount"),
            currency: "USD".parse().expect("a code"),
        },
        revenue_given: true,
        allow_upsell: false,
        at: time(second),
        click: ClickDims { country: "DE".into(), subs: vec!["s 1".into()], ..ClickDims::default() },
        cost_terms: crate::entity::Due::default(),
        tell: None,
        signed: None,
        waited: false,
        replaces: None,
    }
}

struct There(Option<Conversion>);

impl Standing for There {
    type Error = Infallible;

    fn by_key(&self, _: &NetworkId, _: &str) -> Result<Option<Conversion>, Infallible> {
        Ok(self.0.clone())
    }

    fn by_claim(&self, _: &NetworkId, _: &str) -> Result<Option<Conversion>, Infallible> {
        Ok(None)
    }

    fn by_signature(&self, _: ClickId, _: &Signed) -> Result<Option<Conversion>, Infallible> {
        Ok(None)
    }
}

/// What is told of each of these reports in turn.
fn told(asked: &Subscription, reports: &[(&str, &str)]) -> Vec<String> {
    let mut there = There(None);
    let mut all = Vec::new();
    for (second, (status, amount)) in (1..).zip(reports) {
        let mut report = report(status, second);
        report.revenue.amount = amount.parse().expect("an amount");
        report.tell = Some(asked.clone());
        let Ok(decided) = decide(&there, &report);
        all.extend(
            tells(&report, &decided)
                .iter()
                .map(|t| format!("{} {}", t.conversion.version, t.conversion.status)),
        );
        there = There(Some(decided.conversion));
    }
    all
}

#[test]
fn a_source_is_told_of_the_states_that_it_asks_for_when_they_are_reached() {
    let asking = |on: &str| {
        let on: Vec<&str> = on.split(' ').collect();
        let source = source(&json!({ "postback_url": "https://s.example/", "postback_on": on }));
        Subscription::of(&source, "", None).expect("it asks")
    };
    let all = [
        ("lead", "1"),
        ("lead", "1"),
        ("lead", "2"),
        ("sale", "2"),
        ("lead", "2"),
        ("sale", "3"),
        ("rejected", "3"),
    ];
    assert_eq!(told(&asking("lead sale rejected"), &all), ["1 lead", "3 sale", "5 rejected"]);
    assert_eq!(told(&asking("sale"), &all), ["3 sale"]);
    assert_eq!(told(&asking("rebill installed"), &all), [""; 0]);
    assert_eq!(told(&asking("rebill installed"), &[("INSTALLED", "1")]), ["1 installed"]);
    let unsure = Subscription { on: None, ..asking("sale") };
    assert_eq!(told(&unsure, &all).len(), 3, "what it asks for is not known");
    assert_eq!(Subscription::of(&source(&json!({})), "", None), None, "it asks for nothing");
    let mut test = report("sale", 1);
    (test.click.test, test.tell) = (true, Some(asking("sale")));
    let Ok(decided) = decide(&There(None), &test);
    assert_eq!(tells(&test, &decided), [], "test traffic is told to nobody");
}

#[test]
fn names_and_keys_are_of_the_state() {
    let asked = Subscription::of(
        &source(&json!({ "postback_url": "https://s.example/", "postback_delay_s": 90 })),
        "x",
        None,
    );
    let asked = asked.expect("it asks");
    let conversion = |status: &str, version| {
        let Ok(decided) = decide(&There(None), &report(status, 1));
        Conversion { version, ..decided.conversion }
    };
    let tell = SourcePostback::new(&asked, &conversion("sale", 2), time(5));
    assert_eq!(tell.not_before, Some(time(95)));
    let (source, id) = (&tell.source, &tell.conversion.id);
    assert_eq!(tell.key(), format!("{source}/{id}/000002-sale"));
    assert_eq!(tell.name(), format!("{id}/000002"), "into the same state it may come again");
    let later = SourcePostback::new(&asked, &conversion("rejected", 3), time(6));
    assert_eq!(tell.group(), later.group());
    assert!(tell.group().starts_with(&format!("{source}/")) && tell.key() < later.key());
    assert_eq!(message_id(&conversion("a.b/é", 4)), format!("{id}-4-a%2Eb%2F%C3%A9"));
    let again: SourcePostback =
        serde_json::from_str(&serde_json::to_string(&tell).expect("JSON")).expect("read");
    assert_eq!(again, tell);
}

/// A state that was left is told in its order, but not if what came after denies it, is the same once more, or went ahead.
#[test]
fn what_has_passed_is_not_told() {
    let Ok(decided) = decide(&There(None), &report("lead", 1));
    let at = |status: &str, version, since_version, amount: &str| {
        let status = status.parse().expect("a status");
        let revenue = Money { amount: amount.parse().expect("an amount"), ..decided.conversion.revenue };
        Conversion { status, version, since_version, revenue, ..decided.conversion.clone() }
    };
    let asked = Subscription::unsure(SourceId::generate(time(0), 1 << 30), "", None);
    // The state to be told, how the conversion stands now, whether a later state was told; what is told, or that nothing is.
    let table = [
        (at("sale", 1, 1, "1"), at("sale", 1, 1, "1"), true, Some("1")),
        (at("sale", 1, 1, "1"), at("sale", 2, 1, "9"), true, Some("9")),
        (at("sale", 1, 1, "1"), at("sale", 2, 0, "9"), false, Some("9")),
        (at("sale", 1, 1, "1"), at("rejected", 2, 2, "1"), false, None),
        (at("sale", 1, 1, "1"), at("rejected", 2, 0, "1"), false, None),
        (at("rejected", 1, 1, "1"), at("sale", 2, 2, "1"), false, None),
        (at("lead", 1, 1, "1"), at("sale", 2, 2, "9"), false, Some("1")),
        (at("lead", 1, 1, "1"), at("sale", 2, 2, "9"), true, None),
        (at("lead", 1, 1, "1"), at("lead", 3, 3, "9"), false, None),
        (at("lead", 3, 3, "1"), at("lead", 1, 1, "9"), false, Some("1")),
    ];
    for (n, (then, now, went_ahead, want)) in table.into_iter().enumerate() {
        let tell = SourcePostback::new(&asked, &then, time(1));
        let told = tell.as_of(&now, went_ahead).ok();
        assert_eq!(told.as_ref().map(|t| t.conversion.revenue.amount.to_string()).as_deref(), want, "{n}");
        assert!(told.is_none_or(|t| t.key() == tell.key()), "its name stays: {n}");
    }
}

#[test]
fn a_later_state_was_told_if_it_has_a_name_and_no_job() {
    let source = source(&json!({ "postback_url": "https://s.example/", "postback_on": ["lead", "sale"] }));
    let asked = Subscription::of(&source, "", None).expect("it asks");
    let Ok(decided) = decide(&There(None), &report("lead", 1));
    let of = |version: u64, status: &str| {
        let status = status.parse().expect("a status");
        SourcePostback::new(&asked, &Conversion { status, version, ..decided.conversion.clone() }, time(1))
    };
    let tell = of(1, "lead");
    for (told, jobs, later, any) in [
        (&[(1, "lead")][..], &[(1, "lead")][..], false, false),
        (&[(1, "lead"), (2, "sale")], &[(1, "lead"), (2, "sale")], false, false),
        (&[(1, "lead"), (2, "sale")], &[(1, "lead")], true, true),
        (&[(0, "lead"), (1, "sale")], &[(1, "lead")], false, true),
        (&[(1, "lead")], &[], false, false),
    ] {
        let names: Vec<String> = told.iter().map(|(version, status)| of(*version, status).name()).collect();
        let jobs: Vec<String> = jobs.iter().map(|(version, status)| of(*version, status).key()).collect();
        let names = || names.iter().map(String::as_str);
        let got = (tell.is_later_told(names(), &jobs), tell.is_any_told(names(), &jobs));
        assert_eq!(got, (later, any), "{told:?} {jobs:?}");
    }
}

/// A word that everybody means another state by is no state: no conversion comes into it.
#[test]
fn a_state_that_nothing_comes_into_is_refused() {
    let url = "https://s.example/";
    let table = [
        (
            json!({ "postback_url": url, "postback_on": ["approved", "declined", "lead"] }),
            vec!["sale", "rejected"],
        ),
        (json!({ "postback_urls": { "approved": url } }), vec!["sale"]),
        (json!({ "postback_url": "https://s.example/?s={status:approved=1 sale=2}" }), vec!["sale"]),
        (
            json!({
                "postback_url": url, "postback_method": "post_json",
                "postback_body": { "s": "{status:pending=0}" },
            }),
            vec!["lead"],
        ),
        (
            json!({ "postback_url": "https://s.example/?s={status:install=1}", "postback_on": ["install"] }),
            vec![],
        ),
    ];
    for (fields, want) in table {
        let mut spec = json!({ "slug": "push", "name": "Push", "currency": "EUR" });
        spec.as_object_mut().expect("object").extend(fields.as_object().expect("object").clone());
        let said = crate::entity::parse::<SourceSpec>(spec).err().map(|e| e.to_string()).unwrap_or_default();
        let meant: Vec<&str> =
            said.split("did you mean ").skip(1).filter_map(|rest| Some(rest.split_once('?')?.0)).collect();
        assert_eq!(meant, want, "{fields}: {said}");
    }
}

/// What is told of a source that could not be read is decided when it can be: states, delay, and whether the first of a click
/// alone is told.
#[test]
fn what_is_not_known_is_decided_when_it_is_sent() {
    let asked = Subscription::unsure(SourceId::generate(time(0), 1 << 30), "", None);
    let Ok(decided) = decide(&There(None), &report("sale", 1));
    let tell = SourcePostback::new(&asked, &decided.conversion, time(1));
    assert_eq!((tell.unsure, tell.not_before), (true, None));
    assert_eq!(tell.not_before(Duration::from_secs(90)), Some(time(91)));
    let first =
        source(&json!({ "postback_url": "https://S.example/?id={tid}", "postback_first_only": true }));
    assert_eq!(tell.form(&first.spec).expect("told").host().as_deref(), Some("s.example:443"));
    let second = SourcePostback { not_first: true, ..tell };
    assert!(matches!(second.form(&first.spec), Err(Unsendable::NotFirst)));
    let all = source(&json!({ "postback_url": "http://s.example:81/" }));
    assert_eq!(second.form(&all.spec).expect("told").host().as_deref(), Some("s.example:81"));
    // What was known when it was put in stands.
    let known = Subscription::of(&all, "", None).expect("it asks");
    assert_eq!(
        SourcePostback::new(&known, &decided.conversion, time(1)).not_before(Duration::from_secs(90)),
        None,
        "it asked for no delay"
    );
}

fn rendered(fields: &Value, status: &str) -> Result<Message, Unsendable> {
    let source = source(fields);
    let asked = Subscription {
        external_id: "ext/1".to_owned(),
        ..Subscription::of(&source, "", None).expect("it asks")
    };
    let Ok(decided) = decide(&There(None), &report(status, 1));
    let tell = SourcePostback::new(&asked, &decided.conversion, time(1));
    let form = form(&source.spec, &tell.conversion.status, true)?;
    Ok(form.fill(&tell.facts(), &tell.conversion, &mut StdRng::seed_from_u64(1)))
}

#[test]
fn the_share_of_a_source_is_exact() {
    let url = "https://s.example/?p={payout}&c={currency}&r={revenue}";
    let of = |share: Value| {
        rendered(&json!({ "postback_url": url, "postback_payout": share }), "sale").expect("sent").url
    };
    assert_eq!(of(Value::Null), "https://s.example/?p=12.5&c=USD&r=12.5");
    assert_eq!(of(json!({ "percent": "80" })), "https://s.example/?p=10&c=USD&r=12.5");
    assert_eq!(of(json!({ "percent": "33.333333" })), "https://s.example/?p=4.166667&c=USD&r=12.5");
    assert_eq!(of(json!({ "percent": "0" })), "https://s.example/?p=0&c=USD&r=12.5");
    assert_eq!(of(json!({ "fixed": "3.10" })), "https://s.example/?p=3.1&c=EUR&r=12.5");
}

#[test]
fn a_body_is_what_it_says() {
    let url = "https://s.example/pb";
    let form = rendered(
        &json!({
            "postback_url": url, "postback_method": "post_form",
            "postback_body": { "id": "{external_id}", "sub": "{sub1}&x", "n": 5, "none": "{city}" },
        }),
        "sale",
    )
    .expect("sent");
    assert_eq!((form.method, form.content_type), ("POST", "application/x-www-form-urlencoded"));
    assert_eq!(form.body, "id=ext%2F1&n=5&none=&sub=s+1%26x");
    let body = json!({
        "event": "{status:sale=Purchase}", "id": "{external_id}", "value": "{payout}", "text": "{payout} {currency}",
        "cost": "{cost}", "deep": { "list": ["{tid}", 1.50, true, null] }, "plain": "100% \"{sub1}\"\n",
    });
    let sent = rendered(
        &json!({ "postback_url": url, "postback_method": "post_json", "postback_body": body }),
        "sale",
    );
    let sent = sent.expect("sent");
    assert_eq!(sent.content_type, "application/json");
    assert!(sent.body.contains(r#""value":12.5"#), "{}", sent.body);
    let want = json!({
        "event": "Purchase", "id": "ext/1", "value": 12.5, "text": "12.5 USD", "cost": null,
        "deep": { "list": ["T/1", 1.5, true, null] }, "plain": "100% \"s 1\"\n",
    });
    assert_eq!(serde_json::from_str::<Value>(&sent.body).expect("JSON"), want);
    for (method, body) in [("get", ""), ("post_form", ""), ("post_json", "{}")] {
        let bare =
            rendered(&json!({ "postback_url": url, "postback_method": method }), "sale").expect("sent");
        assert_eq!(bare.body, body, "{method}");
    }
}

#[test]
fn each_state_goes_to_its_own_url_and_what_is_not_asked_for_nowhere() {
    let fields = json!({
        "postback_url": "https://s.example/?s={status}", "postback_on": ["lead", "sale"],
        "postback_urls": { "lead": "https://lead.example/" },
    });
    assert_eq!(rendered(&fields, "lead").expect("sent").url, "https://lead.example/");
    assert_eq!(rendered(&fields, "sale").expect("sent").url, "https://s.example/?s=sale");
    assert_eq!(rendered(&fields, "rebill"), Err(Unsendable::NotAsked(ConversionStatus::Rebill)));
    let mut paused = fields;
    paused["status"] = json!("paused");
    assert_eq!(rendered(&paused, "sale"), Err(Unsendable::NotActive(crate::entity::Status::Paused)));
}

/// The click fills in more, where it is to be found.
#[test]
fn the_facts_of_a_click_that_is_gone_are_those_of_its_conversion() {
    let click: ClickEvent = serde_json::from_value(json!({
        "schema": 1, "click_id": ClickId::generate(time(0), 7), "at": time(0), "visitor_id": "0".repeat(32),
        "status": 302, "config_revision": 1, "country": "DE", "subs": ["s 1"], "external_id": "ext/1",
        "user_agent": "UA", "campaign_id": "cmp_0000000000000000001",
    }))
    .expect("a click");
    let source = source(&json!({
        "postback_url": "https://s.example/?c={click_id}&e={external_id}&g={country}&s={sub1}&u={user_agent}&i={campaign_id}",
    }));
    let mut report = report("sale", 1);
    report.click = click.dims.clone();
    let Ok(decided) = decide(&There(None), &report);
    let asked = Subscription::of(&source, &click.external_id, click.cost).expect("it asks");
    let tell = SourcePostback::new(&asked, &decided.conversion, time(1));
    let of = |facts: &Facts<'_>| {
        let form = form(&source.spec, &tell.conversion.status, true).expect("sent");
        assert!(form.needs_click());
        form.fill(facts, &tell.conversion, &mut StdRng::seed_from_u64(1)).url
    };
    assert_eq!(of(&Facts::from(&click)).replace("u=UA", "u="), of(&tell.facts()));
    assert!(of(&tell.facts()).contains("e=ext%2F1&g=DE&s=s%201&u=&i=cmp_0000000000000000001"));
}

#[test]
fn keys_are_as_standard_webhooks_writes_them() {
    assert_eq!(signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").map(|k| k.len()), Some(24));
    for bad in [
        "",
        "whsec_",
        "whsec_c2hvcnQ=",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa_-",
    ] {
        assert_eq!(signing_key(bad), None, "{bad}");
    }
}
