//! The configuration as it was: told, compared, and put back.

use crate::{
    server::{Server, message, paths},
    tokens::client,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tfx_api::{
    audit::AuditQuery,
    entities::{EntityQuery, SecretRotation, Verb},
    revisions::RestoreRequest,
    sets::SetAction,
};
use tfx_domain::{
    access::Scope,
    entity::{Kind, Status},
};
use tfx_ports::config::Record;

async fn newest(s: &Server) -> u64 {
    s.stores.config.load().await.expect("load").0
}

async fn record(s: &Server, kind: Kind, parent: &str, slug: &str) -> Record {
    s.stores.config.find(kind, parent, slug).await.expect("read").expect(slug)
}

/// What everything was, without what does not come back: versions, times, secrets.
async fn specs(s: &Server) -> Vec<(String, Value)> {
    let (_, records) = s.stores.config.load().await.expect("load");
    let spec = |mut record: Record| {
        if let Value::Object(fields) = &mut record.spec {
            fields
                .retain(|name, _| !["postback_secret", "former_secret", "aliases"].contains(&name.as_str()));
        }
        (record.id, record.spec)
    };
    records.into_iter().map(spec).collect()
}

/// What somebody does on a bad day.
async fn bad_day(s: &Server) {
    s.api
        .update(Kind::Campaign, "summer", &json!({ "slug": "autumn", "name": "Autumn" }), None)
        .await
        .expect("renamed");
    s.create(Kind::Campaign, json!({ "slug": "other" })).await;
    let stream = json!({ "campaign": "other", "slug": "main", "destinations": [{ "destination": "offer" }] });
    s.create(Kind::Stream, stream).await;
    s.api.lifecycle(Kind::Stream, "autumn/main", Verb::Archive, false, None).await.expect("archived");
    s.api.lifecycle(Kind::Source, "push", Verb::Pause, false, None).await.expect("paused");
    s.api
        .update(Kind::Destination, "offer", &json!({ "payout": { "amount": "9" } }), None)
        .await
        .expect("changed");
    s.api
        .rotate_secret(
            "adnet",
            &SecretRotation { grace_s: 60, postback_secret: None, signing_key: None },
            false,
            None,
        )
        .await
        .expect("rotated");
}

async fn what_was_is_put_back(s: Server) {
    s.summer().await;
    let (then, were) = (newest(&s).await, specs(&s).await);
    let secret = record(&s, Kind::Network, "", "adnet").await.spec["postback_secret"].clone();
    bad_day(&s).await;
    let now = newest(&s).await;
    let rotated = record(&s, Kind::Network, "", "adnet").await.spec["postback_secret"].clone();
    assert_ne!(secret, rotated);

    let diff = s.api.revision_diff(then, None).await.expect("compared");
    let told: Vec<_> =
        diff.changes.iter().map(|c| (c.action, c.reference.as_str(), c.was.as_deref())).collect();
    assert_eq!(
        told,
        [
            (SetAction::Update, "adnet", None),
            (SetAction::Update, "push", None),
            (SetAction::Update, "offer", None),
            (SetAction::Rename, "autumn", Some("summer")),
            (SetAction::Archive, "autumn/main", None),
            (SetAction::Create, "other", None),
            (SetAction::Create, "other/main", None),
        ]
    );
    assert_eq!(diff.changes[0].fields["postback_secret"], json!(["***", "***"]));
    assert_eq!(diff.changes[6].fields["campaign"], json!([null, "other"]));
    assert_eq!((diff.from, diff.to), (then, now));

    let planned = s.api.restore_revision(then, &RestoreRequest::default(), true).await.expect("planned");
    assert_eq!((planned.revision, planned.applied, newest(&s).await), (now, false, now), "nothing was done");
    let refused = s.api.restore_revision(then, &RestoreRequest { revision: Some(now - 1) }, false).await;
    let refused = refused.expect_err("it is at another").problem().expect("a problem").clone();
    assert_eq!((refused.status, refused.code.as_str()), (409, "revision_moved"), "{refused:?}");
    assert_eq!(newest(&s).await, now);

    let done =
        s.api.restore_revision(then, &RestoreRequest { revision: Some(now) }, false).await.expect("put back");
    assert_eq!((done.revision, done.applied), (newest(&s).await, true));
    assert_eq!(done.changes, planned.changes, "what was shown is what was done");
    assert_eq!(done.warnings, planned.warnings);
    assert!(
        done.warnings[0].contains("secrets are not put back") && done.warnings[0].contains("network/adnet")
    );
    let is = specs(&s).await;
    assert_eq!(is[..were.len()], were[..]);
    let statuses: Vec<_> = is[were.len()..].iter().map(|(_, spec)| spec["status"].clone()).collect();
    assert_eq!(statuses, [json!("archived"), json!("archived")], "what was made since");
    assert_eq!(record(&s, Kind::Network, "", "adnet").await.spec["postback_secret"], rotated, "it stays");
    let campaign = s.api.get(Kind::Campaign, "autumn").await.expect("links with it lead there");
    assert_eq!((&campaign["slug"], &campaign["aliases"]), (&json!("summer"), &json!(["autumn"])));

    // One revision, a line for each and one for all.
    let kept = s.api.revisions(Some(2), None).await.expect("listed").items;
    assert_eq!(
        (kept[0].revision, kept[1].revision, kept[0].by.as_str()),
        (done.revision, now, "admin token")
    );
    assert!(kept[0].did.iter().all(|sum| sum.action == "rollback"), "{kept:?}");
    let shown = s.api.revision(done.revision).await.expect("shown").changes;
    assert_eq!(shown.len(), done.changes.len());
    assert!(shown.iter().any(|change| change.reference == "summer/main" && change.kind == "stream"));
    let log = s
        .api
        .audit(&AuditQuery { limit: Some(shown.len() + 1), ..AuditQuery::default() })
        .await
        .expect("log");
    assert!(log.items.iter().all(|line| line.action == "rollback"), "{:?}", log.items);
    let of_all: Vec<_> = log.items.iter().filter(|line| line.kind == "config").collect();
    assert_eq!((of_all.len(), &of_all[0].changes["revision"]), (1, &json!([now, then])));

    // It is so already; and can be taken back.
    let again = s.api.restore_revision(then, &RestoreRequest::default(), false).await.expect("nothing to do");
    assert_eq!((again.changes.len(), newest(&s).await), (0, done.revision));
    s.api.restore_revision(now, &RestoreRequest::default(), false).await.expect("taken back");
    let campaign = s.api.get(Kind::Campaign, "summer").await.expect("still leads there");
    assert_eq!(campaign["slug"], "autumn");
    assert_eq!(s.api.get(Kind::Campaign, "other").await.expect("there")["status"], "active");
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_is_put_back_as_one_revision_that_can_be_taken_back() {
    what_was_is_put_back(Server::start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_is_put_back_on_mongodb_too() {
    what_was_is_put_back(Server::on_mongodb(&[]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_as_it_was_is_told_by_name_and_nothing_is_done() {
    let s = Server::start().await;
    s.summer().await;
    let then = newest(&s).await;
    // Another campaign has its slug now.
    let renamed = json!({ "slug": "autumn" });
    s.api.update_dropping_slug(Kind::Campaign, "summer", &renamed, None).await.expect("renamed");
    s.create(Kind::Campaign, json!({ "slug": "summer" })).await;
    let now = newest(&s).await;
    let (status, problem) = s.post(&format!("/revisions/{then}/restore"), json!({})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert_eq!(paths(&problem), ["campaign/autumn.slug"]);
    let says = message(&problem, "campaign/autumn.slug");
    assert!(
        says.contains("'summer' belongs to another campaign") && says.contains("--drop-old-link"),
        "{says}"
    );
    assert_eq!(newest(&s).await, now);
    // As it says.
    s.api
        .update_dropping_slug(Kind::Campaign, "summer", &json!({ "slug": "summer-2" }), None)
        .await
        .expect("renamed");
    s.api.restore_revision(then, &RestoreRequest::default(), false).await.expect("put back");
    assert_eq!(s.api.get(Kind::Campaign, "summer").await.expect("there")["name"], "Summer");
    for (n, says) in [
        ("x", "it is a number"),
        ("-1", "it is a number"),
        ("99999", "the newest is"),
        ("18446744073709551615", "the newest is"),
        ("18446744073709551616", "it is a number"),
    ] {
        for path in ["", "/set", "/diff"] {
            let (status, problem) = s.get(&format!("/revisions/{n}{path}")).await;
            let detail = problem["detail"].as_str().unwrap_or_default();
            assert!(
                status == StatusCode::NOT_FOUND && detail.contains(says),
                "{n}{path}: {status} {problem}"
            );
        }
        let (status, _) = s.post(&format!("/revisions/{n}/restore"), json!({})).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{n}");
    }
    for body in [json!({ "revision": "x" }), json!({ "revison": 1 }), json!([])] {
        let (status, problem) = s.post("/revisions/1/restore", body.clone()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {problem}");
    }
    let (status, _) = s.ask(Method::POST, "/revisions/1/restore?dry_run=maybe", Some(&json!({}))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_change_a_kind_puts_none_of_it_back() {
    let s = Server::start().await;
    s.summer().await;
    let then = newest(&s).await;
    s.api.update(Kind::Campaign, "summer", &json!({ "name": "Other" }), None).await.expect("changed");
    s.api.update(Kind::Source, "push", &json!({ "name": "Other" }), None).await.expect("changed");
    let api = client(&s, "half", &[Scope::Read, Scope::ReadMoney, Scope::WriteCampaigns]).await.0;
    api.restore_revision(then, &RestoreRequest::default(), true).await.expect("it may look");
    let refused = api.restore_revision(then, &RestoreRequest::default(), false).await.expect_err("refused");
    let problem = refused.problem().expect("a problem");
    assert!(problem.status == 403 && problem.detail.contains("write:sources"), "{problem:?}");
    assert_eq!(newest(&s).await, then + 2);
    api.revision_diff(then, None).await.expect("it may look");
    let viewer = client(&s, "viewer", &[Scope::Read]).await.0;
    assert!(viewer.revisions(None, None).await.is_err(), "who did what is for who may read the audit log");
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_what_was_has_a_secret() {
    const CANARY: &str = "canary-of-the-revisions-0123456789";
    let s = Server::start().await;
    let url = format!("https://s.example/?c={{external_id}}&token={CANARY}");
    s.create(Kind::Network, json!({ "slug": "adnet", "postback_secret": CANARY })).await;
    s.create(Kind::Source, json!({ "slug": "push", "postback_url": url })).await;
    let then = newest(&s).await;
    s.api
        .update(Kind::Network, "adnet", &json!({ "postback_secret": "another-secret-0123456789" }), None)
        .await
        .expect("changed");
    s.api
        .update(Kind::Source, "push", &json!({ "postback_url": "https://s.example/?c={external_id}" }), None)
        .await
        .expect("changed");
    assert_eq!(s.files_with(CANARY), Vec::<String>::new(), "nor has a file");
    let but_secrets: Vec<Scope> =
        Scope::ALL.iter().copied().filter(|scope| *scope != Scope::ReadSecrets).collect();
    let none = client(&s, "all but secrets", &but_secrets).await.0;
    let told = [
        format!("{:?}", none.revisions(None, None).await.expect("listed")),
        format!("{:?}", none.revision(then).await.expect("shown")),
        format!("{:?}", none.revision_set(then).await.expect("shown")),
        format!("{:?}", none.revision_diff(then, None).await.expect("compared")),
        format!(
            "{:?}",
            none.restore_revision(then, &RestoreRequest::default(), false).await.expect("put back")
        ),
    ];
    for told in told {
        assert!(!told.contains(CANARY), "{told}");
    }
    let source = record(&s, Kind::Source, "", "push").await;
    assert_eq!(source.spec["postback_url"], json!(url), "what a source is told comes back whole");
    let network = record(&s, Kind::Network, "", "adnet").await;
    assert_eq!(network.spec["postback_secret"], "another-secret-0123456789");
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_go_back_at_once_one_does() {
    let s = Server::start().await;
    let beside = s.beside().await;
    s.summer().await;
    for round in 0..5 {
        let then = newest(&s).await;
        s.api
            .update(Kind::Campaign, "summer", &json!({ "name": format!("Round {round}") }), None)
            .await
            .expect("changed");
        let request = RestoreRequest { revision: Some(newest(&s).await) };
        let (one, two) = tokio::join!(
            s.api.restore_revision(then, &request, false),
            beside.api.restore_revision(then, &request, false)
        );
        let codes: Vec<String> = [&one, &two]
            .into_iter()
            .filter_map(|done| done.as_ref().err())
            .map(|e| e.problem().expect("a problem").code.clone())
            .collect();
        assert_eq!(codes, ["revision_moved"], "{one:?} {two:?}");
        assert_eq!(newest(&s).await, then + 2);
    }
    beside.stop_beside().await;
    s.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_of_before_is_what_was_the_set_then() {
    let s = Server::start().await;
    s.summer().await;
    let was = s.api.config_set().await.expect("a set");
    bad_day(&s).await;
    let is = s.api.config_set().await.expect("a set");
    assert_ne!(was.set, is.set);
    assert_eq!(s.api.revision_set(was.revision).await.expect("kept"), was);
    assert_eq!(s.api.revision_set(is.revision).await.expect("kept"), is);
    s.api.restore_revision(was.revision, &RestoreRequest::default(), false).await.expect("put back");
    let mut want = was.set;
    // Links stay alive.
    want.campaigns[0].insert("aliases".to_owned(), json!(["autumn"]));
    assert_eq!(s.api.config_set().await.expect("a set").set, want);
    let archived = EntityQuery { status: vec![Status::Archived], ..EntityQuery::default() };
    assert_eq!(s.api.list(Kind::Campaign, &archived).await.expect("listed").items.len(), 1);
    s.stop().await;
}
