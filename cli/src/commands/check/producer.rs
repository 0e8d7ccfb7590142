//! `tfx check producer`: whether the events of traffic-service and postback-service leave their outboxes.

use super::found::{CheckArgs, Figure, Found, Unit, in_order, seconds, tell};
use crate::{
    context::Context,
    exit::{Failure, Verdict},
    input,
    output::printable,
    pipeline::Producer,
};
use clap::Args;
use tfx_domain::Timestamp;
use tfx_ops::clock;

/// When it is how bad.
#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if all is well, 1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN.\n\
    A dropped event is CRITICAL until the service starts again; events that the sink\n\
    refused are a WARNING until they are replayed.\n\n\
    Example, a line of cron:\n  \
    */5 * * * *  tfx check producer --crit-age 10m || mail -s events ops@x.example")]
pub(crate) struct ProducerCheck {
    /// So many events that wait in the outboxes are a WARNING.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = input::within::<u64>(1, u64::MAX >> 1))]
    warn: u64,
    /// So many are CRITICAL.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = input::within::<u64>(1, u64::MAX >> 1))]
    crit: u64,
    /// An event that has waited for so long is a WARNING: 30s, 1m.
    #[arg(long, value_name = "LENGTH", default_value = "1m", value_parser = seconds)]
    warn_age: u64,
    /// One that has waited for so long is CRITICAL.
    #[arg(long, value_name = "LENGTH", default_value = "5m", value_parser = seconds)]
    crit_age: u64,
    #[command(flatten)]
    asked: CheckArgs,
}

/// A service and its counters, or why there are none.
type ProducerAnswer = (&'static str, Result<Producer, String>);

impl ProducerCheck {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        in_order(&self.warn, &self.crit, u64::to_string, "--crit N: so many that wait are CRITICAL")?;
        let shown = |length: &u64| format!("{length}s");
        in_order(
            &self.warn_age,
            &self.crit_age,
            shown,
            "--crit-age LENGTH: what waits for so long is CRITICAL",
        )?;
        let found = async {
            let stats = self.asked.client(context).await?.event_stats().await?;
            let told = [
                ("traffic-service", Producer::of(&stats.traffic)),
                ("postback-service", Producer::of(&stats.postback)),
            ];
            Ok(self.judge(&told, clock::now()))
        };
        tell(context, "producer", &self.asked, "api-service", found).await
    }

    fn judge(&self, told: &[ProducerAnswer], now: Timestamp) -> Found {
        let mut verdict = Verdict::Ok;
        let mut worse = |than: Verdict| {
            if than.code() > verdict.code() {
                verdict = than;
            }
        };
        let (mut what, mut answered) = (Vec::new(), Vec::new());
        for (service, producer) in told {
            let producer = match producer {
                Ok(producer) => producer,
                Err(why) => {
                    worse(Verdict::Critical);
                    what.push(format!("{service}: {why}"));
                    continue;
                }
            };
            answered.push(producer);
            let waited = producer.oldest_undelivered_age_ms / 1_000;
            if waited >= self.warn_age {
                worse(if waited >= self.crit_age { Verdict::Critical } else { Verdict::Warning });
                what.push(format!("{service}: an event has waited for {waited} s"));
            }
            if producer.dropped_total > 0 {
                worse(Verdict::Critical);
                what.push(format!(
                    "{service}: {} events were dropped since it started",
                    producer.dropped_total
                ));
            }
            if producer.refused_waiting > 0 {
                worse(Verdict::Warning);
                what.push(format!(
                    "{service}: the sink refused {} events: tfx events replay-refused",
                    producer.refused_waiting
                ));
            }
            if producer.degraded {
                worse(Verdict::Warning);
                let why = producer.last_error.as_deref().unwrap_or("its events are not taken");
                what.push(format!("{service}: {why}"));
            }
        }
        let sum = |of: fn(&Producer) -> u64| answered.iter().map(|p| of(p)).sum::<u64>();
        let waiting = sum(|p| p.outbox_depth_events);
        if waiting >= self.warn {
            worse(if waiting >= self.crit { Verdict::Critical } else { Verdict::Warning });
        }
        // Of who is silent nobody knows what waits.
        match told.len() - answered.len() {
            0 => what.insert(0, format!("{waiting} events wait in the outboxes")),
            _ if answered.is_empty() => {}
            _ => what.insert(0, format!("{waiting} events wait in the outbox of the other")),
        }
        let figure = |name, value, unit, help, limits| Figure { name, value, unit, help, limits };
        let mut figures = Vec::new();
        if !answered.is_empty() {
            let limits = |warn: u64, crit: u64| {
                format!(";0:{};0:{};0", warn.saturating_sub(1), crit.saturating_sub(1))
            };
            let oldest = answered.iter().map(|p| p.oldest_undelivered_age_ms / 1_000).max().unwrap_or(0);
            let bytes = sum(|p| p.outbox_depth_bytes);
            let least = || ";;;0".to_owned();
            figures = vec![
                figure(
                    "outbox",
                    waiting,
                    Unit::Count,
                    "Events that wait in the outboxes",
                    limits(self.warn, self.crit),
                ),
                figure("outbox_size", bytes, Unit::Bytes, "Bytes that they take", least()),
                figure(
                    "oldest_age",
                    oldest,
                    Unit::Seconds,
                    "How long the oldest of them has waited",
                    limits(self.warn_age, self.crit_age),
                ),
                figure(
                    "write_failures",
                    sum(|p| p.write_failure_total),
                    Unit::Total,
                    "Final failures of a batch since the services started",
                    least(),
                ),
                figure(
                    "dropped",
                    sum(|p| p.dropped_total),
                    Unit::Total,
                    "Events lost since the services started",
                    ";;0:0;0".to_owned(),
                ),
                figure(
                    "refused",
                    sum(|p| p.refused_waiting),
                    Unit::Count,
                    "Events that the sinks refused",
                    ";0:0;;0".to_owned(),
                ),
            ];
            // The producer that has been silent for longer counts; one that never had anything to write does not.
            let oldest_success = answered.iter().filter_map(|p| p.last_success_at).min();
            figures.extend(oldest_success.map(|at| {
                let age = u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0);
                figure(
                    "last_success_age",
                    age,
                    Unit::Seconds,
                    "How long ago a sink last took events",
                    least(),
                )
            }));
        }
        Found { figures, ..Found::new(verdict, &printable(&what.join("; "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::check::style::Style;

    fn check() -> ProducerCheck {
        let asked = CheckArgs { format: Style::Nagios, timeout: 10 };
        ProducerCheck { warn: 10, crit: 20, warn_age: 60, crit_age: 300, asked }
    }

    #[test]
    fn what_does_not_leave_is_told_with_its_reason() {
        let now = Timestamp::from_second(1_000).expect("a time");
        let at = |s| Timestamp::from_second(s).ok();
        let well = || Producer { last_success_at: at(990), ..Producer::default() };
        let line = |one: Result<Producer, String>, other: Result<Producer, String>| {
            let told = [("traffic-service", one), ("postback-service", other)];
            Style::Nagios.lines("producer", &check().judge(&told, now)).join("\n")
        };
        let data = |outbox: u64, age: u64, dropped: u64, refused: u64| {
            format!(
                "outbox={outbox};0:9;0:19;0 outbox_size=0B;;;0 oldest_age={age}s;0:59;0:299;0 write_failures=0c;;;0 \
                 dropped={dropped}c;;0:0;0 refused={refused};0:0;;0 last_success_age=10s;;;0"
            )
        };
        assert_eq!(
            line(Ok(well()), Ok(well())),
            format!("PRODUCER OK - 0 events wait in the outboxes | {}", data(0, 0, 0, 0))
        );
        assert_eq!(
            line(Ok(Producer { outbox_depth_events: 10, ..well() }), Ok(well())),
            format!("PRODUCER WARNING - 10 events wait in the outboxes | {}", data(10, 0, 0, 0))
        );
        assert_eq!(
            line(
                Ok(well()),
                Ok(Producer { outbox_depth_events: 1, oldest_undelivered_age_ms: 300_000, ..well() })
            ),
            format!(
                "PRODUCER CRITICAL - 1 events wait in the outboxes; postback-service: an event has waited for 300 s | {}",
                data(1, 300, 0, 0)
            )
        );
        assert_eq!(
            line(Ok(Producer { dropped_total: 3, refused_waiting: 2, ..well() }), Ok(well())),
            format!(
                "PRODUCER CRITICAL - 0 events wait in the outboxes; traffic-service: 3 events were dropped since it \
                 started; traffic-service: the sink refused 2 events: tfx events replay-refused | {}",
                data(0, 0, 3, 2)
            )
        );
        let degraded = Producer { degraded: true, last_error: Some("no broker".to_owned()), ..well() };
        assert!(line(Ok(degraded), Ok(well())).starts_with(
            "PRODUCER WARNING - 0 events wait in the outboxes; traffic-service: no broker | outbox=0"
        ));
        assert!(line(Err("away".to_owned()), Ok(well())).starts_with(
            "PRODUCER CRITICAL - 0 events wait in the outbox of the other; traffic-service: away | outbox=0"
        ));
        assert_eq!(
            line(Err("a".to_owned()), Err("b".to_owned())),
            "PRODUCER CRITICAL - traffic-service: a; postback-service: b"
        );
    }
}
