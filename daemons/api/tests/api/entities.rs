//! Entities over REST: every kind, every promise about names, versions, references and secrets.

use crate::server::{OWN_HOST, Server, answer, message, paths};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tfx_api::{
    ApiError,
    audit::AuditQuery,
    entities::{EntityQuery, Verb},
};
use tfx_domain::entity::{Kind, Status};

/// A small body for each kind; what it refers to must be there.
fn body(kind: Kind, slug: &str) -> Value {
    match kind {
        Kind::Campaign => json!({ "slug": slug, "source": "push" }),
        Kind::Stream => {
            json!({ "slug": slug, "campaign": "summer", "destinations": [{ "destination": "offer" }] })
        }
        Kind::Destination => json!({ "slug": slug, "url": "https://o.example/", "network": "adnet" }),
        Kind::Source | Kind::Network => json!({ "slug": slug }),
        Kind::Template => json!({ "slug": slug, "network": "adnet", "statuses": { "sale": ["approved"] } }),
        Kind::Alert => json!({ "slug": slug, "when": "clicks > 1", "channels": ["mail:anna@example.com"] }),
    }
}

/// How an entity of that kind is named by slug.
fn named(kind: Kind, slug: &str) -> String {
    match kind {
        Kind::Stream => format!("summer/{slug}"),
        Kind::Template => format!("adnet/{slug}"),
        _ => slug.to_owned(),
    }
}

#[tokio::test]
async fn every_kind_is_created_shown_changed_listed_and_put_away() {
    let s = Server::start().await;
    s.summer().await;
    for kind in Kind::ALL {
        let created = s.create(kind, body(kind, "fresh")).await;
        let id = created["id"].as_str().expect("an id").to_owned();
        assert!(id.starts_with(kind.prefix()), "{id}");
        assert_eq!((&created["version"], &created["status"]), (&json!(1), &json!("active")));
        assert_eq!(created["name"], "fresh", "a missing name is the slug");

        for reference in [id.clone(), named(kind, "fresh"), named(kind, "FRESH")] {
            let shown = s.api.get(kind, &reference).await.expect("found");
            assert_eq!(shown["id"], id.as_str(), "{kind} by {reference}");
        }

        let patch = json!({ "name": "Changed" });
        let changed = s.api.update(kind, &id, &patch, None).await.expect("changed");
        assert_eq!((&changed["version"], &changed["name"]), (&json!(2), &json!("Changed")));
        assert_eq!(changed["created_at"], created["created_at"]);
        let again = s.api.update(kind, &id, &patch, None).await.expect("nothing to do");
        assert_eq!(again["version"], 2, "what changes nothing makes no version");
        // What was shown can be sent back as it is.
        let back = s.api.update(kind, &id, &again, None).await.expect("sent back");
        assert_eq!(back, again);

        for (verb, status) in [(Verb::Pause, "paused"), (Verb::Resume, "active"), (Verb::Archive, "archived")]
        {
            let after = s.api.lifecycle(kind, &id, verb, false, None).await.expect("done");
            assert_eq!(after["status"], status, "{kind} {verb:?}");
            let again = s.api.lifecycle(kind, &id, verb, false, None).await.expect("done already");
            assert_eq!(again["version"], after["version"]);
        }
        let listed = |status: Vec<Status>| {
            let (api, id) = (s.api.clone(), id.clone());
            async move {
                let query = EntityQuery { status, ..EntityQuery::default() };
                let page = api.list(kind, &query).await.expect("listed");
                page.items.iter().any(|e| e["id"] == id.as_str())
            }
        };
        assert!(!listed(vec![]).await, "{kind}: archived is left out");
        assert!(listed(vec![Status::Archived]).await);

        let missing =
            s.api.get(kind, &format!("{}_0000000000000000000", kind.prefix())).await.expect_err("missing");
        assert_eq!((missing.status(), missing.code()), (Some(404), Some("not_found")));
        let taken = s.api.create(kind, &body(kind, "fresh")).await.expect_err("its slug stays taken");
        assert_eq!((taken.status(), taken.code()), (Some(409), Some("slug_taken")));
        assert_eq!(taken.problem().and_then(|p| p.existing.as_deref()), Some(id.as_str()));

        let audit = s.api.audit(&AuditQuery { id: Some(id), ..AuditQuery::default() }).await.expect("audit");
        let actions: Vec<&str> = audit.items.iter().map(|e| e.action.as_str()).collect();
        assert_eq!(actions, ["archive", "resume", "pause", "update", "create"], "{kind}");
        assert_eq!(audit.items[3].changes, json!({ "name": ["fresh", "Changed"] }));
        assert_eq!((audit.items[0].version, audit.items[0].actor.as_str()), (5, "admin token"));
    }
    s.stop().await;
}

#[tokio::test]
async fn a_created_entity_has_its_place_and_version_in_headers() {
    let s = Server::start().await;
    let response = s
        .request(Method::POST, "/sources")
        .json(&json!({ "name": "Push Ads №1" }))
        .send()
        .await
        .expect("sent");
    assert_eq!(response.status(), StatusCode::CREATED);
    let place = response.headers()["location"].to_str().expect("text").to_owned();
    assert_eq!(response.headers()["etag"], "\"1\"");
    let (status, shown) = answer(s.bare(Method::GET, &place).bearer_auth(&s.token)).await;
    assert_eq!(
        (status, &shown["slug"]),
        (StatusCode::OK, &json!("push-ads-1")),
        "a slug is made from the name"
    );
}

#[tokio::test]
async fn every_problem_is_told_at_once_with_its_path() {
    let s = Server::start().await;
    s.summer().await;
    let (status, problem) = s
        .post(
            "/streams",
            json!({
                "campaign": "winter", "slug": "Not a slug", "weight": "heavy", "colour": "red",
                "destinations": [{ "destination": "offer" }, { "destination": "nowhere" }, { "weight": 5 }],
                "action": { "type": "campaign", "campaign": 7 },
            }),
        )
        .await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid")));
    let found = paths(&problem);
    for want in
        ["campaign", "slug", "weight", "colour", "destinations[1].destination", "destinations[2].destination"]
    {
        assert_eq!(found.iter().filter(|p| **p == want).count(), 1, "{want} in {problem}");
    }
    assert!(found.iter().any(|p| p.starts_with("action")), "{problem}");
    assert_eq!(
        message(&problem, "destinations[1].destination"),
        "no destination has the slug or id 'nowhere'"
    );
    assert_eq!(message(&problem, "campaign"), "no campaign has the slug or id 'winter'");

    for (kind, wrong) in [("campaigns", json!([])), ("sources", json!("x")), ("networks", json!(null))] {
        let (status, problem) = s.post(&format!("/{kind}"), wrong).await;
        assert_eq!((status, paths(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, vec![""]), "{problem}");
    }
    let (_, problem) = s.post("/campaigns", json!({})).await;
    assert_eq!(paths(&problem), ["slug", "name"]);
    let (_, page) = s.get("/streams").await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "nothing broken was saved");
}

#[tokio::test]
async fn a_body_that_is_not_json_says_where_it_breaks() {
    let s = Server::start().await;
    let post = |body: &'static str, media_type: &'static str| {
        answer(s.request(Method::POST, "/campaigns").header("content-type", media_type).body(body))
    };
    let (status, problem) = post("{\n  \"slug\": x}", "application/json").await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("malformed_json")));
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("line 2 column")), "{problem}");
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "json"] {
        let (status, problem) = post("{}", media_type).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!("not_json")),
            "{media_type}"
        );
    }
    let (status, _) = post("{\"slug\":\"a\"}", "application/merge-patch+json; charset=utf-8").await;
    assert_eq!(status, StatusCode::CREATED);
    let (status, problem) = answer(s.request(Method::DELETE, "/campaigns/a")).await;
    assert_eq!((status, &problem["code"]), (StatusCode::METHOD_NOT_ALLOWED, &json!("method_not_allowed")));
    let huge = format!("{{\"slug\":\"{}\"}}", "a".repeat(2 << 20));
    let (status, problem) =
        answer(s.request(Method::POST, "/campaigns").header("content-type", "application/json").body(huge))
            .await;
    assert_eq!((status, &problem["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("too_large")));
}

#[tokio::test]
async fn a_merge_patch_changes_what_it_names_and_null_takes_away() {
    let s = Server::start().await;
    s.summer().await;
    let patch = json!({ "cost": { "per_click": "0.01" }, "source": null, "rotation": "weight" });
    let changed = s.api.update(Kind::Campaign, "summer", &patch, None).await.expect("changed");
    assert_eq!(changed["cost"], json!({ "per_click": "0.01", "currency": "USD" }));
    assert_eq!((changed.get("source"), &changed["rotation"]), (None, &json!("weight")));
    assert_eq!(changed["name"], "Summer");
    let changed =
        s.api.update(Kind::Campaign, "summer", &json!({ "cost": { "currency": "EUR" } }), None).await;
    assert_eq!(changed.expect("changed")["cost"], json!({ "per_click": "0.01", "currency": "EUR" }));

    // Another action brings its own fields; those of the old one do not stay behind.
    let patch = json!({ "action": { "type": "text", "body": "hello" }, "destinations": [] });
    let changed = s.api.update(Kind::Stream, "summer/main", &patch, None).await.expect("changed");
    assert_eq!(changed["action"], json!({ "type": "text", "body": "hello" }));

    let refused =
        s.api.update(Kind::Campaign, "summer", &json!({ "slug": null }), None).await.expect_err("required");
    assert_eq!((refused.status(), refused.code()), (Some(422), Some("invalid")));
    let moved =
        s.api.update(Kind::Campaign, "summer", &json!({ "slug": "autumn" }), None).await.expect("renamed");
    assert_eq!(moved["slug"], "autumn");
    assert!(s.api.get(Kind::Stream, "autumn/main").await.is_ok());
    assert_eq!(s.api.get(Kind::Campaign, "summer").await.expect("its former slug")["id"], moved["id"]);
}

#[tokio::test]
async fn if_match_refuses_what_was_changed_in_the_meantime() {
    let s = Server::start().await;
    s.summer().await;
    let update = |name: &str, version| {
        let (api, patch) = (s.api.clone(), json!({ "name": name }));
        async move { api.update(Kind::Campaign, "summer", &patch, version).await }
    };
    assert_eq!(update("One", Some(1)).await.expect("at 1")["version"], 2);
    let refused = update("Two", Some(1)).await.expect_err("at 2 by now");
    assert_eq!((refused.status(), refused.code()), (Some(412), Some("version_mismatch")));
    assert_eq!(refused.problem().and_then(|p| p.current), Some(2));
    let refused =
        s.api.lifecycle(Kind::Campaign, "summer", Verb::Pause, false, Some(7)).await.expect_err("not at 7");
    assert_eq!(refused.code(), Some("version_mismatch"));
    let request = s.request(Method::PATCH, "/campaigns/summer").header("if-match", "latest").json(&json!({}));
    assert_eq!(answer(request).await.0, StatusCode::BAD_REQUEST);

    // Without If-Match nobody's change is lost, however many come at once.
    let many: Vec<_> = (0..20)
        .map(|i| {
            let api = s.api.clone();
            tokio::spawn(async move {
                let patch = json!({ "params": { "subs": { format!("sub{}", i + 1): format!("p{i}") } } });
                api.update(Kind::Source, "push", &patch, None).await.map(|_| ())
            })
        })
        .collect();
    for one in many {
        one.await.expect("no panic").expect("changed");
    }
    let source = s.api.get(Kind::Source, "push").await.expect("shown");
    assert_eq!(source["params"]["subs"].as_object().map(serde_json::Map::len), Some(20));
    assert_eq!(source["version"], 21);
}

#[tokio::test]
async fn the_same_slug_at_once_is_created_once() {
    let s = Server::start().await;
    let many: Vec<_> = (0..20)
        .map(|_| {
            let api = s.api.clone();
            tokio::spawn(async move { api.create(Kind::Campaign, &json!({ "slug": "race" })).await })
        })
        .collect();
    let mut created = 0;
    for one in many {
        match one.await.expect("no panic") {
            Ok(_) => created += 1,
            Err(e) => assert_eq!(e.code(), Some("slug_taken"), "{e}"),
        }
    }
    assert_eq!(created, 1);
}

#[tokio::test]
async fn references_are_slugs_or_ids_and_never_archived_ones() {
    let s = Server::start().await;
    s.summer().await;
    let offer = s.api.get(Kind::Destination, "offer").await.expect("shown");
    let (offer_id, network_id) = (offer["id"].as_str().expect("id"), offer["network"].as_str().expect("id"));
    assert!(network_id.starts_with("net_"), "a slug is stored as the id");
    assert_eq!(offer["labels"], json!({ network_id: "adnet" }));
    for reference in ["offer", "OFFER", offer_id] {
        let body = json!({ "campaign": "summer", "slug": format!("by-{}", reference.len()) , "name": reference,
            "destinations": [{ "destination": reference }] });
        let created = s.api.create(Kind::Stream, &body).await;
        if reference != "OFFER" {
            assert_eq!(created.expect("created")["destinations"][0]["destination"], offer_id);
        }
    }
    // A stream by its own slug alone is not a name.
    let refused = s.api.get(Kind::Stream, "main").await.expect_err("ambiguous");
    assert!(refused.to_string().contains("campaign/stream"), "{refused}");

    s.create(Kind::Destination, json!({ "slug": "old", "url": "https://old.example/" })).await;
    s.api.lifecycle(Kind::Destination, "old", Verb::Archive, false, None).await.expect("archived");
    let body = json!({ "campaign": "summer", "slug": "late", "destinations": [{ "destination": "old" }] });
    let (status, problem) = s.post("/streams", body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(message(&problem, "destinations[0].destination").contains("archived"), "{problem}");

    // One that was archived later may stay where it is.
    s.api.lifecycle(Kind::Destination, "offer", Verb::Archive, true, None).await.expect("by force");
    let kept = s.api.update(Kind::Stream, "summer/main", &json!({ "name": "Kept" }), None).await;
    assert_eq!(kept.expect("still changeable")["name"], "Kept");
}

#[tokio::test]
async fn what_is_used_is_archived_only_by_force() {
    let s = Server::start().await;
    s.summer().await;
    for (kind, slug, user) in [
        (Kind::Destination, "offer", "stream summer/main"),
        (Kind::Source, "push", "campaign summer"),
        (Kind::Network, "adnet", "destination offer"),
    ] {
        let refused = s.api.lifecycle(kind, slug, Verb::Archive, false, None).await.expect_err("used");
        assert_eq!((refused.status(), refused.code()), (Some(409), Some("in_use")));
        assert!(refused.to_string().contains(user), "{refused}");
        let refused =
            s.api.update(kind, slug, &json!({ "status": "archived" }), None).await.expect_err("used");
        assert_eq!(refused.code(), Some("in_use"));
        s.api.lifecycle(kind, slug, Verb::Pause, false, None).await.expect("pausing is no problem");
        s.api.lifecycle(kind, slug, Verb::Archive, true, None).await.expect("by force");
        s.api.lifecycle(kind, slug, Verb::Resume, false, None).await.expect("and back");
    }
    s.api
        .lifecycle(Kind::Campaign, "summer", Verb::Archive, false, None)
        .await
        .expect("its streams go with it");
    s.api.lifecycle(Kind::Destination, "offer", Verb::Archive, false, None).await.expect("no longer used");
}

#[tokio::test]
async fn a_campaign_never_has_only_streams_without_weight() {
    let s = Server::start().await;
    s.summer().await;
    let patch = json!({ "rotation": "weight" });
    s.api.update(Kind::Campaign, "summer", &patch, None).await.expect("main has weight 100");
    let zero = json!({ "campaign": "summer", "slug": "zero", "weight": 0, "destinations": [{ "destination": "offer" }] });
    s.create(Kind::Stream, zero).await;
    let refusals = [
        s.api.update(Kind::Stream, "summer/main", &json!({ "weight": 0 }), None).await,
        s.api.lifecycle(Kind::Stream, "summer/main", Verb::Pause, false, None).await,
        s.api.lifecycle(Kind::Stream, "summer/main", Verb::Archive, false, None).await,
        s.api.update(Kind::Stream, "summer/main", &json!({ "kind": "default" }), None).await,
    ];
    for refused in refusals {
        let problem = refused.expect_err("nobody new would be served");
        assert_eq!(problem.problem().map(|p| p.problems.0[0].path.as_str()), Some("weight"), "{problem}");
    }
    // By position, weights mean nothing; going back to weight is refused where it would go wrong.
    s.api.update(Kind::Campaign, "summer", &json!({ "rotation": "position" }), None).await.expect("position");
    s.api.lifecycle(Kind::Stream, "summer/main", Verb::Pause, false, None).await.expect("paused");
    let refused = s.api.update(Kind::Campaign, "summer", &patch, None).await.expect_err("only zero is left");
    assert_eq!(refused.problem().map(|p| p.problems.0[0].path.as_str()), Some("rotation"), "{refused}");
    let alone = json!({ "slug": "new", "rotation": "weight" });
    s.create(Kind::Campaign, alone).await;
    let first =
        json!({ "campaign": "new", "slug": "a", "weight": 0, "destinations": [{ "destination": "offer" }] });
    assert_eq!(s.api.create(Kind::Stream, &first).await.expect_err("alone with 0").status(), Some(422));
}

#[tokio::test]
async fn campaigns_do_not_hand_over_in_a_circle() {
    let s = Server::start().await;
    for slug in ["a", "b", "d"] {
        s.create(Kind::Campaign, json!({ "slug": slug })).await;
    }
    let hand_over = |from: &str, to: &str| json!({ "campaign": from, "slug": format!("to-{to}"), "action": { "type": "campaign", "campaign": to } });
    s.create(Kind::Stream, hand_over("a", "b")).await;
    s.create(Kind::Stream, hand_over("b", "d")).await;
    let (status, problem) = s.post("/streams", hand_over("d", "a")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let told = message(&problem, "action.campaign");
    for slug in ["a", "b", "d", "→"] {
        assert!(told.contains(slug), "{told}");
    }
    // A paused one counts: it can be resumed any time. An archived one does not, and is checked when it comes back.
    s.api.lifecycle(Kind::Stream, "a/to-b", Verb::Pause, false, None).await.expect("paused");
    assert_eq!(s.post("/streams", hand_over("d", "a")).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    s.api.lifecycle(Kind::Stream, "a/to-b", Verb::Archive, false, None).await.expect("archived");
    s.create(Kind::Stream, hand_over("d", "a")).await;
    let refused =
        s.api.lifecycle(Kind::Stream, "a/to-b", Verb::Resume, false, None).await.expect_err("a circle");
    assert_eq!(refused.status(), Some(422));
}

#[tokio::test]
async fn a_trafficback_url_to_ourselves_is_refused() {
    let s = Server::start().await;
    let own = json!({ "slug": "own", "trafficback_url": format!("https://{OWN_HOST}/c/other") });
    let (status, problem) = s.post("/campaigns", own).await;
    assert_eq!((status, paths(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, vec!["trafficback_url"]));
    s.create(Kind::Campaign, json!({ "slug": "fine", "trafficback_url": "https://elsewhere.example/" }))
        .await;
}

#[tokio::test]
async fn a_new_stream_comes_last_of_its_kind() {
    let s = Server::start().await;
    s.summer().await;
    let mut positions = Vec::new();
    for (slug, kind) in [("b", "regular"), ("g", "forced"), ("d", "regular"), ("e", "default")] {
        let body = json!({ "campaign": "summer", "slug": slug, "kind": kind, "destinations": [{ "destination": "offer" }] });
        positions.push(s.create(Kind::Stream, body).await["position"].as_u64());
    }
    assert_eq!(positions, [Some(2), Some(1), Some(3), Some(1)]);
    let placed = json!({ "campaign": "summer", "slug": "f", "position": 0, "destinations": [{ "destination": "offer" }] });
    assert_eq!(s.create(Kind::Stream, placed).await["position"], 0);
}

#[tokio::test]
async fn a_networks_secret_is_shown_once_and_nowhere_else() {
    let s = Server::start().await;
    let made = s.create(Kind::Network, json!({ "slug": "made" })).await;
    let secret = made["postback_secret"].as_str().expect("made and shown").to_owned();
    assert!(secret.len() >= 32);
    let canary = "canary-secret-0123456789";
    s.create(Kind::Network, json!({ "slug": "given", "postback_secret": canary })).await;
    let rotated = s
        .api
        .update(Kind::Network, "made", &json!({ "postback_secret": null }), None)
        .await
        .expect("rotated");
    let new = rotated["postback_secret"].as_str().expect("the new one").to_owned();
    assert_ne!(new, secret);
    let named = s.api.update(Kind::Network, "made", &json!({ "name": "Made" }), None).await.expect("changed");
    assert_eq!((named.get("postback_secret"), &named["has_postback_secret"]), (None, &json!(true)));

    let (_, bad) = s
        .post("/networks", json!({ "slug": "bad", "postback_secret": format!("{canary} with spaces") }))
        .await;
    assert_eq!(paths(&bad), ["postback_secret"]);
    let (_, one) = s.get("/networks/given").await;
    let (_, list) = s.get("/networks").await;
    let (_, audit) = s.get("/audit").await;
    for shown in [&bad, &one, &list, &audit] {
        for hidden in [secret.as_str(), new.as_str(), canary] {
            assert!(!shown.to_string().contains(hidden), "{shown}");
        }
    }
    assert!(audit.to_string().contains("***"), "{audit}");
    // The URL for the network has it: that is what it is for.
    let link = s.api.postback_url("given", None).await.expect("a link");
    assert!(link.url.contains(canary) && link.url.contains("/postback/given?"), "{}", link.url);
}

#[tokio::test]
async fn links_are_built_from_the_settings() {
    let s = Server::start().await;
    s.summer().await;
    assert_eq!(
        s.api.campaign_link("summer", None).await.expect("a link").url,
        format!("https://{OWN_HOST}/c/summer")
    );
    s.create(
        Kind::Template,
        json!({ "network": "adnet", "slug": "v2", "params": { "click_id": "aff_sub" } }),
    )
    .await;
    let url = s.api.postback_url("adnet", Some("v2")).await.expect("a link").url;
    assert!(url.contains("/postback/adnet/v2?") && url.contains("aff_sub={click_id}"), "{url}");
    let missing = s.api.postback_url("adnet", Some("v3")).await.expect_err("no such template");
    assert_eq!(missing.status(), Some(404));
}

#[tokio::test]
async fn long_lists_come_in_pages_without_gap_or_overlap() {
    let s = Server::start().await;
    s.create(Kind::Campaign, json!({ "slug": "summer" })).await;
    s.create(Kind::Campaign, json!({ "slug": "winter" })).await;
    for i in 0..7 {
        let body = json!({ "campaign": "winter", "slug": format!("s{i}"), "action": { "type": "text", "body": "" } });
        s.create(Kind::Stream, body).await;
    }
    let mut query =
        EntityQuery { limit: Some(3), parent: Some("winter".to_owned()), ..EntityQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = s.api.list(Kind::Stream, &query).await.expect("a page");
        assert!(page.items.len() <= 3);
        assert_eq!(page.labels.values().collect::<Vec<_>>(), ["winter"]);
        seen.extend(page.items.iter().filter_map(|i| i["slug"].as_str().map(str::to_owned)));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, ["s0", "s1", "s2", "s3", "s4", "s5", "s6"]);
    assert!(
        s.api
            .list(Kind::Stream, &EntityQuery { parent: Some("summer".into()), ..EntityQuery::default() })
            .await
            .expect("none")
            .items
            .is_empty()
    );

    for (query, path) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("status=dead", "status"),
        ("colour=red", "colour"),
        ("limit=1&limit=2", "limit"),
    ] {
        let (status, problem) = s.get(&format!("/streams?{query}")).await;
        assert_eq!((status, paths(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, vec![path]), "{query}");
    }
    let (status, problem) = s.get("/streams?cursor=made-up").await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("bad_cursor")));
    let (status, _) = s.get("/streams?campaign=nowhere").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_was_saved_is_there_after_a_restart_of_the_service() {
    let s = Server::start().await;
    s.summer().await;
    let (revision, records) = s.stores.config.load().await.expect("loaded");
    assert_eq!((revision > 0, records.len()), (true, 5));
    let unreachable = {
        let client = s.api.clone();
        s.stop().await;
        client.whoami().await.expect_err("stopped")
    };
    assert!(matches!(unreachable, ApiError::Unreachable { .. }), "{unreachable}");
}
