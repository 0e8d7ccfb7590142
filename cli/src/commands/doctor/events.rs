//! The way of events into the reports, and the destinations that they are sent to.

use super::{Finding, State, api::Api};
use crate::{
    exit::Failure,
    pipeline::{self, MOST_ERRORS, Producer},
};
use jiff::SignedDuration;
use tfx_api::{Client, health::Health};
use tfx_ops::clock;

/// An outbox whose oldest event has waited for longer is told. Milliseconds.
const WAITED: u64 = 60_000;
/// So many messages that wait for the reports are told.
const LAG: u64 = 10_000;

/// What does not go as it should.
pub(super) async fn look(api: &Api<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut parts = vec![("outbox", api.ask(producers).await)];
    match (api.ask(lag).await, api.ask(ingestion_errors).await) {
        (Err(failure), Err(_)) => parts.push(("event log", Err(failure))),
        (lag, errors) => parts.extend([("event log lag", lag), ("ingestion errors", errors)]),
    }
    parts.push(("destinations", api.ask(destinations).await));
    for (of, part) in parts {
        found.extend(part.unwrap_or_else(|failure| vec![unseen(of, &failure)]));
    }
    found
}

/// That nobody answers is told elsewhere.
fn unseen(of: &str, failure: &Failure) -> Finding {
    Finding::new(State::Warning, of, format!("not looked at: {}", failure.message))
        .next(failure.hint.clone().unwrap_or_default())
}

async fn producers(client: &Client) -> Result<Vec<Finding>, Failure> {
    let stats = client.event_stats().await?;
    let mut found = Vec::new();
    for (service, stats) in [("traffic-service", &stats.traffic), ("postback-service", &stats.postback)] {
        match Producer::of(stats) {
            Ok(producer) => found.extend(of_producer(service, &producer)),
            Err(why) => found.push(
                Finding::new(State::Warning, format!("{service} outbox"), format!("not looked at: {why}"))
                    .next("tfx status tells whether it answers"),
            ),
        }
    }
    Ok(found)
}

fn of_producer(service: &str, p: &Producer) -> Vec<Finding> {
    let of = || format!("{service} outbox");
    let mut found = Vec::new();
    if p.dropped_total > 0 {
        let what = format!("{} events were dropped since it started: they are lost", p.dropped_total);
        found.push(Finding::new(State::Wrong, of(), what).plain().next(
            "make room (tfx check disk); EVENT_WRITE_FAILURE_POLICY=fail_closed answers 503 instead of losing events",
        ));
    }
    if p.refused_waiting > 0 {
        let what = format!("the sink refused {} events; no report has them", p.refused_waiting);
        let next = "refused.jsonl in its journal says why; mend it, then tfx events replay-refused";
        found.push(Finding::new(State::Wrong, of(), what).plain().next(next));
    }
    if p.damaged_total > 0 {
        let what = format!("{} places of its journal could not be read", p.damaged_total);
        found.push(
            Finding::new(State::Warning, of(), what)
                .plain()
                .next("look into the .damaged files of its journal"),
        );
    }
    if p.degraded || p.oldest_undelivered_age_ms > WAITED {
        let seconds = p.oldest_undelivered_age_ms / 1_000;
        let why = p.last_error.as_deref().map(|e| format!(": {e}")).unwrap_or_default();
        let what = format!("{} events wait, the oldest for {seconds} s{why}", p.outbox_depth_events);
        let told = format!("{} events wait, the oldest for {seconds} s", p.outbox_depth_events);
        let next = "they are delivered when the sink takes them again: tfx events stats";
        found.push(Finding::new(State::Warning, of(), what).told(told).next(next));
    }
    if found.is_empty() {
        found.push(Finding::new(State::Ok, of(), format!("{} events wait", p.outbox_depth_events)).plain());
    }
    found
}

async fn lag(client: &Client) -> Result<Vec<Finding>, Failure> {
    let Some(lag) = pipeline::lag(client).await? else { return Ok(Vec::new()) };
    let lagging = Finding::new(
        if lag.messages >= LAG { State::Warning } else { State::Ok },
        "event log lag",
        format!("{} messages wait for the reports", lag.messages),
    )
    .plain();
    let lagging = if lag.messages >= LAG {
        lagging.next("tfx ingest lag says where; is ClickHouse busy?")
    } else {
        lagging
    };
    Ok(vec![lagging])
}

async fn ingestion_errors(client: &Client) -> Result<Vec<Finding>, Failure> {
    let now = clock::now();
    let since = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(now);
    let Some(errors) = pipeline::errors(client, since).await? else { return Ok(Vec::new()) };
    let more = if errors >= MOST_ERRORS { " or more" } else { "" };
    let what = format!("{errors}{more} messages became no event within a day");
    let broken = if errors == 0 {
        Finding::new(State::Ok, "ingestion errors", what).plain()
    } else {
        Finding::new(State::Wrong, "ingestion errors", what)
            .plain()
            .next("tfx ingest errors --since 24h tells why; mend it, then tfx ingest replay")
    };
    Ok(vec![broken])
}

async fn destinations(client: &Client) -> Result<Vec<Finding>, Failure> {
    let list = client.health(Some(Health::Down)).await?;
    let down = list.items.iter().map(|row| {
        let why = if row.reason.is_empty() { String::new() } else { format!(": {}", row.reason) };
        Finding::new(State::Warning, format!("destination {}", row.slug), format!("it is down{why}"))
            .told("it is down")
            .next(format!("tfx health check {0} tries it now, tfx health history {0}", row.slug))
    });
    let mut found: Vec<Finding> = down.collect();
    if found.is_empty() {
        found.push(
            Finding::new(State::Ok, "destinations", format!("0 of {} watched are down", list.watched))
                .plain(),
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_or_refused_is_wrong_and_what_waits_is_told() {
        let states = |p: Producer| -> Vec<State> {
            let found = of_producer("traffic-service", &p);
            assert!(found.iter().all(|f| (f.state == State::Ok) == f.next.is_empty()), "{found:?}");
            found.iter().map(|f| f.state).collect()
        };
        let none = Producer::default;
        assert_eq!(states(none()), [State::Ok]);
        assert_eq!(states(Producer { dropped_total: 1, ..none() }), [State::Wrong]);
        assert_eq!(states(Producer { refused_waiting: 1, ..none() }), [State::Wrong]);
        assert_eq!(states(Producer { damaged_total: 1, degraded: true, ..none() }), [State::Warning; 2]);
        assert_eq!(states(Producer { oldest_undelivered_age_ms: 60_001, ..none() }), [State::Warning]);
    }
}
