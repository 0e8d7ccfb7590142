//! How everything is, as it was found at one time. What could not be found out is said, and makes nothing unready.

use crate::{
    context::Context,
    exit::{Failure, Kind},
    pipeline::{self, MOST_ERRORS, Producer},
    services,
};
use jiff::SignedDuration;
use serde::Serialize;
use tfx_api::{ApiError, Client, health::Health};
use tfx_domain::Timestamp;
use tfx_ops::{
    clock,
    probe::{Dependency, WITHIN},
};

/// Everything.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) ready: bool,
    pub(crate) at: Timestamp,
    pub(crate) services: Vec<ServiceStatus>,
    /// Of the services that record events; none: it could not be found out.
    pub(crate) events: Option<Events>,
    /// None: it could not be found out.
    pub(crate) event_log: Option<EventLog>,
    /// None: it could not be found out.
    pub(crate) destinations: Option<Destinations>,
    /// What could not be found out, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unknown: Vec<String>,
}

/// A service.
#[derive(Debug, Serialize)]
pub(crate) struct ServiceStatus {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    /// `ok`, `degraded`, `failed`, `silent`.
    pub(crate) state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    pub(crate) latency_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    pub(crate) dependencies: Vec<DependencyStatus>,
}

/// What a service depends on.
#[derive(Debug, Serialize)]
pub(crate) struct DependencyStatus {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) state: String,
    pub(crate) latency_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) age_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

/// What the producers hold, of both together.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Events {
    pub(crate) outbox_events: u64,
    pub(crate) outbox_bytes: u64,
    pub(crate) oldest_age_ms: u64,
    pub(crate) dropped: u64,
    pub(crate) refused: u64,
}

/// The event log.
#[derive(Debug, Serialize)]
pub(crate) struct EventLog {
    /// False: events go straight into the store.
    pub(crate) used: bool,
    /// Messages that wait for the reports; none: not known.
    pub(crate) lag: Option<u64>,
    /// Messages that became no event within the last hour; none: not known.
    pub(crate) errors: Option<u64>,
    /// There are more of them.
    pub(crate) more_errors: bool,
}

/// Destinations with a health check.
#[derive(Debug, Serialize)]
pub(crate) struct Destinations {
    pub(crate) watched: u64,
    pub(crate) down: u64,
    pub(crate) unknown: u64,
    /// The slugs of those that are down.
    pub(crate) names: Vec<String>,
}

impl Status {
    pub(crate) const fn is_ready(&self) -> bool {
        self.ready
    }

    /// Who is not ready; none: all are.
    pub(crate) fn unready(&self) -> Option<Failure> {
        let silent: Vec<&str> =
            self.services.iter().filter(|s| s.state == "silent").filter_map(|s| s.error.as_deref()).collect();
        let failed: Vec<String> = self
            .services
            .iter()
            .filter(|s| s.state == "failed")
            .map(|s| format!("{} is not ready", s.name))
            .collect();
        let hint = "tfx doctor --wrong tells what to do";
        match (silent.is_empty(), failed.is_empty()) {
            (true, true) => None,
            (false, _) => Some(Failure::new(Kind::Unreachable, silent.join("; ")).hint(hint)),
            (true, false) => Some(Failure::failed(failed.join("; ")).hint(hint)),
        }
    }
}

/// Asks everybody.
///
/// # Errors
/// Settings that cannot be used.
pub(crate) async fn look(context: &Context) -> Result<Status, Failure> {
    let settings = context.settings()?;
    let found = services::ask(&settings, WITHIN).await?;
    let ready = found.iter().all(services::Service::is_ready);
    let api = found.iter().any(|s| s.name == "api-service" && s.told.is_ok());
    let services = found.into_iter().map(of_service).collect();
    let mut status = Status {
        ready,
        at: clock::now(),
        services,
        events: None,
        event_log: None,
        destinations: None,
        unknown: Vec::new(),
    };
    if !api {
        status.unknown.push("outbox, event log and destinations: api-service does not answer".to_owned());
        return Ok(status);
    }
    let client = match context.client() {
        Ok(client) => client,
        Err(failure) => {
            status.unknown.push(format!("outbox, event log and destinations: {}", failure.message));
            return Ok(status);
        }
    };
    let (events, log, destinations) =
        tokio::join!(events(&client), event_log(&client), destinations(&client));
    match events {
        Ok((events, silent)) => {
            status.events = events;
            status.unknown.extend(silent);
        }
        Err(e) => status.unknown.push(format!("outbox: {e}")),
    }
    let (log, silent) = log;
    status.event_log = log;
    status.unknown.extend(silent);
    match destinations {
        Ok(found) => status.destinations = Some(found),
        Err(e) => status.unknown.push(format!("destinations: {e}")),
    }
    Ok(status)
}

fn of_service(service: services::Service) -> ServiceStatus {
    let services::Service { name, url, told, took_ms, .. } = service;
    let (state, version, error, dependencies) = match told {
        Ok(report) => (report.status, report.version, None, report.dependencies),
        Err(why) => ("silent".to_owned(), None, Some(format!("{name}: {why}")), Vec::new()),
    };
    let dependencies = dependencies
        .into_iter()
        .map(|d| {
            let Dependency { name, required, state, latency_ms, age_ms, detail } = d;
            DependencyStatus { name, required, state, latency_ms, age_ms, detail }
        })
        .collect();
    let latency_ms = (took_ms * 1e3).round() / 1e3;
    ServiceStatus { name, url, state, version, latency_ms, error, dependencies }
}

async fn events(client: &Client) -> Result<(Option<Events>, Vec<String>), ApiError> {
    let stats = client.event_stats().await?;
    let (mut events, mut unknown) = (None, Vec::new());
    for (service, stats) in [("traffic-service", &stats.traffic), ("postback-service", &stats.postback)] {
        match Producer::of(stats) {
            Ok(p) => {
                let sum = events.get_or_insert_with(Events::default);
                sum.outbox_events += p.outbox_depth_events;
                sum.outbox_bytes += p.outbox_depth_bytes;
                sum.oldest_age_ms = sum.oldest_age_ms.max(p.oldest_undelivered_age_ms);
                sum.dropped += p.dropped_total;
                sum.refused += p.refused_waiting;
            }
            Err(why) => unknown.push(format!("outbox of {service}: {why}")),
        }
    }
    Ok((events, unknown))
}

/// What is known of it: the brokers tell what waits, the store what became no event, and either may be away.
async fn event_log(client: &Client) -> (Option<EventLog>, Vec<String>) {
    let now = clock::now();
    let hour_ago = now.checked_sub(SignedDuration::from_hours(1)).unwrap_or(now);
    let (lag, errors) = tokio::join!(pipeline::lag(client), pipeline::errors(client, hour_ago));
    if matches!((&lag, &errors), (Ok(None), _) | (_, Ok(None))) {
        return (Some(EventLog { used: false, lag: None, errors: None, more_errors: false }), Vec::new());
    }
    let mut unknown = Vec::new();
    let lag = lag.map_err(|e| unknown.push(format!("event log lag: {e}"))).ok().flatten();
    let errors = errors.map_err(|e| unknown.push(format!("ingestion errors: {e}"))).ok().flatten();
    if lag.is_none() && errors.is_none() {
        return (None, unknown);
    }
    let more_errors = errors.is_some_and(|errors| errors >= MOST_ERRORS);
    let (lag, errors) = (lag.map(|lag| lag.messages), errors.map(|errors| errors as u64));
    (Some(EventLog { used: true, lag, errors, more_errors }), unknown)
}

async fn destinations(client: &Client) -> Result<Destinations, ApiError> {
    let list = client.health(Some(Health::Down)).await?;
    let names = list.items.into_iter().map(|row| row.slug).collect();
    Ok(Destinations { watched: list.watched, down: list.down, unknown: list.unknown, names })
}
