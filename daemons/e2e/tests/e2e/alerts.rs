//! Alerts by the real programs, with traffic of people: a rule fires, whatever is killed between its state and the sending, and
//! each notice comes at least once, under one id.

use crate::servers;
use reqwest::{Client, header, redirect};
use serde_json::json;
use std::time::Duration;
use tfx_domain::entity::Kind;
use tfx_e2e::{Receiver, Service, Services};

const SETTINGS: [(&str, &str); 4] = [
    ("OUTBOUND_ALLOW_PRIVATE", "true"),
    ("ALERT_INTERVAL_MS", "100"),
    ("ALERT_RETRY_BACKOFF_MS", "50"),
    ("LOG_LEVEL", "warn"),
];

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    servers::until(what, async || holds().await.then_some(()).ok_or_else(|| "not yet".to_owned())).await;
}

async fn started() -> Services {
    let mut services = Services::embedded(&SETTINGS);
    for service in Service::ALL {
        services.start(service);
        services.until_ready(service, |status, _| status == 200).await;
    }
    let api = services.api();
    let offer = json!({ "slug": "offer", "name": "O", "url": "https://offer.example/?click_id={click_id}" });
    api.create(Kind::Destination, &offer).await.expect("a destination");
    api.create(Kind::Campaign, &json!({ "slug": "summer", "name": "Summer" })).await.expect("a campaign");
    let stream = json!({ "campaign": "summer", "slug": "main", "name": "M", "destinations": [{ "destination": "offer" }] });
    api.create(Kind::Stream, &stream).await.expect("a stream");
    services
}

async fn clicks(services: &Services, count: u64) {
    let link = services.api().campaign_link("summer", None).await.expect("a link").url;
    let people =
        Client::builder().redirect(redirect::Policy::none()).timeout(Duration::from_secs(10)).no_proxy();
    let people = people.build().expect("a client");
    for n in 0..count {
        let agent = format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.{n} Safari/537.36");
        let answer = people.get(&link).header(header::USER_AGENT, agent).send().await.expect("an answer");
        assert_eq!(answer.status(), 302);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_comes_at_least_once_under_one_id_whoever_is_killed_before_it_is_sent() {
    let mut services = started().await;
    let receiver = Receiver::default();
    receiver.refuse(true);
    let port = receiver.start().await.expect("a port");
    let rule = json!({
        "slug": "many", "name": "Many", "when": "clicks >= 5", "by": ["campaign"],
        "channels": [format!("webhook:http://127.0.0.1:{port}/")],
    });
    services.api().create(Kind::Alert, &rule).await.expect("a rule");
    clicks(&services, 5).await;
    // The state is saved, its notice is not sent.
    until("fired", async || {
        let rule = services.api().get(Kind::Alert, "many").await;
        rule.is_ok_and(|rule| rule["now"]["text"] == "firing" && rule["now"]["waiting"] == 1)
    })
    .await;
    for _ in 0..3 {
        services.kill(Service::Api);
        services.start(Service::Api);
        services.until_ready(Service::Api, |status, _| status == 200).await;
    }
    assert!(receiver.got().is_empty());
    receiver.refuse(false);
    until("told", async || !receiver.got().is_empty()).await;
    // More traffic is no news.
    clicks(&services, 5).await;
    until("seen", async || {
        let states = services.api().alert_states("many").await;
        states.is_ok_and(|states| states.items.first().is_some_and(|s| s.values == "clicks 10"))
    })
    .await;
    let got = receiver.got();
    assert_eq!(got.len(), 1, "one notice: {got:?}");
    assert!(!got.contains_key("no id"));
    let shown = services.said(&["alert", "show", "many"]);
    assert!(
        shown.contains("firing") && shown.contains("campaign=summer") && shown.contains("clicks 10"),
        "{shown}"
    );
    let listed = services.said(&["alert", "log", "many"]);
    assert!(listed.contains("fired") && listed.contains("sent"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_alert_pauses_takes_no_more_clicks() {
    let services = started().await;
    let create = [
        "alert",
        "create",
        "--name",
        "Stop",
        "--when",
        "clicks >= 3",
        "--by",
        "stream",
        "--do",
        "pause-stream",
        "--dry-run",
        "--return-after",
        "1d",
    ];
    services.said(&create);
    clicks(&services, 3).await;
    until("said", async || services.said(&["alert", "log", "stop"]).contains("would pause")).await;
    services.said(&["alert", "arm", "stop"]);
    let link = services.api().campaign_link("summer", None).await.expect("a link").url;
    let people = Client::builder().redirect(redirect::Policy::none()).no_proxy().build().expect("a client");
    until("paused", async || people.get(&link).send().await.is_ok_and(|a| a.status() == 404)).await;
    let audit = services.said(&["audit"]);
    assert!(audit.contains("alert:stop"), "{audit}");
}
