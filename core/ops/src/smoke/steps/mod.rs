//! The steps of the smoke check: their order, and what is known while they run. What each does is in the files below.

mod entities;
mod figures;
mod traffic;

use super::{Options, StepOutcome, Target};
use crate::probe::{Probe, root_cause};
use reqwest::{Client as Http, redirect};
use std::time::{Duration, Instant};
use tfx_api::explain::Outcome as Explained;
use tfx_domain::{Timestamp, entity::Kind, id::ClickId};
use tokio::time;

/// The code that ISO 4217 keeps for tests: no amount of a check is money.
const CURRENCY: &str = "XTS";

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

    /// The outcome of this step if it is not as it should be.
    pub(super) fn failed(self, reason: String) -> StepOutcome {
        StepOutcome::Failed { reason, look_at: self.look_at().to_owned() }
    }

    const fn look_at(self) -> &'static str {
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
        let described =
            || Http::builder().redirect(redirect::Policy::none()).timeout(Duration::from_secs(10)).no_proxy();
        let http = tfx_api::http::client(described).unwrap_or_default();
        // Clocks of several machines may differ a little.
        let begun = tfx_ports::clock::now() - Duration::from_secs(60);
        Self { target, options, http, begun, made: Vec::new(), secret: String::new(), clicks: Vec::new() }
    }

    pub(super) async fn step(&mut self, which: Name) -> StepOutcome {
        let seen = match which {
            Name::Ready => self.ready().await,
            Name::Access => self.access().await,
            Name::Create => self.create().await,
            Name::Reload => self.until_explained(Explained::Routed).await,
            Name::Clicks => self.send_clicks().await,
            Name::Stored => self.stored().await,
            Name::Postbacks => self.postbacks().await,
            Name::Dedupe => self.dedupe().await,
            Name::Forgery => self.forgery().await,
            Name::Trafficback => self.trafficback().await,
            Name::Report => self.report().await,
            Name::Delivered => self.delivered().await,
            Name::Ingestion => return self.ingestion().await.unwrap_or_else(|e| which.failed(e)),
            Name::CleanUp if self.options.keep => {
                return StepOutcome::Skipped { reason: "kept, as asked".to_owned() };
            }
            Name::CleanUp => self.clean_up().await,
        };
        seen.map_or_else(|e| which.failed(e), |detail| StepOutcome::Passed { detail })
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
