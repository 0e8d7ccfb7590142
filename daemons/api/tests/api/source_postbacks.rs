//! What sources are still to be told, telling again, and the key that signs it.

use crate::{events::past, server::Server};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use tfx_api::{
    postbacks::{FindingKind, LintQuery},
    source_postbacks::{SourcePostbackQuery, SourcePostbackRetry},
    timeline::StepKind,
};
use tfx_domain::{
    entity::Kind,
    event::ClickDims,
    id::ConversionId,
    postback::{Conversion, Incoming, TransactionScope},
    source_postback::SourcePostback,
};
use tfx_ports::queue::{JobKind, NewJob};

const URL: &str = "https://push.example/?id={external_id}";

/// Puts a postback to a source into the queue; one that is given up has its reason.
async fn tell(
    s: &Server,
    source: &str,
    conversion: &Conversion,
    status: &str,
    why: Option<&str>,
) -> SourcePostback {
    let mut conversion = conversion.clone();
    conversion.status = status.parse().expect("a status");
    let tell: SourcePostback =
        serde_json::from_value(json!({ "source": source, "conversion": conversion })).expect("to be told");
    let job = NewJob {
        kind: JobKind::SourcePostback,
        key: tell.key(),
        group: Some(tell.group()),
        came: conversion.updated_at,
        payload: serde_json::to_string(&tell).expect("json"),
    };
    let after = Duration::from_secs(if why.is_some() { 0 } else { 600 });
    s.stores.queue.enqueue(&job, after).await.expect("put in");
    if let Some(why) = why {
        let held =
            s.stores.queue.claim(JobKind::SourcePostback, 1, Duration::from_mins(1)).await.expect("claimed");
        assert!(s.stores.queue.dead(&held[0], why).await.expect("given up"));
    }
    tell
}

async fn pushed(s: &Server) -> String {
    let asked = json!({ "postback_url": URL, "postback_on": ["lead", "sale"] });
    let updated = s.api.update(Kind::Source, "push", &asked, None).await.expect("updated");
    updated["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn what_was_given_up_is_told_with_why_and_told_again_when_somebody_says_so() {
    let s = Server::start().await;
    let p = past(&s).await;
    let source = pushed(&s).await;
    let other = s.create(Kind::Source, json!({ "slug": "other", "postback_url": URL })).await;
    let other = other["id"].as_str().expect("an id");
    let conversion = s.stores.conversions.get(&p.conversion).await.expect("read").expect("there");
    let dead = tell(&s, &source, &conversion, "lead", Some("answered 404")).await;
    let of_other = tell(&s, other, &conversion, "sale", Some("answered 410")).await;
    let beside = Incoming {
        new_id: ConversionId::generate(conversion.created_at, 77),
        network: conversion.network.clone(),
        key: "tx:t2".to_owned(),
        scope: TransactionScope::Network,
        transaction_id: Some("t2".to_owned()),
        click_id: p.routed,
        status: conversion.status.clone(),
        raw_status: None,
        unmapped: false,
        revenue: conversion.revenue,
        revenue_given: true,
        allow_upsell: true,
        at: conversion.created_at,
        click: ClickDims { source_id: source.parse().ok(), ..conversion.click.clone() },
        cost_terms: tfx_domain::entity::Due::default(),
        tell: None,
        signed: None,
        waited: false,
        replaces: None,
    };
    let beside = s.stores.conversions.record(&[beside]).await.expect("recorded").remove(0).conversion;
    let waits = tell(&s, &source, &beside, "sale", None).await;

    let queue = s.api.tell_queue(&SourcePostbackQuery::default()).await.expect("the queue");
    assert_eq!((queue.waiting, queue.dead, queue.items.len(), queue.complete), (1, 2, 1, true), "{queue:?}");
    assert_eq!((queue.items[0].job.as_str(), queue.items[0].source.as_str()), (waits.key().as_str(), "push"));
    assert_eq!(queue.sources.len(), 2);
    // Nobody listens there: what waits is told all the same.
    assert!(queue.targets_unknown.is_some_and(|why| why.contains("POSTBACK_SERVICE_URL")));
    let first = SourcePostbackQuery { limit: Some(1), ..SourcePostbackQuery::default() };
    assert_eq!(s.api.tell_queue(&first).await.expect("the queue").next, None, "these were all");
    let bad = SourcePostbackQuery { cursor: Some("nonsense".into()), ..SourcePostbackQuery::default() };
    assert_eq!(s.api.tell_queue(&bad).await.expect_err("no cursor").code(), Some("bad_cursor"));
    let of_push =
        SourcePostbackQuery { source: Some("push".into()), dead: true, ..SourcePostbackQuery::default() };
    let given_up = s.api.tell_queue(&of_push).await.expect("the queue");
    let whys: Vec<_> = given_up.items.iter().map(|j| (j.why.as_str(), j.told.as_str())).collect();
    assert_eq!((given_up.dead, whys), (1, vec![("answered 404", "lead")]));
    assert_eq!(given_up.items[0].message_id, format!("{}-1-lead", p.conversion));
    let unknown = SourcePostbackQuery { source: Some("nobody".into()), ..SourcePostbackQuery::default() };
    assert_eq!(s.api.tell_queue(&unknown).await.expect_err("unknown").code(), Some("not_found"));

    let lint = s.api.postback_lint(&LintQuery::default()).await.expect("lint");
    let told: Vec<_> = lint.findings.iter().filter(|f| f.kind == FindingKind::GivenUp).collect();
    let commands: Vec<_> = told.iter().map(|f| f.command.as_str()).collect();
    assert_eq!(
        commands,
        ["tfx postback retry --dead --source other", "tfx postback retry --dead --source push"]
    );

    // Of the click: what still waits.
    let steps = s.api.click_timeline(p.routed).await.expect("a timeline").item.steps;
    let waiting: Vec<_> = steps.iter().filter(|step| step.kind == StepKind::Waiting).collect();
    assert_eq!(waiting.len(), 1, "{steps:?}");
    assert_eq!(waiting[0].what, format!("push: sale of {} is still to be told", beside.id));

    let again = |ids: &[&str]| SourcePostbackRetry {
        ids: ids.iter().map(|i| (*i).to_owned()).collect(),
        ..SourcePostbackRetry::default()
    };
    let nothing = ConversionId::generate(tfx_domain::Timestamp::UNIX_EPOCH, 1).to_string();
    let (dead_key, waiting_key) = (dead.key(), waits.key());
    let wrong = s.api.tell_again(&again(&["nonsense", &dead_key, &nothing])).await.expect_err("unknown");
    assert_eq!(wrong.code(), Some("not_found"));
    let text = wrong.to_string();
    assert!(text.contains("nonsense") && text.contains(&nothing) && !text.contains(&dead_key), "{text}");
    let hurried = s.api.tell_again(&again(&[&waiting_key])).await.expect("it waits");
    assert_eq!((hurried.hurried, hurried.revived, hurried.not_now), (1, 0, Vec::new()));
    for bad in [json!({}), json!({ "ids": ["x"], "dead": true }), json!({ "ids": ["x"], "source": "push" })] {
        let (status, problem) = s.post("/postbacks/queue/retry", bad).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    }
    assert_eq!(
        s.stores.queue.counts(JobKind::SourcePostback).await.expect("counted").dead,
        2,
        "nothing was done"
    );

    let message = format!("{}-1-lead", p.conversion);
    assert_eq!(s.api.tell_again(&again(&[&message])).await.expect("told again").revived, 1);
    let all =
        SourcePostbackRetry { dead: true, source: Some("push".into()), ..SourcePostbackRetry::default() };
    assert_eq!(s.api.tell_again(&all).await.expect("told again").revived, 0, "of another source");
    assert_eq!(s.api.tell_again(&again(&[&of_other.key()])).await.expect("told again").revived, 1);
    let queue = s.api.tell_queue(&SourcePostbackQuery::default()).await.expect("the queue");
    assert_eq!((queue.waiting, queue.dead), (3, 0));
}

/// Of a source that has few among many, and of what this program cannot read; what is given up anew is not told again.
#[tokio::test]
async fn pages_of_what_was_given_up_are_whole() {
    let s = Server::start().await;
    let p = past(&s).await;
    let source = pushed(&s).await;
    let other = s.create(Kind::Source, json!({ "slug": "other", "postback_url": URL })).await;
    let other = other["id"].as_str().expect("an id");
    let conversion = s.stores.conversions.get(&p.conversion).await.expect("read").expect("there");
    for n in 0..9 {
        let of = if n % 4 == 0 { &source } else { other };
        tell(&s, of, &conversion, &format!("word{n}"), Some("answered 404")).await;
    }
    let mut asked = SourcePostbackQuery {
        source: Some("push".into()),
        dead: true,
        limit: Some(2),
        ..SourcePostbackQuery::default()
    };
    let first = s.api.tell_queue(&asked).await.expect("the queue");
    asked.cursor = first.next.clone();
    let second = s.api.tell_queue(&asked).await.expect("the queue");
    let told: Vec<_> = first.items.iter().chain(&second.items).map(|j| j.told.as_str()).collect();
    assert_eq!((first.items.len(), told), (2, vec!["word0", "word4", "word8"]));
    assert_eq!(second.next, None);

    let unread = NewJob {
        kind: JobKind::SourcePostback,
        key: format!("{source}/{}/000009-new", p.conversion),
        group: None,
        came: conversion.updated_at,
        payload: "{}".to_owned(),
    };
    s.stores.queue.enqueue(&unread, Duration::ZERO).await.expect("put in");
    let queue = s.api.tell_queue(&SourcePostbackQuery::default()).await.expect("the queue");
    assert_eq!(queue.unread, [unread.key.as_str()]);
    let held =
        s.stores.queue.claim(JobKind::SourcePostback, 1, Duration::from_mins(1)).await.expect("claimed");
    assert!(s.stores.queue.dead(&held[0], "it cannot be read").await.expect("given up"));
    asked.cursor = None;
    asked.limit = None;
    assert_eq!(s.api.tell_queue(&asked).await.expect("the queue").unread, [unread.key.as_str()]);

    let mut all =
        SourcePostbackRetry { dead: true, source: Some("other".into()), ..SourcePostbackRetry::default() };
    let answer = s.api.tell_again(&all).await.expect("told again");
    assert_eq!((answer.revived, answer.more), (6, false));
    // It fails again while whoever asked asks for more.
    let held =
        s.stores.queue.claim(JobKind::SourcePostback, 1, Duration::from_mins(1)).await.expect("claimed");
    assert!(s.stores.queue.dead(&held[0], "answered 404").await.expect("given up"));
    all.before = answer.before;
    assert_eq!(s.api.tell_again(&all).await.expect("told again").revived, 0);
    all.before = None;
    assert_eq!(s.api.tell_again(&all).await.expect("told again").revived, 1);
    let (status, problem) =
        s.post("/postbacks/queue/retry", json!({ "ids": ["x"], "before": "2026-01-01T00:00:00Z" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
}

#[tokio::test]
async fn a_signing_key_is_shown_where_it_is_asked_for_and_nowhere_else() {
    let s = Server::start().await;
    s.summer().await;
    assert_eq!(s.api.signing_key("push").await.expect_err("none").code(), Some("no_signing_key"));
    let key = tfx_domain::source_postback::new_signing_key([7; 32]);
    let patch =
        json!({ "postback_url": URL, "postback_signing_key": key, "postback_payout": { "percent": "80" } });
    let saved = s.api.update(Kind::Source, "push", &patch, None).await.expect("saved");
    let (_, audit) = s.get("/audit").await;
    let listed = s.get("/sources").await.1;
    let shown = s.api.get(Kind::Source, "push").await.expect("shown");
    for text in [&saved, &audit, &listed, &shown].map(Value::to_string) {
        assert!(!text.contains(&key[6..]), "{text}");
    }
    assert_eq!(shown["has_postback_signing_key"], true);
    assert_eq!(s.api.signing_key("push").await.expect("shown").key, key);
    // What was shown can be sent back, and a share takes the place of the one before.
    let mut back = shown.clone();
    back["postback_payout"] = json!({ "fixed": "1.5" });
    let saved = s.api.update(Kind::Source, "push", &back, None).await.expect("saved");
    assert_eq!(saved["postback_payout"], json!({ "fixed": "1.5" }));
    assert_eq!(s.api.signing_key("push").await.expect("kept").key, key);
}
