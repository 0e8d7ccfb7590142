//! What a click is answered with, action by action; and that its event says the same.

use crate::world::{Testbed, World};
use serde_json::{Value, json};
use tfx_domain::event::Outcome;

/// A campaign `all` with a stream for each action, entered by `?act=`.
async fn every_action() -> World {
    let testbed = Testbed::new(&[]);
    let campaign = testbed.campaign("all", json!({})).await;
    let url = "https://offer.example/a&b?c={click_id}&k={keyword}";
    let offer = testbed.destination("offer", json!({ "url": url })).await;
    let other = testbed.campaign("other", json!({})).await;
    testbed.stream(&other, "text", json!({ "action": { "type": "text", "body": "the other" } })).await;
    let with = json!([{ "destination": offer.id }]);
    let actions = [
        ("302", json!({ "type": "redirect" }), &with),
        ("301", json!({ "type": "redirect", "code": 301 }), &with),
        ("303", json!({ "type": "redirect", "code": 303 }), &with),
        ("307", json!({ "type": "redirect", "code": 307 }), &with),
        ("meta", json!({ "type": "meta_refresh" }), &with),
        ("double", json!({ "type": "double_meta" }), &with),
        ("js", json!({ "type": "js" }), &with),
        ("text", json!({ "type": "text", "body": "<b>Hällo</b>" }), &json!([])),
        ("html", json!({ "type": "html", "body": "<b>Hällo</b>" }), &json!([])),
        ("404", json!({ "type": "status", "code": 404 }), &json!([])),
        ("204", json!({ "type": "status", "code": 204 }), &json!([])),
        ("418", json!({ "type": "status", "code": 418 }), &json!([])),
        ("hand-over", json!({ "type": "campaign", "campaign": other.id }), &json!([])),
    ];
    for (slug, action, destinations) in actions {
        let entry = json!({ "kind": "forced", "action": action, "destinations": destinations,
            "filters": [{ "field": "param:act", "is": [slug] }] });
        testbed.stream(&campaign, slug, entry).await;
    }
    testbed.start().await
}

#[tokio::test]
async fn values_are_handed_on_whole_and_as_they_came() {
    let testbed = Testbed::new(&[]);
    let campaign = testbed.campaign("pass", json!({})).await;
    let url = "https://offer.example/?s={sub1}&t={sub2}&p={param:gclid}&r={_sub3}";
    let offer = testbed.destination("offer", json!({ "url": url })).await;
    testbed.stream_to(&campaign, &offer, json!({})).await;
    let world = testbed.start().await;
    let long = "A1-_".repeat(400);
    for (query, sent) in [
        ("sub1=caf%E9&sub2=caf%E8&sub3=%E9/x".to_owned(), "s=caf%E9&t=caf%E8&p=&r=%E9/x".to_owned()),
        ("sub1=%25E9&sub2=%C3%A9".to_owned(), "s=%25E9&t=%C3%A9&p=&r=".to_owned()),
        (format!("sub1={long}&gclid={long}"), format!("s={long}&t=&p={long}&r=")),
        ("sub1={{zone}}&sub1=7&sub2=null&gclid=%7Bgclid%7D&sub3=".to_owned(), "s=7&t=&p=&r=".to_owned()),
    ] {
        let (answer, event) = world.click(&format!("/c/pass?{query}"), &[]).await;
        assert_eq!(
            answer.location.as_deref(),
            Some(format!("https://offer.example/?{sent}").as_str()),
            "{query}"
        );
        assert_eq!(event.final_url, format!("https://offer.example/?{sent}"));
    }
    world.stop().await;
}

#[tokio::test]
async fn every_action_answers_as_it_says_and_its_event_says_the_same() {
    let world = every_action().await;
    let table = [
        ("302", 302),
        ("301", 301),
        ("303", 303),
        ("307", 307),
        ("meta", 200),
        ("double", 200),
        ("js", 200),
        ("text", 200),
        ("html", 200),
        ("404", 404),
        ("204", 204),
        ("418", 418),
        ("hand-over", 200),
    ];
    for (act, status) in table {
        let (answer, event) = world.click(&format!("/c/all?act={act}&keyword=a%22%C3%A4%0d%0ab"), &[]).await;
        assert_eq!((answer.status, event.outcome), (status, Outcome::Routed), "{act}: {answer:?}");
        assert_eq!(answer.headers["cache-control"], "no-store", "{act}");
        assert!(answer.headers.contains_key("x-request-id"), "{act}");
        let sent_on = matches!(act, "301" | "302" | "303" | "307");
        assert_eq!(answer.location.is_some(), sent_on, "{act}: {answer:?}");
        let goes_somewhere = sent_on || matches!(act, "meta" | "double" | "js");
        assert_eq!(event.dims.destination_id.is_some(), goes_somewhere, "{act}");
        if goes_somewhere {
            let want = format!("https://offer.example/a&b?c={}&k=a%22%C3%A4b", event.click_id);
            assert_eq!(event.final_url, want, "{act}");
        } else {
            assert_eq!(event.final_url, "", "{act}");
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn pages_hold_the_url_escaped_and_bodies_their_type() {
    let world = every_action().await;
    let (meta, event) = world.click("/c/all?act=meta&keyword=x", &[]).await;
    let escaped = event.final_url.replace('&', "&amp;");
    assert!(meta.body.contains(&format!(r#"content="0;url={escaped}""#)), "{}", meta.body);
    assert_eq!(meta.headers["content-type"], "text/html; charset=utf-8");
    let (js, event) = world.click("/c/all?act=js&keyword=x", &[]).await;
    let script = format!(r#"location.replace("{}")"#, event.final_url.replace('&', "\\u0026"));
    assert!(js.body.contains(&script), "{}", js.body);
    for (act, content_type) in [("text", "text/plain; charset=utf-8"), ("html", "text/html; charset=utf-8")] {
        let (answer, _) = world.click(&format!("/c/all?act={act}"), &[]).await;
        assert_eq!(
            (answer.body.as_str(), &answer.headers["content-type"]),
            ("<b>Hällo</b>", &content_type.parse().expect("value"))
        );
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    let (other, event) = world.click("/c/all?act=hand-over", &[]).await;
    assert_eq!(other.body, "the other");
    assert_eq!((event.campaign_slug.as_str(), event.campaign_name.as_str()), ("all", "all"));
    let other = (event.deciding_campaign_slug.as_str(), event.deciding_campaign_name.as_str());
    assert_eq!(other, ("other", "other"));
    assert!(event.dims.deciding_campaign_id.is_some_and(|id| event.dims.campaign_id != Some(id)));
    assert_eq!(event.handed_over.len(), 1);
    let reasons: Vec<_> = event.passed.iter().map(|p| p.reason.as_str()).collect();
    assert_eq!(reasons.last(), Some(&"handed_over"), "{reasons:?}");
    world.stop().await;
}

#[tokio::test]
async fn the_second_page_hides_the_referrer_counts_nothing_and_cannot_be_forged() {
    let world = every_action().await;
    let (first, event) = world.click("/c/all?act=double&keyword=%C3%BC%26b", &[]).await;
    let link = first.body.split("url=").nth(1).and_then(|t| t.split('"').next()).expect("a link");
    let link = link.replace("&amp;", "&");
    assert!(
        !first.body.contains("offer.example"),
        "the first page does not name the destination in the clear"
    );
    let second = world.get(&link).await;
    assert_eq!(second.status, 200, "{second:?}");
    assert!(second.body.contains(r#"<meta name="referrer" content="no-referrer">"#), "{}", second.body);
    assert!(second.body.contains(&event.final_url.replace('&', "&amp;")), "{}", second.body);
    assert_eq!(second.new_cookie(), None);
    for forged in [
        link.replace("offer", "evil"),
        link.replace("seal=", "seal=f"),
        link.split("&seal").next().expect("a link").to_owned(),
        "/_go".to_owned(),
    ] {
        assert_eq!(world.get(&forged).await.status, 404, "{forged}");
    }
    world.left_nothing().await;
    world.stop().await;
}

#[tokio::test]
async fn a_tracking_link_takes_get_head_and_post() {
    let testbed = Testbed::new(&[]);
    testbed.summer().await;
    let world = testbed.start().await;
    let posted = world.send("POST", "/c/summer", &[]).await;
    assert_eq!((posted.status, posted.to()), (302, "offer"));
    world.left_by(&posted).await;
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let answer = world.send(method, "/c/summer", &[]).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.headers["allow"], "GET, HEAD, POST", "{method}");
    }
    world.left_nothing().await;
    world.stop().await;
}

#[tokio::test]
async fn a_slug_is_found_whatever_its_case_and_bare_only_if_that_is_allowed() {
    for bare in ["false", "true"] {
        let testbed = Testbed::new(&[("TRAFFIC_BARE_SLUGS", bare)]);
        testbed.summer().await;
        let world = testbed.start().await;
        for path in ["/c/summer", "/c/summer/", "/c/SUMMER", "/c/s%75mmer", "/c/summer?"] {
            assert_eq!(world.get(path).await.status, 302, "{path}");
        }
        let want = if bare == "true" { 302 } else { 404 };
        for path in ["/summer", "/summer/", "/Summer?x=1"] {
            assert_eq!(world.get(path).await.status, want, "{path} with {bare}");
        }
        for path in ["/healthz", "/readyz"] {
            assert_eq!(world.get(path).await.status, 200, "{path} with {bare}");
        }
        assert_eq!(world.get("/metrics").await.status, 401);
        assert_eq!(world.get("/").await.status, 404);
        assert_eq!(world.get("/summer/more").await.status, 404);
        world.stop().await;
    }
}

#[tokio::test]
async fn every_fact_of_the_request_is_in_the_event() {
    let testbed = Testbed::new(&[]);
    let (campaign, stream, offer) = testbed.summer().await;
    let world = testbed.start().await;
    let headers = [("accept-language", "de-AT,de;q=0.9"), ("referer", "https://Blog.Example.org/post?x=1")];
    let (answer, event) = world.click("/c/Summer?keyword=k%20w&sub1=a&sub3=c&x=%C3%A4&x=2", &headers).await;
    assert_eq!(answer.to(), "offer");
    let dims = serde_json::to_value(&event.dims).expect("JSON");
    let want = json!({
        "campaign_id": campaign.id, "stream_id": stream.id, "destination_id": offer.id,
        "device_type": "desktop", "os": "Windows", "browser": "Chrome", "language": "de-at",
        "referrer_host": "blog.example.org", "keyword": "k w", "subs": ["a", "", "c"], "is_bot": false,
    });
    assert_eq!(dims, want);
    let params: Value = serde_json::to_value(&event.params).expect("JSON");
    assert_eq!(params, json!([["keyword", "k w"], ["sub1", "a"], ["sub3", "c"], ["x", "ä"], ["x", "2"]]));
    assert_eq!((event.browser_version.as_str(), event.ip.as_str()), ("138.0.0", "127.0.0.1"));
    assert_eq!((event.campaign_slug.as_str(), event.campaign_name.as_str()), ("Summer", "summer"));
    assert!(event.unique_campaign && event.unique_stream && event.unique_destination);
    world.stop().await;
}
