//! The three services as processes of their own on one data folder: the main job, each of them killed and started again.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tfx_domain::entity::Kind;
use tfx_e2e::{Browser, DEMO_PAYOUT, Service, Services, program};

fn is_ready(status: u16, report: &Value) -> bool {
    status == 200 && report["status"] == "ok"
}

/// Network, destination, campaign and stream; the tracking link and a postback URL.
async fn set_up(services: &Services) -> (String, String) {
    let api = services.api();
    let entities = [
        (Kind::Network, json!({ "slug": "adnet", "name": "Ad network" })),
        (
            Kind::Destination,
            json!({ "slug": "offer", "name": "Offer", "network": "adnet",
                "url": "https://offer.example/?click_id={click_id}&country={country}",
                "payout": { "amount": DEMO_PAYOUT, "currency": "USD" } }),
        ),
        (Kind::Campaign, json!({ "slug": "summer", "name": "Summer" })),
        (
            Kind::Stream,
            json!({ "campaign": "summer", "slug": "all", "name": "All", "destinations": [{ "destination": "offer" }] }),
        ),
    ];
    for (kind, spec) in entities {
        api.create(kind, &spec).await.expect("created");
    }
    let link = api.campaign_link("summer", None).await.expect("a link").url;
    let postback = api.postback_url("adnet", None).await.expect("a URL").url;
    let (base, query) = postback.split_once('?').expect("a query");
    let secret = query.split('&').find(|p| p.starts_with("secret=")).expect("a secret");
    (link, format!("{base}?{secret}&clickid={{click_id}}&txid=T1&payout={DEMO_PAYOUT}&status=sale"))
}

async fn more_clicks(browser: &Browser, n: usize) {
    let wanted = browser.clicks().len() + n;
    let limit = Instant::now() + Duration::from_secs(60);
    while browser.clicks().len() < wanted {
        assert!(Instant::now() < limit, "clicks are not answered any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_over_three_processes_whichever_is_killed() {
    let mut services = Services::embedded(&[]);
    for service in Service::ALL {
        services.start(service);
    }
    for service in Service::ALL {
        services.until_ready(service, is_ready).await;
    }
    let (link, postback) = set_up(&services).await;
    // The other processes hear of it within two seconds.
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .expect("client");
    let begun = Instant::now();
    while http.get(&link).send().await.expect("an answer").status() != 302 {
        assert!(begun.elapsed() < Duration::from_secs(2), "the campaign is not served");
    }

    let browser = Browser::default();
    for killed in [Service::Traffic, Service::Postback, Service::Api, Service::Traffic] {
        // Nobody notices the loss of the API; the others end everybody who asks them.
        let mut people = browser.go_to(&link, &postback, 6);
        more_clicks(&browser, 100).await;
        services.kill(killed);
        if killed == Service::Api {
            more_clicks(&browser, 50).await;
            browser.stop();
        }
        while let Some(person) = people.join_next().await {
            person.expect("every answer was as it should be");
        }
        services.start(killed);
        services.until_ready(killed, is_ready).await;
    }
    let (clicks, conversions) = browser.reconcile(&services.api()).await;
    assert!(clicks > 450 && conversions > 20, "{clicks} clicks, {conversions} conversions");
    println!("4 kills, {clicks} clicks and {conversions} conversions stored, each once");

    // A second of the same kind, and tfx up beside them, are turned away.
    let (code, said) = services.refused(Service::Traffic);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another program uses it") && said.contains("TRAFFIC_SERVICE_ADDR"), "{said}");
    let mut second = program("traffic-service");
    let folder = services.setting("TFX_DATA_DIR");
    let ended = second.env("TFX_DATA_DIR", folder).output().expect("run it");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("the event journal") && said.contains("in use by another process"), "{said}");
    let (code, said) = services.complaint(&["up"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("in use by another tfx up or daemon") && said.contains(folder), "{said}");
}
