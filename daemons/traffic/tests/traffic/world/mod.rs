//! A traffic-service on real sockets over the embedded stores, with faults that can be switched on.

mod answer;
mod mmdb;
mod testbed;

pub(crate) use answer::Answer;
pub(crate) use mmdb::{database, described};
pub(crate) use testbed::{TOKEN, Testbed, sale};

use serde_json::Value;
use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};
use tfx_domain::{event::ClickEvent, id::ClickId};
use tfx_ports::{analytics::ClickQuery, page::PageRequest};
use tfx_service::{
    Trigger,
    testing::{self, PATIENCE},
};
use tokio::{task::JoinHandle, time::timeout};

/// A person's computer.
pub(crate) const DESKTOP: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36";
/// A person's phone.
pub(crate) const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
/// Nobody.
pub(crate) const BOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/// A running service.
pub(crate) struct World {
    pub(crate) addr: SocketAddr,
    pub(crate) testbed: Testbed,
    client: reqwest::Client,
    trigger: Trigger,
    task: JoinHandle<anyhow::Result<()>>,
    /// Clicks that a test has looked at already.
    looked_at: Mutex<HashSet<ClickId>>,
}

impl World {
    /// Stops the service; the testbed stays.
    pub(crate) async fn stop(self) -> Testbed {
        self.trigger.fire();
        timeout(PATIENCE, self.task).await.expect("drained").expect("no panic").expect("no error");
        self.testbed
    }

    pub(crate) async fn restart(self) -> Self {
        self.stop().await.start().await
    }

    /// A request as it is. `headers` go over those of a person at a computer.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let method = method.parse().expect("method");
        let mut request = self.client.request(method, format!("http://{}{path}", self.addr));
        if !headers.iter().any(|(name, _)| *name == "user-agent") {
            request = request.header("user-agent", DESKTOP);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request).await
    }

    /// A GET of somebody without a cookie.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[]).await
    }

    /// A GET of the person with this number.
    pub(crate) async fn get_as(&self, person: u128, path: &str) -> Answer {
        self.send("GET", path, &[("cookie", &cookie(person))]).await
    }

    /// A GET, and the event that it left, which tells of the answer what the answer says.
    pub(crate) async fn click(&self, path: &str, headers: &[(&str, &str)]) -> (Answer, ClickEvent) {
        let answer = self.send("GET", path, headers).await;
        (answer.clone(), self.left_by(&answer).await)
    }

    /// The same for the person with this number.
    pub(crate) async fn click_as(&self, person: u128, path: &str) -> (Answer, ClickEvent) {
        self.click(path, &[("cookie", &cookie(person))]).await
    }

    /// The one event that was stored since a test looked last.
    pub(crate) async fn left_by(&self, answer: &Answer) -> ClickEvent {
        let mut new = Vec::new();
        testing::until("the click is stored", async || {
            new = self.unseen().await;
            !new.is_empty()
        })
        .await;
        assert_eq!(new.len(), 1, "one click leaves one event: {new:#?}");
        let event = new.remove(0);
        self.seen().insert(event.click_id);
        assert_eq!(event.status, answer.status, "{event:#?}");
        if let Some(location) = &answer.location {
            // What nobody has a campaign for is kept in a short form.
            let short = event.dims.campaign_id.is_none();
            assert!(if short {
                location.starts_with(&event.final_url)
            } else {
                event.final_url == *location
            });
        }
        event
    }

    /// Asserts that nothing was recorded since a test looked last.
    pub(crate) async fn left_nothing(&self) {
        let stats = self.stats().await;
        testing::until("the journal is empty", async || self.stats().await["outbox_depth_events"] == 0).await;
        assert_eq!(self.unseen().await, [], "{stats}");
    }

    /// Waits until everything so far is stored, and takes it as looked at.
    pub(crate) async fn settle(&self) {
        testing::until("the journal is empty", async || self.stats().await["outbox_depth_events"] == 0).await;
        let all = self.testbed.events().await;
        self.seen().extend(all.into_iter().map(|e| e.click_id));
    }

    /// Waits until so many visits of before the start are remembered again.
    pub(crate) async fn restored(&self, visits: usize) {
        let text = format!("{visits} visits restored");
        testing::until(&text, async || self.ready("visitors").await.1["detail"].to_string().contains(&text))
            .await;
    }

    async fn unseen(&self) -> Vec<ClickEvent> {
        let mut all = self.testbed.events().await;
        let seen = self.seen();
        all.retain(|e| !seen.contains(&e.click_id));
        all
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashSet<ClickId>> {
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A question of an operator.
    pub(crate) async fn operator(&self, path: &str) -> Answer {
        self.send("GET", path, &[("authorization", &format!("Bearer {TOKEN}"))]).await
    }

    /// A request of an operator.
    pub(crate) async fn ask(&self, method: &str, path: &str) -> Answer {
        self.send(method, path, &[("authorization", &format!("Bearer {TOKEN}"))]).await
    }

    /// What the producer counts.
    pub(crate) async fn stats(&self) -> Value {
        self.operator("/internal/event-producer/stats").await.json()
    }

    /// A number of `/metrics`.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.operator("/metrics").await.body;
        let line = text.lines().find_map(|l| l.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().expect("a number")
    }

    /// The event that a made-up click would leave.
    pub(crate) async fn explain(&self, request: &Value) -> Answer {
        let post = self.client.post(format!("http://{}/internal/explain", self.addr));
        Answer::of(post.bearer_auth(TOKEN).json(request)).await
    }

    /// `/readyz`: its status, and the dependency of that name.
    pub(crate) async fn ready(&self, dependency: &str) -> (u16, Value) {
        let answer = self.get("/readyz").await;
        let mut json = answer.json();
        let all = json["dependencies"].as_array_mut().expect("dependencies");
        let at = all.iter().position(|d| d["name"] == dependency).expect("the dependency");
        (answer.status, all.swap_remove(at))
    }
}

/// The cookie of the person with this number.
pub(crate) fn cookie(person: u128) -> String {
    format!("tfx_v={person:032x}")
}

/// Every stored click, newest first.
pub(crate) fn everything() -> ClickQuery {
    ClickQuery {
        since: None,
        until: None,
        campaign: None,
        visitor: None,
        unrouted: None,
        test: tfx_domain::event::TestTraffic::Include,
        conditions: tfx_domain::report::Conditions::default(),
        page: PageRequest::first(1000),
    }
}
