//! A click's trace by the real programs: from the request to the stored event and the postback, under the click's own number.

use crate::servers::until;
use reqwest::{Client, StatusCode, header, redirect};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use tfx_domain::{entity::Kind, id::ClickId};
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
    let told = collector.told();
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
