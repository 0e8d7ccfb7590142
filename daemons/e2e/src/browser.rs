//! People who click, and the network that reports their purchases.

use crate::Up;
use reqwest::{Client, header, redirect};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tfx_domain::id::ClickId;
use tokio::task::JoinSet;

/// What the demo's postback pays.
pub const DEMO_PAYOUT: &str = "2.50";

/// What was answered, over all rounds.
#[derive(Debug, Default)]
struct Answered {
    clicks: Vec<ClickId>,
    /// Clicks whose sale was answered with 200.
    sales: Vec<ClickId>,
}

/// People who click, and the network that reports their purchases.
#[derive(Debug, Clone, Default)]
pub struct Browser {
    answered: Arc<Mutex<Answered>>,
    stop: Arc<AtomicBool>,
}

impl Browser {
    /// Clicks with `people` at once until [`Browser::stop`] or the service is gone; every tenth click becomes a
    /// sale that the network reports.
    ///
    /// # Panics
    /// An answer is not what it should be.
    pub fn go(&self, up: &Up, people: usize) -> JoinSet<()> {
        self.go_to(up.get("demo_link"), up.get("demo_postback"), people)
    }

    /// The same at this tracking link; `postback` is a postback URL like the demo's.
    ///
    /// # Panics
    /// An answer is not what it should be.
    pub fn go_to(&self, link: &str, postback: &str, people: usize) -> JoinSet<()> {
        self.stop.store(false, Ordering::Relaxed);
        let mut tasks = JoinSet::new();
        for n in 0..people {
            let me = self.clone();
            let (link, postback) = (link.to_owned(), postback.to_owned());
            tasks.spawn(async move { me.person(n, &link, &postback).await });
        }
        tasks
    }

    /// Tells everybody to stop after the request under way.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Every click that was answered with a redirect.
    pub fn clicks(&self) -> Vec<ClickId> {
        self.lock().clicks.clone()
    }

    /// Every click whose sale was answered with 200.
    pub fn sales(&self) -> Vec<ClickId> {
        self.lock().sales.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Answered> {
        self.answered.lock().expect("nobody panics while holding it")
    }

    async fn person(&self, n: usize, link: &str, postback: &str) {
        let http = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(Duration::from_secs(10))
            .no_proxy()
            .build()
            .expect("client");
        let mut count = 0_u64;
        while !self.stop.load(Ordering::Relaxed) {
            let agent =
                format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/138.{n}.{count} Safari/537.36");
            let Ok(answer) = http.get(link).header(header::USER_AGENT, agent).send().await else { return };
            if answer.status() == reqwest::StatusCode::SERVICE_UNAVAILABLE {
                continue; // Refused, not redirected: nothing is promised.
            }
            assert_eq!(answer.status(), reqwest::StatusCode::FOUND);
            let location = answer.headers()[header::LOCATION].to_str().expect("text").to_owned();
            let id =
                location.split(['?', '&']).find_map(|p| p.strip_prefix("click_id=")).expect("a click id");
            self.lock().clicks.push(id.parse().expect("a click id"));
            count += 1;
            if count.is_multiple_of(10) {
                let url = postback.replace("{click_id}", id).replace("txid=T1", &format!("txid={id}"));
                let Ok(answer) = http.get(url).send().await else { return };
                if answer.status() == reqwest::StatusCode::OK {
                    self.lock().sales.push(id.parse().expect("a click id"));
                }
            }
        }
    }
}
