//! What a network is answered: the table of answers, forgeries, formats, strange bytes.

use crate::world::{SECRET, TOKEN, Testbed, answer, new_click};
use serde_json::{Value, json};
use tfx_domain::event::PostbackResult;

#[tokio::test]
async fn the_table_of_answers() {
    let (testbed, network, offer) = Testbed::usual(&[]).await;
    let ignoring =
        json!({"slug": "pings", "name": "Pings", "ignore": ["ping"], "statuses": {"sale": ["won"]}});
    testbed.template(&network, ignoring).await;
    testbed.template(&network, json!({"slug": "old", "name": "Old", "status": "archived"})).await;
    testbed
        .network(json!({"slug": "paused", "name": "P", "postback_secret": SECRET, "status": "paused"}))
        .await;
    let (click, other, unknown) = (testbed.click(&offer).await, testbed.click(&offer).await, new_click());
    let id = network.id.clone();
    let world = testbed.start().await;
    let s = SECRET;
    // Path and query, status, the result or the code, the parameter that is named.
    let table: Vec<(String, u16, &str, Option<&str>)> = vec![
        (format!("adnet?secret={s}&click_id={click}&status=lead"), 200, "recorded", None),
        (format!("adnet?secret={s}&click_id={click}&status=lead"), 200, "duplicate", None),
        (format!("adnet?secret={s}&click_id={click}&status=lead&payout=9"), 200, "updated", None),
        (format!("adnet?secret={s}&subid={click}&status=sale"), 200, "updated", None),
        (format!("adnet?secret={s}&click_id={click}&status=lead"), 200, "stale", None),
        (format!("ADNET?secret={s}&click_id={click}&status=rejected"), 200, "updated", None),
        (format!("{id}/pings/?secret={s}&click_id={other}&status=WON&tid=t1"), 200, "recorded", None),
        (format!("adnet?secret={s}&click_id={other}&tid=t2"), 200, "duplicate", None),
        (format!("adnet?secret={s}&click_id={click}&tid=t1"), 200, "conflict", None),
        (format!("adnet?secret={s}&click_id={other}&tid=t1&payout=-9&status=refund"), 200, "updated", None),
        (format!("adnet?secret={s}&click_id={other}&tid=t1&payout=-9"), 400, "invalid", Some("payout")),
        (format!("adnet?secret={s}&click_id={other}&payout=-9&status=won"), 400, "invalid", Some("payout")),
        (format!("adnet/pings?secret={s}&status=Ping"), 200, "ignored", None),
        (format!("adnet?secret={s}&click_id={unknown}"), 200, "parked", None),
        (format!("adnet?secret={s}"), 400, "invalid", Some("click_id")),
        (format!("adnet?secret={s}&click_id=123"), 400, "invalid", Some("click_id")),
        (format!("adnet?secret={s}&click_id={click}&payout=1,5"), 400, "invalid", Some("payout")),
        (format!("adnet?secret={s}&click_id={click}&amount=twelve"), 400, "invalid", Some("amount")),
        (
            format!("adnet?secret={s}&click_id={click}&payout=1&currency=dollars"),
            400,
            "invalid",
            Some("currency"),
        ),
        (format!("adnet?click_id={click}"), 403, "forbidden", None),
        (format!("nobody?secret={s}&click_id={click}"), 404, "not_found", None),
        (format!("?secret={s}"), 404, "not_found", None),
        (format!("paused?secret={s}&click_id={click}"), 404, "not_found", None),
        (format!("adnet/nothing?secret={s}&click_id={click}"), 404, "not_found", None),
        (format!("adnet/old?secret={s}&click_id={click}"), 404, "not_found", None),
        (format!("adnet/pings/more?secret={s}&click_id={click}"), 404, "not_found", None),
    ];
    for (path, status, word, parameter) in &table {
        let (got, json) = world.get(&format!("/postback/{path}")).await;
        assert_eq!(got, *status, "{path}: {json}");
        let field = if *status == 200 { &json["result"] } else { &json["code"] };
        assert_eq!(field, word, "{path}: {json}");
        if let Some(parameter) = parameter {
            assert_eq!(json["problems"][0]["path"], *parameter, "{path}: {json}");
        }
        let names_one = matches!(*word, "recorded" | "updated" | "duplicate" | "stale" | "conflict");
        assert_eq!(json["conversion_id"].is_string(), names_one, "{path}: {json}");
    }
    // received = recorded + updated + duplicate + stale + ignored + parked + rejected, each once.
    let logged = world.logged(table.len()).await;
    for result in PostbackResult::ALL {
        let answered = table.iter().filter(|(_, status, word, _)| match result {
            PostbackResult::Rejected => *status != 200,
            _ => *word == result.as_str(),
        });
        let in_log = logged.iter().filter(|e| e.result == result).count();
        assert_eq!(in_log, answered.count(), "{result:?}");
    }
    assert!(
        logged.iter().all(|e| e.result != PostbackResult::Rejected || !e.reason.is_empty()),
        "{logged:#?}"
    );
    assert_eq!(world.conversions().await, 2);
    world.stop().await;
}

#[tokio::test]
async fn forgeries_never_record() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let fenced = json!({"slug": "fenced", "name": "F", "postback_secret": "fenced-s3cret", "allowed_ips": ["203.0.113.0/24"]});
    testbed.network(fenced).await;
    testbed.network(json!({"slug": "open", "name": "O"})).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    type Headers = &'static [(&'static str, &'static str)];
    let table: &[(&str, String, Headers)] = &[
        ("no secret", format!("adnet?click_id={click}"), &[]),
        ("an empty one", format!("adnet?click_id={click}&secret="), &[]),
        ("a wrong one", format!("adnet?click_id={click}&secret=adnet-s3creT"), &[]),
        ("a beginning of it", format!("adnet?click_id={click}&secret=adnet-s3cre"), &[]),
        ("another network's", format!("adnet?click_id={click}&secret=fenced-s3cret"), &[]),
        ("in the second parameter", format!("adnet?click_id={click}&secret=x&secret={SECRET}"), &[]),
        ("a wrong header", format!("adnet?click_id={click}"), &[("x-postback-secret", "nope-nope")]),
        ("a wrong bearer", format!("adnet?click_id={click}"), &[("authorization", "Bearer nope-nope")]),
        ("basic", format!("adnet?click_id={click}"), &[("authorization", "Basic adnet-s3cret")]),
        ("a wrong address", format!("fenced?click_id={click}&secret=fenced-s3cret"), &[]),
        (
            "a forged address",
            format!("fenced?click_id={click}&secret=fenced-s3cret"),
            &[("x-forwarded-for", "203.0.113.5")],
        ),
        (
            "another forged one",
            format!("fenced?click_id={click}&secret=fenced-s3cret"),
            &[("x-real-ip", "203.0.113.5")],
        ),
        (
            "and a third",
            format!("fenced?click_id={click}&secret=fenced-s3cret"),
            &[("forwarded", "for=203.0.113.5")],
        ),
        ("a network that anybody could speak for", format!("open?click_id={click}"), &[]),
    ];
    for (name, path, headers) in table {
        let mut request = world.client.post(world.url(&format!("/postback/{path}")));
        for (header, value) in *headers {
            request = request.header(*header, *value);
        }
        let (status, json) = answer(request).await;
        assert_eq!((status, &json["code"]), (403, &json!("forbidden")), "{name}: {json}");
    }
    let logged = world.logged(table.len()).await;
    let text = serde_json::to_string(&logged).expect("json");
    for secret in [SECRET, "fenced-s3cret"] {
        assert!(!text.contains(secret), "a secret is in the log");
    }
    assert!(logged.iter().all(|e| e.result == PostbackResult::Rejected && e.status == 403));
    assert_eq!(world.conversions().await, 0);

    for header in [("x-postback-secret", SECRET.to_owned()), ("authorization", format!("Bearer {SECRET}"))] {
        let (status, json) = answer(
            world
                .client
                .get(world.url(&format!("/postback/adnet?click_id={click}")))
                .header(header.0, header.1),
        )
        .await;
        assert_eq!(status, 200, "{json}");
    }
    let body = json!({"secret": SECRET, "click_id": click});
    let (status, json) = answer(world.client.post(world.url("/postback/adnet")).json(&body)).await;
    assert_eq!((status, &json["result"]), (200, &json!("duplicate")));
    // A fact that is no text would be another sale than was reported.
    for wrong in [json!({"payout": {"a": 1}}), json!({"status": ["sale"]}), json!({"txid": [1]})] {
        let mut body = json!({"secret": SECRET, "click_id": click});
        let (name, value) = wrong.as_object().and_then(|o| o.iter().next()).expect("one");
        body[name] = value.clone();
        let (status, json) = answer(world.client.post(world.url("/postback/adnet")).json(&body)).await;
        assert_eq!((status, &json["problems"][0]["path"]), (400, &json!(name)), "{json}");
    }
    world.stop().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_rightmost_untrusted_address_counts() {
    let (testbed, _, offer) = Testbed::usual(&[("TRUSTED_PROXY_CIDRS", "127.0.0.0/8")]).await;
    testbed
        .network(json!({"slug": "fenced", "name": "F", "postback_secret": SECRET, "allowed_ips": ["203.0.113.0/24"]}))
        .await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    for (forwarded, want) in [
        ("203.0.113.5", 200),
        ("198.51.100.1, 203.0.113.5", 200),
        ("203.0.113.5, 198.51.100.1", 403),
        ("", 403),
    ] {
        let url = world.url(&format!("/postback/fenced?secret={SECRET}&click_id={click}"));
        let (status, json) = answer(world.client.get(url).header("x-forwarded-for", forwarded)).await;
        assert_eq!(status, want, "{forwarded}: {json}");
    }
    world.stop().await;
}

#[tokio::test]
async fn the_formats_of_three_networks() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    // One speaks our aliases in a query; its payout is the destination's.
    testbed.network(json!({"slug": "query", "name": "Q", "postback_secret": SECRET})).await;
    // One posts a form with names and words of its own, in euros.
    let form = testbed
        .network(json!({"slug": "form", "name": "F", "postback_secret": SECRET, "currency": "EUR"}))
        .await;
    let words = json!({
        "slug": "default", "name": "Default",
        "params": {"click_id": "aff_sub", "payout": "commission", "transaction_id": "order", "status": "state"},
        "statuses": {"lead": ["open"], "sale": ["Confirmed"], "rejected": ["void"]},
    });
    testbed.template(&form, words).await;
    // One posts nested JSON.
    let nested = testbed.network(json!({"slug": "json", "name": "J", "postback_secret": SECRET})).await;
    let paths = json!({
        "slug": "v2", "name": "V2",
        "params": {"click_id": "data.click", "payout": "data.money", "transaction_id": "event_id", "status": "data.kind"},
        "statuses": {"sale": ["1"]}, "defaults": {"currency": "GBP"},
    });
    testbed.template(&nested, paths).await;
    let clicks = [testbed.click(&offer).await, testbed.click(&offer).await, testbed.click(&offer).await];
    let world = testbed.start().await;
    let recorded = |(status, json): (u16, Value)| {
        assert_eq!((status, &json["result"]), (200, &json!("recorded")), "{json}");
        json["conversion_id"].as_str().expect("id").parse::<tfx_domain::id::ConversionId>().expect("id")
    };
    let one =
        recorded(world.get(&format!("/postback/query?secret={SECRET}&cnv_id={}&et=lead", clicks[0])).await);
    let body = format!("secret={SECRET}&aff_sub={}&commission=12.50&order=A-1&state=CONFIRMED", clicks[1]);
    let request = world.client.post(world.url("/postback/form"));
    let two = recorded(
        answer(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await,
    );
    let body = format!(
        r#"{{"event_id": 12345678901234567890123, "secret": "{SECRET}", "data": {{"click": "{}", "money": 0.1, "kind": 1}}}}"#,
        clicks[2].to_string().to_lowercase()
    );
    let request =
        world.client.post(world.url("/postback/json/v2")).header("content-type", "application/json");
    let three = recorded(answer(request.body(body)).await);

    let want = [
        (one, "lead", "7 USD", None),
        (two, "sale", "12.5 EUR", Some("A-1")),
        (three, "sale", "0.1 GBP", Some("12345678901234567890123")),
    ];
    for ((id, status, revenue, transaction), click) in want.into_iter().zip(clicks) {
        let c = world.testbed.faults.conversions.get(&id).await.expect("get").expect("there");
        assert_eq!(c.status.as_str(), status);
        assert_eq!(format!("{} {}", c.revenue.amount, c.revenue.currency), revenue);
        assert_eq!((c.transaction_id.as_deref(), c.click_id), (transaction, click));
        assert_eq!((c.click.destination_id, c.click.subs), (Some(offer.id.clone()), vec!["s1".into()]));
    }
    world.stop().await;
}

#[tokio::test]
async fn bodies_as_networks_really_send_them() {
    let (testbed, adnet, offer) = Testbed::usual(&[]).await;
    let paths = json!({
        "slug": "deep", "name": "Deep",
        "params": {"click_id": "data.click.id", "payout": "data.purchase.price.value", "transaction_id": "items.0.id"},
    });
    testbed.template(&adnet, paths).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    let form = "application/x-www-form-urlencoded";
    let parts = |tid: &str| {
        let part = |name: &str, value: &str| {
            format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        format!(
            "{}{}{}--B--\r\n",
            part("click_id", &click.to_string()),
            part("status", "rebill"),
            part("tid", tid)
        )
    };
    let object = |tid: &str| format!(r#"{{"click_id":"{click}","status":"rebill","tid":{tid},"payout":1}}"#);
    let deep = format!(
        r#"{{"data":{{"click":{{"id":"{click}"}},"purchase":{{"price":{{"value":2.5}}}}}},"items":[{{"id":"D"}}]}}"#
    );
    let multipart = "multipart/form-data; boundary=B";
    let table: [(&str, &str, String, u16, &str); 23] = [
        ("", multipart, parts("M"), 200, "recorded"),
        ("", form, object("\"F\""), 200, "recorded"),
        ("", "", object("\"N\""), 200, "recorded"),
        ("", "application/json", format!("[{}]", object("\"A\"")), 200, "recorded"),
        // Numbers beyond what a float holds are two numbers.
        ("", "application/json", object("9007199254740993"), 200, "recorded"),
        ("", "application/json", object("9007199254740992"), 200, "recorded"),
        ("", "application/json", object("9007199254740993"), 200, "duplicate"),
        ("/deep", "application/json", deep, 200, "recorded"),
        ("", form, format!("click_id={click}&tid=%E9&status=rebill"), 200, "recorded"),
        ("", form, format!("click_id={click}&tid=%E8&status=rebill"), 200, "recorded"),
        ("", form, format!("click_id={click}&tid=%e9&status=rebill"), 200, "duplicate"),
        ("", "application/json", format!("[{0},{0}]", object("\"B\"")), 400, "body"),
        ("", "application/json", object("\"\\ud83dB\""), 400, "tid"),
        ("", "application/json", object("\"B\",\"tx\\ud83did\":1"), 400, "tx\\ud83did"),
        ("", "application/json", object("true"), 400, "tid"),
        ("", "application/json", object("\"B\"").replace("\"payout\":1", "\"payout\":false"), 400, "payout"),
        ("", "application/json", r#"{"click_id":true}"#.to_owned(), 400, "click_id"),
        ("", form, object("\"B\"").replace("\"rebill\"", "true"), 400, "status"),
        ("", "application/json", object("\"B\",\"currency\":\"ZZZ\""), 400, "currency"),
        // Nobody asks for it.
        ("", "application/json", object("\"T\",\"test\":true"), 200, "recorded"),
        // An id with a macro in it was not sent: it would be one order for all.
        (
            "",
            "",
            format!("click_id={{clickid}}x&subid={click}&tid=order-{{order_id}}&status=rebill"),
            200,
            "recorded",
        ),
        ("", "application/xml", format!("<click_id>{click}</click_id>"), 415, "body"),
        ("", multipart, "click_id=x".to_owned(), 400, "body"),
    ];
    for (template, content_type, body, status, word) in table {
        let mut request = world.client.post(world.url(&format!("/postback/adnet{template}?secret={SECRET}")));
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        let (got, json) = answer(request.body(body.clone())).await;
        let said = if status == 200 { &json["result"] } else { &json["problems"][0]["path"] };
        assert_eq!((got, said), (status, &json!(word)), "{content_type} {body}: {json}");
        assert!(
            status != 415 || json["detail"].as_str().is_some_and(|d| d.contains("application/xml")),
            "{json}"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn any_bytes_get_an_answer_below_500() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    let ok = format!("secret={SECRET}&click_id={click}");
    let post = |path: &str, content_type: &str, body: &[u8]| {
        let head = format!(
            "POST /postback/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let get = |rest: &[u8]| {
        [b"GET /postback/", rest, b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"].concat()
    };
    let auth = format!("adnet?secret={SECRET}");
    let big = [b"{\"click_id\":\"".as_slice(), &vec![b'x'; 1_000_000], b"\"}"].concat();
    let too_big = vec![b'a'; 2_000_000];
    let deep = vec![b'['; 500_000];
    let table: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("broken UTF-8 in a value", get(format!("adnet?{ok}&x=%ff%fe").as_bytes()), &[200]),
        ("raw bytes in the query", get(&[auth.as_bytes(), b"&click_id=\xff\xfe"].concat()), &[400]),
        ("broken percent-encoding", get(format!("adnet?{ok}&x=%&y=%zz&%=%1").as_bytes()), &[200]),
        ("broken UTF-8 in the path", get(b"%ff%fe?secret=x"), &[404]),
        ("a line break in the path", get(b"ad%0d%0anet?secret=x"), &[404]),
        ("a NUL in the click id", get(format!("{auth}&click_id=%00").as_bytes()), &[400]),
        ("a query of 60 KB", get(format!("{auth}&click_id={}", "x".repeat(60_000)).as_bytes()), &[400]),
        ("a query of 64 KiB", get(format!("{auth}&click_id={}", "x".repeat(65_536)).as_bytes()), &[414, 431]),
        ("2,000 parameters", get(format!("{auth}{}", "&a=1".repeat(2000)).as_bytes()), &[400]),
        ("JSON that is none", post(&auth, "application/json", b"{\"click_id\":"), &[400]),
        ("JSON that is no object", post(&auth, "application/json", b"[1]"), &[400]),
        ("JSON that is no UTF-8", post(&auth, "application/json", b"{\"click_id\":\"\xff\"}"), &[400]),
        (
            "wrong types in JSON",
            post(&auth, "application/json", br#"{"click_id":{"a":1},"payout":[1]}"#),
            &[400],
        ),
        ("deep JSON", post(&auth, "application/json", &deep), &[400]),
        ("1 MB of JSON", post(&auth, "application/json", &big), &[400]),
        ("2 MB", post(&auth, "application/x-www-form-urlencoded", &too_big), &[413]),
        ("a form as JSON", post("adnet", "application/json", ok.as_bytes()), &[403]),
        ("JSON as a form", post(&auth, "application/x-www-form-urlencoded", b"{\"click_id\":1}"), &[400]),
        ("bytes as a form", post(&auth, "application/x-www-form-urlencoded", b"\xff=\xfe&&=&%"), &[400]),
        ("XML beside a good query", post(&format!("adnet?{ok}"), "text/xml", b"<x/>"), &[415]),
        ("a content type that is none", post(&format!("adnet?{ok}"), "\u{1f4a9}", b"x"), &[200]),
        (
            "HEAD",
            format!("HEAD /postback/adnet?{ok} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").into(),
            &[405],
        ),
        (
            "PUT",
            format!("PUT /postback/adnet?{ok} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").into(),
            &[405],
        ),
    ];
    for (name, bytes, want) in table {
        let status = world.raw(&bytes).await;
        assert!(want.contains(&status), "{name}: {status}");
    }
    assert_eq!(world.get("/healthz").await.0, 200);
    let (status, text) = answer(world.client.get(world.url("/metrics")).bearer_auth(TOKEN)).await;
    tfx_service::testing::exposition::check(text.as_str().expect("text")).expect("an exposition");
    assert!(
        status == 200 && text.to_string().contains("tfx_panics_total{service=\\\"postback\\\"} 0"),
        "{text}"
    );
    world.stop().await;
}

#[tokio::test]
async fn operators_need_the_token_and_see_the_state() {
    let world = Testbed::usual(&[]).await.0.start().await;
    for path in ["/metrics", "/internal/event-producer/stats"] {
        assert_eq!(world.get(path).await.0, 401, "{path}");
        assert_eq!(
            answer(world.client.get(world.url(path)).bearer_auth("wrong-token-wrong")).await.0,
            403,
            "{path}"
        );
        assert_eq!(answer(world.client.get(world.url(path)).bearer_auth(TOKEN)).await.0, 200, "{path}");
    }
    let (status, json) = world.get("/readyz").await;
    assert_eq!((status, &json["status"]), (200, &json!("ok")), "{json}");
    let names: Vec<&str> =
        json["dependencies"].as_array().expect("list").iter().filter_map(|d| d["name"].as_str()).collect();
    assert_eq!(names, ["config", "conversions", "analytics", "sources", "addresses", "events"]);
    world.stop().await;
}

#[tokio::test]
async fn a_secret_in_a_wrong_place_is_neither_kept_nor_told() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    testbed.network(json!({"slug": "other", "name": "O", "postback_secret": "others/s3cret"})).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    let good = format!("secret={SECRET}");
    let calls = [
        format!("/postback/adnet?{good}&clickid={SECRET}"),
        format!("/postback/adnet?clickid={SECRET}"),
        format!("/postback/adnet?{good}&click_id={click}&payout={SECRET}"),
        format!("/postback/adnet?{good}&click_id={click}&currency=x{SECRET}x"),
        format!("/postback/adnet?{good}&click_id={click}&tid=1&{SECRET}=1"),
        format!("/postback/adnet?{good}&click_id={click}&tid=2&note=https://n.example/?s={SECRET}"),
        format!("/postback/adnet/{SECRET}?{good}"),
        format!("/postback/{SECRET}?click_id={click}"),
        format!("/postback/unknown?key={SECRET}"),
        format!("/postback/adnet/adnet%2Ds3cret?{good}"),
        // Of another network, and as it stands in a URL.
        "/postback/adnet?secret=others/s3cret&sub=others/s3cret".to_owned(),
        "/postback/unknown?ref=https://n.example/?s%3Dothers%252Fs3cret".to_owned(),
        format!("/postback/adnet?{good}&clickid={TOKEN}"),
    ];
    for path in &calls {
        let (_, told) = world.get(path).await;
        let told = told.to_string();
        for secret in [SECRET, "others/s3cret", TOKEN] {
            assert!(!told.contains(secret), "{path}: {told}");
        }
    }
    for event in world.logged(calls.len()).await {
        let kept = serde_json::to_string(&event).expect("JSON");
        for secret in [SECRET, "others/s3cret", "others%2Fs3cret", TOKEN] {
            assert!(!kept.contains(secret), "{kept}");
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn a_stranger_has_a_small_body_and_who_is_known_a_large_one() {
    let (testbed, _, offer) = Testbed::usual(&[]).await;
    let click = testbed.click(&offer).await;
    let world = testbed.start().await;
    let note = "n".repeat(100_000);
    let body = |tid: &str| json!({"click_id": click, "tid": tid, "note": note, "secret": SECRET});
    let post = |query: &str, tid: &str| {
        world.client.post(world.url(&format!("/postback/adnet{query}"))).json(&body(tid))
    };
    let (status, problem) = answer(post("", "1")).await;
    assert!(status == 413 && problem.to_string().contains("X-Postback-Secret"), "{status}: {problem}");
    assert_eq!(answer(post("?secret=wrong-wrong", "2")).await.0, 413);
    assert_eq!(answer(post(&format!("?secret={SECRET}"), "3")).await.0, 200);
    assert_eq!(answer(post("", "4").header("x-postback-secret", SECRET)).await.0, 200);
    let small = json!({"click_id": click, "tid": "5", "note": note[..60_000], "secret": SECRET});
    assert_eq!(answer(world.client.post(world.url("/postback/adnet")).json(&small)).await.0, 200);
    world.stop().await;
}
