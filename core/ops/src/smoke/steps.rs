//! The steps of the smoke check.

use super::{Options, Target};
use crate::probe::{Probe, root_cause};
use reqwest::{Client as Http, Response, StatusCode, header, redirect};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tfx_api::{
    entities::Verb,
    explain::{ExplainRequest, Outcome},
    ingestion::IngestionQuery,
    postbacks::PostbackResult,
    report::{Dimension, Metric, ReportFilter, ReportRequest},
};
use tfx_domain::{Timestamp, entity::Kind, id::ClickId};
use tokio::time;

/// How many people click.
const CLICKS: usize = 20;

/// The steps, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Ready,
    Access,
    Create,
    Reload,
    Clicks,
    Stored,
    Postbacks,
    Dedupe,
    Forgery,
    Trafficback,
    Report,
    Delivered,
    Ingestion,
    CleanUp,
}

impl Name {
    pub(super) const ALL: [Self; 14] = [
        Self::Ready,
        Self::Access,
        Self::Create,
        Self::Reload,
        Self::Clicks,
        Self::Stored,
        Self::Postbacks,
        Self::Dedupe,
        Self::Forgery,
        Self::Trafficback,
        Self::Report,
        Self::Delivered,
        Self::Ingestion,
        Self::CleanUp,
    ];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Ready => "services are ready",
            Self::Access => "the token is accepted",
            Self::Create => "network, destination, campaign and stream are created",
            Self::Reload => "traffic-service routes the new campaign",
            Self::Clicks => "clicks are redirected",
            Self::Stored => "every click is stored",
            Self::Postbacks => "postbacks are recorded",
            Self::Dedupe => "the same postback again counts nothing",
            Self::Forgery => "a postback without its secret is refused",
            Self::Trafficback => "a click no stream takes goes to trafficback",
            Self::Report => "the report adds up",
            Self::Delivered => "no event was dropped, refused or left behind",
            Self::Ingestion => "a broken message is kept apart and told",
            Self::CleanUp => "what was made is archived",
        }
    }

    pub(super) const fn look_at(self) -> &'static str {
        match self {
            Self::Ready => "GET /readyz of each service; is it running, and at that address?",
            Self::Access => "TFX_TOKEN, TFX_TOKEN_FILE, the data folder's admin.token",
            Self::Create => "the log of api-service",
            Self::Reload => "GET /readyz of traffic-service: the age and source of its snapshot",
            Self::Clicks | Self::Trafficback => "tfx explain SLUG; the log of traffic-service",
            Self::Stored => "tfx events stats: is the outbox growing?",
            Self::Postbacks | Self::Dedupe | Self::Forgery => "tfx postback log; the log of postback-service",
            Self::Report => "tfx click list, tfx conversion list, tfx postback log",
            Self::Delivered => "tfx events stats; the log of the service that it names",
            Self::Ingestion => "tfx ingest errors; tfx ingest lag; the log of ClickHouse",
            Self::CleanUp => "tfx campaign list; the log of api-service",
        }
    }
}

/// What is known while the check runs.
pub(super) struct Run<'t> {
    target: &'t Target,
    options: &'t Options,
    http: Http,
    begun: Timestamp,
    made: Vec<(Kind, String)>,
    secret: String,
    clicks: Vec<ClickId>,
}

impl<'t> Run<'t> {
    pub(super) fn new(target: &'t Target, options: &'t Options) -> Self {
        let http = Http::builder()
            .redirect(redirect::Policy::none())
            .timeout(Duration::from_secs(10))
            .no_proxy()
            .build()
            .unwrap_or_default();
        // Clocks of several machines may differ a little.
        let begun = tfx_ports::clock::now() - Duration::from_secs(60);
        Self { target, options, http, begun, made: Vec::new(), secret: String::new(), clicks: Vec::new() }
    }

    pub(super) async fn step(&mut self, which: Name) -> Result<String, String> {
        match which {
            Name::Ready => self.ready().await,
            Name::Access => self.access().await,
            Name::Create => self.create().await,
            Name::Reload => self.until_explained(Outcome::Routed).await,
            Name::Clicks => self.send_clicks().await,
            Name::Stored => self.stored().await,
            Name::Postbacks => self.postbacks().await,
            Name::Dedupe => self.dedupe().await,
            Name::Forgery => self.forgery().await,
            Name::Trafficback => self.trafficback().await,
            Name::Report => self.report().await,
            Name::Delivered => self.delivered().await,
            Name::Ingestion => self.ingestion().await,
            Name::CleanUp => self.clean_up().await,
        }
    }

    fn slug(&self, what: &str) -> String {
        format!("smoke-{}-{what}", self.options.tag)
    }

    async fn ready(&self) -> Result<String, String> {
        let probe = Probe::new().map_err(|e| root_cause(&e))?;
        let api = self.target.api.base_url().trim_end_matches('/');
        let limit = Instant::now() + self.options.patience;
        for url in [api, &self.target.traffic_url, &self.target.postback_url] {
            while let Err(why) = probe.ready(url).await {
                pause(limit, why).await?;
            }
        }
        Ok("api, traffic, postback".to_owned())
    }

    async fn access(&self) -> Result<String, String> {
        let me = self.target.api.whoami().await.map_err(|e| text(&e))?;
        Ok(format!("as {}", me.name))
    }

    async fn make(&mut self, kind: Kind, spec: Value) -> Result<Value, String> {
        let made = self.target.api.create(kind, &spec).await.map_err(|e| format!("{kind}: {e}"))?;
        let id =
            made.get("id").and_then(Value::as_str).ok_or_else(|| format!("{kind}: the answer has no id"))?;
        self.made.push((kind, id.to_owned()));
        Ok(made)
    }

    async fn create(&mut self) -> Result<String, String> {
        let (network, offer, campaign) = (self.slug("network"), self.slug("offer"), self.slug("campaign"));
        let made = self.make(Kind::Network, json!({ "slug": network, "name": "Smoke" })).await?;
        let secret = made.get("postback_secret").and_then(Value::as_str);
        secret.ok_or("the new network came without its secret")?.clone_into(&mut self.secret);
        let url = "https://offer.example/smoke?click={click_id}&sub={sub1}";
        let spec = json!({ "slug": offer, "name": "Smoke", "url": url, "network": network,
            "payout": { "amount": "1.5", "currency": "USD" } });
        self.make(Kind::Destination, spec).await?;
        let spec = json!({ "slug": campaign, "name": "Smoke", "cost": { "per_click": "0.01" },
            "trafficback_url": "https://offer.example/nobody" });
        self.make(Kind::Campaign, spec).await?;
        let spec = json!({ "campaign": campaign, "slug": "main", "name": "Main",
            "filters": [{ "field": "param:smoke", "is": ["yes"] }], "destinations": [{ "destination": offer }] });
        self.make(Kind::Stream, spec).await?;
        Ok(campaign)
    }

    async fn until_explained(&self, wanted: Outcome) -> Result<String, String> {
        let request = ExplainRequest {
            slug: self.slug("campaign"),
            params: vec![("smoke".to_owned(), "yes".to_owned())],
            ..ExplainRequest::default()
        };
        let begun = Instant::now();
        let limit = begun + self.options.patience;
        loop {
            let seen = match self.target.api.explain(&request).await {
                Ok(answer) if answer.outcome == wanted => {
                    return Ok(format!("{} ms after it was saved", begun.elapsed().as_millis()));
                }
                Ok(answer) => format!("it is still explained as {:?}", answer.outcome),
                Err(e) => e.to_string(),
            };
            pause(limit, seen).await?;
        }
    }

    async fn click(&self, query: &str) -> Result<Response, String> {
        let url = format!("{}/c/{}?{query}", self.target.traffic_url, self.slug("campaign"));
        self.http.get(url).header(header::USER_AGENT, BROWSER).send().await.map_err(|e| root_cause(&e))
    }

    async fn send_clicks(&mut self) -> Result<String, String> {
        for n in 0..CLICKS {
            let response = self.click(&format!("smoke=yes&sub1=s%26{n}")).await?;
            let location = location(&response);
            let id = location
                .strip_prefix("https://offer.example/smoke?click=")
                .and_then(|rest| rest.strip_suffix(&format!("&sub=s%26{n}")))
                .and_then(|id| id.parse().ok())
                .ok_or_else(|| format!("click {n}: status {}, Location '{location}'", response.status()))?;
            self.clicks.push(id);
        }
        Ok(format!("{CLICKS} clicks, each with its own click id"))
    }

    async fn stored(&self) -> Result<String, String> {
        let begun = Instant::now();
        let limit = begun + self.options.patience;
        for id in &self.clicks {
            loop {
                match self.target.api.click(*id).await {
                    Ok(_) => break,
                    Err(e) => pause(limit, format!("click {id}: {e}")).await?,
                }
            }
        }
        Ok(format!(
            "{} of {}, all after {} ms",
            self.clicks.len(),
            self.clicks.len(),
            begun.elapsed().as_millis()
        ))
    }

    /// Sends a postback; its status and its `result`.
    async fn postback(&self, query: &str) -> Result<(StatusCode, String), String> {
        let url = format!("{}/postback/{}?{query}", self.target.postback_url, self.slug("network"));
        let response = self.http.get(url).send().await.map_err(|e| root_cause(&e))?;
        let status = response.status();
        let body: Value = response.json().await.map_err(|e| root_cause(&e))?;
        Ok((status, body.get("result").and_then(Value::as_str).unwrap_or_default().to_owned()))
    }

    async fn expect(&self, query: &str, status: StatusCode, result: PostbackResult) -> Result<(), String> {
        let limit = Instant::now() + self.options.patience;
        loop {
            let seen = self.postback(query).await?;
            if seen == (status, result.as_str().to_owned()) {
                return Ok(());
            }
            let told = format!("answered {} '{}', wanted {status} '{}'", seen.0, seen.1, result.as_str());
            // The service may not have read the new network yet.
            if seen.0 != StatusCode::NOT_FOUND {
                return Err(told);
            }
            pause(limit, told).await?;
        }
    }

    fn report_of(&self, click: usize, rest: &str) -> String {
        format!("secret={}&clickid={}&{rest}", self.secret, self.clicks[click])
    }

    async fn postbacks(&self) -> Result<String, String> {
        let recorded = PostbackResult::Recorded;
        self.expect(&self.report_of(0, "txid=smoke-1&payout=12.5&status=sale"), StatusCode::OK, recorded)
            .await?;
        self.expect(&self.report_of(1, "txid=smoke-2&payout=2&status=lead"), StatusCode::OK, recorded)
            .await?;
        let updated = PostbackResult::Updated;
        self.expect(&self.report_of(1, "txid=smoke-2&payout=2&status=sale"), StatusCode::OK, updated).await?;
        Ok("a sale, a lead, the lead becomes a sale".to_owned())
    }

    async fn dedupe(&self) -> Result<String, String> {
        for _ in 0..5 {
            let query = self.report_of(0, "txid=smoke-1&payout=12.5&status=sale");
            self.expect(&query, StatusCode::OK, PostbackResult::Duplicate).await?;
        }
        Ok("5 of 5 answered as duplicates".to_owned())
    }

    async fn forgery(&self) -> Result<String, String> {
        for secret in ["", "secret=wrong-secret&"] {
            let query = format!("{secret}clickid={}&txid=forged&payout=1000", self.clicks[2]);
            let (status, _) = self.postback(&query).await?;
            if status != StatusCode::FORBIDDEN {
                return Err(format!("answered {status}, wanted 403"));
            }
        }
        Ok("403 without it and with a wrong one".to_owned())
    }

    async fn trafficback(&self) -> Result<String, String> {
        let response = self.click("smoke=no").await?;
        let location = location(&response);
        if location.starts_with("https://offer.example/nobody") {
            return Ok(location);
        }
        Err(format!("status {}, Location '{location}'", response.status()))
    }

    async fn report(&self) -> Result<String, String> {
        let request = ReportRequest {
            since: Some(self.begun),
            dimensions: vec![Dimension::Campaign],
            filters: vec![ReportFilter {
                dimension: Dimension::Campaign,
                values: vec![self.slug("campaign")],
                negate: false,
            }],
            metrics: Metric::ALL.to_vec(),
            ..ReportRequest::default()
        };
        let wanted = [
            (Metric::Clicks, "20"),
            (Metric::Trafficbacks, "1"),
            (Metric::Hits, "21"),
            (Metric::Conversions, "2"),
            (Metric::Sales, "2"),
            (Metric::Revenue, "14.5"),
            (Metric::Cost, "0.21"),
            (Metric::Profit, "14.29"),
        ];
        let limit = Instant::now() + self.options.patience;
        loop {
            let answer = self.target.api.report(&request).await.map_err(|e| text(&e))?;
            let wrong: Vec<String> = wanted
                .iter()
                .filter_map(|(metric, value)| {
                    let seen = answer.totals.get(metric).map(|v| v.normalize().to_string());
                    (seen.as_deref() != Some(*value)).then(|| {
                        format!("{} is {}, wanted {value}", metric.as_str(), seen.unwrap_or_default())
                    })
                })
                .collect();
            if wrong.is_empty() {
                return Ok("20 clicks, 1 trafficback, 2 sales, 14.5 USD revenue, 14.29 USD profit".to_owned());
            }
            pause(limit, wrong.join("; ")).await?;
        }
    }

    async fn delivered(&self) -> Result<String, String> {
        let limit = Instant::now() + self.options.patience;
        loop {
            let stats = self.target.api.event_stats().await.map_err(|e| text(&e))?;
            let mut wrong = Vec::new();
            for (name, service) in [("traffic", &stats.traffic), ("postback", &stats.postback)] {
                let Some(counters) = &service.stats else {
                    return Err(format!("{name}: {}", service.error.clone().unwrap_or_default()));
                };
                for counter in ["dropped_total", "refused_total", "outbox_depth_events"] {
                    match counters.get(counter).and_then(Value::as_u64) {
                        Some(0) => {}
                        seen => wrong.push(format!("{name}: {counter} is {seen:?}")),
                    }
                }
            }
            if wrong.is_empty() {
                return Ok("0 dropped, 0 refused, outbox empty".to_owned());
            }
            pause(limit, wrong.join("; ")).await?;
        }
    }

    /// Only the one that this check breaks itself may be among the errors since it began.
    async fn ingestion(&self) -> Result<String, String> {
        let broken = format!("smoke-{} is no event", self.options.tag);
        if let Some(log) = &self.target.log {
            log.port.republish(&log.topic, None, broken.as_bytes()).await.map_err(|e| e.to_string())?;
        }
        let begun = Instant::now();
        let limit = begun + self.options.patience;
        let query = IngestionQuery { since: Some(self.begun), ..IngestionQuery::default() };
        loop {
            let found = match self.target.api.ingestion_errors(&query).await {
                Ok(page) => page.items,
                Err(e) if e.problem().is_some_and(|p| p.code == "no_event_log") => {
                    return Ok("no event log here: events go straight into the store".to_owned());
                }
                Err(e) => return Err(text(&e)),
            };
            let (own, others): (Vec<_>, Vec<_>) = found.iter().partition(|e| e.message == broken);
            if let Some(other) = others.first() {
                let (topic, partition, offset) = (&other.topic, other.partition, other.offset);
                return Err(format!("{topic}/{partition}@{offset}: {}", other.error));
            }
            if self.target.log.is_none() {
                return Ok("no broken message since the check began".to_owned());
            }
            if let Some(told) = own.first() {
                let ms = begun.elapsed().as_millis();
                return Ok(format!("{}/{}@{} after {ms} ms", told.topic, told.partition, told.offset));
            }
            pause(limit, "it is not among the errors".to_owned()).await?;
        }
    }

    async fn clean_up(&mut self) -> Result<String, String> {
        if self.options.keep {
            return Ok("kept, as asked".to_owned());
        }
        let mut failed = Vec::new();
        let count = self.made.len();
        for (kind, id) in self.made.drain(..).rev() {
            if let Err(e) = self.target.api.lifecycle(kind, &id, Verb::Archive, true, None).await {
                failed.push(format!("{kind} {id}: {e}"));
            }
        }
        if failed.is_empty() { Ok(format!("{count} entities")) } else { Err(failed.join("; ")) }
    }
}

const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                       Chrome/138.0.0.0 Safari/537.36";

fn location(response: &Response) -> String {
    response.headers().get(header::LOCATION).and_then(|l| l.to_str().ok()).unwrap_or_default().to_owned()
}

fn text(error: &tfx_api::ApiError) -> String {
    error.to_string()
}

/// Waits a little before the next look; past the limit, what was last seen is the failure.
async fn pause(limit: Instant, seen: String) -> Result<(), String> {
    if Instant::now() >= limit {
        return Err(seen);
    }
    time::sleep(Duration::from_millis(25)).await;
    Ok(())
}
