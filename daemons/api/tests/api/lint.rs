//! What `GET /postbacks/lint` tells of networks: each reason once, with how many, an example and what mends it; and nothing
//! that was mended.

use crate::{
    events::{at, click_id, deliver, past},
    server::Server,
};
use serde_json::{Value, json};
use tfx_api::postbacks::{Finding, FindingKind, LintQuery};
use tfx_domain::{
    entity::Kind,
    event::Event,
    id::{ClickId, ConversionId},
    postback::{Incoming, TransactionScope},
};

/// Lines of the log to `adnet`, one a second, the oldest first.
async fn log(s: &Server, from_second: u128, lines: Vec<Value>) {
    let network = s.api.get(Kind::Network, "adnet").await.expect("network")["id"].clone();
    let mut events = Vec::new();
    for (n, more) in (from_second..).zip(lines) {
        let time = format!("2026-02-01T11:{:02}:{:02}Z", n / 60, n % 60);
        let mut line = json!({
            "schema": 1, "id": click_id(at(&time), 100 + n), "at": time, "network": "adnet", "network_id": network,
            "remote_ip": "198.51.100.1", "method": "GET", "result": "rejected", "status": 400,
        });
        line.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        events.push(Event::PostbackLog(Box::new(serde_json::from_value(line).expect("a line"))));
    }
    deliver(s, events).await;
}

async fn lint(s: &Server) -> Vec<Finding> {
    let asked = LintQuery {
        since: Some(at("2026-02-01T11:00:00Z")),
        until: Some(at("2026-02-02T00:00:00Z")),
        ..LintQuery::default()
    };
    s.api.postback_lint(&asked).await.expect("lint").findings
}

fn of<'f>(found: &'f [Finding], what: &str) -> &'f Finding {
    let one = found.iter().find(|f| f.kind == FindingKind::Refused && f.what == what);
    one.unwrap_or_else(|| panic!("{what}: {found:#?}"))
}

fn refused(status: u16, reason: &str, params: &[(&str, &str)]) -> Value {
    json!({ "status": status, "reason": reason, "params": params })
}

#[tokio::test]
async fn refusals_are_told_by_reason_until_they_are_mended() {
    let s = Server::start().await;
    let click = past(&s).await.routed.to_string();
    let wrong = "the secret is wrong";
    let missing = "click_id: is missing; the click id is looked for in click_id, clickid";
    let amount = |text: &str| format!("payout: '{text}' must be a decimal number");
    let elsewhere = json!({ "status": 403, "reason": wrong, "remote_ip": "198.51.100.9" });
    let unknown = json!({ "status": 404, "reason": "there is no such network", "network": "adnte", "network_id": null });
    let template = json!({ "status": 404, "reason": "the network has no such template", "template": "web" });
    let lines = vec![
        refused(403, wrong, &[("secret", "***")]),
        elsewhere,
        refused(400, missing, &[("ref", &click), ("payout", "1")]),
        refused(400, missing, &[("ref", &click), ("payout", "2")]),
        refused(400, &amount("1,5"), &[("subid", &click), ("payout", "1,5")]),
        refused(400, &amount("2,5"), &[("subid", &click), ("payout", "2,5")]),
        template,
        unknown,
    ];
    log(&s, 0, lines).await;
    let found = lint(&s).await;
    let counts: u64 = found.iter().map(|f| f.postbacks).sum();
    assert_eq!((found.len(), counts), (5, 7), "the first address was let in since: {found:#?}");
    let secret = of(&found, "secret");
    assert_eq!((secret.postbacks, &secret.few), (1, &vec!["198.51.100.9".to_owned()]));
    assert_eq!(secret.command, "tfx network postback-url adnet");
    let id = of(&found, "click_id");
    assert_eq!((id.postbacks, id.example.contains("payout=2")), (2, true), "{id:?}");
    assert_eq!(
        id.command,
        "tfx template create --network adnet --slug default --name Default --click-id-param ref"
    );
    let payout = of(&found, "payout");
    assert_eq!((payout.postbacks, payout.because.contains("'2,5'")), (2, true), "{payout:?}");
    assert!(payout.command.ends_with("--slug default --name Default --decimal comma"), "{payout:?}");
    assert_eq!(of(&found, "template").command, "tfx template create --network adnet --slug web --name web");
    let stranger = of(&found, "network");
    assert!(stranger.because.contains("did you mean 'adnet'?"), "{stranger:?}");

    // Mended: it would be taken now, the template is there, and the other address was let in.
    s.create(
        Kind::Template,
        json!({ "network": "adnet", "slug": "default", "params": { "click_id": "ref" } }),
    )
    .await;
    s.create(Kind::Template, json!({ "network": "adnet", "slug": "web", "params": { "click_id": "subid" } }))
        .await;
    log(&s, 60, vec![json!({ "status": 200, "result": "duplicate", "remote_ip": "198.51.100.9" })]).await;
    let found = lint(&s).await;
    let kinds: Vec<_> = found.iter().map(|f| f.what.as_str()).collect();
    // What has no click id under its name now says so.
    assert_eq!(kinds.len(), 2, "{found:#?}");
    assert!(kinds.contains(&"payout") && kinds.contains(&"network"), "{found:#?}");
}

/// A command mends what it stands under: no URL mends an amount, or a body that cannot be read.
#[tokio::test]
async fn what_is_refused_is_told_with_what_mends_it() {
    let s = Server::start().await;
    let click = past(&s).await.routed.to_string();
    let amount = |text: &str| {
        refused(400, &format!("payout: '{text}' may be two amounts"), &[("subid", &click), ("payout", text)])
    };
    let exposed = "tid: holds the network's secret, which would be kept with the conversion for all to see; it is sent as secret";
    let lines = vec![
        amount("1.234"),
        refused(400, "payout: 'five' must be a decimal number", &[("subid", &click), ("payout", "five")]),
        refused(400, "body: is no JSON", &[("body", "(not kept)")]),
        refused(400, "parameters: are 10004; allowed are 1000", &[]),
        refused(400, exposed, &[("subid", &click), ("tid", "***")]),
    ];
    s.create(Kind::Template, json!({ "network": "adnet", "slug": "default", "decimal": "auto" })).await;
    log(&s, 0, lines).await;
    let found = lint(&s).await;
    let in_log = "tfx postback log --network adnet --result rejected";
    let payouts: Vec<&str> =
        found.iter().filter(|f| f.what == "payout").map(|f| f.command.as_str()).collect();
    assert_eq!(payouts.len(), 2, "{found:#?}");
    assert!(
        payouts.contains(&"tfx template update adnet/default --decimal MARK") && payouts.contains(&in_log)
    );
    for what in ["body", "parameters"] {
        let told = of(&found, what);
        assert!(told.command == in_log && !told.because.contains("as this URL has it"), "{told:?}");
    }
    assert_eq!(of(&found, "tid").command, "tfx network postback-url adnet");
}

/// A default that is not active cannot be made, and what the network does not sign is mended by no URL.
#[tokio::test]
async fn what_mends_it_is_of_the_template_as_it_is() {
    let s = Server::start().await;
    let click = past(&s).await.routed.to_string();
    let missing = "click_id: is missing; the click id is looked for in click_id";
    let unsigned = "; not read, since it is not signed: click_id";
    let former = "; with the network's former secret, which works until 2026-03-01T00:00:00Z; 'tfx network …";
    let ended = "the signature is of the network's former key, which ended 2026-02-01T00:00:00Z";
    let template = |slug: &str, more: Value| {
        let mut spec = json!({ "network": "adnet", "slug": slug });
        spec.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        spec
    };
    let signed = |text: &str| json!({ "signature": { "in": "header:X-Sig", "signed": text } });
    s.create(Kind::Template, template("default", json!({ "status": "archived" }))).await;
    s.create(Kind::Template, template("body", signed("{body}"))).await;
    s.create(Kind::Template, template("named", signed("{param:subid}"))).await;
    s.create(Kind::Template, template("unnamed", signed("{param:tid}"))).await;
    let through = |template: &str, mut line: Value| {
        line["template"] = json!(template);
        line
    };
    let lines = vec![
        refused(400, missing, &[("ref", &click)]),
        refused(400, "payout: '1,5' must be a decimal number", &[("subid", &click), ("payout", "1,5")]),
        through("body", refused(400, &format!("{missing}{unsigned}, tid"), &[])),
        through("body", refused(400, &format!("{missing}{unsigned}"), &[])),
        through("named", refused(400, &format!("{missing}{unsigned}"), &[])),
        through("unnamed", refused(400, &format!("{missing}{unsigned}"), &[])),
        through("named", refused(403, ended, &[])),
        through(
            "named",
            json!({ "status": 403, "reason": format!("{ended}{former}"), "remote_ip": "198.51.100.9" }),
        ),
    ];
    log(&s, 0, lines).await;
    let found: Vec<Finding> = lint(&s).await.into_iter().filter(|f| f.kind == FindingKind::Refused).collect();
    let mut told: Vec<_> = found.iter().map(|f| (f.command.as_str(), f.postbacks)).collect();
    told.sort_unstable();
    let want = [
        ("tfx network postback-url adnet --template body", 2),
        ("tfx network postback-url adnet --template named", 1),
        ("tfx template show adnet/named", 2),
        ("tfx template show adnet/unnamed", 1),
        ("tfx template update adnet/default --set status=active --click-id-param ref", 1),
        ("tfx template update adnet/default --set status=active --decimal comma", 1),
    ];
    assert_eq!(told, want, "{found:#?}");
    let text = serde_json::to_string(&found).expect("json");
    assert!(
        text.contains("in the body, as is said beside this URL") && !text.contains("former secret"),
        "{text}"
    );
}

/// What was taken at less than was meant: macros in place of money, and sales of nothing.
#[tokio::test]
async fn money_that_was_not_read_is_told_until_it_is() {
    let s = Server::start().await;
    let click = past(&s).await.routed;
    let sale = report_of(&s, click, "T1", "sale", 1, "0").await;
    let line = |params: &[(&str, &str)], sale: Option<&ConversionId>| {
        let mut line = json!({ "status": 200, "result": "recorded", "reason": "", "params": params });
        if let Some(id) = sale {
            line["conversion_id"] = json!(id);
            line["conversion_status"] = json!("sale");
            line["revenue"] = json!({ "amount": "0", "currency": "USD" });
        }
        line
    };
    let id = click.to_string();
    let lines = vec![
        line(&[("click_id", &id), ("commission", "5"), ("txn", "T1")], Some(&sale)),
        line(
            &[("click_id", &id), ("payout", "{payout}"), ("currency", "[CUR]"), ("status", "{status}")],
            None,
        ),
    ];
    log(&s, 0, lines).await;
    let found = lint(&s).await;
    let of_kind = |found: &[Finding], kind| -> Vec<(String, String)> {
        let of = found.iter().filter(|f| f.kind == kind);
        of.map(|f| (f.what.clone(), f.command.clone())).collect()
    };
    let create = "tfx template create --network adnet --slug default --name Default";
    let nothing = of_kind(&found, FindingKind::NoPayout);
    assert_eq!(
        nothing,
        [(String::new(), format!("{create} --payout-param commission --transaction-param txn"))],
        "{found:#?}"
    );
    let url = "tfx network postback-url adnet".to_owned();
    let mut left = of_kind(&found, FindingKind::LeftMacro);
    left.sort();
    assert_eq!(left, [("currency=[CUR]".to_owned(), url.clone()), ("payout={payout}".to_owned(), url)]);
    let words = of_kind(&found, FindingKind::UnmappedWord);
    assert_eq!(words, [("{status}".to_owned(), format!("{create} --map 'STATUS={{status}}'"))]);

    let params = json!({ "payout": "commission", "transaction_id": "txn", "currency": "cur" });
    s.create(
        Kind::Template,
        json!({ "network": "adnet", "slug": "default", "params": params, "defaults": { "status": "lead" } }),
    )
    .await;
    let found = lint(&s).await;
    let again = "tfx postback retry --network adnet --result recorded --result updated".to_owned();
    assert_eq!(of_kind(&found, FindingKind::NoPayout), [(String::new(), again)]);
    report_of(&s, click, "T1", "sale", 2, "5").await;
    assert_eq!(of_kind(&lint(&s).await, FindingKind::NoPayout), [], "it stands with a payout");
}

async fn report(s: &Server, click: ClickId, transaction: &str, status: &str, n: u128) -> ConversionId {
    report_of(s, click, transaction, status, n, "2.5").await
}

async fn report_of(
    s: &Server,
    click: ClickId,
    transaction: &str,
    status: &str,
    n: u128,
    amount: &str,
) -> ConversionId {
    let click = s.api.click(click).await.expect("a click").item;
    let network = s.api.get(Kind::Network, "adnet").await.expect("network");
    let time = at(&format!("2026-02-01T{:02}:{:02}:00Z", 10 + n / 60, n % 60));
    let incoming = Incoming {
        new_id: ConversionId::generate(time, 50 + n),
        network: network["id"].as_str().expect("an id").parse().expect("an id"),
        scope: TransactionScope::Network,
        key: format!("tx:{transaction}"),
        transaction_id: Some(transaction.to_owned()),
        click_id: click.click_id,
        status: status.parse().expect("a status"),
        raw_status: None,
        unmapped: false,
        revenue: serde_json::from_value(json!({ "amount": amount, "currency": "USD" })).expect("money"),
        revenue_given: true,
        allow_upsell: true,
        at: time,
        click: click.dims.clone(),
        cost_terms: tfx_domain::entity::Due::default(),
        tell: None,
        signed: None,
        waited: false,
        replaces: None,
    };
    s.stores.conversions.record(&[incoming]).await.expect("recorded").remove(0).conversion.id
}

#[tokio::test]
async fn conflicts_of_many_transactions_are_one_finding_that_names_a_few() {
    let s = Server::start().await;
    let p = past(&s).await;
    let mut lines = Vec::new();
    for n in 0..7 {
        report(&s, p.routed, &format!("T{n}"), "sale", n).await;
        let (click, id) = (p.bot.to_string(), format!("T{n}"));
        let params = [("subid", click), ("tid", id)];
        let line = json!({ "result": "conflict", "status": 200, "params": params, "click_id": p.bot });
        lines.extend([line.clone(), line]);
    }
    log(&s, 0, lines).await;
    let found = lint(&s).await;
    let all: Vec<_> = found.iter().filter(|f| f.kind == FindingKind::KnownTransaction).collect();
    assert_eq!(all.len(), 1, "{found:#?}");
    assert_eq!((all[0].postbacks, all[0].different), (14, 7));
    assert_eq!((all[0].few.join(" ").as_str(), all[0].what.as_str()), ("T6 T5 T4 T3 T2", "T6"));
}

#[tokio::test]
async fn sales_of_what_is_rejected_are_told_with_what_records_them() {
    let s = Server::start().await;
    let p = past(&s).await;
    report(&s, p.bot, "R1", "sale", 1).await;
    let id = report(&s, p.bot, "R1", "rejected", 2).await;
    let params = [("secret", "***"), ("subid", &p.bot.to_string()), ("tid", "R1"), ("status", "sale")];
    let line = json!({
        "result": "stale", "status": 200, "params": params, "click_id": p.bot, "conversion_id": id,
        "reason": "a step backwards: the conversion is rejected already",
    });
    log(&s, 0, vec![line.clone(), line]).await;
    let found = lint(&s).await;
    let late: Vec<_> = found.iter().filter(|f| f.kind == FindingKind::SaleAfterRejection).collect();
    assert_eq!(late.len(), 1, "{found:#?}");
    assert_eq!(late[0].few, [format!("R1 ({id})")]);
    let want = format!(
        "tfx postback test adnet --param subid={} --param status=sale --param tid=R1-again --send",
        p.bot
    );
    assert_eq!(late[0].command, want);
    report(&s, p.bot, "R1-again", "sale", 90).await;
    assert!(lint(&s).await.iter().all(|f| f.kind != FindingKind::SaleAfterRejection), "it is done");
}

#[tokio::test]
async fn currencies_of_before_the_list_are_told_with_what_mends_them() {
    let s = Server::start().await;
    s.summer().await;
    s.saved_before(Kind::Network, "adnet", &json!({ "currency": "ZZZ" })).await;
    s.saved_before(Kind::Campaign, "summer", &json!({ "cost": { "per_click": "1", "currency": "YYY" } }))
        .await;
    s.saved_before(Kind::Destination, "offer", &json!({ "payout": { "amount": "1", "currency": "XXY" } }))
        .await;
    let found = lint(&s).await;
    let mut told: Vec<_> = found.iter().map(|f| (f.what.as_str(), f.command.as_str())).collect();
    told.sort_unstable();
    let want = [
        ("XXY", "tfx destination update offer --set payout.currency=CODE"),
        ("YYY", "tfx campaign update summer --set cost.currency=CODE"),
        ("ZZZ", "tfx network update adnet --currency CODE"),
    ];
    assert_eq!(told, want);
    let asked = LintQuery { network: Some("adnet".to_owned()), ..LintQuery::default() };
    let of_one = s.api.postback_lint(&asked).await.expect("lint").findings;
    let mut told: Vec<_> = of_one.iter().map(|f| f.entity.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["destination offer", "network adnet"], "what hangs on the network");
}

#[tokio::test]
async fn what_loses_money_without_a_word_is_told_before_a_click_shows_it() {
    let s = Server::start().await;
    s.summer().await;
    let silent = async |s: &Server| -> Vec<(String, FindingKind)> {
        let found = lint(s).await.into_iter().map(|f| (f.entity, f.kind));
        let mut found: Vec<_> = found.collect();
        found.sort_unstable();
        found
    };
    assert_eq!(silent(&s).await, []);
    s.saved_before(Kind::Network, "adnet", &json!({ "postback_secret": null })).await;
    let network = s.api.get(Kind::Network, "adnet").await.expect("network")["id"].clone();
    let destination = |slug: &str, url: &str, network: &Value| json!({ "slug": slug, "name": slug, "url": url, "network": network });
    let source = |slug: &str, url: &str, param: Value| json!({ "slug": slug, "name": slug, "postback_url": url, "params": { "external_id": param } });
    let with_token = json!("cid={clickid}");
    for (kind, spec) in [
        (Kind::Destination, destination("blind", "https://a.example/?x={sub1}", &network)),
        (Kind::Destination, destination("raw", "https://a.example/{_clickid}", &network)),
        (Kind::Destination, destination("nobodys", "https://a.example/", &Value::Null)),
        (Kind::Source, source("dumb", "https://b.example/?s={status}", with_token.clone())),
        (Kind::Source, source("empty", "https://b.example/?id={external_id}", Value::Null)),
        (Kind::Source, source("well", "https://b.example/?id={external_id}", with_token.clone())),
        (Kind::Source, source("own", "https://b.example/?id={click_id}", Value::Null)),
    ] {
        s.api.create(kind, &spec).await.expect("created");
    }
    for (slug, key) in [
        ("signs", Some("a-signing-key")),
        ("half", Some("a-signing-key")),
        ("keyless", None),
        ("resting", Some("a-signing-key")),
    ] {
        s.create(Kind::Network, json!({ "slug": slug, "signing_key": key })).await;
    }
    let signature = json!({ "in": "header:X-Sig", "signed": "{body}" });
    for (network, slug, signature) in [
        ("half", "default", signature.clone()),
        ("half", "other", Value::Null),
        ("keyless", "default", signature),
        ("half", "hex", json!({ "in": "header:X-Sig", "signed": "{body}", "key": "hex" })),
    ] {
        s.create(Kind::Template, json!({ "network": network, "slug": slug, "signature": signature })).await;
    }
    s.create(Kind::Template, json!({ "network": "resting", "slug": "default", "status": "paused" })).await;
    let all = lint(&s).await;
    let of = |entity: &str| all.iter().find(|f| f.entity == entity).map(|f| f.command.as_str());
    assert_eq!(of("template half/hex"), Some("tfx template update half/hex --signature-key FORM"));
    let resting = of("network resting").expect("told");
    assert!(resting.starts_with("tfx template update resting/default --set status=active "), "{resting}");
    let found: Vec<(String, FindingKind)> = silent(&s).await;
    let want = [
        ("destination blind", FindingKind::NoClickId),
        ("network adnet", FindingKind::NoSecret),
        ("network resting", FindingKind::NoSignature),
        ("network signs", FindingKind::NoSignature),
        ("source dumb", FindingKind::NoExternalId),
        ("source empty", FindingKind::NoExternalId),
        ("template half/hex", FindingKind::UnreadableKey),
        ("template half/other", FindingKind::NoSignature),
        ("template keyless/default", FindingKind::NoSigningKey),
    ];
    assert_eq!(found, want.map(|(entity, kind)| (entity.to_owned(), kind)));
    let asked = LintQuery { network: Some("adnet".to_owned()), ..LintQuery::default() };
    let of_one = s.api.postback_lint(&asked).await.expect("lint").findings;
    assert_eq!(of_one.len(), 2, "sources are not of a network: {of_one:#?}");
}
