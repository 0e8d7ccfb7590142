//! Creates that are sent again under one idempotency key, because api-service was killed before it answered: each is made
//! once, and whoever sends it again has the answer of the first time.
//!
//! `KILL_ROUNDS=50 cargo test -p tfx-e2e --test e2e creates:: -- --nocapture` runs the long form and prints the figures.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tfx_api::entities::EntityQuery;
use tfx_domain::entity::Kind;
use tfx_e2e::{Service, Services};
use tokio::{task::JoinSet, time::sleep};

fn rounds() -> usize {
    std::env::var("KILL_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(4)
}

/// Who creates, until it is to end.
#[derive(Default)]
struct Load {
    end: AtomicBool,
    /// Answers that were those of the first time.
    again: AtomicUsize,
}

/// Creates one campaign after the other, each sent until it is answered: their ids by slug.
async fn create(who: usize, url: String, token: String, load: Arc<Load>) -> BTreeMap<String, String> {
    let http = Client::builder().timeout(Duration::from_secs(60)).no_proxy().build().expect("a client");
    let mut made = BTreeMap::new();
    for n in 0.. {
        if load.end.load(SeqCst) {
            break;
        }
        let slug = format!("c{who}-{n}");
        let body = json!({ "slug": slug, "name": slug });
        // As `tfx` does: until there is a whole answer.
        let id = loop {
            let request = http.post(&url).bearer_auth(&token).header("idempotency-key", &slug).json(&body);
            let Ok(answer) = request.send().await else {
                sleep(Duration::from_millis(20)).await;
                continue;
            };
            assert_eq!(answer.status(), StatusCode::CREATED, "{slug}");
            let again = answer.headers().contains_key("idempotent-replayed");
            if let Ok(body) = answer.json::<Value>().await {
                load.again.fetch_add(usize::from(again), SeqCst);
                break body["id"].as_str().expect("an id").to_owned();
            }
        };
        made.insert(slug, id);
    }
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_nine_before_the_answer_of_a_create_makes_nothing_twice() {
    let free = ("API_WRITE_RATE_LIMIT_PER_MINUTE", "0");
    let mut services = Services::embedded(&[("LOG_LEVEL", "warn"), free]);
    for service in Service::ALL {
        services.start(service);
        services.until_ready(service, |status, _| status == 200).await;
    }
    let (url, token) = (format!("{}/api/v1/campaigns", services.url(Service::Api)), services.token());
    let load = Arc::new(Load::default());
    let mut people = JoinSet::new();
    for who in 0..6 {
        people.spawn(create(who, url.clone(), token.clone(), Arc::clone(&load)));
    }
    let mut kills = 0;
    // Until one came between a commit and its answer, which is all that can go wrong.
    while kills < rounds() || load.again.load(SeqCst) == 0 && kills < 50 {
        sleep(Duration::from_millis(100 + kills as u64 * 37 % 200)).await;
        services.kill(Service::Api);
        services.start(Service::Api);
        services.until_ready(Service::Api, |status, _| status == 200).await;
        kills += 1;
    }
    load.end.store(true, SeqCst);
    let made: BTreeMap<String, String> = people.join_all().await.into_iter().flatten().collect();
    let mut there = BTreeMap::new();
    let mut query = EntityQuery { limit: Some(1000), ..EntityQuery::default() };
    loop {
        let page = services.api().list(Kind::Campaign, &query).await.expect("a list");
        for item in page.items {
            let text = |field: &str| item[field].as_str().expect("text").to_owned();
            assert_eq!(there.insert(text("slug"), text("id")), None, "{item} is there twice");
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    assert_eq!(made, there, "each that was answered is there, by the id that was answered, and nothing else");
    let again = load.again.load(SeqCst);
    println!(
        "{kills} kills; {} creates answered, {again} of them with the answer of the first time",
        made.len()
    );
    assert!(again > 0, "no kill came between a commit and its answer: nothing was shown");
}
