//! One probe.

use super::{lanes::Lanes, put_off::PutOffs};
use http::{HeaderMap, HeaderValue, Method, header::CONNECTION};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tfx_domain::{
    entity::{HealthCheck, ProbeMethod},
    event::HealthEvent,
    health::{DestinationHealth, Probe},
    id::{ClickId, DestinationId},
    macros::{Scope, UrlTemplate},
    routing::DestinationPlan,
};
use tfx_outbound::{Apart, Failure, Outbound, Request, Unanswered, server_of};
use tfx_ports::{
    StoreError, clock, entropy,
    health::{HealthStore, Probed},
};

/// Makes probes and saves what they saw.
pub(crate) struct Probes {
    pub(crate) store: Arc<dyn HealthStore>,
    pub(crate) outbound: Arc<Outbound>,
    pub(crate) apart: Apart,
    pub(crate) lanes: Arc<Lanes>,
    /// Longest time of a probe.
    pub(crate) timeout: Duration,
    pub(crate) counted: Counted,
    pub(crate) put_off: PutOffs,
}

/// Whether what a probe sees is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// The destination may count otherwise from now on.
    Yes,
    /// It is told alone, as of a destination of which nothing was known.
    No,
}

/// What came of trying to probe.
pub(crate) enum Tried {
    /// What is known now.
    Probed(Box<DestinationHealth>),
    /// Nothing was asked through a fault of this machine, and nothing is known that was not before; how often in a row.
    PutOff(Failure, u32),
}

/// Probes since the start.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) good: AtomicU64,
    pub(crate) bad: AtomicU64,
    pub(crate) put_off: AtomicU64,
}

/// A destination that is to be probed, and how.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) id: DestinationId,
    check: HealthCheck,
    url: String,
    /// Whose lanes it takes.
    pub(crate) server: String,
}

impl Target {
    /// None without a health check.
    pub(crate) fn of(plan: &DestinationPlan) -> Option<Self> {
        let spec = &plan.destination.spec;
        let check = spec.health_check.clone()?;
        // What was saved can be parsed; otherwise the destination's own URL is as good a guess as any.
        let own = check.url.as_deref().and_then(|url| UrlTemplate::parse(url, Scope::Redirect).ok());
        let url = own.as_ref().unwrap_or(&plan.url).without_values();
        let server = server_of(&url).unwrap_or_default();
        Some(Self { id: plan.destination.id.clone(), check, url, server })
    }
}

impl Probes {
    /// Probes once, and saves what is known then, made of what was known `before`. It waits for a lane as long as `wait`.
    ///
    /// # Errors
    /// It cannot be saved.
    pub(crate) async fn probe(
        &self,
        target: &Target,
        before: Option<&DestinationHealth>,
        wait: Duration,
        counts: Counts,
    ) -> Result<Tried, StoreError> {
        let ends = || StoreError::Unavailable { what: "probe: the service ends".to_owned(), source: None };
        let probe = match self.ask(target, wait).await.ok_or_else(ends)? {
            Ok(probe) => probe,
            Err(why) => {
                self.counted.put_off.fetch_add(1, Relaxed);
                let times = self.put_off.add(&target.id, &why);
                return Ok(Tried::PutOff(why, times));
            }
        };
        self.put_off.over(&target.id);
        let counter = if probe.healthy { &self.counted.good } else { &self.counted.bad };
        counter.fetch_add(1, Relaxed);
        let at = probe.at;
        let id = || ClickId::generate(at, entropy::random_u128());
        let before = before.filter(|_| counts == Counts::Yes);
        let (health, change) = DestinationHealth::after(before, &target.id, &target.check, probe, id);
        if counts == Counts::No {
            return Ok(Tried::Probed(Box::new(health)));
        }
        if let Some(change) = &change {
            let (from, to) = (change.from.as_str(), change.to.as_str());
            let HealthEvent { status, failure, reason, .. } = change;
            tracing::info!(destination_id = %target.id, from, to, status, failure, reason, "a destination changed");
        }
        self.store.save(&[Probed { health: health.clone(), change }]).await?;
        Ok(Tried::Probed(Box::new(health)))
    }

    /// None: the service ends. A fault of this machine is no probe.
    async fn ask(&self, target: &Target, wait: Duration) -> Option<Result<Probe, Failure>> {
        let method = match target.check.method {
            ProbeMethod::Head => Method::HEAD,
            ProbeMethod::Get => Method::GET,
        };
        let _lane = match self.lanes.take(&target.server, wait).await {
            Ok(lane) => lane,
            Err(busy) => return Some(Err(busy)),
        };
        let request = Request {
            method,
            url: target.url.clone(),
            // A connection that is kept would be one of thousands that wait for the next interval.
            headers: HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("close"))]),
            body: Vec::new().into(),
            // Its turn is the lane.
            wait: Duration::ZERO,
            timeout: self.timeout,
            keep: 0,
        };
        let sent = self.apart.send(&self.outbound, request).await;
        let millis = |took: Duration| u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        let now = clock::now();
        Some(match sent? {
            Ok(answer) => Ok(Probe::answered(&target.check, answer.status, millis(answer.latency), now)),
            Err(Unanswered { failure, .. }) if failure.is_ours() => Err(failure),
            Err(Unanswered { failure, latency }) => {
                Ok(Probe::failed(failure.name(), &failure.to_string(), millis(latency), now))
            }
        })
    }
}
