//! Traces by the real programs: of a click from the request to the stored event and the postback, under the click's own number; of
//! requests to the API by their routes.

use crate::servers::until;
use reqwest::{Client, StatusCode, header, redirect};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tfx_api::tokens::NewToken;
use tfx_domain::{access::Scope, entity::Kind, id::ClickId};
use tfx_e2e::{Collector, Service, Services};

#[tokio::test(flavor = "multi_thread")]
async fn a_click_is_followed_from_the_request_to_the_stored_event_and_its_postback() {
    let collector = Collector::default();
    let endpoint = format!("http://127.0.0.1:{}", collector.start().await.expect("a port"));
    let mut services = Services::embedded(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=of-the-collector"),
        ("OTEL_TRACES_SAMPLER_ARG", "1"),
        ("POSTBACK_PARK_RETRY_MS", "100"),
    ]);
    for service in Service::ALL {
        services.start(service);
        services.until_ready(service, |status, _| status == 200).await;
    }
    let api = services.api();
    let network = api.create(Kind::Network, &json!({ "slug": "net", "name": "N" })).await.expect("a network");
    let secret = network["postback_secret"].as_str().expect("a secret");
    let offer = json!({ "slug": "offer", "name": "O", "network": "net",
                        "url": "https://offer.example/?click_id={click_id}" });
    api.create(Kind::Destination, &offer).await.expect("a destination");
    api.create(Kind::Campaign, &json!({ "slug": "summer", "name": "S" })).await.expect("a campaign");
    let stream = json!({ "campaign": "summer", "slug": "main", "name": "M", "destinations": [{ "destination": "offer" }] });
    api.create(Kind::Stream, &stream).await.expect("a stream");

    let http =
        Client::builder().redirect(redirect::Policy::none()).timeout(Duration::from_secs(10)).no_proxy();
    let http = http.build().expect("a client");
    let link = format!("{}/c/summer?sub1=canary-sub", services.url(Service::Traffic));
    let agent = "Mozilla/5.0 (canary-agent) Chrome/138.0 Safari/537.36";
    let answer = http.get(link).header(header::USER_AGENT, agent).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::FOUND);
    let location = answer.headers()[header::LOCATION].to_str().expect("text").to_owned();
    let click: ClickId = location.split_once("click_id=").expect("an id").1.parse().expect("an id");
    let said = format!("click_id={click}&status=sale&payout=2&txid=1&secret={secret}");
    let url = format!("{}/postback/net?{said}", services.url(Service::Postback));
    assert_eq!(http.get(url).send().await.expect("an answer").status(), StatusCode::OK);

    let wanted = [
        ("traffic-service", "click"),
        ("traffic-service", "wait for the journal"),
        ("traffic-service", "store the event"),
        ("postback-service", "postback"),
        ("postback-service", "store the event"),
    ];
    until("the steps", async || {
        let told: BTreeSet<_> = collector.told().into_iter().map(|t| (t.service, t.span.name)).collect();
        let missing: Vec<_> =
            wanted.iter().filter(|(s, n)| !told.contains(&((*s).to_owned(), (*n).to_owned()))).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    })
    .await;
    // A request to the API is no step of a click.
    let told: Vec<_> = collector.told().into_iter().filter(|t| t.service != "api-service").collect();
    let first = told.iter().find(|t| t.span.name == "click").expect("it");
    assert!(first.span.parent_span_id.is_empty());
    for step in &told {
        assert_eq!(step.span.trace_id, click.to_bits().to_be_bytes(), "{step:?}");
        let begins = step.span.name == "click";
        assert!(begins || step.span.parent_span_id == first.span.span_id, "{step:?}");
        assert!(step.span.start_time_unix_nano <= step.span.end_time_unix_nano, "{step:?}");
    }
    let raw = collector.raw();
    let has = |text: &str| raw.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("x-key: of-the-collector"));
    for personal in ["canary-sub", "canary-agent", secret] {
        assert!(!has(personal), "{personal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_the_api_are_told_by_route_status_and_kind_of_caller_and_by_nothing_else() {
    let collector = Collector::default();
    let endpoint = format!("http://127.0.0.1:{}", collector.start().await.expect("a port"));
    let mut services = Services::embedded(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_TRACES_SAMPLER_ARG", "1"),
        ("AUTH_ENV", "test"),
    ]);
    services.start(Service::Api);
    services.until_ready(Service::Api, |status, _| status == 200).await;
    let api = services.api();
    api.create(Kind::Source, &json!({ "slug": "canary-slug", "name": "canary-name" })).await.expect("made");
    let asked = NewToken { name: "canary-token".to_owned(), scopes: vec![Scope::Read], expires_at: None };
    let made = api.create_token(&asked).await.expect("made").token.expect("a token");
    let http = Client::builder().no_proxy().build().expect("a client");
    let url = |path: &str| format!("{}/api/v1{path}", services.url(Service::Api));
    // Whoever asks chooses neither the trace nor whether there is one.
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    for (path, token, status) in [
        ("/sources/canary-slug", made.as_str(), StatusCode::OK),
        ("/sources?x=canary-query", &made, StatusCode::UNPROCESSABLE_ENTITY),
        ("/sources/canary-none", &made, StatusCode::NOT_FOUND),
        ("/tokens", &made, StatusCode::FORBIDDEN),
        ("/sources", "canary-wrong", StatusCode::UNAUTHORIZED),
        ("/canary-path", &made, StatusCode::NOT_FOUND),
    ] {
        let request = http.get(url(path)).bearer_auth(token).header("traceparent", parent);
        let answer = request.header("x-request-id", "canary@example.com").send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
    }
    let source = "GET /api/v1/sources/{ref}";
    let wanted: BTreeMap<_, usize> = [
        (("POST /api/v1/sources", "201", "admin token"), 1),
        (("POST /api/v1/tokens", "201", "admin token"), 1),
        ((source, "200", "api token"), 1),
        ((source, "404", "api token"), 1),
        (("GET /api/v1/tokens", "403", "api token"), 1),
        (("GET /api/v1/sources", "422", "api token"), 1),
        (("GET /api/v1/sources", "401", "nobody"), 1),
        (("GET", "404", "api token"), 1),
    ]
    .map(|((name, status, caller), n)| ((name.to_owned(), status.to_owned(), caller.to_owned()), n))
    .into();
    until("the requests", async || {
        let mut told = BTreeMap::new();
        for request in collector.told() {
            let (status, caller) = (request.fact("http.response.status_code"), request.fact("tfx.caller"));
            *told.entry((request.span.name, status, caller)).or_default() += 1;
        }
        if told == wanted { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await;
    let told = collector.told();
    let traces: BTreeSet<_> = told.iter().map(|request| request.span.trace_id.clone()).collect();
    assert_eq!(traces.len(), told.len(), "each is a trace of its own");
    assert!(told.iter().all(|request| request.span.parent_span_id.is_empty()), "{told:?}");
    assert!(!traces.contains(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes().as_slice()));
    assert!(told.iter().filter(|request| request.fact("tfx.request_id").len() == 16).count() >= 2);
    let raw = collector.raw();
    let has = |text: &str| raw.windows(text.len()).any(|part| part == text.as_bytes());
    for said in ["canary", made.as_str(), "traceparent"] {
        assert!(!has(said), "{said}");
    }
}
